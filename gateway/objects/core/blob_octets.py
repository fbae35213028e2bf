"""Reading a range of a blob once: its octets, its digests and whether the range could be satisfied."""

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field

from gateway.objects.core.blob_capability import DIGESTS
from gateway.store.blobs import OpenBlob


class TooMuch(Exception):
    """More octets would have to be held than are allowed."""


@dataclass(frozen=True, slots=True)
class Octets:
    """What was read. data: None where it was not wanted; digests: algorithm -> base64."""

    data: bytes | None
    truncated: bool
    digests: dict[str, str] = field(default_factory=dict)


async def size_of(blob: OpenBlob) -> int:
    """The octets of the whole blob, counted where nobody knows."""
    if blob.size is not None:
        return blob.size
    size = 0
    async for piece in blob.read(0, None):
        size += len(piece)
    return size


async def read(
    blob: OpenBlob, size: int, start: int, length: int | None, algorithms: Iterable[str], most: int | None
) -> Octets:
    """Read up to `length` octets from `start` on, all of them for None.

    size: of the whole blob; algorithms: keys of DIGESTS; most: octets of data that may be held, None where no data
    is wanted. Raises TooMuch before anything is read, adapters.errors, StoreUnavailable.
    """
    wanted = size - start if length is None else length
    stop = min(size, start + max(0, wanted))
    if most is not None and stop - start > most:
        raise TooMuch
    hashes = {name: hashlib.new(DIGESTS[name], usedforsecurity=False) for name in algorithms}
    held = None if most is None else bytearray()
    got = 0
    if start < stop:
        async for piece in blob.read(start, stop):
            got += len(piece)
            for one in hashes.values():
                one.update(piece)
            if held is not None:
                held += piece
    return Octets(
        None if held is None else bytes(held),
        got < wanted or start > size,  # RFC 9404 §4.2: also for a start beyond the end with no length
        {name: base64.b64encode(one.digest()).decode() for name, one in hashes.items()},
    )
