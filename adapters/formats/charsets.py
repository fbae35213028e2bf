"""Octets to text: charset labels as mail really uses them, and best-effort decoding that never fails."""

import codecs
import re
from encodings.aliases import aliases
from functools import lru_cache

from adapters.formats.json_text import scrub

__all__ = ["codec_of", "decode_charset", "header_text"]

# Python codecs that are not charsets: they decode slowly, execute escapes or need another type.
_NOT_CHARSETS = frozenset(
    [
        "base64_codec",
        "bz2_codec",
        "hex_codec",
        "idna",
        "mbcs",
        "oem",
        "punycode",
        "quopri_codec",
        "raw_unicode_escape",
        "rot_13",
        "undefined",
        "unicode_escape",
        "uu_codec",
        "zlib_codec",
    ]
)
_WITHOUT_ALIAS = ("cp720", "cp737", "cp856", "cp874", "cp875", "cp1006", "koi8_t", "koi8_u", "utf_8_sig")

# Labels that mail uses for a superset (as browsers decide, too), or that Python does not know.
_LABELS = {
    "ascii": "ascii",
    "usascii": "ascii",
    "iso88591": "cp1252",
    "latin1": "cp1252",
    "iso88599": "cp1254",
    "iso88598i": "iso8859_8",
    "iso88598e": "iso8859_8",
    "iso88596i": "iso8859_6",
    "iso88596e": "iso8859_6",
    "iso885911": "cp874",
    "tis620": "cp874",
    "windows874": "cp874",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "xgbk": "gb18030",
    "cp936": "gb18030",
    "big5": "big5hkscs",
    "euckr": "cp949",
    "ksc56011987": "cp949",
    "ksc5601": "cp949",
    "windows949": "cp949",
    "shiftjis": "cp932",
    "sjis": "cp932",
    "xsjis": "cp932",
    "windows31j": "cp932",
    "xeucjp": "euc_jp",
    "iso2022jp": "iso2022_jp_2",
    "cp50220": "iso2022_jp_ext",
    "cp50221": "iso2022_jp_ext",
    "unicode11utf7": "utf_7",
    "unicode11utf8": "utf_8",
    "utf8mb4": "utf_8",
    "utf8": "utf_8",
    "xunicode20utf8": "utf_8",
    "utf16": "utf_16",
    "xmaccyrillic": "mac_cyrillic",
    "xmacroman": "mac_roman",
    "macintosh": "mac_roman",
    "xcp1250": "cp1250",
    "xcp1251": "cp1251",
    "xcp1252": "cp1252",
}
_PUNCTUATION = re.compile(r"[^a-z0-9]+")


def _codec_table() -> dict[str, str]:
    """Label without punctuation -> codec. A closed table: an unknown label costs no import and no cache entry."""
    table: dict[str, str] = {}
    for label, codec in [*aliases.items(), *((name, name) for name in (*aliases.values(), *_WITHOUT_ALIAS))]:
        if codec not in _NOT_CHARSETS:
            table.setdefault(_PUNCTUATION.sub("", label), codec)
    return table | _LABELS


_CODECS = _codec_table()


@lru_cache(maxsize=256)
def codec_of(charset: str) -> str | None:
    """The Python codec for a charset label, None when the label is not known."""
    if len(charset) > 64:
        return None
    return _CODECS.get(_PUNCTUATION.sub("", charset.lower()))


def decode_charset(raw: bytes, charset: str | None, *, partial: bool = False) -> tuple[str, bool]:
    """Decode the octets of a text part (RFC 8621 §4.1.4, bodyValues).

    Args:
        raw: the octets after content transfer decoding.
        charset: the label; None means that none was given.
        partial: the octets stop somewhere inside the part, so a character cut at the end is dropped.

    Returns:
        The text, free of NUL, surrogates and noncharacters, and whether it may be wrong (isEncodingProblem):
        malformed sections, or a charset that is unknown or not given while the octets are not ASCII.
    """
    codec = codec_of(charset) if charset else "ascii"
    if codec == "ascii" and raw.isascii():
        return scrub(raw.decode("ascii")), False
    if codec is None or codec == "ascii":
        return _guess(raw, partial), True
    try:
        text, problem = _decode(raw, codec, "strict", partial), False
    except ValueError:
        text, problem = _decode_damaged(raw, codec, partial), True
    return scrub(text), problem


def _decode(raw: bytes, codec: str, errors: str, partial: bool) -> str:
    if not partial:
        return raw.decode(codec, errors)
    return codecs.getincrementaldecoder(codec)(errors).decode(raw, False)


def _decode_damaged(raw: bytes, codec: str, partial: bool) -> str:
    """The second try: U+FFFD for what is malformed (RFC 8621 §4.1.4, bodyValues)."""
    try:
        return _decode(raw, codec, "replace", partial)
    except ValueError:  # a codec that fails whatever the error handler (utf-16 variants, utf-7)
        return raw.decode("latin-1")


def _guess(raw: bytes, partial: bool) -> str:
    """Undeclared 8-bit text: UTF-8 where it is valid UTF-8, else windows-1252 (RFC 8621 §4.1.4 allows heuristics)."""
    try:
        return scrub(_decode(raw, "utf-8", "strict", partial))
    except UnicodeDecodeError:
        return scrub(_decode(raw, "cp1252", "replace", partial))


def header_text(raw: bytes) -> str:
    """The octets of a header field value as text: UTF-8 (RFC 6532), else windows-1252, the usual violation."""
    if raw.isascii():
        return scrub(raw.decode("ascii"))
    return _guess(raw, False)
