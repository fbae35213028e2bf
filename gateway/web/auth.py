"""Who is asking: credentials of a request, proven by a backend before anything is answered (RFC 8620 §8.2)."""

import asyncio
import contextlib
import logging
import math
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Final

import orjson
from aiohttp import web

from adapters.errors import AdapterError, AuthFailed
from gateway.config import Config
from gateway.context import Login
from gateway.store.base import MISSED, Store, StoreUnavailable
from gateway.web import addresses
from gateway.web.credentials import Credentials, Malformed, from_authorization, from_trusted_header
from gateway.web.logins import Logins
from gateway.web.logs import describe
from gateway.web.problems import Refusal, retry_after, unavailable
from gateway.web.throttle import Throttle

log = logging.getLogger(__name__)

OPENING_PER_ADDRESS: Final = 8
"""Backend logins that one address may have under way, so that guesses made at once are counted as well."""

REFUSED_SECONDS: Final = 5.0
"""How long a refusal answers for the very same credentials, so that repeating them does not load the backend."""

REFUSED_MOST: Final = 10_000

FAILURES: Final = "failed-logins"
"""The store's channel on which gateways tell each other of failed logins."""

SUBSCRIBE_SECONDS: Final = 5.0


class Authenticator:
    """Turns a request into a login, or into a Refusal: 401, 429 or 503."""

    def __init__(
        self, config: Config, logins: Logins, store: Store, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._config = config
        self._store = store
        self._logins = logins
        self._clock = clock
        auth = config.auth
        self._by_address = Throttle(auth.failures_per_address, auth.failure_seconds)
        self._by_user = Throttle(auth.failures_per_user, auth.failure_seconds)
        self._refused: OrderedDict[bytes, float] = OrderedDict()
        self._lanes: dict[str, tuple[asyncio.Semaphore, list[None]]] = {}

    def login(self, request: web.Request) -> AbstractAsyncContextManager[Login]:
        """The request's login, kept open while the context lasts."""
        return self.login_as(request, self.credentials(request))

    def login_as(self, request: web.Request, credentials: Credentials) -> AbstractAsyncContextManager[Login]:
        """The login with credentials that the request, or what it stands for, brought earlier."""
        proven = self._logins.proven(credentials)
        return self._proving(request, credentials) if proven is None else proven

    def challenge(self) -> dict[str, str]:
        """The WWW-Authenticate header field of a 401 (RFC 9110 §11.6.1)."""
        schemes = []
        if self._config.auth.basic:
            schemes.append('Basic realm="JMAP", charset="UTF-8"')
        if self._config.auth.bearer != "off":
            schemes.append('Bearer realm="JMAP"')
        return {"WWW-Authenticate": ", ".join(schemes) or 'Basic realm="JMAP", charset="UTF-8"'}

    def credentials(self, request: web.Request) -> Credentials:
        """What the request says of who asks, unproven. Raises Refusal."""
        auth = self._config.auth
        try:
            if auth.trusted_header and addresses.is_listed(addresses.peer(request), auth.trusted_header_proxies):
                named = request.headers.getall(auth.trusted_header, [])
                if named:
                    return from_trusted_header(_only(named), auth)
            return from_authorization(_only(request.headers.getall("Authorization", [])), auth)
        except Malformed:
            raise self.unauthorized() from None

    @contextlib.asynccontextmanager
    async def _proving(self, request: web.Request, credentials: Credentials) -> AsyncIterator[Login]:
        async with contextlib.AsyncExitStack() as stack:
            yield await self._prove(request, credentials, stack)

    async def _prove(self, request: web.Request, credentials: Credentials, stack: contextlib.AsyncExitStack) -> Login:
        address = addresses.throttle_key(addresses.client_address(request, self._config.server))
        user = credentials.username.lower()
        async with self._lane(address):
            attempt = self._logins.fingerprint(credentials)
            if self._clock() - self._refused.get(attempt, -math.inf) < REFUSED_SECONDS:
                raise self.unauthorized()
            self._check_throttle(address, user, credentials)
            try:
                return await stack.enter_async_context(self._logins.use(credentials))
            except AuthFailed:
                await self._remember_failure(address, user, attempt)
                log.info("a login was refused by the backend")
                raise self.unauthorized() from None
            except (AdapterError, StoreUnavailable) as error:
                log.warning("a login could not be checked: %s", describe(error))
                raise unavailable("The server behind this gateway does not answer; try again later.") from None

    def _check_throttle(self, address: str, user: str, credentials: Credentials) -> None:
        if self._logins.was_good(credentials):
            return  # somebody else's guessing must not lock out who knows the password
        now = self._clock()
        wait = max(self._by_address.wait(address, now), self._by_user.wait(user, now))
        if wait > 0:
            raise Refusal(429, "Too many failed logins; try again later.", retry_after(wait))

    async def _remember_failure(self, address: str, user: str, attempt: bytes) -> None:
        self._count(address, user, attempt)
        self._refused[attempt] = self._clock()
        self._refused.move_to_end(attempt)
        if len(self._refused) > REFUSED_MOST:
            self._refused.popitem(last=False)
        if self._store.shared:
            with contextlib.suppress(StoreUnavailable):
                await self._store.publish(FAILURES, orjson.dumps([address, user, attempt.hex()]))

    def _count(self, address: str, user: str, attempt: bytes) -> None:
        now = self._clock()
        self._by_address.failed(address, attempt, now)
        self._by_user.failed(user, attempt, now)

    async def share_failures(self) -> None:
        """Count what other gateways on the store refused, until cancelled. What comes back from here is known."""
        while True:
            with contextlib.suppress(StoreUnavailable):
                async with self._store.subscribe(FAILURES, self._heard):
                    await asyncio.Event().wait()
            await asyncio.sleep(SUBSCRIBE_SECONDS)

    def _heard(self, message: bytes) -> None:
        if message != MISSED:
            address, user, attempt = orjson.loads(message)
            self._count(address, user, bytes.fromhex(attempt))

    @contextlib.asynccontextmanager
    async def _lane(self, address: str) -> AsyncIterator[None]:
        semaphore, waiting = self._lanes.setdefault(address, (asyncio.Semaphore(OPENING_PER_ADDRESS), []))
        waiting.append(None)
        try:
            async with semaphore:
                yield
        finally:
            waiting.pop()
            if not waiting:
                self._lanes.pop(address, None)

    def unauthorized(self) -> Refusal:
        """401, with the schemes that may be used."""
        return Refusal(401, "Valid credentials are required.", self.challenge())


def _only(values: list[str]) -> str:
    if len(values) != 1:
        raise Malformed
    return values[0]
