"""What a server would lose of a vCard, dressed so that it survives there.

Some servers take every value for one text of RFC 2426: what follows a bare comma is lost. Others convert cards to
version 3.0 for most of their clients, and lose pictures; or they take no name in two forms (RFC 6350 §5.4). What comes
back escaped like text although it is none, is read by adapters.formats.jscontact as it was meant.
"""

import re
from typing import Final

from adapters.dav.quirks import Quirks
from adapters.formats.content_line_writer import serialize
from adapters.formats.content_lines import ContentLine, ContentLineError, parse
from adapters.formats.jscontact.read import read_cards
from adapters.formats.jscontact.write import write_card

_STRUCTURED: Final = frozenset({"N", "ADR", "ORG", "CATEGORIES", "GEO"})
"""Those that keep bare commas."""

_VERSION_4: Final = re.compile(rb"^VERSION:4\.0", re.MULTILINE | re.IGNORECASE)
_NAME: Final = re.compile(rb"^(?:[\w-]+\.)?N[;:]", re.MULTILINE | re.IGNORECASE)
_FOLD: Final = re.compile(rb"\r?\n[ \t]")
_BARE: Final = re.compile(r"(\\.)|,")


def dressed(data: bytes, quirks: Quirks) -> bytes:
    """The vCard as it survives there; what needs no dress, or is no vCard, stays as it is."""
    if quirks.prefers_3 and _VERSION_4.search(data) and (_has_data_uri(data) or len(_NAME.findall(data)) > 1):
        return _as_version_3(data)
    if not quirks.one_text or b"," not in data:
        return data
    try:
        components = parse(data).components
        changed = False
        for line in (line for component in components for line in component.properties):
            value = _dressed(line)
            changed, line.value = changed or value != line.value, value
        return serialize(*components).encode() if changed else data
    except ContentLineError:
        return data


def _as_version_3(data: bytes) -> bytes:
    """With octets in base64 of their own, which clients of either version are given whole; else as it is."""
    try:
        (card,) = read_cards(data)
        converted = write_card(card, "3.0")
    except ValueError:
        return data
    return data if _has_data_uri(converted) else converted


def _has_data_uri(data: bytes) -> bool:
    return b"data:" in _FOLD.sub(b"", data).lower()


def _dressed(line: ContentLine) -> str:
    if line.name in _STRUCTURED or "ENCODING" in line.parameters:
        return line.value
    return _BARE.sub(lambda found: found[1] or r"\,", line.value)
