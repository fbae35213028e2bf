// alice writes to bob with an attachment, bob reads and answers, with jmap-jam. Arguments: URL, alice, bob, password.
// Prints what both have in the end.
import JamClient from "jmap-jam";

const [url, aliceName, bobName, password] = process.argv.slice(2);

// jmap-jam knows bearer tokens only; here each client's token is exchanged for Basic on the way out.
const plainFetch = globalThis.fetch;
globalThis.fetch = (target, init = {}) => {
  const user = init.headers.Authorization.replace("Bearer ", "");
  const basic = Buffer.from(`${user}:${password}`).toString("base64");
  return plainFetch(target, { ...init, headers: { ...init.headers, Authorization: `Basic ${basic}` } });
};

async function open(name) {
  const jam = new JamClient({ sessionUrl: `${url}/.well-known/jmap`, bearerToken: name });
  return { jam, accountId: await jam.getPrimaryAccount() };
}

async function mailbox({ jam, accountId }, role) {
  const [found] = await jam.api.Mailbox.query({ accountId, filter: { role } });
  return found.ids[0];
}

async function emails({ jam, accountId }, inMailbox) {
  const [{ list }] = await jam.requestMany((t) => {
    const query = t.Email.query({ accountId, filter: { inMailbox }, sort: [{ property: "receivedAt", isAscending: false }] });
    const list = t.Email.get({ accountId, ids: query.$ref("/ids"), fetchTextBodyValues: true });
    return { query, list };
  });
  return list.list;
}

// What is in the INBOX, as soon as something is.
async function arrived(of) {
  const inbox = await mailbox(of, "inbox");
  for (let tries = 0; tries < 150; tries++) {
    const found = await emails(of, inbox);
    if (found.length > 0) return found;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  return [];
}

// Written, then sent and filed.
async function send({ jam, accountId }, recipient, email, text) {
  const [identities] = await jam.api.Identity.get({ accountId, ids: null });
  const identity = identities.list[0];
  const drafts = await mailbox({ jam, accountId }, "drafts");
  const sent = await mailbox({ jam, accountId }, "sent");
  const [made] = await jam.api.Email.set({
    accountId,
    create: {
      draft: {
        mailboxIds: { [drafts]: true },
        keywords: { $draft: true },
        from: [{ name: "The sender", email: identity.email }],
        to: [{ name: "The recipient", email: recipient }],
        textBody: [{ partId: "text", type: "text/plain" }],
        bodyValues: { text: { value: text } },
        ...email,
      },
    },
  });
  const [submitted] = await jam.api.EmailSubmission.set({
    accountId,
    create: { sent: { emailId: made.created.draft.id, identityId: identity.id } },
    onSuccessUpdateEmail: {
      "#sent": { "keywords/$draft": null, [`mailboxIds/${drafts}`]: null, [`mailboxIds/${sent}`]: true },
    },
  });
  if (submitted.notCreated) throw new Error(JSON.stringify(submitted.notCreated));
}

async function told({ jam, accountId }, email) {
  const [threads] = await jam.api.Thread.get({ accountId, ids: [email.threadId] });
  const attachments = [];
  for (const { blobId, type, name } of email.attachments) {
    const answer = await jam.downloadBlob({ accountId, blobId, mimeType: type, fileName: name });
    attachments.push(Buffer.from(await answer.arrayBuffer()).toString("hex"));
  }
  return {
    subject: email.subject,
    text: email.bodyValues[email.textBody[0].partId].value.trim(),
    keywords: Object.keys(email.keywords).sort(),
    "in thread": threads.list[0].emailIds.length,
    attachments,
  };
}

async function everything(of) {
  const found = {};
  for (const role of ["inbox", "sent", "drafts"]) {
    found[role] = [];
    for (const email of await emails(of, await mailbox(of, role))) found[role].push(await told(of, email));
  }
  return found;
}

const alice = await open(aliceName);
const bob = await open(bobName);
const leaves = Buffer.from("\x00tea leaves\xff".repeat(1000), "latin1");
const blob = await alice.jam.uploadBlob(alice.accountId, leaves);
const attachments = [{ blobId: blob.blobId, type: "application/octet-stream", name: "leaves.bin" }];
await send(alice, `${bobName}@example.org`, { subject: "From jmap-jam", attachments }, "Hello from jmap-jam.");

const [email] = await arrived(bob);
const inReplyTo = email.messageId;
const references = [...(email.references ?? []), ...inReplyTo];
await send(bob, `${aliceName}@example.org`, { subject: `Re: ${email.subject}`, inReplyTo, references }, "Thanks!");
await bob.jam.api.Email.set({
  accountId: bob.accountId,
  update: { [email.id]: { "keywords/$answered": true, "keywords/$seen": true } },
});
await arrived(alice);
console.log(JSON.stringify({ alice: await everything(alice), bob: await everything(bob) }));
