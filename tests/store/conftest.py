"""Every test of this room that asks for `store` runs once per kind of store."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from gateway.store.base import Store
from gateway.store.redis import RedisStore
from gateway.store.redis_pools import Sentinels
from gateway.store.sqlite import SqliteStore
from tests.servers.fixtures import require
from tests.servers.redis import Guarded, Redis, redis_available, running_guarded, running_redis


@pytest.fixture(scope="session")
def private_redis() -> Iterator[Redis]:
    """A redis-server of this room's own, because these tests restart and flush it."""
    require("redis-server", redis_available())
    with running_redis() as server:
        yield server


@pytest.fixture(scope="session")
def guarded_redis() -> Iterator[Guarded]:
    """A master with replicas and a sentinel, all alive."""
    require("redis-server", redis_available())
    with running_guarded() as servers:
        yield servers


def sentinels(servers: Guarded) -> Sentinels:
    return Sentinels([servers.address], password=servers.sentinel_password)


@pytest.fixture(params=["sqlite-memory", "sqlite-file", "redis", "redis-sentinel"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    made: Store
    if request.param == "redis":
        made = RedisStore(request.getfixturevalue("private_redis").url)
    elif request.param == "redis-sentinel":
        servers = request.getfixturevalue("guarded_redis")
        made = RedisStore(servers.url, sentinels=sentinels(servers), replicas=1)
    else:
        made = SqliteStore(tmp_path / "store.db" if request.param == "sqlite-file" else None)
    yield made
    await made.close()
