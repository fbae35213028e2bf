"""Blobs that go into an object as "data:" URIs (RFC 2397)."""

import re
from base64 import b64encode
from typing import Final

from gateway.jmap.errors import SetError
from gateway.store.blobs import OpenBlob

MAX_EMBEDDED: Final = 5_000_000
"""Octets of all blobs that go into one object: DAV servers take resources of about ten megabytes."""
_MEDIA_TYPE: Final = re.compile(r"[A-Za-z0-9!#$&^_.+-]{1,127}/[A-Za-z0-9!#$&^_.+-]{1,127}")  # RFC 6838 §4.2


async def octets_of(blob: OpenBlob, room: int) -> bytes:
    """What is to be embedded. room: what is left of MAX_EMBEDDED. Raises SetError("tooLarge"), adapters.errors."""
    octets = bytearray()
    async for piece in blob.read(0, None):
        octets += piece
        if len(octets) > room:
            raise SetError("tooLarge", f"the blobs in it may have {MAX_EMBEDDED} octets", maxSize=MAX_EMBEDDED)
    return bytes(octets)


def media_type(given: str | None) -> str:
    """The media type, where what is given is one without parameters."""
    return given if given is not None and _MEDIA_TYPE.fullmatch(given) else "application/octet-stream"


def data_uri(content_type: str, octets: bytes) -> str:
    """The URI that holds the octets."""
    return f"data:{content_type};base64,{b64encode(octets).decode()}"
