"""Text that may stand in I-JSON (RFC 7493 §2.1): no surrogates, no noncharacters; and no NUL, which breaks clients."""

import re

__all__ = ["REPLACEMENT", "scrub"]

REPLACEMENT = "\ufffd"

# The last two code points of each plane, written as one class.
_PLANE_ENDS = "".join(chr(plane << 16 | low) for plane in range(17) for low in (0xFFFE, 0xFFFF))
_FORBIDDEN = re.compile(f"[\ud800-\udfff\ufdd0-\ufdef{_PLANE_ENDS}]")
# Planes 0 and 1 without those: nearly all text, and ten times faster to match than the class above is to search for.
_ORDINARY = re.compile("[\x00-\ud7ff\ue000-\ufdcf\ufdf0-\ufffd\U00010000-\U0001fffd]*+")


def scrub(text: str) -> str:
    """Return `text` without NUL, and with U+FFFD for each code point that I-JSON forbids."""
    if "\0" in text:
        text = text.replace("\0", "")
    if text.isascii() or _ORDINARY.fullmatch(text):
        return text
    return _FORBIDDEN.sub(REPLACEMENT, text)
