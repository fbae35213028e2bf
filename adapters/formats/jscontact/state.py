"""What one conversion of one card carries along, in each direction."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from adapters.formats.content_lines import ContentLine
from adapters.formats.jscontact.jcard import recorded, to_jcard
from adapters.formats.jscontact.stream import VCard
from adapters.formats.jscontact.structured import Structure
from adapters.formats.keys import free_key, is_id, value_key
from adapters.formats.pointer import escape
from adapters.formats.values import Json, JsonObject


class Reading:
    """A vCard on its way to a Card. Lines that nobody takes are kept in vCardProps.

    `origins` says for each line, by its index, which paths of the Card came from it.
    """

    def __init__(self, vcard: VCard) -> None:
        self.version = vcard.version
        self.js: JsonObject = {}
        self.kept: list[ContentLine] = []
        self.origins: dict[int, list[str]] = {}
        self.lines: dict[str, list[ContentLine]] = {}
        self.groups: dict[str, list[str]] = {}
        self.structures: dict[str, Structure] = {}
        self._claimed: dict[str, dict[str, ContentLine]] = {}
        for line in vcard.lines:
            self.lines.setdefault(line.name, []).append(line)

    def take(self, name: str) -> list[ContentLine]:
        """All properties of a name, which the caller now answers for."""
        return self.lines.pop(name, [])

    def came(self, line: ContentLine, path: str) -> None:
        """Record what a line became."""
        self.origins.setdefault(line.index, []).append(path)

    def keep(self, line: ContentLine) -> None:
        """Keep a line in vCardProps, because nothing in JSContact is like it (RFC 9555 §2.15.1)."""
        self.kept.append(line)

    def claim(self, path: str, lines: Iterable[ContentLine]) -> None:
        """Give the keys that PROP-ID names to the first lines that name them, before other keys are derived."""
        claimed = self._claimed.setdefault(path, {})
        for line in lines:
            wanted = line.parameter("PROP-ID")
            if wanted and is_id(wanted):
                claimed.setdefault(wanted, line)

    def key(self, path: str, line: ContentLine) -> str:
        """The key in the map at `path`: PROP-ID, else derived from the value (RFC 9555 §2.1.2, §2.3.18)."""
        claimed = self._claimed.setdefault(path, {})
        wanted = line.parameter("PROP-ID") or ""
        if claimed.get(wanted) is line:
            return wanted
        key = free_key(value_key(line.value), claimed)
        claimed[key] = line
        return key

    def put(self, path: str, line: ContentLine, item: JsonObject) -> str:
        """Put an object into the map at `path` (one or two tokens); its key."""
        key = self.key(path, line)
        target = self.js
        for token in path.split("/"):
            target = target.setdefault(token, {})
        target[key] = item
        self.came(line, f"{path}/{key}")
        if line.group:
            self.groups.setdefault(line.group.lower(), []).append(f"{path}/{key}")
        return key

    def item(self, path: str) -> JsonObject:
        """The object at a path that `put` made."""
        found = self.js
        for token in path.split("/"):
            found = found[token]
        return found

    def finish(self) -> JsonObject:
        """The Card, with vCardProps in the order of the text."""
        for lines in self.lines.values():
            self.kept += lines
        self.kept.sort(key=lambda line: line.index)
        props = [to_jcard(line) for line in self.kept]
        if props:
            self.js["vCardProps"] = props
        for line, path in zip(self.kept, kept_paths(props), strict=True):
            self.came(line, path)
        return self.js


def kept_paths(props: Iterable[Json]) -> list[str]:
    """A path for each member of vCardProps that does not depend on where in the list it stands."""
    seen: Counter[str] = Counter()
    paths = []
    for prop in props:
        text = json.dumps(prop, sort_keys=True)
        paths.append(f"vCardProps/{text}/{seen[text]}")
        seen[text] += 1
    return paths


@dataclass(slots=True)
class Writing:
    """A Card on its way to a vCard: `lines` with the path that each came from, and what becomes JSPROP (`rest`).

    `kept` are the lines of vCardProps; `apple`: groups are written as Apple has them; `exists`: the paths that a reader
    will find; `labels` and `held` (titles and their organizationId) wait for the groups to be known.
    """

    js: JsonObject
    version: str
    lines: list[tuple[str, ContentLine]] = field(default_factory=list)
    kept: dict[str, ContentLine] = field(default_factory=dict)
    apple: bool = False
    rest: dict[str, Json] = field(default_factory=dict)
    exists: set[str] = field(default_factory=set)
    labels: list[tuple[str, str]] = field(default_factory=list)
    held: list[tuple[str, str]] = field(default_factory=list)

    def pop(self, key: str) -> Json:
        """Take a property of the Card; None if it has none."""
        return self.js.pop(key, None)

    def add(
        self,
        path: str,
        name: str,
        value: str,
        parameters: Mapping[str, tuple[str, ...]] | None = None,
        params: Json = None,
        target: str = "",
    ) -> ContentLine:
        """Write a property for `path`, with those of vCardParams that it does not have already.

        `target` is the JSContact path that a reader will make of it, where it is not `path`; or `NOWHERE`.
        """
        found, group = recorded(params)
        for given in (*_OWN, *(parameters or {})):
            found.pop(given, None)
        line = ContentLine(name, {**(parameters or {}), **found}, value, group=group)
        self.lines.append((path, line))
        if target != NOWHERE:
            self.exist(target or path)
        return line

    def exist(self, path: str) -> None:
        """A reader will find this path, and those above it."""
        parts = path.split("/")
        self.exists.update("/".join(parts[:n]) for n in range(1, len(parts) + 1))

    def leave(self, path: str, value: Json) -> None:
        """Leave a value to a JSPROP property (RFC 9555 §3.1.1)."""
        if value is not None:
            self.rest[path] = value

    def leave_rest(self, path: str, item: JsonObject) -> None:
        """Leave the members of an object that did not convert."""
        for name, value in item.items():
            if name != "@type":
                self.leave(f"{path}/{escape(name)}", value)


NOWHERE = "-"
_OWN = ("VALUE", "ENCODING", "CHARSET", "PROP-ID")
"""Parameters that follow from the object, so that vCardParams says nothing of them."""
