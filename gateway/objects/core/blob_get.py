"""Blob/get (RFC 9404 §4.2): ranges of blobs as text or base64, digests, sizes."""

import base64
from collections.abc import Mapping
from typing import Any, Final

from adapters.errors import NotFound
from gateway.context import Account, Context
from gateway.jmap.arguments import Argument
from gateway.jmap.checks import array_of, id_or_reference, nullable, string, unsigned_int
from gateway.jmap.errors import MethodError
from gateway.jmap.methods import Answer, Method
from gateway.objects.core.blob_capability import BLOB, DIGESTS
from gateway.objects.core.blob_octets import TooMuch, read, size_of
from gateway.store.blobs import OpenBlob

DATA: Final = frozenset({"data", "data:asText", "data:asBase64"})
DEFAULTS: Final = ("data", "size")
MAX_DATA: Final = 10_000_000
"""Octets of data in one answer, over all its blobs: more is for the download resource (RFC 8620 §6.2)."""

_DIGEST: Final = "digest:"


async def get(context: Context, account: Account, arguments: Mapping[str, Any]) -> Answer:
    """Each blob once; a blob that goes away while it is read is not found."""
    if len(arguments["ids"]) > context.limits.max_objects_in_get:
        raise MethodError("requestTooLarge")
    names = _names(arguments["properties"])
    found: list[dict[str, Any]] = []
    not_found: list[str] = []
    room = MAX_DATA
    for given in dict.fromkeys(arguments["ids"]):
        blob_id = context.created_ids.get(given[1:]) if given.startswith("#") else given
        try:
            blob = await context.blobs.find(account, blob_id) if blob_id is not None else None
            answer, held = (None, 0) if blob is None else await _properties(blob, names, arguments, room)
        except NotFound:
            answer, held = None, 0
        except TooMuch:
            raise MethodError("requestTooLarge", f"more than {MAX_DATA} octets; ask for less or download") from None
        room -= held
        if answer is None:
            not_found.append(given)
        else:
            found.append({"id": blob_id, **answer})
    return Answer({"accountId": arguments["accountId"], "list": found, "notFound": not_found})


def _names(asked: list[str] | None) -> tuple[str, ...]:
    """The properties to return, each once. Raises MethodError for one that there is not."""
    if asked is None:
        return DEFAULTS
    known = DATA | {"id", "size", *(_DIGEST + name for name in DIGESTS)}
    unknown = [name for name in asked if name not in known]
    if unknown:
        raise MethodError("invalidArguments", f"properties: there is no {unknown[0][:100]!r}")
    return tuple(dict.fromkeys(asked))


async def _properties(
    blob: OpenBlob, names: tuple[str, ...], arguments: Mapping[str, Any], room: int
) -> tuple[dict[str, Any], int]:
    """(the properties, how many octets of data they hold). Octets are read only where a property needs them."""
    size = await size_of(blob)
    algorithms = [name.removeprefix(_DIGEST) for name in names if name.startswith(_DIGEST)]
    most = room if DATA & set(names) else None
    answer: dict[str, Any] = {}
    held = 0
    if algorithms or most is not None:
        octets = await read(blob, size, arguments["offset"] or 0, arguments["length"], algorithms, most)
        answer = {_DIGEST + name: digest for name, digest in octets.digests.items()}
        if octets.data is not None:
            answer |= _represented(octets.data, names)
            held = len(octets.data)
        if octets.truncated:
            answer["isTruncated"] = True
    if "size" in names:
        answer["size"] = size
    return answer, held


def _represented(data: bytes, names: tuple[str, ...]) -> dict[str, Any]:
    """The data properties that were asked for, and whether text was wanted of what is none."""
    answer: dict[str, Any] = {}
    if "data:asText" in names or "data" in names:
        text = _text(data)
        if text is None:
            answer["isEncodingProblem"] = True
        if text is not None or "data:asText" in names:  # RFC 9404 §4.2: then the value MUST be null
            answer["data:asText"] = text
        if text is None and "data" in names:
            answer["data:asBase64"] = base64.b64encode(data).decode()
    if "data:asBase64" in names:
        answer["data:asBase64"] = base64.b64encode(data).decode()
    return answer


def _text(data: bytes) -> str | None:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None


GET: Final = Method(
    "Blob/get",
    BLOB,
    (
        Argument("ids", array_of(id_or_reference)),  # blobs cannot be enumerated, so null is no list of all
        Argument("properties", nullable(array_of(string)), None),
        Argument("offset", nullable(unsigned_int), None),
        Argument("length", nullable(unsigned_int), None),
    ),
    get,
)
