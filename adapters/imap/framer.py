"""Cuts the byte stream of a server into whole responses (pure). RFC 9051 §2.2.2, §4.3; literal8 RFC 3516.

Four ways, chosen by the receiver:
- frames: each response as pieces (text, literal, text, …), see `tokens`;
- expected: many responses as one, where they come octet for octet as they came before;
- bulk: chunks of whole raw responses, cut with few scans, until the completion of a given tag;
- sink: one large literal handed on piece by piece as it arrives.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from adapters.imap.errors import LineTooLong, ProtocolError

CRLF: Final = b"\r\n"

_MARK: Final = re.compile(rb"~?\{(\d{1,20})\+?\}\Z")
_MARK_WIDTH: Final = 25  # "~{" + 20 digits + "+}" and a little
_STATUS: Final = re.compile(rb"(?:\* (?:OK|NO|BAD|BYE|PREAUTH)\b|\+|[^* ]+ (?:OK|NO|BAD)\b)", re.I)
_LISTING: Final = re.compile(rb"\* (?:SEARCH|SORT|THREAD|ESEARCH)\b", re.I)


@dataclass(frozen=True, slots=True)
class Caps:
    """What a server may send before the connection is given up. Octets, except depth.

    `listing` bounds the one line that may name every message of a mailbox (SEARCH, SORT, THREAD, ESEARCH).
    `collected` bounds what one command may gather (about 200 octets are added per response).
    """

    line: int = 1 << 20
    listing: int = 16 << 20
    literal: int = 64 << 20
    response: int = 96 << 20
    collected: int = 128 << 20
    depth: int = 100


class Receiver(Protocol):
    """Who takes what the framer cuts."""

    def frame(self, pieces: list[bytes]) -> None:
        """One whole response."""

    def expected(self) -> None:
        """Just the responses that were expected."""

    def skim(self, data: bytes, position: int) -> int:
        """Take what is at once seen to be whole responses (bulk); returns where the first other one begins."""

    def chunk(self, raw: bytes) -> None:
        """Whole raw responses (bulk)."""

    def wants_literal(self, pieces: list[bytes], size: int) -> bool:
        """Whether the literal that follows `pieces` goes to `literal_data` instead of the frame."""

    def literal_data(self, raw: bytes) -> None:
        """The next octets of a wanted literal. The frame has `b""` in its place."""


class Framer:
    """Feed it octets in any split; the receiver sees the same events."""

    def __init__(self, receiver: Receiver, caps: Caps) -> None:
        self._receiver = receiver
        self._caps = caps
        self._rest = bytearray()  # an unfinished line, or in bulk an unfinished response
        self._need = 0  # bulk: length of _rest below which looking again is useless
        self._pieces: list[bytes] = []
        self._gathered = 0  # octets of the response so far
        self._literal: bytearray | None = None  # being gathered; None while it goes to the sink
        self._left = 0
        self._bulk_tag: bytes | None = None
        self._expected = self._expected_first = b""
        self._halted = False

    def bulk(self, tag: bytes) -> None:
        """From the next response on deliver chunks, until the completion line of `tag`."""
        self._bulk_tag = tag

    def expect(self, octets: bytes) -> None:
        """Whole responses that may well come, one behind the other, just as they are here (empty: no longer).

        The receiver is then told so, once, and they are not cut. Where the first comes and not all the others they are
        cut as ever.
        """
        self._expected, self._expected_first = octets, octets[: octets.find(CRLF) + 2]

    def halt(self) -> None:
        """Called by the receiver inside `frame`: stop here, `feed` returns the octets after this response."""
        self._halted = True

    def feed(self, data: bytes | memoryview) -> bytes:
        """Take octets; returns what is left over after `halt`, else nothing. Raises ProtocolError at a cap."""
        if self._left:
            data = self._more_literal(data)
            if self._left:
                return b""
        if self._rest:
            start = 0 if self._need else len(self._rest) - 1
            self._rest += data
            if self._need:
                if len(self._rest) < self._need:
                    return b""
            elif self._rest.find(CRLF, start) < 0:
                self._check_line(len(self._rest), self._rest[:16])
                return b""
            data, self._rest, self._need = bytes(self._rest), bytearray(), 0
        return self._cut(bytes(data))

    @property
    def in_bulk(self) -> bool:
        """Whether chunks are delivered."""
        return self._bulk_tag is not None

    @property
    def between_responses(self) -> bool:
        """Whether no response is half received."""
        return not (self._rest or self._pieces or self._left)

    def _cut(self, data: bytes) -> bytes:
        position = 0
        while not self._halted:
            if self._bulk_tag is not None and not self._pieces:
                position = self._cut_bulk(data, self._receiver.skim(data, position), self._bulk_tag)
                if self._bulk_tag is not None:
                    self._rest = bytearray(data[position:])
                    return b""
            if self._expected and not self._pieces and position < len(data):
                taken = self._as_expected(data, position)
                if taken is None:
                    self._rest = bytearray(data[position:])
                    self._need = len(self._rest) + 1
                    return b""
                position += taken
                if taken:
                    continue
            end = data.find(CRLF, position)
            if end < 0:
                self._rest = bytearray(data[position:])
                self._check_line(len(self._rest), self._rest[:16])
                return b""
            position = self._line(data, position, end)
        self._halted = False
        return data[position:]

    def _as_expected(self, data: bytes, position: int) -> int | None:
        """How many octets are as expected from `position` on: all or none; None where more must come to tell."""
        expected, left = self._expected, len(data) - position
        if data.startswith(expected, position):
            self._expected = b""
            self._receiver.expected()
            return len(expected)
        if left < len(expected) and data.startswith(expected[:left], position):
            return None
        if data.startswith(self._expected_first, position):
            self._expected = b""
        return 0

    def _line(self, data: bytes, position: int, end: int) -> int:
        """One line of a response; returns where the next begins."""
        self._check_line(end - position, data[position : position + 16])
        line = data[position:end]
        mark = literal_mark(line, first=not self._pieces)
        if mark is None:
            pieces, self._pieces, self._gathered = [*self._pieces, line], [], 0
            self._receiver.frame(pieces)
            return end + 2
        self._pieces.append(line[: mark[0]])
        self._left = mark[1]
        self._literal = None if self._receiver.wants_literal(self._pieces, mark[1]) else bytearray()
        self._account(len(line) + (0 if self._literal is None else mark[1]))
        if not self._left:
            self._end_literal()
            return end + 2
        return len(data) - len(self._more_literal(memoryview(data)[end + 2 :]))

    def _more_literal(self, data: bytes | memoryview) -> bytes | memoryview:
        taken = data[: self._left]
        self._left -= len(taken)
        if self._literal is not None:
            self._literal += taken
        elif taken:
            self._receiver.literal_data(bytes(taken))
        if not self._left:
            self._end_literal()
        return data[len(taken) :]

    def _end_literal(self) -> None:
        self._pieces.append(bytes(self._literal) if self._literal is not None else b"")
        self._literal = None

    def _account(self, size: int) -> None:
        self._gathered += size + 100  # an empty piece costs too
        if size > self._caps.literal + self._caps.line or self._gathered > self._caps.response:
            raise ProtocolError("literal or response too large")

    def _cut_bulk(self, data: bytes, start: int, tag: bytes) -> int:
        """Deliver the whole responses from `start`; ends bulk at the tag. Returns where the rest begins.

        `boundary` is where the current response begins, `position` where its text goes on (after a literal).
        """
        boundary = position = start
        while True:
            brace = data.find(b"}\r\n", position)
            stop = brace + 3 if brace >= 0 else len(data)
            ending = _find_line(data, tag + b" ", position, stop, at_start=position == boundary)
            if ending >= 0:
                boundary, self._bulk_tag = ending, None
                break
            last = data.rfind(CRLF, position, brace if brace >= 0 else stop)
            if last >= 0:
                boundary = last + 2
            text = max(boundary, position)
            if stop - text > self._caps.line:
                self._check_line(stop - text, data[text : text + 16])
            if brace < 0:
                break
            mark = literal_mark(data[text : brace + 1], first=boundary >= position)
            if mark is None:
                boundary = position = stop
                continue
            position = stop + mark[1]
            if mark[1] > self._caps.literal or position - boundary > self._caps.response:
                raise ProtocolError("literal or response too large")
            if position >= len(data):
                self._need = position - boundary + 2
                break
        if boundary > start:
            self._receiver.chunk(data[start:boundary])
        return boundary

    def _check_line(self, length: int, head: bytes | bytearray) -> None:
        if length > self._caps.line and (length > self._caps.listing or not _LISTING.match(head)):
            raise LineTooLong("line too long")


def literal_mark(line: bytes, *, first: bool) -> tuple[int, int] | None:
    """Where the text before a `{n}` at the end of a line stops, and n; None where no literal follows.

    The text of a status response may end in `{3}` and announces nothing (RFC 9051 §9 resp-text).
    """
    if not line.endswith(b"}"):
        return None
    match = _MARK.search(line, max(0, len(line) - _MARK_WIDTH))
    if match is None or (first and _STATUS.match(line)):
        return None
    return match.start(), int(match[1])


def octets_of(pieces: Sequence[bytes]) -> bytes:
    """A response from which the framer cuts these pieces."""
    text = [b"%b{%d}\r\n%b" % (pieces[at], len(pieces[at + 1]), pieces[at + 1]) for at in range(0, len(pieces) - 1, 2)]
    return b"".join((*text, pieces[-1], CRLF))


def split_responses(chunk: bytes) -> Iterator[tuple[bytes, list[bytes]]]:
    """Each response of a bulk chunk: its raw octets and its pieces, for what a fast reader did not take."""
    position = 0
    while position < len(chunk):
        start = position
        pieces: list[bytes] = []
        while True:
            end = chunk.find(CRLF, position)
            if end < 0:
                raise ProtocolError("chunk ends inside a response")
            line = chunk[position:end]
            mark = literal_mark(line, first=not pieces)
            position = end + 2
            if mark is None:
                pieces.append(line)
                break
            pieces += (line[: mark[0]], chunk[position : position + mark[1]])
            position += mark[1]
        yield chunk[start:position], pieces


def _find_line(data: bytes, text: bytes, start: int, stop: int, *, at_start: bool) -> int:
    """Where a line of data[start:stop] begins with `text`; -1 for nowhere."""
    if at_start and data.startswith(text, start, stop):
        return start
    found = data.find(CRLF + text, start, stop)
    return found + 2 if found >= 0 else -1
