"""Logins at DAV servers that their mail server has proven; those of one owner share connections, and what is known."""

import asyncio
import logging
import math
import ssl
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from adapters.dav.connection import Credentials, Endpoint
from adapters.errors import AdapterError, NotFound
from gateway.config import DavConfig
from gateway.config_reader import ConfigError

log = logging.getLogger(__name__)

FACTS_SECONDS: Final = 3600.0
RETRY_SECONDS: Final = 60.0
"""How long the answer of a DAV server, or its silence, is believed."""


@dataclass(slots=True, eq=False)
class DavLogin:
    """Whose credentials the connections to one owner's collections have, and whether the server took them.

    protocol: for the log. stale: seconds after which credentials that nobody has proven again may not be good any more.
    holders: what each login of the owner that is open has proven; the object itself stands for the login, since equal
    ones may be those of another.
    """

    protocol: str
    credentials: Credentials
    stale: float
    holders: list[Credentials] = field(default_factory=list)
    answered: bool = False
    _asked_at: float = -math.inf
    _proven_at: float = -math.inf
    _asking: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def prove(
        self,
        credentials: Credentials,
        connect: Callable[[Credentials], Awaitable[None]],
        learn: Callable[[], Awaitable[object]],
    ) -> bool:
        """Ask the server once in a while, and by new credentials where the old may not be good any more.

        connect: makes the connections those of other credentials. learn: asks; raises adapters.errors.
        Answers whether it was asked; whether it answered well is in `answered`. Who comes meanwhile waits for that.
        """
        async with self._asking:
            return await self._prove(credentials, connect, learn)

    async def _prove(
        self,
        credentials: Credentials,
        connect: Callable[[Credentials], Awaitable[None]],
        learn: Callable[[], Awaitable[object]],
    ) -> bool:
        now = time.monotonic()
        if self.credentials == credentials:
            self._proven_at = now
        elif now - self._proven_at > self.stale:
            self.credentials, self._proven_at, self._asked_at = credentials, now, -math.inf
            await connect(credentials)
        if now - self._asked_at <= (FACTS_SECONDS if self.answered else RETRY_SECONDS):
            return False
        self.answered = await self._answers(learn)
        self._asked_at = now  # not where this login was cancelled meanwhile, which says nothing of the server
        return True

    async def _answers(self, learn: Callable[[], Awaitable[object]]) -> bool:
        try:
            await learn()
        except NotFound:
            log.info("a login has nothing at the %s server", self.protocol)
        except AdapterError as error:
            log.warning("the %s server cannot be used for now: %s: %s", self.protocol, type(error).__name__, error)
        else:
            return True
        return False

    def let_go(self, credentials: Credentials) -> bool:
        """The login that holds these very credentials is over; whether it was the last one."""
        place = next((place for place, held in enumerate(self.holders) if held is credentials), None)
        if place is None:
            return False
        del self.holders[place]
        if self.holders and self.credentials not in self.holders:
            self._proven_at = -math.inf  # may have been refused: whoever comes next brings others
        return not self.holders


def dav_endpoint(section: str, dav: DavConfig) -> Endpoint:
    """How a DAV server is reached. section: of the configuration. Raises ConfigError where the CA file is no good."""
    context = None
    if dav.url.startswith("https:"):
        try:
            context = ssl.create_default_context(cafile=None if dav.ca_file is None else str(dav.ca_file))
        except OSError as error:  # SSLError is one
            raise ConfigError([f"{section}.ca_file: {error}"]) from error
    return Endpoint(
        url=dav.url,
        ssl_context=context,
        connect_timeout=dav.connect_seconds,
        read_timeout=dav.read_seconds,
        total_timeout=dav.answer_seconds,
        connections=dav.max_connections,
    )
