"""A message as it goes through DATA (RFC 5321 §4.5.2): CRLF only, leading dots doubled. Pure."""

import re
from typing import Final

_LINE_ENDS: Final = re.compile(rb"\r+\n|\r|\n")


class DotStuffer:
    """Turns pieces of a message into those of a DATA block.

    RFC 5321 §2.3.8: a bare CR or LF must not be sent; a server that takes one for the end of a line would otherwise
    find commands in a message. Each becomes CRLF before dots are looked for; CRs before a CRLF belong to it.
    """

    def __init__(self) -> None:
        self._held = b""
        self._at_start = True

    def feed(self, piece: bytes) -> bytes:
        """The next octets. A CR at the end of a piece is held until its successor is known."""
        octets = self._held + piece
        kept = len(octets.rstrip(b"\r"))
        octets, self._held = octets[:kept], octets[kept:]
        return self._stuffed(octets)

    def finish(self) -> bytes:
        """What is left, and the line end that must stand before the final dot."""
        rest = self._stuffed(self._held)
        self._held = b""
        return rest if self._at_start else rest + b"\r\n"

    def _stuffed(self, octets: bytes) -> bytes:
        if not octets:
            return b""
        lines = _LINE_ENDS.sub(b"\r\n", octets)
        stuffed = lines.replace(b"\r\n.", b"\r\n..")
        if self._at_start and lines.startswith(b"."):
            stuffed = b"." + stuffed
        self._at_start = lines.endswith(b"\n")
        return stuffed
