"""Keeping an account fresh while somebody listens, so that its changes are told as they happen.

One watch per account and gateway, however many listeners; with nobody listening nothing runs and nothing is polled.
Where several gateways share a store, one of them watches and all of them hear of it by the store's channel.
"""

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Protocol

from adapters.errors import AdapterError, AuthFailed
from adapters.ports.watch import Watched
from gateway.store.base import Delete, Key, LeaseLost, Put, Store, StoreUnavailable

log = logging.getLogger(__name__)

TURN_SECONDS: Final = 30.0
"""How long a gateway that says nothing more keeps its turn to watch."""

CANCEL_SECONDS: Final = 5.0
"""Seconds after which a task that was cancelled and goes on is cancelled again."""

FIRST_PAUSE: Final = 1.0
"""Seconds before a watch that ended is tried again; doubled each time, up to the time between two looks."""

REFUSED_PAUSE: Final = 300.0
PROVEN_SECONDS: Final = 60.0
"""A watch that held for so long has proven that the server is well: the pauses begin anew."""


def heed_cancellation() -> None:
    """End the task if that was asked for: asyncio.wait_for, which libraries use, may lose it before Python 3.12."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def ended(tasks: Iterable["asyncio.Task[Any]"]) -> None:
    """Cancel tasks and wait for their end; once more where that gets lost, see `heed_cancellation`."""
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        done, left = await asyncio.wait(left, timeout=CANCEL_SECONDS)
        await asyncio.gather(*done, return_exceptions=True)


async def keep_going(once: Callable[[], Coroutine[Any, Any, bool | None]], longest: float) -> None:
    """Do something again and again until it says that it is over; after failures with growing pauses.

    longest: seconds of the longest pause.
    """
    pause = FIRST_PAUSE
    while True:
        heed_cancellation()
        began = time.monotonic()
        try:
            if await once():
                return
            pause = FIRST_PAUSE
        except AuthFailed:
            pause = REFUSED_PAUSE  # to insist would lock the user out
        except (AdapterError, StoreUnavailable) as error:
            log.info("work in the background ended: %s", type(error).__name__)
        except Exception:
            log.exception("work in the background failed")
        if time.monotonic() - began > PROVEN_SECONDS:
            pause = FIRST_PAUSE
        await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - only spreads the load
        pause = min(2 * pause, longest)


class Watchable(Protocol):
    """What can be kept fresh: the mail of an account, its calendars."""

    @property
    def watched(self) -> Watched:
        """See `WatchPort.watched`; raises Unavailable before the first pass."""
        ...

    def hints(self) -> AsyncGenerator[None, None]:
        """See `WatchPort.hints`."""
        ...

    async def refresh(self) -> None:
        """Look, and publish what changed. Raises adapters.errors."""
        ...


@dataclass(frozen=True, slots=True)
class Turns:
    """Whose turn it is to watch an account among the gateways of one store: a record that expires.

    gateway: stands for this gateway, and for no other.
    """

    store: Store
    account: str
    gateway: bytes

    @property
    def _key(self) -> Key:
        return Key(f"watch-{self.account}", "turn", "")

    async def take(self) -> bool:
        """Take or keep the turn; False while another has it. Raises StoreUnavailable."""
        (holder,) = await self.store.read([self._key])
        return holder in (None, self.gateway) and await self._write(Put(self._key, self.gateway, TURN_SECONDS))

    async def during(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Do the work for as long as the turn can be kept; wait a while where another has it.

        Raises what the work raises, StoreUnavailable.
        """
        if not await self.take():
            await asyncio.sleep(TURN_SECONDS / 3)
            return None
        working = asyncio.create_task(work())
        try:
            while True:
                heed_cancellation()
                done, _ = await asyncio.wait([working], timeout=TURN_SECONDS / 3)
                if done:
                    return working.result()
                if not await self.take():
                    return None
        finally:
            await ended([working])
            with contextlib.suppress(StoreUnavailable):
                await self.give_up()

    async def give_up(self) -> None:
        """Let another have the turn at once. Raises StoreUnavailable."""
        await self._write(Delete(self._key))

    async def _write(self, write: Put | Delete) -> bool:
        """Write unless another has the turn by now: the lease makes looking and writing one step."""
        lease = await self.store.lease(self._key.account)
        (holder,) = await self.store.read([self._key])
        if holder not in (None, self.gateway):
            return False
        try:
            await self.store.commit(self._key.account, [write], lease)
        except LeaseLost:
            return False
        return True


class Watch:
    """The watch over one thing. poll_seconds: how often is looked at what the backend gives no hints about.

    turns: None where no other gateway can watch the same.
    """

    def __init__(self, watchable: Watchable, poll_seconds: float, turns: Turns | None = None) -> None:
        self._watchable = watchable
        self._poll_seconds = poll_seconds
        self._turns = turns
        self._listeners = 0
        self._task: asyncio.Task[None] | None = None

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Somebody listens while the context lasts."""
        self._listeners += 1
        if self._task is None:
            self._task = asyncio.create_task(keep_going(self._once, self._poll_seconds))
        try:
            yield
        finally:
            self._listeners -= 1
            if not self._listeners:
                self._task.cancel()
                self._task = None

    async def _once(self) -> None:
        if self._turns is None:
            await self._watch()
        else:
            await self._turns.during(self._watch)

    async def _watch(self) -> None:
        """Look at each hint, and from time to time at what gives none. Ends by an error. Raises adapters.errors."""
        await self._watchable.refresh()
        if self._watchable.watched == "nothing":
            while True:
                heed_cancellation()
                await asyncio.sleep(self._poll_seconds)
                await self._watchable.refresh()
        silence = None if self._watchable.watched == "everything" else self._poll_seconds
        async with contextlib.aclosing(self._watchable.hints()) as hints:
            hint = asyncio.ensure_future(anext(hints))
            try:
                while True:
                    heed_cancellation()
                    await asyncio.wait([hint], timeout=silence)
                    if hint.done():
                        hint.result()
                        hint = asyncio.ensure_future(anext(hints))
                    await self._watchable.refresh()
            finally:
                await ended([hint])
