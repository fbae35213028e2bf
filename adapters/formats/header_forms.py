"""The parsed forms of header fields (RFC 8621 §4.1.2) and the header properties built on them (§4.1.3)."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from adapters.formats.addresses import EmailAddress, EmailAddressGroup, parse_address_groups
from adapters.formats.cfws import angle_items, unfold
from adapters.formats.charsets import header_text
from adapters.formats.encoded_words import decode_words, normalize
from adapters.formats.header_dates import as_date
from adapters.formats.header_fields import header_fields
from adapters.formats.json_text import scrub

__all__ = [
    "ALLOWED",
    "CONVENIENCE",
    "FORMS",
    "HeaderProperty",
    "as_addresses",
    "as_date",
    "as_grouped_addresses",
    "as_message_ids",
    "as_raw",
    "as_text",
    "as_urls",
    "header_fields",
    "header_property",
    "header_value",
    "parse_header_property",
    "values_by_name",
]

_LONGEST_LIST = 1 << 18  # octets of a list of ids or URLs that are looked at


def as_raw(value: bytes) -> str:
    """RFC 8621 §4.1.2.1: octets that violate UTF-8 become U+FFFD, NUL is dropped, folding stays."""
    return scrub(value.decode("utf-8", "replace"))


def as_text(value: bytes) -> str:
    """RFC 8621 §4.1.2.2: unfolded, leading SP removed, encoded words decoded, NFC."""
    return normalize(decode_words(unfold(header_text(value)).lstrip(" ")))


def as_addresses(value: bytes) -> list[EmailAddress]:
    """RFC 8621 §4.1.2.3: one item for each mailbox; groups are dissolved."""
    groups = parse_address_groups(value)
    if len(groups) == 1:
        return groups[0]["addresses"]
    return [address for group in groups for address in group["addresses"]]


def as_grouped_addresses(value: bytes) -> list[EmailAddressGroup]:
    """RFC 8621 §4.1.2.4."""
    return parse_address_groups(value)


def as_message_ids(value: bytes) -> list[str] | None:
    """RFC 8621 §4.1.2.5: the ids without angle brackets and CFWS; None if there is no msg-id."""
    return angle_items(header_text(value[:_LONGEST_LIST])) or None


def as_urls(value: bytes) -> list[str] | None:
    """RFC 8621 §4.1.2.7: what stands in angle brackets outside of comments (RFC 2369 §2); None if nothing does."""
    return angle_items(header_text(value[:_LONGEST_LIST])) or None


HeaderValue = str | list[str] | list[EmailAddress] | list[EmailAddressGroup] | None

FORMS: dict[str, Callable[[bytes], HeaderValue]] = {
    "asRaw": as_raw,
    "asText": as_text,
    "asAddresses": as_addresses,
    "asGroupedAddresses": as_grouped_addresses,
    "asMessageIds": as_message_ids,
    "asDate": as_date,
    "asURLs": as_urls,
}

_ANY = frozenset(FORMS)
_RAW = frozenset(["asRaw"])
_TEXT = _RAW | {"asText"}
_ADDRESSES = _RAW | {"asAddresses", "asGroupedAddresses"}
_IDS = _RAW | {"asMessageIds"}
_DATES = _RAW | {"asDate"}
_URLS = _RAW | {"asURLs"}

# Which form a field defined in RFC 5322 or RFC 2369 may be fetched in (RFC 8621 §4.1.2.2 to §4.1.2.7),
# by lower-case name. A field that is not listed may be fetched in every form.
ALLOWED: dict[str, frozenset[str]] = {
    **dict.fromkeys(["subject", "comments", "keywords"], _TEXT),
    **dict.fromkeys(["from", "sender", "reply-to", "to", "cc", "bcc"], _ADDRESSES),
    **dict.fromkeys(["resent-from", "resent-sender", "resent-reply-to"], _ADDRESSES),
    **dict.fromkeys(["resent-to", "resent-cc", "resent-bcc"], _ADDRESSES),
    **dict.fromkeys(["message-id", "in-reply-to", "references", "resent-message-id"], _IDS),
    **dict.fromkeys(["date", "resent-date"], _DATES),
    **dict.fromkeys(["list-help", "list-unsubscribe", "list-subscribe"], _URLS),
    **dict.fromkeys(["list-post", "list-owner", "list-archive"], _URLS),
    **dict.fromkeys(["return-path", "received"], _RAW),  # RFC 5322 §3.6.7: no form but Raw names them
}

# Email property -> (header field, form): RFC 8621 §4.1.3.
CONVENIENCE: dict[str, tuple[str, str]] = {
    "messageId": ("Message-ID", "asMessageIds"),
    "inReplyTo": ("In-Reply-To", "asMessageIds"),
    "references": ("References", "asMessageIds"),
    "sender": ("Sender", "asAddresses"),
    "from": ("From", "asAddresses"),
    "to": ("To", "asAddresses"),
    "cc": ("Cc", "asAddresses"),
    "bcc": ("Bcc", "asAddresses"),
    "replyTo": ("Reply-To", "asAddresses"),
    "subject": ("Subject", "asText"),
    "sentAt": ("Date", "asDate"),
}

_PROPERTY = re.compile(r"header:([!-9;-~]+)(?::(as[A-Za-z]+))?(:all)?")


@dataclass(frozen=True, slots=True)
class HeaderProperty:
    """A property of the form header:{name}[:as{form}][:all] (RFC 8621 §4.1.3)."""

    name: str  # as the client wrote it
    form: str  # a key of FORMS
    all: bool


def parse_header_property(text: str) -> HeaderProperty | None:
    """Read a "header:…" property name.

    Returns None for what is malformed, names no known form, or a form that is forbidden for this field
    (RFC 8621 §4.2: the call is then rejected with invalidArguments).
    """
    found = _PROPERTY.fullmatch(text)
    if found is None:
        return None
    name, form, every = found.groups()
    form = form or "asRaw"
    if form not in ALLOWED.get(name.lower(), _ANY):
        return None
    return HeaderProperty(name, form, every is not None)


def header_property(fields: Sequence[tuple[str, bytes]], wanted: HeaderProperty) -> HeaderValue | list[HeaderValue]:
    """The value of a header property: of the last such field, or of each in order with `:all` (RFC 8621 §4.1.3)."""
    name = wanted.name.lower()
    return header_value([value for field, value in fields if field.lower() == name], wanted)


def header_value(values: Sequence[bytes], wanted: HeaderProperty) -> HeaderValue | list[HeaderValue]:
    """The same, from the values of all fields of that name in the order of the message."""
    read = FORMS[wanted.form]
    if wanted.all:
        return [read(value) for value in values]
    return read(values[-1]) if values else None


def values_by_name(fields: Sequence[tuple[str, bytes]]) -> dict[str, list[bytes]]:
    """Lower-case field name -> values, for those who read many properties of one header."""
    found: dict[str, list[bytes]] = {}
    for name, value in fields:
        found.setdefault(name.lower(), []).append(value)
    return found
