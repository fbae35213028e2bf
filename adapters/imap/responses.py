"""Typed responses (pure): tagged, untagged and continuation. RFC 9051 §7."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from adapters.imap.errors import ProtocolError
from adapters.imap.tokens import MAX_DEPTH, Value, parse_values

STATUSES: Final = frozenset({b"OK", b"NO", b"BAD", b"BYE", b"PREAUTH"})

_UNTAGGED: Final = re.compile(rb"\* (?:(\d{1,20}) )?([^\x00-\x20()\"\[\]{}]{1,64})(?: |$)", re.S)
_TAGGED: Final = re.compile(rb"([^\x00-\x20*+]{1,64}) (OK|NO|BAD)(?: |$)", re.I)
_CODE: Final = re.compile(rb'\[([^\x00-\x20\]]{1,64})((?:[^]"]|"[^"\\]*+(?:\\.[^"\\]*+)*+")*+)\] ?', re.S)
_LISTING: Final = re.compile(rb"\* (?:LIST|STATUS) ")
_KEPT: Final = 1024  # lines of listings, which say the same from pass to pass


@dataclass(slots=True)
class Code:
    """A response code: `[COPYUID 38505 304,319:320 3956:3958]`. The name is in upper case."""

    name: bytes
    values: list[Value]


@dataclass(slots=True)
class Untagged:
    """`* 7 EXISTS`, `* LIST (...) "/" INBOX`, `* OK [UIDNEXT 5] text`. The name is in upper case.

    `number` is the leading number where there is one; `code` and `text` are set for status responses only.
    """

    name: bytes
    number: int | None
    values: list[Value]
    code: Code | None = None
    text: str = ""


@dataclass(slots=True)
class Tagged:
    """The completion line of a command; status OK, NO or BAD."""

    tag: bytes
    status: bytes
    code: Code | None
    text: str


@dataclass(slots=True)
class Continuation:
    """`+ text`: the server waits for a literal, a SASL response or DONE."""

    payload: bytes


@dataclass(slots=True)
class Completion:
    """What a command that ended with OK brought: its code and text, and the untagged data it owns."""

    code: Code | None
    text: str
    untagged: list[Untagged] = field(default_factory=list)

    def of(self, name: bytes) -> list[Untagged]:
        """The untagged responses of one (upper-case) name, in order of arrival."""
        return [response for response in self.untagged if response.name == name]

    def code_values(self, name: bytes) -> list[Value] | None:
        """Values of a response code, from the tagged line or an untagged OK; None where it was not sent."""
        if self.code is not None and self.code.name == name:
            return self.code.values
        for response in self.untagged:
            if response.code is not None and response.code.name == name and response.name == b"OK":
                return response.code.values
        return None


def parse_response(pieces: Sequence[bytes], *, depth: int = MAX_DEPTH) -> Tagged | Untagged | Continuation:
    """One framed response (see `tokens`), not to be changed. Raises ProtocolError for what is no response at all."""
    head = pieces[0]
    if len(pieces) == 1 and _LISTING.match(head):
        return _repeated(head, depth)
    return _parse(pieces, depth)


@lru_cache(_KEPT)
def _repeated(line: bytes, depth: int) -> Tagged | Untagged | Continuation:
    return _parse([line], depth)


def _parse(pieces: Sequence[bytes], depth: int) -> Tagged | Untagged | Continuation:
    head = pieces[0]
    if head[:1] == b"+":
        return Continuation(head[2:] if head[1:2] == b" " else head[1:])
    match = _UNTAGGED.match(head)
    if match is not None:
        name = match[2].upper()
        if name in STATUSES and match[1] is None:
            code, text = parse_text(head[match.end() :])
            return Untagged(name, None, [], code, text)
        number = int(match[1]) if match[1] is not None else None
        return Untagged(name, number, parse_values([head[match.end() :], *pieces[1:]], depth=depth))
    match = _TAGGED.match(head)
    if match is None or len(pieces) > 1:
        raise ProtocolError("neither an untagged nor a tagged response")
    code, text = parse_text(head[match.end() :])
    return Tagged(match[1], match[2].upper(), code, text)


def parse_text(raw: bytes) -> tuple[Code | None, str]:
    """resp-text of RFC 9051 §9: an optional `[CODE …]`, then text for people."""
    match = _CODE.match(raw)
    if match is None:
        return None, raw.decode("utf-8", "replace")
    try:
        values = parse_values([match[2]])
    except ProtocolError:  # a code of unknown syntax ("any TEXT-CHAR except ]"): keep it as it came
        values = [match[2].strip()]
    return Code(match[1].upper(), values), raw[match.end() :].decode("utf-8", "replace")


def fetch_items(response: Untagged) -> dict[bytes, Value]:
    """Payload of a FETCH response by item name (upper case): `{b"UID": b"7", b"FLAGS": [...]}`."""
    payload = response.values[0] if response.values else None
    if not isinstance(payload, list) or len(payload) % 2:
        raise ProtocolError("FETCH without a list of items and values")
    items: dict[bytes, Value] = {}
    for index in range(0, len(payload), 2):
        name = payload[index]
        if not isinstance(name, bytes):
            raise ProtocolError("FETCH item without a name")
        items[name.upper()] = payload[index + 1]
    return items
