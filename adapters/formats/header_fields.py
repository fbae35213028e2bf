"""Split a header block into fields. Lines that are no field (mbox "From ", junk) are passed over."""

import re

__all__ = ["header_fields"]

# RFC 5322 §2.2: printable ASCII except colon, then the value with its continuation lines.
_FIELD = re.compile(rb"^([!-9;-~]+)[ \t]*:(.*(?:\n[ \t].*)*)", re.MULTILINE)


def header_fields(header: bytes) -> list[tuple[str, bytes]]:
    """(name as written, raw value after the colon without the final line end, folding kept), in order."""
    return [(name.decode("ascii"), value.removesuffix(b"\r")) for name, value in _FIELD.findall(header)]
