"""Updates of a stored vCard in place: only the lines that a change concerns are touched (DESIGN §7).

The Card before and the Card after the change are both written, each line with the path that it stands for. Reading the
stored vCard tells which paths each of its lines stands for. A stored line stays as long as both Cards write the same
for all of its paths; else it gives way to what the second one writes for them.
"""

from collections.abc import Iterable, Mapping
from itertools import accumulate
from typing import Any

from adapters.formats.content_lines import ContentLine, ContentLineError
from adapters.formats.jscontact.read import read_vcard
from adapters.formats.jscontact.simple import APPLE
from adapters.formats.jscontact.stream import VCard, read_stream
from adapters.formats.jscontact.write import Line, to_octets, write_lines

Lines = dict[str, list[ContentLine]]
Origins = Mapping[int, list[str]]
_GROUPS = frozenset({"KIND", "MEMBER"})
_JSPROP = "JSPROP/"


def patched(stored: bytes, before: Mapping[str, Any], after: Mapping[str, Any]) -> bytes:
    """The stored vCard with what differs between two Cards changed, in its own version (2.1 becomes 3.0).

    `before` is the Card that `read.read_cards` makes of `stored`. A vCard without UID gets that of `after`. Raises
    `ValueError` for a Card that is not valid, for what no vCard may hold, and where `stored` is not one vCard.
    """
    vcards, _ = read_stream(stored)
    if len(vcards) != 1:
        raise ContentLineError(f"{len(vcards)} vCards in one resource")
    vcard = vcards[0]
    names = {line.name for line in vcard.lines}
    apple = APPLE + "KIND" in names or (vcard.version == "3.0" and names.isdisjoint(_GROUPS))
    old, new = (_by_path(write_lines(card, vcard.version, apple=apple)) for card in (before, after))
    changed = {path for path in old.keys() | new.keys() if old.get(path) != new.get(path)}
    if not changed and "UID" in names:
        return stored
    if "UID" not in names:
        changed.add("uid")
    reading = read_vcard(vcard, before.get("uid"))
    changed |= _below(changed, reading.origins)
    lines = _merged(vcard.lines, reading.origins, changed, new)
    moved = _moved(vcard, lines, reading.origins, after)
    if moved:
        lines = _merged(vcard.lines, reading.origins, changed | moved, new)
    return to_octets(vcard.version, lines)


def _below(changed: set[str], origins: Origins) -> set[str]:
    """The paths of stored lines that say what is written as JSPROP, as vCard 3.0 has no other languages of a name."""
    tops = {path.removeprefix(_JSPROP) for path in changed if path.startswith(_JSPROP)}
    found = {path for paths in origins.values() for path in paths} if tops else set()
    return {path for path in found if not tops.isdisjoint(accumulate(path.split("/"), "{}/{}".format))}


def _by_path(lines: Iterable[Line]) -> Lines:
    found: Lines = {}
    for path, line in lines:
        found.setdefault(path, []).append(line)
    return found


def _merged(stored: list[ContentLine], origins: Origins, changed: set[str], new: Lines) -> list[ContentLine]:
    """The stored lines, with the new ones of changed paths in the places of the old, else after those of their name."""
    changed = _with_all_they_touch(stored, origins, changed, new)
    waiting = {path: lines for path, lines in new.items() if path in changed}
    merged: list[ContentLine] = []
    for line in stored:
        paths = origins.get(line.index, ())
        if changed.isdisjoint(paths):
            merged.append(line)
        for path in paths:
            merged += waiting.pop(path, ())
    last = {line.name: n for n, line in enumerate(merged)}
    behind: dict[int, list[ContentLine]] = {}
    for line in (line for lines in waiting.values() for line in lines):
        behind.setdefault(last.get(line.name, len(merged) - 1), []).append(line)
    return behind.get(-1, []) + [found for n, line in enumerate(merged) for found in (line, *behind.get(n, ()))]


def _with_all_they_touch(stored: list[ContentLine], origins: Origins, changed: set[str], new: Lines) -> set[str]:
    """The changed paths, and all that stand in a line with one of them; JSPROP properties are one patch together."""
    by_path: dict[str, set[int]] = {}
    for line in stored:
        for path in origins.get(line.index, ()):
            by_path.setdefault(path, set()).add(line.index)
    if any(path.startswith(_JSPROP) for path in changed):
        changed = changed | {path for path in (*by_path, *new) if path.startswith(_JSPROP)}
    found, waiting = set(changed), list(changed)
    while waiting:
        for index in by_path.pop(waiting.pop(), ()):
            more = set(origins[index]) - found
            found |= more
            waiting += more
    return found


def _moved(vcard: VCard, lines: list[ContentLine], origins: Origins, after: Mapping[str, Any]) -> set[str]:
    """Paths of stored lines that would be read as something else among the new lines, as keys that were derived."""
    numbered = [ContentLine(line.name, line.parameters, line.value, n, line.group) for n, line in enumerate(lines)]
    again = read_vcard(VCard(vcard.version, numbered), after.get("uid"))
    moved = {
        path
        for n, line in enumerate(lines)
        if line.index >= 0 and origins.get(line.index) != again.origins.get(n)
        for path in origins.get(line.index, ())
    }
    return moved | ({"language"} if again.js.get("language") != after.get("language") else set())
