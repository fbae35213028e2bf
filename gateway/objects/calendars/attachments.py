"""Links with a blobId in place of href: the blob goes into the event as a data: URL (-29 §5.3)."""

import copy
from collections.abc import Iterator
from typing import Any

from gateway.context import Account, Context
from gateway.jmap.errors import SetError
from gateway.objects.embedding import MAX_EMBEDDED, data_uri, media_type, octets_of
from gateway.store.blobs import OpenBlob


async def embedded(context: Context, account: Account, values: dict[str, Any]) -> dict[str, Any]:
    """The values with every blobId replaced. Raises SetError: blobNotFound, tooLarge; adapters.errors."""
    if not any(_links(values)):
        return values
    result = copy.deepcopy(values)
    missing, room = [], MAX_EMBEDDED
    for link in list(_links(result)):
        blob = await context.blobs.find(account, link["blobId"])
        if blob is None:
            missing.append(link["blobId"])
        else:
            room -= await _embed(link, blob, room)
    if missing:
        raise SetError("blobNotFound", notFound=missing)  # RFC 8620 §5.3
    return result


async def _embed(link: dict[str, Any], blob: OpenBlob, room: int) -> int:
    """Octets of the blob, which is in the link now."""
    octets = await octets_of(blob, room)
    del link["blobId"]
    content_type = media_type(link.get("contentType") or blob.type)
    link["contentType"] = content_type
    link["size"] = len(octets)
    link["href"] = data_uri(content_type, octets)
    return len(octets)


def _links(value: Any) -> Iterator[dict[str, Any]]:
    """Every Link with a blobId, also in locations, participants and overrides."""
    if not isinstance(value, dict):
        return
    if isinstance(value.get("blobId"), str) and "href" not in value:
        yield value
    for item in value.values():
        yield from _links(item)
