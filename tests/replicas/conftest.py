"""Two gateways that share one Redis and nothing else, each behind a proxy of its own to it."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

import pytest

from tests.client import JmapClient, jmap_client
from tests.faults.conftest import Behind
from tests.faults.proxy import FaultProxy
from tests.gateway import running_gateway
from tests.servers.dovecot import Dovecot
from tests.servers.fixtures import require
from tests.servers.redis import Redis, redis_available, running_redis
from tests.servers.users import User, fresh_user


@dataclass(frozen=True)
class Replica:
    """One gateway, a client of it, and its ways to Redis and to the mail server."""

    url: str
    jmap: JmapClient
    redis: FaultProxy
    imap: FaultProxy


@pytest.fixture(scope="session")
def shared_redis() -> Iterator[Redis]:
    require("redis-server", redis_available())
    with running_redis() as server:
        yield server


@pytest.fixture
def user(dovecot: Dovecot) -> User:
    return fresh_user(dovecot)


@pytest.fixture
async def replicas(dovecot: Dovecot, user: User, shared_redis: Redis) -> AsyncIterator[tuple[Replica, Replica]]:
    """Two replicas, whose clients are the same user."""
    async with AsyncExitStack() as stack:
        found = []
        for _ in range(2):
            redis = await stack.enter_async_context(FaultProxy(shared_redis.host, shared_redis.port))
            imap = await stack.enter_async_context(FaultProxy(dovecot.host, dovecot.imap))
            keys = {"store__kind": "redis", "store__url": f"redis://{redis.host}:{redis.port}/0"}
            url = await stack.enter_async_context(running_gateway(Behind(dovecot, imap), **keys))
            jmap = await stack.enter_async_context(jmap_client(url, *user))
            found.append(Replica(url, jmap, redis, imap))
        yield found[0], found[1]
