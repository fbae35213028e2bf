"""Whether a JSON value has the shape of JSCalendar: the types of its members, and the forms of times.

For files that people convert: which values are registered is not asked, and members that are not known may be anything.
The names of RFC 8984 have the shapes that they had there.
"""

from collections.abc import Iterator
from typing import Any, Final

from adapters.formats import values as v
from adapters.formats.jcal import component_from_jcal, from_jcal
from adapters.formats.jscalendar.series import override_object, without_series
from adapters.formats.jscalendar.timezones import is_iana
from adapters.formats.pointer import InvalidPatch, escape
from adapters.formats.shape import (
    BOOLEAN,
    INTEGER,
    STRING,
    Fault,
    anything,
    array_of,
    converts,
    map_of,
    object_of,
    of,
    read_by,
)


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


_FLAGS: Final = map_of(BOOLEAN)
_STRINGS: Final = array_of(STRING)
_INTEGERS: Final = array_of(INTEGER)
_LINE: Final = read_by(v.write_verbatim, "a string of one line")
_LOCAL: Final = read_by(v.to_datetime, 'a LocalDateTime such as "2026-01-31T09:00:00"')
_UTC: Final = read_by(v.write_utc, 'a UTCDateTime such as "2026-01-31T09:00:00Z"')
_DURATION: Final = read_by(v.write_duration, 'a Duration such as "PT1H30M"')
_OFFSET: Final = read_by(lambda text: v.write_duration(text.lstrip("+-")), 'a SignedDuration such as "-PT15M"')
_ZONE: Final = read_by(is_iana, "the name of an IANA time zone")
_KEPT: Final = object_of(
    {
        "name": STRING,
        "properties": array_of(converts(from_jcal, "a jCal property")),
        "components": array_of(converts(component_from_jcal, "a jCal component")),
        "convertedProperties": map_of(object_of({"name": STRING, "valueType": STRING, "parameters": map_of(anything)})),
    }
)
_LINK: Final = object_of(
    {
        "href": _LINE,
        **dict.fromkeys(("rel", "contentType", "title"), STRING),
        "size": INTEGER,
        "display": of((str, dict), "an object"),
    }
)
_LOCATION: Final = object_of(
    {
        **dict.fromkeys(("name", "description", "relativeTo"), STRING),
        "coordinates": _LINE,
        "timeZone": _ZONE,
        "locationTypes": _FLAGS,
        "links": map_of(_LINK),
        "iCalendar": _KEPT,
    }
)
_PARTICIPANT: Final = object_of(
    {
        **dict.fromkeys(("name", "description", "descriptionContentType"), STRING),
        **dict.fromkeys(("calendarAddress", "email", "sentBy", "kind", "participationStatus", "progress"), _LINE),
        **dict.fromkeys(("roles", "delegatedTo", "delegatedFrom", "memberOf"), _FLAGS),
        "sendTo": map_of(_LINE),
        "expectReply": BOOLEAN,
        "percentComplete": INTEGER,
        "links": map_of(_LINK),
        "iCalendar": _KEPT,
    }
)
_RELATION: Final = object_of({"relation": _FLAGS})
_ALERT: Final = object_of(
    {
        "trigger": object_of({"offset": _OFFSET, "relativeTo": STRING, "when": _UTC}),
        "acknowledged": _UTC,
        "action": _LINE,
        "relatedTo": map_of(_RELATION),
        "iCalendar": _KEPT,
    }
)
_RULE: Final = object_of(
    {
        **dict.fromkeys(("frequency", "rscale", "skip", "firstDayOfWeek"), _LINE),
        **dict.fromkeys(("interval", "count"), INTEGER),
        **dict.fromkeys(
            ("byMonthDay", "byYearDay", "byWeekNo", "byHour", "byMinute", "bySecond", "bySetPosition"), _INTEGERS
        ),
        "byDay": array_of(object_of({"day": _LINE, "nthOfPeriod": INTEGER})),
        "byMonth": _STRINGS,
        "until": _LOCAL,
    }
)
_ENTRY: Final = object_of(
    {
        **dict.fromkeys(("title", "description", "descriptionContentType", "prodId", "mainLocationId"), STRING),
        **dict.fromkeys(("uid", "color", "locale", "method", "privacy", "freeBusyStatus", "status"), _LINE),
        **dict.fromkeys(("organizerCalendarAddress", "sentBy", "progress"), _LINE),
        **dict.fromkeys(("created", "updated"), _UTC),
        **dict.fromkeys(("start", "due", "recurrenceId"), _LOCAL),
        **dict.fromkeys(("duration", "estimatedDuration"), _DURATION),
        **dict.fromkeys(("timeZone", "endTimeZone", "recurrenceIdTimeZone"), _ZONE),
        **dict.fromkeys(("sequence", "priority", "percentComplete"), INTEGER),
        **dict.fromkeys(("showWithoutTime", "useDefaultAlerts"), BOOLEAN),
        **dict.fromkeys(("keywords", "categories"), _FLAGS),
        "relatedTo": map_of(_RELATION),
        "locations": map_of(_LOCATION),
        "virtualLocations": map_of(object_of({"uri": _LINE, "name": STRING, "features": _FLAGS})),
        "links": map_of(_LINK),
        "participants": map_of(_PARTICIPANT),
        "alerts": map_of(_ALERT),
        "recurrenceRule": _RULE,
        "recurrenceRules": array_of(_RULE),
        "recurrenceOverrides": map_of(of(dict, "a PatchObject")),
        "replyTo": map_of(_LINE),
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


_GROUP: Final = object_of(
    {
        **dict.fromkeys(("title", "description", "descriptionContentType", "prodId"), STRING),
        **dict.fromkeys(("uid", "color", "locale", "source", "version"), _LINE),
        **dict.fromkeys(("created", "updated"), _UTC),
        **dict.fromkeys(("keywords", "categories"), _FLAGS),
        "links": map_of(_LINK),
        "entries": array_of(_entry),
        "iCalendar": _KEPT,
    }
)
