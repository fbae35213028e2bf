"""alice writes to bob with an attachment, bob reads and answers, with jmapc; run by the Python of its own environment.

Arguments: URL, alice, bob, password. Prints what both have in the end as JSON.
"""

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import requests
from jmapc import (
    Address,
    Client,
    Email,
    EmailAddress,
    EmailBodyPart,
    EmailBodyValue,
    EmailQueryFilterCondition,
    EmailSubmission,
    Envelope,
    MailboxQueryFilterCondition,
    Ref,
)
from jmapc.methods import (
    EmailGet,
    EmailQuery,
    EmailSet,
    EmailSubmissionSet,
    IdentityGet,
    MailboxGet,
    MailboxQuery,
    ThreadGet,
)
from jmapc.session import Session


def client(url: str, user: str, password: str) -> Client:
    """jmapc insists on https for the session, so the session is fetched here."""
    made = Client.create_with_password("unused", user, password)
    answer = requests.get(f"{url}/.well-known/jmap", auth=(user, password), timeout=10)
    made.__dict__["jmap_session"] = Session.from_dict(answer.json())
    return made


def mailbox(of: Client, role: str) -> str:
    found = of.request(MailboxQuery(filter=MailboxQueryFilterCondition(role=role)), raise_errors=True)
    ids: list[str] = found.ids
    return ids[0]


def main(url: str, alice_name: str, bob_name: str, password: str) -> None:
    alice, bob = client(url, alice_name, password), client(url, bob_name, password)
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "leaves.bin"
        path.write_bytes(b"\x00tea leaves\xff" * 1000)
        blob = alice.upload_blob(path)
    leaves = EmailBodyPart(blob_id=blob.id, type="application/octet-stream", name="leaves.bin")
    send(alice, f"{bob_name}@example.org", "From jmapc", "Hello from jmapc.", attachments=[leaves])
    (email,) = arrived(bob)
    answer(bob, email, f"{alice_name}@example.org")
    arrived(alice)
    print(json.dumps({"alice": everything(alice), "bob": everything(bob)}))


def answer(bob: Client, email: Email, recipient: str) -> None:
    """Write back, then mark what is answered."""
    references = [*(email.references or []), *email.message_id]
    send(bob, recipient, f"Re: {email.subject}", "Thanks!", in_reply_to=email.message_id, references=references)
    bob.request(EmailSet(update={email.id: {"keywords/$answered": True, "keywords/$seen": True}}), raise_errors=True)


def send(of: Client, recipient: str, subject: str, text: str, **more: Any) -> None:
    """Written, sent and filed in one request."""
    identity = of.request(IdentityGet(), raise_errors=True).data[0]
    drafts, sent = mailbox(of, "drafts"), mailbox(of, "sent")
    email = Email(
        mail_from=[EmailAddress(name="The sender", email=identity.email)],
        to=[EmailAddress(name="The recipient", email=recipient)],
        subject=subject,
        keywords={"$draft": True},
        mailbox_ids={drafts: True},
        body_values={"text": EmailBodyValue(value=text)},
        text_body=[EmailBodyPart(part_id="text", type="text/plain")],
        **more,
    )
    submission = EmailSubmission(
        email_id="#draft",
        identity_id=identity.id,
        envelope=Envelope(mail_from=Address(email=identity.email), rcpt_to=[Address(email=recipient)]),
    )
    filed = {"keywords/$draft": None, f"mailboxIds/{drafts}": None, f"mailboxIds/{sent}": True}
    answers = of.request(
        [
            EmailSet(create={"draft": email}),
            EmailSubmissionSet(create={"sent": submission}, on_success_update_email={"#sent": filed}),
        ],
        raise_errors=True,
    )
    if answers[1].response.not_created:
        raise SystemExit(str(answers[1].response))


def arrived(of: Client) -> list[Email]:
    """What is in the INBOX, as soon as something is."""
    inbox = mailbox(of, "inbox")
    deadline = time.monotonic() + 30
    while not (found := emails(of, inbox)) and time.monotonic() < deadline:
        time.sleep(0.2)
    return found


def emails(of: Client, box: str) -> list[Email]:
    answers = of.request(
        [
            MailboxGet(ids=[box]),
            EmailQuery(filter=EmailQueryFilterCondition(in_mailbox=box), limit=10),
            EmailGet(ids=Ref("/ids"), fetch_all_body_values=True),
        ],
        raise_errors=True,
    )
    found: list[Email] = answers[2].response.data
    assert answers[0].response.data[0].total_emails == len(found)
    return found


def everything(of: Client) -> dict[str, object]:
    found = {role: emails(of, mailbox(of, role)) for role in ("inbox", "sent", "drafts")}
    return {role: [told(of, email) for email in those] for role, those in found.items()}


def told(of: Client, email: Email) -> dict[str, object]:
    thread = of.request(ThreadGet(ids=[email.thread_id]), raise_errors=True).data[0]
    return {
        "subject": email.subject,
        "text": email.body_values[email.text_body[0].part_id].value.strip(),
        "keywords": sorted(email.keywords),
        "in thread": len(thread.email_ids),
        "attachments": [downloaded(of, part) for part in email.attachments],
    }


def downloaded(of: Client, part: EmailBodyPart) -> str:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "attachment"
        of.download_attachment(part, path)
        return path.read_bytes().hex()


main(*sys.argv[1:])
