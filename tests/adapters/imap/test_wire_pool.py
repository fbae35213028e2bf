"""The pool, over connections that are no connections."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import cast

import pytest

from adapters.errors import AuthFailed, Unavailable
from adapters.imap.connection import Connection, Credentials, Endpoint
from adapters.imap.errors import ConnectionLimit, ConnectionLost, SessionConfused
from adapters.imap.pool import Lane, Pool, PoolSettings


class Fake:
    """What the pool sees of a connection."""

    def __init__(self) -> None:
        self.selected: str | None = None
        self.closed = False
        self.busy = False
        self.received = 0

    async def logout(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True


class Server:
    """Opens fakes up to its own limit."""

    def __init__(self, allows: int = 100) -> None:
        self.allows = allows
        self.opened: list[Fake] = []
        self.attempts = 0
        self.failure: Callable[[], Exception] | None = None

    @property
    def live(self) -> list[Fake]:
        return [c for c in self.opened if not c.closed]

    async def open(self, endpoint: Endpoint, credentials: Credentials) -> Connection:
        self.attempts += 1
        await asyncio.sleep(0)
        if self.failure is not None:
            raise self.failure()
        if len(self.live) >= self.allows:
            raise ConnectionLimit("too many")
        self.opened.append(Fake())
        return cast("Connection", self.opened[-1])


def pool_of(server: Server, maximum: int = 4, wait: float = 0.1, idle: float = 60) -> Pool:
    return Pool(Endpoint("h", 1), Credentials("u", "p"), PoolSettings(maximum, wait, idle), server.open)


async def hold(stack: AsyncExitStack, pool: Pool, lane: Lane, folder: str | None = None) -> Connection:
    return await stack.enter_async_context(pool.acquire(folder, lane))


async def use(pool: Pool, folder: str | None, pin: bool = False) -> Connection:
    async with pool.acquire(folder, "interactive", pin=pin) as connection:
        connection.selected = folder or connection.selected
        return connection


async def test_a_connection_is_kept_for_its_folder() -> None:
    pool = pool_of(server := Server())
    a, b = await use(pool, "a"), await use(pool, "b")
    assert a is not b
    assert await use(pool, "a") is a
    assert await use(pool, "b") is b
    assert len(server.opened) == 2
    await pool.close()
    assert not server.live


async def test_at_the_maximum_the_one_that_was_idle_longest_changes_its_folder() -> None:
    pool = pool_of(Server(), maximum=2)
    a, b = await use(pool, "a"), await use(pool, "b")
    assert await use(pool, "c") is a
    assert await use(pool, "b") is b


async def test_a_pinned_connection_never_changes_its_folder() -> None:
    pool = pool_of(Server(), maximum=2)
    inbox = await use(pool, "INBOX", pin=True)
    other = await use(pool, "b")
    assert await use(pool, "c") is other
    assert await use(pool, "INBOX") is inbox
    assert await use(pool, None) is inbox
    async with AsyncExitStack() as stack:
        await hold(stack, pool, "interactive", "c")
        with pytest.raises(Unavailable):
            await use(pool, "d")
    assert inbox.selected == "INBOX"


async def test_of_two_with_the_folder_the_pinned_one_is_for_interactive_work() -> None:
    pool = pool_of(Server())
    async with AsyncExitStack() as stack:
        both = [await hold(stack, pool, "interactive", "INBOX") for _ in range(2)]
        for connection in both:
            connection.selected = "INBOX"
    pinned = await use(pool, "INBOX", pin=True)
    for _ in range(3):
        assert await use(pool, "INBOX") is pinned
        async with pool.acquire("INBOX", "bulk") as other:
            assert other is not pinned


async def test_one_connection_is_pinned_for_a_folder() -> None:
    pool = pool_of(Server(), maximum=2)
    async with AsyncExitStack() as stack:
        first = await hold(stack, pool, "interactive", "INBOX")
        second = await use(pool, "INBOX", pin=True)
    first.selected = "INBOX"
    async with pool.acquire("INBOX", "interactive"):
        assert await use(pool, "INBOX", pin=True) is first
    assert await use(pool, "b") is second  # which may be had for other folders again


async def test_a_single_pinned_connection_gives_way() -> None:
    pool = pool_of(Server(), maximum=1)
    inbox = await use(pool, "INBOX", pin=True)
    assert await use(pool, "b") is not inbox


async def test_bulk_and_watch_leave_room() -> None:
    pool = pool_of(Server(), maximum=4)
    async with AsyncExitStack() as stack:
        for _ in range(2):
            await hold(stack, pool, "bulk")
        await hold(stack, pool, "watch")
        with pytest.raises(Unavailable):
            await hold(stack, pool, "bulk")
        with pytest.raises(Unavailable):
            await hold(stack, pool, "watch")
        await hold(stack, pool, "interactive")
        assert pool.size == 4
    single = pool_of(Server(), maximum=1)
    async with single.acquire(None, "bulk"):
        pass
    with pytest.raises(Unavailable):
        async with single.acquire(None, "watch"):
            pass


async def test_interactive_work_waits_before_bulk_and_gets_what_comes_back() -> None:
    pool = pool_of(Server(), maximum=2, wait=5)
    order: list[str] = []

    async def work(lane: Lane) -> None:
        async with pool.acquire(None, lane):
            order.append(lane)

    async with AsyncExitStack() as stack:
        await hold(stack, pool, "interactive")
        await hold(stack, pool, "interactive")
        tasks = [asyncio.create_task(work(lane)) for lane in ("bulk", "interactive", "interactive")]
        await asyncio.sleep(0.01)
        assert order == []
    await asyncio.gather(*tasks)
    assert order == ["interactive", "interactive", "bulk"]


class RefusingOnce(Server):
    """Whose limit is reached when the first connection is asked for."""

    async def open(self, endpoint: Endpoint, credentials: Credentials) -> Connection:
        try:
            return await super().open(endpoint, credentials)
        finally:
            self.allows = 1


async def test_who_waits_has_a_turn_where_the_server_refused_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """The refused one goes behind those who wait, and nothing is in use that could come back for them."""
    monkeypatch.setattr("adapters.imap.pool._RETRY", 0)
    pool = pool_of(RefusingOnce(allows=0), maximum=1, wait=2)
    first, second = await asyncio.gather(use(pool, "a"), use(pool, "b"))
    assert first is second


async def test_the_servers_limit_is_learnt_and_never_shown() -> None:
    pool = pool_of(server := Server(allows=2), maximum=4, wait=5)

    async def work() -> None:
        async with pool.acquire(None, "interactive"):
            await asyncio.sleep(0.001)

    await asyncio.gather(*(work() for _ in range(20)))
    assert pool.limit == 2
    attempts = server.attempts
    await asyncio.gather(*(work() for _ in range(20)))
    assert server.attempts == attempts


async def test_when_others_hold_all_connections_the_wait_is_bounded() -> None:
    pool = pool_of(server := Server(allows=0), wait=0.05)
    with pytest.raises(Unavailable):
        await use(pool, "a")
    server.allows = 1
    await use(pool, "a")


async def test_other_failures_to_open_are_raised_and_free_the_slot() -> None:
    pool = pool_of(server := Server(), maximum=1)
    server.failure = lambda: AuthFailed("no")
    for _ in range(3):
        with pytest.raises(AuthFailed):
            await use(pool, "a")
    assert pool.size == 0


async def test_cancellation_gives_everything_back() -> None:
    pool = pool_of(Server(), maximum=1, wait=5)

    async def forever() -> None:
        async with pool.acquire(None, "interactive"):
            await asyncio.Event().wait()

    holder = asyncio.create_task(forever())
    await asyncio.sleep(0.01)
    waiter = asyncio.create_task(forever())
    await asyncio.sleep(0.01)
    waiter.cancel()
    holder.cancel()
    await asyncio.gather(holder, waiter, return_exceptions=True)
    await use(pool, "a")
    assert pool.size == 1


async def test_a_turn_that_comes_together_with_cancellation_is_not_lost() -> None:
    pool = pool_of(Server(), maximum=1, wait=5)
    async with AsyncExitStack() as stack:
        await hold(stack, pool, "interactive")
        waiter = asyncio.create_task(use(pool, "a"))
        await asyncio.sleep(0.01)
    waiter.cancel()
    await asyncio.gather(waiter, return_exceptions=True)
    await use(pool, "a")


async def test_broken_connections_are_discarded() -> None:
    pool = pool_of(server := Server())
    (await use(pool, "a")).selected = "a"
    server.opened[0].closed = True
    await use(pool, "a")
    assert len(server.opened) == 2


async def test_read_only_work_is_done_again_only_if_an_idle_connection_was_dead() -> None:
    pool = pool_of(server := Server())

    async def dies_first(_: Connection) -> int:
        if len(server.opened) == 1:
            server.opened[0].closed = True
            raise ConnectionLost("reset")
        return len(server.opened)

    with pytest.raises(ConnectionLost):  # it was fresh: no second try
        await pool.run("a", "interactive", dies_first)
    server.opened.clear()
    await use(pool, "a")
    assert await pool.run("a", "interactive", dies_first) == 2
    server.opened.clear()
    await pool.close()

    pool = pool_of(server)
    assert await pool.run("a", "interactive", dies_first, repeatable=True) == 2


async def test_a_session_with_an_error_of_the_server_is_not_used_again() -> None:
    """Dovecot goes on with it in sessions that held a mailbox open that was deleted and made again."""
    pool = pool_of(server := Server())

    async def confused_first(_: Connection) -> int:
        if len(server.opened) == 1:
            raise SessionConfused("SELECT: NO [SERVERBUG] Internal error")
        return len(server.opened)

    assert await pool.run("a", "interactive", confused_first, repeatable=True) == 2
    server.opened.clear()
    await pool.close()

    pool = pool_of(server)
    with pytest.raises(SessionConfused):  # what was done is not known
        await pool.run("a", "interactive", confused_first)
    assert not server.live
    with pytest.raises(SessionConfused):
        async with pool.acquire("a", "interactive"):
            raise SessionConfused("STORE: NO [SERVERBUG] Internal error")
    assert not server.live


async def test_idle_connections_are_closed_after_a_time() -> None:
    pool = pool_of(server := Server(), idle=0.02)
    await use(pool, "a")
    async with asyncio.timeout(5):
        while server.live:  # noqa: ASYNC110 - nothing tells when the pool has said goodbye
            await asyncio.sleep(0.01)
    assert pool.size == 0


async def test_a_closed_pool_lends_nothing() -> None:
    pool = pool_of(server := Server())
    async with pool.acquire(None, "interactive"):
        await pool.close()
        assert server.live
    await asyncio.sleep(0.01)
    assert not server.live
    with pytest.raises(Unavailable):
        await use(pool, "a")
