"""Bulk FETCH streams as rows (pure): the shape of the first response is learned and applied to all of them.

A server answers every message of one FETCH with the same items in the same order, so one regular expression built
from the first response reads the others at a fifth of the tokenizer's cost. It is tried right behind the last response
that fitted, never further on, and a literal is measured by its `{n}`; whatever does not fit goes to the tokenizer.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from operator import eq, itemgetter
from typing import Final

from adapters.imap.errors import ProtocolError
from adapters.imap.framer import split_responses
from adapters.imap.responses import Untagged, fetch_items, parse_response
from adapters.imap.sequences import UID_MAX
from adapters.imap.tokens import Value

UID: Final = b"UID"
FLAGS: Final = b"FLAGS"
DATE: Final = b"INTERNALDATE"
SIZE: Final = b"RFC822.SIZE"
MODSEQ: Final = b"MODSEQ"
HEADER: Final = b"BODY[HEADER.FIELDS]"  # stands for the item with its list of fields

OBJECT_ID: Final = rb"[A-Za-z0-9_.,=:-]{1,255}"

Row = tuple[bytes, ...]

_MAX_PARTIAL: Final = 10_000
_SIZE_MAX: Final = 0xFFFFFFFF

# What each item looks like where nothing is unusual; one group per item that can be asked for, none for others.
_SHAPES: Final[dict[bytes, bytes]] = {
    UID: rb"(\d{1,9})",
    FLAGS: rb"\(([^()\"\x00-\x1f]*+)\)",
    DATE: rb'"([ \d]\d-[A-Z][a-z]{2}-\d{4} \d\d:\d\d:\d\d [+-]\d{4})"',
    SIZE: rb"(\d{1,9})",
    b"EMAILID": rb"\((" + OBJECT_ID + rb")\)",
    b"THREADID": rb"\((" + OBJECT_ID + rb")\)",
    b"X-GM-MSGID": rb"(\d{1,20})",
    b"X-GM-THRID": rb"(\d{1,20})",
    b"X-GUID": rb'(?!NIL[ )])"?(' + OBJECT_ID + rb')"?',
    MODSEQ: rb"\((\d{1,20})\)",
}
IDS: Final = frozenset({b"EMAILID", b"THREADID", b"X-GM-MSGID", b"X-GM-THRID", b"X-GUID"})
_VALID_ID: Final = re.compile(OBJECT_ID)
_DATE_TIME: Final = re.compile(rb"[ \d]\d-[A-Z][a-z]{2}-\d{4} \d\d:\d\d:\d\d [+-]\d{4}")
_LITERAL: Final = rb"BODY\[HEADER\.FIELDS \([^)]*+\)\] \{(\d{1,9})\}\r\n"
_FIELD: Final = rb"(?i:%b):(.*(?:\r\n[ \t].*)*)\r\n"
_ANY_FIELD: Final = re.compile(rb"^([!-9;-~]+)[ \t]*:(.*(?:\n[ \t].*)*)", re.MULTILINE)  # as in formats.header_fields
_FOLD: Final = re.compile(rb"\r?\n(?=[ \t])")


@dataclass(frozen=True, slots=True)
class Shape:
    """Items of a response in the server's order.

    pattern: one response; or, as its last group, all that is left where none fits. ordered: the row of its groups.
    literal: which groups are the size of the literal and its octets.
    """

    pattern: re.Pattern[bytes]
    ordered: Callable[[Row], Row]
    literal: tuple[int, int] | None

    def rows(self, chunk: bytes, position: int) -> tuple[list[Row], int]:
        """Rows of the responses from `position` on that fit, and where the first one begins that does not."""
        found = self.pattern.findall(chunk, position)
        rest = len(found.pop()[-1]) if found and found[-1][-1] else 0
        if (odd := self._odd(found)) is not None:
            begin = next(islice(self.pattern.finditer(chunk, position), odd, None)).start()
            return list(map(self.ordered, found[:odd])), begin
        return list(map(self.ordered, found)), len(chunk) - rest

    def _odd(self, found: list[Row]) -> int | None:
        """The first match that takes something else for the literal."""
        if self.literal is None:
            return None
        size, octets = map(itemgetter, self.literal)
        fitting = map(eq, map(int, map(size, found)), map(len, map(octets, found)))
        return next((number for number, fits in enumerate(fitting) if not fits), None)


@lru_cache(maxsize=64)
def learn(found: tuple[bytes, ...], wanted: tuple[bytes, ...], fields: tuple[bytes, ...]) -> Shape | None:
    """The shape of responses with the items `found`, for rows of `wanted`; None where an item is unknown."""
    if not set(wanted) <= set(found) or len(set(found)) != len(found):
        return None
    if any(name not in _SHAPES and not (name == HEADER and fields) for name in found):
        return None
    places: dict[bytes, tuple[int, ...]] = {}
    groups, literal = 0, None
    for name in found:
        if name == HEADER:
            literal, groups = (groups, groups + 1), groups + 2
        groups += (length := len(fields) if name == HEADER else 1)
        places[name] = tuple(range(groups - length, groups))
    items = b" ".join(_header(fields) if name == HEADER else _item(name) for name in found)
    pattern = re.compile(rb"\* \d{1,10} FETCH \(" + items + rb"\)\r\n|(?s:(.+))")
    return Shape(pattern, itemgetter(*(place for name in wanted for place in places[name])), literal)


def field_values(block: bytes, names: Sequence[bytes]) -> Row:
    """The values of header fields (names in lower case), see `trimmed`; of several, the last (RFC 8621 §4.1.2)."""
    fields = {name.lower(): value for name, value in _ANY_FIELD.findall(block)}
    return tuple(trimmed([fields.get(name, b"") for name in names]))


def trimmed(values: Sequence[bytes]) -> list[bytes]:
    """Values unfolded, and without white space around."""
    if b"\n" in b"".join(values):
        values = [_FOLD.sub(b"", value) for value in values]
    return list(map(bytes.strip, values))


class RowReader:
    """Turns chunks of whole responses into rows with the values of `wanted`, in that order.

    Values are raw: the text inside the parentheses of FLAGS, EMAILID and THREADID, b"" for NIL and for an id or date
    that is none; of HEADER the row has the values of `fields` (names in lower case), perhaps folded and with white
    space around. `wanted` begins with UID and has at least one more item. A message whose items come in several
    responses makes one row when the last has come. Responses about anything else are kept for `take_others`.
    """

    def __init__(self, wanted: Sequence[bytes], fields: Sequence[bytes] = ()) -> None:
        self._wanted = tuple(wanted)
        self._fields = tuple(fields)
        self._shape: Shape | None = None
        self._partial: dict[bytes, dict[bytes, bytes]] = {}
        self._others: list[bytes] = []

    def rows(self, chunk: bytes) -> list[Row]:
        """Rows of the messages in a chunk, in the server's order. Raises ProtocolError for what is no response."""
        rows, position = self.regular(chunk, 0)
        while position < len(chunk):
            position += self._irregular(chunk[position:] if position else chunk, rows)
            more, position = self.regular(chunk, position)
            rows += more
        return rows

    def regular(self, chunk: bytes, position: int) -> tuple[list[Row], int]:
        """Rows of the whole responses from `position` on that fit, and where the first one begins that does not."""
        return ([], position) if self._shape is None else self._shape.rows(chunk, position)

    def _irregular(self, chunk: bytes, rows: list[Row]) -> int:
        """The first response by the tokenizer; returns its length."""
        raw, pieces = next(split_responses(chunk))
        response = parse_response(pieces)
        if isinstance(response, Untagged) and response.name == b"FETCH":
            row = self.row(fetch_items(response))
            if row is not None:
                rows.append(row)
        else:
            self._others.append(raw)
        return len(raw)

    def take_others(self) -> bytes:
        """The raw responses that were no FETCH, since the last call."""
        others, self._others = b"".join(self._others), []
        return others

    def row(self, items: dict[bytes, Value]) -> Row | None:
        """The row of tokenized FETCH data; None for foreign data and while items are missing."""
        named = {_canonical(name): value for name, value in items.items()}
        uid = named.get(UID)
        if not isinstance(uid, bytes) or not uid.isdigit() or not 0 < int(uid) <= UID_MAX:
            return None
        values = {name: _text(name, named[name]) for name in self._wanted if name in named}
        if len(values) == len(self._wanted):
            self._shape = learn(tuple(named), self._wanted, self._fields) or self._shape
        else:
            values = self._partial.pop(uid, {}) | values
            if len(values) < len(self._wanted):
                if len(self._partial) < _MAX_PARTIAL:
                    self._partial[uid] = values
                return None
        row: list[bytes] = []
        for name in self._wanted:
            row += field_values(values[name], self._fields) if name == HEADER else (values[name],)
        return tuple(row)


def _item(name: bytes) -> bytes:
    return re.escape(name) + b" " + _SHAPES[name]


def _header(fields: Sequence[bytes]) -> bytes:
    r"""The item with a block of these fields, which may be folded and come in any order, up to a blank line."""
    lines = b"|".join(_FIELD % re.escape(name) for name in fields)
    return _LITERAL + rb"((?:" + lines + rb")*(?:\r\n)?)"


def _canonical(name: bytes) -> bytes:
    return HEADER if name.startswith(b"BODY[HEADER.FIELDS") else name


def _text(name: bytes, value: Value) -> bytes:
    """The value as the shape's group would give it."""
    while isinstance(value, list) and len(value) == 1:  # pymap doubles the parentheses of EMAILID
        value = value[0]
    if isinstance(value, list):
        value = b" ".join(item for item in value if isinstance(item, bytes))
    if value is None:
        return b""
    if name == DATE:
        value = value.rjust(26)  # RFC 9051 §9 date-day-fixed; some servers leave out the space
        return value if _DATE_TIME.fullmatch(value) else b""
    if name in IDS:
        return value if _VALID_ID.fullmatch(value) else b""
    if name == SIZE:
        if not value.isdigit():
            raise ProtocolError("RFC822.SIZE is no number")
        return b"%d" % min(int(value), _SIZE_MAX)
    return value
