"""Blob/upload (RFC 9404 §4.1): blobs put together from text, base64 and ranges of other blobs, streamed."""

import base64
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from graphlib import CycleError, TopologicalSorter
from typing import Any, Final

from adapters.errors import AdapterError
from gateway.context import Account, Context
from gateway.jmap.arguments import Argument
from gateway.jmap.checks import (
    Check,
    array_of,
    id_,
    id_or_reference,
    map_of,
    nullable,
    object_,
    record,
    string,
    unsigned_int,
)
from gateway.jmap.errors import MethodError, SetError, set_error
from gateway.jmap.methods import Answer, Method
from gateway.objects.core.blob_capability import BLOB, MAX_DATA_SOURCES
from gateway.objects.core.blob_octets import size_of
from gateway.store.base import StoreUnavailable
from gateway.store.blobs import UploadTooLarge

DEFAULT_TYPE: Final = "application/octet-stream"

# A hint that may end up in a header field. RFC 6838 §4.2 allows 127 characters on each side of the slash.
_MEDIA_TYPE: Final = re.compile(r"[!-~][ -~]{0,254}")
_DATA: Final = ("data:asText", "data:asBase64", "blobId")
_SOURCE: Final[Mapping[str, Check]] = {
    "data:asText": nullable(string),
    "data:asBase64": nullable(string),
    "blobId": nullable(id_or_reference),
    "offset": nullable(unsigned_int),
    "length": nullable(unsigned_int),
}


def _source(value: Any) -> str | None:
    """DataSourceObject: exactly one of text, base64 or a blob, and only a blob has a range."""
    if wrong := record(_SOURCE)(value):
        return wrong
    given = [name for name in _DATA if value.get(name) is not None]
    if len(given) != 1:
        return "must have exactly one of data:asText, data:asBase64 and blobId"
    if given != ["blobId"] and (value.get("offset") is not None or value.get("length") is not None):
        return "has a range, which only a blobId can have"
    return None


def _media_type(value: Any) -> str | None:
    """The media type that is kept with the blob."""
    good = isinstance(value, str) and _MEDIA_TYPE.fullmatch(value) is not None
    return None if good else "must be a media type of at most 255 characters"


_OBJECT: Final[Mapping[str, Check]] = {"data": array_of(_source), "type": nullable(_media_type)}


async def upload(context: Context, account: Account, arguments: Mapping[str, Any]) -> Answer:
    """Create each blob after those of the same call that it is made of (as a /set does, RFC 8620 §5.3)."""
    create = arguments["create"]
    if len(create) > context.limits.max_objects_in_set:
        raise MethodError("requestTooLarge")
    order, refused = _checked(create)
    created: dict[str, dict[str, Any]] = {}
    waiting = dict.fromkeys(key for key in create if key not in refused)
    with suppress(CycleError):  # the sorter still gives out what does not depend on a circle
        order.prepare()
    while ready := order.get_ready():
        for key in ready:
            del waiting[key]
            try:
                created[key] = await _create(context, account, create[key])
                context.created_ids[key] = created[key]["id"]
            except SetError as error:
                refused[key] = error
        order.done(*ready)
    refused |= dict.fromkeys(waiting, _invalid("refers to itself, directly or through others of this call"))
    return Answer(
        {
            "accountId": arguments["accountId"],
            "created": created or None,
            "notCreated": {key: error.to_json() for key, error in refused.items()} or None,
        }
    )


def _checked(create: Mapping[str, Any]) -> tuple[TopologicalSorter[str], dict[str, SetError]]:
    """(what can be tried, each after what it refers to; the refusals of the rest)."""
    order: TopologicalSorter[str] = TopologicalSorter()
    refused: dict[str, SetError] = {}
    for key, given in create.items():
        if wrong := record(_OBJECT, frozenset({"data"}))(given):
            refused[key] = _invalid(wrong)
        elif len(given["data"]) > MAX_DATA_SOURCES:
            refused[key] = _invalid(f"has more than {MAX_DATA_SOURCES} data sources")
    for key in create.keys() - refused.keys():
        order.add(key, *(_references(create[key]) & create.keys() - refused.keys()))
    return order, refused


def _references(given: Mapping[str, Any]) -> set[str]:
    """The creation ids that an UploadObject mentions."""
    names = (source.get("blobId") or "" for source in given["data"])
    return {name[1:] for name in names if name.startswith("#")}


async def _create(context: Context, account: Account, given: Mapping[str, Any]) -> dict[str, Any]:
    """The created object. Raises SetError."""
    kind = given.get("type")
    try:
        async with context.uploads.writer(account.key, context.limits.max_size_upload) as writer:
            for source in given["data"]:
                async for piece in _octets(context, account, source):
                    await writer.write(piece)
            blob = await writer.finish(DEFAULT_TYPE if kind is None else kind)
    except UploadTooLarge:
        raise SetError("tooLarge", f"the blob would have more than {context.limits.max_size_upload} octets") from None
    except StoreUnavailable:
        raise SetError("serverUnavailable", "The blob cannot be kept now; try again later.") from None
    except AdapterError as error:
        raise set_error(error) or SetError("serverFail") from error
    return {"id": blob.id, "type": blob.type, "size": blob.size}


async def _octets(context: Context, account: Account, source: Mapping[str, Any]) -> AsyncIterator[bytes]:
    """The octets of a data source in pieces. Raises SetError, adapters.errors, StoreUnavailable."""
    if (text := source.get("data:asText")) is not None:
        yield text.encode()
    elif (encoded := source.get("data:asBase64")) is not None:
        yield _decoded(encoded)
    else:
        async for piece in _range(context, account, source):
            yield piece


def _decoded(encoded: str) -> bytes:
    try:
        return base64.b64decode(encoded, validate=True)
    except ValueError:  # RFC 9404 §4.1: MUST NOT guess what was meant
        raise _invalid("data:asBase64 is not base64") from None


async def _range(context: Context, account: Account, source: Mapping[str, Any]) -> AsyncIterator[bytes]:
    given: str = source["blobId"]
    blob_id = context.created_ids.get(given[1:]) if given.startswith("#") else given
    blob = await context.blobs.find(account, blob_id) if blob_id is not None else None
    if blob is None:
        raise _invalid(f"there is no blob {given[:100]!r}")
    start, size = source.get("offset") or 0, await size_of(blob)
    length = source.get("length")
    stop = size if length is None else start + length
    if not start <= stop <= size:  # RFC 9404 §4.1: a range that cannot be fully satisfied is invalid
        raise _invalid(f"the blob {given[:100]!r} has {size} octets")
    got = 0
    if start < stop:
        async for piece in blob.read(start, stop):
            got += len(piece)
            yield piece
    if got != stop - start:
        raise _invalid(f"the blob {given[:100]!r} is shorter than was said")


def _invalid(description: str) -> SetError:
    return SetError("invalidProperties", description, ["data"])


UPLOAD: Final = Method("Blob/upload", BLOB, (Argument("create", map_of(id_, object_)),), upload)
