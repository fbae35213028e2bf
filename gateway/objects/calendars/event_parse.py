"""CalendarEvent/parse: a blob read as iCalendar (draft-ietf-jmap-calendars-29 §5.13)."""

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from adapters.formats.content_lines import Limits
from adapters.formats.jscalendar.read import read_stream
from gateway.context import Account, Context
from gateway.jmap.arguments import Argument
from gateway.jmap.checks import array_of, id_, nullable, string
from gateway.jmap.errors import MethodError
from gateway.jmap.methods import Answer, Method
from gateway.objects.calendars import capability
from gateway.objects.calendars.event_properties import METADATA, PROPERTIES
from gateway.objects.calendars.event_view import View
from gateway.store.blobs import OpenBlob
from gateway.sync.pace import aside

MAX_OCTETS: Final = 10_000_000
_LIMITS: Final = Limits(octets=MAX_OCTETS, lines=200_000)


async def parse(context: Context, account: Account, arguments: Mapping[str, Any]) -> Answer:
    """Parse each blob that exists; one without any event is not parsable."""
    blobs: list[str] = list(dict.fromkeys(arguments["blobIds"]))
    if len(blobs) > context.limits.max_objects_in_get:
        raise MethodError("requestTooLarge")
    names = arguments["properties"]
    if names is not None:
        PROPERTIES.select(names)
    calendars = capability.calendars_open(account)
    view = View(capability.own_addresses(account, calendars), None if names is None else tuple(names))
    parsed: dict[str, list[dict[str, Any]]] = {}
    not_parsable, not_found = [], []
    for blob_id in blobs:
        blob = await context.blobs.find(account, blob_id)
        events = None if blob is None else await _events(blob)
        if blob is None:
            not_found.append(blob_id)
        elif not events:
            not_parsable.append(blob_id)
        else:
            parsed[blob_id] = [_shown(view, event) for event in events]
    return Answer(
        {
            "accountId": arguments["accountId"],
            "parsed": parsed or None,
            "notFound": not_found or None,
            "notParsable": not_parsable or None,
        }
    )


async def _events(blob: OpenBlob) -> list[dict[str, Any]]:
    octets = bytearray()
    async for piece in blob.read(0, None):
        octets += piece
        if len(octets) > MAX_OCTETS:
            return []
    try:
        groups = (await aside(len(octets), partial(read_stream, bytes(octets), _LIMITS))).groups
    except (ValueError, RecursionError):
        return []
    return [entry for group in groups for entry in group["entries"] if entry["@type"] == "Event" and "start" in entry]


def _shown(view: View, event: dict[str, Any]) -> dict[str, Any]:
    """The event, with null for what only a stored one has."""
    unknown = dict.fromkeys(name for name in METADATA if view.names is None or name in view.names)
    return (unknown if view.names is not None else {}) | view.content(event)


PARSE: Final = Method(
    "CalendarEvent/parse",
    capability.PARSE,
    (Argument("blobIds", array_of(id_)), Argument("properties", nullable(array_of(string)), None)),
    parse,
)
