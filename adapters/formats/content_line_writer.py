"""Content lines of iCalendar and vCard: the one writer (RFC 5545 §3.1, RFC 6350 §3.2, RFC 6868).

It refuses control characters, so that nothing that comes from a client can begin a line of its own.
"""

import re
from collections.abc import Iterator

from adapters.formats.content_lines import Component, ContentLine, NotWritable

_NEEDS_QUOTES = re.compile(r"[:;,]")
_UNWRITABLE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_ALWAYS_QUOTED = frozenset({"JSPTR", "JSCOMPS", "AUTHOR"})
_WRITABLE_GROUP = re.compile(r"[A-Za-z0-9-]+")
_WRITABLE_NAME = re.compile(r"[A-Za-z0-9_-]+")


def encode_parameter(value: str, *, quoted: bool = False) -> str:
    """A parameter value as it stands in a line: RFC 6868 encoded, quoted where the grammar or `quoted` says so.

    Raises `NotWritable` for control characters.
    """
    if "^" in value or '"' in value or "\n" in value:
        value = value.replace("^", "^^").replace('"', "^'").replace("\n", "^n")
    if _UNWRITABLE.search(value):
        raise NotWritable("control character in a parameter value")
    return f'"{value}"' if quoted or _NEEDS_QUOTES.search(value) else value


def format_line(line: ContentLine) -> str:
    """The unfolded text of a property. Raises `NotWritable` for what no content line may hold."""
    head = f"{line.group}.{line.name}" if line.group else line.name
    if line.group and not _WRITABLE_GROUP.fullmatch(line.group):
        raise NotWritable(f"group {line.group[:60]!r}")
    if _UNWRITABLE.search(line.value) or not _WRITABLE_NAME.fullmatch(line.name):
        raise NotWritable(f"control character in {line.name!r}")
    for name, values in line.parameters.items():
        if not _WRITABLE_NAME.fullmatch(name):
            raise NotWritable(f"parameter name {name!r}")
        encoded = ",".join(encode_parameter(value, quoted=name in _ALWAYS_QUOTED) for value in values)
        head += f";{name}={encoded}"
    return f"{head}:{line.value}"


def fold(text: str) -> str:
    """Fold one line at 75 octets without cutting a character (RFC 5545 §3.1); ends with CRLF."""
    if len(text) <= 75 and text.isascii():
        return text + "\r\n"
    data = text.encode("utf-8")
    pieces: list[bytes] = []
    start, room = 0, 75
    while len(data) - start > room:
        end = start + room
        while data[end] & 0xC0 == 0x80:
            end -= 1
        pieces.append(data[start:end])
        start, room = end, 74
    pieces.append(data[start:])
    return b"\r\n ".join(pieces).decode("utf-8") + "\r\n"


def _lines(component: Component) -> Iterator[str]:
    yield f"BEGIN:{component.name}\r\n"
    for line in component.properties:
        yield fold(format_line(line))
    for child in component.components:
        yield from _lines(child)
    yield f"END:{component.name}\r\n"


def serialize(*components: Component) -> str:
    """The components as text, folded, with CRLF. Raises `NotWritable` for what no content line may hold."""
    return "".join(text for component in components for text in _lines(component))
