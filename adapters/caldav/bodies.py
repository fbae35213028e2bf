"""Request bodies of RFC 4791 and the names of its properties (pure)."""

from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from typing import Final

from adapters.dav.bodies import Element, element, octets, prop
from adapters.dav.names import caldav, dav
from adapters.ports.calendars import TimeRange

MULTIGET: Final = caldav("calendar-multiget")  # RFC 4791 §7.9
DATA: Final = caldav("calendar-data")
ETAG: Final = dav("getetag")
SCHEDULE_TAG: Final = caldav("schedule-tag")


def query(component: str, window: TimeRange, names: Iterable[str]) -> bytes:
    """RFC 4791 §7.8: resources whose component overlaps the window."""
    inner = element(caldav("comp-filter"), _range(window), name=component)
    outer = element(caldav("comp-filter"), inner, name="VCALENDAR")
    return octets(element(caldav("calendar-query"), prop(names), element(caldav("filter"), outer)))


def mkcalendar(name: str | None, components: Collection[str]) -> bytes:
    """RFC 4791 §5.3.1; other properties follow by PROPPATCH, so that one that is refused does not spoil it all."""
    values = [] if name is None else [element(dav("displayname"), name)]
    if components:
        held = [element(caldav("comp"), name=component) for component in sorted(components)]
        values.append(element(caldav("supported-calendar-component-set"), *held))
    if not values:
        return b""
    return octets(element(caldav("mkcalendar"), element(dav("set"), element(dav("prop"), *values))))


def _range(window: TimeRange) -> Element:
    limits = {"start": window.start, "end": window.end}
    return element(caldav("time-range"), **{key: _utc(value) for key, value in limits.items() if value is not None})


def _utc(value: datetime) -> str:
    return value.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
