"""Range requests (RFC 9110 §14): one range of bytes, or none. Pure."""

import re
from typing import Final

_RANGE: Final = re.compile(r"bytes\s*=\s*([0-9]{0,18})\s*-\s*([0-9]{0,18})", re.IGNORECASE)


class Unsatisfiable(Exception):
    """The range lies wholly outside of the representation: 416."""


def wanted(value: str | None, size: int) -> tuple[int, int] | None:
    """(start, stop) with start < stop <= size; None where the whole is to be sent.

    RFC 9110 §14.2: what is not understood, and several ranges at once, may be ignored.
    """
    match = _RANGE.fullmatch(value.strip()) if value is not None else None
    if match is None or not (match[1] or match[2]):
        return None
    if not match[1]:  # the last n octets
        length = int(match[2])
        if length == 0 or size == 0:
            raise Unsatisfiable
        return max(0, size - length), size
    start = int(match[1])
    last = int(match[2]) if match[2] else size - 1
    if match[2] and last < start:
        return None  # invalid (§14.1.1), so ignored
    if start >= size:
        raise Unsatisfiable
    return start, min(last + 1, size)


def if_range_holds(value: str | None, etag: str) -> bool:
    """Whether If-Range allows a partial answer: absent, or this strong entity tag (§13.1.5)."""
    return value is None or value.strip() == etag


def matches(value: str | None, etag: str) -> bool:
    """Whether If-None-Match names this entity tag, compared weakly (§13.1.2)."""
    if value is None:
        return False
    tags = {tag.strip().removeprefix("W/") for tag in value.split(",")}
    return "*" in tags or etag in tags
