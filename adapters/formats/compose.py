"""An Email to be created (RFC 8621 §4.6) as the octets of a message (RFC 5322, RFC 2045), without its attachments.

`read_email` checks the object, `compose` writes it: pieces of octets, and references to blobs that are encoded while
they stream (`compose_stream`), with the exact size of the whole. No clock and no randomness: the caller brings them.
"""

import binascii
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from adapters.formats.compose_headers import Field, header_fields_from, in_order, write_field
from adapters.formats.compose_parts import Node, PartReader, content_type, disposition_field
from adapters.formats.header_forms import CONVENIENCE

__all__ = ["BlobFacts", "BlobPiece", "Composition", "Draft", "Generated", "InvalidEmail", "compose", "read_email"]

Encoding = Literal["base64", "lines"]
"""How a blob goes into the message: as base64, or as it is but with CRLF line ends and without NUL."""

METADATA: Final = frozenset(["mailboxIds", "keywords", "receivedAt"])
"""Properties of an Email that are not in its message."""

_BODY: Final = frozenset(["bodyStructure", "bodyValues", "textBody", "htmlBody", "attachments"])
_LONGEST_LINE: Final = 998  # RFC 5322 §2.1.1
_BASE64_LINE: Final = 57  # octets that make a line of 76 characters


class InvalidEmail(ValueError):
    """`faults`: path of a property -> what is wrong with it, as the end of a sentence."""

    def __init__(self, faults: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{path} {what}" for path, what in faults.items()))
        self.faults = faults


@dataclass(frozen=True, slots=True)
class BlobFacts:
    """What is to be known of a blob before it is written: see `compose_stream.facts`.

    size: octets as they are; type: what it was given as. lines_size: octets with CRLF line ends and without NUL.
    ascii: no octet has its high bit set.
    """

    size: int
    type: str | None = None
    lines_size: int = 0
    ascii: bool = False


@dataclass(frozen=True, slots=True)
class Generated:
    """What the caller makes up. message_id: without brackets; date: a Date; token: random letters and digits."""

    message_id: str
    date: str
    token: str


@dataclass(frozen=True, slots=True)
class BlobPiece:
    """A blob in its place in the message. size: octets after encoding."""

    blob_id: str
    encoding: Encoding
    size: int


Piece = bytes | BlobPiece


@dataclass(frozen=True, slots=True)
class Composition:
    """A message: its pieces in order, and its exact size in octets."""

    pieces: tuple[Piece, ...]
    size: int


@dataclass(frozen=True, slots=True)
class Draft:
    """A checked Email. fields: of the message header; root: of its body."""

    fields: list[Field]
    root: Node

    def attached(self) -> list[str]:
        """The blob id of each part that has one."""
        return [node.blob_id for node in _walk(self.root) if node.blob_id is not None]


def read_email(email: Mapping[str, Any]) -> Draft:
    """Check an Email to be created. Raises InvalidEmail with everything that is wrong."""
    faults: dict[str, str] = {}
    email = {name: value for name, value in email.items() if value is not None}
    _check_names(email, faults)
    fields = header_fields_from(email, "", faults)
    reader = PartReader(email.get("bodyValues"), faults)
    root = _structure(email, reader) if "bodyStructure" in email else _flat(email, reader)
    if root is not None:
        _merge(fields, root, faults)
    if faults or root is None:
        raise InvalidEmail(faults)
    return Draft(fields, root)


def _check_names(email: Mapping[str, Any], faults: dict[str, str]) -> None:
    for name in email:
        lower = name.lower()
        if name == "headers":  # RFC 8621 §4.6
            faults[name] = "must not be given; each header field is a property"
        elif lower.startswith("header:content-"):  # RFC 8621 §4.6
            faults[name] = "must be given on an EmailBodyPart"
        elif lower == "header:mime-version" or lower.startswith("header:mime-version:"):
            faults[name] = "is chosen by the server"
        elif name not in CONVENIENCE and name not in METADATA | _BODY and not name.startswith("header:"):
            faults[name] = "is unknown"


def _structure(email: Mapping[str, Any], reader: PartReader) -> Node | None:
    for name in ("textBody", "htmlBody", "attachments"):  # RFC 8621 §4.6
        if name in email:
            reader.faults[name] = "must not be given beside bodyStructure"
    return reader.read(email["bodyStructure"], "bodyStructure")


def _flat(email: Mapping[str, Any], reader: PartReader) -> Node | None:
    """The usual tree for a text, its HTML version, what that shows inside of it, and attachments."""
    text = _only(email, "textBody", "text/plain", reader)
    html = _only(email, "htmlBody", "text/html", reader)
    attachments = list(_attachments(email, reader))
    if html is not None:
        shown = [node for node in attachments if node.cid is not None and node.disposition == "inline"]
        attachments = [node for node in attachments if node not in shown]
        html = _multipart("related", [html, *shown])  # RFC 2387
    versions = [node for node in (text, html) if node is not None]
    if not versions and not attachments:
        versions = [Node("textBody/0", "text/plain", value="")]
    body = [_multipart("alternative", versions)] if versions else []
    if not attachments:
        return body[0]
    return Node("attachments", "multipart/mixed", children=[*body, *attachments])


def _multipart(kind: str, nodes: list[Node]) -> Node:
    return nodes[0] if len(nodes) == 1 else Node("", f"multipart/{kind}", children=nodes)


def _only(email: Mapping[str, Any], name: str, kind: str, reader: PartReader) -> Node | None:
    if name not in email:
        return None
    parts = email[name]
    if not isinstance(parts, list) or len(parts) != 1:  # RFC 8621 §4.6
        reader.faults[name] = f"must have exactly one part, of type {kind}"
        return None
    return reader.read(parts[0], f"{name}/0", must_be=kind)


def _attachments(email: Mapping[str, Any], reader: PartReader) -> Iterator[Node]:
    parts = email.get("attachments", [])
    if not isinstance(parts, list):
        reader.faults["attachments"] = "must be an array"
        return
    for index, part in enumerate(parts):
        node = reader.read(part, f"attachments/{index}")
        if node is None:
            continue
        if node.disposition is None and all(name != "content-disposition" for name, _ in node.fields):
            # Else a text or an image would come back as a part of the body. With a Content-ID it is meant to be shown.
            node.disposition = "inline" if node.cid is not None else "attachment"
            node.fields.append(disposition_field(node.disposition, node.name_in_type or ""))
            node.name_in_type = None
        yield node


def _merge(fields: list[Field], root: Node, faults: dict[str, str]) -> None:
    """The root's own header is the message's: what is no Content-* field goes there (RFC 8621 §4.6)."""
    taken = {name for name, _ in fields}
    for name, octets in [item for item in root.fields if not item[0].startswith("content-")]:
        if name in taken:
            faults[f"{root.path}/header:{name}"] = "is a header field that the Email has already"
        else:
            root.fields.remove((name, octets))
            fields.append((name, octets))


def compose(draft: Draft, blobs: Mapping[str, BlobFacts], generated: Generated) -> Composition:
    """Write the message. `blobs` has all of `draft.attached()`."""
    fields = list(draft.fields)
    present = {name for name, _ in fields}
    # RFC 8621 §4.6: MUST be generated if not included
    for name, form, value in (
        ("Message-ID", "asMessageIds", [generated.message_id]),
        ("Date", "asDate", generated.date),
    ):
        octets = None if name.lower() in present else write_field(name, form, value)
        if octets is not None:
            fields.append((name.lower(), octets))
    body = _Writer(draft.root, blobs, generated.token)
    head = b"".join([*in_order(fields), b"MIME-Version: 1.0\r\n"])
    end = b"\r\n" if draft.root.is_multipart else b""  # what is text ends as it was given
    pieces = tuple(_joined([head, *body.part(draft.root), end]))
    return Composition(pieces, sum(len(piece) if isinstance(piece, bytes) else piece.size for piece in pieces))


class _Writer:
    """Writes a tree of parts. The contents come first, because the boundaries must not occur in them."""

    def __init__(self, root: Node, blobs: Mapping[str, BlobFacts], token: str) -> None:
        self.blobs = blobs
        self.texts = {id(node): _encoded_text(node.value) for node in _walk(root) if node.value is not None}
        # RFC 2045 §6.7: "=_" occurs in no quoted-printable or base64 text. An attached message was there before the
        # token was drawn, so it can't have it either.
        self.prefix, attempt = f"=_{token}", 0
        while any(self.prefix.encode() in octets for _, octets in self.texts.values()):
            attempt += 1
            self.prefix = f"=_{token}_{attempt}"
        self.boundaries = 0

    def part(self, node: Node) -> Iterator[Piece]:
        """The MIME header, the empty line and the body of a part."""
        if node.is_multipart:
            yield from self._multipart(node)
        elif node.value is not None:
            encoding, octets = self.texts[id(node)]
            yield self._header(node, encoding) + octets
        else:
            yield from self._blob(node)

    def _header(self, node: Node, encoding: str, boundary: str | None = None, blob_type: str | None = None) -> bytes:
        fields = [content_type(node, blob_type, boundary), f"Content-Transfer-Encoding: {encoding}\r\n".encode()]
        return b"".join([*fields, *(octets for _, octets in node.fields), b"\r\n"])

    def _multipart(self, node: Node) -> Iterator[Piece]:
        self.boundaries += 1
        boundary = f"{self.prefix}_{self.boundaries:04}"  # of one length: none is the beginning of another
        encoding = "8bit" if any(map(self._is_eight_bit, _walk(node))) else "7bit"
        yield self._header(node, encoding, boundary)
        for index, child in enumerate(node.children):
            yield f"{chr(13) + chr(10) if index else ''}--{boundary}\r\n".encode()
            yield from self.part(child)
        yield f"\r\n--{boundary}--".encode()

    def _blob(self, node: Node) -> Iterator[Piece]:
        blob_id = node.blob_id or ""
        facts = self.blobs[blob_id]
        if _is_message(node.type):  # RFC 2046 §5.2.1: nothing but 7bit, 8bit or binary
            yield self._header(node, "7bit" if facts.ascii else "8bit")
            yield BlobPiece(blob_id, "lines", facts.lines_size)
            return
        yield self._header(node, "base64", blob_type=facts.type)
        yield BlobPiece(blob_id, "base64", base64_size(facts.size))

    def _is_eight_bit(self, node: Node) -> bool:
        """RFC 2045 §6.4: a multipart is 8bit where one of its parts is. Text never is."""
        return node.blob_id is not None and _is_message(node.type) and not self.blobs[node.blob_id].ascii


def base64_size(size: int) -> int:
    """Octets of the base64 text of `size` octets in lines of 76 characters, without a line end after the last."""
    lines, rest = divmod(size, _BASE64_LINE)
    characters = lines * 76 + (rest + 2) // 3 * 4
    return characters + 2 * max(0, lines + bool(rest) - 1)


def _encoded_text(text: str) -> tuple[str, bytes]:
    """(Content-Transfer-Encoding, octets): 7bit where it can be, so that format=flowed and signatures stay readable."""
    octets = text.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\r\n").encode()
    if octets.isascii() and b"\0" not in octets and all(len(line) <= _LONGEST_LINE for line in octets.split(b"\r\n")):
        return "7bit", octets
    # The line end that is added tells b2a_qp which line ends to use, and is taken away again.
    quoted = binascii.b2a_qp(octets + b"\r\n", istext=True).removesuffix(b"\r\n")
    if len(quoted) <= len(octets) * 3 // 2:  # most of it can be read as it is
        return "quoted-printable", quoted
    return "base64", _lines(octets)


def _lines(octets: bytes) -> bytes:
    starts = range(0, len(octets), _BASE64_LINE)
    return b"\r\n".join(binascii.b2a_base64(octets[start : start + _BASE64_LINE], newline=False) for start in starts)


def _is_message(kind: str | None) -> bool:
    """message/* but message/global, which may be encoded like anything else (RFC 6532 §3.7)."""
    return kind is not None and kind.lower().startswith("message/") and not kind.lower().startswith("message/global")


def _walk(root: Node) -> Iterator[Node]:
    yield root
    for child in root.children:
        yield from _walk(child)


def _joined(pieces: list[Piece]) -> Iterator[Piece]:
    """Neighbouring octets as one piece."""
    waiting: list[bytes] = []
    for piece in pieces:
        if isinstance(piece, bytes):
            waiting.append(piece)
        else:
            yield b"".join(waiting)
            waiting = []
            yield piece
    yield b"".join(waiting)
