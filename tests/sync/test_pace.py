"""Work that lets others go first."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from adapters.errors import Unavailable
from gateway.sync import pace


@pytest.fixture
def endless(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "_TURNS", 1_000_000)


async def test_requests_go_first(endless: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "_YOUNG", 1000)
    with pace.REQUESTS.answering():
        work = asyncio.create_task(pace.give_way())
        await asyncio.sleep(0.01)
        assert not work.done()
    await asyncio.wait_for(work, 10)


async def test_a_request_that_waits_for_the_work_does_not_hold_it_up(
    endless: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "_YOUNG", 0)
    with pace.REQUESTS.answering():
        await asyncio.wait_for(pace.give_way(), 10)


async def test_work_goes_on_where_there_are_always_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "_YOUNG", 1000)
    with pace.REQUESTS.answering():
        await asyncio.wait_for(pace.give_way(), 10)


async def test_other_work_of_the_loop_alone_is_no_reason_to_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "_PAUSE", 1000)
    asyncio.get_running_loop().call_soon(lambda: sum(range(500_000)))
    await asyncio.wait_for(pace.give_way(), 10)


async def test_a_shared_run_begins_after_the_call() -> None:
    runs: list[str] = []
    gate = asyncio.Event()

    async def work() -> None:
        runs.append("begun")
        await gate.wait()

    shared = pace.Shared(work)
    first = asyncio.create_task(shared())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    later = [asyncio.create_task(shared()) for _ in range(3)]
    await asyncio.sleep(0)
    assert runs == ["begun"]
    gate.set()
    await asyncio.gather(first, *later)
    assert runs == ["begun", "begun"]  # one for all who came while the first one ran
    await shared.close()


async def test_who_shares_a_run_shares_its_end() -> None:
    """A failure reaches all of them; one who is cancelled ends nobody else's run."""
    gate = asyncio.Event()

    async def work() -> None:
        await gate.wait()
        raise Unavailable("away")

    shared = pace.Shared(work)
    callers = [asyncio.create_task(shared()) for _ in range(3)]
    await asyncio.sleep(0)
    callers[0].cancel()
    gate.set()
    ends = await asyncio.gather(*callers, return_exceptions=True)
    assert [type(end) for end in ends] == [asyncio.CancelledError, Unavailable, Unavailable]


async def test_closing_ends_those_who_wait() -> None:
    """Of the run that runs, and of the one that has not begun."""
    begun = asyncio.Event()

    async def work() -> None:
        begun.set()
        await asyncio.Event().wait()

    shared = pace.Shared(work)
    first = asyncio.create_task(shared())
    await asyncio.wait_for(begun.wait(), 10)
    second = asyncio.create_task(shared())
    await asyncio.sleep(0)
    await shared.close()
    ends = await asyncio.wait_for(asyncio.gather(first, second, return_exceptions=True), 10)
    assert [type(end) for end in ends] == [asyncio.CancelledError, asyncio.CancelledError]


async def test_what_comes_ahead() -> None:
    """Two more are asked for while one is worked on, no third; an error comes in its turn."""
    asked: list[int] = []
    waits = asyncio.Event()

    async def source() -> AsyncIterator[int]:
        for number in range(4):
            asked.append(number)
            if number == 2:
                waits.set()
            yield number
        raise Unavailable("the end")

    found: list[int] = []
    with pytest.raises(Unavailable):
        async for number in pace.ahead(source()):
            if not found:
                await asyncio.wait_for(waits.wait(), 10)
                for _ in range(10):
                    await asyncio.sleep(0)
                assert asked == [0, 1, 2]
            found.append(number)
    assert found == [0, 1, 2, 3]


async def test_who_leaves_early_leaves_nothing_behind() -> None:
    ended = asyncio.Event()

    async def source() -> AsyncIterator[int]:
        yield 1
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with contextlib.aclosing(pace.ahead(source())) as items:
        assert await anext(items) == 1
    assert ended.is_set()
