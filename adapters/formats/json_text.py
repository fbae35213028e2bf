"""Text that may stand in I-JSON (RFC 7493 §2.1): no surrogates, no noncharacters; and no NUL, which breaks clients.

And JSON inside of other formats, as far as it may stand there too.
"""

import json
import math
import re
from typing import Any

__all__ = ["REPLACEMENT", "read_json", "scrub"]

REPLACEMENT = "\ufffd"

# The last two code points of each plane, written as one class.
_PLANE_ENDS = "".join(chr(plane << 16 | low) for plane in range(17) for low in (0xFFFE, 0xFFFF))
_FORBIDDEN = re.compile(f"[\ud800-\udfff\ufdd0-\ufdef{_PLANE_ENDS}]")
# Planes 0 and 1 without those: nearly all text, and ten times faster to match than the class above is to search for.
_ORDINARY = re.compile("[\x00-\ud7ff\ue000-\ufdcf\ufdf0-\ufffd\U00010000-\U0001fffd]*+")


def scrub(text: str) -> str:
    """Return `text` without NUL, and with U+FFFD for each code point that I-JSON forbids."""
    if "\0" in text:
        text = text.replace("\0", "")
    if text.isascii() or _ORDINARY.fullmatch(text):
        return text
    return _FORBIDDEN.sub(REPLACEMENT, text)


_MAX_DEPTH = 100
_INTEGERS = range(-(2**63), 2**64)  # as many as are taken from clients and can be sent on


def read_json(text: str) -> Any:
    """The value of a JSON text. Raises `ValueError` for what is none, and for what no I-JSON message can carry on.

    That is: unpaired surrogates, numbers that are not finite, integers beyond 64 bits, more than 100 levels.
    """
    try:
        value = json.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    _check(value, _MAX_DEPTH)
    return value


def _check(value: Any, levels: int) -> None:
    if not levels:
        raise ValueError(f"nested more than {_MAX_DEPTH} levels deep")
    if isinstance(value, str):
        value.encode()  # raises UnicodeEncodeError for surrogates
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError("a number that is not finite")
    elif isinstance(value, int) and value not in _INTEGERS:
        raise ValueError("an integer beyond 64 bits")
    elif isinstance(value, (dict, list)):
        for item in (*value, *value.values()) if isinstance(value, dict) else value:
            _check(item, levels - 1)
