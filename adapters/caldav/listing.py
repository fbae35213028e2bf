"""The calendars of a home as a listing tells them, and their properties both ways (pure)."""

import re
from typing import Any, Final, cast

from adapters.dav import listing
from adapters.dav.bodies import Element, element
from adapters.dav.hrefs import below, canonical, collection
from adapters.dav.listing import NAME, OWNER, Row, order_row, same, text_row, values_of
from adapters.dav.multistatus import Entry
from adapters.dav.names import apple, caldav, dav
from adapters.dav.privileges import grants
from adapters.dav.quirks import Quirks
from adapters.ports.calendars import Calendar, CalendarProperties, Property
from adapters.ports.collections import Privilege

ACL: Final = dav("acl")
COMPONENTS: Final = caldav("supported-calendar-component-set")
MAX_SIZE: Final = caldav("max-resource-size")
DEFAULT: Final = caldav("schedule-default-calendar-URL")
SCALES: Final = caldav("supported-rscale-set")
_SCALE: Final = re.compile(r"[A-Z][A-Z0-9-]{2,39}")


def _transparent(value: Element) -> bool:
    return value.find(caldav("transparent")) is not None


ROWS: Final[dict[Property, Row]] = {
    "name": text_row(NAME),
    "color": text_row(apple("calendar-color")),
    "order": order_row(apple("calendar-order")),
    "description": text_row(caldav("calendar-description")),
    "time_zone": text_row(caldav("calendar-timezone")),
    "transparent": Row(
        caldav("schedule-calendar-transp"),
        _transparent,
        lambda value: (element(caldav("transparent" if value else "opaque")),),
    ),
}


def asked(quirks: Quirks, *, sharing: bool) -> list[str]:
    """The properties of a listing. sharing: whether with whom calendars are shared can be seen."""
    return [*listing.asked(ROWS, quirks), COMPONENTS, MAX_SIZE, *((ACL,) if sharing else ())]


def read_calendar(entry: Entry, home: str, owner: str | None, default: str | None) -> Calendar:
    """A calendar. home, owner: paths of the home and its owner; default: path of the default calendar."""
    path = collection(entry.href)
    return Calendar(
        path=below(path, home),
        properties=CalendarProperties(**cast("Any", values_of(ROWS, entry, path))),
        components=_components(entry.found.get(COMPONENTS)),
        privileges=listing.held(entry),
        owner=listing.other_owner(entry, owner),
        default=default is not None and same(default, path),
        max_size=listing.size_of(entry, MAX_SIZE),
        cursor=listing.read_cursor(entry),
        grants=_grants(entry.found.get(ACL), entry.href_of(OWNER) or owner),
    )


def read_scales(entry: Entry) -> tuple[str, ...] | None:
    """The calendar systems that a home takes (RFC 7529 §10.1), as `CalendarFacts.scales`."""
    value = entry.found.get(SCALES)
    if value is None:
        return None
    names = tuple((child.text or "").strip().upper() for child in value)
    return names if all(map(_SCALE.fullmatch, names)) else ()  # Cyrus 3.6 shows memory that it has freed


def _components(value: Element | None) -> frozenset[str]:
    named = [] if value is None else value.iter(caldav("comp"))
    return frozenset((component.get("name") or "").upper() for component in named)


def _grants(acl: Element | None, owner: str | None) -> dict[str, frozenset[Privilege]] | None:
    """By path of a principal; the owner's are implicit (RFC 9670 §4)."""
    if acl is None:
        return None
    found: dict[str, frozenset[Privilege]] = {}
    for href, granted in grants(acl):
        if not same(href, owner):
            path = canonical(href)
            found[path] = found.get(path, frozenset()) | cast("frozenset[Privilege]", granted)
    return found
