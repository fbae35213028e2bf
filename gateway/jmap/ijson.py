"""Strict I-JSON (RFC 7493): bytes in, value out, in time that grows with the size of the input only."""

import re
from itertools import accumulate
from typing import Any, Final

import orjson

# The response nests what a request sent a few levels deeper at every result reference, and orjson writes at most
# 254 levels: this leaves room for both.
MAX_DEPTH: Final = 100

# An empty array is two octets in the text and some sixty in memory: a request of megabytes of them is no request.
MAX_CONTAINERS: Final = 500_000

# Likewise strings of no octets: each costs some seventy in memory, and time.
MAX_STRINGS: Final = 500_000

_NOT_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))
_STEP: Final = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
# U+FDD0..U+FDEF and the last two code points of every plane, as UTF-8.
_NONCHARACTER: Final = re.compile(
    rb"\xef\xb7[\x90-\xaf]|\xef\xbf[\xbe\xbf]|[\xf0-\xf4][\x8f\x9f\xaf\xbf]\xbf[\xbe\xbf]"
)


class NotIJSON(ValueError):
    """The bytes are no I-JSON message; the text says why."""


def loads(body: bytes, max_depth: int = MAX_DEPTH) -> Any:
    """The value of an I-JSON message.

    Refused with NotIJSON: whatever is not JSON in UTF-8 (also a byte order mark, NaN, Infinity, unpaired
    surrogates, numbers beyond a double), repeated member names, noncharacters, more than `max_depth` levels, more
    than MAX_CONTAINERS arrays and objects, more than MAX_STRINGS strings (names included).
    Integers beyond 64 bits come out as floats.
    """
    structure = _without_strings(body)
    brackets = structure.translate(None, _NOT_BRACKETS)
    if len(brackets) > 2 * MAX_CONTAINERS:
        raise NotIJSON(f"more than {MAX_CONTAINERS} arrays and objects")
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise NotIJSON(str(error)) from None
    if _deeper_than(max_depth, brackets):
        raise NotIJSON(f"nested more than {max_depth} levels deep")
    # RFC 7493 §2.3. The parser keeps the last of several members with one name, after processing escapes,
    # so a text with more members than its value has repeats a name. Outside strings a colon follows a name.
    normal = orjson.dumps(value)
    if structure.count(b":") != _without_strings(normal).count(b":"):
        raise NotIJSON("a member name occurs twice in one object")
    if not normal.isascii() and _NONCHARACTER.search(normal):  # RFC 7493 §2.1
        raise NotIJSON("a string contains a noncharacter")
    return value


def _without_strings(text: bytes) -> bytes:
    """JSON with all strings taken out, quotes included. Of what is not JSON it makes something no longer."""
    if b"\\" in text:  # escaped backslashes first: what remains before a quote then escapes it
        text = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    if text.count(b'"') > 2 * MAX_STRINGS:
        raise NotIJSON(f"more than {MAX_STRINGS} strings")
    return b"".join(text.split(b'"')[::2])


def _deeper_than(limit: int, brackets: bytes) -> bool:
    """Whether the brackets of well-formed JSON nest deeper."""
    if len(brackets) <= 2 * limit:  # half of them open
        return False
    return max(accumulate(map(_STEP.__getitem__, brackets))) > limit
