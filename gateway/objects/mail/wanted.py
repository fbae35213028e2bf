"""What Email/get wants of the messages themselves, and what has to be fetched for it first."""

from dataclasses import dataclass
from functools import cached_property
from typing import Final

from adapters.formats.body_parts import needs_part_headers
from adapters.formats.email import SMIME_LAYER, BodyOptions, header_fields_needed
from adapters.ports.mail import FetchPlan

WHOLE_LIMIT: Final = 128 * 1024
"""Octets up to which a message whose body is wanted is fetched whole: one round trip, every size exact."""

PART_LISTS: Final = frozenset({"bodyStructure", "textBody", "htmlBody", "attachments"})


@dataclass(frozen=True)
class Wanted:
    """Properties that follow from the message, and the body arguments of the call (RFC 8621 §4.2)."""

    properties: tuple[str, ...]
    options: BodyOptions

    @cached_property
    def fields(self) -> frozenset[str] | None:
        """Header fields to fetch; None for the whole header."""
        needed = None if self.part_headers else header_fields_needed(self.properties)
        return None if needed is None else frozenset(needed | ({"content-id"} if self.multipart_ids else set()))

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
    def multipart_ids(self) -> bool:
        """Whether the Content-Id of each multipart is needed, which BODYSTRUCTURE does not tell."""
        return "bodyStructure" in self.properties and "cid" in self.options.body_properties

    @cached_property
    def sizes(self) -> bool:
        """Whether the decoded size of each part is needed."""
        return bool(PART_LISTS & set(self.properties)) and "size" in self.options.body_properties

    def plan(self, size: int) -> FetchPlan:
        """What to fetch first of a message of this size."""
        if self.bodies and size <= WHOLE_LIMIT:
            return FetchPlan(whole=True)
        return FetchPlan(self.fields, self.structure, "preview" in self.properties)
