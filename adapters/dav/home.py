"""The collections of one kind in the homes of one login: what CalDAV and CardDAV do alike."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, ClassVar, Generic, TypeVar

from adapters.dav.bodies import Element, propfind
from adapters.dav.connection import Answer, DavConnection, clock
from adapters.dav.discovery import discover, properties
from adapters.dav.errors import refusal
from adapters.dav.hrefs import below, canonical, check_name, collection, join
from adapters.dav.listing import TYPE, Key, Row, cursor_names, elements, is_kind, read_cursor, reports
from adapters.dav.multistatus import Entry, is_number, multistatus
from adapters.dav.properties import write
from adapters.dav.quirks import OTHER, Quirks, recognise
from adapters.dav.resources import Resources
from adapters.dav.sync import Delta, delta
from adapters.errors import Conflict, NotFound, Unavailable, Unsupported
from adapters.ports.calendars import Calendar
from adapters.ports.collections import Cursor, Names
from adapters.ports.contacts import AddressBook

Info = TypeVar("Info", Calendar, AddressBook)


class DavHome(ABC, Generic[Info]):
    """kind: resource type of the collections. well_known: of RFC 6764 §5. home_set: the principal's property.

    owner: path of whose the home is; principal: of the login's own, None where the server tells none.
    offered: the classes of the DAV header (RFC 4918 §10.1), in lower case.
    """

    kind: ClassVar[str]
    well_known: ClassVar[str]
    home_set: ClassVar[str]

    def __init__(self, connection: DavConnection) -> None:
        self.connection = connection
        self.quirks: Quirks = OTHER
        self.owner: str | None = None
        self.principal: str | None = None
        self.offered: frozenset[str] = frozenset()
        self._homes: tuple[str, ...] = ()
        self._reports: dict[str, frozenset[str]] = {}
        self._heard: dict[str, tuple[bytes, list[Info]]] = {}
        self._cursors: dict[str, tuple[bytes, dict[str, Cursor]]] = {}

    @abstractmethod
    def read(self, entry: Entry) -> Info:
        """A collection of the listing."""

    @property
    @abstractmethod
    def asked(self) -> list[str]:
        """The properties that a listing asks for."""

    async def enter(self, wanted: Iterable[str]) -> Entry:
        """Find the homes and learn what the server is; answers what the principal says of `wanted`.

        Raises AuthFailed, Unavailable; NotFound where the login has no such home.
        """
        found = await discover(self.connection, self.well_known, self.home_set, wanted)
        self.principal, about = found.principal, found.properties
        self._homes, self.owner = found.homes, found.principal or canonical(about.href)
        headers = (await self.connection.request("OPTIONS", self.home)).headers
        self.quirks = recognise(headers, self.home)
        self.offered = frozenset(word.strip().lower() for word in headers.get("dav", "").split(","))
        self._heard.clear()
        return about

    @property
    def home(self) -> str:
        """Path of the home set. Raises NotFound before `enter`."""
        if not self._homes:
            raise NotFound("the home is not known yet")
        return self._homes[0]

    def path(self, relative: str) -> str:
        """The path of a collection that the caller knows relative to the home. Raises InvalidData."""
        return join(self.home, relative)

    def resource(self, relative: str, name: str) -> str:
        """The path of a resource in such a collection. Raises InvalidData."""
        return self.path(relative) + check_name(name)

    @property
    def resources(self) -> Resources:
        """The writing verbs."""
        return Resources(self.connection, self.quirks)

    async def listed(self) -> list[Info]:
        """The collections of all homes. Raises Unavailable for an answer that is no listing."""
        found: list[Info] = []
        for home in self._homes:
            answer = await self._depth_one(home, self.asked)
            heard, known = self._heard.get(home, (b"", []))
            if answer.body != heard or not known:  # nearly always it says what it said before
                known = [self.taken(entry) for entry in self._kept(home, answer)]
                self._heard[home] = (answer.body, known)
            now = clock(answer.headers.get("date"))
            found += [replace(info, cursor=self._settled(info.cursor, now)) for info in known]
        if self.quirks.reads_all:
            alone = await asyncio.gather(*map(self._with_cursor, found))
            return [info for info in alone if info is not None]
        return found

    async def cursors(self) -> Mapping[str, Cursor]:
        """Where the collections of all homes stand, by path. Raises as `listed`."""
        if self.quirks.reads_all:
            return {info.path: info.cursor for info in await self.listed()}
        found: dict[str, Cursor] = {}
        for home in self._homes:
            answer = await self._depth_one(home, [TYPE, *cursor_names(self.quirks)])
            heard, known = self._cursors.get(home, (b"", {}))
            if answer.body != heard:
                entries = self._kept(home, answer)
                known = {below(collection(entry.href), self.home): read_cursor(entry) for entry in entries}
                self._cursors[home] = (answer.body, known)
            now = clock(answer.headers.get("date"))
            found |= {path: self._settled(cursor, now) for path, cursor in known.items()}
        return found

    def taken(self, entry: Entry) -> Info:
        """As `read`, what it says of reports being remembered for `moved`."""
        info = self.read(entry)
        self._reports[self.path(info.path)] = reports(entry)
        return info

    async def moved(self, info: Info, since: Cursor | None, known: Names, along: Element) -> tuple[Cursor, Delta]:
        """How one collection moved, and where it stands then. along: as `delta` has it. Raises as `delta`."""
        path = self.path(info.path)
        trusted = not self.quirks.settles and "sync-collection" in self._reports.get(path, ())
        token = None if since is None else since.token
        found = await delta(self.connection, path, token, known, reports=trusted, along=along)
        # The ctag is the listing's, which is older than the report: what came in between is found again, not lost.
        return Cursor(found.token, info.cursor.ctag), found

    async def make(self, method: str, name: str, body: bytes) -> str:
        """Make a collection; answers its path below the home. Raises Conflict, Forbidden, Unsupported."""
        path = self.home + check_name(name) + "/"
        try:
            await self.connection.request(method, path, body)
        except Unsupported as error:
            # RFC 4918 §9.3.1: 405 is also the answer where something is there already.
            if refusal(error).status == 405 and await self._exists(path):
                raise Conflict("the collection exists already") from error
            raise
        return name + "/"

    async def update(self, relative: str, rows: Mapping[Key, Row], changes: Mapping[str, Any]) -> frozenset[Key]:
        """Write properties; answers those that the server does not store. Raises NotFound, Forbidden."""
        refused = await write(self.connection, self.path(relative), elements(rows, changes), self.quirks)
        return frozenset(key for key, row in rows.items() if row.name in refused)

    async def remove(self, relative: str) -> None:
        """Delete a collection with everything in it. Raises NotFound, Forbidden."""
        await self.connection.request("DELETE", self.path(relative))

    async def close(self) -> None:
        """Drop all connections."""
        await self.connection.close()

    async def _depth_one(self, home: str, names: list[str]) -> Answer:
        answer = await self.connection.request("PROPFIND", home, propfind(names), {"Depth": "1"})
        if answer.status != 207:
            raise Unavailable(f"PROPFIND: status {answer.status} instead of a multistatus")
        return answer

    def _kept(self, home: str, answer: Answer) -> list[Entry]:
        """The responses about collections of the kind."""
        found = multistatus(answer.body)
        entries = [entry for entry in found if is_kind(entry, self.kind)]
        if not entries and all(canonical(entry.href).rstrip("/") != home.rstrip("/") for entry in found):
            raise Unavailable("a listing that does not show the home")
        return entries

    async def _with_cursor(self, info: Info) -> Info | None:
        """None for a collection that is gone since the listing."""
        try:
            entry = await properties(self.connection, self.path(info.path), cursor_names(self.quirks))
        except NotFound:
            return None
        return replace(info, cursor=read_cursor(entry))

    def _settled(self, cursor: Cursor, now: float | None) -> Cursor:
        """A ctag that counts seconds says nothing of changes that may follow within its own second."""
        if not self.quirks.settles or cursor.ctag is None or not is_number(cursor.ctag):
            return cursor
        young = now is None or now - int(cursor.ctag) < self.quirks.settles
        return Cursor(None, None) if young else cursor

    async def _exists(self, path: str) -> bool:
        try:
            await properties(self.connection, path, [TYPE])
        except NotFound:
            return False
        return True


def beside_name(changes: Mapping[str, Any]) -> dict[str, Any]:
    """What is left to write to a collection that was made with its name."""
    return {key: value for key, value in changes.items() if key != "name" and value is not None}
