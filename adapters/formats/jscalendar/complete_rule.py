"""A RecurrenceRule with its implicit parts added, as its expansion needs it (jscalendarbis §3.3.3.1, extra rule 3)."""

from dataclasses import dataclass, field
from datetime import datetime, time
from itertools import product

from adapters.formats.jscalendar.recurrence import DAYS
from adapters.formats.values import JsonObject


class UnsupportedRule(ValueError):
    """The rule is valid but works in a calendar system other than the Gregorian."""


@dataclass(slots=True)
class Rule:
    """All parts of a rule. work: periods and ticks that its expansion may look at."""

    frequency: str
    interval: int
    skip: str
    week_start: int
    months: frozenset[int]
    week_numbers: frozenset[int]
    year_days: frozenset[int]
    month_days: frozenset[int]
    days: list[tuple[int, int]]  # weekday, nth of period or 0
    hours: list[int]
    minutes: list[int]
    seconds: list[int]
    positions: list[int]
    work: int
    times: list[time] = field(default_factory=list)


def complete(rule: JsonObject, start: datetime, work: int) -> Rule:
    """The rule of a series that starts then. Raises `UnsupportedRule`, `ValueError` for a rule that is not valid."""
    if rule.get("rscale", "gregorian") != "gregorian":
        raise UnsupportedRule(f"calendar system {rule['rscale']!r}")
    if any(month.endswith("L") for month in rule.get("byMonth", ())):
        raise ValueError("the Gregorian calendar has no leap months")
    frequency = rule["frequency"]
    prepared = Rule(
        frequency=frequency,
        interval=max(int(rule.get("interval", 1)), 1),
        skip=rule.get("skip", "omit"),
        week_start=DAYS.index(rule.get("firstDayOfWeek", "mo")),
        months=frozenset(int(month) for month in rule.get("byMonth", ())),
        week_numbers=frozenset(rule.get("byWeekNo", ())),
        year_days=frozenset(rule.get("byYearDay", ())),
        month_days=frozenset(rule.get("byMonthDay", ())),
        days=[(DAYS.index(day["day"]), day.get("nthOfPeriod", 0)) for day in rule.get("byDay", ())],
        hours=sorted(set(rule.get("byHour", ()))),
        minutes=sorted(set(rule.get("byMinute", ()))),
        seconds=sorted({min(second, 59) for second in rule.get("bySecond", ())}),
        positions=list(rule.get("bySetPosition", ())),
        work=work,
    )
    _imply_times(prepared, start)
    _imply_days(prepared, start)
    return prepared


def _imply_times(rule: Rule, start: datetime) -> None:
    if rule.frequency != "secondly":
        rule.seconds = rule.seconds or [start.second]
        if rule.frequency != "minutely":
            rule.minutes = rule.minutes or [start.minute]
            if rule.frequency != "hourly":
                rule.hours = rule.hours or [start.hour]
                rule.times = [time(*parts) for parts in product(rule.hours, rule.minutes, rule.seconds)]


def _imply_days(rule: Rule, start: datetime) -> None:
    if rule.frequency == "weekly" and not rule.days:
        rule.days = [(start.weekday(), 0)]
    elif rule.frequency == "monthly" and not rule.days and not rule.month_days:
        rule.month_days = frozenset({start.day})
    elif rule.frequency == "yearly" and not rule.year_days:
        if rule.days or rule.month_days:
            # jscalendarbis would add the month of the start to BYMONTHDAY; RFC 5545 §3.3.10 expands it in every
            # month, and the stored data is iCalendar that other clients expand too, so its reading counts
            return
        if rule.week_numbers:
            rule.days = [(start.weekday(), 0)]
            return
        rule.months = rule.months or frozenset({start.month})
        rule.month_days = frozenset({start.day})
