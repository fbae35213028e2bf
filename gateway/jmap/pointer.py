"""JSON Pointer (RFC 6901): syntax and array indexes, shared by result references and patches."""

import re
from typing import Final

_BAD_ESCAPE: Final = re.compile(r"~(?![01])")
_INDEX: Final = re.compile(r"0|[1-9][0-9]{0,17}")


class BadPointer(ValueError):
    """The text is no JSON Pointer."""


def parse(pointer: str) -> list[str]:
    """The decoded reference tokens; the empty list is the whole document. Raises BadPointer."""
    if pointer == "":
        return []
    if not pointer.startswith("/"):
        raise BadPointer("a JSON Pointer starts with a slash")
    if _BAD_ESCAPE.search(pointer):
        raise BadPointer("'~' is followed by neither 0 nor 1")
    # RFC 6901 §4: "~1" before "~0", so that "~01" becomes "~1".
    return [token.replace("~1", "/").replace("~0", "~") for token in pointer.split("/")[1:]]


def array_index(token: str, length: int) -> int | None:
    """The index that the token names in an array of this length; None if it names none (RFC 6901 §4)."""
    if _INDEX.fullmatch(token) is None:
        return None
    index = int(token)
    return index if index < length else None
