"""Dates and points in time: vCard text to JSContact and back (RFC 9555 §2.2.2, RFC 6350 §4.3, RFC 2426 §4)."""

import re
from datetime import UTC, date, datetime, timedelta

from adapters.formats.values import Json, JsonObject

_TIMESTAMP = re.compile(
    r"(\d{4})-?(\d\d)-?(\d\d)T(\d\d):?(\d\d):?(\d\d)(?:[.,](\d{1,9}))?(?:(Z)|([+-])(\d\d):?(\d\d)?)", re.ASCII
)
_DATE = re.compile(r"(\d{4})-?(\d\d)-?(\d\d)|(\d{4})-(\d\d)|(\d{4})|--(\d\d)-?(\d\d)", re.ASCII)
_UTC = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.\d+)?Z", re.ASCII)
_LEAP_YEAR = 1604
"""The year that Apple writes where there is none, which the parameter X-APPLE-OMIT-YEAR then says."""


def read_timestamp(raw: str) -> str:
    """TIMESTAMP to UTCDateTime; an offset is converted. Raises `ValueError` for anything else."""
    match = _TIMESTAMP.fullmatch(raw.strip())
    if match is None:
        raise ValueError(f"{raw[:60]!r} is no timestamp")
    *numbers, fraction, _, sign, hours, minutes = match.groups()
    try:
        year, month, day, hour, minute, second = map(int, numbers)
        point = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
        if sign:
            offset = timedelta(hours=int(hours), minutes=int(minutes or 0))
            point = point - offset if sign == "+" else point + offset
    except OverflowError as error:
        raise ValueError(f"{raw[:60]!r} is no timestamp") from error
    fraction = (fraction or "").rstrip("0")  # RFC 9553 §1.4.5
    return point.strftime("%Y-%m-%dT%H:%M:%S").zfill(19) + (f".{fraction}" if fraction else "") + "Z"


def write_timestamp(value: Json) -> str:
    """UTCDateTime to TIMESTAMP, which knows no fractions of a second (RFC 6350 §4.3.5). Raises `ValueError`."""
    match = _UTC.fullmatch(value) if isinstance(value, str) else None
    if match is None or read_timestamp(value) is None:
        raise ValueError(f"{value!r:.60} is no UTCDateTime")
    year, month, day, hour, minute, second = match.groups()
    return f"{year}{month}{day}T{hour}{minute}{second}Z"


def write_long_timestamp(value: Json) -> str:
    """The same in the extended form of vCard 3.0 (RFC 2426 §4)."""
    write_timestamp(value)
    return re.sub(r"\.\d+", "", str(value))


def read_date(raw: str, *, omit_year: str | None = None) -> JsonObject:
    """DATE, DATE-TIME or TIMESTAMP of an anniversary to PartialDate or Timestamp (RFC 9553 §2.8.1).

    Raises `ValueError` for what RFC 9555 §2.2.2 does not convert: a month or a day alone, local times, no dates.
    """
    raw = raw.strip()
    match = _DATE.fullmatch(raw)
    if match is None:
        return {"@type": "Timestamp", "utc": read_timestamp(raw)}
    year, month, day, year_of_month, month_of_year, only_year, month_of_day, day_of_month = match.groups()
    found = {
        "year": year or year_of_month or only_year,
        "month": month or month_of_year or month_of_day,
        "day": day or day_of_month,
    }
    if omit_year is not None and found["year"] == omit_year:
        del found["year"]
    partial = {name: int(text) for name, text in found.items() if text}
    _check(partial)
    return partial


def _check(partial: JsonObject) -> None:
    """Raises `ValueError` for a day that no calendar has."""
    if partial.keys() - {"year", "month", "day"} or ("month" not in partial.keys() - {"year"} and "day" in partial):
        raise ValueError("not a PartialDate that converts")
    date(partial.get("year", _LEAP_YEAR) or _LEAP_YEAR, partial.get("month", 1), partial.get("day", 1))


def write_date(value: JsonObject, version: str) -> tuple[str, dict[str, tuple[str, ...]]]:
    """The text of a PartialDate or Timestamp, and the parameters that it needs.

    Raises `ValueError` for what neither version has a form for.
    """
    if "utc" in value:
        write = write_timestamp if version == "4.0" else write_long_timestamp
        return write(value["utc"]), {}
    partial: JsonObject = {name: value[name] for name in ("year", "month", "day") if name in value}
    if not partial or ("month" in partial and len(partial) == 1):
        raise ValueError("not a PartialDate that converts")
    _check(partial)
    year, month, day = (partial.get(name) for name in ("year", "month", "day"))
    if year is not None and not 0 < year <= 9999:
        raise ValueError("a year beyond 1 to 9999")
    if version == "4.0":
        return _basic(year, month, day), {}
    if year is None:
        return f"{_LEAP_YEAR}-{month:02}-{day:02}", {"X-APPLE-OMIT-YEAR": (str(_LEAP_YEAR),)}
    return "-".join([f"{year:04}", *(f"{part:02}" for part in (month, day) if part is not None)]), {}


def _basic(year: int | None, month: int | None, day: int | None) -> str:
    if year is None:
        return f"--{month:02}{day:02}"
    if month is None:
        return f"{year:04}"
    return f"{year:04}-{month:02}" if day is None else f"{year:04}{month:02}{day:02}"
