"""Facts: what an iCalendar object says, apart from how it writes it down.

Two objects that say the same have the same facts, whatever the order, folding, escaping, the form of a date-time or
the spelling of a default. The report and the in-place update compare facts.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import NamedTuple

from adapters.formats import values as v
from adapters.formats.content_lines import Component, ContentLine
from adapters.formats.jscalendar.participants import normal_address
from adapters.formats.jscalendar.places import read_geo
from adapters.formats.jscalendar.read import NO_DTSTAMP, OWN_PRODID, derived_uid
from adapters.formats.jscalendar.timezones import Zones, is_iana, to_utc


class Fact(NamedTuple):
    """One value of one property: where it stands, its name, value and parameters in a normal form."""

    where: str
    name: str
    value: str
    parameters: tuple[tuple[str, tuple[str, ...]], ...]


_LISTS = frozenset({"CATEGORIES", "RESOURCES", "EXDATE", "RDATE", "LOCATION-TYPE", "FREEBUSY"})
_UNSAID = frozenset({"JSID", "VALUE", "ENCODING"})  # forms, not facts
FORM_ONLY = {"VERSION": "2.0", "PRODID": OWN_PRODID, "DTSTAMP": NO_DTSTAMP, "SHOW-WITHOUT-TIME": "FALSE"}
_ENUMERATED = frozenset({"CUTYPE", "DISPLAY", "FEATURE", "PARTSTAT", "RANGE", "RELATED", "RELTYPE", "ROLE", "RSVP"})
_DEFAULT_RULE_PARTS = frozenset({"INTERVAL=1", "WKST=MO", "SKIP=OMIT", "RSCALE=GREGORIAN"})


def instant(line: ContentLine, raw: str, zones: Zones) -> str:
    """A date or date-time as UTC where its zone is known, else as it stands."""
    try:
        stamp = v.read_stamp(raw)
    except ValueError:
        return raw
    if stamp.is_date:
        return stamp.local[:10]
    tzid = line.parameter("TZID")
    if stamp.is_utc or not tzid:
        return stamp.local + ("Z" if stamp.is_utc else "")
    zone = zones.resolve(tzid, stamp.local)
    local = v.to_datetime(stamp.local)
    if zone.name is not None:
        return v.from_datetime(to_utc(local, zone.name)) + "Z"
    if zone.own is not None:
        return v.from_datetime(zone.own.to_utc(local)) + "Z"
    return stamp.local


def _duration(raw: str) -> str:
    return "{0.days}d{0.seconds}s".format(v.parse_duration(raw.strip()))


def _rule(raw: str) -> str:
    parts = []
    for part in raw.strip().rstrip(";").upper().split(";"):
        name, _, value = part.strip().partition("=")
        items = sorted(item.removeprefix("+").lstrip("0") or "0" for item in value.split(","))
        parts.append(f"{name}={','.join(items)}")
    return ";".join(sorted(set(parts) - _DEFAULT_RULE_PARTS))


def _utc(raw: str) -> str:
    return raw if raw.endswith("Z") else raw + "Z"


_TEXT: Callable[[str], str] = v.read_text
_NORMAL: dict[str, Callable[[str], str]] = {
    **dict.fromkeys(("DURATION", "ESTIMATED-DURATION", "REFRESH-INTERVAL", "TRIGGER"), _duration),
    **dict.fromkeys(("RRULE", "EXRULE"), _rule),
    **dict.fromkeys(("ATTENDEE", "ORGANIZER", "CALENDAR-ADDRESS"), normal_address),
    **dict.fromkeys(("STATUS", "CLASS", "TRANSP", "ACTION", "METHOD"), lambda raw: raw.strip().upper()),
    **dict.fromkeys(("PRIORITY", "SEQUENCE", "PERCENT-COMPLETE", "REPEAT"), lambda raw: str(int(raw))),
    **dict.fromkeys(("CREATED", "LAST-MODIFIED", "DTSTAMP", "ACKNOWLEDGED", "COMPLETED"), _utc),
    "GEO": read_geo,
}
_TIMES = frozenset({"DTSTART", "DTEND", "DUE", "RECURRENCE-ID", "EXDATE", "RDATE"})


def line_facts(where: str, line: ContentLine, zones: Zones, *, keys: bool = False) -> Iterator[Fact]:
    """The facts of one property: one for each member of a list. keys: JSID, a key in JSCalendar, is a fact too."""
    if FORM_ONLY.get(line.name) == line.value or (line.name == "JSID" and not keys):
        return
    unsaid = _UNSAID | {"TZID"} if line.name in _TIMES else _UNSAID
    unsaid = unsaid - {"JSID"} if keys else unsaid
    parameters = tuple(
        sorted((name, _parameter(name, values)) for name, values in line.parameters.items() if name not in unsaid)
    )
    for raw in v.split_raw(line.value) if line.name in _LISTS else (line.value,):
        yield Fact(where, line.name, _value(line, raw, zones), parameters)


def _parameter(name: str, values: tuple[str, ...]) -> tuple[str, ...]:
    if name == "FEATURE":  # a list, also where it came as one quoted value
        values = tuple(feature for value in values for feature in value.split(","))
    return tuple(value.upper() if name in _ENUMERATED else normal_address(value) for value in values)


def _value(line: ContentLine, raw: str, zones: Zones) -> str:
    if line.name in _TIMES:
        begin, slash, end = raw.strip().partition("/")
        if not slash:
            return instant(line, begin, zones)
        return f"{instant(line, begin, zones)}/{_period_end(line, begin, end, zones)}"
    try:
        return _NORMAL.get(line.name, _TEXT)(raw)
    except ValueError:
        return raw


def _period_end(line: ContentLine, begin: str, end: str, zones: Zones) -> str:
    try:
        return _duration(end)
    except ValueError:
        pass
    first, last = instant(line, begin, zones), instant(line, end, zones)
    try:
        delta = v.to_datetime(last.rstrip("Z")) - v.to_datetime(first.rstrip("Z"))
    except ValueError:
        return last
    return f"0d{int(delta.total_seconds())}s"


def component_label(component: Component, zones: Zones) -> str:
    """What tells a component from its siblings: UID and recurrence id of entries, the name of others."""
    uid, recurrence_id = component.value("UID"), component.first("RECURRENCE-ID")
    if component.name not in {"VEVENT", "VTODO", "VJOURNAL"}:
        return component.name
    when = instant(recurrence_id, recurrence_id.value, zones) if recurrence_id else ""
    return f"{component.name} {uid or derived_uid(component)} {when}".rstrip()


def facts(calendar: Component, zones: Zones | None = None, *, keys: bool = False) -> Counter[Fact]:
    """All facts of a VCALENDAR, with how often each is said. VTIMEZONEs of IANA names count for nothing."""
    zones = zones or Zones(calendar)
    found: Counter[Fact] = Counter()
    _collect(calendar, calendar.name, zones, found, keys=keys)
    return found


def _collect(component: Component, where: str, zones: Zones, found: Counter[Fact], *, keys: bool) -> None:
    for line in component.properties:
        found.update(line_facts(where, line, zones, keys=keys))
    for child in component.components:
        if child.name == "VTIMEZONE" and is_iana(child.value("TZID") or ""):
            continue
        _collect(child, f"{where}/{component_label(child, zones)}", zones, found, keys=keys)
