"""From a draft to the recipient: Dovecot and Postfix behind the gateway (RFC 8621 §6, §7)."""

import asyncio
from typing import Any

import pytest

from adapters.ports.submission import SubmissionFacts
from adapters.smtp.backend import SmtpSubmission
from tests.client import CORE, JmapClient, jmap_client
from tests.gateway import running_gateway
from tests.objects.submission.conftest import submission_keys
from tests.objects.submission.sending import (
    SUBMISSION,
    USING,
    call,
    draft,
    eventually,
    identity,
    imported,
    inbox,
    mailbox,
    send,
    sentences,
    to,
)
from tests.servers.postfix import Postfix
from tests.servers.users import User, fresh_user


async def test_capability_tells_what_the_server_offers(alice: JmapClient) -> None:
    account = alice.session["accounts"][alice.account]["accountCapabilities"][SUBMISSION]
    assert account["maxDelayedSend"] == 0
    assert account["submissionExtensions"]["SIZE"] == ["52428800"]
    assert "DSN" in account["submissionExtensions"]
    assert alice.session["primaryAccounts"][SUBMISSION] == alice.account
    assert alice.session["capabilities"][SUBMISSION] == {}


async def test_who_logs_in_while_the_server_is_asked_can_send(
    postfix: Postfix, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = SmtpSubmission.facts

    async def slowly(port: SmtpSubmission) -> SubmissionFacts:
        await asyncio.sleep(0.5)
        return await ask(port)

    monkeypatch.setattr(SmtpSubmission, "facts", slowly)
    async with running_gateway(postfix.dovecot, **submission_keys(postfix.submission)) as url:

        async def may_send(user: User) -> bool:
            async with jmap_client(url, *user) as client:
                return SUBMISSION in client.session["accounts"][client.account]["accountCapabilities"]

        assert all(await asyncio.gather(*(may_send(fresh_user(postfix.dovecot)) for _ in range(4))))


async def test_alice_writes_to_bob(alice: JmapClient, alice_user: User, bob: JmapClient, bob_user: User) -> None:
    mine = await identity(alice)
    assert mine["email"] == f"{alice_user.name}@example.org"
    drafts, sent = await mailbox(alice, "drafts"), await mailbox(alice, "sent")
    blob = await alice.upload(b"\x00\x01tea leaves" * 5000, "application/octet-stream")
    email = {
        "mailboxIds": {drafts: True},
        "keywords": {"$draft": True},
        "from": [{"name": "Alice", "email": mine["email"]}],
        "to": [{"name": None, "email": f"{bob_user.name}@example.org"}],
        "bcc": [{"name": None, "email": f"{alice_user.name}@example.org"}],
        "subject": "Tea at five",
        "textBody": [{"partId": "t", "type": "text/plain"}],
        "bodyValues": {"t": {"value": "Will you come?\n.\nA dot above\n"}},
        "attachments": [{"blobId": blob["blobId"], "type": "application/octet-stream", "name": "leaves.bin"}],
    }
    submission = {"identityId": mine["id"], "emailId": ""}
    patch = {f"mailboxIds/{drafts}": None, f"mailboxIds/{sent}": True, "keywords/$draft": None}
    made = await alice.call("Email/set", create={"d": email})
    email_id = submission["emailId"] = made["created"]["d"]["id"]
    # Only core and submission, as one client does: the implicit Email/set works all the same.
    answers = await alice.sentences(
        ("EmailSubmission/set", {"create": {"s": submission}, "onSuccessUpdateEmail": {"#s": patch}}),
        using=(CORE, SUBMISSION),
    )
    (first, answer, call_id), (second, implicit, same_id) = answers
    assert (first, second, call_id) == ("EmailSubmission/set", "Email/set", same_id)
    created = answer["created"]["s"]
    assert created["undoStatus"] == "final"
    assert created["envelope"]["mailFrom"] == {"email": mine["email"], "parameters": None}
    statuses = created["deliveryStatus"]
    assert set(statuses) == {f"{bob_user.name}@example.org", mine["email"]}
    assert statuses[f"{bob_user.name}@example.org"]["smtpReply"].startswith("250 2.1.5")
    assert email_id in implicit["updated"]
    (kept,) = (await alice.call("Email/get", ids=[email_id], properties=["mailboxIds", "keywords", "bcc"]))["list"]
    assert kept["mailboxIds"] == {sent: True}
    assert "$draft" not in kept["keywords"]
    assert kept["bcc"]  # on the sender's own copy it stays
    (arrived,) = await eventually(lambda: inbox(bob, "subject", "bcc", "header:Bcc:asRaw", "attachments", "bodyValues"))
    assert arrived["subject"] == "Tea at five"
    assert arrived["bcc"] is None
    assert arrived["header:Bcc:asRaw"] is None
    assert any(value["value"].endswith("\n.\nA dot above\n") for value in arrived["bodyValues"].values())
    (attachment,) = arrived["attachments"]
    assert await bob.download(attachment["blobId"]) == b"\x00\x01tea leaves" * 5000


async def test_a_record_is_kept_and_found(alice: JmapClient, bob_user: User) -> None:
    mine = await identity(alice)
    before = await call(alice, "EmailSubmission/get", ids=[])
    email_id = await draft(alice, mine["email"], f"{bob_user.name}@example.org")
    made = (await send(alice, email_id))["created"]["s"]
    (record,) = (await call(alice, "EmailSubmission/get", ids=[made["id"]]))["list"]
    assert record == made | {"identityId": mine["id"], "emailId": email_id}
    changes = await call(alice, "EmailSubmission/changes", sinceState=before["state"])
    assert (changes["created"], changes["updated"], changes["destroyed"]) == ([made["id"]], [], [])
    for condition, count in [
        ({"emailIds": [email_id]}, 1),
        ({"emailIds": ["x"]}, 0),
        ({"identityIds": [mine["id"]], "undoStatus": "final", "after": made["sendAt"]}, 1),
        ({"before": made["sendAt"]}, 0),
    ]:
        for name in ("emailId", "threadId", "sentAt"):  # RFC 8621 §7.3
            found = await call(alice, "EmailSubmission/query", filter=condition, sort=[{"property": name}])
            assert len(found["ids"]) == count, condition
    refused = await call(alice, "EmailSubmission/set", update={made["id"]: {"undoStatus": "canceled"}})
    assert refused["notUpdated"][made["id"]]["type"] == "cannotUnsend"
    since = found["queryState"]
    answers = await sentences(alice, "EmailSubmission/set", destroy=[made["id"]], onSuccessDestroyEmail=[made["id"]])
    assert answers[0][1]["destroyed"] == [made["id"]]
    assert answers[1][1]["destroyed"] == [email_id]
    changed = await call(alice, "EmailSubmission/queryChanges", sinceQueryState=since)
    assert changed["removed"] == [made["id"]]


async def test_a_repeated_call_delivers_once(alice: JmapClient, bob: JmapClient, bob_user: User) -> None:
    """Threat model row 77."""
    email_id = await draft(alice, (await identity(alice))["email"], f"{bob_user.name}@example.org")
    answers = await asyncio.gather(*(send(alice, email_id) for _ in range(3)))
    answers.append(await send(alice, email_id))
    assert len({answer["created"]["s"]["id"] for answer in answers}) == 1
    marker = await draft(alice, (await identity(alice))["email"], f"{bob_user.name}@example.org", Subject="Last")
    await send(alice, marker)

    async def arrived() -> Any:
        subjects = [email["subject"] for email in await inbox(bob, "subject")]
        return subjects if "Last" in subjects else None

    assert sorted(await eventually(arrived)) == ["Last", "Tea"]


async def test_refusals(alice: JmapClient, alice_user: User) -> None:
    """Threat model row 18: nothing of it reaches the server."""
    mine = f"{alice_user.name}@example.org"
    email_id = await draft(alice, mine, mine)
    many = to(*(f"u{number}@example.org" for number in range(1001)), sender=mine)
    cases: list[tuple[Any, str]] = [
        (to(sender=mine), "noRecipients"),
        (many, "tooManyRecipients"),
        (to("a@example.org>\r\nRCPT TO:<b@example.org", sender=mine), "invalidRecipients"),
        (to("a b@example.org", sender=mine), "invalidRecipients"),
        (to("no-address", mine, sender=mine), "invalidRecipients"),
        (to(mine, sender="mallory@example.org"), "forbiddenMailFrom"),
        (to(mine, sender="a\r\nDATA@example.org"), "forbiddenMailFrom"),
        (
            {"mailFrom": {"email": mine, "parameters": {"HOLDFOR": "60"}}, "rcptTo": [{"email": mine}]},
            "invalidProperties",
        ),
        ({"mailFrom": {"email": mine, "parameters": {"RET": "X Y"}}, "rcptTo": [{"email": mine}]}, "invalidProperties"),
        (
            {"mailFrom": {"email": mine, "parameters": {"A\r\n": None}}, "rcptTo": [{"email": mine}]},
            "invalidProperties",
        ),
    ]
    for envelope, kind in cases:
        refused = (await send(alice, email_id, envelope))["notCreated"]["s"]
        assert refused["type"] == kind, (envelope, refused)
    assert (await send(alice, email_id, many))["notCreated"]["s"]["maxRecipients"] == 1000
    spoofed = await draft(alice, "mallory@example.org", mine)
    assert (await send(alice, spoofed))["notCreated"]["s"]["type"] == "forbiddenFrom"
    assert (await send(alice, "nothing"))["notCreated"]["s"]["properties"] == ["emailId"]
    create = {"s": {"identityId": "nothing", "emailId": email_id}}
    answer = await call(alice, "EmailSubmission/set", create=create)
    assert answer["notCreated"]["s"]["properties"] == ["identityId"]
    assert not (await call(alice, "EmailSubmission/get", ids=None))["list"]


async def test_some_recipients_are_refused(alice: JmapClient, bob: JmapClient, bob_user: User) -> None:
    """Threat model row 72; Postfix refuses domains that it cannot reach only later, so the syntax is what it minds."""
    mine = (await identity(alice))["email"]
    email_id = await draft(alice, mine, mine)
    bobs, other = f"{bob_user.name}@example.org", "u@[999.1.1.1]"
    created = (await send(alice, email_id, to(bobs, other, sender=mine)))["created"]["s"]
    assert created["deliveryStatus"][bobs]["delivered"] == "unknown"
    assert created["deliveryStatus"][other]["delivered"] == "no"
    assert created["deliveryStatus"][other]["smtpReply"].startswith("5")
    await eventually(lambda: inbox(bob, "subject"))
    refused = (await send(alice, email_id, to(other, sender=mine)))["notCreated"]["s"]
    assert refused["type"] == "invalidRecipients"
    assert refused["invalidRecipients"] == [other]


async def test_dsn_parameters_and_an_8bit_body(alice: JmapClient, bob: JmapClient, bob_user: User) -> None:
    mine, bobs = (await identity(alice))["email"], f"{bob_user.name}@example.org"
    kind = "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit"
    message = f"From: {mine}\r\nTo: {bobs}\r\nSubject: Greetings\r\n{kind}\r\n\r\nschön\r\n".encode()
    envelope = {
        "mailFrom": {"email": mine, "parameters": {"RET": "HDRS", "ENVID": "a b+c=d", "SIZE": "1"}},
        "rcptTo": [{"email": bobs, "parameters": {"NOTIFY": "NEVER", "ORCPT": f"rfc822;{bobs}"}}],
    }
    created = (await send(alice, await imported(alice, message), envelope))["created"]["s"]
    assert created["deliveryStatus"][bobs]["smtpReply"].startswith("250")
    (arrived,) = await eventually(lambda: inbox(bob, "preview"))
    assert arrived["preview"] == "schön"


async def test_large_message_streams(alice: JmapClient, bob: JmapClient, bob_user: User) -> None:
    mine, bobs = (await identity(alice))["email"], f"{bob_user.name}@example.org"
    body = "".join(f".{number:060d}\r\n" for number in range(15_000))
    head = f"From: {mine}\r\nBcc: secret@example.org,\r\n {bobs}\r\nTo: {bobs}\r\nSubject: Long\r\n\r\n"
    email_id = await imported(alice, (head + body).encode())
    await send(alice, email_id, to(bobs, sender=mine))
    (arrived,) = await eventually(lambda: inbox(bob, "blobId"))
    stored = await bob.download(arrived["blobId"])
    assert stored.partition(b"\r\n\r\n")[2] == body.encode()
    assert b"secret" not in stored


async def test_written_and_sent_in_one_request(alice: JmapClient, bob: JmapClient, bob_user: User) -> None:
    mine, drafts = await identity(alice), await mailbox(alice, "drafts")
    email = {
        "mailboxIds": {drafts: True},
        "from": [{"email": mine["email"]}],
        "subject": "At once",
        "textBody": [{"partId": "t"}],
        "bodyValues": {"t": {"value": "x"}},
    }
    # One client writes `mailfrom`; the Identity's address is taken then.
    envelope = {"mailfrom": {"email": ""}, "rcptTo": [{"email": f"{bob_user.name}@example.org"}]}
    submission = {"identityId": mine["id"], "emailId": "#d", "envelope": envelope}
    answers = await alice.sentences(
        ("Email/set", {"create": {"d": email}}),
        ("EmailSubmission/set", {"create": {"s": submission}, "onSuccessDestroyEmail": ["#s"]}),
        using=USING,
    )
    email_id = answers[0][1]["created"]["d"]["id"]
    assert answers[1][1]["created"]["s"]["envelope"]["mailFrom"]["email"] == mine["email"]
    assert answers[2][1]["destroyed"] == [email_id]
    (arrived,) = await eventually(lambda: inbox(bob, "subject"))
    assert arrived["subject"] == "At once"
