"""Pieces of messages over one connection: sections of many messages in one round trip, decoded sizes."""

import contextlib
import re
from collections.abc import Mapping, Sequence
from typing import Final

from adapters.errors import InvalidData, NotFound, Unsupported
from adapters.imap.connection import Connection
from adapters.imap.encoder import Part, chunk_uids, fetch_item, paren, seqset
from adapters.imap.fetch import by_uid, enclosing_header, is_section, section_items, sections, size_items, sizes
from adapters.imap.session import pipelined, refresh
from adapters.imap.tokens import Value
from adapters.ports.mail import Section

Group = tuple[tuple[Section, ...], list[int]]
Found = dict[int, dict[Section, bytes]]

_MULTIPART: Final = re.compile(rb"^content-type:[ \t]*(?:\r?\n[ \t]+)*multipart/", re.IGNORECASE | re.MULTILINE)
_SECTIONS_PER_COMMAND: Final = 100  # keeps the line below the length of RFC 7162 §4


async def read_sections(connection: Connection, wanted: Mapping[int, Sequence[Section]]) -> Found:
    """The wanted pieces by UID; messages that are gone and parts that do not exist are left out."""
    found = await _asked(connection, wanted)
    missing = {uid: pieces for uid, pieces in wanted.items() if uid not in found}
    if missing:  # gone, or younger than the last command on this connection
        await refresh(connection)
        found |= await _asked(connection, missing)
    await _add_headers(connection, wanted, found)
    return found


async def decoded_sizes(connection: Connection, uid: int, part_ids: Sequence[str]) -> dict[str, int]:
    """BINARY.SIZE of the parts that the server can decode. Raises NotFound when the message is gone."""
    # [UNKNOWN-CTE] about one of them fails all (RFC 9051 §6.4.5), and so does damaged base64 (Dovecot: [PARSE])
    with contextlib.suppress(Unsupported, InvalidData):
        return sizes(await _sizes_of(connection, uid, size_items(part_ids)), part_ids)
    found: dict[str, int] = {}
    for part_id in part_ids:
        with contextlib.suppress(Unsupported, InvalidData):
            found |= sizes(await _sizes_of(connection, uid, size_items([part_id])), [part_id])
    return found


async def _sizes_of(connection: Connection, uid: int, items: Part) -> dict[bytes, Value]:
    """BINARY.SIZE data of one message, if the server tells any. Raises NotFound."""
    for attempt in range(2):
        if attempt:  # see `read_sections`
            await refresh(connection)
        found = by_uid(await connection.command("UID FETCH", seqset([uid]), items)).get(uid)
        if found is not None and any(name.startswith(b"BINARY.SIZE[") for name in found):
            return found
    if found is None:
        raise NotFound("message is gone")
    return found


async def _asked(connection: Connection, wanted: Mapping[int, Sequence[Section]]) -> Found:
    groups = _groups(wanted)
    answers = await pipelined(
        *(connection.command("UID FETCH", seqset(uids), section_items(pieces)) for pieces, uids in groups)
    )
    found: Found = {}
    for (pieces, uids), answer in zip(groups, answers, strict=True):
        for uid, items in by_uid(answer).items():
            if uid in uids and any(name.startswith(b"BODY[") for name in items):  # else told by the server itself
                found.setdefault(uid, {}).update(sections(items, pieces))
    return found


def _groups(wanted: Mapping[int, Sequence[Section]]) -> list[Group]:
    """Messages that want the same pieces are asked for together; no command is too long."""
    together: dict[tuple[Section, ...], list[int]] = {}
    for uid, pieces in wanted.items():
        known = tuple(piece for piece in dict.fromkeys(pieces) if is_section(piece))
        for start in range(0, len(known), _SECTIONS_PER_COMMAND):
            together.setdefault(known[start : start + _SECTIONS_PER_COMMAND], []).append(uid)
    return [(pieces, group) for pieces, uids in together.items() for group in chunk_uids(uids)]


async def _add_headers(connection: Connection, wanted: Mapping[int, Sequence[Section]], found: Found) -> None:
    """MIME headers of first parts that the server left empty: they stand in the header of their message.

    Unless that is a multipart: then the part has a header of its own, which may be empty (RFC 2046 §5.1).
    """
    headers: dict[str, dict[int, Section]] = {}
    for uid, pieces in wanted.items():
        for piece in pieces:
            name = enclosing_header(piece)
            if name is not None and uid in found and not found[uid].get(piece):
                headers.setdefault(name, {})[uid] = piece
    for name, pieces_of in headers.items():
        item = paren(fetch_item("UID"), fetch_item(f"BODY.PEEK[{name}]"))
        for uids in chunk_uids(pieces_of):
            answer = by_uid(await connection.command("UID FETCH", seqset(uids), item))
            for uid in uids:
                header = answer.get(uid, {}).get(f"BODY[{name}]".encode())
                if isinstance(header, bytes) and not _MULTIPART.search(header):
                    piece = pieces_of[uid]
                    found[uid][piece] = header if piece.limit is None else header[: piece.limit]
