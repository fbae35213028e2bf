"""Messages that nobody asks for again: stored, sent once, tried again where the server cannot take them now.

Gateways that are killed in between: tests/replicas/test_killed_errands.py.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from adapters.errors import AuthFailed, Unavailable
from adapters.ports.mail_write import Octets
from adapters.ports.submission import BeforeData, Outcome, SmtpAddress, SmtpEnvelope, SmtpReply, Uncertain
from gateway.objects.submission import errands, intents
from gateway.objects.submission.errands import Post, catch_up, post, start_over
from gateway.objects.submission.intents import next_look, settle
from gateway.sync.outbox import INTENT
from tests.objects.submission.test_faults import Port, box_over, nothing

LETTER = Post(SmtpEnvelope(SmtpAddress("a@b", {}), [SmtpAddress("c@d", {})]), Octets(0, nothing))


class Failing(Port):
    """Takes no message until `faults` are used up: exceptions, or replies to the message itself."""

    def __init__(self, *faults: Exception | int) -> None:
        super().__init__()
        self.go.set()
        self.faults = list(faults)

    async def submit(self, envelope: SmtpEnvelope, message: Octets, before_data: BeforeData | None = None) -> Outcome:
        fault = self.faults.pop(0) if self.faults else 250
        if isinstance(fault, Uncertain | int) and before_data is not None:
            await before_data()
        if isinstance(fault, Exception):
            raise fault
        if fault == 250:
            return await super().submit(envelope, message)
        ok = SmtpReply(250, "2.1.0 ok")
        return Outcome(ok, [ok] * len(envelope.rcpt_to), SmtpReply(fault, "4.3.0 not now"))


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is silent is gone, and what failed may be tried again."""
    monkeypatch.setattr(intents, "ABANDONED_SECONDS", -1.0)
    monkeypatch.setattr(errands, "RETRY_SECONDS", (-2.0,))


@pytest.mark.parametrize(
    "faults", [[Unavailable("away"), Unavailable("away")], [451], [421, Unavailable("away"), 452]], ids=str
)
async def test_what_fails_for_now_is_tried_again(
    tmp_path: Path, impatient: None, faults: Sequence[Exception | int]
) -> None:
    port = Failing(*faults)
    box = box_over(tmp_path / "store", port)
    await post(box, [LETTER])
    assert port.taken == 0
    for left in range(len(faults) - 1, -1, -1):
        assert await next_look(box.ledger) is not None
        assert len(port.faults) == left
        await settle(box)  # leaves it alone
        await catch_up(box)
    assert port.taken == 1
    assert not await box.ledger.read(INTENT)
    assert await next_look(box.ledger) is None


@pytest.mark.parametrize("fault", [554, AuthFailed("no"), Uncertain("the connection is lost")], ids=str)
async def test_what_fails_for_good_is_over(tmp_path: Path, impatient: None, fault: Exception | int) -> None:
    """Row 74: what may have been taken is among it."""
    port = Failing(fault)
    box = box_over(tmp_path / "store", port)
    await post(box, [LETTER])
    await settle(box)
    await catch_up(box)
    assert port.taken == 0
    assert not await box.ledger.read(INTENT)


async def test_it_is_given_up_some_day(tmp_path: Path, impatient: None, monkeypatch: pytest.MonkeyPatch) -> None:
    port = Failing(*[Unavailable("away")] * 3)
    box = box_over(tmp_path / "store", port)
    await post(box, [LETTER])
    assert await box.ledger.read(INTENT)
    monkeypatch.setattr(errands, "GIVE_UP_SECONDS", 0.0)
    await catch_up(box)
    assert not await box.ledger.read(INTENT)
    assert port.taken == 0


async def test_of_two_that_take_it_up_one_sends(tmp_path: Path, impatient: None) -> None:
    """The first one lives after all: it finds out before the message leaves."""
    first, second = Port(early=True), Failing()
    dying, after = box_over(tmp_path / "store", first), box_over(tmp_path / "store", second)
    posting = asyncio.create_task(post(dying, [LETTER]))
    await first.asked.wait()
    start_over(after)
    start_over(after)  # one at a time
    await asyncio.gather(*after.in_flight.values())
    first.go.set()
    await posting
    assert (first.taken, second.taken) == (0, 1)
    assert not await after.ledger.read(INTENT)
