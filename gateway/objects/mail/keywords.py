"""What a JMAP keyword may be (RFC 8621 §4.1.1)."""

import re
from typing import Any

_KEYWORD = re.compile(r"[!-~]{1,255}")
_FORBIDDEN = set('(){]%*"\\')


def keyword(value: Any) -> str | None:
    """The check of a keyword: 1 to 255 of %x21-7E without ( ) { ] % * " and backslash."""
    if isinstance(value, str) and _KEYWORD.fullmatch(value) and not _FORBIDDEN & set(value):
        return None
    return "must be a keyword"
