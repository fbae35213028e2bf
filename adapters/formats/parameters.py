"""Parameters of Content-Type and Content-Disposition: RFC 2045 §5.1 syntax and RFC 2231 decoding, tolerant."""

import re
from collections.abc import Iterable
from urllib.parse import unquote_to_bytes

from adapters.formats.cfws import strip_comments, unfold
from adapters.formats.charsets import codec_of, decode_charset, header_text
from adapters.formats.encoded_words import decode_words_anywhere
from adapters.formats.json_text import scrub

__all__ = ["decode_parameters", "parse_parameterized"]

# name = value, where a value may be quoted; a value that is neither closed nor quoted ends at the semicolon.
_PARAMETER = re.compile(r';\s*([^=;\s"]+)\s*=\s*(?:"([^"\\]*(?:\\.[^"\\]*)*)"|([^;]*))', re.DOTALL)
_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)
_SECTION = re.compile(r"(.+?)(?:\*(\d{1,4}))?(\*)?", re.DOTALL)
_LONGEST_VALUE = 64 * 1024


def parse_parameterized(value: bytes) -> tuple[str, dict[str, str]]:
    """Split a header field value into the text before the first ";" and its decoded parameters.

    CFWS is removed; the leading text keeps its case, parameter names are lower-case.
    """
    text = strip_comments(unfold(header_text(value[:_LONGEST_VALUE])))
    head, semicolon, rest = text.partition(";")
    if not semicolon:
        return head.strip(), {}
    found = _PARAMETER.finditer(";" + rest)
    return head.strip(), decode_parameters((name, _value(quoted, bare)) for name, quoted, bare in map(_groups, found))


def _groups(found: re.Match[str]) -> tuple[str, str | None, str]:
    name, quoted, bare = found.groups()
    return name, quoted, bare or ""


def _value(quoted: str | None, bare: str) -> str:
    if quoted is None:
        return bare.strip().strip('"')
    return _QUOTED_PAIR.sub(r"\1", unfold(quoted)) if "\\" in quoted or "\n" in quoted else quoted


def decode_parameters(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Decode RFC 2231 continuations, charsets and percent encoding, and RFC 2047 words where mailers use those.

    Args:
        pairs: names as written ("filename*0*") with unquoted values. The first of two equal names counts.
    """
    plain: dict[str, str] = {}
    sections: dict[str, dict[int, tuple[bool, str]]] = {}
    for name, value in pairs:
        if "*" not in name:
            plain.setdefault(name.lower(), decode_words_anywhere(value))
        elif found := _SECTION.fullmatch(name.lower()):
            base, number, encoded = found.groups()
            sections.setdefault(base, {}).setdefault(int(number or 0), (encoded is not None, value))
    # RFC 2231: the extended form is meant for those who understand it, so it wins over the plain one.
    return plain | {base: _join(numbered) for base, numbered in sections.items()}


def _join(numbered: dict[int, tuple[bool, str]]) -> str:
    """Join the sections of one parameter (RFC 2231 §4.1): charset and language stand in the first only."""
    charset = "utf-8"
    octets: list[bytes] = []
    for position, number in enumerate(sorted(numbered)):
        encoded, value = numbered[number]
        if encoded and position == 0 and value.count("'") >= 2:
            label, _, value = value.split("'", 2)
            charset = label if codec_of(label) else charset
        octets.append(unquote_to_bytes(value) if encoded else value.encode("utf-8", "replace"))
    return scrub(decode_charset(b"".join(octets), charset)[0])
