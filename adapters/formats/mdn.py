"""Message disposition notifications (RFC 8098) as MDN objects (RFC 9007 §2), read and written. Pure."""

import re
from collections.abc import Mapping
from typing import Any, Final

from adapters.formats.email import part_text
from adapters.formats.header_fields import header_fields
from adapters.formats.header_forms import as_text, values_by_name
from adapters.formats.mime import Message, Part, parse_message, part_body, walk
from adapters.formats.report import DISPOSITION, report_part

ACTION_MODES: Final = ("manual-action", "automatic-action")
SENDING_MODES: Final = ("mdn-sent-manually", "mdn-sent-automatically")
TYPES: Final = ("deleted", "dispatched", "displayed", "processed")

REPORT_TYPE: Final = "message/disposition-notification"
_MODES: Final = re.compile(r"([\w-]+)\s*/\s*([\w-]+)\s*;\s*([\w-]+)", re.ASCII)  # RFC 8098 §3.2.6
_FIELD_NAME: Final = re.compile(r"[!-9;-~]{1,100}")  # RFC 5322 §2.2
_VALUE: Final = re.compile(r"[ -~]{1,900}")
_LONGEST_LINE: Final = 78

_STRINGS: Final = {
    "reporting-ua": "reportingUA",
    "mdn-gateway": "mdnGateway",
    "original-recipient": "originalRecipient",
    "final-recipient": "finalRecipient",
    "original-message-id": "originalMessageId",
}
_OWN: Final = frozenset({*_STRINGS, "disposition", "error"})


class InvalidMdn(ValueError):
    """`properties`: names of those that cannot stand in a notification."""

    def __init__(self, properties: list[str]) -> None:
        super().__init__(f"cannot be written: {', '.join(properties)}")
        self.properties = properties


def read(octets: bytes) -> dict[str, Any] | None:
    """The MDN that a message is, without forEmailId; None for a message that is none."""
    message = parse_message(octets)
    report = report_part(message.root, DISPOSITION, (REPORT_TYPE,))  # RFC 8098 §3
    if report is None:
        return None
    fields = values_by_name(header_fields(part_body(message, report)))
    modes = _MODES.match(_text(fields, "disposition") or "")
    if modes is None:
        return None
    top = values_by_name(header_fields(message.header))
    action, sending, kind = (word.lower() for word in modes.groups())  # RFC 9007 §2: MUST be converted to lowercase
    if action not in ACTION_MODES or sending not in SENDING_MODES or kind not in TYPES:
        return None
    extensions = {
        as_text(name.encode()): as_text(value)
        for name, value in header_fields(part_body(message, report))
        if name.lower() not in _OWN
    }
    return {
        "subject": _text(top, "subject"),
        "textBody": _human_part(message, report),
        "includeOriginalMessage": any(part.type == "message/rfc822" for part in message.root.sub_parts[2:]),
        "disposition": {"actionMode": action, "sendingMode": sending, "type": kind},
        **{name: _text(fields, field) for field, name in _STRINGS.items()},
        "error": [as_text(value) for value in fields.get("error", ())] or None,
        "extensionFields": extensions or None,
    }


def write(mdn: Mapping[str, Any]) -> bytes:
    """The content of the part message/disposition-notification, in ASCII. Raises InvalidMdn."""
    disposition = mdn["disposition"]
    modes = f"{disposition['actionMode']}/{disposition['sendingMode']}; {disposition['type']}"
    names = {name: field.title().replace("Ua", "UA").replace("Id", "ID") for field, name in _STRINGS.items()}
    values = [(names[name], mdn[name], name) for name in names if mdn.get(name) is not None]
    values.append(("Disposition", modes, "disposition"))
    values += [(name, value, "extensionFields") for name, value in (mdn.get("extensionFields") or {}).items()]
    wrong = [own for name, value, own in values if not (_FIELD_NAME.fullmatch(name) and _VALUE.fullmatch(value))]
    wrong += [own for name, _, own in values if own == "extensionFields" and name.lower() in _OWN]
    if wrong:
        raise InvalidMdn(sorted(set(wrong)))
    return "".join(_folded(f"{name}: {value}") for name, value, _ in values).encode("ascii")


def _folded(line: str) -> str:
    """A field on lines of at most 78 characters where it has blanks to break at (RFC 5322 §2.2.3)."""
    lines: list[str] = []
    while len(line) > _LONGEST_LINE and (at := line.rfind(" ", 2, _LONGEST_LINE)) > 0:
        lines.append(line[:at])
        line = line[at:]
    return "\r\n".join([*lines, line]) + "\r\n"


def _human_part(message: Message, report: Part) -> str | None:
    """The text in front of the report."""
    before = message.root.sub_parts[: message.root.sub_parts.index(report)]
    texts = [leaf for part in before for leaf in walk(part) if leaf.type == "text/plain"]
    if not texts:
        return None
    raw = bytes(message.data[texts[0].start : texts[0].end])
    return part_text(texts[0], raw)[0]


def _text(fields: Mapping[str, list[bytes]], name: str) -> str | None:
    values = fields.get(name)
    return as_text(values[-1]).strip() if values else None
