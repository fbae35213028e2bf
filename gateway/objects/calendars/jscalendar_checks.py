"""The types of JSCalendar 2.0 (jscalendarbis-17 §1.4 to §4.1) as checks of what clients write."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from adapters.formats.jscalendar.recurrence import write_rule
from adapters.formats.jscalendar.shape import kept_fault
from adapters.formats.jscalendar.timezones import is_iana
from adapters.formats.values import parse_duration
from gateway.jmap.checks import Check, array_of, boolean, id_, integer, map_of, string, unsigned_int
from gateway.objects import json_types
from gateway.objects.calendars.css_colors import is_color
from gateway.objects.json_types import address, enum, flags, some, typed_object, uri

_LOCAL: Final = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}", re.ASCII)
_DURATION: Final = re.compile(
    r"P(?:(?:\d+W(?:\d+D)?|\d+D)(?:T(?:\d+H(?:\d+M(?:\d+S)?)?|\d+M(?:\d+S)?|\d+S))?"
    r"|T(?:\d+H(?:\d+M(?:\d+S)?)?|\d+M(?:\d+S)?|\d+S))",
    re.ASCII,
)
_MEDIA_TYPE: Final = re.compile(r"text/[A-Za-z0-9.+-]+(?:\s*;.*)?")

OBSOLETE: Final = frozenset(  # jscalendarbis-17 §7.4.2.1, §A.2: names of RFC 8984 that 2.0 obsoletes or reserves
    {
        *("aliases", "cid", "comments", "daylight", "excluded", "excludedRecurrenceRules", "extra", "invitedBy"),
        *("language", "localizations", "locationId", "names", "offsetFrom", "offsetTo", "participationComment"),
        *("progressUpdated", "recurrenceRules", "relativeTo", "replyTo", "requestStatus", "scheduleAgent"),
        *("scheduleForceSend", "scheduleStatus", "sendTo", "standard", "timeZones", "tzId", "url", "validUntil"),
    }
)


def is_extension(name: str) -> bool:
    """Whether a name that is not known may stand in an object (§1.7.4, §1.8.1)."""
    return json_types.is_extension(name, OBSOLETE)


def jsobject(type_name: str, members: Mapping[str, Check], required: frozenset[str] = frozenset()) -> Check:
    """An object of a JSCalendar type."""
    return typed_object(type_name, members, required, OBSOLETE)


def local_date_time(value: Any) -> str | None:
    """LocalDateTime (§1.5.5)."""
    wrong = 'must be a LocalDateTime such as "2014-10-30T14:12:00"'
    if not isinstance(value, str) or not _LOCAL.fullmatch(value):
        return wrong
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return wrong
    return None


def utc_date_time(value: Any) -> str | None:
    """UTCDateTime (§1.5.4): no fraction of a second."""
    if isinstance(value, str) and value.endswith("Z") and local_date_time(value[:-1]) is None:
        return None
    return 'must be a UTCDateTime such as "2014-10-30T06:12:00Z"'


def duration(value: Any) -> str | None:
    """Duration (§1.5.6)."""
    return None if _is_duration(value) else 'must be a Duration such as "PT1H30M"'


def signed_duration(value: Any) -> str | None:
    """SignedDuration (§1.5.7)."""
    fits = isinstance(value, str) and _is_duration(value[1:] if value[:1] in {"+", "-"} else value)
    return None if fits else 'must be a SignedDuration such as "-PT15M"'


def _is_duration(value: Any) -> bool:
    if not isinstance(value, str) or not _DURATION.fullmatch(value):
        return False
    try:
        parse_duration(value)
    except ValueError:  # too long
        return False
    return True


def time_zone(value: Any) -> str | None:
    """TimeZoneId (§1.5.8)."""
    return None if isinstance(value, str) and is_iana(value) else "must be the name of an IANA time zone"


def color(value: Any) -> str | None:
    """A CSS color name or six hexadecimal digits (§3.2.12)."""
    return None if isinstance(value, str) and is_color(value) else "must be a CSS color name or #RRGGBB"


def text_type(value: Any) -> str | None:
    """The media type of a description (§3.2.3)."""
    return None if isinstance(value, str) and _MEDIA_TYPE.fullmatch(value) else "must be a subtype of text"


RELATION: Final = jsobject("Relation", {"relation": flags(enum("first", "next", "child", "parent", "snooze"))})
LINK_MEMBERS: Final[Mapping[str, Check]] = {
    "href": uri,
    "blobId": id_,  # -29 §5.3
    "contentType": string,
    "size": unsigned_int,
    "rel": string,
    "display": flags(enum("badge", "graphic", "fullsize", "thumbnail")),
    "title": string,
}
_LINK_OBJECT: Final = jsobject("Link", LINK_MEMBERS)


def link(value: Any) -> str | None:
    """A Link (§1.5.11), with href or a blobId in its place (-29 §5.3)."""
    wrong = _LINK_OBJECT(value)
    if wrong is None and ("href" in value) == ("blobId" in value):
        return "must have either href or blobId"
    return wrong


_ICALENDAR: Final = jsobject("ICalComponent", {})


def kept(value: Any) -> str | None:
    """An ICalComponent (draft-ietf-calext-jscalendar-icalendar-25 §5.1.1)."""
    return _ICALENDAR(value) or kept_fault(value)


LOCATION: Final = some(
    jsobject(
        "Location",
        {
            "name": string,
            "locationTypes": flags(),
            "coordinates": uri,
            "links": some(map_of(id_, link)),
            "timeZone": lambda _: "is a name of RFC 8984",
            "iCalendar": kept,
        },
    )
)
VIRTUAL_LOCATION: Final = jsobject(
    "VirtualLocation",
    {
        "name": string,
        "uri": uri,
        "features": flags(enum("audio", "chat", "feed", "moderator", "phone", "screen", "video")),
    },
    frozenset({"uri"}),
)
_NEEDS_ADDRESS: Final = (  # §3.4.6
    *("email", "kind", "roles", "participationStatus", "expectReply", "sentBy", "delegatedTo", "delegatedFrom"),
    "memberOf",
)
_PARTICIPANT_OBJECT: Final = jsobject(
    "Participant",
    {
        "name": string,
        "email": address,
        "description": string,
        "descriptionContentType": text_type,
        "calendarAddress": uri,
        "kind": enum("individual", "group", "location", "resource"),
        "roles": flags(enum("owner", "optional", "informational", "chair", "required")),
        "participationStatus": enum("needs-action", "accepted", "declined", "tentative", "delegated"),
        "expectReply": boolean,
        "sentBy": address,
        **dict.fromkeys(("delegatedTo", "delegatedFrom", "memberOf"), some(flags(uri))),
        "links": some(map_of(id_, link)),
        "scheduleSequence": unsigned_int,  # -29 §5.2
        "scheduleUpdated": utc_date_time,
        "iCalendar": kept,
        **dict.fromkeys(("progress", "percentComplete"), lambda _: "belongs to Tasks"),
    },
)


def participant(value: Any) -> str | None:
    """A Participant of an Event (§3.4.6)."""
    wrong = _PARTICIPANT_OBJECT(value)
    if wrong is None and "calendarAddress" not in value:
        needy = [name for name in _NEEDS_ADDRESS if name in value]
        return f"/{needy[0]} needs a calendarAddress" if needy else None
    if wrong is None and "descriptionContentType" in value and "description" not in value:
        return "/descriptionContentType needs a description"
    return wrong


_OFFSET: Final = jsobject(
    "OffsetTrigger", {"offset": signed_duration, "relativeTo": enum("start", "end")}, frozenset({"offset"})
)
_ABSOLUTE: Final = jsobject("AbsoluteTrigger", {"when": utc_date_time}, frozenset({"@type", "when"}))


def trigger(value: Any) -> str | None:
    """OffsetTrigger, AbsoluteTrigger, or one of a type that is not known, which is preserved (§3.5.1)."""
    if not isinstance(value, dict):
        return "must be an object"
    kind = value.get("@type", "OffsetTrigger")
    if not isinstance(kind, str):
        return "/@type must be a String"
    checks: Mapping[str, Check] = {"OffsetTrigger": _OFFSET, "AbsoluteTrigger": _ABSOLUTE}
    return checks[kind](value) if kind in checks else None


ALERT: Final = jsobject(
    "Alert",
    {
        "trigger": trigger,
        "acknowledged": utc_date_time,
        "relatedTo": map_of(string, RELATION),
        "action": enum("display", "email"),
        "iCalendar": kept,
    },
    frozenset({"trigger"}),
)

_DAY: Final = enum("mo", "tu", "we", "th", "fr", "sa", "su")
_NDAY: Final = jsobject("NDay", {"day": _DAY, "nthOfPeriod": integer(-366, 366)}, frozenset({"day"}))
_RULE_OBJECT: Final = jsobject(
    "RecurrenceRule",
    {
        "frequency": string,
        "interval": integer(1),
        "rscale": string,
        "skip": string,
        "firstDayOfWeek": _DAY,
        "byDay": some(array_of(_NDAY)),
        **dict.fromkeys(("byMonthDay", "byYearDay", "byWeekNo", "bySetPosition"), some(array_of(integer(-366, 366)))),
        **dict.fromkeys(("byHour", "byMinute", "bySecond"), some(array_of(integer(0, 60)))),
        "byMonth": some(array_of(string)),
        "count": integer(1),
        "until": local_date_time,
    },
    frozenset({"frequency"}),
)


def recurrence_rule(value: Any) -> str | None:
    """A RecurrenceRule (§3.3.3): whatever RFC 5545 can say as well."""
    if wrong := _RULE_OBJECT(value):
        return wrong
    if "count" in value and "until" in value:
        return "must not have both count and until"
    try:
        write_rule({name: item for name, item in value.items() if name != "@type"}, None, dates=False)
    except (ValueError, KeyError, TypeError) as error:
        return f"is not valid: {error}"
    return None


def override(value: Any) -> str | None:
    """One value of recurrenceOverrides (§3.3.4); what the patches say is checked when they are applied."""
    if not isinstance(value, dict):
        return "must be a PatchObject"
    if "excluded" in value and value != {"excluded": True}:
        return "must have no member beside excluded, which must be true"
    return None
