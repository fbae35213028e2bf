"""MIME entities of a raw message by offsets, and their canonical octets: what a signature is over (RFC 1847 §2.1).

A verifier and whoever shows the message must find the same parts. Whatever could be read in two ways is refused.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from adapters.formats.mime import MAX_DEPTH, MAX_HEADER, Part, parse_message

__all__ = ["Ambiguous", "Entity", "canonical", "entity", "find", "sub_entities"]

_PIECE: Final = 256 * 1024
_BLANK_LINE = re.compile(rb"\n\r?\n")
_EMPTY_HEADER = re.compile(rb"\r?\n")
_REST_OF_DELIMITER = re.compile(rb"(--)?[ \t]*(?:\r?\n|\Z)")
_CR: Final = 0x0D
_LF: Final = 0x0A
_MANY_PARTS: Final = 1_000
_MANY_MISSES: Final = 100_000


class Ambiguous(ValueError):
    """A multipart whose parts aren't where everybody would find them."""


@dataclass(frozen=True, slots=True)
class Entity:
    """Header and body of a message or part: offsets start <= body <= end into data; part: what its header says."""

    data: bytes | bytearray
    start: int
    body: int
    end: int
    part: Part


def entity(data: bytes | bytearray, start: int = 0, end: int | None = None) -> Entity:
    """The entity that lies between two offsets."""
    stop = len(data) if end is None else end
    if empty := _EMPTY_HEADER.match(data, start, stop):
        return Entity(data, start, empty.end(), stop, Part())
    blank = _BLANK_LINE.search(data, start, min(stop, start + MAX_HEADER))
    header_end, body = (blank.start() + 1, blank.end()) if blank else (stop, stop)
    header = bytes(memoryview(data)[start : min(header_end, start + MAX_HEADER)])
    return Entity(data, start, body, stop, parse_message(header).root)


def sub_entities(multipart: Entity) -> list[Entity]:
    """The parts of a multipart. Raises Ambiguous."""
    begun: int | None = None
    found: list[Entity] = []
    for start, end, last in _delimiters(multipart):
        if begun is not None:
            found.append(entity(multipart.data, begun, max(begun, start)))
        if last:
            return found
        if len(found) >= _MANY_PARTS:
            raise Ambiguous("it has too many parts")
        begun = end
    raise Ambiguous("it has no end")


def _delimiters(multipart: Entity) -> Iterator[tuple[int, int, bool]]:
    """Delimiter lines, with the line end before them, which belongs to them (RFC 2046 §5.1.1), and whether it is the
    last one's."""
    mark = b"--" + multipart.part.params.get("boundary", "").encode()
    if len(mark) == 2:
        raise Ambiguous("it has no boundary")
    data, position, misses = multipart.data, multipart.body, 0
    while (line := data.find(mark, position, multipart.end)) >= 0:
        position = line + len(mark)
        if line > multipart.body and data[line - 1] != _LF:
            misses += 1
            if misses > _MANY_MISSES:
                raise Ambiguous("its boundary is everywhere")
            continue
        rest = _REST_OF_DELIMITER.match(data, position, multipart.end)
        if rest is None:
            raise Ambiguous("a line begins like its boundary")
        yield _before(data, line, multipart.body), rest.end(), rest[1] is not None


def _before(data: bytes | bytearray, line: int, least: int) -> int:
    """Where the line end before a line begins."""
    if line > least:
        line -= 2 if line - 1 > least and data[line - 2] == _CR else 1
    return line


def find(message: Entity, kind: str, depth: int = 0) -> Entity | None:
    """The first part of this type in the multiparts of a message, not looking into attached messages or into it.
    Raises Ambiguous."""
    if message.part.type == kind:
        return message
    if not message.part.type.startswith("multipart/") or depth >= MAX_DEPTH:
        return None
    for part in sub_entities(message):
        if found := find(part, kind, depth + 1):
            return found
    return None


def canonical(data: bytes | bytearray, start: int, end: int) -> Iterator[bytes | memoryview]:
    """The octets in pieces with CRLF at the end of each line (RFC 8551 §3.1.1); none is copied if all are so."""
    view = memoryview(data)
    clean = data.count(b"\n", start, end) == data.count(b"\r\n", start, end)
    while start < end:
        stop = min(end, start + _PIECE)
        if stop < end and view[stop - 1] == _CR:
            stop += 1  # what follows a CR must be seen with it
        piece = view[start:stop]
        yield piece if clean else bytes(piece).replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        start = stop
