"""Occurrences of an event or task within a window (jscalendarbis §3.3), bounded and correct in time zones."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from adapters.formats.jscalendar.recurrence_set import ExpansionLimit, recurrence_set
from adapters.formats.jscalendar.times import add_duration
from adapters.formats.jscalendar.timezones import UTC_NAME, to_utc
from adapters.formats.values import JsonObject, from_datetime, parse_duration, to_datetime

_ZONE_SPREAD = timedelta(hours=27)  # local times lie at most so far from UTC, daylight saving time included
_OVERLAP_LIMIT = 10_000  # occurrences that are looked at around a window before one is found in it
_TIMING = frozenset({"start", "due", "timeZone", "duration"})


class Occurrence(NamedTuple):
    """One occurrence: its recurrence id (None if the object does not recur), naive UTC start and end."""

    recurrence_id: str | None
    start: datetime
    end: datetime


def occurrences(
    js: JsonObject, after: datetime, before: datetime, *, limit: int = 1000, floating_zone: str = UTC_NAME
) -> list[Occurrence]:
    """The occurrences that overlap [after, before) (naive UTC), in order of their start.

    Floating times are taken in `floating_zone`. Raises `ExpansionLimit` beyond `limit` occurrences or too much work,
    `UnsupportedRule` for a rule in another calendar system, `ValueError` for an object that is not valid.
    """
    anchor = js.get("start") or js.get("due")
    if anchor is None:
        return []
    found: list[Occurrence] = []
    for key, patch in _instances(js, anchor, after, before, limit=limit):
        occurrence = occurrence_at(js, key, patch, floating_zone)
        if _overlaps(occurrence, after, before):
            found.append(occurrence)
            if len(found) > limit:
                raise ExpansionLimit(f"more than {limit} occurrences")
    found.sort(key=lambda occurrence: (occurrence.start, occurrence.recurrence_id or ""))
    return found


def instance_patch(js: JsonObject, recurrence_id: str) -> JsonObject | None:
    """The override of one occurrence, empty where it has none; None if there is no such occurrence.

    Raises as `occurrences`.
    """
    patch = (js.get("recurrenceOverrides") or {}).get(recurrence_id)
    if patch is not None:
        return None if patch.get("excluded") is True else patch
    moment = to_datetime(recurrence_id)
    rule, anchor = js.get("recurrenceRule"), js.get("start") or js.get("due")
    if anchor == recurrence_id:
        return {}
    if anchor is None or rule is None:
        return None
    found = recurrence_set(rule, to_datetime(anchor), moment, moment + timedelta(seconds=1), limit=2)
    return {} if moment in found else None


def overlaps(js: JsonObject, after: datetime, before: datetime, *, floating_zone: str = UTC_NAME) -> bool:
    """Whether any occurrence overlaps [after, before) (naive UTC), stopping at the first. Raises as `occurrences`."""
    anchor = js.get("start") or js.get("due")
    if anchor is None:
        return False
    found = (
        occurrence_at(js, key, patch, floating_zone)
        for key, patch in _instances(js, anchor, after, before, limit=_OVERLAP_LIMIT)
    )
    return any(_overlaps(occurrence, after, before) for occurrence in found)


def _overlaps(occurrence: Occurrence, after: datetime, before: datetime) -> bool:
    """An occurrence without length belongs to the window that it starts in."""
    return occurrence.start < before and (occurrence.end > after or occurrence.start >= after)


def _instances(
    js: JsonObject, anchor: str, after: datetime, before: datetime, *, limit: int
) -> Iterator[tuple[str | None, JsonObject]]:
    """Recurrence ids that may lie in the window, with their patches; None: the object itself."""
    rule, overrides = js.get("recurrenceRule"), js.get("recurrenceOverrides") or {}
    if rule is None and not overrides:
        yield js.get("recurrenceId"), {}
        return
    seen = set(overrides)
    for key, patch in overrides.items():
        if patch.get("excluded") is not True:
            yield key, patch
    start = to_datetime(anchor)
    if rule is None:
        if anchor not in seen:
            yield anchor, {}
        return
    first = after - _ZONE_SPREAD - length_of(js)
    margin = len(overrides)
    for moment in recurrence_set(rule, start, first, before + _ZONE_SPREAD, limit=limit + margin + 200):
        key = from_datetime(moment)
        if key not in seen:
            yield key, {}


def length_of(js: JsonObject) -> timedelta:
    """The duration, a day taken as 24 hours. Raises `ValueError`."""
    if "start" in js and "due" in js:
        return max(to_datetime(js["due"]) - to_datetime(js["start"]), timedelta(0))
    span = parse_duration(js.get("duration", "PT0S"))
    return timedelta(days=span.days, seconds=span.seconds)


def occurrence_at(js: JsonObject, key: str | None, patch: JsonObject, floating_zone: str) -> Occurrence:
    """The occurrence with this recurrence id and override, which the object is known to have. Raises `ValueError`."""
    timing = {name: value for name, value in js.items() if name in _TIMING}
    if key is not None and js.get("recurrenceId") is None:
        if "start" in timing and "due" in timing:
            timing["due"] = from_datetime(to_datetime(key) + length_of(js))
        timing["start" if "start" in timing else "due"] = key
    for name in _TIMING & patch.keys():
        if patch[name] is None:
            timing.pop(name, None)
        else:
            timing[name] = patch[name]
    zone = timing.get("timeZone") or floating_zone
    start = to_datetime(timing.get("start") or timing["due"])
    begin = to_utc(start, zone)
    return Occurrence(key, begin, max(_end(timing, zone, start, begin), begin))


def _end(timing: JsonObject, zone: str, start: datetime, begin: datetime) -> datetime:
    """End in UTC. Exact durations count from the start, also where local time stands still or runs twice."""
    if "due" in timing:
        return to_utc(to_datetime(timing["due"]), zone)
    span = parse_duration(timing.get("duration", "PT0S"))
    if span.days == 0:
        return begin + timedelta(seconds=span.seconds)
    return to_utc(add_duration(start, span, zone), zone)
