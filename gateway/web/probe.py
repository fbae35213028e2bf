"""Whether the store answers."""

import asyncio
import logging
import time
from typing import Final

from gateway.store.base import Store, StoreUnavailable
from gateway.web.metrics import Meters

log = logging.getLogger(__name__)

PING_SECONDS: Final = 2.0
REMEMBERED_SECONDS: Final = 1.0


class StoreProbe:
    """Pings the store at most once a second, however often it is asked: probes need no login."""

    def __init__(self, store: Store, meters: Meters) -> None:
        self._store = store
        self._meters = meters
        self._asked_at = float("-inf")
        self._answers = False
        self._lock = asyncio.Lock()

    async def answers(self) -> bool:
        """Whether the store answered, as of a second ago at most."""
        async with self._lock:
            if time.monotonic() - self._asked_at > REMEMBERED_SECONDS:
                self._answers = await self._ping()
                self._asked_at = time.monotonic()
            return self._answers

    async def _ping(self) -> bool:
        try:
            async with asyncio.timeout(PING_SECONDS):
                await self._store.ping()
                if not self._answers:
                    await self._warn()
        except (StoreUnavailable, TimeoutError):
            self._meters.pings.labels("failed").inc()
            return False
        self._meters.pings.labels("ok").inc()
        return True

    async def _warn(self) -> None:
        """At the start, and when it has been away: it may be another one now."""
        for warning in await self._store.warnings():
            log.warning("%s", warning)
