"""alice writes to bob and bob reads, with jmapc; run by the Python of jmapc's own environment.

Arguments: URL, alice, bob, password. Prints what bob sees as JSON.
"""

import json
import sys
import time

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
    identity = alice.request(IdentityGet(), raise_errors=True).data[0]
    drafts, sent = mailbox(alice, "drafts"), mailbox(alice, "sent")
    email = Email(
        mail_from=[EmailAddress(name="Alice", email=identity.email)],
        to=[EmailAddress(name="Bob", email=f"{bob_name}@example.org")],
        subject="From jmapc",
        keywords={"$draft": True},
        mailbox_ids={drafts: True},
        body_values={"text": EmailBodyValue(value="Hello from jmapc.")},
        text_body=[EmailBodyPart(part_id="text", type="text/plain")],
    )
    submission = EmailSubmission(
        email_id="#draft",
        identity_id=identity.id,
        envelope=Envelope(mail_from=Address(email=identity.email), rcpt_to=[Address(email=f"{bob_name}@example.org")]),
    )
    filed = {"keywords/$draft": None, f"mailboxIds/{drafts}": None, f"mailboxIds/{sent}": True}
    alice.request(
        [
            EmailSet(create={"draft": email}),
            EmailSubmissionSet(create={"sent": submission}, on_success_update_email={"#sent": filed}),
        ],
        raise_errors=True,
    )
    print(json.dumps({"bob": received(bob), "sent": subjects(alice, sent), "drafts": subjects(alice, drafts)}))


def received(bob: Client) -> list[dict[str, object]]:
    inbox = mailbox(bob, "inbox")
    deadline = time.monotonic() + 20
    while not subjects(bob, inbox) and time.monotonic() < deadline:
        time.sleep(0.2)
    answers = bob.request(
        [
            EmailQuery(filter=EmailQueryFilterCondition(in_mailbox=inbox), limit=10),
            EmailGet(ids=Ref("/ids"), fetch_all_body_values=True),
            ThreadGet(ids=Ref("/list/*/threadId")),
        ],
        raise_errors=True,
    )
    emails, threads = answers[1].response.data, answers[2].response.data
    return [
        {
            "subject": email.subject,
            "text": email.body_values[email.text_body[0].part_id].value,
            "in thread": any(email.id in thread.email_ids for thread in threads),
        }
        for email in emails
    ]


def subjects(of: Client, box: str) -> list[str]:
    answers = of.request(
        [
            MailboxGet(ids=[box]),
            EmailQuery(filter=EmailQueryFilterCondition(in_mailbox=box)),
            EmailGet(ids=Ref("/ids"), properties=["subject"]),
        ],
        raise_errors=True,
    )
    emails = answers[2].response.data
    assert answers[0].response.data[0].total_emails == len(emails)
    return [email.subject for email in emails]


main(*sys.argv[1:])
