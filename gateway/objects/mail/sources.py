"""Blobs on their way into a message: looked at once, then read without a connection to the mail server.

An APPEND holds a connection while the message streams. If it had to wait for a second one to read an attachment from,
a few of them at once could wait for each other for ever. So what lies in the mail store is copied first.
"""

import secrets
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Final

from adapters.errors import Unavailable
from adapters.formats.compose_stream import Examination, examine
from gateway.context import Account, Context
from gateway.jmap.errors import SetError
from gateway.objects.mail import blob_ids
from gateway.store.base import StoreUnavailable
from gateway.store.blobs import OpenBlob, UploadTooLarge

IN_MEMORY: Final = 64 * 1024
"""Octets of a blob that may be kept in memory while a call lasts."""


@dataclass(frozen=True, slots=True)
class Held:
    """A blob that is at hand. type: what it was given as. read: its octets from the start, as often as wanted."""

    seen: Examination
    type: str | None
    read: Callable[[], AsyncIterator[bytes]]


async def hold(context: Context, account: Account, blob_id: str) -> Held | None:
    """Examine a blob and have it ready; None when there is none. Raises SetError("tooLarge"), adapters.errors."""
    try:
        blob = await context.blobs.find(account, blob_id)
        if blob is None:
            return None
        path = blob_ids.split(blob_id)
        if path is not None and not path[1] and blob_ids.email_of(path[0]) is None:
            return Held(await examine(blob.read(0, None)), blob.type, lambda: _available(blob.read(0, None)))
        if blob.size is not None and blob.size <= IN_MEMORY:
            return await _in_memory(blob)
        return await _in_store(context, blob)
    except StoreUnavailable as error:
        raise Unavailable(f"the store: {error}") from error


async def _available(octets: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same; what the store fails with is what a backend would fail with. Raises Unavailable."""
    try:
        async for piece in octets:
            yield piece
    except StoreUnavailable as error:
        raise Unavailable(f"the store: {error}") from error


async def _in_memory(blob: OpenBlob) -> Held:
    seen, pieces = Examination(), []
    async for piece in blob.read(0, None):
        seen.feed(piece)
        pieces.append(piece)

    async def read() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    return Held(seen, blob.type, read)


async def _in_store(context: Context, blob: OpenBlob) -> Held:
    """A copy that lasts as long as an upload, in a partition of its own: equal uploads replace each other."""
    seen, partition = Examination(), f"held.{secrets.token_hex(16)}"
    try:
        async with context.uploads.writer(partition, context.limits.max_size_upload) as writer:
            async for piece in blob.read(0, None):
                seen.feed(piece)
                await writer.write(piece)
            copy = await writer.finish("")
    except UploadTooLarge as error:
        raise SetError("tooLarge", "a blob is larger than an upload may be") from error
    return Held(seen, blob.type, lambda: _available(context.uploads.read(partition, copy)))
