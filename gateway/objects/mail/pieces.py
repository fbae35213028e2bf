"""The pieces of a message that is not fetched whole: which of them are asked for, and what they tell."""

import contextlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from adapters.errors import AdapterError
from adapters.formats.bodystructure import is_undivided
from adapters.formats.email import FetchedSource, body_value_parts, preview_parts, properties_from
from adapters.formats.header_forms import header_fields
from adapters.formats.mime import Part, has_attached_message, walk
from adapters.formats.transfer import SAMPLE, size_from_samples
from adapters.ports.mail import MailPort, MessageData, Section
from gateway.objects.mail import blob_ids
from gateway.objects.mail.wanted import WHOLE_LIMIT, Wanted

PREVIEW_OCTETS: Final = 16 * 1024

MISREAD_LIMIT: Final = 1024 * 1024
"""Octets up to which a message is fetched whole if the server does not tell its structure."""

Pieces = Mapping[Section, bytes]


def is_misread(root: Part | None, size: int) -> bool:
    """Whether a message of this size is to be taken apart here because the server could not."""
    return size <= MISREAD_LIMIT and (root is None or is_undivided(root))


def sections_of(data: MessageData, wanted: Wanted) -> list[Section]:
    """What the second round trip asks: the parts of the message that its structure pointed to."""
    root = data.structure
    if root is None:
        return []
    limits: dict[str, int | None] = {}
    if _preview_missing(data, wanted):
        limits |= dict.fromkeys((part.section for part in preview_parts(root)), PREVIEW_OCTETS)
    if "bodyValues" in wanted.properties:
        most = wanted.options.max_body_value_bytes
        # Enough for any transfer encoding and charset: quoted-printable takes three octets for one.
        limits |= {part.section: 4 * most + 1024 if most else None for part in body_value_parts(root, wanted.options)}
    asked = [Section(section, limit=limit) for section, limit in limits.items()]
    for part in walk(root):
        if wanted.sizes and part.size is None and limits.get(part.section, 0) is not None:
            asked += _measuring(part)
        if part is not root and (wanted.part_headers or (wanted.multipart_ids and part.is_multipart)):
            asked.append(Section(part.section, "mime"))
    return asked


def _preview_missing(data: MessageData, wanted: Wanted) -> bool:
    """An empty preview of the server is none: Dovecot finds no text under a Content-Type without subtype."""
    return "preview" in wanted.properties and not data.preview


def _measuring(part: Part) -> list[Section]:
    """What tells the decoded size of a part: all of it if it is short, both ends of long base64."""
    if part.octets <= 2 * SAMPLE or (part.encoding != "base64" and part.octets <= WHOLE_LIMIT):
        return [Section(part.section)]
    return list(_ends(part)) if part.encoding == "base64" else []


def _ends(part: Part) -> tuple[Section, Section]:
    beginning = Section(part.section, limit=SAMPLE)
    return beginning, replace(beginning, start=part.octets - SAMPLE)


async def measure(
    port: MailPort, path: str, uid_validity: int, messages: Mapping[int, MessageData], pieces: Mapping[int, Pieces]
) -> None:
    """Set the decoded sizes that the pieces tell, or else the server. The others are left to an estimate."""
    for uid, data in messages.items():
        found = pieces.get(uid, {})
        for part in _unmeasured(data, found):
            part.size = _size_by_ends(part, found)
        unknown = {part.section: part for part in _unmeasured(data, found)}
        if unknown and data.structure is not None and not has_attached_message(data.structure):
            # Dovecot hangs up on some damaged parts, and says 2^64-1665 of others.
            with contextlib.suppress(AdapterError):
                sizes = await port.decoded_sizes(path, uid_validity, uid, list(unknown))
                for section, size in sizes.items():
                    if size <= unknown[section].octets:
                        unknown[section].size = size


def _unmeasured(data: MessageData, pieces: Pieces) -> list[Part]:
    """The parts whose size is not known; of those that are there whole it will be."""
    parts = [] if data.structure is None else walk(data.structure)
    return [part for part in parts if part.size is None and Section(part.section) not in pieces]


def _size_by_ends(part: Part, pieces: Pieces) -> int | None:
    beginning, end = (pieces.get(section) for section in _ends(part))
    return size_from_samples(part.octets, beginning, end) if beginning and end else None


def from_pieces(email_id: str, data: MessageData, pieces: Pieces, wanted: Wanted) -> dict[str, Any]:
    """The wanted properties of a message from its structure and the pieces of it."""
    root = data.structure or Part(part_id="1", section="1")
    bodies: dict[str, bytes] = {}
    for piece, octets in pieces.items():
        if piece.kind == "body" and not piece.start and len(octets) >= len(bodies.get(piece.part_id or "", b"")):
            bodies[piece.part_id or ""] = octets
    headers = {piece.part_id or "": octets for piece, octets in pieces.items() if piece.kind == "mime"}
    source = FetchedSource(data.header or b"", bodies, headers, root)
    fields = header_fields(data.header or b"")
    blob_id_of = blob_ids.of_parts(blob_ids.of_email(email_id))
    properties = properties_from(root, fields, source, wanted.properties, wanted.options, blob_id_of=blob_id_of)
    has_text = data.structure is None or preview_parts(data.structure)  # Dovecot looks into attachments too
    if data.preview and has_text and "preview" in properties:
        properties["preview"] = data.preview[:256]
    return properties
