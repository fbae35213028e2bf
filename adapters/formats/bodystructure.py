"""IMAP BODYSTRUCTURE (RFC 9051 §7.5.2) to a part tree, the same as `parse_message` finds in the message."""

from collections.abc import Sequence
from typing import TypeAlias

from adapters.errors import InvalidData
from adapters.formats.charsets import header_text
from adapters.formats.mime import MAX_DEPTH, MAX_PARTS, OPAQUE, Part, describe, walk
from adapters.formats.parameters import decode_parameters

__all__ = ["Token", "is_undivided", "part_from_bodystructure"]

# What the IMAP tokenizer makes of the value: nested lists of strings and numbers as octets, NIL as None.
Token: TypeAlias = bytes | Sequence["Token"] | None

_IDENTITY = frozenset(["7bit", "8bit", "binary"])


def part_from_bodystructure(value: Token) -> Part:
    """Build the part tree from a tokenised BODYSTRUCTURE value.

    Sizes are encoded ones (`octets`); `size` is set only where no decoding changes it. A message/rfc822 is a leaf.

    Raises:
        InvalidData: the value has not the form of a BODYSTRUCTURE.
    """
    return _Reader().part(value, "", 0)


def is_undivided(root: Part) -> bool:
    """Whether a server found nothing in a multipart, or in the message, so that only the whole message shows its text.

    `parse_message` takes the body of such a multipart for its text; the part that the server names is empty. Dovecot
    says so of the multipart, Cyrus of a text part in its place.
    """
    alone = [root, *(part.sub_parts[0] for part in walk(root) if len(part.sub_parts) == 1)]
    return any(part.octets == 0 and not part.is_multipart for part in alone)


class _Reader:
    """Counts parts; beyond the limits on depth and parts a part is opaque, and those after it are left out."""

    def __init__(self) -> None:
        self.count = 0

    def part(self, value: Token, section: str, depth: int) -> Part:
        if not isinstance(value, Sequence) or isinstance(value, bytes) or not value:
            raise InvalidData("a body of BODYSTRUCTURE is not a list")
        self.count += 1
        if not _is_list(value[0]):
            return _leaf(value, section or "1")
        if depth >= MAX_DEPTH or self.count >= MAX_PARTS:
            return Part(section or "1", OPAQUE, section=section or "1")
        return self.multipart(value, section, depth)

    def multipart(self, value: Sequence[Token], section: str, depth: int) -> Part:
        children = next((i for i, item in enumerate(value) if not _is_list(item)), len(value))
        subtype = _text(_item(value, children)).lower() or "mixed"
        part = _described(f"multipart/{subtype}", value, children + 1, after=children + 2)
        part.section = section
        part.size = 0
        prefix = f"{section}." if section else ""
        part.sub_parts = [
            self.part(child, f"{prefix}{number}", depth + 1)
            for number, child in enumerate(value[:children], start=1)
            if self.count < MAX_PARTS
        ]
        return part


def _leaf(value: Sequence[Token], section: str) -> Part:
    # body-fields, then what the type adds, then MD5, disposition, language, location (RFC 9051 §9)
    media_type = f"{_text(value[0])}/{_text(_item(value, 1))}".lower()
    extension = 7
    if media_type.startswith("text/"):
        extension = 8
    elif media_type in ("message/rfc822", "message/global") and _is_list(_item(value, 7)):
        extension = 10
    part = _described(media_type, value, 2, after=extension + 1)
    if media_type.startswith("multipart/"):  # a server that found no parts in it
        part.type = OPAQUE
    part.section = part.part_id = section
    part.octets = _number(_item(value, 6))
    part.size = part.octets if part.encoding in _IDENTITY else None
    return part


def _described(media_type: str, value: Sequence[Token], params: int, *, after: int) -> Part:
    """The part with its parameters at `params`, and disposition, language and location from `after` on."""
    multipart = media_type.startswith("multipart/")
    return describe(
        media_type,
        _parameters(_item(value, params)),
        disposition=_disposition(_item(value, after)),
        encoding="" if multipart else _text(_item(value, 5)),
        cid="" if multipart else _text(_item(value, 3)),
        language=_languages(_item(value, after + 1)),
        location=_text(_item(value, after + 2)),
    )


def _is_list(value: Token) -> bool:
    return value is not None and not isinstance(value, bytes)


def _item(value: Sequence[Token], index: int) -> Token:
    return value[index] if index < len(value) else None


def _text(value: Token) -> str:
    return header_text(value).strip() if isinstance(value, bytes) else ""


def _number(value: Token) -> int:
    if isinstance(value, bytes) and value.isdigit() and len(value) < 20:
        return int(value)
    raise InvalidData("the size of a part in BODYSTRUCTURE is not a number")


def _parameters(value: Token) -> dict[str, str]:
    if value is None or isinstance(value, bytes):
        return {}
    return decode_parameters(
        (_text(name), header_text(content))
        for name, content in zip(value[::2], value[1::2], strict=False)
        if isinstance(name, bytes) and isinstance(content, bytes)
    )


def _disposition(value: Token) -> tuple[str, dict[str, str]]:
    """(type, parameters); some servers send the type alone, without its list."""
    if value is None or isinstance(value, bytes):
        return _text(value), {}
    return _text(_item(value, 0)), _parameters(_item(value, 1))


def _languages(value: Token) -> str:
    if value is None or isinstance(value, bytes):
        return _text(value)
    return ",".join(map(_text, value))
