// alice writes to bob and bob reads, with jmap-jam. Arguments: URL, alice, bob, password. Prints what bob sees.
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

const alice = await open(aliceName);
const bob = await open(bobName);
const [identities] = await alice.jam.api.Identity.get({ accountId: alice.accountId, ids: null });
const identity = identities.list[0];
const drafts = await mailbox(alice, "drafts");
const sent = await mailbox(alice, "sent");
const [made] = await alice.jam.api.Email.set({
  accountId: alice.accountId,
  create: {
    draft: {
      mailboxIds: { [drafts]: true },
      keywords: { $draft: true },
      from: [{ name: "Alice", email: identity.email }],
      to: [{ name: "Bob", email: `${bobName}@example.org` }],
      subject: "From jmap-jam",
      textBody: [{ partId: "text", type: "text/plain" }],
      bodyValues: { text: { value: "Hello from jmap-jam." } },
    },
  },
});
const [submitted] = await alice.jam.api.EmailSubmission.set({
  accountId: alice.accountId,
  create: { sent: { emailId: made.created.draft.id, identityId: identity.id } },
  onSuccessUpdateEmail: {
    "#sent": { "keywords/$draft": null, [`mailboxIds/${drafts}`]: null, [`mailboxIds/${sent}`]: true },
  },
});
if (submitted.notCreated) throw new Error(JSON.stringify(submitted.notCreated));

const inbox = await mailbox(bob, "inbox");
let received = [];
for (let tries = 0; received.length === 0 && tries < 100; tries++) {
  received = await emails(bob, inbox);
  if (received.length === 0) await new Promise((resolve) => setTimeout(resolve, 200));
}
const [threads] = await bob.jam.api.Thread.get({ accountId: bob.accountId, ids: received.map((email) => email.threadId) });
console.log(
  JSON.stringify({
    bob: received.map((email) => ({
      subject: email.subject,
      text: email.bodyValues[email.textBody[0].partId].value,
      "in thread": threads.list.some((thread) => thread.emailIds.includes(email.id)),
    })),
    sent: (await emails(alice, sent)).map((email) => email.subject),
    drafts: (await emails(alice, drafts)).map((email) => email.subject),
  }),
);
