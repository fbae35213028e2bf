"""Long work in the loop that others hardly notice."""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterator
from typing import Any, Final, TypeVar

Work = Callable[[], Coroutine[Any, Any, None]]
T = TypeVar("T")

_PAUSE = 0.0005
"""Seconds for the answer that somebody else may be waiting for: a request asks the mail server between its turns."""
_TURNS = 20
"""Turns after which work goes on even in a loop that is never idle."""
_YOUNG = 0.03
"""Seconds: a request that takes longer may itself be waiting for the work that would let it go first."""

SLICE: Final = 150
"""Messages that are handled before the loop gets its turn: half a millisecond."""

ATTEMPTS: Final = 8
"""How often one of several writers of the same thing tries."""
_STEP: Final = 0.005
"""Seconds, at most, between the first two attempts; twice as long each time."""

LARGE: Final = 64 * 1024
"""Octets of JSON or iCalendar beyond which others would notice that they are read."""


class Requests:
    """The requests that clients wait for just now."""

    def __init__(self) -> None:
        self._begun: dict[object, float] = {}

    @contextlib.contextmanager
    def answering(self) -> Iterator[None]:
        """A request is being answered while the context lasts."""
        request = object()
        self._begun[request] = time.monotonic()
        try:
            yield
        finally:
            del self._begun[request]

    def waiting(self) -> bool:
        """Whether a young one is being answered."""
        young = time.monotonic() - _YOUNG
        return any(begun > young for begun in self._begun.values())


REQUESTS = Requests()


class Shared:
    """One piece of work for many callers: one run at a time, and each caller gets a run that began after it came.

    A run is a task of its own, because others may wait for it when a caller is cancelled.
    """

    def __init__(self, work: Work) -> None:
        self._work = work
        self._current: asyncio.Task[None] | None = None
        self._next: asyncio.Task[None] | None = None
        self._callers: list[asyncio.Future[None]] = []  # of the next run

    async def __call__(self) -> None:
        """Return when a run that started after this call is over. Raises what it raises."""
        over = asyncio.get_running_loop().create_future()
        self._callers.append(over)
        self.start()
        await over

    def start(self) -> None:
        """Have a run begin; calls that come while one runs share the one after it."""
        if self._next is None:
            self._next = asyncio.create_task(self._after(self._current))

    async def close(self) -> None:
        """Stop."""
        tasks = [task for task in (self._current, self._next) if task is not None and not task.done()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        for over in self._callers:
            over.cancel()

    async def _after(self, running: "asyncio.Task[None] | None") -> None:
        if running is not None and not running.done():
            await asyncio.wait([running])
        self._current, self._next = self._next, None
        callers, self._callers = self._callers, []
        failed: Exception | None = None
        try:
            await self._work()
        except Exception as error:  # noqa: BLE001 - each caller raises it; where there is none the next run tells
            failed = error
        except asyncio.CancelledError:
            for over in callers:
                over.cancel()
            raise
        for over in callers:
            if over.done():  # its caller was cancelled
                continue
            if failed is None:
                over.set_result(None)
            else:
                over.set_exception(failed)


async def aside(size: int, work: Callable[[], T]) -> T:
    """What `work` makes of so many octets, in a thread where the loop would stand still. Raises what it raises."""
    return work() if size < LARGE else await asyncio.to_thread(work)


async def stand_back(attempt: int) -> None:
    """After attempt number `attempt` (from 0), where another writer was first: who waits longer has the next turn."""
    await asyncio.sleep(random.random() * _STEP * 2**attempt)  # noqa: S311 - no secret


async def give_way() -> None:
    """Let everybody else go first: a request needs many turns of the loop, each behind one slice of the work.

    Where no request waits there is no pause: all that has come meanwhile had its turn.
    """
    for turn in range(_TURNS):
        await asyncio.sleep(_PAUSE if turn else 0)
        if not REQUESTS.waiting():
            return


async def ahead(source: AsyncIterator[T]) -> AsyncGenerator[T, None]:
    """The same items; while one is worked on the next is ready, or on its way, and the one after it too.

    Whoever gives them never waits for the work unless that is slower. Raises what the source raises.
    """
    ready: asyncio.Queue[tuple[T] | Exception | None] = asyncio.Queue(1)

    async def pump() -> None:
        end: Exception | None = None
        try:
            async for item in source:
                await ready.put((item,))
        except Exception as error:  # noqa: BLE001 - it is raised where the items are read
            end = error
        await ready.put(end)

    pumping = asyncio.create_task(pump())
    try:
        while isinstance(found := await ready.get(), tuple):
            yield found[0]
        if found is not None:
            raise found
    finally:
        pumping.cancel()
        await asyncio.wait([pumping])
