"""Email/parse: a blob read as a message (RFC 8621 §4.9)."""

from collections.abc import Mapping
from typing import Any, Final

from adapters.formats.email import email_properties
from adapters.formats.header_forms import header_fields
from adapters.formats.mime import parse_message
from gateway.context import Account, Context
from gateway.jmap.arguments import Argument
from gateway.jmap.checks import array_of, id_, nullable, string
from gateway.jmap.errors import MethodError
from gateway.jmap.methods import Answer, Method
from gateway.objects.mail import blob_ids
from gateway.objects.mail.blobs import collect
from gateway.objects.mail.capability import MAIL
from gateway.objects.mail.email import BODY_ARGUMENTS, DEFAULT_PROPERTIES, INDEXED, PROPERTIES, body_options
from gateway.store.blobs import OpenBlob

METADATA: Final = ("id", "mailboxIds", "keywords", "receivedAt", "threadId")
"""Null for a message that is not stored."""

DEFAULTS: Final = tuple(name for name in DEFAULT_PROPERTIES if name not in (*INDEXED, *METADATA))


async def parse(context: Context, account: Account, arguments: Mapping[str, Any]) -> Answer:
    """Parse each blob that exists; one without any header field is no message."""
    blobs: list[str] = list(dict.fromkeys(arguments["blobIds"]))
    if len(blobs) > context.limits.max_objects_in_get:
        raise MethodError("requestTooLarge")
    names = _names(arguments["properties"])
    parsed, not_parsable, not_found = {}, [], []
    for blob_id in blobs:
        blob = await context.blobs.find(account, blob_id)
        if blob is None:
            not_found.append(blob_id)
        elif (email := await _parse(context, blob_id, blob, names, arguments)) is None:
            not_parsable.append(blob_id)
        else:
            parsed[blob_id] = email
    return Answer(
        {
            "accountId": arguments["accountId"],
            "parsed": parsed or None,
            "notParsable": not_parsable or None,
            "notFound": not_found or None,
        }
    )


def _names(asked: list[str] | None) -> tuple[str, ...]:
    if asked is None:
        return DEFAULTS
    PROPERTIES.select(asked, using=())  # RFC 9219 §4.1 is about Email/get alone
    return tuple(asked)


async def _parse(
    context: Context, blob_id: str, blob: OpenBlob, names: tuple[str, ...], arguments: Mapping[str, Any]
) -> dict[str, Any] | None:
    octets = await collect(blob, context.limits.max_size_upload)
    message = parse_message(octets)
    if not header_fields(message.header):
        return None
    known = {"blobId": blob_id, "size": len(octets), **dict.fromkeys(METADATA)}
    content = [name for name in names if name not in known]
    made = email_properties(message, content, body_options(arguments), blob_id_of=blob_ids.of_parts(blob_id))
    return {name: known[name] if name in known else made[name] for name in names}


PARSE: Final = Method(
    "Email/parse",
    MAIL,
    (
        Argument("blobIds", array_of(id_)),
        Argument("properties", nullable(array_of(string)), None),
        *BODY_ARGUMENTS,
    ),
    parse,
)
