"""What a client puts into an envelope or a body becomes no command, and no second message."""

import secrets
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.adapters.smtp.server import ScriptedSmtp, scripted_smtp
from tests.client import JmapClient, jmap_client
from tests.gateway import running_gateway
from tests.objects.submission.conftest import submission_keys
from tests.objects.submission.sending import draft, eventually, identity, imported, inbox, send
from tests.servers.dovecot import Dovecot
from tests.servers.users import User, fresh_user

HOSTILE = (
    "a@b.example>\r\nRCPT TO:<c@d.example",
    "a b@c.example",
    "a@b.example> X=Y",
    "\0",
    "",
    '"@b.example',
    "\r.\r",
)
TEXT = st.sampled_from(HOSTILE) | st.text(max_size=20) | st.text('\r\n\0 <>@."\\=a', max_size=12)
PARAMETERS = st.none() | st.dictionaries(TEXT | st.sampled_from(["RET", "ENVID"]), st.none() | TEXT, max_size=2)
ERRORS = {"invalidRecipients", "forbiddenMailFrom", "invalidProperties", "noRecipients"}


@pytest.fixture
async def script() -> AsyncIterator[ScriptedSmtp]:
    async with scripted_smtp() as script:
        yield script


@pytest.fixture
async def sender(dovecot: Dovecot, script: ScriptedSmtp) -> AsyncIterator[tuple[JmapClient, str, str]]:
    """A client, its address, and a draft of it."""
    async with (
        running_gateway(dovecot, **submission_keys(script.port)) as url,
        jmap_client(url, *fresh_user(dovecot)) as client,
    ):
        mine = (await identity(client))["email"]
        yield client, mine, await draft(client, mine, "b@example.net")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(mail=TEXT, recipients=st.lists(TEXT, max_size=3), parameters=PARAMETERS, own=st.booleans())
async def test_an_envelope_says_what_it_says(
    sender: tuple[JmapClient, str, str],
    script: ScriptedSmtp,
    mail: str,
    recipients: list[str],
    parameters: Any,
    own: bool,
) -> None:
    """Row 18 of the threat model: a SetError and nothing sent, or the very addresses that were given."""
    client, mine, email_id = sender
    script.commands.clear()
    script.data.clear()
    rcpt_to = [{"email": email, "parameters": parameters} for email in recipients]
    envelope = {"mailFrom": {"email": mine if own else mail, "parameters": parameters}, "rcptTo": rcpt_to}
    answer = await send(client, email_id, envelope)
    told = [one for one in script.commands if one.split(" ")[0] not in {"EHLO", "AUTH", "QUIT"}]
    if answer["created"] is None:
        assert answer["notCreated"]["s"]["type"] in ERRORS, answer
        assert told == []
        assert script.data == []
        return
    # the same envelope once more is the same submission
    expected = ["MAIL", *["RCPT"] * len(dict.fromkeys(recipients)), "DATA"]
    assert [one.split(" ")[0] for one in told] in ([], expected)
    for one, email in zip(told[1:-1], dict.fromkeys(recipients), strict=False):
        assert one.startswith(f"RCPT TO:<{email}>")
    assert len(script.data) <= 1


ENDS = ("\r\n.\r\n", "\n.\n", "\n.\r\n", "\r.\r", "\r\n.\r", "\r.\r\n", "\r\n.\n", "\r\n..\r\n", "\n\n", ".", "\r")
SMUGGLED = "MAIL FROM:<mallory@example.org>\r\nRCPT TO:<{to}>\r\nDATA\r\nSubject: smuggled\r\n\r\nx\r\n.\r\n"
BODIES = st.lists(st.sampled_from(ENDS) | st.just("text") | st.just(SMUGGLED), min_size=1, max_size=6).map("".join)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=BODIES)
async def test_one_message_is_one_message(
    alice: JmapClient, alice_user: User, bob: JmapClient, bob_user: User, body: str
) -> None:
    """Row 19 of the threat model: whatever looks like an end of a message, exactly one is delivered."""
    mine, bobs = f"{alice_user.name}@example.org", f"{bob_user.name}@example.org"
    subject = secrets.token_hex(8)
    head = f"From: {mine}\r\nTo: {bobs}\r\nSubject: {subject}\r\n\r\n"
    before = {email["subject"] for email in await inbox(bob, "subject")}
    email_id = await imported(alice, (head + body.replace("{to}", bobs)).encode())
    assert (await send(alice, email_id))["created"]
    # what is sent later is delivered later, and nothing else has come by then
    marker = await draft(alice, mine, bobs, Subject=f"after {subject}")
    assert (await send(alice, marker))["created"]

    async def arrived() -> set[str]:
        found = {email["subject"] for email in await inbox(bob, "subject")} - before
        return found if {subject, f"after {subject}"} <= found else set()

    assert await eventually(arrived) == {subject, f"after {subject}"}
