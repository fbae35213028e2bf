"""BusyPeriods: merged, split, and read from free/busy data (draft-ietf-jmap-calendars-29 §2.2; pure)."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, Final, NamedTuple

from adapters.formats.content_lines import ContentLineError, parse
from adapters.formats.values import from_datetime, parse_duration, read_utc, to_datetime

_ORDER: Final = ("tentative", "unavailable", "confirmed")
"""The stronger status is the later one (-29 §2.2)."""

_BY_TYPE: Final = {"BUSY": "confirmed", "BUSY-TENTATIVE": "tentative", "BUSY-UNAVAILABLE": "unavailable"}
"""FBTYPE (RFC 5545 §3.2.9); BUSY is what is scheduled and not tentative."""


class Busy(NamedTuple):
    """A stretch of naive UTC [start, end) with its busyStatus."""

    start: datetime
    end: datetime
    status: str


def merged(periods: Iterable[Busy]) -> list[Busy]:
    """The same time without overlaps: the stronger status wins, neighbours of one status are one."""
    wanted = [period for period in periods if period.start < period.end]
    moments = sorted({moment for period in wanted for moment in (period.start, period.end)})
    opening: dict[datetime, list[str]] = {}
    closing: dict[datetime, list[str]] = {}
    for period in wanted:
        opening.setdefault(period.start, []).append(period.status)
        closing.setdefault(period.end, []).append(period.status)
    running = dict.fromkeys(_ORDER, 0)
    found: list[Busy] = []
    for moment, following in pairwise(moments):
        for status in opening.get(moment, ()):
            running[status] += 1
        for status in closing.get(moment, ()):
            running[status] -= 1
        strongest = next((status for status in reversed(_ORDER) if running[status]), None)
        if strongest is None:
            continue
        if found and found[-1].end == moment and found[-1].status == strongest:
            found[-1] = found[-1]._replace(end=following)
        else:
            found.append(Busy(moment, following, strongest))
    return found


def overlap(one: Busy, other: Busy) -> bool:
    """Whether two stretches have time in common."""
    return one.start < other.end and other.start < one.end


def read_free_busy(data: bytes, start: datetime, end: datetime) -> list[Busy]:
    """The busy times of a VFREEBUSY within [start, end). Raises ValueError for what is none."""
    try:
        calendars = parse(data).components
    except ContentLineError as error:
        raise ValueError("not iCalendar") from error
    components = [child for calendar in calendars for child in calendar.components if child.name == "VFREEBUSY"]
    if not components:
        raise ValueError("no VFREEBUSY")
    lines = [line for component in components for line in component.properties if line.name == "FREEBUSY"]
    found = []
    for line in lines:
        kind = (line.parameter("FBTYPE") or "BUSY").upper()
        if kind != "FREE":
            status = _BY_TYPE.get(kind, "unavailable")
            found += [Busy(max(low, start), min(high, end), status) for low, high in _periods(line.value)]
    return [period for period in found if period.start < period.end]


def shown(period: Busy) -> dict[str, Any]:
    """A BusyPeriod without an event."""
    return {
        "utcStart": from_datetime(period.start) + "Z",
        "utcEnd": from_datetime(period.end) + "Z",
        "busyStatus": period.status,
        "event": None,
        "accountId": None,
    }


def _periods(value: str) -> Iterator[tuple[datetime, datetime]]:
    """RFC 5545 §3.3.9, in UTC: start/end or start/duration."""
    for text in value.split(","):
        first, _, second = text.strip().partition("/")
        low = _utc(first)
        if second.lstrip("+").startswith("P"):
            span = parse_duration(second)
            yield low, low + timedelta(days=span.days, seconds=span.seconds)
        else:
            yield low, _utc(second)


def _utc(raw: str) -> datetime:
    return to_datetime(read_utc(raw).removesuffix("Z"))
