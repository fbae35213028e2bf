"""Reading mail while the store of the gateway is away or forgets: requests go on, ids stay, nothing is announced
that did not happen."""

from collections.abc import AsyncIterator

import pytest
import redis

from tests.client import JmapClient, jmap_client
from tests.faults.conftest import read_all
from tests.gateway import running_gateway
from tests.objects.mail.messages import message
from tests.servers.dovecot import Dovecot
from tests.servers.imap_client import imap_client
from tests.servers.redis import Redis
from tests.servers.users import User


def on_redis(server: Redis) -> dict[str, str]:
    return {"store__kind": "redis", "store__url": server.url}


@pytest.fixture
async def jmap(dovecot: Dovecot, user: User, private_redis: Redis) -> AsyncIterator[JmapClient]:
    async with running_gateway(dovecot, **on_redis(private_redis)) as url, jmap_client(url, *user) as client:
        yield client


async def anew(dovecot: Dovecot, user: User, private_redis: Redis, state: str) -> tuple[dict[str, object], str | None]:
    """What a gateway that was just started shows, and the error of /changes since a state."""
    async with running_gateway(dovecot, **on_redis(private_redis)) as url, jmap_client(url, *user) as jmap:
        ((name, given, _),) = await jmap.sentences(("Email/changes", {"sinceState": state}))
        if name != "error":
            assert (given["created"], given["destroyed"]) == ([], [])
        return await read_all(jmap), given["type"] if name == "error" else None


async def test_another_process_goes_on_from_what_is_stored(
    jmap: JmapClient, dovecot: Dovecot, user: User, private_redis: Redis
) -> None:
    truth = await read_all(jmap)
    state = (await jmap.call("Email/get", ids=[]))["state"]
    assert await anew(dovecot, user, private_redis, state) == (truth, None)


async def test_redis_that_is_down_at_the_start(dovecot: Dovecot, user: User, private_redis: Redis) -> None:
    private_redis.server.stop()
    try:
        async with running_gateway(dovecot, **on_redis(private_redis)) as url, jmap_client(url, *user) as jmap:
            truth = await read_all(jmap)
            assert (await jmap.error("Email/changes", sinceState="abc-1"))["type"] == "cannotCalculateChanges"
    finally:
        private_redis.server.start_on_ports(private_redis.port)
    assert (await anew(dovecot, user, private_redis, "abc-1"))[0] == truth


async def test_redis_that_dies_and_comes_back_empty(
    jmap: JmapClient, dovecot: Dovecot, user: User, private_redis: Redis
) -> None:
    truth = await read_all(jmap)
    state = (await jmap.call("Email/get", ids=[]))["state"]
    private_redis.server.stop()
    try:
        assert await read_all(jmap) == truth
        with imap_client(dovecot, user) as imap:
            imap.append("INBOX", message("while it was away"))
        changes = await jmap.call("Email/changes", sinceState=state)
        assert len(changes["created"]) == 1
    finally:
        private_redis.server.start_on_ports(private_redis.port)
    after = await read_all(jmap)
    assert after["ids"] == (await jmap.call("Email/query", sort=[{"property": "subject"}]))["ids"]
    assert truth["emails"].items() <= after["emails"].items()
    later, error = await anew(dovecot, user, private_redis, state)
    assert later == after
    assert error == "cannotCalculateChanges"  # rather than announcing old mail as new


async def test_a_flush_changes_no_id(jmap: JmapClient, dovecot: Dovecot, user: User, private_redis: Redis) -> None:
    truth = await read_all(jmap)
    state = (await jmap.call("Email/get", ids=[]))["state"]
    with redis.Redis.from_url(private_redis.url) as client:
        client.flushall()
    assert await read_all(jmap) == truth
    assert await anew(dovecot, user, private_redis, state) in ((truth, "cannotCalculateChanges"), (truth, None))


async def test_eviction_of_anything_changes_no_id(
    jmap: JmapClient, dovecot: Dovecot, user: User, private_redis: Redis
) -> None:
    truth = await read_all(jmap)
    with redis.Redis.from_url(private_redis.url) as client:
        keys = sorted(key for key in client.scan_iter() if isinstance(key, bytes))
        contents = {key: client.dump(key) for key in keys}
        assert len(keys) > 3
        for evicted in keys:
            client.flushall()
            for key in keys:
                value = contents[key]
                if key != evicted and isinstance(value, bytes):
                    client.restore(key, 0, value)
            state = (await jmap.call("Email/get", ids=[]))["state"]
            assert (await anew(dovecot, user, private_redis, state))[0] == truth, evicted


async def test_a_redis_that_became_a_replica_takes_nothing_for_done(
    jmap: JmapClient, private_redis: Redis, redis_server: Redis
) -> None:
    """A failover that the gateway was not told of: writes are answered with READONLY, and everything is lost."""
    truth = await read_all(jmap)
    url = jmap.session["uploadUrl"].replace("{accountId}", jmap.account)
    with redis.Redis(private_redis.host, private_redis.port) as admin:
        admin.replicaof(redis_server.host, str(redis_server.port))
        try:
            assert await read_all(jmap) == truth
            async with jmap.http.post(url, data=b"x") as answer:
                assert answer.status == 503
        finally:
            admin.replicaof("NO", "ONE")
    blob = await jmap.upload(b"x")
    assert await jmap.download(blob["blobId"]) == b"x"
    assert await read_all(jmap) == truth
