"""Reports about messages: multipart/report (RFC 6522), what DSNs and MDNs share. Pure."""

import re
from collections.abc import Collection
from typing import Final

from adapters.formats.cfws import strip_comments
from adapters.formats.header_fields import header_fields
from adapters.formats.header_forms import as_text
from adapters.formats.mime import Message, Part, part_body
from adapters.formats.parameters import parse_parameterized

DELIVERY: Final = "delivery-status"
"""The report-type of a DSN (RFC 3464 §2)."""

DISPOSITION: Final = "disposition-notification"
"""The report-type of an MDN (RFC 8098 §3)."""

_RETURNED: Final = frozenset({"message/rfc822", "text/rfc822-headers", "message/global", "message/global-headers"})
_MESSAGE_ID: Final = re.compile(r"<[^<>\s]{1,998}>")
_HEX: Final = re.compile(r"\+([0-9A-F]{2})")
_ESCAPED: Final = re.compile(r"\\x\{([0-9A-F]{2,6})\}")
_MAILBOX_TYPES: Final = frozenset({"rfc822", "utf-8"})


def report_type(content_type: bytes) -> str | None:
    """The report-type that the value of a Content-Type field names, lower case; None for what is no report."""
    media_type, params = parse_parameterized(content_type)
    return params.get("report-type", "").lower() or None if media_type.lower() == "multipart/report" else None


def report_part(root: Part, wanted: str, types: Collection[str]) -> Part | None:
    """The machine-readable part of a report of this report-type; types: its media types (RFC 6522 §3)."""
    if root.type != "multipart/report" or root.params.get("report-type", "").lower() != wanted:
        return None
    return next((part for part in root.sub_parts if part.type in types), None)


def returned_message_id(message: Message) -> str | None:
    """The Message-ID, with its angle brackets, of the message that a report returns or returns the header of."""
    returned = next((part for part in message.root.sub_parts[1:] if part.type in _RETURNED), None)
    if returned is None:
        return None
    header = re.split(rb"\r?\n\r?\n", part_body(message, returned), maxsplit=1)[0]
    values = [value for name, value in header_fields(header) if name.lower() == "message-id"]
    return message_id(as_text(values[0])) if values else None


def message_id(text: str | None) -> str | None:
    """The msg-id in a text, with its angle brackets; None where there is none."""
    found = _MESSAGE_ID.search(text or "")
    return found[0] if found else None


def typed_address(text: str | None) -> tuple[str, ...]:
    """The address of "rfc822; a@b", as it stands and without the encodings of a relay, most likely first.

    Empty for other types. RFC 3461 §4.2: the address is xtext on its way, which not every server takes off again; RFC
    6533 §3: what is not ASCII may be escaped.
    """
    kind, _, address = strip_comments(text or "").partition(";")
    if kind.strip().lower() not in _MAILBOX_TYPES:
        return ()
    plain = address.strip().removeprefix("<").removesuffix(">").strip()
    decoded = _ESCAPED.sub(_character, _HEX.sub(lambda found: chr(int(found[1], 16)), plain))
    return tuple(dict.fromkeys(one for one in (plain, decoded) if one))


def _character(found: re.Match[str]) -> str:
    code = int(found[1], 16)
    return found[0] if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF else chr(code)
