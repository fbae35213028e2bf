"""What a server would drop of an iCalendar object, dressed as X- properties that it keeps, and undressed again.

Some servers drop every property and component that they don't know, except X- properties. Properties are renamed;
a component becomes one property that holds its text.
"""

import re
from functools import lru_cache

from adapters.dav.quirks import Quirks
from adapters.formats.content_line_writer import serialize
from adapters.formats.content_lines import Component, ContentLine, ContentLineError, parse
from adapters.formats.values import read_text, write_text

_PREFIX = "X-"


def dressed(data: bytes, quirks: Quirks) -> bytes:
    """The data as it survives there; what is no iCalendar stays as it is, for the server to refuse."""
    names = (*quirks.drops, *quirks.drops_components)
    if not any(name.encode() in data for name in names):
        return data
    try:
        components = parse(data).components
        return "".join(serialize(_dressed(component, quirks)) for component in components).encode()
    except ContentLineError:
        return data


def undressed(data: bytes, quirks: Quirks) -> bytes:
    """The reverse."""
    if _PREFIX.encode() not in data or _dressed_names(quirks.drops | quirks.drops_components).search(data) is None:
        return data
    try:
        components = parse(data).components
        return "".join(serialize(_undressed(component, quirks)) for component in components).encode()
    except ContentLineError:
        return data


@lru_cache(maxsize=16)
def _dressed_names(names: frozenset[str]) -> re.Pattern[bytes]:
    return re.compile("|".join(re.escape(_PREFIX + name) for name in sorted(names)).encode())


def _dressed(component: Component, quirks: Quirks) -> Component:
    lines = [
        _renamed(line, _PREFIX + line.name) if line.name in quirks.drops else line for line in component.properties
    ]
    children = []
    for child in component.components:
        if child.name in quirks.drops_components:
            lines.append(ContentLine(_PREFIX + child.name, {}, write_text(serialize(child).replace("\r\n", "\n"))))
        else:
            children.append(_dressed(child, quirks))
    return Component(component.name, lines, children)


def _undressed(component: Component, quirks: Quirks) -> Component:
    lines: list[ContentLine] = []
    children = [_undressed(child, quirks) for child in component.components]
    for line in component.properties:
        name = line.name.removeprefix(_PREFIX)
        if name == line.name:
            lines.append(line)
        elif name in quirks.drops_components:
            children += parse(read_text(line.value)).components
        else:
            lines.append(_renamed(line, name) if name in quirks.drops else line)
    return Component(component.name, lines, children)


def _renamed(line: ContentLine, name: str) -> ContentLine:
    return ContentLine(name, line.parameters, line.value, line.index, line.group)
