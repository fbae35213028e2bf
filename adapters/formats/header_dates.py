"""Date and time of header fields (RFC 5322 §3.3, obsolete syntax too) as RFC 3339."""

import re
from datetime import date

from adapters.formats.cfws import strip_comments, unfold
from adapters.formats.charsets import header_text

__all__ = ["as_date"]

_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTHS = {name: number for number, name in enumerate(_NAMES, start=1)}
_DAYS_EVERY_MONTH_HAS = 28
# RFC 5322 §4.3: obsolete zone names. Others, military ones included, mean -0000.
_ZONES = {"edt": -4, "est": -5, "cdt": -5, "cst": -6, "mdt": -6, "mst": -7, "pdt": -7, "pst": -8}

# The form that nearly every message has, with an optional zone comment.
_USUAL = re.compile(
    r"[ \t]*(?:[A-Za-z]{3},[ \t]+)?(\d{1,2}) ([A-Za-z]{3}) (\d{4}) (\d\d):(\d\d):(\d\d) ([+-]\d{4})(?: \([A-Z]+\))?"
)
_DATE = re.compile(
    r"\s*(?:[a-z]{3,9}\s*,?\s+|[a-z]{3,9},)?"  # day of week
    r"(\d{1,2})[\s-]+([a-z]{3})[a-z]{0,6}\.?[\s-]+(\d{2,4})\s+"
    r"(\d{1,2})\s*:\s*(\d{1,2})(?:\s*:\s*(\d{1,2}))?(?:[.,]\d{1,9})?"
    r"\s*(?:(?:ut|utc|gmt)?([+-]\d{4})|([a-z]{1,5}))?\s*",
    re.IGNORECASE | re.ASCII,
)
_LONGEST = 256


def as_date(value: bytes) -> str | None:
    """RFC 8621 §4.1.2.6: RFC 3339 with the offset of the field ("Z" for zero); None if it is not a date-time."""
    if value.isascii() and (usual := _USUAL.fullmatch(value.decode("ascii"))):
        day, month, year, hour, minute, second, offset = usual.groups()
        return _rfc3339(year, month, day, (hour, minute, second), _numeric_offset(offset))
    found = _DATE.fullmatch(strip_comments(unfold(header_text(value[:_LONGEST]))))
    if found is None:
        return None
    day, month, year, hour, minute, second, offset, zone = found.groups()
    where = _numeric_offset(offset) if offset else _named_offset(zone)
    return _rfc3339(_full_year(year), month, day, (hour, minute, second or "0"), where)


def _rfc3339(year: str, month: str, day: str, time: tuple[str, str, str], offset: str | None) -> str | None:
    number = _MONTHS.get(month.lower())
    hour, minute, second = time
    if offset is None or number is None or not int(year) or int(hour) > 23 or int(minute) > 59 or int(second) > 60:
        return None
    if not 0 < int(day) <= _DAYS_EVERY_MONTH_HAS:
        try:
            date(int(year), number, int(day))
        except ValueError:
            return None
    return f"{year}-{number:02}-{day:0>2}T{hour:0>2}:{minute:0>2}:{second:0>2}{offset}"


def _full_year(digits: str) -> str:
    """RFC 5322 §4.3: two digits up to 49 are 20xx, otherwise 19xx; three digits count from 1900."""
    if len(digits) == 4:
        return digits
    year = int(digits)
    return str(year + (2000 if len(digits) == 2 and year < 50 else 1900))


def _numeric_offset(offset: str) -> str | None:
    if offset[1:] == "0000":
        return "Z"
    return f"{offset[:3]}:{offset[3:]}" if offset[1:3] <= "23" and offset[3:] <= "59" else None


def _named_offset(zone: str | None) -> str:
    hours = _ZONES.get((zone or "").lower(), 0)
    return f"{hours:+03}:00" if hours else "Z"
