"""The few connections that one login may hold: folder affinity, lanes, a limit that is learnt (DESIGN §6).

A task that holds a connection must not wait for a second one of the same pool.
"""

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, Literal, TypeVar

from adapters.errors import Unavailable
from adapters.imap.connection import Connection, Credentials, Endpoint
from adapters.imap.errors import ConnectionLimit, ConnectionLost, SessionConfused

Lane = Literal["interactive", "bulk", "watch"]
T = TypeVar("T")

_RETRY: Final = 0.5  # seconds between attempts while other clients of the user hold all the server allows
_GROW: Final = 300.0  # seconds after which a learnt limit may be tested again


@dataclass(frozen=True, slots=True)
class PoolSettings:
    """Sizes and times (seconds). Dovecot allows 10 connections per user and address: stay below."""

    maximum: int = 4
    wait: float = 10.0
    idle: float = 300.0


@dataclass(eq=False, slots=True)
class _Slot:
    """A connection of the pool, or (while `connection` is None) the right to open one. pinned: for this folder."""

    lane: Lane
    connection: Connection | None = None
    pinned: str | None = None
    reused: bool = False
    since: float = 0.0


@dataclass(eq=False, slots=True)
class _Waiter:
    folder: str | None
    lane: Lane
    turn: asyncio.Future[_Slot]


class Pool:
    """Connections of one (endpoint, login)."""

    def __init__(
        self,
        endpoint: Endpoint,
        credentials: Credentials,
        settings: PoolSettings | None = None,
        opener: Callable[[Endpoint, Credentials], Awaitable[Connection]] = Connection.open,
    ) -> None:
        self._endpoint = endpoint
        self._credentials = credentials
        self._settings = settings or PoolSettings()
        self._opener = opener
        self._limit = self._settings.maximum
        self._learnt_at = -math.inf
        self._idle: list[_Slot] = []
        self._used: set[_Slot] = set()
        self._waiters: list[_Waiter] = []
        self._timer: asyncio.TimerHandle | None = None
        self._farewells: set[asyncio.Task[None]] = set()
        self._closed = False

    @asynccontextmanager
    async def acquire(self, folder: str | None, lane: Lane, *, pin: bool = False) -> AsyncIterator[Connection]:
        """A connection for the length of the block, best one that has `folder` selected (look at `.selected`).

        The caller selects. `pin` keeps the connection for this folder from now on: it is lent only to those who
        want the same folder, or none. Raises Unavailable when no slot comes free in time; see Connection.open.
        """
        slot = await self._take(folder, lane)
        try:
            if pin:
                self._pin(slot, folder)
            yield _connection(slot)
        except SessionConfused:
            _connection(slot).abort()
            raise
        finally:
            self._give_back(slot)

    async def run(
        self,
        folder: str | None,
        lane: Lane,
        work: Callable[[Connection], Awaitable[T]],
        *,
        repeatable: bool = False,
    ) -> T:
        """`work` on a connection; once more on a fresh one when an idle one proves dead before it answers.

        For work that only reads. With `repeatable` it is done again also when the connection was lost half way, or
        the server had an error of its own.
        """
        slot = await self._take(folder, lane)
        heard = _connection(slot).received
        try:
            return await work(_connection(slot))
        except ConnectionLost:
            unheard = slot.reused and _connection(slot).received == heard
            if not (_connection(slot).closed and (unheard or repeatable)):
                raise
        except SessionConfused:
            _connection(slot).abort()
            if not repeatable:
                raise
        finally:
            self._give_back(slot)
        self._discard_idle()  # they are as old
        async with self.acquire(folder, lane) as connection:
            return await work(connection)

    def beside(self, folder: str) -> Connection | None:
        """The connection that is kept for the folder, whoever has borrowed it, to read along with him; else None.

        Only for UID commands that change nothing: they are pipelined with his. Who uses it must not trust that the
        folder stays selected, but look again after each wait.
        """
        kept = (slot.connection for slot in (*self._idle, *self._used) if slot.pinned == folder)
        return next((one for one in kept if one is not None and not one.closed and one.selected == folder), None)

    async def close(self) -> None:
        """LOGOUT of the idle ones; those in use follow when they come back, those watched on are cut off."""
        self._closed = True
        for slot in self._used:
            if slot.lane == "watch" and slot.connection is not None:
                slot.connection.abort()
        if self._timer is not None:
            self._timer.cancel()
        for waiter in self._waiters:
            if not waiter.turn.done():
                waiter.turn.set_exception(Unavailable("pool is closed"))
        self._discard_idle()
        await asyncio.gather(*self._farewells)

    @property
    def size(self) -> int:
        """Connections open or being opened."""
        return len(self._idle) + len(self._used)

    @property
    def limit(self) -> int:
        """Connections that the pool allows itself: the maximum, or what the server was found to allow."""
        if self._limit < self._settings.maximum and _now() - self._learnt_at > _GROW:
            self._limit, self._learnt_at = self._limit + 1, _now()
        return self._limit

    # taking

    async def _take(self, folder: str | None, lane: Lane) -> _Slot:
        """A slot with a connection, within the time to wait."""
        deadline = _now() + self._settings.wait
        while True:
            slot = self._find(folder, lane) if self._may_go(lane) else None
            if slot is None:
                slot = await self._queue(folder, lane, deadline)
            if slot.connection is not None:
                return slot
            try:
                slot.connection = await self._opener(self._endpoint, self._credentials)
            except BaseException as error:
                self._used.discard(slot)
                if not isinstance(error, ConnectionLimit):
                    self._serve()
                    raise
                self._learn()
            else:
                return slot
            if not self.size:  # others hold them all: only time helps
                await asyncio.sleep(min(_RETRY, max(0.0, deadline - _now())))
                self._serve()  # nothing is in use that could come back for those who wait
            if _now() >= deadline:
                raise Unavailable("the server allows no further connection")

    async def _queue(self, folder: str | None, lane: Lane, deadline: float) -> _Slot:
        if self._closed:
            raise Unavailable("pool is closed")
        if lane == "watch" and self.limit < 3:
            raise Unavailable("too few connections to keep one for watching")
        waiter = _Waiter(folder, lane, asyncio.get_running_loop().create_future())
        self._waiters.append(waiter)
        self._waiters.sort(key=lambda w: w.lane != "interactive")  # stable: in order of arrival within a lane
        try:
            async with asyncio.timeout_at(deadline):
                return await waiter.turn
        except BaseException as error:
            if waiter.turn.done() and not waiter.turn.cancelled() and waiter.turn.exception() is None:
                self._give_back(waiter.turn.result())
            if isinstance(error, TimeoutError):
                raise Unavailable("no IMAP connection came free in time") from None
            raise
        finally:
            self._waiters.remove(waiter)

    def _may_go(self, lane: Lane) -> bool:
        """Nobody waits who comes first."""
        return not self._closed and all(w.lane != "interactive" and lane == "interactive" for w in self._waiters)

    def _room(self, lane: Lane) -> bool:
        """Whether a lane may have one more connection in use: bulk and watch leave room for interactive work."""
        watching = sum(slot.lane == "watch" for slot in self._used)
        working = len(self._used) - watching
        available = self.limit - watching
        match lane:
            case "watch":
                return available > 2 and working < available - 1
            case "bulk":
                return working < available - (1 if available > 1 else 0)
            case "interactive":
                return working < available

    def _find(self, folder: str | None, lane: Lane) -> _Slot | None:
        """The best idle connection, or the right to open one, or nothing for now."""
        self._idle = [slot for slot in self._idle if not _connection(slot).closed]
        if not self._room(lane):
            return None
        lendable = [s for s in self._idle if not s.pinned or _may_borrow(s, folder, lane)]
        slot = min(lendable, key=lambda s: _distance(s, folder, lane), default=None)
        if (slot is None or _distance(slot, folder, lane)[0] >= _ELSEWHERE) and self.size < self.limit:
            slot = _Slot(lane)
        elif slot is None:
            if self._used:  # what is pinned stays; one of those in use will come back
                return None
            self._dismiss(min(self._idle, key=lambda s: s.since))  # else a single connection could be pinned for good
            slot = _Slot(lane)
        else:
            self._idle.remove(slot)
            slot.reused = True
        slot.lane = lane
        self._used.add(slot)
        return slot

    def _pin(self, slot: _Slot, folder: str | None) -> None:
        """Keep this connection for the folder, and no other."""
        for other in (*self._idle, *self._used):
            if other.pinned == folder:
                other.pinned = None
        slot.pinned = folder

    # giving back

    def _give_back(self, slot: _Slot) -> None:
        self._used.discard(slot)
        connection = slot.connection
        if connection is not None and not connection.closed:
            slot.since = _now()
            self._idle.append(slot)
            if self._closed or self.size > self.limit:
                self._dismiss(slot)
        self._serve()
        self._schedule()

    def _serve(self) -> None:
        """Let those who wait have what is free, interactive work first."""
        for waiter in tuple(self._waiters):
            if not waiter.turn.done() and (slot := self._find(waiter.folder, waiter.lane)) is not None:
                waiter.turn.set_result(slot)

    def _learn(self) -> None:
        """The server has refused one more: what there is now is the limit."""
        self._limit = max(1, self.size)
        self._learnt_at = _now()

    # ending

    def _schedule(self) -> None:
        if self._timer is None and self._idle and not self._closed:
            self._timer = asyncio.get_running_loop().call_later(self._settings.idle / 2, self._expire)

    def _expire(self) -> None:
        """Dismiss what nobody has used for long."""
        self._timer = None
        for slot in tuple(self._idle):
            if slot.since + self._settings.idle <= _now():
                self._dismiss(slot)
        self._schedule()

    def _discard_idle(self) -> None:
        for slot in tuple(self._idle):
            self._dismiss(slot)

    def _dismiss(self, slot: _Slot) -> None:
        self._idle.remove(slot)
        task = asyncio.get_running_loop().create_task(_connection(slot).logout())
        self._farewells.add(task)
        task.add_done_callback(self._farewells.discard)


_ELSEWHERE: Final = 2


def _distance(slot: _Slot, folder: str | None, lane: Lane) -> tuple[int, bool, bool, float]:
    """How far an idle connection is from a folder; then rather one that is not busy, for interactive work the pinned
    one and for other work another, then the longest idle.
    """
    connection = _connection(slot)
    if connection.selected == folder or (folder is None and slot.pinned):
        step = 0
    elif connection.selected is None or folder is None:
        step = 1
    else:
        step = _ELSEWHERE
    return step, connection.busy, (slot.pinned is None) == (lane == "interactive"), slot.since


def _may_borrow(slot: _Slot, folder: str | None, lane: Lane) -> bool:
    """Whether a pinned connection serves this purpose; one that is watched on never comes back."""
    return lane != "watch" and (folder is None or _connection(slot).selected == folder)


def _connection(slot: _Slot) -> Connection:
    if slot.connection is None:
        raise Unavailable("connection was never opened")
    return slot.connection


def _now() -> float:
    return asyncio.get_running_loop().time()
