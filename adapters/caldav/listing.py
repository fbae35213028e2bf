"""The calendars of a home as a listing tells them, and their properties both ways (pure)."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, cast

from adapters.dav.bodies import Element, element
from adapters.dav.hrefs import below, canonical, collection
from adapters.dav.multistatus import Entry
from adapters.dav.names import apple, caldav, calendarserver, dav, local
from adapters.dav.privileges import grants, privileges
from adapters.dav.quirks import Quirks
from adapters.ports.calendars import Calendar, CalendarChanges, CalendarProperties, Property
from adapters.ports.collections import Cursor, Privilege

TYPE: Final = dav("resourcetype")
PRIVILEGES: Final = dav("current-user-privilege-set")
ACL: Final = dav("acl")
OWNER: Final = dav("owner")
REPORTS: Final = dav("supported-report-set")
TOKEN: Final = dav("sync-token")
CTAG: Final = calendarserver("getctag")
COMPONENTS: Final = caldav("supported-calendar-component-set")
MAX_SIZE: Final = caldav("max-resource-size")
DEFAULT: Final = caldav("schedule-default-calendar-URL")
SCALES: Final = caldav("supported-rscale-set")
_SCALE: Final = re.compile(r"[A-Z][A-Z0-9-]{2,39}")


class Row(NamedTuple):
    """One property: its DAV name, how its element is read, and how its value becomes one."""

    name: str
    read: Callable[[Element], Any]
    write: Callable[[Any], tuple[Element | str, ...]]


def _text(value: Element) -> str | None:
    return (value.text or "").strip() or None


def _order(value: Element) -> int | None:
    text = (value.text or "").strip().partition(".")[0]  # some clients write "1.0"
    return int(text) if text.removeprefix("-").isdigit() and len(text) < 12 else None


def _transparent(value: Element) -> bool:
    return value.find(caldav("transparent")) is not None


ROWS: Final[dict[Property, Row]] = {
    "name": Row(dav("displayname"), _text, lambda value: (value,)),
    "color": Row(apple("calendar-color"), _text, lambda value: (value,)),
    "order": Row(apple("calendar-order"), _order, lambda value: (str(value),)),
    "description": Row(caldav("calendar-description"), _text, lambda value: (value,)),
    "time_zone": Row(caldav("calendar-timezone"), _text, lambda value: (value,)),
    "transparent": Row(
        caldav("schedule-calendar-transp"),
        _transparent,
        lambda value: (element(caldav("transparent" if value else "opaque")),),
    ),
}


def asked(quirks: Quirks, *, sharing: bool) -> list[str]:
    """The properties of a listing. sharing: whether with whom calendars are shared can be seen."""
    return [
        *(row.name for row in ROWS.values() if row.name not in quirks.loses),
        *cursor_names(quirks),
        *(PRIVILEGES, OWNER, REPORTS, COMPONENTS, MAX_SIZE),
        *((ACL,) if sharing else ()),
    ]


def cursor_names(quirks: Quirks) -> list[str]:
    """Those that tell calendars from others, and where they stand."""
    names = {"token": TOKEN, "ctag": CTAG}
    return [TYPE, *(names[name] for name in quirks.cursor)]


def read_cursor(entry: Entry) -> Cursor:
    """Where a calendar stands."""
    return Cursor(entry.text(TOKEN), entry.text(CTAG))


def is_calendar(entry: Entry) -> bool:
    """Whether a response of the listing is about a calendar (RFC 4791 §4.2)."""
    kind = entry.found.get(TYPE)
    return kind is not None and kind.find(caldav("calendar")) is not None


def reports(entry: Entry) -> frozenset[str]:
    """Local names of the REPORTs that a collection supports (RFC 3253 §3.1.5)."""
    value = entry.found.get(REPORTS)
    wrapped = [] if value is None else value.iter(dav("report"))
    return frozenset(local(child.tag) for report in wrapped for child in report)


def read_calendar(entry: Entry, home: str, owner: str | None, default: str | None) -> Calendar:
    """A calendar. home, owner: paths of the home and its owner; default: path of the default calendar."""
    path = collection(entry.href)
    found = {key: row.read(entry.found[row.name]) for key, row in ROWS.items() if row.name in entry.found}
    if found.get("name") == path.strip("/"):  # Radicale's answer where nobody gave it a name
        found["name"] = None
    whose = entry.href_of(OWNER)
    held = entry.found.get(PRIVILEGES)
    size = (entry.text(MAX_SIZE) or "").strip()
    return Calendar(
        path=below(path, home),
        properties=CalendarProperties(**cast("Any", found)),
        components=_components(entry.found.get(COMPONENTS)),
        privileges=None if held is None else cast("frozenset[Privilege]", privileges(held)),
        owner=None if whose is None or _same(whose, owner) else canonical(whose),
        default=default is not None and _same(default, path),
        max_size=int(size) if size.isdigit() else None,
        cursor=read_cursor(entry),
        grants=_grants(entry.found.get(ACL), whose or owner),
    )


def read_scales(entry: Entry) -> tuple[str, ...] | None:
    """The calendar systems that a home takes (RFC 7529 §10.1), as `CalendarFacts.scales`."""
    value = entry.found.get(SCALES)
    if value is None:
        return None
    names = tuple((child.text or "").strip().upper() for child in value)
    return names if all(map(_SCALE.fullmatch, names)) else ()  # Cyrus 3.6 shows memory that it has freed


def elements(changes: CalendarChanges) -> dict[Property, Element | None]:
    """The DAV properties to write; None removes one."""
    values = cast("Mapping[Property, Any]", changes)
    return {
        key: None if value is None else element(ROWS[key].name, *ROWS[key].write(value))
        for key, value in values.items()
    }


def _components(value: Element | None) -> frozenset[str]:
    named = [] if value is None else value.iter(caldav("comp"))
    return frozenset((component.get("name") or "").upper() for component in named)


def _grants(acl: Element | None, owner: str | None) -> dict[str, frozenset[Privilege]] | None:
    """By path of a principal; the owner's are implicit (RFC 9670 §4)."""
    if acl is None:
        return None
    found: dict[str, frozenset[Privilege]] = {}
    for href, granted in grants(acl):
        if not _same(href, owner):
            path = canonical(href)
            found[path] = found.get(path, frozenset()) | cast("frozenset[Privilege]", granted)
    return found


def _same(href: str, path: str | None) -> bool:
    return path is not None and collection(href) == collection(path)
