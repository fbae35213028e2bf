"""RRULE to RecurrenceRule and back (draft-ietf-calext-jscalendar-icalendar-25 §2.3.36, RFC 5545 §3.3.10, RFC 7529)."""

import re
from collections.abc import Callable
from datetime import datetime

from adapters.formats.values import (
    Json,
    JsonObject,
    from_datetime,
    read_stamp,
    to_datetime,
    write_date,
    write_local,
)

DAYS = ("mo", "tu", "we", "th", "fr", "sa", "su")
FREQUENCIES = ("yearly", "monthly", "weekly", "daily", "hourly", "minutely", "secondly")
_NDAY = re.compile(r"([+-]?\d{1,3})?(MO|TU|WE|TH|FR|SA|SU)")
_MONTH = re.compile(r"\d{1,2}L?")
_SCALE = re.compile(r"[A-Za-z0-9-]+")

# part, property, least and greatest absolute value, whether it may be negative (RFC 5545 §3.3.10)
_NUMBER_LISTS: dict[str, tuple[str, int, int, bool]] = {
    "BYSECOND": ("bySecond", 0, 60, False),
    "BYMINUTE": ("byMinute", 0, 59, False),
    "BYHOUR": ("byHour", 0, 23, False),
    "BYMONTHDAY": ("byMonthDay", 1, 31, True),
    "BYYEARDAY": ("byYearDay", 1, 366, True),
    "BYWEEKNO": ("byWeekNo", 1, 53, True),
    "BYSETPOS": ("bySetPosition", 1, 366, True),
}
_WRITE_ORDER = (
    ("rscale", "RSCALE"),
    ("frequency", "FREQ"),
    ("skip", "SKIP"),
    ("interval", "INTERVAL"),
    ("bySecond", "BYSECOND"),
    ("byMinute", "BYMINUTE"),
    ("byHour", "BYHOUR"),
    ("byDay", "BYDAY"),
    ("byMonthDay", "BYMONTHDAY"),
    ("byYearDay", "BYYEARDAY"),
    ("byWeekNo", "BYWEEKNO"),
    ("byMonth", "BYMONTH"),
    ("bySetPosition", "BYSETPOS"),
    ("firstDayOfWeek", "WKST"),
    ("count", "COUNT"),
)
GREGORIAN = "gregorian"
"""The calendar system of a rule that names none."""
RULE_PROPERTIES = frozenset(name for name, _ in _WRITE_ORDER) | {"until", "@type"}


def read_rule(raw: str, from_utc: Callable[[datetime], datetime]) -> JsonObject:
    """A RECUR value as RecurrenceRule. `from_utc` moves an UNTIL in UTC to the event's local time.

    Raises `ValueError` for parts that are unknown, doubled or out of range, and for COUNT together with UNTIL,
    which a RecurrenceRule cannot hold; the caller then keeps the RRULE as it is.
    """
    rule: JsonObject = {"@type": "RecurrenceRule"}
    seen = set()
    for part in raw.strip().rstrip(";").split(";"):
        name, equals, value = part.strip().partition("=")
        name = name.upper()
        if not equals or name in seen:
            raise ValueError(f"rule part {part!r}")
        seen.add(name)
        key, converted = _read_part(name, value.strip(), from_utc)
        rule[key] = converted
    if "frequency" not in rule or {"COUNT", "UNTIL"} <= seen:
        raise ValueError(f"rule {raw!r}")
    if "SKIP" in seen and rule.get("rscale") == GREGORIAN:
        del rule["rscale"]  # the default, which is there because SKIP is: see `write_rule`
    return rule


def needs_scale(rule: JsonObject) -> bool:
    """Whether a RecurrenceRule needs RSCALE as RECUR value, which not every server takes (RFC 7529)."""
    return "skip" in rule or rule.get("rscale", GREGORIAN) != GREGORIAN


def without_default_scale(rule: JsonObject) -> JsonObject:
    """The same rule without what it says of its calendar system, where it would be the same without."""
    defaults = {"rscale": GREGORIAN, "skip": "omit"}
    return {key: value for key, value in rule.items() if key not in defaults or value != defaults[key]}


def _read_part(name: str, value: str, from_utc: Callable[[datetime], datetime]) -> tuple[str, Json]:
    if name in _NUMBER_LISTS:
        key, least, greatest, negative = _NUMBER_LISTS[name]
        return key, [_number(item, least, greatest, negative=negative) for item in value.split(",")]
    if name == "UNTIL":
        return "until", _read_until(value, from_utc)
    if name not in _PARTS:
        raise ValueError(f"rule part {name}={value}")
    key, read = _PARTS[name]
    return key, read(value)


def _one_of(value: str, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise ValueError(f"{value!r} is none of {', '.join(allowed)}")
    return value


def _number(text: str, least: int, greatest: int, *, negative: bool) -> int:
    number = int(text)
    if not least <= abs(number) <= greatest or (number < 0 and not negative):
        raise ValueError(f"{text} is out of range")
    return number


def _count(value: str) -> int:
    return _number(value, 1, 2**53, negative=False)


def _scale(value: str) -> str:
    if not _SCALE.fullmatch(value):
        raise ValueError(f"calendar system {value!r}")
    return value.lower()


def _read_until(value: str, from_utc: Callable[[datetime], datetime]) -> str:
    stamp = read_stamp(value)
    return from_datetime(from_utc(to_datetime(stamp.local))) if stamp.is_utc else stamp.local


def _read_day(item: str) -> JsonObject:
    match = _NDAY.fullmatch(item.strip().upper())
    if match is None or (match[1] and not 1 <= abs(int(match[1])) <= 366):
        raise ValueError(f"day {item!r}")
    day: JsonObject = {"@type": "NDay", "day": match[2].lower()}
    if match[1]:
        day["nthOfPeriod"] = int(match[1])
    return day


def _read_month(item: str) -> str:
    text = item.strip().upper()
    if not _MONTH.fullmatch(text) or not 1 <= int(text.rstrip("L")) <= 13:
        raise ValueError(f"month {item!r}")
    return text.lstrip("0")


_PARTS: dict[str, tuple[str, Callable[[str], Json]]] = {
    "FREQ": ("frequency", lambda value: _one_of(value.lower(), FREQUENCIES)),
    "COUNT": ("count", _count),
    "INTERVAL": ("interval", _count),
    "BYDAY": ("byDay", lambda value: [_read_day(item) for item in value.split(",")]),
    "BYMONTH": ("byMonth", lambda value: [_read_month(item) for item in value.split(",")]),
    "WKST": ("firstDayOfWeek", lambda value: _one_of(value.lower(), DAYS)),
    "SKIP": ("skip", lambda value: _one_of(value.lower(), ("omit", "backward", "forward"))),
    "RSCALE": ("rscale", _scale),
}


def write_rule(rule: JsonObject, to_utc: Callable[[datetime], datetime] | None, *, dates: bool) -> str:
    """A RecurrenceRule as RECUR value. UNTIL becomes a DATE if `dates`, UTC if `to_utc` is given, else local.

    RFC 5545 §3.3.10: UNTIL has the type of DTSTART, and is in UTC where DTSTART is in UTC or has a time zone.
    Raises `ValueError` for a rule that is not valid.
    """
    scaled = {"rscale": rule.get("rscale", GREGORIAN)} if needs_scale(rule) else {}  # RFC 7529 §4.1: no SKIP without it
    rule = {key: value for key, value in rule.items() if key != "rscale"} | scaled
    parts = []
    for key, name in _WRITE_ORDER:
        if key in rule:
            parts.append(f"{name}={_write_part(key, rule[key])}")
    if "until" in rule:
        parts.append(f"UNTIL={_write_until(rule['until'], to_utc, dates=dates)}")
    text = ";".join(parts)
    read_rule(text, lambda utc: utc)
    return text


def _write_part(key: str, value: Json) -> str:
    if key == "byDay":
        return ",".join(f"{day.get('nthOfPeriod', '')}{day['day'].upper()}" for day in value)
    if isinstance(value, list):
        return ",".join(str(item) for item in value)
    return str(value).upper()


def _write_until(value: str, to_utc: Callable[[datetime], datetime] | None, *, dates: bool) -> str:
    if dates:
        return write_date(value)
    if to_utc is None:
        return write_local(value)
    return write_local(from_datetime(to_utc(to_datetime(value)))) + "Z"
