"""Uploaded blobs (RFC 8620 §6.1): written in pieces to the store, named by their content, gone after a time.

A blob lies in one account's partition, so no id of another account reaches it. Pieces are stored under a random
upload name first; the record that makes the blob exist is written last and points to them.
"""

import base64
import hashlib
import json
import secrets
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from gateway.store.base import DeleteRange, Key, Put, Store, StoreUnavailable, Write

PIECE = 64 * 1024
UNSAID = 256 * 1024
"""Octets of a piece where the record of a blob does not say."""

RECORDS = "upload"
PIECES = "upload-data"


class UploadTooLarge(Exception):
    """The upload exceeded the writer's maximum; nothing of it is kept."""


@dataclass(frozen=True, slots=True)
class Blob:
    """An uploaded blob. `type` is what the client said at upload; `size` in octets; `upload` names its pieces.

    piece: the octets of each of them but the last.
    """

    id: str
    type: str
    size: int
    upload: str
    piece: int


@dataclass(frozen=True, slots=True)
class OpenBlob:
    """A blob that exists and can be read, wherever it lies.

    size: octets, None while unknown; type: what it was given as, None where nobody said. read: the octets
    start <= i < stop (None: to the end) in pieces; iterating may raise NotFound, Unavailable, StoreUnavailable.
    """

    size: int | None
    type: str | None
    read: Callable[[int, int | None], AsyncIterator[bytes]]


class Uploads:
    """The uploaded blobs of all accounts. `ttl` seconds after its last upload a blob is gone."""

    def __init__(self, store: Store, ttl: float) -> None:
        self._store = store
        self._ttl = ttl

    def writer(self, account: str, max_size: int) -> "Writer":
        """An async context manager that takes the bytes; leaving it without `finish` discards them."""
        return Writer(self._store, account, max_size, self._ttl)

    async def find(self, account: str, blob_id: str) -> Blob | None:
        """The blob, or None when it was never there or has expired."""
        (value,) = await self._store.read([_record_key(account, blob_id)])
        return None if value is None else _decode(blob_id, value)

    async def open(self, account: str, blob_id: str) -> OpenBlob | None:
        """The blob ready to be read, or None."""
        blob = await self.find(account, blob_id)
        if blob is None:
            return None
        return OpenBlob(blob.size, blob.type, lambda start, stop: self.read(account, blob, start, stop))

    async def read(self, account: str, blob: Blob, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        """The octets start <= i < stop. Raises StoreUnavailable when a piece has gone meanwhile."""
        end = blob.size if stop is None else min(stop, blob.size)
        while start < end:
            number, offset = divmod(start, blob.piece)
            (piece,) = await self._store.read([_piece_key(account, blob.upload, number)])
            if piece is None:
                raise StoreUnavailable(f"a piece of blob {blob.id} is gone")
            wanted = piece[offset : offset + end - start]
            yield wanted
            start += len(wanted)

    @staticmethod
    def removal(account: str, blob: Blob) -> Write:
        """The write that ends a blob before its time; it lies in the account's partition."""
        return _delete_pieces(account, blob.upload)

    async def copy(self, source: str, target: str, blob: Blob) -> Blob:
        """Copy a blob into another account (RFC 8620 §6.3)."""
        async with self.writer(target, blob.size) as writer:
            async for piece in self.read(source, blob):
                await writer.write(piece)
            return await writer.finish(blob.type)


class Writer:
    """Takes an upload piece by piece. At most one piece is held in memory."""

    def __init__(self, store: Store, account: str, max_size: int, ttl: float) -> None:
        self._store = store
        self._account = account
        self._max_size = max_size
        self._ttl = ttl
        self._upload = secrets.token_hex(16)
        self._digest = hashlib.sha256()
        self._waiting = bytearray()
        self._size = 0
        self._pieces = 0
        self._finished = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._finished and self._pieces:
            await self._store.commit(self._account, [_delete_pieces(self._account, self._upload)])

    async def write(self, data: bytes) -> None:
        """Take some octets. Raises UploadTooLarge, StoreUnavailable."""
        self._size += len(data)
        if self._size > self._max_size:
            raise UploadTooLarge
        self._digest.update(data)
        self._waiting += data
        while len(self._waiting) >= PIECE:
            await self._flush(PIECE)

    async def finish(self, content_type: str) -> Blob:
        """Make the blob exist. Equal content gives the equal id; the newest upload's type and time count."""
        if self._waiting:
            await self._flush(len(self._waiting))
        text = base64.b32encode(self._digest.digest()[:20]).decode().lower()
        blob = Blob(f"u{text}", content_type, self._size, self._upload, PIECE)
        # The pieces of an equal earlier upload go by their time: somebody may be reading them.
        await self._store.commit(self._account, [Put(_record_key(self._account, blob.id), _encode(blob), self._ttl)])
        self._finished = True
        return blob

    async def _flush(self, length: int) -> None:
        piece = bytes(self._waiting[:length])
        del self._waiting[:length]
        # Pieces outlive their record a little, so that a download that has begun can end.
        put = Put(_piece_key(self._account, self._upload, self._pieces), piece, self._ttl + 600)
        await self._store.commit(self._account, [put])
        self._pieces += 1


def _record_key(account: str, blob_id: str) -> Key:
    return Key(account, RECORDS, blob_id)


def _piece_key(account: str, upload: str, number: int) -> Key:
    return Key(account, PIECES, f"{upload}/{number:06d}")


def _delete_pieces(account: str, upload: str) -> Write:
    return DeleteRange(account, PIECES, f"{upload}/", f"{upload}0")


def _encode(blob: Blob) -> bytes:
    fields = {"v": 1, "type": blob.type, "size": blob.size, "upload": blob.upload, "piece": blob.piece}
    return json.dumps(fields).encode()


def _decode(blob_id: str, value: bytes) -> Blob | None:
    try:
        fields = json.loads(value)
        piece = int(fields.get("piece", UNSAID))
        return Blob(blob_id, str(fields["type"]), int(fields["size"]), str(fields["upload"]), piece)
    except (ValueError, KeyError, TypeError):
        return None
