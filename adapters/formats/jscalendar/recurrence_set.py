"""The date-times that a RecurrenceRule yields (jscalendarbis §3.3.3.1), bounded in work and in number.

The algorithm is the standard's own, period by period, in local time. A window is reached by arithmetic, not by
walking to it, unless the rule has a count. SKIP (RFC 7529) is served for the Gregorian calendar; other calendar
systems raise `UnsupportedRule`.
"""

from calendar import isleap, monthrange
from collections.abc import Callable, Iterator
from datetime import date, datetime, time, timedelta

from adapters.formats.jscalendar.complete_rule import Rule, complete
from adapters.formats.values import JsonObject, to_datetime

WORK = 400_000  # periods and ticks that one expansion may look at
_DAY = timedelta(days=1)


class ExpansionLimit(ValueError):
    """The expansion would yield more occurrences, or take more work, than allowed."""


def recurrence_set(
    rule: JsonObject, start: datetime, after: datetime, before: datetime, *, limit: int, work: int = WORK
) -> Iterator[datetime]:
    """Yield the naive local date-times of `rule` in [after, before), in order; `start` is always the first of all.

    work: periods and ticks that may be looked at. Raises `ExpansionLimit` beyond that or after `limit` date-times,
    `UnsupportedRule` for a non-Gregorian rule, `ValueError` for a rule that is not valid.
    """
    produced = 0
    for moment in _bounded(complete(rule, start, work), rule, start, after, before):
        if moment < after:
            continue
        produced += 1
        if produced > limit:
            raise ExpansionLimit(f"more than {limit} occurrences")
        yield moment


def _bounded(
    prepared: Rule, rule: JsonObject, start: datetime, after: datetime, before: datetime
) -> Iterator[datetime]:
    """All date-times before `before`; those that lie before `after` may be missing unless the rule has a count."""
    count = rule.get("count")
    until = to_datetime(rule["until"]) if "until" in rule else None
    if start < before:
        yield start
    left = None if count is None else count - 1
    last = start
    reach = start if left is not None else max(start, min(after, before))
    for moments in _PERIODS[prepared.frequency](prepared, start, reach, before):
        for moment in _positions(moments, prepared.positions):
            if moment <= last:  # before the start, or produced by an earlier period by skipping (steps 4 and 5)
                continue
            if moment >= before or (until is not None and moment > until) or left == 0:
                return
            last = moment
            left = None if left is None else left - 1
            yield moment


# ---------------------------------------------------------------------------------------------------- periods

_Periods = Iterator[list[datetime]]


def _work(rule: Rule) -> Callable[[int], None]:
    """A counter that raises `ExpansionLimit` when an expansion has looked at too much."""
    left = rule.work

    def spend(units: int) -> None:
        nonlocal left
        left -= units
        if left < 0:
            raise ExpansionLimit("the rule takes too much work")

    return spend


def _years(rule: Rule, start: datetime, reach: datetime, before: datetime) -> _Periods:
    spend = _work(rule)
    year = start.year + max(reach.year - 1 - start.year, 0) // rule.interval * rule.interval
    while year <= min(before.year + 1, 9998):
        spend(20 if rule.months or rule.month_days else 200)
        days = sorted({day for day in _year_candidates(rule, year) if _day_matches(rule, day)})
        yield _at_times(rule, days)
        year += rule.interval


def _year_candidates(rule: Rule, year: int) -> Iterator[date]:
    if rule.months or rule.month_days:
        for month in sorted(rule.months) or range(1, 13):
            yield from _month_candidates(rule, year, month)
        return
    first = date(year, 1, 1)
    for offset in range(366 if isleap(year) else 365):
        yield first + timedelta(days=offset)


def _months(rule: Rule, start: datetime, reach: datetime, before: datetime) -> _Periods:
    spend = _work(rule)
    first = start.year * 12 + start.month - 1
    ahead = max(reach.year * 12 + reach.month - 2 - first, 0)
    index = first + ahead // rule.interval * rule.interval
    while index <= min(before.year * 12 + before.month, 9998 * 12):
        spend(2)
        year, month = divmod(index, 12)
        if not rule.months or month + 1 in rule.months:
            days = sorted({day for day in _month_candidates(rule, year, month + 1) if _day_matches(rule, day)})
            yield _at_times(rule, days)
        index += rule.interval


def _month_candidates(rule: Rule, year: int, month: int) -> Iterator[date]:
    """The days of a month that pass BYMONTHDAY, invalid ones moved as SKIP says (§3.3.3.1 step 2)."""
    if not 1 <= month <= 12:
        return
    length = monthrange(year, month)[1]
    if not rule.month_days:
        for day in range(1, length + 1):
            yield date(year, month, day)
        return
    presumed = length if rule.skip == "omit" else 31
    for number in rule.month_days:
        day = number if number > 0 else presumed + 1 + number
        if 1 <= day <= length:
            yield date(year, month, day)
        elif day > length and rule.skip == "backward":
            yield date(year, month, length)
        elif day > length and rule.skip == "forward":
            yield date(year, month, length) + _DAY


def _weeks(rule: Rule, start: datetime, reach: datetime, before: datetime) -> _Periods:
    spend = _work(rule)
    first = start.date() - timedelta(days=(start.weekday() - rule.week_start) % 7)
    step = timedelta(days=7 * rule.interval)
    week = first + max((reach.date() - first).days // step.days - 1, 0) * step
    offsets = [timedelta(days=n) for n in sorted({(day - rule.week_start) % 7 for day, _ in rule.days})]
    while week < before.date() + timedelta(days=7):
        spend(1)
        yield _at_times(rule, [day for day in (week + offset for offset in offsets) if _day_matches(rule, day)])
        week += step


def _days(rule: Rule, start: datetime, reach: datetime, before: datetime) -> _Periods:
    spend = _work(rule)
    step = timedelta(days=rule.interval)
    day = start.date() + max((reach.date() - start.date()).days // rule.interval - 1, 0) * step
    while day <= before.date():
        spend(1)
        if _day_matches(rule, day):
            yield _at_times(rule, [day])
        day += step


def _ticks(rule: Rule, start: datetime, reach: datetime, before: datetime) -> _Periods:
    """Hourly, minutely and secondly rules: day by day, so that days that don't match cost nothing."""
    spend = _work(rule)
    unit = {"hourly": 3600, "minutely": 60, "secondly": 1}[rule.frequency]
    origin = start.replace(minute=0 if unit == 3600 else start.minute, second=start.second if unit == 1 else 0)
    step = unit * rule.interval
    day = max(start.date(), reach.date() - _DAY)
    while day <= before.date():
        spend(1)
        if _day_matches(rule, day):
            midnight = datetime.combine(day, time.min)
            offset = int((origin - midnight).total_seconds()) % step if midnight > origin else 0
            first = midnight + timedelta(seconds=offset) if midnight > origin else origin
            if first < reach:  # to the tick that it lies in
                first += int((reach - first).total_seconds()) // step * timedelta(seconds=step)
            for second in range(int((first - midnight).total_seconds()), 86400, step):
                spend(1)
                moments = _tick(rule, midnight + timedelta(seconds=second), unit)
                if moments:
                    yield moments
        day += _DAY


def _tick(rule: Rule, moment: datetime, unit: int) -> list[datetime]:
    if rule.hours and moment.hour not in rule.hours:
        return []
    if unit == 3600:
        return [moment.replace(minute=minute, second=second) for minute in rule.minutes for second in rule.seconds]
    if rule.minutes and moment.minute not in rule.minutes:
        return []
    if unit == 60:
        return [moment.replace(second=second) for second in rule.seconds]
    return [moment] if not rule.seconds or moment.second in rule.seconds else []


_PERIODS: dict[str, Callable[[Rule, datetime, datetime, datetime], _Periods]] = {
    "yearly": _years,
    "monthly": _months,
    "weekly": _weeks,
    "daily": _days,
    "hourly": _ticks,
    "minutely": _ticks,
    "secondly": _ticks,
}

# ---------------------------------------------------------------------------------------------------- filters


def _at_times(rule: Rule, days: list[date]) -> list[datetime]:
    return [datetime.combine(day, moment) for day in days for moment in rule.times]


def _positions(moments: list[datetime], positions: list[int]) -> list[datetime]:
    """Apply bySetPosition (step 3)."""
    if not positions:
        return moments
    size = len(moments)
    picked = {p - 1 if p > 0 else size + p for p in positions}
    return [moments[index] for index in sorted(picked) if 0 <= index < size]


def _day_matches(rule: Rule, day: date) -> bool:
    """The day-level filters of step 2 (BYMONTHDAY of years and months was applied when skipping)."""
    if rule.months and day.month not in rule.months and rule.skip == "omit":
        return False
    if rule.week_numbers and not _week_matches(rule, day):
        return False
    if rule.year_days and not _year_day_matches(rule, day):
        return False
    if rule.month_days and rule.frequency not in {"yearly", "monthly"} and not _month_day_matches(rule, day):
        return False
    return not rule.days or any(_weekday_matches(rule, day, weekday, nth) for weekday, nth in rule.days)


def _month_day_matches(rule: Rule, day: date) -> bool:
    length = monthrange(day.year, day.month)[1]
    return day.day in rule.month_days or day.day - length - 1 in rule.month_days


def _year_day_matches(rule: Rule, day: date) -> bool:
    length = 366 if isleap(day.year) else 365
    number = day.timetuple().tm_yday
    return number in rule.year_days or number - length - 1 in rule.year_days


def _week_matches(rule: Rule, day: date) -> bool:
    """ISO week numbering with another first day: the week belongs to the year that has four of its days."""
    fourth = day - timedelta(days=(day.weekday() - rule.week_start) % 7) + timedelta(days=3)
    number = (fourth.timetuple().tm_yday - 1) // 7 + 1
    last = date(fourth.year, 12, 31)
    last_fourth = last - timedelta(days=(last.weekday() - rule.week_start) % 7) + timedelta(days=3)
    if last_fourth.year > fourth.year:
        last_fourth -= timedelta(days=7)
    total = (last_fourth.timetuple().tm_yday - 1) // 7 + 1
    return number in rule.week_numbers or number - total - 1 in rule.week_numbers


def _weekday_matches(rule: Rule, day: date, weekday: int, nth: int) -> bool:
    if day.weekday() != weekday:
        return False
    if nth == 0:
        return True
    if rule.frequency == "yearly" and not rule.months:
        position = day.timetuple().tm_yday
        length = 366 if isleap(day.year) else 365
    else:
        position, length = day.day, monthrange(day.year, day.month)[1]
    return nth == (position - 1) // 7 + 1 if nth > 0 else nth == -((length - position) // 7 + 1)
