"""The store that several replicas share, on Redis 6.2 or newer.

Each value is a string key of its own with its own expiry, `jmapgw:{account}:space:name`; a sorted set per space
keeps the names for scans. The account stands in braces, so that all its keys share one cluster slot and a
commit can be one Lua script.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

from redis.asyncio import BlockingConnectionPool, Redis
from redis.exceptions import RedisError

from gateway.store.base import MISSED, Delete, DeleteRange, Key, Lease, LeaseLost, Put, StoreUnavailable, Write
from gateway.store.channels import Channels, Hear

logger = logging.getLogger(__name__)

PREFIX = "jmapgw"
RECONNECT_SECONDS = 1.0
SAFE_POLICY = "noeviction"
EVICTS = (
    "Redis has maxmemory-policy {}: when its memory is full it throws away what only it holds, messages that wait to "
    "be sent among it; set maxmemory-policy noeviction"
)

# KEYS[1] lease. ARGV: token or "", key prefix of the account, then one group per write:
# put: "p" space name value milliseconds-or-"" / delete: "d" space name / range: "r" space lower upper
COMMIT = """
local token = ARGV[1]
if token ~= '' and redis.call('GET', KEYS[1]) ~= token then return 0 end
local prefix = ARGV[2]
local at = 3
while at <= #ARGV do
  local kind, space = ARGV[at], ARGV[at + 1]
  local index = prefix .. space
  if kind == 'p' then
    local name, ttl = ARGV[at + 2], ARGV[at + 4]
    if ttl == '' then
      redis.call('SET', index .. ':' .. name, ARGV[at + 3])
    else
      redis.call('SET', index .. ':' .. name, ARGV[at + 3], 'PX', ttl)
    end
    redis.call('ZADD', index, 0, name)
    at = at + 5
  elseif kind == 'd' then
    redis.call('DEL', index .. ':' .. ARGV[at + 2])
    redis.call('ZREM', index, ARGV[at + 2])
    at = at + 3
  else
    for _, name in ipairs(redis.call('ZRANGEBYLEX', index, ARGV[at + 2], ARGV[at + 3])) do
      redis.call('DEL', index .. ':' .. name)
    end
    redis.call('ZREMRANGEBYLEX', index, ARGV[at + 2], ARGV[at + 3])
    at = at + 4
  end
end
return 1
"""

# A lost lease record must not let an old token match again: the first token comes from the clock.
TAKE_LEASE = """
local token = redis.call('INCR', KEYS[1])
if token == 1 then
  local now = redis.call('TIME')
  token = now[1] * 1000000 + now[2]
  redis.call('SET', KEYS[1], string.format('%.0f', token))
end
return string.format('%.0f', token)
"""


class RedisStore:
    """A Store on Redis. `timeout` seconds bound every wait, for a connection of the pool as for an answer."""

    shared = True

    def __init__(self, url: str, *, max_connections: int = 16, timeout: float = 5.0) -> None:
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=max_connections,
            timeout=timeout,
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            health_check_interval=15,
        )
        self._redis: Redis = Redis(connection_pool=pool)
        # The subscriber waits without end for messages, so it has a connection without a read time-out.
        self._listener: Redis = Redis.from_url(url, socket_connect_timeout=timeout, health_check_interval=15)
        self._pubsub = self._listener.pubsub(ignore_subscribe_messages=True)
        self._channels = Channels()
        self._reader: asyncio.Task[None] | None = None

    async def read(self, keys: Sequence[Key]) -> list[bytes | None]:
        """See Store.read."""
        if not keys:
            return []
        return cast("list[bytes | None]", await self._ask(self._redis.mget([_name(key) for key in keys])))

    async def scan(
        self, account: str, space: str, start: str = "", end: str = "", limit: int | None = None
    ) -> list[tuple[str, bytes]]:
        """See Store.scan."""
        index = _prefix(account) + space
        lower, upper = _bounds(start, end)
        found: list[tuple[str, bytes]] = []
        while limit is None or len(found) < limit:
            wanted = 1000 if limit is None else limit - len(found)
            names = cast(
                "list[bytes]",
                await self._ask(self._redis.zrangebylex(index, lower, upper, start=0, num=wanted)),
            )
            if not names:
                break
            lower = "(" + names[-1].decode()
            values = await self._ask(self._redis.mget([f"{index}:{name.decode()}" for name in names]))
            # A name whose value has expired stays in the set until it is written or deleted again.
            found += [(n.decode(), v) for n, v in zip(names, values, strict=True) if v is not None]
        return found

    async def lease(self, account: str) -> Lease:
        """See Store.lease."""
        token = await self._ask(self._redis.eval(TAKE_LEASE, 1, _lease_name(account)))
        return Lease(account, int(token))

    async def commit(self, account: str, writes: Sequence[Write], lease: Lease | None = None) -> None:
        """See Store.commit."""
        arguments: list[str | bytes | int] = ["" if lease is None else str(lease.token), _prefix(account)]
        for write in writes:
            arguments += _arguments(write)
        done = await self._ask(self._redis.eval(COMMIT, 1, _lease_name(account), *arguments))
        if not done:
            raise LeaseLost(account)

    async def publish(self, channel: str, message: bytes) -> None:
        """See Store.publish."""
        await self._ask(self._redis.publish(f"{PREFIX}:{channel}", message))

    @asynccontextmanager
    async def subscribe(self, channel: str, hear: Hear) -> AsyncIterator[None]:
        """See Store.subscribe."""
        with self._channels.subscribed(channel, hear):
            if self._reader is None:
                # The bare prefix is never unsubscribed, so that the reader always has something to wait for.
                await self._ask(self._pubsub.subscribe(PREFIX))
                self._reader = asyncio.create_task(self._listen())
            await self._ask(self._pubsub.subscribe(f"{PREFIX}:{channel}"))
            try:
                yield
            finally:
                await self._unsubscribe(channel)

    async def ping(self) -> None:
        """See Store.ping."""
        await self.lease("")

    async def warnings(self) -> list[str]:
        """See Store.warnings."""
        try:
            found = await self._ask(self._redis.info("memory"))
        except StoreUnavailable as error:
            logger.debug("Redis does not tell how it is set up: %s", error)  # an ACL may forbid it
            return []
        policy = found.get("maxmemory_policy", SAFE_POLICY)
        return [] if policy == SAFE_POLICY else [EVICTS.format(policy)]

    async def close(self) -> None:
        """See Store.close."""
        if self._reader is not None:
            self._reader.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._reader
        await self._pubsub.aclose()  # type: ignore[no-untyped-call] # redis-py leaves this one untyped
        await self._listener.aclose()
        await self._redis.aclose()
        await self._redis.connection_pool.disconnect()

    async def _ask(self, answer: Awaitable[Any]) -> Any:
        try:
            return await answer
        except (RedisError, OSError, TimeoutError) as error:
            raise StoreUnavailable(str(error)) from error

    async def _unsubscribe(self, channel: str) -> None:
        # The context that is being left still counts.
        with contextlib.suppress(RedisError, OSError):
            if self._channels.count(channel) == 1:
                await self._pubsub.unsubscribe(f"{PREFIX}:{channel}")

    async def _listen(self) -> None:
        while True:
            try:
                message = await self._pubsub.get_message(timeout=None)
            except (RedisError, OSError) as error:
                logger.warning("store subscription lost; trying again", extra={"reason": str(error)})
                await self._subscribe_again()
                continue
            if message is not None:
                self._channels.deliver(message["channel"].decode().removeprefix(f"{PREFIX}:"), message["data"])

    async def _subscribe_again(self) -> None:
        """Connect, which subscribes to all channels again, and say that messages may have been lost."""
        while True:
            await asyncio.sleep(RECONNECT_SECONDS)
            with contextlib.suppress(RedisError, OSError):
                await self._pubsub.connect()  # type: ignore[no-untyped-call] # redis-py leaves this one untyped
                break
        self._channels.deliver_everywhere(MISSED)


def _prefix(account: str) -> str:
    return f"{PREFIX}:{{{account}}}:"


def _name(key: Key) -> str:
    return f"{_prefix(key.account)}{key.space}:{key.name}"


def _lease_name(account: str) -> str:
    return f"{PREFIX}:{{{account}}}.lease"


def _bounds(start: str, end: str) -> tuple[str, str]:
    return f"[{start}" if start else "-", f"({end}" if end else "+"


def _arguments(write: Write) -> list[str | bytes | int]:
    match write:
        case Put(key, value, ttl):
            return ["p", key.space, key.name, value, "" if ttl is None else max(1, int(ttl * 1000))]
        case Delete(key):
            return ["d", key.space, key.name]
        case DeleteRange(_, space, start, end):
            return ["r", space, *_bounds(start, end)]
