"""Links with a blobId in place of href: the blob goes into the event as a data: URL (-29 §5.3)."""

import copy
import re
from base64 import b64encode
from collections.abc import Iterator
from typing import Any, Final

from gateway.context import Account, Context
from gateway.jmap.errors import SetError
from gateway.store.blobs import OpenBlob

_MEDIA_TYPE: Final = re.compile(r"[A-Za-z0-9!#$&^_.+-]{1,127}/[A-Za-z0-9!#$&^_.+-]{1,127}")  # RFC 6838 §4.2
MAX_EMBEDDED: Final = 5_000_000
"""Octets of one blob: calendar servers take resources of about ten megabytes."""


async def embedded(context: Context, account: Account, values: dict[str, Any]) -> dict[str, Any]:
    """The values with every blobId replaced. Raises SetError: blobNotFound, tooLarge; adapters.errors."""
    if not any(_links(values)):
        return values
    result = copy.deepcopy(values)
    missing = []
    for link in list(_links(result)):
        blob = await context.blobs.find(account, link["blobId"])
        if blob is None:
            missing.append(link["blobId"])
        else:
            await _embed(link, blob)
    if missing:
        raise SetError("blobNotFound", notFound=missing)  # RFC 8620 §5.3
    return result


async def _embed(link: dict[str, Any], blob: OpenBlob) -> None:
    octets = bytearray()
    async for piece in blob.read(0, None):
        octets += piece
        if len(octets) > MAX_EMBEDDED:
            raise SetError("tooLarge", f"an attachment may have {MAX_EMBEDDED} octets", maxSize=MAX_EMBEDDED)
    del link["blobId"]
    given = link.get("contentType") or blob.type or ""
    content_type = given if _MEDIA_TYPE.fullmatch(given) else "application/octet-stream"
    link["contentType"] = content_type
    link["size"] = len(octets)
    link["href"] = f"data:{content_type};base64,{b64encode(octets).decode()}"


def _links(value: Any) -> Iterator[dict[str, Any]]:
    """Every Link with a blobId, also in locations, participants and overrides."""
    if not isinstance(value, dict):
        return
    if isinstance(value.get("blobId"), str) and "href" not in value:
        yield value
    for item in value.values():
        yield from _links(item)
