"""Restart, flush, eviction, damage: the store says so, and nothing half-written is left."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest
import redis

from gateway.store.base import MISSED, Key, LeaseLost, Put, StoreUnavailable
from gateway.store.redis import RedisStore
from gateway.store.sqlite import CHECKPOINT_PAGES, PAGE, SqliteStore
from gateway.web.metrics import Meters
from gateway.web.probe import StoreProbe
from tests.faults.proxy import After, Delay, FaultProxy, Rule
from tests.servers.redis import Redis, running_guarded, running_redis
from tests.store.conftest import sentinels
from tests.waiting import until

T = TypeVar("T")

KEY = Key("a", "s", "n")
KEY_OF_B = Key("b", "s", "n")


async def test_sqlite_keeps_everything_over_a_restart(tmp_path: Path) -> None:
    first = SqliteStore(tmp_path / "store.db")
    lease = await first.lease("a")
    await first.commit("a", [Put(KEY, b"x")], lease)
    await first.close()
    second = SqliteStore(tmp_path / "store.db")
    assert await second.read([KEY]) == [b"x"]
    await second.commit("a", [], lease)
    await second.close()


async def test_a_damaged_sqlite_file_is_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    path.write_bytes(b"not a database" * 100)
    store = SqliteStore(path)
    assert await store.read([KEY]) == [None]
    await store.commit("a", [Put(KEY, b"x")])
    await store.close()
    assert (tmp_path / "store.db.damaged").read_bytes().startswith(b"not a database")


async def test_an_unreachable_sqlite_file_is_unavailable(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "no" / "such" / "directory" / "store.db")
    with pytest.raises(StoreUnavailable):
        await store.ping()
    await store.close()


async def test_two_processes_may_share_the_sqlite_file_and_the_lease_holds(tmp_path: Path) -> None:
    one, two = SqliteStore(tmp_path / "store.db"), SqliteStore(tmp_path / "store.db")
    lease = await one.lease("a")
    await two.lease("a")
    with pytest.raises(LeaseLost):
        await one.commit("a", [Put(KEY, b"x")], lease)
    assert await two.read([KEY]) == [None]
    await one.close()
    await two.close()


async def test_the_log_of_sqlite_is_copied_without_a_writer_that_waits(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "store.db")
    for octet in (b"a", b"b", b"c", b"d"):
        await store.commit("a", [Put(KEY, octet * (CHECKPOINT_PAGES * PAGE // 4))])
    await store.ping()  # behind what the last commit left to be done
    assert (tmp_path / "store.db").stat().st_size > CHECKPOINT_PAGES * PAGE // 4
    await store.close()


async def test_redis_gone_is_unavailable_and_back_is_back(private_redis: Redis) -> None:
    store = RedisStore(private_redis.url, timeout=1)
    await store.commit("a", [Put(KEY, b"x")])
    private_redis.server.stop()
    with pytest.raises(StoreUnavailable):
        await store.read([KEY])
    private_redis.server.start_on_ports(private_redis.port)
    await store.ping()
    assert await store.read([KEY]) == [None]
    await store.close()


async def test_a_subscription_outlives_a_restart_of_redis(private_redis: Redis) -> None:
    store = RedisStore(private_redis.url, timeout=1)
    heard: list[bytes] = []
    async with store.subscribe("channel", heard.append):
        private_redis.server.stop()
        private_redis.server.start_on_ports(private_redis.port)
        await until(lambda: heard == [MISSED])  # whatever was published meanwhile is lost
        await store.publish("channel", b"again")
        await until(lambda: heard == [MISSED, b"again"])
    await store.close()


async def test_what_is_published_once_it_is_subscribed_is_heard(private_redis: Redis) -> None:
    """However slowly Redis hears of the subscription, and of the same after it has been away."""
    async with FaultProxy(private_redis.host, private_redis.port) as proxy:
        one, other = RedisStore(f"redis://{proxy.host}:{proxy.port}/0"), RedisStore(private_redis.url)
        slowly = Rule("client", After.match(rb"SUBSCRIBE"), Delay(0.3), times=None)
        proxy.add(slowly)
        heard: list[bytes] = []
        async with one.subscribe("channel", heard.append):
            await other.publish("channel", b"1")
            await until(lambda: heard == [b"1"])
            proxy.cut_all()
            await until(lambda: heard == [b"1", MISSED])
            await other.publish("channel", b"2")
            await until(lambda: heard == [b"1", MISSED, b"2"])
            async with asyncio.TaskGroup() as both:  # of the same channel, at once

                async def hear() -> None:
                    async with one.subscribe("another", heard.append):
                        pass

                both.create_task(hear())
                both.create_task(hear())
        await one.close()
        await other.close()


async def test_a_flush_voids_the_lease(private_redis: Redis) -> None:
    store = RedisStore(private_redis.url)
    lease = await store.lease("a")
    with redis.Redis.from_url(private_redis.url) as client:
        client.flushall()
    with pytest.raises(LeaseLost):
        await store.commit("a", [Put(KEY, b"x")], lease)
    renewed = await store.lease("a")
    assert renewed.token > lease.token
    await store.commit("a", [Put(KEY, b"x")], renewed)
    await store.close()


async def test_a_replica_that_takes_over_voids_leases(private_redis: Redis) -> None:
    """Row 83: it may be behind, also with the tokens of leases; and it never gives the same token twice."""
    with running_redis() as spare, redis.Redis(spare.host, spare.port) as admin:
        one, other = RedisStore(private_redis.url), RedisStore(spare.url)
        await one.commit("a", [Put(KEY, b"x")], await one.lease("a"))
        admin.replicaof(private_redis.host, str(private_redis.port))
        await until(lambda: admin.get("jmapgw:{a}:s:n") == b"x")
        admin.replicaof("NO", "ONE")
        lost = await one.lease("a")
        admin.set("jmapgw:{a}.lease", str(lost.token))  # as if it had been given out there as well
        with pytest.raises(LeaseLost):
            await other.commit("a", [Put(KEY, b"y")], lost)
        assert await other.read([KEY]) == [b"x"]
        renewed = await other.lease("a")
        assert renewed.history != lost.history
        assert renewed.token > lost.token
        await other.commit("a", [Put(KEY, b"y")], renewed)
        await one.close()
        await other.close()


async def test_what_too_few_replicas_have_does_not_count(private_redis: Redis) -> None:
    store = RedisStore(private_redis.url, replicas=1, timeout=0.2)
    with pytest.raises(StoreUnavailable):
        await store.commit("a", [Put(KEY, b"x")])
    assert await store.read([KEY]) == [b"x"]  # reading needs none
    await store.close()


async def test_a_master_that_is_killed() -> None:
    """Row 83: what counted is there, leases of before are void, and who listens hears that messages may be lost.

    All over TLS, to the sentinel as to Redis.
    """
    with running_guarded(tls=True) as servers:
        store = RedisStore(servers.url, sentinels=sentinels(servers), replicas=1)
        heard: list[bytes] = []
        async with store.subscribe("channel", heard.append):
            lease = await store.lease("a")
            for number in range(100):
                await store.commit("a", [Put(KEY, b"%d" % number)], lease)
            servers.kill_master()
            with pytest.raises(StoreUnavailable):
                await store.commit("a", [Put(KEY, b"never")], lease)
            await until(lambda: heard == [MISSED])
            with pytest.raises(LeaseLost):
                await store.commit("a", [Put(KEY, b"never")], lease)
            assert await store.read([KEY]) == [b"99"]
            await store.commit("a", [Put(KEY, b"x")], await store.lease("a"))
            await store.publish("channel", b"again")
            await until(lambda: heard == [MISSED, b"again"])
        await store.close()


async def test_a_master_that_comes_back() -> None:
    """It takes itself for the master until the sentinel tells it otherwise: after ten seconds, here never."""
    with running_guarded() as servers:
        at = servers.master
        with redis.Redis(at.host, at.port, password=servers.password) as client:
            client.execute_command("ACL", "SETUSER", "default", "-slaveof")
        guarded = sentinels(servers)
        one, other = (RedisStore(servers.url, sentinels=guarded, replicas=1, timeout=1.0) for _ in range(2))
        lease = await as_soon_as_taken(lambda: other.lease("b"))
        await as_soon_as_taken(lambda: one.commit("a", [Put(KEY, b"old")]))
        assert await asyncio.gather(*(one.read([KEY]) for _ in range(8))) == [[b"old"]] * 8  # over many connections
        with servers.paused_master():
            await as_soon_as_taken(lambda: one.commit("a", [Put(KEY, b"new")]))
        # whoever did anything meanwhile has no connection to it any more
        assert await asyncio.gather(*(one.read([KEY]) for _ in range(8))) == [[b"new"]] * 8
        # and whoever did nothing can write nothing there that counts
        with pytest.raises((LeaseLost, StoreUnavailable)):
            await other.commit("b", [Put(KEY_OF_B, b"lost")], lease)
        await as_soon_as_taken(lambda: other.commit("a", [Put(KEY, b"newer")]))
        assert await one.read([KEY, KEY_OF_B]) == [b"newer", None]
        await one.close()
        await other.close()


async def as_soon_as_taken(write: Callable[[], Awaitable[T]]) -> T:
    """Write when there is a master that takes it, and the replica confirms it."""
    async with asyncio.timeout(20):
        while True:
            try:
                return await write()
            except StoreUnavailable:
                await asyncio.sleep(0.1)


async def test_an_evicted_value_is_absent_and_leaves_no_trace_in_scans(private_redis: Redis) -> None:
    store = RedisStore(private_redis.url)
    await store.commit("evicted", [Put(Key("evicted", "s", "1"), b"x"), Put(Key("evicted", "s", "2"), b"y")])
    with redis.Redis.from_url(private_redis.url) as client:
        client.delete("jmapgw:{evicted}:s:1")
    assert await store.read([Key("evicted", "s", "1")]) == [None]
    assert await store.scan("evicted", "s") == [("2", b"y")]
    await store.close()


async def test_a_redis_that_may_evict_is_warned_of(private_redis: Redis, caplog: pytest.LogCaptureFixture) -> None:
    """Row 82: at the start, and when it comes back; not where an access list keeps it secret."""
    store = RedisStore(private_redis.url)
    probe = StoreProbe(store, Meters())
    with redis.Redis.from_url(private_redis.url) as client:
        assert await store.warnings() == []
        client.config_set("maxmemory-policy", "allkeys-lru")
        try:
            assert await probe.answers()
            assert [record.levelname for record in caplog.records] == ["WARNING"]
            assert "maxmemory-policy allkeys-lru" in caplog.text
            client.acl_setuser("secretive", enabled=True, nopass=True, keys=["*"], commands=["+@all", "-info"])
            secretive = RedisStore(private_redis.url.replace("redis://", "redis://secretive:x@"))
            await secretive.ping()
            assert await secretive.warnings() == []
            await secretive.close()
        finally:
            client.acl_deluser("secretive")
            client.config_set("maxmemory-policy", "noeviction")
    await store.close()


async def test_more_callers_than_connections_wait_for_their_turn(private_redis: Redis) -> None:
    store = RedisStore(private_redis.url, max_connections=2)
    await store.commit("a", [Put(KEY, b"x")])
    assert await asyncio.gather(*(store.read([KEY]) for _ in range(200))) == [[b"x"]] * 200
    await store.close()
