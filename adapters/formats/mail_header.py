"""The header of a message as it is about to be sent: found, cut off from the body, rid of Bcc."""

import re
from typing import Final

__all__ = ["header_length", "without_bcc"]

_LINE_END: Final = rb"(?>\r+\n|\r|\n)"
_END: Final = re.compile(rb"(?:\A|" + _LINE_END + rb")" + _LINE_END)
_LINE_ENDS: Final = re.compile(rb"\r+\n|\r|\n")
_BCC: Final = re.compile(rb"^(?:resent-)?bcc[ \t]*:.*\n(?:[ \t].*\n)*", re.IGNORECASE | re.MULTILINE)


def header_length(octets: bytes, *, complete: bool) -> int | None:
    """Octets of the header with the empty line after it; None while more must be read to know.

    Line ends are those that a server on the way may see: also a bare CR or LF. complete: nothing comes after these.
    """
    # Whether CRs at the end are line ends or belong to one shows only with what comes next.
    found = _END.search(octets if complete else octets.rstrip(b"\r"))
    if found is None:
        return len(octets) if complete else None
    return found.end()


def without_bcc(header: bytes) -> bytes:
    """The header with CRLF line ends, without Bcc (RFC 8621 §7.5) and Resent-Bcc (RFC 5322 §3.6.6)."""
    lines = _LINE_ENDS.sub(b"\n", header)
    if lines and not lines.endswith(b"\n"):
        lines += b"\n"
    return _BCC.sub(b"", lines).replace(b"\n", b"\r\n")
