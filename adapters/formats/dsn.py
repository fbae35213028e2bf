"""Delivery status notifications (RFC 3464), read. Pure.

Nothing in one is proven: whoever can send mail can write one. What a caller believes of it is the caller's affair.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from adapters.formats.header_fields import header_fields
from adapters.formats.header_forms import as_text, values_by_name
from adapters.formats.mime import parse_message, part_body
from adapters.formats.report import DELIVERY, report_part, returned_message_id, typed_address

ACTIONS: Final = ("failed", "delayed", "delivered", "relayed", "expanded")

MOST_RECIPIENTS: Final = 1000
"""Of one notification; further ones are passed over."""

_TYPES: Final = ("message/delivery-status", "message/global-delivery-status")  # RFC 6533 §3
_GROUP_END: Final = re.compile(rb"\r?\n[ \t]*(?:\r?\n[ \t]*)+(?=[^ \t\r\n])")
_STATUS: Final = re.compile(r"[245]\.\d{1,3}\.\d{1,3}")  # RFC 3464 §2.3.4
_REPLY: Final = re.compile(r"([245]\d\d)([ -])(?:([245]\.\d{1,3}\.\d{1,3}) )?(.*)")
_LONGEST_REPLY: Final = 1000
_CODES: Final = {"2": "250", "4": "451", "5": "550"}
_USUAL: Final = {"failed": "5.0.0", "delayed": "4.0.0"}


@dataclass(frozen=True, slots=True)
class Recipient:
    """What became of one recipient.

    addresses: it may be any of these; the one that the sender gave stands first, if it is told. action: one of ACTIONS.
    reply: one line with an SMTP code, as RFC 8621 §7 wants smtpReply.
    """

    addresses: Sequence[str]
    action: str
    reply: str


@dataclass(frozen=True, slots=True)
class Dsn:
    """A notification. envelope_id: ENVID of the message, if the server was told; message_id: with angle brackets."""

    envelope_id: str | None
    message_id: str | None
    recipients: Sequence[Recipient]


def read(octets: bytes) -> Dsn | None:
    """The DSN that a message is, or that its beginning shows; None for a message that is none. Never raises."""
    message = parse_message(octets)
    part = report_part(message.root, DELIVERY, _TYPES)
    if part is None:
        return None
    # RFC 3464 §2.1: fields of the message, then those of each recipient, with blank lines between
    first, *others = _GROUP_END.split(part_body(message, part).lstrip(), maxsplit=MOST_RECIPIENTS + 1)
    recipients = [found for group in others[:MOST_RECIPIENTS] if (found := _recipient(_fields(group))) is not None]
    if not recipients:
        return None
    return Dsn(_text(_fields(first), "original-envelope-id") or None, returned_message_id(message), recipients)


def _recipient(fields: Mapping[str, Sequence[bytes]]) -> Recipient | None:
    action = _text(fields, "action").split(" ", 1)[0].lower()
    addresses = [
        address for name in ("original-recipient", "final-recipient") for address in typed_address(_text(fields, name))
    ]
    if action not in ACTIONS or not addresses:
        return None
    return Recipient(list(dict.fromkeys(addresses)), action, _reply(fields, action))


def _reply(fields: Mapping[str, Sequence[bytes]], action: str) -> str:
    """RFC 8621 §7, smtpReply: what an SMTP server said, else a line made of the status and the diagnostic."""
    kind, _, told = _text(fields, "diagnostic-code").partition(";")
    text = " ".join(told.split())
    reply = _REPLY.fullmatch(text) if kind.strip().lower() == "smtp" else None
    if reply is not None:
        return _joined(*reply.groups(default=""))[:_LONGEST_REPLY]
    found = _STATUS.search(_text(fields, "status"))
    status = found[0] if found else _USUAL.get(action, "2.0.0")
    return f"{_CODES[status[0]]} {status} {text or action}"[:_LONGEST_REPLY]


def _joined(code: str, mark: str, status: str, text: str) -> str:
    """A reply in one line: what all its lines begin with stands once."""
    if mark == "-":
        text = re.sub(rf" {code}[ -](?:{re.escape(status)} )?" if status else rf" {code}[ -]", " ", text)
    return " ".join(filter(None, (code, status, text)))


def _fields(group: bytes) -> dict[str, list[bytes]]:
    return values_by_name(header_fields(group))


def _text(fields: Mapping[str, Sequence[bytes]], name: str) -> str:
    """The value of a field in one line of printable characters."""
    values = fields.get(name)
    text = as_text(values[0]).strip() if values else ""
    return "".join(char if char.isprintable() else " " for char in text)
