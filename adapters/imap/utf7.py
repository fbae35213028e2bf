"""Mailbox names: modified UTF-7 (RFC 3501 §5.1.3), reversible for every byte sequence a server may send (pure).

A name that is not canonical modified UTF-7 (8-bit bytes, a stray `&`, needless base64) is shown with each odd byte
as a private-use character U+F700+byte, so that the same bytes go back to the server.
"""

import base64
import binascii
import re
from functools import lru_cache
from typing import Final

_RAW: Final = 0xF700
_PRINTABLE: Final = frozenset(range(0x20, 0x7F))
_SHIFT: Final = re.compile(rb"&([A-Za-z0-9+,]*)-")
_AMPERSAND: Final = 0x26
_KEPT: Final = 4096  # names: those of an account are said many times a second


@lru_cache(_KEPT)
def encode(name: str) -> bytes:
    """The wire form of a name. Lone surrogates cannot occur in JSON text and are replaced."""
    out = bytearray()
    shifted: list[str] = []
    for character in name:
        point = ord(character)
        raw = _raw_byte(point)
        if raw is None and point not in _PRINTABLE:
            shifted.append(character)
            continue
        _flush(shifted, out)
        if raw is not None:
            out.append(raw)
        else:
            out += b"&-" if point == _AMPERSAND else bytes((point,))
    _flush(shifted, out)
    return bytes(out)


@lru_cache(_KEPT)
def decode(raw: bytes, *, utf8: bool = False) -> str:
    """The name for people. Never raises; `encode(decode(raw)) == raw` for all bytes (RFC 3501 names)."""
    if utf8:  # RFC 6855 §3: with UTF8=ACCEPT names are UTF-8
        return raw.decode("utf-8", "replace")
    try:
        name = _SHIFT.sub(_unshift, raw).decode("utf-8")
    except (UnicodeDecodeError, binascii.Error):
        return _keep(raw)
    return name if encode(name) == raw else _keep(raw)


def _unshift(match: re.Match[bytes]) -> bytes:
    if not match[1]:
        return b"&"
    padded = match[1].replace(b",", b"/") + b"=" * (-len(match[1]) % 4)
    return base64.b64decode(padded).decode("utf-16-be").encode()


def _flush(shifted: list[str], out: bytearray) -> None:
    if shifted:
        text = "".join(shifted).encode("utf-16-be", "replace")
        out += b"&" + base64.b64encode(text).rstrip(b"=").replace(b"/", b",") + b"-"
        shifted.clear()


def _raw_byte(point: int) -> int | None:
    """The byte that a private-use character of `_keep` stands for."""
    byte = point - _RAW
    return byte if 0 <= byte <= 0xFF and (byte not in _PRINTABLE or byte == _AMPERSAND) else None


def _keep(raw: bytes) -> str:
    return "".join(chr(b if b in _PRINTABLE and b != _AMPERSAND else _RAW + b) for b in raw)
