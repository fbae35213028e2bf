"""From stored iCalendar to what the index keeps of it: each event as JSON, with what queries need to pass it over."""

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import orjson

from adapters.formats.jscalendar.read import read_stream
from adapters.formats.jscalendar.times import add_duration
from adapters.formats.jscalendar.timezones import UTC_NAME, to_utc
from adapters.formats.values import parse_duration, to_datetime
from gateway.sync.memory import compact_json

_log: Final = logging.getLogger(__name__)

_FLOATING: Final = 14 * 3600.0
"""Seconds that a floating time may lie from the same time in UTC."""
_SPREAD: Final = 27 * 3600.0
"""Seconds by which the local times of a rule may be off, daylight saving time included."""
_GROUPS: Final = frozenset({"method", "version"})  # draft-ietf-jmap-calendars-29 §5: no method; in no Group: no version


@dataclass(frozen=True, slots=True)
class Entry:
    """One event of a resource.

    json: the JSCalendar Event. rank: grows with the revision (SEQUENCE, then `updated`).
    first, last: seconds since 1970 (UTC) that bound all occurrences; `last` is inf for a rule that may go on for ever.
    recurs: whether there may be more than one occurrence.
    """

    uid: str
    recurrence_id: str | None
    rank: tuple[int, str]
    first: float
    last: float
    recurs: bool
    json: bytes

    @property
    def overridden(self) -> bool:
        """Whether some of its instances may have overrides."""
        return b'"recurrenceOverrides"' in self.json

    def event(self) -> dict[str, Any]:
        """The JSCalendar Event, to be changed freely."""
        event: dict[str, Any] = orjson.loads(self.json)
        return event


def read_entries(data: bytes) -> tuple[Entry, ...]:
    """The events of a stored resource; none where it holds none, or cannot be read."""
    try:
        groups = read_stream(data).groups
        events = [entry for group in groups for entry in group["entries"] if entry["@type"] == "Event"]
        return tuple(entry_of(event) for event in events if "start" in event)
    except (ValueError, KeyError, TypeError, RecursionError, OverflowError) as error:
        _log.warning("a calendar resource cannot be read and is left out: %s", type(error).__name__)
        return ()


def entry_of(event: Mapping[str, Any]) -> Entry:
    """The Entry of a JSCalendar Event. Raises ValueError for one that is not valid."""
    kept = {name: value for name, value in event.items() if name not in _GROUPS}
    first, last = bounds(kept)
    return Entry(
        uid=kept["uid"],
        recurrence_id=kept.get("recurrenceId"),
        rank=(kept.get("sequence", 0), kept.get("updated", "")),
        first=first,
        last=last,
        recurs="recurrenceRule" in kept or "recurrenceOverrides" in kept,
        json=compact_json(kept),
    )


def bounds(event: Mapping[str, Any]) -> tuple[float, float]:
    """Seconds since 1970 (UTC) between which all occurrences lie; generous for floating and recurring events."""
    zone = event.get("timeZone")
    start = to_datetime(event["start"])
    first = seconds(_utc(start, zone))
    last = first + _length(event, start, zone)
    overrides = event.get("recurrenceOverrides") or {}
    rule = event.get("recurrenceRule")
    if rule is not None:
        until = rule.get("until")
        last = math.inf if until is None else max(last, seconds(to_datetime(until)) + (last - first) + _SPREAD)
    for key, patch in overrides.items():
        if patch.get("excluded") is not True:
            low, high = _override_bounds(event, key, patch)
            first, last = min(first, low), max(last, high)
    return (first, last) if zone is not None else (first - _FLOATING, last + _FLOATING)


def _override_bounds(event: Mapping[str, Any], key: str, patch: Mapping[str, Any]) -> tuple[float, float]:
    merged = {name: patch.get(name, event.get(name)) for name in ("timeZone", "duration", "start")}
    start = to_datetime(patch.get("start") or key)
    low = seconds(_utc(start, merged["timeZone"]))
    return low, low + _length(merged, start, merged["timeZone"])


def _length(event: Mapping[str, Any], start: datetime, zone: str | None) -> float:
    span = parse_duration(event.get("duration") or "PT0S")
    if span.days == 0:  # exact time, whatever the clocks say
        return max(0.0, span.seconds)
    end = add_duration(start, span, zone or UTC_NAME)
    return max(0.0, (_utc(end, zone) - _utc(start, zone)).total_seconds())


def _utc(local: datetime, zone: str | None) -> datetime:
    return local if zone is None else to_utc(local, zone)


_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - naive UTC, as the formats have it


def seconds(moment: datetime) -> float:
    """Naive UTC as seconds since 1970, also of years that the platform's clock does not know."""
    return (moment - _EPOCH) / timedelta(seconds=1)


def now_text() -> str:
    """The present as UTCDateTime (jscalendarbis §1.5.4)."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
