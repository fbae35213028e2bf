"""The Email properties that follow from a message alone (RFC 8621 §4.1.2 to §4.1.4).

One path for both sources: a whole message, and a part tree with the headers and bodies that were fetched for it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any, Final, Protocol

from adapters.formats.body_parts import (
    DEFAULT_BODY_PROPERTIES,
    BodyLists,
    body_lists,
    body_part_json,
    body_value,
    has_attachment,
)
from adapters.formats.charsets import decode_charset
from adapters.formats.header_forms import (
    CONVENIENCE,
    HeaderProperty,
    as_raw,
    header_fields,
    header_value,
    parse_header_property,
    values_by_name,
)
from adapters.formats.mime import Message, Part, content_id, walk
from adapters.formats.preview import preview
from adapters.formats.smime.kinds import layer_of
from adapters.formats.transfer import decode_transfer, drop_partial_tail

__all__ = [
    "BODY_DEPENDENT_PROPERTIES",
    "HEADER_PROPERTIES",
    "SMIME_LAYER",
    "STRUCTURE_PROPERTIES",
    "BodyOptions",
    "FetchedSource",
    "MessageSource",
    "PartSource",
    "body_value_parts",
    "email_properties",
    "header_fields_needed",
    "header_properties",
    "part_text",
    "preview_parts",
    "properties_from",
]

HEADER_PROPERTIES = frozenset([*CONVENIENCE, "headers"])  # and every "header:…"
STRUCTURE_PROPERTIES = frozenset(["bodyStructure", "textBody", "htmlBody", "attachments", "hasAttachment"])
SMIME_LAYER = "smimeLayer"  # what `smime.kinds.layer_of` finds; for the gateway's own use
BODY_DEPENDENT_PROPERTIES = frozenset(["bodyValues", "preview"])  # need the structure, then the octets of some parts

_CONVENIENCE = {name: HeaderProperty(*target, all=False) for name, target in CONVENIENCE.items()}


class PartSource(Protocol):
    """Where the octets of parts come from."""

    def header(self, part: Part) -> bytes | None:
        """The raw MIME header of a part (of the message for the root); None if it was not fetched."""

    def raw(self, part: Part) -> bytes | None:
        """The encoded body of a leaf; None if it was not fetched. A shorter one than `part.octets` is a beginning."""


@dataclass(frozen=True, slots=True)
class MessageSource:
    """All parts of a parsed message."""

    message: Message

    def header(self, part: Part) -> bytes | None:
        return part.header

    def raw(self, part: Part) -> bytes | None:
        return bytes(self.message.data[part.start : part.end])


@dataclass(frozen=True, slots=True)
class FetchedSource:
    """Pieces of a message that were fetched, by IMAP section ("2.1"; a leaf's section is its part id)."""

    message_header: bytes = b""  # BODY[HEADER], or the fields of it that are needed
    bodies: Mapping[str, bytes] = field(default_factory=dict)  # section -> BODY[section], whole or from its beginning
    mime_headers: Mapping[str, bytes] = field(default_factory=dict)  # section -> BODY[section.MIME]
    root: Part | None = None  # the root of the tree, whose header is the message's

    def header(self, part: Part) -> bytes | None:
        return self.message_header if part is self.root else self.mime_headers.get(part.section)

    def raw(self, part: Part) -> bytes | None:
        return self.bodies.get(part.section)


@dataclass(frozen=True, slots=True)
class BodyOptions:
    """The arguments of Email/get and Email/parse about bodies (RFC 8621 §4.2)."""

    body_properties: Sequence[str] = DEFAULT_BODY_PROPERTIES
    fetch_text_body_values: bool = False
    fetch_html_body_values: bool = False
    fetch_all_body_values: bool = False
    max_body_value_bytes: int = 0


DEFAULT_OPTIONS = BodyOptions()

_PERHAPS_BLANK: Final = 64
"""Octets of a text part that may hold no text."""

_MOST_PREVIEWED: Final = 3
"""Parts that are looked into for a preview."""


def header_fields_needed(properties: Iterable[str]) -> set[str] | None:
    """The header fields (lower-case names) that these Email properties read; None if they need the whole header."""
    needed: set[str] = set()
    for name in properties:
        if name == "headers":
            return None
        wanted = _CONVENIENCE.get(name) or parse_header_property(name)
        if wanted:
            needed.add(wanted.name.lower())
    return needed


def header_properties(fields: Sequence[tuple[str, bytes]], properties: Iterable[str]) -> dict[str, Any]:
    """The properties that header fields alone decide, for list views; other names are passed over."""
    values = values_by_name(fields)
    found: dict[str, Any] = {}
    for name in properties:
        if wanted := _CONVENIENCE.get(name) or parse_header_property(name):
            found[name] = header_value(values.get(wanted.name.lower(), ()), wanted)
        elif name == "headers":
            found[name] = [{"name": field, "value": as_raw(value)} for field, value in fields]
    return found


def body_value_parts(root: Part, options: BodyOptions, lists: BodyLists | None = None) -> list[Part]:
    """The text/* parts whose values bodyValues contains (RFC 8621 §4.2), without repetition. lists: of the root."""
    lists = lists or body_lists(root)
    chosen: list[Part] = []
    if options.fetch_text_body_values:
        chosen += lists.text
    if options.fetch_html_body_values:
        chosen += lists.html
    if options.fetch_all_body_values:
        chosen += walk(root)
    return list({part.section: part for part in chosen if part.type.startswith("text/")}.values())


def preview_parts(root: Part) -> list[Part]:
    """The parts that the preview is made of: the first that has any text, plain text before HTML.

    Mail is full of plain parts that hold a line break at most, beside HTML, or above a picture and the text itself.
    """
    lists = body_lists(root)
    texts = [part for part in (*lists.text, *lists.html) if part.type.startswith("text/") and part.octets]
    texts = list({part.section: part for part in texts}.values())
    texts.sort(key=lambda part: part.type != "text/plain")
    blank = takewhile(lambda part: part.octets <= _PERHAPS_BLANK, texts)
    return texts[: min(sum(1 for _ in blank) + 1, _MOST_PREVIEWED)]


def part_text(part: Part, raw: bytes) -> tuple[str, bool]:
    """The text of a part from its encoded body, or from the beginning of it; and whether decoding had a problem."""
    partial = len(raw) < part.octets
    if partial:
        raw = drop_partial_tail(part.encoding, raw)
    octets, transfer_problem = decode_transfer(part.encoding, raw)
    text, charset_problem = decode_charset(octets, part.charset, partial=partial)
    return text, transfer_problem or charset_problem


def email_properties(
    message: Message,
    properties: Iterable[str],
    options: BodyOptions = DEFAULT_OPTIONS,
    *,
    blob_id_of: Callable[[Part], str | None],
) -> dict[str, Any]:
    """The properties of a whole message, for Email/parse and Email/get.

    Names that do not follow from the octets of the message (id, mailboxIds, size, …) are passed over.
    """
    fields = header_fields(message.header)
    return properties_from(message.root, fields, MessageSource(message), properties, options, blob_id_of=blob_id_of)


def properties_from(
    root: Part,
    fields: Sequence[tuple[str, bytes]],
    source: PartSource,
    properties: Iterable[str],
    options: BodyOptions = DEFAULT_OPTIONS,
    *,
    blob_id_of: Callable[[Part], str | None],
) -> dict[str, Any]:
    """The same from a part tree, header fields, and whatever octets `source` has of the parts.

    A part whose octets are missing has no entry in bodyValues, and a preview without them is empty.
    """
    properties = tuple(properties)
    view = _View(root, source, options, blob_id_of)
    headers = header_properties(fields, properties)
    found: dict[str, Any] = {}
    for name in properties:
        if name in headers:
            found[name] = headers[name]
        elif read := _PROPERTIES.get(name):
            found[name] = read(view)
    return found


class _View:
    """One message while its properties are read: what several of them need is made once."""

    def __init__(
        self,
        root: Part,
        source: PartSource,
        options: BodyOptions,
        blob_id_of: Callable[[Part], str | None],
    ) -> None:
        self.root = root
        self.source = source
        self.options = options
        self.blob_id_of = blob_id_of
        self._lists: BodyLists | None = None
        for part in walk(root):
            self._complete(part)

    def _complete(self, part: Part) -> None:
        """Fill in what the tree alone did not say: headers, and the decoded size of bodies that are there whole."""
        if part.header is None:
            part.header = self.source.header(part)
            if part.is_multipart and part.header:
                part.cid = content_id(part.header)  # the one property of it that BODYSTRUCTURE lacks
        if part.size is None and (raw := self.source.raw(part)) is not None and len(raw) >= part.octets:
            part.size = len(decode_transfer(part.encoding, raw)[0])

    @property
    def lists(self) -> BodyLists:
        if self._lists is None:
            self._lists = body_lists(self.root)
        return self._lists

    def parts(self, parts: Iterable[Part]) -> list[dict[str, Any]]:
        return [body_part_json(part, self.options.body_properties, self.blob_id_of) for part in parts]

    def structure(self) -> dict[str, Any]:
        return body_part_json(self.root, self.options.body_properties, self.blob_id_of, with_sub_parts=True)

    def body_values(self) -> dict[str, dict[str, Any]]:
        values: dict[str, dict[str, Any]] = {}
        for part in body_value_parts(self.root, self.options, self.lists):
            raw = self.source.raw(part)
            if raw is None or part.part_id is None:
                continue
            text, problem = part_text(part, raw)
            values[part.part_id] = body_value(
                text,
                problem,
                self.options.max_body_value_bytes,
                is_html=part.type == "text/html",
                is_partial=len(raw) < part.octets,
            )
        return values

    def preview(self) -> str:
        raws = ((part, self.source.raw(part)) for part in preview_parts(self.root))
        lines = (preview(part_text(part, raw)[0], part.type) for part, raw in raws if raw)
        return next(filter(None, lines), "")


_PROPERTIES: dict[str, Callable[[_View], object]] = {
    "bodyStructure": _View.structure,
    "textBody": lambda view: view.parts(view.lists.text),
    "htmlBody": lambda view: view.parts(view.lists.html),
    "attachments": lambda view: view.parts(view.lists.attachments),
    "hasAttachment": lambda view: has_attachment(view.root),
    SMIME_LAYER: lambda view: layer_of(view.root),
    "bodyValues": _View.body_values,
    "preview": _View.preview,
}
