"""Values of properties that rows convert: text, URIs, embedded data, numbers that may be URIs, language tags."""

import re
from collections.abc import Sequence

from adapters.formats.content_lines import ContentLine
from adapters.formats.values import Json, read_text, write_text, write_verbatim

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S+")
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")
_DATA = re.compile(r"data:([A-Za-z0-9.+-]+/[A-Za-z0-9.+-]+);base64,([A-Za-z0-9+/]+={0,2})")
_TAG = re.compile(r"[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*")
_ALLOWED = {
    "text": frozenset({"text"}),
    "number": frozenset({"text", "uri", "phone-number"}),
    "uri": frozenset({"uri"}),
    "media": frozenset({"uri", "binary", "inline"}),
    "language": frozenset({"language-tag", "text"}),
}
_MAJOR = {"PHOTO": "image", "LOGO": "image", "SOUND": "audio", "KEY": "application"}
_SUBTYPES = {"PGP": "pgp-keys", "X509": "pkix-cert"}
_NAMES = {subtype: name for name, subtype in _SUBTYPES.items()}
_BEGINNINGS = {"/9j/": "image/jpeg", "iVBORw": "image/png", "R0lGOD": "image/gif", "UklGR": "image/webp"}


def is_uri(value: str) -> bool:
    """Whether a value begins as a URI does and has no spaces."""
    return _SCHEME.fullmatch(value) is not None


def canonical_tag(tag: str) -> str:
    """A language tag in the case that RFC 5646 §2.1.1 recommends; raises `ValueError` for what is none."""
    if not _TAG.fullmatch(tag):
        raise ValueError(f"{tag[:60]!r} is no language tag")
    first, *others = tag.split("-")
    return "-".join([first.lower(), *map(_subtag, others)])


def _subtag(subtag: str) -> str:
    if len(subtag) == 2:
        return subtag.upper()
    return subtag.title() if len(subtag) == 4 and subtag.isalpha() else subtag.lower()


def one_line(text: str) -> str:
    """The text itself. Raises `ValueError` for an empty one, and for line breaks as parameters may have (RFC 6868)."""
    if not text:
        raise ValueError("empty")
    return write_verbatim(text)


def is_text_value(line: ContentLine) -> bool:
    """Whether a property says that its value is TEXT."""
    return (line.parameter("VALUE") or "").lower() == "text"


def read_uri(raw: str) -> str:
    """URI; the backslashes that some put before commas and colons are no part of it. Raises `ValueError` for none."""
    value = read_text(raw).strip()
    if not value or "\n" in value:
        raise ValueError("no URI")
    return value


def read_value(line: ContentLine, value: str, types: Sequence[str]) -> tuple[Json, frozenset[str]]:
    """The value of a property, and which of its values of TYPE said the media type.

    `value` as in `rows.Row`. Raises `ValueError` for an empty value, and for one of another kind.
    """
    given = (line.parameter("VALUE") or "").lower()
    if given and given not in _ALLOWED[value]:
        raise ValueError(f"VALUE={given[:60]}")
    if value == "media":
        return _read_media(line, types)
    if value == "uri" or given == "uri":
        return read_uri(line.value), frozenset()
    text = read_text(line.value)
    if not text.strip():
        raise ValueError("no value")
    return canonical_tag(text.strip()) if value == "language" else text, frozenset()


def _read_media(line: ContentLine, types: Sequence[str]) -> tuple[str, frozenset[str]]:
    """A URI, or the data of vCard 3.0 as data: URI (RFC 2426 §3.1.4, §5)."""
    if (line.parameter("ENCODING") or "").lower() != "b":
        uri = read_uri(line.value)
        if not is_uri(uri):
            raise ValueError("no URI")
        return uri, frozenset()
    data = re.sub(r"\s", "", line.value)
    if not _BASE64.fullmatch(data):
        raise ValueError("no base64")
    named = [name for name in types if "/" in name or re.fullmatch(r"[A-Za-z0-9.+-]+", name)][:1]
    media_type = _media_type(line.name, named[0]) if named else _recognised(data)
    return f"data:{media_type};base64,{data}", frozenset(named)


def _media_type(name: str, said: str) -> str:
    if re.fullmatch(r"[A-Za-z0-9.+-]+/[A-Za-z0-9.+-]+", said):
        return said.lower()
    return f"{_MAJOR[name]}/{_SUBTYPES.get(said.upper(), said.lower())}".replace("//", "/")


def _recognised(data: str) -> str:
    for beginning, media_type in _BEGINNINGS.items():
        if data.startswith(beginning):
            return media_type
    return "application/octet-stream"


def write_value(name: str, value: str, kind: str, version: str) -> tuple[str, dict[str, tuple[str, ...]]]:
    """The text of a value, and the parameters that say what it is. Raises `ValueError` for what has no text."""
    if kind == "text" or (kind == "number" and not is_uri(value)):
        return write_text(value), {}
    raw = write_verbatim(value)
    if kind == "language":
        return raw, {}
    if kind == "number":
        return raw, {"VALUE": ("uri",)}
    if kind == "media" and version == "3.0":
        match = _DATA.fullmatch(raw)
        if match and len(match[2]) % 4 == 0:
            return match[2], _data_parameters(name, match[1].lower())
        return raw, {"VALUE": ("uri",)}
    return raw, {}


def _data_parameters(name: str, media_type: str) -> dict[str, tuple[str, ...]]:
    major, _, subtype = media_type.partition("/")
    said = _NAMES.get(subtype, subtype.upper()) if major == _MAJOR[name] else media_type
    return {"ENCODING": ("b",)} if media_type == "application/octet-stream" else {"ENCODING": ("b",), "TYPE": (said,)}
