r"""IMAP flags and JMAP keywords (pure). RFC 8621 §4.1.1, RFC 9051 §2.3.2.

Four system flags become `$` keywords; other keywords are lower-cased. `\Recent` is not shown. A message flagged
`\Deleted` must not be visible through JMAP at all, so its flag set has no keywords but `None`.
"""

import re
from collections.abc import Iterable
from typing import Final

from adapters.errors import InvalidData
from adapters.imap.tokens import Value
from adapters.ports.mail import Keywords

SYSTEM: Final = {b"\\seen": "$seen", b"\\answered": "$answered", b"\\flagged": "$flagged", b"\\draft": "$draft"}
DELETED: Final = b"\\deleted"
DELETED_FLAG: Final = b"\\Deleted"

_FLAG_OF: Final = {"$seen": b"\\Seen", "$answered": b"\\Answered", "$flagged": b"\\Flagged", "$draft": b"\\Draft"}
_KEYWORD: Final = re.compile(r'[^\x00-\x20\x7f-\U0010ffff(){\]%*"\\]{1,255}')  # RFC 8621 §4.1.1
_MAX_SETS: Final = 4096


def keywords_of(flags: Iterable[bytes]) -> Keywords | None:
    r"""JMAP keywords of IMAP flags; None for a `\Deleted` message, which JMAP must not show.

    Flags that JMAP cannot name (other backslash flags, characters outside its syntax) are left out.
    """
    keywords: set[str] = set()
    for flag in flags:
        lower = flag.lower()
        if lower == DELETED:
            return None
        keyword = SYSTEM.get(lower) or lower.decode("latin-1")
        if _KEYWORD.fullmatch(keyword):
            keywords.add(keyword)
    return frozenset(keywords)


def flag_of(keyword: str) -> bytes:
    """The IMAP flag of a JMAP keyword. Raises InvalidData for what is no keyword."""
    lower = keyword.lower()
    if not _KEYWORD.fullmatch(lower):
        raise InvalidData("not a keyword")
    return _FLAG_OF.get(lower) or lower.encode("ascii")


def storable(flags: Iterable[Value] | None) -> Keywords | None:
    r"""The keywords of PERMANENTFLAGS (RFC 9051 §7.1). None for any: `\*` is among them, or the server does not say."""
    match list(flags or ()):
        case [list(inner)]:
            names = [name.lower() for name in inner if isinstance(name, bytes)]
            return None if b"\\*" in names else keywords_of(name for name in names if name != DELETED)
    return None


class FlagSets(dict[bytes, Keywords | None]):
    r"""Memo from the text between the parentheses of FLAGS (`\Seen $Forwarded`) to keywords, see `keywords_of`.

    Equal keyword sets are one object, whatever order and case the server wrote them in. Bounded: a mailbox with a
    set of its own for each message starts the memo anew instead of growing it.
    """

    def __init__(self) -> None:
        super().__init__()
        self._interned: dict[Keywords, Keywords] = {}

    def __missing__(self, text: bytes) -> Keywords | None:
        keywords = keywords_of(text.split())
        if len(self) >= _MAX_SETS:
            self.clear()
            self._interned.clear()
        if keywords is not None:
            keywords = self._interned.setdefault(keywords, keywords)
        self[text] = keywords
        return keywords
