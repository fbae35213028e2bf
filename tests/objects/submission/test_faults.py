"""A submission server that fails, a gateway that dies: nothing is sent twice. Rows are those of the threat model."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from adapters.errors import Unavailable
from adapters.ports.mail_write import Octets
from adapters.ports.submission import BeforeData, Outcome, SmtpAddress, SmtpEnvelope, SmtpReply, SubmissionFacts
from gateway.jmap.errors import SetError
from gateway.objects.submission import intents
from gateway.objects.submission.handover import Order, hand_over
from gateway.objects.submission.intents import settle
from gateway.objects.submission.letter import Letter
from gateway.store.sqlite import SqliteStore
from gateway.sync.outbox import INTENT, SUBMISSION, Outbox, Senders, outbox
from tests.adapters.smtp.server import HANG_UP, ScriptedSmtp, scripted_smtp
from tests.client import JmapClient, jmap_client
from tests.gateway import running_gateway
from tests.objects.submission.conftest import submission_keys
from tests.objects.submission.sending import call, draft, identity, send, sentences
from tests.servers.postfix import Postfix
from tests.servers.users import fresh_user


@asynccontextmanager
async def failing(postfix: Postfix, script: ScriptedSmtp) -> AsyncIterator[JmapClient]:
    """A client of a gateway that sends through the script."""
    user = fresh_user(postfix.dovecot)
    async with (
        running_gateway(postfix.dovecot, **submission_keys(script.port)) as url,
        jmap_client(url, *user) as client,
    ):
        yield client


@pytest.mark.parametrize(
    ("place", "reply", "kind"),
    [
        ("MAIL", "552 5.3.4 too big", "tooLarge"),
        ("MAIL", "550 5.7.1 not you", "forbiddenMailFrom"),
        ("MAIL", "451 4.3.0 later", "serverUnavailable"),
        ("RCPT", "550 5.1.1 nobody", "invalidRecipients"),
        ("RCPT", "553 5.7.1 not owned by user", "forbiddenMailFrom"),
        ("RCPT", "554 5.7.1 policy", "forbiddenToSend"),
        ("RCPT", "451 4.7.1 greylisted", "serverUnavailable"),
        ("DATA", "421 4.3.2 going down", "serverUnavailable"),
        ("DATA", HANG_UP, "serverUnavailable"),
        (".", "552 5.3.4 too big", "tooLarge"),
        (".", "554 5.7.1 spam", "forbiddenToSend"),
        (".", "554 5.6.0 bad content", "invalidEmail"),
        (".", "451 4.3.0 later", "serverUnavailable"),
    ],
)
async def test_refusals_can_be_retried(postfix: Postfix, place: str, reply: str, kind: str) -> None:
    """Rows 73 and 75."""
    async with scripted_smtp({place: reply}) as script, failing(postfix, script) as client:
        mine = (await identity(client))["email"]
        email_id = await draft(client, mine, "b@example.net")
        refused = (await send(client, email_id))["notCreated"]["s"]
        assert refused["type"] == kind
        assert kind != "tooLarge" or refused["maxSize"] == 1000
        assert not (await call(client, "EmailSubmission/get", ids=None))["list"]
        script.answers = {}
        assert (await send(client, email_id))["created"]


async def test_too_large_by_the_servers_own_words(postfix: Postfix) -> None:
    async with scripted_smtp() as script, failing(postfix, script) as client:
        mine = (await identity(client))["email"]
        refused = (await send(client, await draft(client, mine, mine, "x" * 2000)))["notCreated"]["s"]
        assert refused == {"type": "tooLarge", "maxSize": 1000}
        assert not any(command.startswith("MAIL") for command in script.commands)


async def test_lost_after_the_final_dot(postfix: Postfix) -> None:
    """Row 74: nobody knows, so it is told and never sent again; the draft is filed as sent."""
    async with scripted_smtp({".": HANG_UP}) as script, failing(postfix, script) as client:
        mine = (await identity(client))["email"]
        email_id = await draft(client, mine, "b@example.net")
        answer = await send(client, email_id, onSuccessUpdateEmail={"#s": {"keywords/$draft": None}})
        created = answer["created"]["s"]
        assert created["undoStatus"] == "final"
        assert created["deliveryStatus"]["b@example.net"]["delivered"] == "unknown"
        script.answers = {}
        assert (await send(client, email_id))["created"]["s"]["id"] == created["id"]
        assert len(script.data) == 1


async def test_no_server_no_capability(postfix: Postfix) -> None:
    user = fresh_user(postfix.dovecot)
    async with scripted_smtp({"EHLO": "500 what"}) as script, failing(postfix, script) as client:
        assert not any("submission" in urn for urn in client.session["accounts"][client.account]["accountCapabilities"])
    async with running_gateway(postfix.dovecot) as url, jmap_client(url, *user) as client:
        assert not any("submission" in urn for urn in client.session["capabilities"])


async def test_the_update_of_the_email_may_fail(postfix: Postfix) -> None:
    """Row 78: what was sent is told as sent, whatever becomes of the Email."""
    async with scripted_smtp() as script, failing(postfix, script) as client:
        email_id = await draft(client, (await identity(client))["email"], "b@example.net")
        wanted = {"identityId": (await identity(client))["id"], "emailId": email_id}
        patch = {"#s": {"mailboxIds/nowhere": True}}
        (_, answer, _), (name, implicit, _) = await sentences(
            client, "EmailSubmission/set", create={"s": wanted}, onSuccessUpdateEmail=patch
        )
        assert answer["created"]["s"]
        assert name == "Email/set"
        assert email_id in implicit["notUpdated"]


class Port:
    """A submission server in this process: takes a message when it is let."""

    def __init__(self, *, early: bool = False) -> None:
        """early: it waits before the message itself, else after it."""
        self.taken = 0
        self.early = early
        self.asked, self.go = asyncio.Event(), asyncio.Event()

    async def facts(self) -> SubmissionFacts:
        return SubmissionFacts({})

    async def submit(self, envelope: SmtpEnvelope, message: Octets, before_data: BeforeData | None = None) -> Outcome:
        if self.early:
            self.asked.set()
            await self.go.wait()
        if before_data is not None:
            await before_data()
        self.taken += 1
        self.asked.set()
        await self.go.wait()
        ok = SmtpReply(250, "2.0.0 ok")
        return Outcome(ok, [ok] * len(envelope.rcpt_to), ok)

    async def close(self) -> None:
        return None


async def nothing() -> AsyncIterator[bytes]:
    yield b""


ORDER = Order(
    "i", "m", SmtpEnvelope(SmtpAddress("a@b", {}), [SmtpAddress("c@d", {})]), Letter("t", {}, Octets(0, nothing))
)


def box_over(path: Path, port: Port) -> Outbox:
    return outbox(port, Senders("a@b"), SubmissionFacts({}), SqliteStore(path), "account")


async def test_a_crash_after_the_server_took_it(tmp_path: Path) -> None:
    """Row 76: the process that follows finds the intent, and sends nothing."""
    first, second = Port(), Port()
    dying = box_over(tmp_path / "store", first)
    task = asyncio.create_task(hand_over(dying, ORDER))
    await first.asked.wait()
    # As far as the store can tell, the first process is dead from here on.
    after = box_over(tmp_path / "store", second)
    assert len(await after.ledger.read(INTENT)) == 1
    record = await hand_over(after, ORDER)
    assert record["deliveryStatus"]["c@d"]["delivered"] == "unknown"
    assert (first.taken, second.taken) == (1, 0)
    assert not await after.ledger.read(INTENT)
    # If it was alive after all, the outcome is told under the same id.
    first.go.set()
    assert (await task)["id"] == record["id"]
    (known,) = (await after.ledger.read(SUBMISSION)).values()
    assert known["deliveryStatus"]["c@d"]["smtpReply"] == "250 2.0.0 ok"


async def test_a_crash_before_the_server_took_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Row 76: nobody has the message, so it is not told as sent; the process that follows sends it, and no other."""
    first, second = Port(early=True), Port()
    second.go.set()
    dying = box_over(tmp_path / "store", first)
    task = asyncio.create_task(hand_over(dying, ORDER))
    await first.asked.wait()
    after = box_over(tmp_path / "store", second)
    with pytest.raises(SetError) as refused:  # it may live
        await hand_over(after, ORDER)
    assert refused.value.type == "serverUnavailable"
    assert second.taken == 0
    monkeypatch.setattr(intents, "ABANDONED_SECONDS", 0.0)
    record = await hand_over(after, ORDER)
    assert record["deliveryStatus"]["c@d"]["smtpReply"] == "250 2.0.0 ok"
    # Should the first have lived after all, it sends nothing and takes nothing back.
    first.go.set()
    with pytest.raises(SetError):
        await task
    assert (first.taken, second.taken) == (0, 1)
    assert list(await after.ledger.read(SUBMISSION)) == [record["id"]]
    assert not await after.ledger.read(INTENT)


async def test_what_never_began_is_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    port = Port(early=True)
    dying, after = box_over(tmp_path / "store", port), box_over(tmp_path / "store", Port())
    task = asyncio.create_task(hand_over(dying, ORDER))
    await port.asked.wait()
    monkeypatch.setattr(intents, "ABANDONED_SECONDS", 0.0)
    await settle(after)
    assert not await after.ledger.read(INTENT)
    assert not await after.ledger.read(SUBMISSION)
    port.go.set()
    with pytest.raises(SetError):
        await task
    assert port.taken == 0


async def test_an_abandoned_intent_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    port = Port()
    dying, after = box_over(tmp_path / "store", port), box_over(tmp_path / "store", Port())
    task = asyncio.create_task(hand_over(dying, ORDER))
    await port.asked.wait()
    await settle(after)
    assert not await after.ledger.read(SUBMISSION)
    state = await after.ledger.state(SUBMISSION)
    monkeypatch.setattr(intents, "ABANDONED_SECONDS", 0.0)
    await settle(after)
    (told,) = (await after.ledger.read(SUBMISSION)).values()
    assert (await after.ledger.changes(SUBMISSION, state, None)).created == [told["id"]]
    port.go.set()
    await task


async def test_a_request_that_ends_does_not_end_the_hand_over(tmp_path: Path) -> None:
    port = Port()
    box = box_over(tmp_path / "store", port)
    waiting = asyncio.create_task(hand_over(box, ORDER))
    await port.asked.wait()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    port.go.set()
    await box.close()
    (record,) = (await box.ledger.read(SUBMISSION)).values()
    assert record["deliveryStatus"]["c@d"]["smtpReply"] == "250 2.0.0 ok"
    assert port.taken == 1


async def test_without_a_store_nothing_is_sent(tmp_path: Path) -> None:
    port = Port()
    box = box_over(tmp_path / "missing" / "store", port)
    with pytest.raises(Unavailable):
        await hand_over(box, ORDER)
    assert port.taken == 0
