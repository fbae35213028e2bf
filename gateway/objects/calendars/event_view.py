"""A CalendarEvent as CalendarEvent/get shows it (draft-ietf-jmap-calendars-29 §5.7)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from adapters.formats.jscalendar.times import add_duration
from adapters.formats.jscalendar.timezones import UTC_NAME, to_utc
from adapters.formats.pointer import tokens
from adapters.formats.values import from_datetime, parse_duration, to_datetime
from gateway.objects.calendars.addresses import Addresses
from gateway.objects.calendars.event_properties import ALWAYS, COMPUTED, METADATA
from gateway.objects.calendars.instances import Target, synthetic_id

KEPT: Final = "iCalendar"
"""The member that holds what has no JSCalendar form: shown only where it is asked for."""
_PEOPLE: Final = "participants"
_NEVER_IN_INSTANCES: Final = ("recurrenceRule", "recurrenceOverrides")


@dataclass(frozen=True)
class View:
    """What of an event is shown. own: the addresses of the user. names: None for everything that is there.

    before, after: UTCDateTime or None. zone: what floating times mean.
    """

    own: Addresses
    names: tuple[str, ...] | None = None
    before: str | None = None
    after: str | None = None
    reduce: bool = False
    zone: str = UTC_NAME

    def show(self, target: Target) -> dict[str, Any]:
        """The CalendarEvent."""
        event = target.content()
        return self._metadata(target, event) | self.content(event, is_instance=target.recurrence_id is not None)

    def content(self, event: dict[str, Any], *, is_instance: bool = False) -> dict[str, Any]:
        """The JSCalendar properties, and those that are computed from them. `event` is used up."""
        wanted = event.keys() - {KEPT, *METADATA} if self.names is None else {*self.names} - {*METADATA}
        shown = {name: value for name, value in event.items() if name in wanted}
        if self.names is None or KEPT not in self.names:
            _hide_kept(shown)
        if "recurrenceOverrides" in shown:
            self._bound_overrides(shown, event.get("timeZone"))
        if self.reduce or (event.get("hideAttendees") is True and not self.own.owns(event)):
            _reduce(shown, event, self.own)  # -29 §5.1.3, §5.7
        for name in wanted.intersection(COMPUTED):
            shown[name] = utc_of(event, self.zone, end=name == "utcEnd")
        if is_instance:
            shown.update(dict.fromkeys(wanted.intersection(_NEVER_IN_INSTANCES)))
        return shown

    def _metadata(self, target: Target, event: Mapping[str, Any]) -> dict[str, Any]:
        recurrence_id, event_id = target.recurrence_id, target.event.id
        everything = {
            "id": event_id if recurrence_id is None else synthetic_id(event_id, recurrence_id),
            "baseEventId": None if recurrence_id is None else event_id,
            "calendarIds": dict.fromkeys(sorted(target.event.calendar_ids), True),
            "isDraft": event.get("isDraft") is True,
            "isOrigin": self.own.is_origin(event),
        }
        names = self.names
        if names is None:
            names = ALWAYS if recurrence_id is None else (*ALWAYS, "baseEventId")
        return {name: value for name, value in everything.items() if name in names}

    def _bound_overrides(self, shown: dict[str, Any], zone: str | None) -> None:
        """Only overrides of the asked stretch (-29 §5.7)."""
        if self.before is None and self.after is None:
            return
        kept = {}
        for key, patch in shown["recurrenceOverrides"].items():
            moment = from_datetime(to_utc(to_datetime(key), zone or self.zone)) + "Z"
            if (self.before is None or moment < self.before) and (self.after is None or moment >= self.after):
                kept[key] = patch
        shown["recurrenceOverrides"] = kept


def utc_of(event: Mapping[str, Any], floating_zone: str, *, end: bool) -> str:
    """utcStart or utcEnd (-29 §5)."""
    zone = event.get("timeZone") or floating_zone
    start = to_datetime(event["start"])
    if not end:
        return _utc_text(to_utc(start, zone))
    span = parse_duration(event.get("duration") or "PT0S")
    if span.days == 0:  # exact time counts from the instant of the start
        return _utc_text(to_utc(start, zone) + timedelta(seconds=span.seconds))
    return _utc_text(to_utc(add_duration(start, span, zone), zone))


def _utc_text(moment: datetime) -> str:
    return from_datetime(moment) + "Z"


def _hide_kept(shown: dict[str, Any]) -> None:
    """Leave the member out of parts and overrides too."""
    for value in shown.values():
        for part in value.values() if isinstance(value, dict) else ():
            if isinstance(part, dict):
                part.pop(KEPT, None)
    for patch in (shown.get("recurrenceOverrides") or {}).values():
        for pointer in [pointer for pointer in patch if KEPT in pointer and KEPT in tokens(pointer)]:
            del patch[pointer]
        for value in patch.values():
            _hide_in(value)


def _hide_in(value: Any) -> None:
    if isinstance(value, dict):
        value.pop(KEPT, None)
        for part in value.values():
            if isinstance(part, dict):
                part.pop(KEPT, None)


def _reduce(shown: dict[str, Any], event: Mapping[str, Any], own: Addresses) -> None:
    """Leave only owners and the user among the participants, also in overrides."""
    people = event.get(_PEOPLE) or {}
    kept = {key for key, person in people.items() if own.may_see(person)}
    if _PEOPLE in shown:
        shown[_PEOPLE] = {key: value for key, value in shown[_PEOPLE].items() if key in kept}
    for patch in (shown.get("recurrenceOverrides") or {}).values():
        for pointer in list(patch):
            first, *rest = tokens(pointer)
            if first != _PEOPLE:
                continue
            if not rest:
                patch[pointer] = {key: value for key, value in (patch[pointer] or {}).items() if own.may_see(value)}
            elif rest[0] not in kept and not (len(rest) == 1 and own.may_see(patch[pointer])):
                del patch[pointer]
