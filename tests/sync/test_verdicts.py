"""What is kept of verified signatures (RFC 9219 §4.1)."""

import pytest

from gateway.store.base import Key, Put
from gateway.sync.verdicts import FAILED, SPACE, VERIFIED, Verdict, Verdicts, succeed
from tests.sync.conftest import ACCOUNT, ShakyStore

GOOD = Verdict(VERIFIED, VERIFIED, (), 1_000, "t1")
BAD = Verdict(FAILED, FAILED, ("It was changed",), 1_000, "t1")


def everything(_: str) -> bool:
    return True


async def test_what_was_written_is_read(store: ShakyStore) -> None:
    verdicts = Verdicts(store, ACCOUNT)
    await verdicts.write({"m1": GOOD, "m2": BAD}, everything)
    assert await verdicts.read(["m2", "m0", "m1"]) == {"m2": BAD, "m1": GOOD}
    assert await Verdicts(store, ACCOUNT).read(["m1"]) == {"m1": GOOD}
    assert await Verdicts(store, "a2").read(["m1"]) == {}
    assert await verdicts.read([]) == {}


async def test_those_of_emails_that_are_gone_are_dropped(store: ShakyStore) -> None:
    await Verdicts(store, ACCOUNT).write({"m1": GOOD, "m2": BAD}, everything)
    later = Verdicts(store, ACCOUNT)
    await later.write({"m3": GOOD}, lambda email_id: email_id != "m1")
    assert set(await later.read(["m1", "m2", "m3"])) == {"m2", "m3"}


async def test_a_store_that_is_away_or_damaged(store: ShakyStore) -> None:
    verdicts = Verdicts(store, ACCOUNT)
    await verdicts.write({"m1": GOOD}, everything)
    store.down = True
    await verdicts.write({"m2": GOOD}, everything)
    assert await verdicts.read(["m1"]) == {}
    store.down = False
    assert set(await verdicts.read(["m1", "m2"])) == {"m1"}
    await store.commit(ACCOUNT, [Put(Key(ACCOUNT, SPACE, "m1"), b"nonsense")])
    assert await verdicts.read(["m1"]) == {}


@pytest.mark.parametrize(
    ("now", "trust", "is_good"),
    [(1_000, "t1", True), (1_099, "t1", True), (1_100, "t1", False), (1_050, "t2", False), (999, "t1", False)],
)
def test_how_long_a_verdict_is_good(now: int, trust: str, is_good: bool) -> None:
    assert GOOD.is_good(now, 100, trust) is is_good


def made(at_delivery: str, trust: str) -> Verdict:
    return Verdict(FAILED, at_delivery, ("x",), 2_000, trust)


@pytest.mark.parametrize(
    ("before", "new", "kept"),
    [
        (None, made(FAILED, "t1"), FAILED),
        (made(VERIFIED, "t1"), made(FAILED, "t1"), VERIFIED),
        (made(VERIFIED, "t1"), made(FAILED, "t2"), VERIFIED),  # trust that was removed changes nothing
        (made(FAILED, "t1"), made(VERIFIED, "t1"), FAILED),  # nor does anything but trust
        (made(FAILED, "t1"), made(VERIFIED, "t2"), VERIFIED),  # trust that was added does
    ],
)
def test_the_status_at_delivery_is_recorded_once(before: Verdict | None, new: Verdict, kept: str) -> None:
    found = succeed(before, new)
    assert (found.at_delivery, found.verified_at, found.trust) == (kept, new.verified_at, new.trust)


def test_what_clients_are_told_of() -> None:
    """§4.3: the status, that at delivery, the errors; not the time."""
    assert not GOOD.differs(Verdict(VERIFIED, VERIFIED, (), 5_000, "t2"))
    assert GOOD.differs(Verdict(FAILED, VERIFIED, ("x",), 1_000, "t1"))
    assert BAD.differs(Verdict(FAILED, FAILED, ("y",), 1_000, "t1"))
    assert BAD.differs(Verdict(FAILED, VERIFIED, BAD.errors, 1_000, "t1"))
