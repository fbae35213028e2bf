"""The octets of scripts: by download, and as given by a client (RFC 9661 §2.2)."""

from collections.abc import AsyncIterator
from typing import Final

from gateway.context import Account, Context
from gateway.jmap.errors import SetError
from gateway.objects.sieve.capability import MAX_SCRIPT
from gateway.store.blobs import OpenBlob

TYPE: Final = "application/sieve"


class ScriptBlobs:
    """Finds the blobs of stored scripts (gateway.context.BlobSource)."""

    async def find(self, account: Account, blob_id: str) -> OpenBlob | None:
        """The blob, or None. Raises adapters.errors, StoreUnavailable."""
        script = None if account.filtering is None else await account.filtering.of_blob(blob_id)
        if script is None:
            return None
        content = script.content
        return OpenBlob(len(content), TYPE, lambda start, stop: _slice(content, start, stop))


async def _slice(content: bytes, start: int, stop: int | None) -> AsyncIterator[bytes]:
    yield content[start:stop]


async def content_of(context: Context, account: Account, blob_id: str) -> bytes:
    """The script in a blob. Raises SetError: blobNotFound, tooLarge, invalidSieve (empty, not UTF-8)."""
    blob = await context.blobs.find(account, blob_id)
    if blob is None:
        raise SetError("blobNotFound", notFound=[blob_id])
    octets = bytearray()
    async for piece in blob.read(0, None):
        octets += piece
        if len(octets) > MAX_SCRIPT:  # RFC 9661 §2.4
            raise SetError("tooLarge", f"more than {MAX_SCRIPT} octets", maxSize=MAX_SCRIPT)
    try:
        text = octets.decode()
    except UnicodeDecodeError as error:
        line = octets[: error.start].count(b"\n") + 1
        raise SetError("invalidSieve", f"line {line}: not UTF-8") from error
    if not text or "\x00" in text:  # RFC 9661 §2.2; RFC 5228 §2.1
        raise SetError("invalidSieve", "line 1: the script is empty" if not text else "there is a NUL in the script")
    return bytes(octets)
