"""Addresses, header fields and bodies beyond ASCII (RFC 6531, RFC 6532, RFC 6152): Postfix with smtputf8_enable."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.adapters.smtp.server import scripted_smtp
from tests.client import JmapClient, jmap_client
from tests.gateway import running_gateway
from tests.objects.submission.conftest import submission_keys
from tests.objects.submission.sending import call, eventually, identity, imported, inbox, mailbox, send, to
from tests.objects.submission.test_delayed import of
from tests.objects.submission.test_reports import answered
from tests.servers.postfix import INTERNATIONAL, Postfix
from tests.servers.users import User

OPEN = {"backends__default__submission__senders": "*"}


@pytest.fixture
async def sending_url(postfix: Postfix) -> AsyncIterator[str]:
    async with running_gateway(postfix.dovecot, **submission_keys(postfix.submission), **OPEN) as url:
        yield url


async def written(client: JmapClient, sender: str, recipient: str, subject: str) -> str:
    """A draft that the gateway writes itself."""
    email = {
        "mailboxIds": {await mailbox(client, "drafts"): True},
        "from": [{"name": "Ålice", "email": sender}],
        "to": [{"name": "Bøb", "email": recipient}],
        "subject": subject,
        "textBody": [{"partId": "t"}],
        "bodyValues": {"t": {"value": "schöne Grüße\n"}},
    }
    made = await client.call("Email/set", create={"d": email})
    assert made["created"], made
    return str(made["created"]["d"]["id"])


async def test_addresses_beyond_ascii(alice: JmapClient, alice_user: User, bob: JmapClient, bob_user: User) -> None:
    """With an Identity of its own, and an envelope that is derived from the header."""
    capability = alice.session["accounts"][alice.account]["accountCapabilities"]["urn:ietf:params:jmap:submission"]
    assert capability["submissionExtensions"]["SMTPUTF8"] == []
    mine, bobs = f"ålice.{alice_user.name}@example.org", f"bøb.{bob_user.name}@{INTERNATIONAL}"
    made = await call(alice, "Identity/set", create={"i": {"name": "Ålice", "email": mine}})
    email_id = await written(alice, mine, bobs, "Grüße 🍵")
    wanted = {"identityId": made["created"]["i"]["id"], "emailId": email_id}
    answer = await call(alice, "EmailSubmission/set", create={"s": wanted})
    created = answer["created"]["s"]
    assert created["envelope"]["mailFrom"]["email"] == mine
    assert [one["email"] for one in created["envelope"]["rcptTo"]] == [bobs]
    assert created["deliveryStatus"][bobs]["smtpReply"].startswith("250 2.1.5")
    names = ("subject", "from", "to", "preview", "header:Return-Path:asRaw", "header:To:asRaw")
    (arrived,) = await eventually(lambda: inbox(bob, *names))
    assert arrived["subject"] == "Grüße 🍵"
    assert arrived["from"] == [{"name": "Ålice", "email": mine}]
    assert arrived["to"] == [{"name": "Bøb", "email": bobs}]
    assert bobs in arrived["header:To:asRaw"]  # RFC 6532 §3.2: no encoded word can stand in an address
    assert arrived["preview"] == "schöne Grüße"


async def test_header_and_body_as_they_are(alice: JmapClient, bob: JmapClient, bob_user: User) -> None:
    """RFC 6532 header fields and an 8-bit body of another client go through octet by octet."""
    mine, bobs = (await identity(alice))["email"], f"{bob_user.name}@{INTERNATIONAL}"
    body = "größer als ASCII\r\n.\r\n..æøå\r\n".encode()
    kind = "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit"
    head = f"From: {mine}\r\nTo: Bøb <{bobs}>\r\nSubject: Grüße\r\nX-Ørsted: ampère\r\n{kind}\r\n\r\n".encode()
    await send(alice, await imported(alice, head + body))
    (arrived,) = await eventually(lambda: inbox(bob, "blobId", "subject", "to"))
    assert arrived["subject"] == "Grüße"
    assert arrived["to"] == [{"name": "Bøb", "email": bobs}]
    octets = await bob.download(arrived["blobId"])
    assert octets.endswith(b"\r\n\r\n" + body)
    assert "X-Ørsted: ampère\r\n".encode() in octets


async def test_a_server_on_the_way_that_does_not_take_it(alice: JmapClient, alice_user: User, bob_user: User) -> None:
    """RFC 6531 §3.2: it comes back, as Dovecot's LMTP offers no SMTPUTF8; RFC 6533: the DSN is read."""
    message = f"From: {of(alice_user)}\r\nTo: {of(bob_user)}\r\nSubject: Grüße\r\n\r\nx\r\n".encode()
    envelope = to(of(bob_user), sender=f"å.{alice_user.name}@{INTERNATIONAL}")
    made = (await send(alice, await imported(alice, message), envelope))["created"]["s"]
    found = await answered(alice, made["id"])
    status = found["deliveryStatus"][of(bob_user)]
    assert status["delivered"] == "no"
    assert status["smtpReply"].startswith("550 5.6.7"), status  # RFC 6531 §4.4


async def refused(client: JmapClient, email_id: str, envelope: Any = None) -> dict[str, Any]:
    error: dict[str, Any] = (await send(client, email_id, envelope))["notCreated"]["s"]
    return error


async def test_a_server_that_takes_nothing_of_it(postfix: Postfix, alice_user: User) -> None:
    """Told before anything is said to the server, with what is at fault; the same in ASCII is sent."""
    async with (
        scripted_smtp({"EHLO": "250-test\r\n250 AUTH PLAIN"}) as script,
        running_gateway(postfix.dovecot, **submission_keys(script.port), **OPEN) as url,
        jmap_client(url, *alice_user) as client,
    ):
        mine = of(alice_user)
        plain = await written(client, mine, "bob@example.net", "Grüße")
        error = await refused(client, plain, to("bøb@example.net", "carol@example.net", sender=mine))
        assert (error["type"], error["invalidRecipients"]) == ("invalidRecipients", ["bøb@example.net"])
        error = await refused(client, plain, to("bob@example.net", sender="ålice@example.org"))
        assert error["type"] == "forbiddenMailFrom"
        head = f"From: {mine}\r\nTo: bob@example.net\r\n"
        raw = await imported(client, f"{head}Subject: Grüße\r\nX-Ørsted: 1\r\nX-Tea: grün\r\n\r\nx\r\n".encode())
        error = await refused(client, raw)
        assert (error["type"], error["properties"]) == ("invalidEmail", ["subject", "header:x-tea"])
        eight = await imported(client, f"{head}Subject: x\r\n\r\ngrün\r\n".encode())
        error = await refused(client, eight)
        assert (error["type"], error["properties"]) == ("invalidEmail", ["bodyStructure"])
        assert not any(command.startswith("MAIL") for command in script.commands)
        # what the gateway writes itself is ASCII on the wire unless an address is not
        assert (await send(client, plain))["created"]["s"]
        assert script.data[0].isascii()
