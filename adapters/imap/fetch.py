"""What to FETCH for a plan or a section, and what the answer means (pure). RFC 9051 §6.4.5 and §7.5.2."""

import contextlib
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Final

from adapters.errors import InvalidData, NotFound
from adapters.formats.bodystructure import part_from_bodystructure
from adapters.imap.encoder import Part, fetch_item, paren
from adapters.imap.responses import Completion, fetch_items
from adapters.imap.tokens import Value
from adapters.ports.mail import FetchPlan, MessageData, Section

_FIELD_NAME: Final = re.compile(r"[!-'*-9;-Z\\^-~]{1,200}")  # RFC 5322 §3.6.8 without what a fetch item cannot hold
_PART_ID: Final = re.compile(r"[1-9]\d{0,4}(?:\.[1-9]\d{0,4}){0,99}")
_HEADER_END: Final = re.compile(rb"\r?\n\r?\n")
_MAX_FIELD_OCTETS: Final = 3000

Items = Mapping[bytes, Value]


@lru_cache(256)
def plan_items(plan: FetchPlan, *, preview: bool) -> Part:
    """The FETCH items of a plan, UID first. `preview`: the server has PREVIEW (RFC 8970)."""
    names = ["UID"]
    if plan.whole:
        names.append("BODY.PEEK[]")  # the header is cut from it
    elif plan.header_fields is None:
        names.append("BODY.PEEK[HEADER]")
    elif plan.header_fields:
        names.append(_header_item(plan.header_fields))
    if plan.structure:
        names.append("BODYSTRUCTURE")
    if plan.preview and preview:
        names.append("PREVIEW")
    return paren(*(fetch_item(name) for name in names))


def messages(completion: Completion, plan: FetchPlan) -> dict[int, MessageData]:
    """The messages of an answer by UID. A message with a NIL where the plan wants octets has vanished meanwhile."""
    found: dict[int, MessageData] = {}
    for uid, items in by_uid(completion).items():
        message = _message(uid, items, plan)
        if message is not None:
            found[uid] = message
    return found


def by_uid(completion: Completion) -> dict[int, dict[bytes, Value]]:
    """FETCH data by UID; the server may spread one message over several responses."""
    found: dict[int, dict[bytes, Value]] = {}
    for response in completion.of(b"FETCH"):
        items = fetch_items(response)
        uid = uid_of(items)
        if uid is not None:
            found.setdefault(uid, {}).update(items)
    return found


def uid_of(items: Items) -> int | None:
    """The UID item; None in data that the server sent by itself."""
    uid = items.get(b"UID")
    return int(uid) if isinstance(uid, bytes) and uid.isdigit() else None


def section_items(wanted: Sequence[Section]) -> Part:
    """FETCH items for the sections, each section once from each start, with the largest limit asked of it."""
    limits: dict[tuple[str, int], int | None] = {}
    for section in wanted:
        key = section_name(section), section.start
        limit = limits.get(key, section.limit)
        limits[key] = None if limit is None or section.limit is None else max(limit, section.limit)
    names = [f"BODY.PEEK[{name}]" + _partial(start, limit) for (name, start), limit in limits.items()]
    return paren(fetch_item("UID"), *(fetch_item(name) for name in names))


def sections(items: Items, wanted: Sequence[Section]) -> dict[Section, bytes]:
    """The octets of each section that the answer has (a part that does not exist is NIL)."""
    contents = {_with_origin(name): value for name, value in items.items() if name.startswith(b"BODY[")}
    found: dict[Section, bytes] = {}
    for section in wanted:
        content = contents.get(f"BODY[{section_name(section)}]<{section.start}>".encode())
        if isinstance(content, bytes):
            found[section] = content if section.limit is None else content[: section.limit]
    return found


def is_section(section: Section) -> bool:
    """Whether there can be such a part in any message."""
    return section.part_id is None or _PART_ID.fullmatch(section.part_id) is not None


def section_name(section: Section) -> str:
    """The section of BODY.PEEK[…]: `1.2`, `1.2.MIME`, `HEADER`, or nothing for the whole message."""
    if section.part_id is None:
        return "" if section.kind == "body" else "HEADER"
    checked = part_id(section.part_id)
    return checked if section.kind == "body" else f"{checked}.MIME"


def enclosing_header(section: Section) -> str | None:
    """Where the MIME header of a first part stands if its message is no multipart: in that message's header.

    RFC 9051 §6.4.5: a message without parts has one part, number 1, and no MIME header of its own.
    """
    if section.kind != "mime" or section.part_id is None:
        return None
    parent, _, last = section.part_id.rpartition(".")
    if last != "1":
        return None
    return f"{parent}.HEADER" if parent else "HEADER"


def part_id(value: str) -> str:
    """An IMAP part number such as `1.2`. Raises NotFound: no message has a part of any other name."""
    if not _PART_ID.fullmatch(value):
        raise NotFound("no such part")
    return value


def body_item(part: str | None) -> str:
    """The item that streams one part, or the message."""
    return f"BODY.PEEK[{'' if part is None else part_id(part)}]"


def size_items(part_ids: Iterable[str]) -> Part:
    """FETCH items for decoded sizes (BINARY.SIZE)."""
    return paren(fetch_item("UID"), *(fetch_item(f"BINARY.SIZE[{part_id(name)}]") for name in part_ids))


def sizes(items: Items, part_ids: Iterable[str]) -> dict[str, int]:
    """Decoded octets of the parts that the server could decode."""
    found: dict[str, int] = {}
    for name in part_ids:
        value = items.get(f"BINARY.SIZE[{name}]".encode())
        if isinstance(value, bytes) and value.isdigit():
            found[name] = int(value)
    return found


def _message(uid: int, items: Items, plan: FetchPlan) -> MessageData | None:
    message = MessageData(uid)
    if plan.whole:
        message.message = _octets(items, b"BODY[]")
        if message.message is None:
            return None
        if plan.header_fields is None or plan.header_fields:
            message.header = header_of(message.message)
    elif plan.header_fields is None or plan.header_fields:
        message.header = _octets(items, b"BODY[HEADER]" if plan.header_fields is None else b"BODY[HEADER.FIELDS")
        if message.header is None:
            return None
    if plan.structure:
        structure = items.get(b"BODYSTRUCTURE")
        if structure is None:
            return None
        with contextlib.suppress(InvalidData):  # one broken description must not cost the other messages
            message.structure = part_from_bodystructure(structure)
    if plan.preview:
        message.preview = _preview(items.get(b"PREVIEW"))
    return message


def header_of(message: bytes) -> bytes:
    """The header block of a message, with its empty line."""
    if message.startswith((b"\r\n", b"\n")):
        return message[: message.index(b"\n") + 1]
    end = _HEADER_END.search(message)
    return message if end is None else message[: end.end()]


def _octets(items: Items, prefix: bytes) -> bytes | None:
    for name, value in items.items():
        if name.startswith(prefix):
            return value if isinstance(value, bytes) else None
    return None


def _preview(value: Value) -> str | None:
    """RFC 8970 §3.2: a string, empty where nothing can be shown; the draft put it in a list behind its algorithm."""
    if isinstance(value, list):
        value = value[-1] if value else None
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else None


def _header_item(names: Iterable[str]) -> str:
    """Sorted, so that equal plans are equal commands; too many or odd names ask for the whole header instead."""
    ordered = sorted({name.upper() for name in names})
    if not all(_FIELD_NAME.fullmatch(name) for name in ordered):
        if any(
            not name or not all("!" <= character <= "~" and character != ":" for character in name) for name in ordered
        ):
            raise InvalidData("not a header field name")
        return "BODY.PEEK[HEADER]"
    text = " ".join(ordered)
    return f"BODY.PEEK[HEADER.FIELDS ({text})]" if len(text) <= _MAX_FIELD_OCTETS else "BODY.PEEK[HEADER]"


def _partial(start: int, limit: int | None) -> str:
    return "" if limit is None else f"<{start}.{max(limit, 1)}>"  # RFC 9051 §9 partial: at least one octet


def _with_origin(name: bytes) -> bytes:
    return name if name.endswith(b">") else name + b"<0>"
