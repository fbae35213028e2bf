"""The properties of a CalendarEvent: JSCalendar 2.0 and what draft-ietf-jmap-calendars-29 §5 adds."""

from typing import Any, Final

from gateway.jmap.checks import Check, anything, boolean, id_, integer, map_of, nullable, string, true, unsigned_int
from gateway.jmap.properties import ID, Property, PropertyTable, reference_ids
from gateway.objects.calendars import jscalendar_checks as js
from gateway.objects.calendars.capability import MAX_DATE_TIME, MAX_PARTICIPANTS, MIN_DATE_TIME
from gateway.objects.json_types import address, enum, exactly, flags, uid, uri

METADATA: Final = ("id", "baseEventId", "calendarIds", "isDraft", "isOrigin")
"""What is no property of the JSCalendar Event (-29 §5.13)."""
COMPUTED: Final = ("utcStart", "utcEnd")
ALWAYS: Final = ("id", "calendarIds", "isDraft", "isOrigin")
"""Returned where no properties are asked for (-29 §5.7)."""
MAPS: Final = frozenset(
    {
        *("recurrenceOverrides", "participants", "locations", "virtualLocations", "links", "keywords", "categories"),
        *("alerts", "relatedTo"),
    }
)
"""Properties that are maps: an absent one is an empty one."""
BASE_ONLY: Final = frozenset({"isDraft", "mayInviteSelf", "mayInviteOthers", "hideAttendees"})  # -29 §5, §5.1


def in_range(value: Any) -> str | None:
    """A LocalDateTime that the server accepts (-29 §1.5.1)."""
    if wrong := js.local_date_time(value):
        return wrong
    fits = MIN_DATE_TIME[:-1] <= value <= MAX_DATE_TIME[:-1]
    return None if fits else f"must lie between {MIN_DATE_TIME} and {MAX_DATE_TIME}"


def utc_in_range(value: Any) -> str | None:
    """A UTCDateTime that the server accepts."""
    return js.utc_date_time(value) or in_range(value[:-1])


def some_participants(value: Any) -> str | None:
    """Participants, not more than an event may have (-29 §1.5.1)."""
    if isinstance(value, dict) and len(value) > MAX_PARTICIPANTS:
        return f"must not be more than {MAX_PARTICIPANTS}"
    return map_of(id_, js.participant)(value)


def some_calendars(value: Any) -> str | None:
    """At least one Calendar id (-29 §5)."""
    return map_of(id_, true)(value) or (None if value else "must name a calendar")


EVENT: Final[dict[str, Check]] = {  # jscalendarbis-17 §3, §4.1
    "@type": exactly("Event"),
    "relatedTo": map_of(string, js.RELATION),
    "prodId": string,
    "created": js.utc_date_time,
    "updated": js.utc_date_time,
    "sequence": unsigned_int,
    "title": string,
    "description": string,
    "descriptionContentType": js.text_type,
    "showWithoutTime": boolean,
    "locations": map_of(id_, js.LOCATION),
    "mainLocationId": string,
    "virtualLocations": map_of(id_, js.VIRTUAL_LOCATION),
    "links": map_of(id_, js.link),
    "locale": string,
    "keywords": flags(),
    "categories": flags(uri),
    "color": js.color,
    "recurrenceRule": js.recurrence_rule,
    "recurrenceOverrides": map_of(in_range, js.override),
    "priority": integer(0, 9),
    "freeBusyStatus": enum("free", "busy"),
    "privacy": enum("public", "private", "secret"),
    "organizerCalendarAddress": uri,
    "sentBy": address,
    "participants": some_participants,
    "alerts": map_of(id_, js.ALERT),
    "timeZone": js.time_zone,
    "start": in_range,
    "duration": js.duration,
    "endTimeZone": js.time_zone,
    "status": enum("confirmed", "cancelled", "tentative"),
    "useDefaultAlerts": boolean,
    "mayInviteSelf": boolean,
    "mayInviteOthers": boolean,
    "hideAttendees": boolean,
    "iCalendar": js.kept,
}
IMMUTABLE: Final[dict[str, Check]] = {
    "uid": uid,
    "recurrenceId": in_range,
    "recurrenceIdTimeZone": js.time_zone,
}


def other(name: str) -> Property | None:
    """A vendor's or unknown property, preserved as it is (§1.7.4, §1.8); None for names of RFC 8984 and the like."""
    known = {*EVENT, *IMMUTABLE, *METADATA, *COMPUTED, "method", "version"}
    if name.lower() in {item.lower() for item in known} or not js.is_extension(name):
        return None
    return Property(name, anything, omittable=True)


PROPERTIES: Final = PropertyTable(
    [
        ID,
        Property("baseEventId", anything, server_set=True, immutable=True),
        Property("calendarIds", some_calendars, references=reference_ids),
        Property("isDraft", nullable(boolean), default=False),
        Property("isOrigin", anything, server_set=True),
        *(Property(name, nullable(utc_in_range), omittable=True) for name in COMPUTED),
        *(Property(name, nullable(check), omittable=True) for name, check in EVENT.items()),
        *(Property(name, nullable(check), omittable=True, immutable=True) for name, check in IMMUTABLE.items()),
    ],
    dynamic=other,
    default=ALWAYS,
)
