"""Watching an account while somebody listens: who watches, how long, and what happens when it fails."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator

import pytest

from adapters.errors import AuthFailed, Unavailable
from adapters.ports.watch import Watched
from gateway.store.base import Key, Put
from gateway.store.sqlite import SqliteStore
from gateway.sync import watch
from gateway.sync.watch import Turns, Watch
from tests.waiting import until


class Thing:
    """Something that can be watched, and fails when it is told to."""

    def __init__(self, watched: Watched = "everything") -> None:
        self.watched: Watched = watched
        self.looks = 0
        self.watching = 0
        self.news = asyncio.Event()
        self.error: Exception | None = None

    async def hints(self) -> AsyncGenerator[None, None]:
        self.watching += 1
        try:
            yield
            while True:
                await self.news.wait()
                self.news.clear()
                if self.error is not None:
                    raise self.error
                yield
        finally:
            self.watching -= 1

    async def refresh(self) -> None:
        self.looks += 1
        if self.error is not None:
            raise self.error


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "FIRST_PAUSE", 0.01)


async def test_nothing_runs_while_nobody_listens() -> None:
    thing = Thing()
    kept = Watch(thing, 60)
    with kept.listening():
        with kept.listening():
            await until(lambda: thing.watching == 1 and thing.looks == 2)
        assert thing.watching == 1
        looks = thing.looks
        thing.news.set()
        await until(lambda: thing.looks == looks + 1)
    await until(lambda: not thing.watching)
    looks = thing.looks
    thing.news.set()
    await asyncio.sleep(0.05)
    assert thing.looks == looks
    with kept.listening():  # and again
        await until(lambda: thing.watching == 1)


@pytest.mark.parametrize("watched", ["inbox", "nothing"])
async def test_what_gives_no_hints_is_looked_at_from_time_to_time(watched: Watched) -> None:
    thing = Thing(watched)
    with Watch(thing, 0.01).listening():
        await until(lambda: thing.looks > 5)
        assert thing.watching == (watched == "inbox")
    await until(lambda: not thing.watching)


async def test_a_watch_that_ends_begins_again() -> None:
    thing = Thing()
    with Watch(thing, 0.05).listening():
        await until(lambda: thing.watching == 1)
        thing.error = Unavailable("the server hung up")
        thing.news.set()
        await until(lambda: not thing.watching)
        looks = thing.looks
        await until(lambda: thing.looks > looks + 2)  # it is tried, however long it takes
        thing.error = None
        await until(lambda: thing.watching == 1)
        thing.error = KeyError("a fault of ours")
        thing.news.set()
        await until(lambda: not thing.watching)
        thing.error = None
        await until(lambda: thing.watching == 1)


async def test_credentials_that_are_refused_are_not_insisted_on() -> None:
    thing = Thing()
    thing.error = AuthFailed("no")
    with Watch(thing, 0.01).listening():
        await until(lambda: thing.looks == 1)
        await asyncio.sleep(0.1)
        assert thing.looks == 1


async def test_one_of_several_gateways_watches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "TURN_SECONDS", 1.0)
    store = SqliteStore()
    here, there = Thing(), Thing()
    with Watch(there, 0.05, Turns(store, "a1", b"there")).listening():
        with Watch(here, 0.05, Turns(store, "a1", b"here")).listening():
            await until(lambda: here.watching + there.watching == 1)
            await asyncio.sleep(1.5)  # longer than a turn: it is kept
            assert here.watching + there.watching == 1
        await until(lambda: there.watching == 1)  # whoever leaves gives the turn up
        assert not here.watching
    await until(lambda: not there.watching)
    await store.close()


async def test_a_gateway_that_says_nothing_more_loses_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "TURN_SECONDS", 0.2)
    store = SqliteStore()
    there = Thing()
    assert await Turns(store, "a1", b"killed").take()
    with Watch(there, 0.05, Turns(store, "a1", b"there")).listening():
        await until(lambda: there.watching == 1)
    await until(lambda: not there.watching)
    await store.close()


async def test_a_watch_that_lost_its_turn_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "TURN_SECONDS", 0.2)
    store = SqliteStore()
    here = Thing()
    with Watch(here, 0.05, Turns(store, "a1", b"here")).listening():
        await until(lambda: here.watching == 1)
        await store.commit("watch-a1", [Put(Key("watch-a1", "turn", ""), b"another")])
        await until(lambda: not here.watching)
    await store.close()


async def test_a_turn_is_given_to_one() -> None:
    store = SqliteStore()
    turns = Turns(store, "a1", b"here")
    assert await turns.take()
    assert await turns.take()
    assert not await Turns(store, "a1", b"there").take()
    assert await Turns(store, "a2", b"there").take()
    await turns.give_up()
    assert await Turns(store, "a1", b"there").take()
    await store.close()


async def test_a_cancellation_that_a_library_loses_is_heeded() -> None:
    """asyncio.wait_for did so before Python 3.12, where its result came at the same moment."""
    running, rounds = asyncio.Event(), 0

    async def once() -> None:
        nonlocal rounds
        rounds += 1
        running.set()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(60)

    task = asyncio.create_task(watch.keep_going(once, 0.0))
    await running.wait()
    task.cancel()
    async with asyncio.timeout(10):
        await asyncio.gather(task, return_exceptions=True)
    assert task.cancelled()
    assert rounds == 1


async def test_a_cancellation_that_gets_lost_is_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "CANCEL_SECONDS", 0.01)
    begun = asyncio.Event()

    async def loses_one() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            begun.set()
            await asyncio.Event().wait()
        await asyncio.Event().wait()

    async def fails() -> None:
        raise Unavailable("away")

    tasks = [asyncio.create_task(loses_one()), asyncio.create_task(fails())]
    await begun.wait()
    await watch.ended(tasks)
    assert tasks[0].cancelled()
    assert tasks[1].done()
    await watch.ended([])
