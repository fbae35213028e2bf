"""The data types of RFC 8620 §1 (and compounds of them) as checks of JSON values.

A check takes a value and returns None if the value is of the type, else what is wrong with it, as the end of a
sentence that starts with the name of the value ("must be a String").
"""

import re
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any, Final

Check = Callable[[Any], str | None]

MAX_INT: Final = 2**53 - 1  # RFC 8620 §1.3

_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,255}")  # RFC 8620 §1.2
_ID_OR_REFERENCE: Final = re.compile(rf"#?{_ID.pattern}")
_DATE: Final = re.compile(
    r"(\d{4}-\d{2}-\d{2})T(?:[01]\d|2[0-3]):[0-5]\d:(?:[0-5]\d|60)(?:\.(\d+))?"
    r"(Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)",
    re.ASCII,
)


def anything(value: Any) -> str | None:  # noqa: ARG001 - a Check
    """Any JSON value."""
    return None


def is_id(value: Any) -> bool:
    """Whether the value is an Id (RFC 8620 §1.2)."""
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def id_(value: Any) -> str | None:
    """Id."""
    return None if is_id(value) else "must be an Id"


def id_or_reference(value: Any) -> str | None:
    """Id, or "#" and the creation id of a record of this request (RFC 8620 §5.3)."""
    if isinstance(value, str) and _ID_OR_REFERENCE.fullmatch(value):
        return None
    return "must be an Id or # and a creation id"


def string(value: Any) -> str | None:
    """String."""
    return None if isinstance(value, str) else "must be a String"


def boolean(value: Any) -> str | None:
    """Boolean."""
    return None if isinstance(value, bool) else "must be a Boolean"


def number(value: Any) -> str | None:
    """Number."""
    return None if isinstance(value, int | float) and not isinstance(value, bool) else "must be a Number"


def true(value: Any) -> str | None:
    """The value true: what the members of a set such as mailboxIds must be."""
    return None if value is True else "must be true"


def integer(low: int, high: int = MAX_INT) -> Check:
    """Int between the bounds, both included."""

    def check(value: Any) -> str | None:
        if type(value) is not int or not low <= value <= high:
            return f"must be an integer from {low} to {high}"
        return None

    return check


int_: Final = integer(-MAX_INT)
unsigned_int: Final = integer(0)
positive_int: Final = integer(1)


def date_(value: Any) -> str | None:
    """Date (RFC 8620 §1.4): an RFC 3339 date-time in upper case whose fraction of a second is not zero."""
    match = _DATE.fullmatch(value) if isinstance(value, str) else None
    if match is None or (match[2] is not None and not match[2].strip("0")) or not _is_day(match[1]):
        return 'must be a Date such as "2014-10-30T14:12:00+08:00"'
    return None


def utc_date(value: Any) -> str | None:
    """UTCDate (RFC 8620 §1.4): a Date whose offset is "Z"."""
    if date_(value) is not None or not value.endswith("Z"):
        return 'must be a UTCDate such as "2014-10-30T06:12:00Z"'
    return None


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def nullable(check: Check) -> Check:
    """The type or null."""

    def nullable_check(value: Any) -> str | None:
        wrong = None if value is None else check(value)
        return wrong and f"{wrong} or null"

    return nullable_check


def one_of(*values: str) -> Check:
    """One of these strings."""

    def check(value: Any) -> str | None:
        return None if isinstance(value, str) and value in values else f"must be one of {', '.join(values)}"

    return check


def array_of(check: Check) -> Check:
    """An array of values of the type."""

    def array_check(value: Any) -> str | None:
        if not isinstance(value, list):
            return "must be an array"
        for index, wrong in enumerate(map(check, value)):
            if wrong:
                return f"[{index}] {wrong}"
        return None

    return array_check


def map_of(keys: Check, values: Check) -> Check:
    """An object with arbitrary member names of one type and values of another."""

    def check(value: Any) -> str | None:
        if not isinstance(value, dict):
            return "must be an object"
        for key, item in value.items():
            if wrong := keys(key):
                return f"has the key {key[:60]!r}, which {wrong}"
            if wrong := values(item):
                return f"/{key[:60]} {wrong}"
        return None

    return check


def record(members: Mapping[str, Check], required: frozenset[str] = frozenset()) -> Check:
    """An object with these members and no others, of which `required` must be there."""

    def check(value: Any) -> str | None:
        if not isinstance(value, dict):
            return "must be an object"
        for key, item in value.items():
            if key not in members:
                return f"has the unknown member {key[:60]!r}"
            if wrong := members[key](item):
                return f"/{key} {wrong}"
        missing = required - value.keys()
        return f"lacks {', '.join(sorted(missing))}" if missing else None

    return check


def object_(value: Any) -> str | None:
    """Any object."""
    return None if isinstance(value, dict) else "must be an object"
