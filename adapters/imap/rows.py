"""Bulk FETCH streams as rows (pure): the shape of the first response is learned and applied to all of them.

A server answers every message of one FETCH with the same items in the same order, so one regular expression built
from the first response reads the others at a fifth of the tokenizer's cost. Each match starts at a response's first
octet and must end at its last, and a literal is measured by its `{n}`; whatever does not fit goes to the tokenizer.
"""

import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
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
    b"MODSEQ": rb"\((\d{1,20})\)",
}
IDS: Final = frozenset({b"EMAILID", b"THREADID", b"X-GM-MSGID", b"X-GM-THRID", b"X-GUID"})
_VALID_ID: Final = re.compile(OBJECT_ID)
_DATE_TIME: Final = re.compile(rb"[ \d]\d-[A-Z][a-z]{2}-\d{4} \d\d:\d\d:\d\d [+-]\d{4}")
_LITERAL: Final = rb"BODY\[HEADER\.FIELDS \([^()\x00-\x1f]*+\)\] \{(\d{1,9})\}\r\n"


@dataclass(frozen=True, slots=True)
class Shape:
    """Items of a response in the server's order: the part up to a literal, the part after it, how to sort the row."""

    head: re.Pattern[bytes]
    tail: re.Pattern[bytes] | None
    ordered: Callable[[Row], Row] | None

    def lines(self, chunk: bytes, position: int) -> tuple[list[Row], int] | None:
        """All rows up to the last line end at once; None where a line does not fit or there are literals."""
        end = chunk.rfind(b"\r\n", position) + 2
        if self.tail is not None or end < 2:
            return None
        rows = self.head.findall(chunk, position, end)
        if len(rows) != chunk.count(b"\r\n", position, end):
            return None
        return (rows if self.ordered is None else list(map(self.ordered, rows))), end

    def row(self, chunk: bytes, position: int) -> tuple[Row, int] | None:
        """The row of the response at `position` and where the next one begins; None where the shape does not fit."""
        match = self.head.match(chunk, position)
        if match is None:
            return None
        row = match.groups()
        end = match.end()
        if self.tail is not None:
            start = end
            end = start + int(row[-1])
            rest = self.tail.match(chunk, end)
            if rest is None:
                return None
            row = (*row[:-1], chunk[start:end], *rest.groups())
            end = rest.end()
        return (row if self.ordered is None else self.ordered(row)), end


@lru_cache(maxsize=64)
def learn(found: tuple[bytes, ...], wanted: tuple[bytes, ...]) -> Shape | None:
    """The shape of responses with the items `found`, for rows of `wanted`; None where an item is unknown."""
    if not set(wanted) <= set(found) or len(set(found)) != len(found):
        return None
    if any(name not in _SHAPES and name != HEADER for name in found):
        return None
    cut = found.index(HEADER) if HEADER in found else len(found)
    before, after = found[:cut], found[cut + 1 :]
    head = rb"^\* \d{1,10} FETCH \(" + b" ".join(_item(name) for name in before)
    columns = tuple(found.index(name) for name in wanted)
    ordered = operator.itemgetter(*columns) if columns != tuple(range(len(found))) else None
    if HEADER not in found:
        return Shape(re.compile(head + rb"\)\r\n", re.MULTILINE), None, ordered)
    tail = b"".join(b" " + _item(name) for name in after) + rb"\)\r\n"
    return Shape(re.compile(head + (b" " if before else b"") + _LITERAL, re.MULTILINE), re.compile(tail), ordered)


class RowReader:
    """Turns chunks of whole responses into rows with the values of `wanted`, in that order.

    Values are raw: the text inside the parentheses of FLAGS, EMAILID and THREADID, the octets of a header literal,
    b"" for NIL and for an id or date that is none. `wanted` begins with UID and has at least one more item. A message
    whose items come in several responses makes one row when the last has come. Responses about anything else are
    kept for `take_others`.
    """

    def __init__(self, wanted: Sequence[bytes]) -> None:
        self._wanted = tuple(wanted)
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
        rows: list[Row] = []
        if self._shape is not None:
            if (lines := self._shape.lines(chunk, position)) is not None:
                return lines
            fit, length = self._shape.row, len(chunk)
            while position < length and (found := fit(chunk, position)) is not None:
                row, position = found
                rows.append(row)
        return rows, position

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
            self._shape = learn(tuple(named), self._wanted) or self._shape
        else:
            values = self._partial.pop(uid, {}) | values
            if len(values) < len(self._wanted):
                if len(self._partial) < _MAX_PARTIAL:
                    self._partial[uid] = values
                return None
        return tuple(values[name] for name in self._wanted)


def _item(name: bytes) -> bytes:
    return re.escape(name) + b" " + _SHAPES[name]


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
