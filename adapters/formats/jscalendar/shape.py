"""Whether a JSON value has the shape of JSCalendar: the types of its members, and the forms of times.

For files that people convert: which values are registered is not asked, and members that are not known may be anything.
The names of RFC 8984 have the shapes that they had there.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from adapters.formats.jscalendar import values as v
from adapters.formats.jscalendar.jcal import component_from_jcal, from_jcal
from adapters.formats.jscalendar.pointer import InvalidPatch, escape
from adapters.formats.jscalendar.series import override_object, without_series
from adapters.formats.jscalendar.timezones import is_iana

Fault = tuple[str, str]
"""Where (a JSON pointer), and what must be there."""
Shape = Callable[[Any, str], Iterator[Fault]]


def faults(value: Any) -> list[Fault]:
    """What keeps a value from being a Group, Event or Task; empty where nothing does."""
    if not isinstance(value, dict):
        return [("", "must be an object")]
    kind = value.get("@type")
    if kind == "Group":
        return list(_GROUP(value, ""))
    if kind in ("Event", "Task"):
        return list(_entry(value, ""))
    return [("/@type", "must be Group, Event or Task")]


def kept_fault(value: Any) -> str | None:
    """What keeps a value from being an ICalComponent, the member `iCalendar`; None where nothing does."""
    return next((f"{path} {fault}".lstrip() for path, fault in _KEPT(value, "")), None)


def _of(python: type | tuple[type, ...], name: str) -> Shape:
    def check(value: Any, path: str) -> Iterator[Fault]:
        if not isinstance(value, python) or (isinstance(value, bool) and python is not bool):
            yield path, f"must be {name}"

    return check


def _read(read: Callable[[str], object], name: str) -> Shape:
    """A string that a reader takes."""

    def check(value: Any, path: str) -> Iterator[Fault]:
        try:
            fits = isinstance(value, str) and read(value) is not False
        except (ValueError, OverflowError):
            fits = False
        if not fits:
            yield path, f"must be {name}"

    return check


def _jcal(read: Callable[[Any], object], name: str) -> Shape:
    def check(value: Any, path: str) -> Iterator[Fault]:
        try:
            read(value)
        except ValueError:
            yield path, f"must be {name}"

    return check


def _map(shape: Shape) -> Shape:
    def check(value: Any, path: str) -> Iterator[Fault]:
        yield from _of(dict, "an object")(value, path)
        for key, item in value.items() if isinstance(value, dict) else ():
            yield from shape(item, f"{path}/{escape(key)}")

    return check


def _array(shape: Shape) -> Shape:
    def check(value: Any, path: str) -> Iterator[Fault]:
        yield from _of(list, "an array")(value, path)
        for index, item in enumerate(value if isinstance(value, list) else ()):
            yield from shape(item, f"{path}/{index}")

    return check


def _object(members: Mapping[str, Shape]) -> Shape:
    known = {"@type": _STRING, **members}

    def check(value: Any, path: str) -> Iterator[Fault]:
        yield from _of(dict, "an object")(value, path)
        for name, item in value.items() if isinstance(value, dict) else ():
            if name in known:
                yield from known[name](item, f"{path}/{name}")

    return check


def _anything(_value: Any, _path: str) -> Iterator[Fault]:
    return iter(())


_STRING: Final = _of(str, "a string")
_BOOLEAN: Final = _of(bool, "true or false")
_INTEGER: Final = _of(int, "an integer")
_FLAGS: Final = _map(_BOOLEAN)
_STRINGS: Final = _array(_STRING)
_INTEGERS: Final = _array(_INTEGER)
_LINE: Final = _read(v.write_verbatim, "a string of one line")
_LOCAL: Final = _read(v.to_datetime, 'a LocalDateTime such as "2026-01-31T09:00:00"')
_UTC: Final = _read(v.write_utc, 'a UTCDateTime such as "2026-01-31T09:00:00Z"')
_DURATION: Final = _read(v.write_duration, 'a Duration such as "PT1H30M"')
_OFFSET: Final = _read(lambda text: v.write_duration(text.lstrip("+-")), 'a SignedDuration such as "-PT15M"')
_ZONE: Final = _read(is_iana, "the name of an IANA time zone")
_KEPT: Final = _object(
    {
        "name": _STRING,
        "properties": _array(_jcal(from_jcal, "a jCal property")),
        "components": _array(_jcal(component_from_jcal, "a jCal component")),
        "convertedProperties": _map(_object({"name": _STRING, "valueType": _STRING, "parameters": _map(_anything)})),
    }
)
_LINK: Final = _object(
    {
        "href": _LINE,
        **dict.fromkeys(("rel", "contentType", "title"), _STRING),
        "size": _INTEGER,
        "display": _of((str, dict), "an object"),
    }
)
_LOCATION: Final = _object(
    {
        **dict.fromkeys(("name", "description", "relativeTo"), _STRING),
        "coordinates": _LINE,
        "timeZone": _ZONE,
        "locationTypes": _FLAGS,
        "links": _map(_LINK),
        "iCalendar": _KEPT,
    }
)
_PARTICIPANT: Final = _object(
    {
        **dict.fromkeys(("name", "description", "descriptionContentType"), _STRING),
        **dict.fromkeys(("calendarAddress", "email", "sentBy", "kind", "participationStatus", "progress"), _LINE),
        **dict.fromkeys(("roles", "delegatedTo", "delegatedFrom", "memberOf"), _FLAGS),
        "sendTo": _map(_LINE),
        "expectReply": _BOOLEAN,
        "percentComplete": _INTEGER,
        "links": _map(_LINK),
        "iCalendar": _KEPT,
    }
)
_RELATION: Final = _object({"relation": _FLAGS})
_ALERT: Final = _object(
    {
        "trigger": _object({"offset": _OFFSET, "relativeTo": _STRING, "when": _UTC}),
        "acknowledged": _UTC,
        "action": _LINE,
        "relatedTo": _map(_RELATION),
        "iCalendar": _KEPT,
    }
)
_RULE: Final = _object(
    {
        **dict.fromkeys(("frequency", "rscale", "skip", "firstDayOfWeek"), _LINE),
        **dict.fromkeys(("interval", "count"), _INTEGER),
        **dict.fromkeys(
            ("byMonthDay", "byYearDay", "byWeekNo", "byHour", "byMinute", "bySecond", "bySetPosition"), _INTEGERS
        ),
        "byDay": _array(_object({"day": _LINE, "nthOfPeriod": _INTEGER})),
        "byMonth": _STRINGS,
        "until": _LOCAL,
    }
)
_ENTRY: Final = _object(
    {
        **dict.fromkeys(("title", "description", "descriptionContentType", "prodId", "mainLocationId"), _STRING),
        **dict.fromkeys(("uid", "color", "locale", "method", "privacy", "freeBusyStatus", "status"), _LINE),
        **dict.fromkeys(("organizerCalendarAddress", "sentBy", "progress"), _LINE),
        **dict.fromkeys(("created", "updated"), _UTC),
        **dict.fromkeys(("start", "due", "recurrenceId"), _LOCAL),
        **dict.fromkeys(("duration", "estimatedDuration"), _DURATION),
        **dict.fromkeys(("timeZone", "endTimeZone", "recurrenceIdTimeZone"), _ZONE),
        **dict.fromkeys(("sequence", "priority", "percentComplete"), _INTEGER),
        **dict.fromkeys(("showWithoutTime", "useDefaultAlerts"), _BOOLEAN),
        **dict.fromkeys(("keywords", "categories"), _FLAGS),
        "relatedTo": _map(_RELATION),
        "locations": _map(_LOCATION),
        "virtualLocations": _map(_object({"uri": _LINE, "name": _STRING, "features": _FLAGS})),
        "links": _map(_LINK),
        "participants": _map(_PARTICIPANT),
        "alerts": _map(_ALERT),
        "recurrenceRule": _RULE,
        "recurrenceRules": _array(_RULE),
        "recurrenceOverrides": _map(_of(dict, "a PatchObject")),
        "replyTo": _map(_LINE),
        "iCalendar": _KEPT,
    }
)


def _entry(value: Any, path: str) -> Iterator[Fault]:
    """An Event or Task; of overrides what they make of it."""
    found = list(_ENTRY(value, path))
    yield from found
    if found or not isinstance(value, dict):
        return
    bare = without_series(value)
    for key, patch in (value.get("recurrenceOverrides") or {}).items():
        where = f"{path}/recurrenceOverrides/{escape(key)}"
        if next(_LOCAL(key, where), None):
            yield where, "must have a LocalDateTime as its key"
            continue
        try:
            instance = override_object(bare, key, patch)
        except (InvalidPatch, OverflowError) as error:
            yield where, f"is no valid PatchObject: {error}"
        else:
            yield from _ENTRY(instance, where)


_GROUP: Final = _object(
    {
        **dict.fromkeys(("title", "description", "descriptionContentType", "prodId"), _STRING),
        **dict.fromkeys(("uid", "color", "locale", "source", "version"), _LINE),
        **dict.fromkeys(("created", "updated"), _UTC),
        **dict.fromkeys(("keywords", "categories"), _FLAGS),
        "links": _map(_LINK),
        "entries": _array(_entry),
        "iCalendar": _KEPT,
    }
)
