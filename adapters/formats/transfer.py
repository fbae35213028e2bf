"""Content transfer encodings (RFC 2045 §6), read tolerantly: nothing raises, every octet that can be had is had."""

import binascii
import re
import string

__all__ = ["SAMPLE", "decode_base64", "decode_transfer", "decoded_size", "drop_partial_tail", "size_from_samples"]

SAMPLE = 512  # octets at either end of a part from which `size_from_samples` tells its decoded size

_IDENTITY = frozenset(["", "7bit", "8bit", "binary"])
_UUENCODE = frozenset(["x-uuencode", "uuencode", "x-uue", "uue"])

_ALPHABET = (string.ascii_letters + string.digits + "+/=").encode()
_NOT_BASE64 = bytes(sorted(set(range(256)) - set(_ALPHABET)))
_BASE64_AND_SPACE = _ALPHABET + b" \t\r\n"


def decode_transfer(encoding: str, raw: bytes) -> tuple[bytes, bool]:
    """Undo a Content-Transfer-Encoding (lower-case token).

    Returns the octets and whether something was wrong. An unknown encoding is treated as none (RFC 8621 §4.1.4,
    blobId) and reported as a problem (isEncodingProblem).
    """
    if encoding in _IDENTITY:
        return raw, False
    if encoding == "base64":
        return decode_base64(raw)
    if encoding == "quoted-printable":
        return binascii.a2b_qp(_without_trailing_space(raw)), False
    if encoding in _UUENCODE:
        return _decode_uu(raw)
    return raw, True


def decoded_size(encoding: str, raw: bytes) -> int:
    """len(decode_transfer(encoding, raw)[0]), without decoding base64."""
    if encoding == "base64":
        return len(raw.translate(None, _NOT_BASE64).partition(b"=")[0]) * 3 // 4
    return len(decode_transfer(encoding, raw)[0])


_FIRST_LINE = re.compile(rb"[A-Za-z0-9+/]+\r?\n")


def size_from_samples(octets: int, beginning: bytes, end: bytes) -> int | None:
    """The decoded size of a long base64 body from its first and last octets.

    Exact for lines of one length (RFC 2045 §6.8: encoders write them so); None where those at the ends are not.
    """
    if found := _FIRST_LINE.match(beginning):
        line, digits = found.end(), len(found[0].rstrip(b"\r\n"))
    else:  # all of it in one line, as far as can be seen
        line, digits = 1, 1
    first = -((len(end) - octets) // line)  # the number of lines that begin before `end`
    rest = end[first * line - (octets - len(end)) :].rstrip()
    ends = beginning[: len(beginning) // line * line], rest
    if b"=" in beginning or not all(_is_regular(text, line, digits) for text in ends):
        return None
    return (first * digits + len(rest.translate(None, _NOT_BASE64).partition(b"=")[0])) * 3 // 4


def _is_regular(text: bytes, line: int, digits: int) -> bool:
    """Whether lines of `line` octets with that many digits follow one another, the last of them perhaps shorter."""
    lines = [text[start : start + line] for start in range(0, len(text), line)]
    return all(len(one.translate(None, _NOT_BASE64)) == digits for one in lines[:-1])


def drop_partial_tail(encoding: str, raw: bytes) -> bytes:
    """Cut encoded octets that stop anywhere so that they end between two encoded units."""
    if encoding == "base64":
        clean = raw.translate(None, _NOT_BASE64)
        return clean[: len(clean) // 4 * 4]
    if encoding == "quoted-printable":
        escape = raw.rfind(b"=", max(0, len(raw) - 2))
        return raw if escape < 0 else raw[:escape]
    return raw


def decode_base64(raw: bytes) -> tuple[bytes, bool]:
    """Decode base64 up to its padding, ignoring what is outside of the alphabet (RFC 2045 §6.8)."""
    clean, padding, rest = raw.translate(None, _NOT_BASE64).partition(b"=")
    left_over = len(clean) % 4
    if left_over == 1:  # six bits make no octet
        clean = clean[:-1]
    problem = left_over == 1 or bool(left_over and not padding) or bool(rest.strip(b"="))
    problem = problem or bool(raw.translate(None, _BASE64_AND_SPACE))
    return binascii.a2b_base64(clean + b"=" * (-len(clean) % 4)), problem


def _without_trailing_space(raw: bytes) -> bytes:
    """White space at the end of a line was added in transport and must be deleted (RFC 2045 §6.7, rule 3)."""
    if not any(end in raw for end in (b" \n", b"\t\n", b" \r\n", b"\t\r\n")):
        return raw
    return b"\n".join(map(_strip_line, raw.split(b"\n")))


def _strip_line(line: bytes) -> bytes:
    if line.endswith(b"\r"):
        return line[:-1].rstrip(b" \t") + b"\r"
    return line.rstrip(b" \t")


def _decode_uu(raw: bytes) -> tuple[bytes, bool]:
    """Decode the first uuencoded file in `raw`; all of it undecoded where there is none."""
    lines = iter(raw.split(b"\n"))
    if not any(line.startswith(b"begin ") for line in lines):
        return raw, True
    decoded: list[bytes] = []
    for line in lines:
        if not line or line == b"\r":
            continue
        if line.rstrip() == b"end":
            return b"".join(decoded), False
        try:
            decoded.append(binascii.a2b_uu(line.rstrip(b"\r")))
        except binascii.Error:
            break
    return b"".join(decoded), True
