"""Dialogues with a scripted server; row numbers are those of the threat model."""

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Literal

import pytest

from adapters.errors import AdapterError, AuthFailed, InvalidData, Unavailable, Unsupported
from adapters.ports.mail_write import Octets
from adapters.ports.submission import Outcome, SmtpAddress, SmtpEnvelope, Uncertain
from adapters.smtp.backend import Endpoint, SmtpSubmission
from adapters.smtp.login import Credentials
from gateway.demo.dovecot_config import TlsFiles
from tests.adapters.smtp.server import HANG_UP, ScriptedSmtp, scripted_smtp

ALICE = Credentials("alice", password="secret")
MESSAGE = b"From: a@example.org\r\n\r\nHello\r\n"


def envelope(*to: str, sender: str = "a@example.org", parameters: dict[str, str | None] | None = None) -> SmtpEnvelope:
    recipients = [SmtpAddress(email, {}) for email in to or ("b@example.org",)]
    return SmtpEnvelope(SmtpAddress(sender, parameters or {}), recipients)


def octets(*pieces: bytes) -> Octets:
    async def read() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    return Octets(sum(map(len, pieces)), read)


def port_of(script: ScriptedSmtp, credentials: Credentials = ALICE) -> SmtpSubmission:
    return SmtpSubmission(Endpoint("127.0.0.1", script.port, "none", command_timeout=5, final_timeout=1), credentials)


async def submit(script: ScriptedSmtp, wanted: SmtpEnvelope | None = None, *pieces: bytes) -> Outcome:
    return await port_of(script).submit(wanted or envelope(), octets(*(pieces or (MESSAGE,))))


async def test_a_message_is_sent() -> None:
    async with scripted_smtp() as script:
        outcome = await submit(script)
    assert outcome.final is not None
    assert outcome.final.line == "250 2.0.0 queued"
    assert [reply.line for reply in outcome.recipients] == ["250 2.1.0 ok"]
    assert script.data == [MESSAGE + b".\r\n"]
    assert script.commands[0] == "EHLO [127.0.0.1]"
    assert base64.b64decode(script.commands[1].removeprefix("AUTH PLAIN ")) == b"\0alice\0secret"
    assert script.commands[3:] == [
        f"MAIL FROM:<a@example.org> SIZE={len(MESSAGE)} BODY=8BITMIME",
        "RCPT TO:<b@example.org>",
        "DATA",
        "QUIT",
    ]


async def test_each_recipient_has_its_reply() -> None:
    """Row 72."""
    answers = {"RCPT TO:<B": "550-5.1.1 no such\r\n550 5.1.1 user here", "RCPT TO:<C": "450 4.2.1 later"}
    async with scripted_smtp(answers) as script:
        outcome = await submit(script, envelope("b@example.org", "c@example.org", "d@example.org"))
    assert [reply.line for reply in outcome.recipients] == [
        "550 5.1.1 no such user here",  # RFC 8621 §7: lines joined, their common prefix once
        "450 4.2.1 later",
        "250 2.1.0 ok",
    ]
    assert len(script.data) == 1
    async with scripted_smtp({"RCPT": "550 5.1.1 no"}) as script:
        outcome = await submit(script)
    assert outcome.final is None
    assert script.data == []


@pytest.mark.parametrize("place", ["MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize("answer", ["421 4.3.2 going down", HANG_UP, "299 what", "nonsense"])
async def test_before_the_message_nothing_is_lost(place: str, answer: str) -> None:
    """Row 73."""
    async with scripted_smtp({place: answer}) as script:
        with pytest.raises(Unavailable):
            await submit(script)
    assert script.data == []


async def test_lost_in_the_middle_of_the_message() -> None:
    async with scripted_smtp({".": "mid"}) as script:
        pieces = (MESSAGE, *[b"x" * 70_000 + b"\r\n"] * 100)
        with pytest.raises(Unavailable):
            await submit(script, envelope(), *pieces)


async def test_refused_in_the_middle_of_the_message() -> None:
    async def read() -> AsyncIterator[bytes]:
        yield MESSAGE
        while True:  # until nobody asks for more
            yield b"more\r\n"
            await asyncio.sleep(0.005)

    async with scripted_smtp({".": "mid 552 5.3.4 enough"}) as script:
        outcome = await port_of(script).submit(envelope(), Octets(100, read))
    assert outcome.final is not None
    assert outcome.final.line == "552 5.3.4 enough"
    assert b"\r\n.\r\n" not in script.rest
    assert b"QUIT" not in script.rest


async def test_lost_after_the_final_dot() -> None:
    """Row 74."""
    async with scripted_smtp({".": HANG_UP}) as script:
        with pytest.raises(Uncertain):
            await submit(script)
    assert len(script.data) == 1


async def test_a_source_that_fails_sends_nothing() -> None:
    async def read() -> AsyncIterator[bytes]:
        yield MESSAGE
        raise Unavailable("the mail server is gone")

    async with scripted_smtp() as script:
        with pytest.raises(Unavailable, match="the mail server is gone"):
            await port_of(script).submit(envelope(), Octets(100, read))
    assert script.data == []


async def test_refused_as_a_whole() -> None:
    """Row 75."""
    for place, reply in [(".", "554 5.7.1 spam"), ("MAIL", "552 5.3.4 too big")]:
        async with scripted_smtp({place: reply}) as script:
            outcome = await submit(script)
        told = outcome.final if place == "." else outcome.mail_from
        assert told is not None
        assert told.line == reply
    async with scripted_smtp({"AUTH": "535 5.7.8 no"}) as script:
        with pytest.raises(AuthFailed):
            await submit(script)
    async with scripted_smtp({"AUTH": "454 4.7.0 later"}) as script:
        with pytest.raises(Unavailable):
            await submit(script)


@pytest.mark.parametrize(
    "wanted",
    [
        envelope("b@example.org>\r\nRCPT TO:<c@example.org"),
        envelope("b@example.org> NOTIFY=NEVER"),
        envelope("b @example.org"),
        envelope("b\0@example.org"),
        envelope(""),
        envelope(sender="a@example.org\r\nDATA"),
        envelope(parameters={"RET": "FULL\r\nDATA"}),
        envelope(parameters={"RET": "FULL X=Y"}),
        envelope(parameters={"RET": "a=b"}),
        envelope(parameters={"ENVID": "a\r\nb"}),
        envelope(parameters={"ENVID": "ü"}),
        envelope(parameters={"A B": None}),
        envelope(parameters={"": "x"}),
    ],
)
async def test_nothing_is_smuggled_into_a_command(wanted: SmtpEnvelope) -> None:
    """Row 18."""
    async with scripted_smtp() as script:
        with pytest.raises(InvalidData):
            await submit(script, wanted)
    assert script.commands == []


async def test_parameters_are_encoded() -> None:
    wanted = SmtpEnvelope(
        SmtpAddress("", {"ret": "HDRS", "ENVID": "a+b=c d", "SIZE": "1", "body": "7BIT"}),
        [SmtpAddress("ü@example.org", {"ORCPT": "rfc822;a+b@example.org", "NOTIFY": "SUCCESS,FAILURE"})],
    )
    async with scripted_smtp() as script:
        await submit(script, wanted)
    assert script.commands[3:5] == [
        f"MAIL FROM:<> RET=HDRS ENVID=a+2Bb+3Dc+20d SIZE={len(MESSAGE)} SMTPUTF8 BODY=8BITMIME",
        "RCPT TO:<ü@example.org> ORCPT=rfc822;a+2Bb@example.org NOTIFY=SUCCESS,FAILURE",
    ]


async def test_what_the_server_cannot_carry() -> None:
    async with scripted_smtp({"EHLO": "250-test\r\n250 AUTH PLAIN"}) as script:
        for wanted, message in [
            (envelope("ü@example.org"), MESSAGE),
            (envelope(), "Subject: ü\r\n\r\n".encode()),
            (envelope(), "Subject: u\r\n\r\nü\r\n".encode()),
        ]:
            with pytest.raises(InvalidData):
                await submit(script, wanted, message)
        await submit(script)
    assert "MAIL FROM:<a@example.org>" in script.commands


@pytest.mark.parametrize(
    ("credentials", "offered", "said"),
    [
        (Credentials("master", password="p", authzid="alice"), "PLAIN LOGIN", b"alice\0master\0p"),
        (Credentials("alice", token="t"), "OAUTHBEARER XOAUTH2", b"n,a=alice,\1auth=Bearer t\1\1"),
        (Credentials("alice", token="t"), "XOAUTH2", b"user=alice\1auth=Bearer t\1\1"),
    ],
)
async def test_logging_in(credentials: Credentials, offered: str, said: bytes) -> None:
    async with scripted_smtp({"EHLO": f"250-test\r\n250 AUTH {offered}"}) as script:
        facts = await port_of(script, credentials).facts()
    assert facts.max_size is None
    assert base64.b64decode(script.commands[1].rpartition(" ")[2]) == said


async def test_login_by_steps() -> None:
    answers = {"EHLO": "250-test\r\n250 AUTH LOGIN", "AUTH LOGIN": "334 VXNlcg==", "YWXPY2U=": "334 UGFzcw=="}
    async with scripted_smtp(answers | {"C2VJCMV0": "235 2.7.0 ok"}) as script:
        await port_of(script).facts()
    assert script.commands[1:4] == ["AUTH LOGIN", "YWxpY2U=", "c2VjcmV0"]


@pytest.mark.parametrize(
    ("credentials", "offered"),
    [(ALICE, "GSSAPI"), (Credentials("alice", token="t"), "PLAIN"), (Credentials("m", "p", authzid="a"), "LOGIN")],
)
async def test_no_way_to_log_in(credentials: Credentials, offered: str) -> None:
    async with scripted_smtp({"EHLO": f"250-test\r\n250 AUTH {offered}"}) as script:
        with pytest.raises(Unsupported):
            await port_of(script, credentials).facts()


async def test_never_in_the_clear_where_tls_is_wanted() -> None:
    async with scripted_smtp() as script:
        port = SmtpSubmission(Endpoint("127.0.0.1", script.port, "starttls", command_timeout=5), ALICE)
        with pytest.raises(AdapterError):
            await port.facts()
    assert not any(command.startswith("AUTH") for command in script.commands)


@pytest.mark.parametrize("mode", ["implicit", "starttls"])
async def test_tls(mode: Literal["implicit", "starttls"], tls_files: TlsFiles) -> None:
    inside = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    inside.load_cert_chain(tls_files.certificate, tls_files.key)
    answers = {"EHLO": "250-test\r\n250-STARTTLS\r\n250 AUTH PLAIN", "STARTTLS": "220 go"}
    trusting = ssl.create_default_context(cafile=str(tls_files.authority))
    async with scripted_smtp(answers, inside, implicit=mode == "implicit") as script:
        endpoint = Endpoint("localhost", script.port, mode, trusting, command_timeout=5)
        await SmtpSubmission(endpoint, ALICE).submit(envelope(), octets(MESSAGE))
        wary = replace(endpoint, ssl_context=ssl.create_default_context())
        with pytest.raises(Unavailable):
            await SmtpSubmission(wary, ALICE).submit(envelope(), octets(MESSAGE))
    assert script.data == [MESSAGE + b".\r\n"]
    assert sum(command.startswith("AUTH") for command in script.commands) == 1


async def test_dsns_are_asked_for() -> None:
    """RFC 3461 §4; what the client asked for stands."""
    wanted = envelope("b+c@example.org", "d@example.org", "grün@example.org")
    wanted.rcpt_to[1].parameters.update({"notify": "NEVER", "ORCPT": "rfc822;x@example.org"})  # type: ignore[attr-defined]
    wanted = replace(wanted, envelope_id="s 1")
    async with scripted_smtp() as script:
        await submit(script, wanted)
    assert [command for command in script.commands if command[:4] in ("MAIL", "RCPT")] == [
        f"MAIL FROM:<a@example.org> ENVID=s+201 SIZE={len(MESSAGE)} SMTPUTF8 BODY=8BITMIME",
        "RCPT TO:<b+c@example.org> NOTIFY=FAILURE,DELAY ORCPT=rfc822;b+2Bc@example.org",
        "RCPT TO:<d@example.org> NOTIFY=NEVER ORCPT=rfc822;x@example.org",
        "RCPT TO:<grün@example.org> NOTIFY=FAILURE,DELAY ORCPT=utf-8;gr\\x{FC}n@example.org",  # RFC 6533 §3
    ]


@pytest.mark.parametrize(
    ("sender", "parameters", "ehlo", "expected"),
    [
        ("a@example.org", {"envid": "mine"}, None, " ENVID=mine SIZE={size} BODY=8BITMIME"),
        ("", {}, None, " SIZE={size} BODY=8BITMIME"),
        ("a@example.org", {}, "250-test\r\n250-8BITMIME\r\n250 AUTH PLAIN", " BODY=8BITMIME"),
    ],
)
async def test_dsns_that_cannot_be_asked_for(
    sender: str, parameters: dict[str, str | None], ehlo: str | None, expected: str
) -> None:
    wanted = replace(envelope(sender=sender, parameters=parameters), envelope_id="s1")
    async with scripted_smtp({} if ehlo is None else {"EHLO": ehlo}) as script:
        await submit(script, wanted)
    (command,) = [command for command in script.commands if command.startswith("MAIL")]
    assert command == f"MAIL FROM:<{sender}>{expected.format(size=len(MESSAGE))}"
