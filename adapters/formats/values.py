"""Property values: raw text to JSON values and back (RFC 5545 §3.3, jscalendarbis §1.5); TEXT as vCard has it too.

Every reader raises `ValueError` for a value that is not of its type, so that the caller keeps the property as it is.
"""

import re
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

Json = Any
JsonObject = dict[str, Any]

# ------------------------------------------------------------------------------------------------------- TEXT

_ESCAPE = re.compile(r'\\([\\;,nN:"])')
_UNESCAPE = {"n": "\n", "N": "\n"}
_SPECIAL = re.compile(r"[\\;,\n\r]")
_ESCAPED = {"\\": "\\\\", ";": "\\;", ",": "\\,", "\n": "\\n", "\r": ""}


def read_text(raw: str) -> str:
    """TEXT to a string (RFC 5545 §3.3.11). A backslash before any other character is kept as it stands."""
    if "\\" not in raw:
        return raw
    return _ESCAPE.sub(lambda m: _UNESCAPE.get(m[1], m[1]), raw)


def write_text(value: str) -> str:
    """A string to TEXT. Raises `ValueError` if it is no string."""
    if not isinstance(value, str):
        raise ValueError("not a string")  # noqa: TRY004 - one error for every value that does not fit
    return _SPECIAL.sub(lambda m: _ESCAPED[m[0]], value)


def split_raw(raw: str, separator: str = ",") -> list[str]:
    """The raw members of a list value; an escaped separator does not part them."""
    if "\\" not in raw:
        return raw.split(separator)
    members, current, escaped = [], "", False
    for character in raw:
        if character == separator and not escaped:
            members.append(current)
            current = ""
            continue
        escaped = character == "\\" and not escaped
        current += character
    return [*members, current]


def read_verbatim(raw: str) -> str:
    """A value that converts as it is (URI, colour, PRODID without escapes)."""
    return raw


def write_verbatim(value: str) -> str:
    """The reverse; raises `ValueError` for what is no string or would break the line."""
    if not isinstance(value, str) or "\n" in value or "\r" in value:
        raise ValueError("not a one-line string")
    return value


def read_integer(raw: str) -> int:
    """INTEGER (RFC 5545 §3.3.8)."""
    return int(raw)


def write_integer(value: int) -> str:
    """The reverse; raises `ValueError` for what is no integer."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("not an integer")  # noqa: TRY004 - the same
    return str(value)


# ------------------------------------------------------------------------------------------ DATE and DATE-TIME

_STAMP = re.compile(r"(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)(\d\d)(Z?))?")
_LOCAL = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)")
_MONTH_DAYS = (0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


class Stamp(NamedTuple):
    """A DATE or DATE-TIME value: LocalDateTime text, whether it is a DATE, whether it ends in Z."""

    local: str
    is_date: bool
    is_utc: bool


def read_stamp(raw: str) -> Stamp:
    """DATE or DATE-TIME, told apart by its form (RFC 5545 §3.3.4, §3.3.5)."""
    match = _STAMP.fullmatch(raw) or _STAMP.fullmatch(raw.strip())
    if match is None:
        raise ValueError(f"{raw!r} is no date")
    year, month, day, hour, minute, second, utc = match.groups()
    number = int(month)
    if not 1 <= number <= 12 or not 1 <= int(day) <= _MONTH_DAYS[number] or year == "0000":
        raise ValueError(f"{raw!r} is no date")
    if number == 2 and day == "29":
        datetime(int(year), 2, 29)  # noqa: DTZ001 - only asks whether the day exists
    if hour is None:
        return Stamp(f"{year}-{month}-{day}T00:00:00", is_date=True, is_utc=False)
    if hour > "23" or minute > "59" or second > "59":
        raise ValueError(f"{raw!r} is no time")
    return Stamp(f"{year}-{month}-{day}T{hour}:{minute}:{second}", is_date=False, is_utc=utc == "Z")


def read_utc(raw: str) -> str:
    """DATE-TIME in UTC to UTCDateTime. A missing Z, as old senders leave it out, is read as UTC too."""
    stamp = read_stamp(raw)
    if stamp.is_date:
        raise ValueError(f"{raw!r} has no time")
    return stamp.local + "Z"


def write_utc(value: str) -> str:
    """UTCDateTime to DATE-TIME in UTC."""
    if not isinstance(value, str) or not value.endswith("Z"):
        raise ValueError("not a UTCDateTime")
    return write_local(value[:-1]) + "Z"


def write_local(value: str) -> str:
    """LocalDateTime to DATE-TIME in local form."""
    if not isinstance(value, str) or not _LOCAL.fullmatch(value):
        raise ValueError("not a LocalDateTime")
    return value.replace("-", "").replace(":", "")


def write_date(value: str) -> str:
    """The date of a LocalDateTime as a DATE."""
    return write_local(value)[:8]


def to_datetime(local: str) -> datetime:
    """LocalDateTime to a naive datetime; raises `ValueError`."""
    if not isinstance(local, str) or not _LOCAL.fullmatch(local):
        raise ValueError("not a LocalDateTime")
    return datetime.fromisoformat(local)


def from_datetime(value: datetime) -> str:
    """Naive datetime to LocalDateTime."""
    return value.isoformat(timespec="seconds")


# --------------------------------------------------------------------------------------------------- DURATION

_DURATION = re.compile(
    r"(?P<sign>[+-]?)P(?:(?P<w>\d+)W)?(?:(?P<d>\d+)D)?(?P<t>T(?:(?P<H>\d+)H)?(?:(?P<M>\d+)M)?(?:(?P<S>\d+)S)?)?"
)


class Span(NamedTuple):
    """A duration: nominal days and exact seconds, both with the sign of the whole (jscalendarbis §1.5.6)."""

    days: int
    seconds: int


@lru_cache(maxsize=2048)
def parse_duration(text: str) -> Span:
    """SignedDuration or DURATION; raises `ValueError`."""
    match = _DURATION.fullmatch(text) if isinstance(text, str) else None
    if match is None or text[-1] in "PT+-":
        raise ValueError(f"{text!r} is no duration")
    part = {name: int(match[name] or 0) for name in "wdHMS"}
    sign = -1 if match["sign"] == "-" else 1
    days = part["w"] * 7 + part["d"]
    seconds = part["H"] * 3600 + part["M"] * 60 + part["S"]
    if days > 10_000_000 or seconds > 10**12:
        raise ValueError(f"{text!r} is too long")
    return Span(sign * days, sign * seconds)


def read_duration(raw: str) -> str:
    """DURATION to Duration: zero or positive."""
    span = parse_duration(raw)
    if span.days < 0 or span.seconds < 0:
        raise ValueError(f"{raw!r} is negative")
    return read_signed_duration(raw)


def read_signed_duration(raw: str) -> str:
    """DURATION to SignedDuration, as it is where JSCalendar's grammar allows."""
    span = parse_duration(raw)
    text = raw.removeprefix("+")
    return text if not re.search(r"H\d+S", text) else format_duration(span)


def write_duration(value: str) -> str:
    """Duration to DURATION. Weeks stand alone in iCalendar, so weeks with anything else become days."""
    span = parse_duration(value)
    match = re.search(r"\d+W(.)?", value)
    return format_duration(span) if match and match[1] else value


def format_duration(span: Span) -> str:
    """The shortest text for days and seconds of one sign, days never folded into hours nor hours into days."""
    negative = span.days < 0 or span.seconds < 0
    days, rest = abs(span.days), abs(span.seconds)
    hours, minutes, seconds = rest // 3600, rest % 3600 // 60, rest % 60
    text = f"{days}D" if days else ""
    if rest or not days:
        text += "T" + (f"{hours}H" if hours else "")
        # the grammar allows no seconds right after hours (RFC 5545 §3.3.6)
        text += f"{minutes}M" if minutes or (hours and seconds) else ""
        text += f"{seconds}S" if seconds or not rest else ""
    return ("-P" if negative else "P") + text
