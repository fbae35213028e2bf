"""VTIMEZONE components of IANA time zones (RFC 5545 §3.6.5), for those who do not know the names.

Daylight saving time is written as the yearly rule that holds around a year, from 1970 on; a zone without such a rule
gets the changes of some decades one by one. Readers that know the name don't need either.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from adapters.formats.content_line_writer import serialize
from adapters.formats.content_lines import Component, ContentLine, parse
from adapters.formats.jscalendar.recurrence import DAYS
from adapters.formats.jscalendar.timezones import UTC_NAME, is_iana
from adapters.formats.values import from_datetime, write_local

_LISTED = range(2000, 2038)
_SAME_RULE = 4  # consecutive years in which a rule must hold to be one


class _Change(NamedTuple):
    """A change of offset: local time before it, offsets, the new abbreviation, whether it begins daylight saving."""

    at: datetime
    before: timedelta
    after: timedelta
    name: str
    is_daylight: bool

    def rule(self) -> tuple[int, int, int, int, timedelta]:
        """What makes it the same change of another year: month, weekday, week of the month (5: last), time."""
        last = (self.at + timedelta(days=7)).month != self.at.month
        week = 5 if last else (self.at.day - 1) // 7 + 1
        return self.at.month, self.at.weekday(), week, self.at.hour * 3600 + self.at.minute * 60, self.after


def time_zone_text(name: str, year: int = 2026) -> str:
    """An iCalendar object with the VTIMEZONE alone (RFC 4791 §5.2.2)."""
    lines = [ContentLine("VERSION", {}, "2.0"), ContentLine("PRODID", {}, "-//jmap-gateway//time zones//EN")]
    return serialize(Component("VCALENDAR", lines, [vtimezone(name, year)]))


def with_time_zones(text: str) -> str:
    """iCalendar text with a VTIMEZONE for every IANA name that a TZID parameter uses without one."""
    if "TZID=" not in text:
        return text
    (calendar,) = parse(text).components
    defined = {child.value("TZID") for child in calendar.components if child.name == "VTIMEZONE"}
    used = sorted(set(_tzids(calendar)) - defined)
    missing = [vtimezone(name) for name in used if is_iana(name) and name != UTC_NAME]
    if not missing:
        return text
    return serialize(Component(calendar.name, calendar.properties, [*missing, *calendar.components]))


def _tzids(component: Component) -> Iterator[str]:
    for line in component.properties:
        if (tzid := line.parameter("TZID")) is not None:
            yield tzid
    for child in component.components:
        yield from _tzids(child)


@lru_cache(maxsize=128)
def vtimezone(name: str, year: int = 2026) -> Component:
    """The component of an IANA name, with the rules that hold from `year` on. Raises ValueError for another name."""
    if not is_iana(name):
        raise ValueError(f"{name!r} is no IANA time zone")
    zone = ZoneInfo(name)
    years = [_changes(zone, y) for y in range(year, year + _SAME_RULE)]
    first = years[0]
    if not any(years):
        parts = [_fixed(zone, year)]
    elif all([c.rule() for c in other] == [c.rule() for c in first] for other in years):
        parts = [_yearly(change) for change in first]
    else:
        listed = [change for y in _LISTED for change in _changes(zone, y)]
        parts = [_fixed(zone, _LISTED.start), *(_once(change) for change in listed)]
    return Component("VTIMEZONE", [ContentLine("TZID", {}, name)], parts)


def _changes(zone: ZoneInfo, year: int) -> list[_Change]:
    start = datetime(year, 1, 1, tzinfo=UTC)
    found = []
    for day in range(366):
        low, high = start + timedelta(days=day), start + timedelta(days=day + 1)
        if _offset(zone, low) != _offset(zone, high) and low.year == year:
            found.append(_change(zone, low, high))
    return found


def _change(zone: ZoneInfo, low: datetime, high: datetime) -> _Change:
    before = _offset(zone, low)
    while high - low > timedelta(seconds=1):
        middle = low + (high - low) // 2
        middle = middle.replace(microsecond=0)
        if _offset(zone, middle) == before:
            low = middle
        else:
            high = middle
    local = high.astimezone(zone)
    at = high.replace(tzinfo=None) + before
    return _Change(at, before, _offset(zone, high), local.tzname() or "", bool(local.dst()))


def _offset(zone: ZoneInfo, moment: datetime) -> timedelta:
    return moment.astimezone(zone).utcoffset() or timedelta(0)


def _fixed(zone: ZoneInfo, year: int) -> Component:
    local = datetime(year, 1, 1, tzinfo=UTC).astimezone(zone)
    offset = local.utcoffset() or timedelta(0)
    return _observance("STANDARD", datetime(1970, 1, 1), offset, offset, local.tzname() or "")  # noqa: DTZ001 - local


def _yearly(change: _Change) -> Component:
    month, weekday, week, _, _ = change.rule()
    day = f"{-1 if week == 5 else week}{DAYS[weekday].upper()}"
    part = _part(change, _nth(month, weekday, week, change.at))
    part.properties.append(ContentLine("RRULE", {}, f"FREQ=YEARLY;BYMONTH={month};BYDAY={day}"))
    return part


def _nth(month: int, weekday: int, week: int, at: datetime) -> datetime:
    """The same change in 1970."""
    days = [datetime(1970, month, 1) + timedelta(days=n) for n in range(31)]  # noqa: DTZ001 - local time
    fitting = [day for day in days if day.month == month and day.weekday() == weekday]
    return (fitting[-1] if week == 5 else fitting[week - 1]).replace(hour=at.hour, minute=at.minute)


def _once(change: _Change) -> Component:
    return _part(change, change.at)


def _part(change: _Change, at: datetime) -> Component:
    name = "DAYLIGHT" if change.is_daylight else "STANDARD"
    return _observance(name, at, change.before, change.after, change.name)


def _observance(name: str, at: datetime, before: timedelta, after: timedelta, label: str) -> Component:
    return Component(
        name,
        [
            ContentLine("DTSTART", {}, write_local(from_datetime(at))),
            ContentLine("TZOFFSETFROM", {}, _utc_offset(before)),
            ContentLine("TZOFFSETTO", {}, _utc_offset(after)),
            ContentLine("TZNAME", {}, label),
        ],
    )


def _utc_offset(offset: timedelta) -> str:
    total = int(offset.total_seconds())
    sign, rest = ("-" if total < 0 else "+"), abs(total)
    seconds = f"{rest % 60:02d}" if rest % 60 else ""
    return f"{sign}{rest // 3600:02d}{rest % 3600 // 60:02d}{seconds}"
