"""A CalDAV home in dictionaries: implements CalendarPort as a careful server would, and fails on demand."""

import hashlib
import itertools
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from adapters.errors import AdapterError, Conflict, InvalidData, NotFound, Unavailable, Unsupported
from adapters.formats.content_lines import parse
from adapters.ports.calendars import (
    Calendar,
    CalendarChanges,
    CalendarDelta,
    CalendarFacts,
    CalendarProperties,
    CalendarResource,
    Property,
    TimeRange,
)
from adapters.ports.collections import Cursor, Names, Stored

FACTS = CalendarFacts(
    server="model",
    principal="/alice/",
    owner="/alice/",
    home="/alice/",
    display_name="Alice",
    addresses=("mailto:alice@example.org",),
    auto_schedule=False,
    keeps_quiet=False,
    outbox=False,
    sharing=False,
)
PROPERTIES: frozenset[Property] = frozenset({"name", "color", "order", "description", "time_zone", "transparent"})


@dataclass
class Shelf:
    """One calendar: its head, its resources, and a log of what happened to which name.

    life: a calendar that is made anew at the same path has other tokens.
    """

    info: Calendar
    life: int = field(default_factory=itertools.count().__next__)
    resources: dict[str, CalendarResource] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)

    @property
    def cursor(self) -> Cursor:
        return Cursor(f"t{self.life}-{len(self.log)}", None)


class Home:
    """What the server holds; `port` gives a way to it. stores: the properties that it can keep."""

    def __init__(self, facts: CalendarFacts = FACTS, stores: frozenset[Property] = PROPERTIES) -> None:
        self.facts = facts
        self.stores = stores
        self.has_default = False
        self.shelves: dict[str, Shelf] = {}
        self.failing: dict[str, AdapterError] = {}
        """Verb, or "verb path", -> what it raises."""
        self.calls: list[str] = []
        self.heard: Sequence[Calendar] = ()

    def add_calendar(self, path: str, name: str | None = None, *, components: Collection[str] = ()) -> Shelf:
        info = Calendar(
            path,
            CalendarProperties(name=name),
            frozenset(components),
            privileges=None,
            owner=None,
            default=False,
            max_size=None,
            cursor=Cursor("t0", None),
        )
        self.shelves[path] = Shelf(info)
        return self.shelves[path]

    def write(self, path: str, name: str, data: bytes | str) -> str:
        """As another client would; the ETag."""
        data = data.encode() if isinstance(data, str) else data
        etag = f'"{hashlib.sha256(data).hexdigest()[:12]}"'
        self.shelves[path].resources[name] = CalendarResource(etag, data)
        self.shelves[path].log.append(name)
        return etag

    def remove(self, path: str, name: str) -> None:
        del self.shelves[path].resources[name]
        self.shelves[path].log.append(name)

    def text(self, path: str, name: str) -> str:
        return self.shelves[path].resources[name].data.decode()


class ModelPort:
    """One login's way to a Home."""

    def __init__(self, home: Home) -> None:
        self.home = home

    def _enter(self, verb: str, path: str = "") -> None:
        self.home.calls.append(f"{verb} {path}".strip())
        for key in (verb, f"{verb} {path}"):
            if key in self.home.failing:
                raise self.home.failing[key]

    def _shelf(self, path: str) -> Shelf:
        if path not in self.home.shelves:
            raise NotFound(path)
        return self.home.shelves[path]

    async def open(self) -> CalendarFacts:
        self._enter("open")
        return self.home.facts

    def heard(self) -> Sequence[Calendar]:
        return self.home.heard

    async def calendars(self) -> list[Calendar]:
        self._enter("calendars")
        return [replace(shelf.info, cursor=shelf.cursor) for shelf in self.home.shelves.values()]

    async def cursors(self) -> Mapping[str, Cursor]:
        self._enter("cursors")
        return {path: shelf.cursor for path, shelf in self.home.shelves.items()}

    async def changes(self, calendar: Calendar, since: Cursor | None, known: Names) -> CalendarDelta:
        self._enter("changes", calendar.path)
        shelf = self._shelf(calendar.path)
        present = {name: resource.etag for name, resource in shelf.resources.items()}
        changed = {name: etag for name, etag in present.items() if known.get(name) != etag}
        return CalendarDelta(shelf.cursor, changed, frozenset(known.keys() - present.keys()))

    async def fetch(self, path: str, names: Collection[str]) -> AsyncIterator[Mapping[str, CalendarResource]]:
        self._enter("fetch", path)
        shelf = self._shelf(path)
        for name in names:
            if name in shelf.resources:
                yield {name: shelf.resources[name]}

    async def find(self, path: str, window: TimeRange, component: str) -> AsyncIterator[Mapping[str, CalendarResource]]:
        self._enter("find", path)
        yield dict(self._shelf(path).resources)

    async def create(self, path: str, name: str, data: bytes, *, schedule: bool = True) -> Stored:
        self._enter("create", path)
        shelf = self._shelf(path)
        if name in shelf.resources or any(_uid(data) == _uid(other.data) for other in shelf.resources.values()):
            raise Conflict("taken")
        return Stored(self.home.write(path, name, data))

    async def replace(self, path: str, name: str, data: bytes, etag: str, *, schedule: bool = True) -> Stored:
        self._enter("replace", path)
        self._match(path, name, etag)
        return Stored(self.home.write(path, name, data))

    def _match(self, path: str, name: str, etag: str | None) -> None:
        resources = self._shelf(path).resources
        if name not in resources:
            raise NotFound(name)
        if etag is not None and resources[name].etag != etag:
            raise Conflict("another ETag")

    async def delete(self, path: str, name: str, etag: str | None, *, schedule: bool = True) -> None:
        self._enter("delete", path)
        self._match(path, name, etag)
        self.home.remove(path, name)

    async def move(self, path: str, name: str, target: str, etag: str) -> Stored:
        self._enter("move", path)
        self._match(path, name, etag)
        data = self._shelf(path).resources[name].data
        if name in self._shelf(target).resources:
            raise Conflict("taken")
        self.home.remove(path, name)
        return Stored(self.home.write(target, name, data))

    async def create_calendar(
        self, name: str, changes: CalendarChanges, components: Collection[str] = ()
    ) -> tuple[str, frozenset[Property]]:
        self._enter("create_calendar")
        path = f"{name}/"
        if path in self.home.shelves:
            raise Conflict("taken")
        self.home.add_calendar(path, components=components)
        return path, await self.update_calendar(path, changes)

    async def update_calendar(self, path: str, changes: CalendarChanges) -> frozenset[Property]:
        self._enter("update_calendar", path)
        shelf = self._shelf(path)
        kept = {name: value for name, value in changes.items() if name in self.home.stores}
        properties = replace(shelf.info.properties, **kept)  # type: ignore[arg-type]  # the names are its fields
        shelf.info = replace(shelf.info, properties=properties)
        return frozenset(changes.keys() - kept.keys())  # type: ignore[arg-type]  # the same

    async def delete_calendar(self, path: str) -> None:
        self._enter("delete_calendar", path)
        self._shelf(path)
        del self.home.shelves[path]

    async def set_default_calendar(self, path: str) -> None:
        self._enter("set_default_calendar", path)
        if not self.home.has_default:
            raise Unsupported("no inbox")
        for other, shelf in self.home.shelves.items():
            shelf.info = replace(shelf.info, default=other == path)

    async def close(self) -> None:
        self.home.calls.append("close")


def _uid(data: bytes) -> str | None:
    components = parse(data).components
    if not components:
        raise InvalidData("not iCalendar")
    return next((child.value("UID") for child in components[0].components if child.name != "VTIMEZONE"), None)


def event(uid: str, summary: str = "Event", *, start: str = "20261201T100000Z", more: str = "") -> str:
    """A resource with one event."""
    return (
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//EN\r\nBEGIN:VEVENT\r\n"
        f"UID:{uid}\r\nDTSTAMP:20261101T000000Z\r\nDTSTART:{start}\r\nDURATION:PT1H\r\nSUMMARY:{summary}\r\n{more}"
        "END:VEVENT\r\nEND:VCALENDAR\r\n"
    )


AWAY = Unavailable("away")
