"""What follows from the message itself: header fields, structure, preview, body values (RFC 8621 §4.1.2 to §4.1.4).

Only what the asked properties need is fetched. A small message whose body is wanted is fetched whole and taken apart
here; of a large one the structure comes first and then only the pieces that are wanted.
"""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from adapters.errors import AdapterError, Conflict
from adapters.formats.body_parts import needs_part_headers
from adapters.formats.email import (
    SMIME_LAYER,
    BodyOptions,
    FetchedSource,
    body_value_parts,
    email_properties,
    header_fields_needed,
    preview_part,
    properties_from,
)
from adapters.formats.header_forms import header_fields
from adapters.formats.mime import Part, has_attached_message, parse_message, walk
from adapters.ports.mail import FetchPlan, MailPort, MessageData, Section
from gateway.objects.mail import blob_ids
from gateway.sync.account import MailAccount

WHOLE_LIMIT: Final = 128 * 1024
"""Octets up to which a message whose body is wanted is fetched whole: one round trip, every size exact."""

PREVIEW_OCTETS: Final = 16 * 1024
PART_LISTS: Final = frozenset({"bodyStructure", "textBody", "htmlBody", "attachments"})


@dataclass(frozen=True)
class Wanted:
    """Properties that follow from the message, and the body arguments of the call (RFC 8621 §4.2)."""

    properties: tuple[str, ...]
    options: BodyOptions

    @cached_property
    def fields(self) -> frozenset[str] | None:
        """Header fields to fetch; None for the whole header."""
        if self.part_headers:
            return None
        needed = header_fields_needed(self.properties)
        return None if needed is None else frozenset(needed)

    @cached_property
    def bodies(self) -> bool:
        """Whether bodies or facts about parts are wanted, rather than what a list view shows."""
        return "bodyValues" in self.properties or bool(PART_LISTS & set(self.properties))

    @cached_property
    def structure(self) -> bool:
        """Whether the MIME structure is needed."""
        return self.bodies or bool({"hasAttachment", "preview", SMIME_LAYER} & set(self.properties))

    @cached_property
    def part_headers(self) -> bool:
        """Whether the MIME header of each part is needed."""
        return bool(PART_LISTS & set(self.properties)) and needs_part_headers(self.options.body_properties)

    @cached_property
    def sizes(self) -> bool:
        """Whether the decoded size of each part is needed."""
        return bool(PART_LISTS & set(self.properties)) and "size" in self.options.body_properties

    def plan(self, size: int) -> FetchPlan:
        """What to fetch first of a message of this size."""
        if self.bodies and size <= WHOLE_LIMIT:
            return FetchPlan(whole=True)
        return FetchPlan(self.fields, self.structure, "preview" in self.properties)


@dataclass(frozen=True, slots=True)
class Place:
    """Where one copy of an Email lies."""

    email_id: str
    path: str
    uid_validity: int
    uid: int
    size: int


async def contents(mail: MailAccount, email_ids: Sequence[str], wanted: Wanted) -> dict[str, dict[str, Any]]:
    """The wanted properties by Email id; ids of messages that are gone are left out.

    A message that another client moves at this very moment is looked for once more where it went.
    """
    found = await _fetch(mail, email_ids, wanted)
    missing = [email_id for email_id in email_ids if email_id not in found]
    if missing:
        await mail.refresh()
        found |= await _fetch(mail, missing, wanted)
    return found


async def _fetch(mail: MailAccount, email_ids: Sequence[str], wanted: Wanted) -> dict[str, dict[str, Any]]:
    groups: defaultdict[tuple[str, int, FetchPlan], list[Place]] = defaultdict(list)
    for email_id in email_ids:
        place = place_of(mail, email_id)
        if place is not None:
            groups[place.path, place.uid_validity, wanted.plan(place.size)].append(place)
    done = await asyncio.gather(
        *(_fetch_group(mail.port, plan, places, wanted) for (_, _, plan), places in groups.items())
    )
    return {email_id: properties for group in done for email_id, properties in group.items()}


def place_of(mail: MailAccount, email_id: str) -> Place | None:
    """Where an Email can be fetched from, None where it is gone."""
    row = mail.emails.row(email_id)
    if row is None:
        return None
    copy = mail.emails.best_copy(row)
    return Place(email_id, copy.path, copy.uid_validity, copy.uid, mail.emails.size[row])


async def _fetch_group(
    port: MailPort, plan: FetchPlan, places: Sequence[Place], wanted: Wanted
) -> dict[str, dict[str, Any]]:
    """Messages of one folder by one plan. A folder that was replaced meanwhile has none of them."""
    first, by_uid = places[0], {place.uid: place.email_id for place in places}
    try:
        fetched = await port.fetch(first.path, first.uid_validity, list(by_uid), plan)
        if plan.whole:
            return {by_uid[uid]: _from_whole(by_uid[uid], data, wanted) for uid, data in fetched.items()}
        pieces = await _pieces(port, first, fetched, wanted)
    except Conflict:
        return {}
    return {by_uid[uid]: _from_pieces(by_uid[uid], data, pieces.get(uid, {}), wanted) for uid, data in fetched.items()}


def _from_whole(email_id: str, data: MessageData, wanted: Wanted) -> dict[str, Any]:
    blob_id_of = blob_ids.of_parts(blob_ids.of_email(email_id))
    return email_properties(
        parse_message(data.message or b""), wanted.properties, wanted.options, blob_id_of=blob_id_of
    )


async def _pieces(
    port: MailPort, place: Place, fetched: Mapping[int, MessageData], wanted: Wanted
) -> dict[int, dict[Section, bytes]]:
    """The second round trip: the parts of the messages that the structure pointed to."""
    sections = {uid: _sections(data, wanted) for uid, data in fetched.items()}
    if wanted.sizes:
        for uid, data in fetched.items():
            await _fill_in_sizes(port, place, uid, data)
    asked = {uid: pieces for uid, pieces in sections.items() if pieces}
    return await port.sections(place.path, place.uid_validity, asked) if asked else {}


def _sections(data: MessageData, wanted: Wanted) -> list[Section]:
    root = data.structure
    if root is None:
        return []
    limits: dict[str, int | None] = {}
    if _preview_missing(data, wanted) and (part := preview_part(root)) is not None:
        limits[part.section] = PREVIEW_OCTETS
    if "bodyValues" in wanted.properties:
        most = wanted.options.max_body_value_bytes
        # Enough for any transfer encoding and charset: quoted-printable takes three octets for one.
        limits |= {part.section: 4 * most + 1024 if most else None for part in body_value_parts(root, wanted.options)}
    sections = [Section(part_id, limit=limit) for part_id, limit in limits.items()]
    if wanted.part_headers:
        sections += [Section(part.section, "mime") for part in walk(root) if part is not root]
    return sections


def _preview_missing(data: MessageData, wanted: Wanted) -> bool:
    return "preview" in wanted.properties and data.preview is None


async def _fill_in_sizes(port: MailPort, place: Place, uid: int, data: MessageData) -> None:
    unknown = {part_id: part for part_id, part in _leaves(data.structure).items() if part.size is None}
    if unknown and data.structure is not None and not has_attached_message(data.structure):
        # A size that the server cannot tell is left to an estimate: Dovecot hangs up on some damaged parts, and says
        # 2^64-1665 of others.
        with contextlib.suppress(AdapterError):
            sizes = await port.decoded_sizes(place.path, place.uid_validity, uid, list(unknown))
            for part_id, size in sizes.items():
                if size <= unknown[part_id].octets:
                    unknown[part_id].size = size


def _leaves(root: Part | None) -> dict[str, Part]:
    return {} if root is None else {part.part_id: part for part in walk(root) if part.part_id is not None}


def _from_pieces(email_id: str, data: MessageData, pieces: Mapping[Section, bytes], wanted: Wanted) -> dict[str, Any]:
    root = data.structure or Part(part_id="1", section="1")
    source = FetchedSource(
        data.header or b"",
        {piece.part_id or "": octets for piece, octets in pieces.items() if piece.kind == "body"},
        {piece.part_id or "": octets for piece, octets in pieces.items() if piece.kind == "mime"},
        root,
    )
    fields = header_fields(data.header or b"")
    blob_id_of = blob_ids.of_parts(blob_ids.of_email(email_id))
    properties = properties_from(root, fields, source, wanted.properties, wanted.options, blob_id_of=blob_id_of)
    if data.preview is not None and "preview" in properties:
        properties["preview"] = data.preview[:256]
    return properties
