"""Logins that a backend has accepted: opened once however many requests wait, proven again when they age.

An entry is found by keyed BLAKE2b (RFC 7693) over all of the credentials under a key of this process, so no secret is
kept here and one user's entry can never answer for another's.
"""

import asyncio
import contextlib
import hashlib
import secrets
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Final

from adapters.errors import AuthFailed
from gateway.config import Auth
from gateway.context import Login
from gateway.web.credentials import Credentials

KNOWN_GOOD: Final = 10_000
"""Digests of credentials that were right once, for letting their owners past a throttle."""


@dataclass(frozen=True, slots=True)
class Opened:
    """What opening gives: the login, and how to let go of its backend resources."""

    login: Login
    close: Callable[[], Awaitable[None]]


Open = Callable[[Credentials], Awaitable[Opened]]
"""Proves the credentials at the backend, every time anew. Raises AuthFailed, Unavailable."""


@dataclass(slots=True, eq=False)
class _Entry:
    opened: Opened
    proven_at: float
    used_at: float
    users: int = 0
    dropped: bool = False


class Logins:
    """Open logins, least recently used first. Times in seconds of a monotonic clock."""

    def __init__(self, open_login: Open, auth: Auth, clock: Callable[[], float] = time.monotonic) -> None:
        self._open_login = open_login
        self._auth = auth
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._entries: OrderedDict[bytes, _Entry] = OrderedDict()
        self._opening: dict[bytes, asyncio.Task[_Entry]] = {}
        self._known: OrderedDict[bytes, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def fingerprint(self, credentials: Credentials) -> bytes:
        """Stands for all of the credentials, for as long as this process lives."""
        # No part holds a NUL: credentials with control characters are refused before.
        parts = (credentials.scheme, credentials.username, credentials.login, credentials.secret.reveal())
        return hashlib.blake2b("\0".join(parts).encode(), digest_size=32, key=self._key).digest()

    def proven(self, credentials: Credentials) -> AbstractAsyncContextManager[Login] | None:
        """As `use`, at once, where the backend accepted these very credentials within `cache_seconds`."""
        entry = self._fresh(self.fingerprint(credentials))
        return None if entry is None else self._using(entry)

    def was_good(self, credentials: Credentials) -> bool:
        """Whether these very credentials were right the last time they were tried."""
        return self.fingerprint(credentials) in self._known

    @contextlib.asynccontextmanager
    async def use(self, credentials: Credentials) -> AsyncIterator[Login]:
        """The login, kept open while the context lasts. Raises AuthFailed, Unavailable."""
        async with self._using(await self._proven(credentials)) as login:
            yield login

    @contextlib.asynccontextmanager
    async def _using(self, entry: _Entry) -> AsyncIterator[Login]:
        entry.users += 1
        try:
            yield entry.opened.login
        finally:
            entry.users -= 1
            entry.used_at = self._clock()
            if entry.dropped and not entry.users:
                await entry.opened.close()

    async def sweep(self) -> None:
        """Close what nobody used for `idle_seconds`."""
        deadline = self._clock() - self._auth.idle_seconds
        for digest, entry in list(self._entries.items()):
            if not entry.users and entry.used_at <= deadline:
                await self._drop(digest)

    async def sweep_forever(self) -> None:
        """Sweep every so often until cancelled."""
        while True:
            await asyncio.sleep(max(1.0, self._auth.idle_seconds / 4))
            await self.sweep()

    async def close(self) -> None:
        """Close everything; whoever is still using a login loses it."""
        for task in list(self._opening.values()):
            task.cancel()
        await asyncio.gather(*self._opening.values(), return_exceptions=True)
        while self._entries:
            _, entry = self._entries.popitem()
            await entry.opened.close()

    async def _proven(self, credentials: Credentials) -> _Entry:
        digest = self.fingerprint(credentials)
        entry = self._fresh(digest)
        if entry is not None:
            return entry
        task = self._opening.get(digest)
        if task is None:
            task = asyncio.create_task(self._open(digest, credentials))
            self._opening[digest] = task
            task.add_done_callback(lambda done: self._opened(digest, done))
        # The task goes on when this request is cancelled: others may be waiting for it.
        return await asyncio.shield(task)

    def _fresh(self, digest: bytes) -> _Entry | None:
        entry = self._entries.get(digest)
        if entry is None or self._clock() - entry.proven_at > self._auth.cache_seconds:
            return None
        self._entries.move_to_end(digest)
        entry.used_at = self._clock()
        return entry

    def _opened(self, digest: bytes, task: "asyncio.Task[_Entry]") -> None:
        self._opening.pop(digest, None)
        if not task.cancelled():
            task.exception()  # the waiters have it; without any it is no fault of the process

    async def _open(self, digest: bytes, credentials: Credentials) -> _Entry:
        # The time before asking: what the backend says is true as of some moment after it.
        asked_at = self._clock()
        try:
            opened = await self._open_login(credentials)
        except AuthFailed:
            self._known.pop(digest, None)
            await self._drop(digest)
            raise
        await self._drop(digest)
        entry = _Entry(opened, asked_at, self._clock())
        self._entries[digest] = entry
        self._remember(digest)
        await self._make_room()
        return entry

    def _remember(self, digest: bytes) -> None:
        self._known[digest] = None
        self._known.move_to_end(digest)
        if len(self._known) > KNOWN_GOOD:
            self._known.popitem(last=False)

    async def _make_room(self) -> None:
        excess = len(self._entries) - self._auth.max_logins
        unused = [digest for digest, entry in list(self._entries.items())[:-1] if not entry.users]
        for digest in unused[: max(0, excess)]:
            await self._drop(digest)

    async def _drop(self, digest: bytes) -> None:
        entry = self._entries.pop(digest, None)
        if entry is None:
            return
        entry.dropped = True
        if not entry.users:
            await entry.opened.close()
