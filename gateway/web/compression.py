"""Answers in gzip or Brotli for clients that take them (RFC 9110 §12.5.3), at the levels that cost least."""

import asyncio
import zlib
from typing import Final, Literal

import brotli

SMALLEST: Final = 1024
"""Below this many octets an answer goes out as it is."""

LARGE: Final = 128 * 1024
"""From this many octets on compression runs in a thread."""

Coding = Literal["br", "gzip"]


def choose(accept_encoding: str) -> Coding | None:
    """The coding the client likes best among ours; None for none. Brotli wins a tie."""
    weights: dict[str, float] = {}
    for item in accept_encoding.lower().split(","):
        name, _, parameters = item.partition(";")
        weights[name.strip()] = _weight(parameters)
    anything = weights.get("*", 0.0)
    br, gzip = weights.get("br", anything), weights.get("gzip", weights.get("x-gzip", anything))
    if br <= 0 and gzip <= 0:
        return None
    return "br" if br >= gzip else "gzip"


async def compress(body: bytes, coding: Coding) -> bytes:
    """The body in this coding."""
    work = _brotli if coding == "br" else _gzip
    if len(body) >= LARGE:
        return await asyncio.to_thread(work, body)
    return work(body)


def _weight(parameters: str) -> float:
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return min(1.0, float(value))
            except ValueError:
                return 0.0
    return 1.0


def _brotli(body: bytes) -> bytes:
    packed: bytes = brotli.compress(body, quality=2)
    return packed


def _gzip(body: bytes) -> bytes:
    packer = zlib.compressobj(level=1, wbits=31)
    return packer.compress(body) + packer.flush()
