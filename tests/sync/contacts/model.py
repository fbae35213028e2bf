"""A CardDAV home in dictionaries: implements ContactsPort as a careful server would, and fails on demand."""

import hashlib
import itertools
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass, field, replace

from adapters.errors import AdapterError, Conflict, InvalidData, NotFound, Unavailable
from adapters.formats.content_lines import parse
from adapters.ports.collections import Cursor, Names, Privilege, Stored
from adapters.ports.contacts import (
    AddressBook,
    AddressBookChanges,
    AddressBookDelta,
    AddressBookProperties,
    CardResource,
    ContactsFacts,
    Property,
)

FACTS = ContactsFacts(server="model", principal="/alice/", owner="/alice/", home="/alice/", display_name="Alice")
PROPERTIES: frozenset[Property] = frozenset({"name", "description", "order"})


@dataclass
class Shelf:
    """One address book: its head, its resources, and a log of what happened to which name.

    life: an address book that is made anew at the same path has other tokens.
    """

    info: AddressBook
    life: int = field(default_factory=itertools.count().__next__)
    resources: dict[str, CardResource] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)

    @property
    def cursor(self) -> Cursor:
        return Cursor(f"t{self.life}-{len(self.log)}", None)


class Home:
    """What the server holds; `port` gives a way to it. stores: the properties that it can keep."""

    def __init__(self, facts: ContactsFacts = FACTS, stores: frozenset[Property] = PROPERTIES) -> None:
        self.facts = facts
        self.stores = stores
        self.shelves: dict[str, Shelf] = {}
        self.failing: dict[str, AdapterError] = {}
        """Verb, or "verb path", -> what it raises."""
        self.calls: list[str] = []

    def add_book(
        self,
        path: str,
        name: str | None = None,
        *,
        owner: str | None = None,
        privileges: frozenset[Privilege] | None = None,
        versions: Collection[str] = ("3.0", "4.0"),
    ) -> Shelf:
        properties = AddressBookProperties(name=name)
        info = AddressBook(
            path,
            properties,
            frozenset(versions),
            privileges=privileges,
            owner=owner,
            max_size=None,
            cursor=Cursor("t0", None),
        )
        self.shelves[path] = Shelf(info)
        return self.shelves[path]

    def write(self, path: str, name: str, data: bytes | str) -> str:
        """As another client would; the ETag."""
        data = data.encode() if isinstance(data, str) else data
        etag = f'"{hashlib.sha256(data).hexdigest()[:12]}"'
        self.shelves[path].resources[name] = CardResource(etag, data)
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

    async def open(self) -> ContactsFacts:
        self._enter("open")
        return self.home.facts

    async def address_books(self) -> list[AddressBook]:
        self._enter("address_books")
        return [replace(shelf.info, cursor=shelf.cursor) for shelf in self.home.shelves.values()]

    async def changes(self, book: AddressBook, since: Cursor | None, known: Names) -> AddressBookDelta:
        self._enter("changes", book.path)
        shelf = self._shelf(book.path)
        present = {name: resource.etag for name, resource in shelf.resources.items()}
        changed = {name: etag for name, etag in present.items() if known.get(name) != etag}
        return AddressBookDelta(shelf.cursor, changed, frozenset(known.keys() - present.keys()))

    async def fetch(self, path: str, names: Collection[str]) -> AsyncIterator[Mapping[str, CardResource]]:
        self._enter("fetch", path)
        shelf = self._shelf(path)
        for name in names:
            if name in shelf.resources:
                yield {name: shelf.resources[name]}

    async def create(self, path: str, name: str, data: bytes) -> Stored:
        self._enter("create", path)
        shelf = self._shelf(path)
        if name in shelf.resources or _uid(data) in {_uid(other.data) for other in shelf.resources.values()}:
            raise Conflict("taken")
        return Stored(self.home.write(path, name, data))

    async def replace(self, path: str, name: str, data: bytes, etag: str) -> Stored:
        self._enter("replace", path)
        self._match(path, name, etag)
        return Stored(self.home.write(path, name, data))

    def _match(self, path: str, name: str, etag: str | None) -> None:
        resources = self._shelf(path).resources
        if name not in resources:
            raise NotFound(name)
        if etag is not None and resources[name].etag != etag:
            raise Conflict("another ETag")

    async def delete(self, path: str, name: str, etag: str | None) -> None:
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

    async def create_address_book(self, name: str, changes: AddressBookChanges) -> tuple[str, frozenset[Property]]:
        self._enter("create_address_book")
        path = f"{name}/"
        if path in self.home.shelves:
            raise Conflict("taken")
        self.home.add_book(path)
        return path, await self.update_address_book(path, changes)

    async def update_address_book(self, path: str, changes: AddressBookChanges) -> frozenset[Property]:
        self._enter("update_address_book", path)
        shelf = self._shelf(path)
        kept = {name: value for name, value in changes.items() if name in self.home.stores}
        properties = replace(shelf.info.properties, **kept)  # type: ignore[arg-type]  # the names are its fields
        shelf.info = replace(shelf.info, properties=properties)
        return frozenset(changes.keys() - kept.keys())  # type: ignore[arg-type]  # the same

    async def delete_address_book(self, path: str) -> None:
        self._enter("delete_address_book", path)
        self._shelf(path)
        del self.home.shelves[path]

    async def close(self) -> None:
        self.home.calls.append("close")


def _uid(data: bytes) -> str | None:
    components = parse(data).components
    if not components:
        raise InvalidData("not a vCard")
    return components[0].value("UID")


def card(uid: str | None, name: str = "Alice", *, more: str = "") -> str:
    """A resource with one vCard."""
    uid_line = "" if uid is None else f"UID:{uid}\r\n"
    return f"BEGIN:VCARD\r\nVERSION:4.0\r\n{uid_line}FN:{name}\r\n{more}END:VCARD\r\n"


AWAY = Unavailable("away")
