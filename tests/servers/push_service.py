"""A push service on loopback, over TLS: takes what is POSTed, and reads it with an independent decoder (RFC 8291)."""

import asyncio
import base64
import contextlib
import json
import secrets
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import http_ece
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.demo.dovecot_config import TlsFiles


@dataclass
class Taken:
    """A request that came: path, headers, body; and the status that it was answered with."""

    path: str
    headers: dict[str, str]
    body: bytes
    status: int


@dataclass
class Subscriber:
    """What a browser holds of a subscription."""

    private: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    auth: bytes = field(default_factory=lambda: secrets.token_bytes(16))

    @property
    def keys(self) -> dict[str, str]:
        """As PushSubscription wants them (RFC 8620 §7.2)."""
        point = self.private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        return {"p256dh": encoded(point), "auth": encoded(self.auth)}

    def read(self, taken: Taken) -> Any:
        """The JSON in an encrypted message."""
        assert taken.headers["Content-Encoding"] == "aes128gcm"
        text = http_ece.decrypt(taken.body, private_key=self.private, auth_secret=self.auth, version="aes128gcm")
        return json.loads(text)


@dataclass
class PushService:
    """answers: what the next requests are answered with, (status, headers), where there are none left by `usual`."""

    port: int = 0
    taken: list[Taken] = field(default_factory=list)
    answers: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    usual: tuple[int, dict[str, str]] = (201, {})
    _came: asyncio.Event = field(default_factory=asyncio.Event)

    def url(self, path: str = "/p/1?x=2") -> str:
        """Where to push to."""
        return f"https://127.0.0.1:{self.port}{path}"

    async def next(self) -> Taken:
        """The next request, taken out."""
        async with asyncio.timeout(15):
            while not self.taken:
                self._came.clear()
                await self._came.wait()
        return self.taken.pop(0)

    async def _post(self, request: web.Request) -> web.Response:
        assert request.method == "POST"
        body = await request.read()
        status, headers = self.answers.pop(0) if self.answers else self.usual
        self.taken.append(Taken(request.path_qs, dict(request.headers), body, status))
        self._came.set()
        return web.Response(status=status, headers=headers)


@contextlib.asynccontextmanager
async def push_service(files: TlsFiles) -> AsyncIterator[PushService]:
    """A service with this certificate."""
    service = PushService()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", service._post)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate, files.key)
    runner = web.AppRunner(application, access_log=None, auto_decompress=False)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    service.port = runner.addresses[0][1]
    try:
        yield service
    finally:
        await runner.cleanup()


def encoded(octets: bytes) -> str:
    """URL-safe base64, as browsers write it."""
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()
