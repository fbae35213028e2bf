"""What a CalendarEvent must be as a whole, and what the server completes (draft-ietf-jmap-calendars-29 §5.9)."""

import uuid
from collections.abc import Collection, Iterable, Mapping
from datetime import timedelta
from typing import Any, Final

from adapters.formats.jscalendar.complete_rule import UnsupportedRule
from adapters.formats.jscalendar.expand import instance_patch
from adapters.formats.jscalendar.recurrence import GREGORIAN, needs_scale, without_default_scale
from adapters.formats.jscalendar.series import override_object, without_series
from adapters.formats.jscalendar.timezones import UTC_NAME, from_utc, to_utc
from adapters.formats.pointer import InvalidPatch, tokens
from adapters.formats.values import Span, format_duration, from_datetime, to_datetime
from gateway.jmap.errors import SetError
from gateway.objects.calendars.addresses import Addresses
from gateway.objects.calendars.event_properties import BASE_ONLY, COMPUTED, PROPERTIES
from gateway.sync.calendars.entries import now_text
from gateway.sync.calendars.personal import PER_USER

Values = dict[str, Any]

_IN_BASE: Final = BASE_ONLY | {*COMPUTED, "calendarIds", "id", "baseEventId", "isOrigin", "method", "version"}
"""What must not stand in recurrenceOverrides (-29 §5, §5.1, §5.9)."""


def invalid(description: str, *properties: str) -> SetError:
    """invalidProperties."""
    return SetError("invalidProperties", description, list(properties))


def take_utc(values: Values, zone: str | None, calendar_zone: str | None) -> None:
    """Turn utcStart and utcEnd into start, timeZone and duration in place. Raises SetError (-29 §5, §5.9).

    zone: of the event. calendar_zone: of all of its calendars, if they agree.
    """
    begin, end = values.pop("utcStart", None), values.pop("utcEnd", None)
    if begin is not None:
        if "start" in values:
            raise invalid("utcStart and start exclude each other", "utcStart", "start")
        if zone is None:
            zone = values["timeZone"] = calendar_zone or UTC_NAME
        values["start"] = from_datetime(from_utc(to_datetime(begin[:-1]), zone))
    if end is not None:
        if "duration" in values:
            raise invalid("utcEnd and duration exclude each other", "utcEnd", "duration")
        if "start" not in values:
            raise invalid("utcEnd needs a start", "utcEnd")
        first = to_utc(to_datetime(values["start"]), zone or calendar_zone or UTC_NAME)
        length = to_datetime(end[:-1]) - first
        if length < timedelta(0):
            raise invalid("the event would end before it starts", "utcEnd")
        values["duration"] = format_duration(Span(0, int(length.total_seconds())))


def completed(values: Mapping[str, Any], own: Addresses) -> Values:
    """A new event with what the server sets (-29 §5.9)."""
    now = now_text()
    event = {"@type": "Event", "uid": str(uuid.uuid4()), "created": now, **values}
    with_organizer(event, own)
    if own.is_origin(event):
        event["updated"] = now
        event["created"] = min(event["created"], now)
    return event


def with_organizer(event: Values, own: Addresses) -> None:
    """Name the organizer of an event with participants, where nobody did (-29 §5.9)."""
    people = [person for person in (event.get("participants") or {}).values() if "calendarAddress" in person]
    if not people or event.get("organizerCalendarAddress") is not None:
        return
    owners = [person["calendarAddress"] for person in people if "owner" in (person.get("roles") or {})]
    address = next((owner for owner in owners if own.has(owner)), own.preferred) or next(iter(owners), None)
    if address is None:
        raise invalid("the user's calendar address is not known", "organizerCalendarAddress")
    event["organizerCalendarAddress"] = address


def revised(event: Values, before: Mapping[str, Any], own: Addresses, *, essential: bool) -> None:
    """Set `updated` and `sequence` of a changed event (-29 §5.9). essential: other than per-user properties changed."""
    if not own.is_origin(event):
        return
    event["updated"] = now_text()
    if essential and event.get("sequence", 0) <= before.get("sequence", 0):
        event["sequence"] = before.get("sequence", 0) + 1


def is_essential(path: tuple[str, ...], value: Any) -> bool:
    """Whether a change is of more than per-user properties and `updated` (-29 §5.4, §5.9)."""
    if path[0] == "recurrenceOverrides" and len(path) > 2:
        return tokens(path[2])[0] not in PER_USER
    if path[0] == "recurrenceOverrides" and isinstance(value, dict) and value:
        return any(tokens(pointer)[0] not in PER_USER for pointer in value)
    return path[0] not in {*PER_USER, "updated", "isDraft"}


def check(event: Mapping[str, Any]) -> None:
    """Raises SetError for what no property by itself tells (jscalendarbis §3, §4)."""
    if "start" not in event:
        raise invalid("is missing", "start")
    if "endTimeZone" in event and "timeZone" not in event:
        raise invalid("needs a timeZone", "endTimeZone")
    if "recurrenceId" in event and (event.keys() & {"recurrenceRule", "recurrenceOverrides"}):
        raise invalid("an instance does not recur", "recurrenceId")
    if "recurrenceIdTimeZone" in event and "recurrenceId" not in event:
        raise invalid("needs a recurrenceId", "recurrenceIdTimeZone")
    main = event.get("mainLocationId")
    if main is not None and "name" not in (event.get("locations") or {}).get(main, {}):
        raise invalid("must be the key of a location with a name", "mainLocationId")
    addresses = [person for person in (event.get("participants") or {}).values() if "calendarAddress" in person]
    if "organizerCalendarAddress" in event and not addresses:
        raise invalid("needs a participant with a calendarAddress", "organizerCalendarAddress")
    if "sentBy" in event and "organizerCalendarAddress" not in event:
        raise invalid("needs an organizerCalendarAddress", "sentBy")


def check_overrides(event: Mapping[str, Any], keys: Iterable[str]) -> None:
    """Raises SetError where an override does not make a valid instance (jscalendarbis §1.5.9, §3.3.4)."""
    bare = without_series(dict(event))
    for key in keys:
        patch = (event.get("recurrenceOverrides") or {}).get(key)
        if patch is None or patch == {"excluded": True}:
            continue
        where = f"recurrenceOverrides/{key}"
        try:
            if bad := {tokens(pointer)[0] for pointer in patch} & _IN_BASE:
                raise invalid(f"{', '.join(sorted(bad))} cannot be overridden", where)
            instance = override_object(bare, key, patch)
        except (InvalidPatch, ValueError, TypeError) as error:
            raise invalid(f"is no valid PatchObject: {error}"[:200], where) from error
        named = {tokens(pointer)[0] for pointer in patch}
        try:
            PROPERTIES.check({name: instance[name] for name in named & instance.keys()})
            check(instance)
        except SetError as error:
            raise invalid(error.description or "is not valid", where) from error


def fit_scale(event: Values, before: Mapping[str, Any], scales: Collection[str] | None) -> None:
    """Have a new rule name its calendar system only where the server takes that (RFC 7529 §10). Raises SetError."""
    rule = event.get("recurrenceRule")
    if rule is None or rule == before.get("recurrenceRule"):
        return
    if scales is None:
        rule = event["recurrenceRule"] = without_default_scale(rule)
    if not needs_scale(rule):
        return
    if scales is None or (scales and rule.get("rscale", GREGORIAN).upper() not in scales):
        raise invalid("the server behind this gateway takes no rules with this rscale, or skip", "recurrenceRule")


def is_instance(event: Mapping[str, Any], key: str) -> bool:
    """Whether the recurrence rule alone makes an occurrence."""
    plain = {name: value for name, value in event.items() if name != "recurrenceOverrides"}
    if "recurrenceRule" not in plain:
        return key == event.get("start")
    try:
        return instance_patch(plain, key) is not None
    except UnsupportedRule:
        return True
