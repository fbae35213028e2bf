"""RFC 2047 encoded words, decoded only where the RFC allows them to stand."""

import binascii
import re
import unicodedata
from collections.abc import Iterator

from adapters.formats.charsets import codec_of, decode_charset
from adapters.formats.transfer import decode_base64

__all__ = ["decode_words", "decode_words_anywhere", "normalize"]

_WORD = r"=\?([!-)+->@-~]{1,64})(?:\*[!->@-~]{0,64})?\?([bBqQ])\?([!->@-~]*)\?="
# RFC 2047 §5: separated from other text by white space (the text is unfolded already).
_PLACED = re.compile(rf"(?<![^ \t\r\n]){_WORD}(?![^ \t\r\n])")
_ANYWHERE = re.compile(_WORD)
_CONTROLS = dict.fromkeys((*range(0x20), *range(0x7F, 0xA0)))

# Canonical ordering in unicodedata is quadratic in the length of a run of combining characters.
_NORMALIZE_WHOLE = 1024
_NORMALIZE_PIECE = 256


def decode_words(text: str) -> str:
    """Decode the encoded words of unfolded unstructured text, a phrase or a comment (RFC 8621 §4.1.2.2, step 4).

    A word with an unknown charset, and whatever violates the placement rules, stays as it is.
    """
    return _decode(text, _PLACED) if "=?" in text else text


def decode_words_anywhere(text: str) -> str:
    """Decode encoded words wherever they stand: parameters of mailers that know no RFC 2231."""
    return _decode(text, _ANYWHERE) if "=?" in text else text


def _decode(text: str, pattern: re.Pattern[str]) -> str:
    decoded: list[str] = []
    pending: list[bytes] = []  # octets of adjacent words in one charset: mailers split characters between words
    charset = ""
    position = 0
    for found in pattern.finditer(text):
        label = found.group(1).lower()
        if codec_of(label) is None:
            continue
        between = text[position : found.start()]
        adjacent = bool(pending) and not between.strip(" \t\r\n")
        if not adjacent or label != charset:
            decoded.append(_flush(pending, charset))
            pending = []
            charset = label
        if not adjacent:  # RFC 2047 §6.2: white space between adjacent encoded words is ignored
            decoded.append(between)
        pending.append(_octets(found.group(2), found.group(3)))
        position = found.end()
    return "".join([*decoded, _flush(pending, charset), text[position:]])


def _octets(encoding: str, encoded: str) -> bytes:
    raw = encoded.encode("ascii")
    return decode_base64(raw)[0] if encoding in "bB" else binascii.a2b_qp(raw, header=True)


def _flush(pending: list[bytes], charset: str) -> str:
    # RFC 8621 §4.1.2.2: NUL and control characters are dropped from the decoded value.
    return decode_charset(b"".join(pending), charset)[0].translate(_CONTROLS) if pending else ""


def normalize(text: str) -> str:
    """Unicode NFC (RFC 8621 §4.1.2.2, step 5), in linear time: long text is normalised piece by piece."""
    if text.isascii():
        return text
    if len(text) <= _NORMALIZE_WHOLE:
        return unicodedata.normalize("NFC", text)
    return "".join(unicodedata.normalize("NFC", piece) for piece in _pieces(text))


def _pieces(text: str) -> Iterator[str]:
    """Cut before a space where there is one, since nothing composes with it."""
    start = 0
    while start < len(text):
        cut = text.rfind(" ", start + 1, start + _NORMALIZE_PIECE)
        end = cut if cut > 0 else start + _NORMALIZE_PIECE
        yield text[start:end]
        start = end
