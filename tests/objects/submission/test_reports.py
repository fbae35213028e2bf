"""What comes back of what was sent: DSNs of Postfix and receipts (RFC 8621 §7), and such as are forged."""

import asyncio
import smtplib
from typing import Any

import pytest

from gateway.objects.submission import reports
from gateway.push import feed
from tests.client import JmapClient
from tests.objects.submission.sending import call, draft, eventually, inbox, send, to
from tests.objects.submission.test_delayed import of, told
from tests.objects.submission.test_mdn import asked, receipt, received
from tests.objects.submission.test_mdn import call as mdn_call
from tests.servers.postfix import BOUNCES, Postfix
from tests.servers.users import User

NOBODY = f"nobody@{BOUNCES}"


async def submission(client: JmapClient, submission_id: str) -> dict[str, Any]:
    found: dict[str, Any] = (await call(client, "EmailSubmission/get", ids=[submission_id]))["list"][0]
    return found


async def answered(client: JmapClient, submission_id: str, name: str = "dsnBlobIds", count: int = 1) -> dict[str, Any]:
    """The EmailSubmission when so many reports have come."""

    async def look() -> Any:
        found = await submission(client, submission_id)
        return found if len(found[name]) >= count else None

    found: dict[str, Any] = await eventually(look)
    return found


def report(status: str, **head: str) -> bytes:
    """A DSN without what it returns."""
    fields = {"From": "MAILER-DAEMON@example.org", "Subject": "Undelivered"} | head
    top = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    kind = 'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n'
    part = f"--b\r\nContent-Type: message/delivery-status\r\n\r\n{status}\r\n"
    return f"{top}{kind}\r\n--b\r\n\r\nSorry.\r\n{part}".encode()


def returned(message_id: str) -> str:
    return f"--b\r\nContent-Type: text/rfc822-headers\r\n\r\nMessage-ID: {message_id}\r\n\r\n--b--\r\n"


async def delivered(postfix: Postfix, user: User, sender: str, message: bytes) -> None:
    """Hand a message to the server as a stranger would."""

    def run() -> None:
        with smtplib.SMTP(postfix.dovecot.host, postfix.submission) as smtp:
            smtp.sendmail(sender, [of(user)], message)

    await asyncio.to_thread(run)


async def subjects_come(client: JmapClient, wanted: str) -> None:
    async def look() -> bool:
        return wanted in [email["subject"] for email in await inbox(client, "subject")]

    await eventually(look)


async def test_a_bounce_is_entered(alice: JmapClient, alice_user: User, bob: JmapClient, bob_user: User) -> None:
    email_id = await draft(alice, of(alice_user), of(bob_user))
    envelope = to(of(bob_user), NOBODY, sender=of(alice_user))
    answer = await send(alice, email_id, envelope)
    made, state = answer["created"]["s"], answer["newState"]
    assert made["deliveryStatus"][NOBODY]["delivered"] == "unknown"
    found = await answered(alice, made["id"])
    assert found["deliveryStatus"][NOBODY] == {
        "smtpReply": "550 5.1.1 user unknown",
        "delivered": "no",
        "displayed": "unknown",
    }
    assert found["deliveryStatus"][of(bob_user)] == made["deliveryStatus"][of(bob_user)]
    # The envelope is as the client gave it.
    assert found["envelope"]["rcptTo"][1] == {"email": NOBODY, "parameters": None}
    (blob_id,) = found["dsnBlobIds"]
    blob = await alice.download(blob_id)
    assert b"report-type=delivery-status" in blob
    assert f"Original-Envelope-Id: {made['id']}".encode() in blob
    assert made["id"] in (await call(alice, "EmailSubmission/changes", sinceState=state))["updated"]
    assert (await submission(alice, made["id"]))["dsnBlobIds"] == [blob_id]


async def test_who_listens_hears_of_a_bounce(alice: JmapClient, alice_user: User) -> None:
    """RFC 8620 §7.1: nobody asks for EmailSubmissions meanwhile."""
    made = await send(alice, await draft(alice, of(alice_user), NOBODY))
    names = (await call(alice, "Identity/get", ids=[]))["state"]
    event = feed.encode({alice.account: {"EmailSubmission": made["oldState"], "Identity": names}})
    states = {"EmailSubmission": made["newState"]}
    while states["EmailSubmission"] == made["newState"]:  # it was sent; then what came back is entered
        states, event = await told(alice, event)
    answer = await call(alice, "EmailSubmission/get", ids=[made["created"]["s"]["id"]])
    assert states["EmailSubmission"] == answer["state"]
    assert len(answer["list"][0]["dsnBlobIds"]) == 1


async def test_success_is_told_to_who_asks(alice: JmapClient, alice_user: User, bob_user: User) -> None:
    """What the client asked for is passed on as it is, its ENVID too."""
    email_id = await draft(alice, of(alice_user), of(bob_user))
    envelope = to(of(bob_user), sender=of(alice_user))
    envelope["mailFrom"]["parameters"] = {"envid": "mine + 1"}
    envelope["rcptTo"][0]["parameters"] = {"NOTIFY": "SUCCESS,FAILURE"}
    made = (await send(alice, email_id, envelope))["created"]["s"]
    found = await answered(alice, made["id"])
    status = found["deliveryStatus"][of(bob_user)]
    assert status["delivered"] == "yes"
    assert status["smtpReply"].startswith("250 2.")
    assert b"Original-Envelope-Id: mine + 1" in await alice.download(found["dsnBlobIds"][0])


async def test_a_receipt_is_entered(alice: JmapClient, alice_user: User, bob: JmapClient, bob_user: User) -> None:
    """RFC 8098 §3.2.6.2."""
    await asked(alice, alice_user, bob_user)
    (submission_id,) = (await call(alice, "EmailSubmission/query"))["ids"]
    await mdn_call(bob, "MDN/send", **await receipt(bob, (await received(bob))["id"]))
    found = await answered(alice, submission_id, "mdnBlobIds")
    assert found["deliveryStatus"][of(bob_user)]["displayed"] == "yes"
    assert found["deliveryStatus"][of(bob_user)]["delivered"] == "unknown"
    assert b"disposition-notification" in await alice.download(found["mdnBlobIds"][0])


async def test_forged_reports_change_nothing(
    alice: JmapClient, alice_user: User, bob_user: User, postfix: Postfix
) -> None:
    """Of a stranger who knows the Message-ID, and of one who even knows the envelope id."""
    message_id = f"<{alice_user.name}-forged@example.org>"
    email_id = await draft(alice, of(alice_user), of(bob_user), Message_ID=message_id)
    made = (await send(alice, email_id))["created"]["s"]
    failed = "Action: failed\r\nStatus: 5.0.0\r\n"
    mine, bobs = f"Final-Recipient: rfc822; {of(alice_user)}\r\n", f"Final-Recipient: rfc822; {of(bob_user)}\r\n"
    known = returned(message_id).encode()
    gap = "Reporting-MTA: dns; x\r\n\r\n"
    envelope_id = f"Original-Envelope-Id: {made['id']}\r\n\r\n"
    delivered_ = f"{bobs}Action: delivered\r\nStatus: 2.0.0\r\n"
    forged = [
        ("", report(f"{gap}{mine}{failed}", Subject="Not of the envelope") + known),
        ("", report(f"Original-Envelope-Id: x\r\n\r\n{bobs}{failed}", Subject="Wrong envelope") + known),
        (of(bob_user), report(f"{envelope_id}{bobs}{failed}", Subject="From a person") + known),
        ("", report(f"{gap}{bobs}{failed}", Subject="Wrong message") + returned("<other@example.org>").encode()),
        ("", report(f"{gap}{bobs}Action: eaten\r\n", Subject="Wrong action") + known),
        ("", report(f"{envelope_id}{delivered_}", Subject="Of success")),
    ]
    for sender, message in forged:
        await delivered(postfix, alice_user, sender, message)

    async def all_there() -> bool:
        return len(await inbox(alice, "id")) == len(forged)

    await eventually(all_there)
    found = await answered(alice, made["id"])
    assert len(found["dsnBlobIds"]) == 1  # of the last one, which is listed; but nobody asked for success
    assert found["deliveryStatus"] == made["deliveryStatus"]
    # A bounce by a server that knows nothing of ENVID is known by the message that it returns; and then it is final.
    fields = [("smtp; 550-5.1.1 no such\r\n 550 5.1.1 user", "failed"), ("smtp; 250 2.0.0 ok", "failed")]
    for number, (told_, action) in enumerate(fields):
        status = f"{gap}{bobs}Action: {action}\r\nDiagnostic-Code: {told_}\r\n"
        await delivered(postfix, alice_user, "", report(status, Subject=f"Bounce {number}") + known)
        found = await answered(alice, made["id"], count=2 + number)
    assert found["deliveryStatus"][of(bob_user)]["smtpReply"] == "550 5.1.1 no such user"
    assert found["deliveryStatus"][of(bob_user)]["delivered"] == "no"


async def test_mail_is_looked_through_once(
    alice: JmapClient, alice_user: User, bob_user: User, postfix: Postfix, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only while something may be answered, only what is new, and the body only of reports."""
    looked: list[int] = []
    read = reports._in_folder

    async def counted(mail: Any, place: Any, uids: Any) -> Any:
        looked.append(len(uids))
        return await read(mail, place, uids)

    monkeypatch.setattr(reports, "_in_folder", counted)
    await delivered(postfix, alice_user, of(bob_user), b"Subject: Before\r\n\r\nx\r\n")
    await subjects_come(alice, "Before")
    await call(alice, "EmailSubmission/get", ids=None)
    assert looked == []
    made = (await send(alice, await draft(alice, of(alice_user), of(bob_user))))["created"]["s"]
    await submission(alice, made["id"])
    first = len(looked)
    await submission(alice, made["id"])
    assert len(looked) == first
    await delivered(postfix, alice_user, of(bob_user), b"Subject: After\r\n\r\nx\r\n")
    await subjects_come(alice, "After")
    await submission(alice, made["id"])
    assert looked[first:] == [1]
