"""What a mail backend can be asked to search for; everything else is answered from the gateway's own index.

Matching is the backend's: case-insensitive substrings on IMAP (RFC 9051 §6.4.4), words where it has a full-text index.
"""

from dataclasses import dataclass
from typing import Literal

TextField = Literal["text", "from", "to", "cc", "bcc", "subject", "body"]


@dataclass(frozen=True, slots=True)
class Text:
    """The field contains the value."""

    field: TextField
    value: str


@dataclass(frozen=True, slots=True)
class HeaderField:
    """A header field of this name exists and, when `value` is not empty, contains it."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every operand matches."""

    operands: "tuple[Criterion, ...]"


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one operand matches."""

    operands: "tuple[Criterion, ...]"


@dataclass(frozen=True, slots=True)
class NoneOf:
    """No operand matches."""

    operands: "tuple[Criterion, ...]"


Criterion = Text | HeaderField | AllOf | AnyOf | NoneOf
