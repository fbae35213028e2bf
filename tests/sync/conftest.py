"""An account on a model server with a store in memory."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.store.base import DeleteRange, Key, Lease, LeaseLost, Seen, Store, StoreUnavailable, Write
from gateway.store.redis import RedisStore
from gateway.store.sqlite import SqliteStore
from gateway.sync.account import MailAccount
from gateway.sync.persist import SPACES
from tests.servers.redis import Redis
from tests.sync.model import ModelPort, ModelServer

ACCOUNT = "a1"


class ShakyStore:
    """A store that can be away, lose everything, and counts its reads and commits."""

    shared = True

    def __init__(self, inner: SqliteStore | None = None) -> None:
        self.inner = inner or SqliteStore(None)
        self.history = "first"
        self.down = False
        self.reads = 0
        self.commits: list[Sequence[Write]] = []
        self.published: list[tuple[str, bytes]] = []

    def _check(self) -> None:
        if self.down:
            raise StoreUnavailable("told to be away")

    async def read(self, keys: Sequence[Key]) -> list[bytes | None]:
        self._check()
        self.reads += 1
        return await self.inner.read(keys)

    async def scan(
        self, account: str, space: str, start: str = "", end: str = "", limit: int | None = None
    ) -> list[tuple[str, bytes]]:
        self._check()
        return await self.inner.scan(account, space, start, end, limit)

    async def lease(self, account: str) -> Lease:
        self._check()
        return replace(await self.inner.lease(account), history=self.history)

    async def commit(
        self, account: str, writes: Sequence[Write], lease: Lease | None = None, seen: Sequence[Seen] = ()
    ) -> None:
        self._check()
        if lease is not None and lease.history != self.history:
            raise LeaseLost(account)
        await self.inner.commit(account, writes, lease, seen)
        self.commits.append(writes)

    async def publish(self, channel: str, message: bytes) -> None:
        self._check()
        self.published.append((channel, message))
        await self.inner.publish(channel, message)

    def subscribe(self, channel: str, hear: Callable[[bytes], None]) -> AbstractAsyncContextManager[None]:
        return self.inner.subscribe(channel, hear)

    async def ping(self) -> None:
        self._check()

    async def warnings(self) -> list[str]:
        return []

    async def close(self) -> None:
        await self.inner.close()

    async def flush(self) -> None:
        """FLUSHALL: everything is gone, leases too."""
        await self.inner.commit(ACCOUNT, [DeleteRange(ACCOUNT, space) for space in SPACES])
        await self.inner._run(lambda database: database.execute("DELETE FROM lease"))

    async def saved(self) -> bytes:
        """All that is there, for `fail_over`."""
        return await self.inner._run(lambda database: database.serialize())

    async def fail_over(self, saved: bytes, history: str) -> None:
        """Another server takes over, which had got no more than this."""
        await self.inner._run(lambda database: database.deserialize(saved))
        self.history = history

    async def everything(self) -> dict[Key, bytes]:
        """All stored values."""
        return {
            Key(ACCOUNT, space, name): value
            for space in SPACES
            for name, value in await self.inner.scan(ACCOUNT, space)
        }


def open_account(port: ModelPort, store: ShakyStore, keep: int = 10_000, quiet_seconds: float = 3600) -> MailAccount:
    return MailAccount(
        *(ACCOUNT, "imap://model/", port, store),
        journal_keep=keep,
        store_retry_seconds=0,
        quiet_seconds=quiet_seconds,
    )


@pytest.fixture
def server() -> ModelServer:
    return ModelServer()


@pytest.fixture
def port(server: ModelServer) -> ModelPort:
    return ModelPort(server)


@pytest.fixture
async def store() -> AsyncIterator[ShakyStore]:
    store = ShakyStore()
    yield store
    await store.close()


@pytest.fixture(params=["sqlite", "redis"])
async def stores(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[list[Store]]:
    """Two replicas' views of one store."""
    if request.param == "sqlite":
        made: list[Store] = [SqliteStore(tmp_path / "store") for _ in range(2)]
    else:
        redis: Redis = request.getfixturevalue("redis_server")
        made = [RedisStore(redis.url) for _ in range(2)]
    yield made
    for store in made:
        await store.close()


@pytest.fixture
async def account(port: ModelPort, store: ShakyStore) -> AsyncIterator[MailAccount]:
    account = open_account(port, store)
    yield account
    await account.close()
