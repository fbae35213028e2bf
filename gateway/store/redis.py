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

from redis.asyncio import Redis
from redis.exceptions import ReadOnlyError, RedisError

from gateway.store.base import MISSED, Delete, DeleteRange, Key, Lease, LeaseLost, Put, Seen, StoreUnavailable, Write
from gateway.store.channels import Channels, Hear
from gateway.store.redis_pools import Pools, Sentinels

logger = logging.getLogger(__name__)

PREFIX = "jmapgw"
RECONNECT_SECONDS = 1.0
SAFE_POLICY = "noeviction"
EVICTS = (
    "Redis has maxmemory-policy {}: when its memory is full it throws away what only it holds, messages that wait to "
    "be sent among it; set maxmemory-policy noeviction"
)

# The replication id is a new one whenever a server becomes master, also by a restart: Lease.history. An access list may
# forbid to ask for it.
HISTORY = """
local function history()
  local info = redis.pcall('INFO', 'replication')
  return type(info) == 'string' and string.match(info, 'master_replid:(%x+)') or ''
end
"""

# KEYS[1] lease. ARGV: token or "", history, key prefix of the account, how many values must still be there and for each
# space name value, then one group per write:
# put: "p" space name value milliseconds-or-"" / delete: "d" space name / range: "r" space lower upper
COMMIT = (
    HISTORY
    + """
local token = ARGV[1]
if token ~= '' and (redis.call('GET', KEYS[1]) ~= token or history() ~= ARGV[2]) then return 0 end
local prefix = ARGV[3]
local at = 5
for _ = 1, tonumber(ARGV[4]) do
  if redis.call('GET', prefix .. ARGV[at] .. ':' .. ARGV[at + 1]) ~= ARGV[at + 2] then return 0 end
  at = at + 3
end
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
)

# A lease record that was lost, or is behind, must not let an old token match again: tokens come from the clock.
TAKE_LEASE = (
    HISTORY
    + """
local now = redis.call('TIME')
local before = tonumber(redis.call('GET', KEYS[1]) or 0) or 0
local token = string.format('%.0f', math.max(before + 1, now[1] * 1000000 + now[2]))
redis.call('SET', KEYS[1], token)
return {token, history()}
"""
)


class RedisStore:
    """A Store on Redis. url, sentinels, timeout: as `redis_pools.Pools` has them.

    replicas: how many of them must have a write before it counts, so that it outlives a failover.
    """

    shared = True

    def __init__(
        self,
        url: str,
        *,
        sentinels: Sentinels | None = None,
        replicas: int = 0,
        max_connections: int = 16,
        timeout: float = 5.0,
    ) -> None:
        self._pools = Pools(url, sentinels, max_connections, timeout)
        self._redis: Redis = Redis(connection_pool=self._pools.asking)
        self._pubsub = Redis(connection_pool=self._pools.listening).pubsub()
        self._timeout = timeout
        self._replicas = replicas
        self._patience = int(timeout * 500)  # milliseconds, so that Redis says that it waited in vain before we do
        self._channels = Channels()
        self._reader: asyncio.Task[None] | None = None
        self._confirmed: dict[str, asyncio.Event] = {}

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
        token, history = await self._write(TAKE_LEASE, account)
        return Lease(account, int(token), history.decode())

    async def commit(
        self, account: str, writes: Sequence[Write], lease: Lease | None = None, seen: Sequence[Seen] = ()
    ) -> None:
        """See Store.commit."""
        token, history = ("", "") if lease is None else (str(lease.token), lease.history)
        arguments: list[str | bytes | int] = [token, history, _prefix(account), len(seen)]
        for key, value in seen:
            arguments += [key.space, key.name, value]
        for write in writes:
            arguments += _arguments(write)
        if not await self._write(COMMIT, account, *arguments):
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
            try:
                await self._ask(self._subscribe(f"{PREFIX}:{channel}"))
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
        await self._pools.close()

    async def _write(self, script: str, account: str, *arguments: str | bytes | int) -> Any:
        """What a script answers that writes to an account, once as many replicas have it as shall."""
        name = _lease_name(account)
        if not self._replicas:
            return await self._ask(self._redis.eval(script, 1, name, *arguments))
        both = self._redis.pipeline(transaction=False)  # WAIT is about the writes of its own connection
        both.eval(script, 1, name, *arguments)
        both.wait(self._replicas, self._patience)
        answer, having = await self._ask(both.execute())
        if having < self._replicas:
            await self._pools.ask_anew()  # a master that was away may not know yet that another one has taken over
            raise StoreUnavailable(f"{having} of {self._replicas} replicas have what was written")
        return answer

    async def _ask(self, answer: Awaitable[Any]) -> Any:
        try:
            return await answer
        except ReadOnlyError as error:
            # Its master is another one by now, and so may be the server at the address that these connections lead to.
            await self._pools.ask_anew()
            raise StoreUnavailable(str(error)) from error
        except (RedisError, OSError, TimeoutError) as error:
            raise StoreUnavailable(str(error)) from error

    async def _subscribe(self, name: str) -> None:
        """Return once Redis has confirmed it: from then on nothing is missed. Raises TimeoutError."""
        confirmed = self._confirmed.setdefault(name, asyncio.Event())
        await self._pubsub.subscribe(name)
        async with asyncio.timeout(self._timeout):
            await confirmed.wait()

    async def _unsubscribe(self, channel: str) -> None:
        # The context that is being left still counts.
        with contextlib.suppress(RedisError, OSError):
            if self._channels.count(channel) == 1:
                self._confirmed.pop(f"{PREFIX}:{channel}", None)
                await self._pubsub.unsubscribe(f"{PREFIX}:{channel}")

    async def _listen(self) -> None:
        while True:
            try:
                message = await self._pubsub.get_message(timeout=None)
            except (RedisError, OSError) as error:
                logger.warning("store subscription lost; trying again", extra={"reason": str(error)})
                await self._connect_again()
                continue
            if message is not None:
                self._heard(message["type"], message["channel"].decode(), message["data"])

    def _heard(self, kind: str, name: str, data: bytes) -> None:
        if kind == "message":
            self._channels.deliver(name.removeprefix(f"{PREFIX}:"), data)
        elif kind == "subscribe":
            if name == PREFIX and PREFIX in self._confirmed:  # once more: messages may have been lost until now
                self._channels.deliver_everywhere(MISSED)
            self._confirmed.setdefault(name, asyncio.Event()).set()

    async def _connect_again(self) -> None:
        """Connect, which asks for all channels again, by one command."""
        while True:
            await asyncio.sleep(RECONNECT_SECONDS)
            with contextlib.suppress(RedisError, OSError):
                await self._pubsub.connect()  # type: ignore[no-untyped-call] # redis-py leaves this one untyped
                break


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
