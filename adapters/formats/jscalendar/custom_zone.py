"""Custom time zones: the offsets that a VTIMEZONE defines (RFC 5545 §3.6.5)."""

from bisect import bisect_right
from dataclasses import dataclass
from datetime import datetime, timedelta

from adapters.formats.content_lines import Component, ContentLine
from adapters.formats.jscalendar.complete_rule import UnsupportedRule
from adapters.formats.jscalendar.recurrence import read_rule
from adapters.formats.jscalendar.recurrence_set import recurrence_set
from adapters.formats.values import read_stamp, split_raw, to_datetime

_HINT_PROPERTIES = frozenset({"X-LIC-LOCATION", "TZID-ALIAS-OF", "TZID", "X-TZINFO"})


@dataclass(frozen=True, slots=True)
class _Observance:
    """A STANDARD or DAYLIGHT part: local onsets (bounded by rule), offset before and after."""

    start: datetime
    before: timedelta
    after: timedelta
    rule: ContentLine | None
    dates: tuple[datetime, ...]


class CustomZone:
    """A VTIMEZONE as a function of time. Instances are compared by identity: one per definition text."""

    def __init__(self, observances: list[_Observance], hints: tuple[str, ...]) -> None:
        self._observances = observances
        self.hints = hints
        self._changes: dict[tuple[int, int], list[tuple[datetime, timedelta, timedelta]]] = {}

    def offset(self, instant: datetime) -> timedelta:
        """Offset from UTC at a naive UTC instant."""
        table = self._table(instant.year - 1, instant.year + 1)
        index = bisect_right(table, instant, key=lambda change: change[0])
        return table[index - 1][2] if index else self._first_offset(instant)

    def changes(self, first_year: int, last_year: int) -> list[datetime]:
        """The naive UTC instants at which the offset changes within the years given."""
        return [change[0] for change in self._table(first_year, last_year) if first_year <= change[0].year <= last_year]

    def to_utc(self, local: datetime) -> datetime:
        """Naive local to naive UTC; in a gap or overlap the offset before it counts (jscalendarbis §1.5.5)."""
        offset = self._first_offset(local)
        for instant, before, after in self._table(local.year - 1, local.year + 1):
            if local < instant + max(before, after):
                break
            offset = after
        else:
            return local - offset
        return local - offset

    def from_utc(self, instant: datetime) -> datetime:
        """Naive UTC to naive local."""
        return instant + self.offset(instant)

    def _first_offset(self, around: datetime) -> timedelta:
        """Before every onset in reach: the latest observance that began, else the offset before the first one."""
        begun = [o for o in self._observances if o.start <= around]
        if begun:
            return max(begun, key=lambda o: o.start).after
        return min(self._observances, key=lambda o: o.start).before

    def _table(self, first_year: int, last_year: int) -> list[tuple[datetime, timedelta, timedelta]]:
        key = (first_year, last_year)
        if key not in self._changes:
            if len(self._changes) > 64:
                self._changes.clear()
            after = datetime(max(first_year - 1, 1), 1, 1)  # noqa: DTZ001 - local times
            before = datetime(min(last_year + 2, 9999), 1, 1)  # noqa: DTZ001 - local time
            found = [
                (onset - o.before, o.before, o.after) for o in self._observances for onset in _onsets(o, after, before)
            ]
            self._changes[key] = sorted(found, key=lambda change: change[0])
        return self._changes[key]


def _onsets(observance: _Observance, after: datetime, before: datetime) -> list[datetime]:
    onsets = {observance.start, *observance.dates}
    if observance.rule is not None:
        try:
            # UNTIL is in UTC here (RFC 5545 §3.6.5): move it to the local time that the onsets are in
            rule = read_rule(observance.rule.value, lambda utc: utc + observance.before)
            onsets.update(recurrence_set(rule, observance.start, after, before, limit=1000))
        except (ValueError, UnsupportedRule):
            pass
    return [onset for onset in onsets if after <= onset < before]


_zones: dict[int, tuple[Component, CustomZone | None]] = {}


def custom_zone(definition: Component) -> CustomZone | None:
    """The zone of a VTIMEZONE, or None where it defines no usable observance. One instance per component."""
    known = _zones.get(id(definition))
    if known is not None and known[0] is definition:
        return known[1]
    if len(_zones) > 256:
        _zones.clear()
    observances = [o for child in definition.components if (o := _observance(child)) is not None]
    hints = tuple(line.value for line in definition.properties if line.name in _HINT_PROPERTIES)
    zone = CustomZone(observances, hints) if observances else None
    _zones[id(definition)] = (definition, zone)
    return zone


def _observance(component: Component) -> _Observance | None:
    try:
        start = to_datetime(read_stamp(component.value("DTSTART") or "").local)
        before = read_offset(component.value("TZOFFSETFROM") or component.value("TZOFFSETTO") or "")
        after = read_offset(component.value("TZOFFSETTO") or "")
        dates = tuple(
            to_datetime(read_stamp(raw).local)
            for line in component.properties
            if line.name == "RDATE"
            for raw in split_raw(line.value)
        )
    except ValueError:
        return None
    return _Observance(start, before, after, component.first("RRULE"), dates)


def read_offset(raw: str) -> timedelta:
    """UTC-OFFSET (RFC 5545 §3.3.14); raises `ValueError`."""
    text = raw.strip()
    digits = text.lstrip("+-")
    if len(digits) not in {4, 6} or not digits.isdigit():
        raise ValueError(f"{raw!r} is no offset")
    seconds = int(digits[:2]) * 3600 + int(digits[2:4]) * 60 + int(digits[4:] or 0)
    if seconds >= 86400:
        raise ValueError(f"{raw!r} is no offset")
    return timedelta(seconds=-seconds if text.startswith("-") else seconds)
