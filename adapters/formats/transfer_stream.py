"""Decoding a content transfer encoding while the octets arrive (RFC 2045 §6)."""

import string
from collections.abc import AsyncIterator, Callable

from adapters.formats.transfer import decode_base64, decode_transfer

_NOT_BASE64 = bytes(set(range(256)) - set((string.ascii_letters + string.digits + "+/=").encode()))
_LONGEST_LINE = 64 * 1024
"""Octets of a quoted-printable line that are kept waiting for its end."""


async def decoded(encoding: str, raw: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The decoded octets; what is no valid encoding passes as `transfer.decode_transfer` would let it pass."""
    feed = _FEEDS.get(encoding, _identity)()
    async for piece in raw:
        if octets := feed(piece, False):
            yield octets
    if octets := feed(b"", True):
        yield octets


Feed = Callable[[bytes, bool], bytes]
"""(piece, is it the last) -> what can be decoded so far."""


def _identity() -> Feed:
    return lambda piece, _last: piece


def _base64_feed() -> Feed:
    waiting, ended = b"", False

    def feed(piece: bytes, last: bool) -> bytes:
        nonlocal waiting, ended
        if not ended:
            digits, padding, _ = piece.translate(None, _NOT_BASE64).partition(b"=")
            waiting, ended = waiting + digits, bool(padding)
        whole = len(waiting) if last or ended else len(waiting) // 4 * 4
        taken, waiting = waiting[:whole], waiting[whole:]
        return decode_base64(taken)[0]

    return feed


def _quoted_printable_feed() -> Feed:
    waiting = b""

    def feed(piece: bytes, last: bool) -> bytes:
        nonlocal waiting
        waiting += piece
        cut = len(waiting) if last or len(waiting) > _LONGEST_LINE else waiting.rfind(b"\n") + 1
        taken, waiting = waiting[:cut], waiting[cut:]
        return decode_transfer("quoted-printable", taken)[0]

    return feed


_FEEDS: dict[str, Callable[[], Feed]] = {"base64": _base64_feed, "quoted-printable": _quoted_printable_feed}
