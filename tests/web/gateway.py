"""A gateway on loopback whose backends are a table of passwords: everything above the backend is real."""

import asyncio
import base64
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web

from adapters.errors import AuthFailed, Unavailable
from gateway.config import Config
from gateway.config_file import load
from gateway.config_reader import Address
from gateway.context import Account, Login
from gateway.jmap.capabilities import CORE, CoreLimits
from gateway.jmap.core_methods import CORE_METHODS
from gateway.jmap.methods import Answer, Method
from gateway.jmap.registry import Registry
from gateway.store.blobs import OpenBlob, Uploads
from gateway.store.cache import ByteCache
from gateway.store.sqlite import SqliteStore
from gateway.web import server
from gateway.web.auth import Authenticator
from gateway.web.credentials import Credentials
from gateway.web.keys import Services
from gateway.web.logins import Logins, Opened
from gateway.web.metrics import Meters
from gateway.web.probe import StoreProbe
from gateway.web.session import TRANSPORT
from gateway.web.slots import Slots
from tests.waiting import until

TEST = "urn:example:test"
ANYWHERE = Address("127.0.0.1", 0)


@dataclass
class Backend:
    """Passwords by user; counts what it is asked."""

    passwords: dict[str, str] = field(default_factory=lambda: {"alice": "wonder:land", "bob": "builder"})
    opens: Counter[str] = field(default_factory=Counter)
    closed: list[str] = field(default_factory=list)
    asked: list[Credentials] = field(default_factory=list)
    mail: Any = None
    down: bool = False
    delay: float = 0.0

    async def open(self, credentials: Credentials) -> Opened:
        self.asked.append(credentials)
        if self.delay:
            await asyncio.sleep(self.delay)
        if self.down:
            raise Unavailable("connection refused")
        user = credentials.username
        if self.passwords.get(credentials.login) != credentials.secret.reveal():
            raise AuthFailed("NO [AUTHENTICATIONFAILED]")
        self.opens[user] += 1
        return Opened(login_of(user, self.mail), lambda: self._close(user))

    async def _close(self, user: str) -> None:
        self.closed.append(user)


def login_of(user: str, mail: Any) -> Login:
    account = Account(f"A{user}", user, True, False, {CORE: {}, TEST: {"of": user}}, mail)
    return Login(user, {account.id: account}, {TEST: account.id})


class Parts:
    """Uploads, and some blobs of unknown size or from a backend in trouble, as parts of a mail may be."""

    def __init__(self, uploads: Uploads) -> None:
        self._uploads = uploads

    async def find(self, account: Account, blob_id: str) -> OpenBlob | None:
        if blob_id == "part":
            return OpenBlob(None, "text/html", self._read)
        if blob_id == "gone":
            return OpenBlob(4, None, self._gone)
        if blob_id == "breaks":
            return OpenBlob(8, None, self._breaks)
        return await self._uploads.open(account.id, blob_id)

    async def _read(self, start: int, stop: int | None) -> AsyncIterator[bytes]:
        yield b"<script>"
        yield b"alert(1)</script>"

    async def _gone(self, start: int, stop: int | None) -> AsyncIterator[bytes]:
        if start >= 0:
            raise Unavailable("the server hung up")
        yield b""

    async def _breaks(self, start: int, stop: int | None) -> AsyncIterator[bytes]:
        yield b"half"
        raise Unavailable("the server hung up")


class Methods:
    """Test/wait holds a request until it is let go; Test/fail is an internal fault that quotes a secret."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.waiting = 0

    def table(self) -> tuple[Method, ...]:
        return (
            *CORE_METHODS,
            Method("Test/wait", TEST, (), self._wait, needs_account=False),
            Method("Test/fail", TEST, (), self._fail, needs_account=False),
            Method("Test/big", TEST, (), self._big, needs_account=False),
        )

    async def _wait(self, context: Any, account: None, arguments: Mapping[str, Any]) -> Answer:
        self.waiting += 1
        await self.go.wait()
        return Answer({})

    async def _fail(self, context: Any, account: None, arguments: Mapping[str, Any]) -> Answer:
        raise KeyError("the subject of a mail")

    async def _big(self, context: Any, account: None, arguments: Mapping[str, Any]) -> Answer:
        return Answer({"text": "lorem ipsum " * 100_000})


@dataclass
class Running:
    """A gateway that runs."""

    url: str
    port: int
    services: Services
    logins: Logins
    backend: Backend
    methods: Methods
    http: aiohttp.ClientSession
    runner: web.AppRunner

    def connections(self) -> int:
        """Connections that are open now."""
        assert self.runner.server is not None
        return len(self.runner.server.connections)

    def auth(self, user: str = "alice", password: str | None = None) -> dict[str, str]:
        return {"Authorization": basic(user, password or self.backend.passwords[user])}

    async def api(self, *calls: list[Any], user: str = "alice", using: tuple[str, ...] = (CORE, TEST)) -> Any:
        body = {"using": list(using), "methodCalls": list(calls)}
        async with self.http.post(f"{self.url}/jmap/api", json=body, headers=self.auth(user)) as response:
            return await response.json(content_type=None)

    async def until_waiting(self, count: int) -> None:
        await until(lambda: self.methods.waiting >= count)


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def configuration(**keys: str) -> Config:
    """A configuration from `section__key=value` pairs, over the defaults of these tests."""
    wanted = {"backends__default__imap__host": "imap.example.org", "store__kind": "memory"} | keys
    return load(None, {f"JMAPGW__{name.upper()}": value for name, value in wanted.items()})


@contextlib.asynccontextmanager
async def running(**keys: str) -> AsyncIterator[Running]:
    """A gateway with these configuration keys."""
    config = configuration(**keys)
    backend, methods, store = Backend(), Methods(), SqliteStore()
    logins = Logins(backend.open, config.auth)
    limits = CoreLimits(
        max_size_upload=config.limits.max_size_upload,
        max_concurrent_upload=config.limits.max_concurrent_upload,
        max_size_request=config.limits.max_size_request,
        max_concurrent_requests=config.limits.max_concurrent_requests,
    )
    meters = Meters()
    uploads = Uploads(store, 3600)
    services = Services(
        config=config,
        authenticator=Authenticator(config, logins, store),
        registry=Registry.build((), methods.table()),
        capabilities={CORE: limits.to_json(), TEST: {}, **TRANSPORT},
        limits=limits,
        store=store,
        uploads=uploads,
        cache=ByteCache(1_000_000),
        blobs=Parts(uploads),
        meters=meters,
        probe=StoreProbe(store, meters),
        api_slots=Slots("maxConcurrentRequests", limits.max_concurrent_requests),
        upload_slots=Slots("maxConcurrentUpload", limits.max_concurrent_upload),
        stream_slots=Slots("maxEventStreams", config.limits.max_event_streams),
    )
    application = server.public_application(services)
    runner = await server.start(application, config.server, ANYWHERE)
    port = int(runner.addresses[0][1])
    async with aiohttp.ClientSession(auto_decompress=True) as http:
        try:
            yield Running(f"http://127.0.0.1:{port}", port, services, logins, backend, methods, http, runner)
        finally:
            methods.go.set()
            services.drain.begin()
            await runner.cleanup()
            await logins.close()
            await store.close()


async def raw(port: int, sent: bytes, seconds: float = 5.0) -> bytes:
    """What comes back for these octets until the connection closes (or `seconds` are over)."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(sent)
        await writer.drain()
        received = b""
        with contextlib.suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(seconds):
                while data := await reader.read(65_536):
                    received += data
        return received
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
