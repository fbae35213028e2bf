"""An index of address books as it is written to the store, and back."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

import orjson

from adapters.ports.collections import Cursor
from adapters.ports.contacts import AddressBook, AddressBookProperties, ContactsFacts
from gateway.sync.codec import Damaged
from gateway.sync.collections.index import Settings
from gateway.sync.collections.persist import Form, Row
from gateway.sync.contacts.edit import Edit
from gateway.sync.contacts.entries import Entry
from gateway.sync.contacts.index import TYPES, Ids, Index, Place, Resource
from gateway.sync.memory import compact_json


class ContactsForm(Form[Index, Place]):
    """How an index of address books is written."""

    prefix = "card"
    version = 1
    types = TYPES

    def head(self, index: Index) -> dict[str, Any]:
        """See `Form`."""
        return {
            "books": [
                {
                    "info": _info_value(held.info),
                    "cursor": None if held.cursor is None else asdict(held.cursor),
                    "size": len(held.resources),
                }
                for held in index.books.values()
            ],
            "facts": None if index.facts is None else asdict(index.facts),
        }

    def places(self, index: Index) -> Iterable[Place]:
        """See `Form`."""
        return (Place(held.id, name) for held in index.books.values() for name in held.resources)

    def place(self, place: Place) -> tuple[str, str]:
        """See `Form`."""
        return place.book_id, place.name

    def value(self, index: Index, place: Place) -> object | None:
        """See `Form`."""
        resource = index.resource(place)
        if resource is None or resource.entry is None:
            return None if resource is None else [resource.etag]
        entry = resource.entry
        return [resource.etag, entry.uid, entry.rank, orjson.Fragment(entry.json)]

    async def read(self, head: Mapping[str, Any], rows: Iterable[Row], settings: Settings) -> Index:
        """See `Form`."""
        return await asyncio.to_thread(self._read, head, rows, Index(settings=settings))

    def _read(self, head: Mapping[str, Any], rows: Iterable[Row], empty: Index) -> Index:
        ids = Ids(self.namespace)
        edit = Edit(empty, ids)
        sizes: dict[str, int] = {}
        for stored in head["books"]:
            info = _info(stored["info"])
            edit.put_book(info, None if stored["cursor"] is None else Cursor(**stored["cursor"]))
            sizes[ids.book(info.path)] = stored["size"]
        for book_id, name, document in rows:
            sizes[book_id] -= 1
            edit.put(Place(book_id, name), _resource(document))
        if any(sizes.values()):
            raise Damaged("resources")
        index, _ = edit.settle(None if head["facts"] is None else ContactsFacts(**head["facts"]))
        return index


def _resource(document: Any) -> Resource:
    match document:
        case [str(etag)]:
            return Resource(etag, None)
        case [str(etag), str(uid), str(rank), dict(card)]:
            return Resource(etag, Entry(uid, rank, compact_json(card)))
    raise Damaged("resource")


def _info_value(info: AddressBook) -> dict[str, Any]:
    privileges = None if info.privileges is None else sorted(info.privileges)
    return asdict(info) | {"versions": sorted(info.versions), "privileges": privileges}


def _info(value: dict[str, Any]) -> AddressBook:
    privileges = value["privileges"]
    return AddressBook(
        **value
        | {
            "properties": AddressBookProperties(**value["properties"]),
            "versions": frozenset(value["versions"]),
            "privileges": None if privileges is None else frozenset(privileges),
            "cursor": Cursor(**value["cursor"]),
        }
    )
