"""Emails composed for the tests, whole and in memory, with the blobs that they attach."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

from adapters.formats.compose import Generated, InvalidEmail, compose, read_email
from adapters.formats.compose_stream import examine, stream

GENERATED = Generated("generated@example.org", "2026-01-02T03:04:05Z", "TOKEN")
PIECE = 1000


async def pieces(octets: bytes, size: int = PIECE) -> AsyncIterator[bytes]:
    """Octets as they come from a store or a server."""
    for start in range(0, len(octets), size):
        yield octets[start : start + size]


def written(email: Mapping[str, Any], blobs: Mapping[str, bytes] | None = None, size: int = PIECE) -> bytes:
    """The message; its announced size is right. Raises InvalidEmail."""
    return asyncio.run(_written(email, blobs or {}, size))


async def _written(email: Mapping[str, Any], blobs: Mapping[str, bytes], size: int) -> bytes:
    draft = read_email(email)
    facts = {
        blob_id: (await examine(pieces(blobs[blob_id], size))).facts("image/x-upload") for blob_id in draft.attached()
    }
    composition = compose(draft, facts, GENERATED)
    octets = b"".join([piece async for piece in stream(composition, lambda blob_id: pieces(blobs[blob_id], size))])
    assert len(octets) == composition.size
    return octets


def faults(email: Mapping[str, Any]) -> set[str]:
    """The paths of the properties that are refused."""
    try:
        read_email(email)
    except InvalidEmail as error:
        return set(error.faults)
    return set()


def text_email(**members: Any) -> dict[str, Any]:
    """An Email with a short text, and what is given."""
    body = {"textBody": [{"partId": "t", "type": "text/plain"}], "bodyValues": {"t": {"value": "Hello.\n"}}}
    return body | members
