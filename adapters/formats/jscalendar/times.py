"""Start, end, due, duration and recurrence id, read (draft-ietf-calext-jscalendar-icalendar-25 §2.1.4, §2.1.5)."""

from datetime import datetime, timedelta
from typing import NamedTuple

from adapters.formats import values as v
from adapters.formats.content_lines import ContentLine
from adapters.formats.jscalendar.state import Reading
from adapters.formats.jscalendar.timezones import UTC_NAME, from_utc, to_utc
from adapters.formats.values import JsonObject, Span

DURATION_PARAMETER = "x-jmap-gateway-duration"  # in convertedProperties: the DURATION as it came
_TIME_PARAMETERS = frozenset({"VALUE", "TZID"})


class Time(NamedTuple):
    """A DATE or DATE-TIME value in its time zone; `tzid` is the TZID where it is not the zone's IANA name."""

    local: str
    zone: str | None
    is_date: bool
    tzid: str | None = None


def read_time(r: Reading, line: ContentLine, raw: str | None = None) -> Time:
    """The time of a property (or of one member of its list). Raises `ValueError` for no date or time.

    A TZID that nobody knows, without a usable VTIMEZONE, leaves local time without a zone, and a note.
    """
    stamp = v.read_stamp(line.value if raw is None else raw)
    if stamp.is_date:
        return Time(stamp.local, None, is_date=True)
    if stamp.is_utc:
        return Time(stamp.local, UTC_NAME, is_date=False)
    tzid = line.parameter("TZID")
    if not tzid:
        return Time(stamp.local, None, is_date=False)
    zone = r.zones.resolve(tzid, stamp.local)
    if zone.name is not None:
        if not zone.exact:
            r.note(f"time zone {tzid!r} has no exact IANA equivalent: {zone.name} taken")
        return Time(stamp.local, zone.name, is_date=False, tzid=None if zone.name == tzid else tzid)
    if zone.own is not None:
        r.note(f"time zone {tzid!r} has no IANA equivalent: converted to UTC")
        return Time(v.from_datetime(zone.own.to_utc(v.to_datetime(stamp.local))), UTC_NAME, is_date=False, tzid=tzid)
    r.note(f"time zone {tzid!r} is unknown: local time kept without a zone")
    return Time(stamp.local, None, is_date=False, tzid=tzid)


def local_in(time: Time, zone: str | None) -> str:
    """The local time in another zone; floating times and dates stay as they are."""
    if zone is None or time.zone is None or time.zone == zone:
        return time.local
    return v.from_datetime(from_utc(to_utc(v.to_datetime(time.local), time.zone), zone))


def mark_time(r: Reading, path: str, line: ContentLine, time: Time, *, value_type: str | None = None) -> None:
    """Record the original TZID and unknown parameters of a time property."""
    used = _TIME_PARAMETERS if time.tzid is None else frozenset({"VALUE"})
    r.mark(path, line, used, value_type=value_type)


def read_start(r: Reading) -> Time | None:
    """DTSTART to start, timeZone and showWithoutTime."""
    line = r.take_first("DTSTART")
    if line is None:
        return None
    try:
        time = read_time(r, line)
    except ValueError:
        r.note(f"DTSTART {line.value!r} is no date or time")
        r.kept.append(line)
        return None
    r.js["start"] = time.local
    r.dates = time.is_date
    _set_zone(r.js, time)
    if line.parameters:
        mark_time(r, "start", line, time)
    return time


def _set_zone(js: JsonObject, time: Time) -> None:
    if time.zone is not None:
        js["timeZone"] = time.zone
    if time.is_date:
        js["showWithoutTime"] = True


def read_times(r: Reading) -> None:
    """All times of an event or task, and SHOW-WITHOUT-TIME."""
    start = read_start(r)
    if r.task:
        _read_due(r, start)
    elif "DTEND" in r.lines:
        _read_end(r, start)
    _read_duration(r)
    if not r.task and start is not None and start.is_date and "duration" not in r.js:
        # RFC 5545 §3.6.1: a DATE start without an end lasts one day
        r.js["duration"] = "P1D"
        r.converted["duration"] = {"@type": "ICalProperty", "name": "dtstart"}
    _read_recurrence_id(r)
    for line in r.take("SHOW-WITHOUT-TIME"):
        if line.value.upper() == "TRUE" and ("start" in r.js or "due" in r.js):
            r.js["showWithoutTime"] = True


def _read_duration(r: Reading) -> None:
    line = r.take_first("DURATION")
    if line is None:
        return
    try:
        if "duration" in r.js:
            raise ValueError("DTEND already says it")  # noqa: TRY301 - kept like a value that does not convert
        r.js["duration"] = v.read_duration(line.value)
        r.mark("duration", line)
        span = v.parse_duration(line.value)
        if r.js.get("showWithoutTime") and "timeZone" not in r.js and span.seconds and span.seconds % 86400 == 0:
            r.js["duration"] = v.format_duration(v.Span(span.days + span.seconds // 86400, 0))  # days, said in seconds
            entry = {"@type": "ICalProperty", "name": "duration", "parameters": {DURATION_PARAMETER: line.value}}
            r.converted["duration"] = entry
    except ValueError:
        r.kept.append(line)


def _read_end(r: Reading, start: Time | None) -> None:
    """DTEND to duration and endTimeZone (§2.3.14). What has no duration is kept: an end before the start, or of
    another kind than the start."""
    line = r.take_first("DTEND")
    if line is None:
        return
    try:
        end = read_time(r, line)
        if start is None:
            raise ValueError("no start")  # noqa: TRY301 - the same
        floating = end.zone is None and not end.is_date and start.zone is not None
        if floating:
            end = end._replace(zone=start.zone)  # a forgotten TZID
        if (end.zone is None) != (start.zone is None) or (start.is_date and not end.is_date):
            raise ValueError("start and end are of different kinds")  # noqa: TRY301 - the same
        r.js["duration"] = _duration_between(start, end, nominal="RRULE" not in r.lines and "RDATE" not in r.lines)
    except ValueError:
        r.kept.append(line)
        return
    if end.zone != start.zone:
        r.js["endTimeZone"] = end.zone
        mark_time(r, "endTimeZone", line, end)
    else:
        value_type = "date" if end.is_date and not start.is_date else ("date-time" if floating else None)
        hidden = end.tzid if end.tzid != start.tzid else None
        used = _TIME_PARAMETERS if hidden is None else frozenset({"VALUE"})
        r.mark("duration", line, used, always=True, value_type=value_type)


def _duration_between(start: Time, end: Time, *, nominal: bool) -> str:
    """The time span in UTC. Whole days stay days where they mean the same (`nominal`): RFC 5545 §3.8.5.3 gives every
    instance of a recurring event with a DTEND the same exact duration."""
    first, last = v.to_datetime(start.local), v.to_datetime(end.local)
    if start.is_date and end.is_date:
        span = Span((last - first).days, 0)
    elif start.zone is None or end.zone is None:
        span = _split(last - first, days=True)
    else:
        exact = to_utc(last, end.zone) - to_utc(first, start.zone)
        moved = from_utc(to_utc(last, end.zone), start.zone) - first
        span = _split(exact, days=nominal and exact == moved)
    if span.days < 0 or span.seconds < 0:
        raise ValueError("ends before it starts")
    return v.format_duration(span)


def _split(delta: timedelta, *, days: bool) -> Span:
    if delta < timedelta(0):
        raise ValueError("ends before it starts")
    return Span(delta.days, delta.seconds) if days else Span(0, delta.days * 86400 + delta.seconds)


def add_duration(local: datetime, span: Span, zone: str | None) -> datetime:
    """A LocalDateTime plus a duration: days first, then exact time (jscalendarbis §1.5.6)."""
    moved = local + timedelta(days=span.days)
    if zone is None or span.seconds == 0:
        return moved + timedelta(seconds=span.seconds)
    return from_utc(to_utc(moved, zone) + timedelta(seconds=span.seconds), zone)


def inherit_duration(own: JsonObject, base: JsonObject) -> None:
    """Let an override say its duration as its series does, where both mean the same end (`P1DT2H`, `PT26H`)."""
    ends = []
    for js in (own, base):
        if own.get("start") is None or js.get("duration") is None:
            return
        ends.append(add_duration(v.to_datetime(own["start"]), v.parse_duration(js["duration"]), own.get("timeZone")))
    if ends[0] == ends[1]:
        own["duration"] = base["duration"]


def _read_due(r: Reading, start: Time | None) -> None:
    """DUE to due, in the zone of DTSTART (§2.3.17)."""
    line = r.take_first("DUE")
    if line is None:
        return
    try:
        due = read_time(r, line)
    except ValueError:
        r.kept.append(line)
        return
    r.js["due"] = local_in(due, start.zone) if start is not None else due.local
    if start is None:
        r.dates = due.is_date
        _set_zone(r.js, due)
        if line.parameters:
            mark_time(r, "due", line, due)
        return
    if due.is_date:
        r.js["showWithoutTime"] = True
    same = due.zone == start.zone and due.tzid == start.tzid and due.is_date == start.is_date
    if not same and not due.is_date:
        value_type = "date-time" if start.is_date else None
        r.mark("due", line, frozenset({"VALUE"}), always=due.zone == UTC_NAME, value_type=value_type)
    elif not same:
        r.mark("due", line, value_type="date")


def _read_recurrence_id(r: Reading) -> None:
    line = r.take_first("RECURRENCE-ID")
    if line is None:
        return
    try:
        time = read_time(r, line)
    except ValueError:
        r.kept.append(line)
        return
    r.js["recurrenceId"] = time.local
    if time.zone is not None:
        r.js["recurrenceIdTimeZone"] = time.zone
    mark_time(r, "recurrenceId", line, time)
