"""Where the connections to Redis lead: to one address, or to the master that Redis Sentinel names."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from redis.asyncio import BlockingConnectionPool, ConnectionPool
from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool
from redis.backoff import NoBackoff

HEALTH_SECONDS: Final = 15
"""How often a connection that was idle is looked at before it is used."""

SENTINEL_SECONDS: Final = 1.0
"""How long a sentinel may take to answer before the next one is asked."""


@dataclass(frozen=True, slots=True)
class Sentinels:
    """Those that know where the master is. addresses: `host:port`. username, password: theirs, not those of Redis."""

    addresses: Sequence[str]
    username: str | None = None
    password: str | None = None


class Pools:
    """Connections for questions, and such that listen.

    url: of Redis; with sentinels the host in it is the name by which they know the master. TLS is for both or none.
    timeout: seconds that bound every wait, for a connection of the pool as for an answer; listeners wait without end.
    """

    def __init__(self, url: str, sentinels: Sentinels | None, max_connections: int, timeout: float) -> None:
        bounded = {"max_connections": max_connections, "timeout": timeout, "socket_timeout": timeout}
        common = {"socket_connect_timeout": timeout, "health_check_interval": HEALTH_SECONDS}
        self._sentinel: Sentinel | None = None
        if sentinels is None:
            self.asking: ConnectionPool = BlockingConnectionPool.from_url(url, **bounded, **common)
            self.listening = ConnectionPool.from_url(url, **common)
            return
        service, self._sentinel = _service(url), _sentinel(url, sentinels)
        common |= _master_options(url)
        self.asking = _BlockingMasterPool(service, self._sentinel, **bounded, **common)
        self.listening = SentinelConnectionPool(service, self._sentinel, **common)  # type: ignore[no-untyped-call]

    async def ask_anew(self) -> None:
        """Close the connections that are idle, so that the next ones lead to whatever is the master by then."""
        await self.asking.disconnect(inuse_connections=False)

    async def close(self) -> None:
        """Close all connections."""
        await self.asking.disconnect()
        await self.listening.disconnect()
        if self._sentinel is not None:
            await self._sentinel.aclose()


class _BlockingMasterPool(SentinelConnectionPool, BlockingConnectionPool):
    """A bounded pool of connections to whatever is master when they connect."""

    def __init__(self, service: str, sentinel: Sentinel, **options: Any) -> None:
        super().__init__(service, sentinel, **options)  # type: ignore[no-untyped-call] # of redis-py


def _sentinel(url: str, sentinels: Sentinels) -> Sentinel:
    places = [address.rpartition(":") for address in sentinels.addresses]
    options: dict[str, Any] = {
        "username": sentinels.username,
        "password": sentinels.password,
        "socket_timeout": SENTINEL_SECONDS,
        "socket_connect_timeout": SENTINEL_SECONDS,
        "retry": Retry(NoBackoff(), 0),  # the next one is asked instead
    }
    options |= {name: value for name, value in _master_options(url).items() if name.startswith("ssl")}
    hosts = [(host.removeprefix("[").removesuffix("]"), int(port)) for host, _, port in places]
    return Sentinel(hosts, sentinel_kwargs=options)  # type: ignore[no-untyped-call] # of redis-py


def _service(url: str) -> str:
    """As it is written: unlike a host's name it may have capitals."""
    return urlsplit(url).netloc.rpartition("@")[2].partition(":")[0]


def _master_options(url: str) -> dict[str, Any]:
    """All that a URL says beside the place."""
    options = {name: value for name, value in parse_url(url).items() if name not in {"host", "port"}}
    return options if options.pop("connection_class", None) is None else {**options, "ssl": True}
