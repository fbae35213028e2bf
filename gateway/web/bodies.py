"""Reading what a client sends: bounded in size before and after decompression, and in time."""

import asyncio
import time
import zlib
from collections.abc import AsyncIterator
from typing import Final, TypeVar

from aiohttp import web

from gateway.jmap.errors import LIMIT, RequestProblem
from gateway.web.problems import Refusal

T = TypeVar("T")

READ: Final = 64 * 1024
"""Octets of a body that are taken at a time."""

SLOWEST: Final = 4096
"""Octets per second a client must send on average, once its first `patience` seconds are over."""


async def pieces(request: web.Request, patience: float) -> AsyncIterator[bytes]:
    """The body as it arrives. Raises Refusal(408) when the client is too slow, Refusal(400) when it breaks off."""
    started = time.monotonic()
    received = 0
    while True:
        if request.content.is_eof():  # all of it is here already: no need for a clock
            if rest := request.content.read_nowait():
                yield rest
            return
        left = started + patience + received / SLOWEST - time.monotonic()
        try:
            async with asyncio.timeout(min(patience, left)):
                piece = await request.content.read(READ)
        except TimeoutError:
            raise Refusal(408, "The body came too slowly.", {"Connection": "close"}) from None
        except (web.RequestPayloadError, ConnectionError):
            raise Refusal(400, "The body is broken or incomplete.", {"Connection": "close"}) from None
        if not piece:
            return
        received += len(piece)
        yield piece


async def whole(request: web.Request, limit: int, patience: float) -> bytes:
    """The whole body, decompressed. Raises the `limit` problem maxSizeRequest beyond `limit` octets, Refusal."""
    if (request.content_length or 0) > limit:
        raise _too_large()
    encodings = request.headers.getall("Content-Encoding", [])
    encoding = ",".join(encodings).strip().lower()
    if encoding not in {"", "identity", "gzip"}:
        raise Refusal(415, "The only content coding of a request is gzip.", {"Accept-Encoding": "gzip"})
    inflate = zlib.decompressobj(wbits=31) if encoding == "gzip" else None
    body = bytearray()
    async for piece in pieces(request, patience):
        body += piece if inflate is None else _inflate(inflate, piece, limit + 1 - len(body))
        if len(body) > limit:
            raise _too_large()
    if inflate is not None and (not inflate.eof or inflate.unused_data):
        raise _not_gzip()
    return bytes(body)


def _inflate(inflate: "zlib._Decompress", piece: bytes, room: int) -> bytes:
    try:
        return inflate.decompress(piece, max(1, room))
    except zlib.error:
        raise _not_gzip() from None


def _not_gzip() -> Refusal:
    return Refusal(400, "The body is not valid gzip.")


def _too_large() -> RequestProblem:
    return RequestProblem(LIMIT, "The request is too large.", status=413, limit="maxSizeRequest")
