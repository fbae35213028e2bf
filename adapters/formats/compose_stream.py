"""Octets on their way into a message, piece by piece: base64, line ends, and what must be known of them before."""

import binascii
import re
from collections.abc import AsyncIterator, Callable
from typing import Final

from adapters.errors import Unavailable
from adapters.formats.compose import BlobFacts, Composition

__all__ = ["MAX_HEAD", "Examination", "LineEnds", "base64_lines", "examine", "stream", "with_line_ends"]

MAX_HEAD: Final = 1 << 20
"""Octets of a message header that are kept by `examine`."""

_BASE64_LINE: Final = 57
_BARE_LF = re.compile(rb"(?<!\r)\n")
_END_OF_HEADER = re.compile(rb"(?:\A|(?<=\n))\r?\n")


class LineEnds:
    """Makes each bare LF a CRLF and drops NUL (RFC 5322 §2.3; RFC 8621 §4.8 allows it). A bare CR stays."""

    def __init__(self) -> None:
        self._after_cr = False

    def feed(self, piece: bytes) -> bytes:
        """The next octets, changed."""
        if b"\0" in piece:
            piece = piece.replace(b"\0", b"")
        if not piece:
            return piece
        after_cr, self._after_cr = self._after_cr, piece.endswith(b"\r")
        if piece.count(b"\n") == piece.count(b"\r\n"):
            return piece
        if after_cr and piece.startswith(b"\n"):
            return b"\n" + _BARE_LF.sub(b"\r\n", piece[1:])
        return _BARE_LF.sub(b"\r\n", piece)


class Examination:
    """What one reading of a blob tells.

    size: octets as they are. lines_size: octets after `LineEnds`. ascii: no high bits. head: the header block of a
    message after `LineEnds`, or the beginning of it.
    """

    def __init__(self) -> None:
        self.size = self.lines_size = 0
        self.ascii = True
        self.head = bytearray()
        self._line_ends = LineEnds()
        self._in_head = True

    def feed(self, piece: bytes) -> None:
        """The next octets."""
        self.size += len(piece)
        self.ascii = self.ascii and piece.isascii()
        changed = self._line_ends.feed(piece)
        self.lines_size += len(changed)
        if self._in_head:
            start = max(0, len(self.head) - 2)
            self.head += changed
            if found := _END_OF_HEADER.search(self.head, start):
                del self.head[found.start() :]
            if found or len(self.head) > MAX_HEAD:
                self._in_head = False

    def facts(self, blob_type: str | None) -> BlobFacts:
        """For `compose`."""
        return BlobFacts(self.size, blob_type, self.lines_size, self.ascii)


async def examine(raw: AsyncIterator[bytes]) -> Examination:
    """Read everything once, keeping no more than the header."""
    found = Examination()
    async for piece in raw:
        found.feed(piece)
    return found


async def with_line_ends(raw: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """See `LineEnds`."""
    line_ends = LineEnds()
    async for piece in raw:
        if changed := line_ends.feed(piece):
            yield changed


async def base64_lines(raw: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """base64 in lines of 76 characters with CRLF between them (RFC 2045 §6.8)."""
    waiting, between = b"", b""
    async for piece in raw:
        waiting += piece
        whole = len(waiting) // _BASE64_LINE * _BASE64_LINE
        if whole:
            yield between + _encoded(waiting[:whole])
            waiting, between = waiting[whole:], b"\r\n"
    if waiting:
        yield between + _encoded(waiting)


def _encoded(octets: bytes) -> bytes:
    text = binascii.b2a_base64(octets, newline=False)
    return b"\r\n".join(text[start : start + 76] for start in range(0, len(text), 76))


async def stream(composition: Composition, read: Callable[[str], AsyncIterator[bytes]]) -> AsyncIterator[bytes]:
    """The octets of a message. `read` gives those of a blob. Raises Unavailable for a blob that is not what it was."""
    for piece in composition.pieces:
        if isinstance(piece, bytes):
            yield piece
            continue
        raw = read(piece.blob_id)
        left = piece.size
        async for octets in base64_lines(raw) if piece.encoding == "base64" else with_line_ends(raw):
            left -= len(octets)
            if left >= 0:
                yield octets
        if left:
            raise Unavailable("a blob has changed while it was written")
