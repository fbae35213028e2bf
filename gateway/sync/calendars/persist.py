"""An index of calendars as it is written to the store, and back; and what a user has for himself of events of others.

The latter lies in values of its own, one for each event, because it cannot be read from the server again.
"""

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict
from typing import Any

import orjson

from adapters.errors import Unavailable
from adapters.ports.calendars import Calendar, CalendarFacts, CalendarProperties
from adapters.ports.collections import Cursor
from gateway.store.base import Delete, Key, Put, Store, StoreUnavailable, Write
from gateway.sync.calendars.edit import Edit
from gateway.sync.calendars.entries import Entry
from gateway.sync.calendars.index import TYPES, Ids, Index, Place, Resource
from gateway.sync.calendars.personal import Personal
from gateway.sync.codec import Damaged, seal_json, unseal_json
from gateway.sync.collections.index import Settings
from gateway.sync.collections.persist import Form, Row
from gateway.sync.memory import compact_json


class Personals:
    """What a user has of events for himself, in the store. account: the partition of the calendars."""

    SPACE = "cal.personal"

    def __init__(self, store: Store, account: str) -> None:
        self._store = store
        self._account = account

    async def load(self) -> dict[str, Personal]:
        """All of it, by event id; what is damaged is left out. Raises StoreUnavailable."""
        found = {}
        for event_id, value in await self._store.scan(self._account, self.SPACE):
            with suppress(Damaged):
                found[event_id] = unseal_json(value)
        return found

    def write(self, event_id: str, personal: Personal) -> Write:
        """What makes it durable; nothing is kept where it is empty."""
        key = Key(self._account, self.SPACE, event_id)
        return Put(key, seal_json(personal)) if personal else Delete(key)

    async def forget(self, event_ids: Iterable[str]) -> None:
        """What the user had of events that are gone. Raises Unavailable."""
        try:
            await self._store.commit(self._account, [self.write(event_id, {}) for event_id in event_ids])
        except StoreUnavailable as error:
            raise Unavailable("the store does not answer") from error


class CalendarForm(Form[Index, Place]):
    """How an index of calendars is written. personals: what belongs to it, and is written by itself."""

    prefix = "cal"
    version = 3
    types = TYPES

    def __init__(self, namespace: str, personals: Personals) -> None:
        super().__init__(namespace)
        self._personals = personals

    def head(self, index: Index) -> dict[str, Any]:
        """See `Form`."""
        return {
            "calendars": [
                {
                    "info": _info_value(held.info),
                    "cursor": None if held.cursor is None else asdict(held.cursor),
                    "size": len(held.resources),
                }
                for held in index.calendars.values()
            ],
            "foreign": [_info_value(info) for info in index.foreign.values()],
            "facts": None if index.facts is None else asdict(index.facts),
        }

    def places(self, index: Index) -> Iterable[Place]:
        """See `Form`."""
        return (Place(held.id, name) for held in index.calendars.values() for name in held.resources)

    def place(self, place: Place) -> tuple[str, str]:
        """See `Form`."""
        return place.calendar_id, place.name

    def value(self, index: Index, place: Place) -> object | None:
        """See `Form`."""
        resource = index.resource(place)
        return None if resource is None else _resource_value(resource)

    async def read(self, head: Mapping[str, Any], rows: Iterable[Row], settings: Settings) -> Index:
        """See `Form`. Raises also StoreUnavailable."""
        empty = Index(settings=settings, personal=await self._personals.load())
        return await asyncio.to_thread(self._read, head, rows, empty)

    def _read(self, head: Mapping[str, Any], rows: Iterable[Row], empty: Index) -> Index:
        ids = Ids(self.namespace)
        edit = Edit(empty, ids)
        sizes: dict[str, int] = {}
        for stored in head["calendars"]:
            info = _info(stored["info"])
            edit.put_calendar(info, None if stored["cursor"] is None else Cursor(**stored["cursor"]))
            sizes[ids.calendar(info.path)] = stored["size"]
        for calendar_id, name, document in rows:
            sizes[calendar_id] -= 1
            edit.put(Place(calendar_id, name), _resource(document))
        if any(sizes.values()):
            raise Damaged("resources")
        edit.foreign = {info.path: info for info in map(_info, head["foreign"])}
        index, _ = edit.settle(None if head["facts"] is None else _facts(head["facts"]))
        return index


def _facts(stored: Mapping[str, Any]) -> CalendarFacts:
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in stored.items()
    }
    return CalendarFacts(**values)


def _info_value(info: Calendar) -> dict[str, Any]:
    privileges = None if info.privileges is None else sorted(info.privileges)
    grants = None if info.grants is None else {path: sorted(granted) for path, granted in info.grants.items()}
    return asdict(info) | {"components": sorted(info.components), "privileges": privileges, "grants": grants}


def _info(value: dict[str, Any]) -> Calendar:
    privileges, grants = value["privileges"], value["grants"]
    return Calendar(
        **value
        | {
            "properties": CalendarProperties(**value["properties"]),
            "components": frozenset(value["components"]),
            "privileges": None if privileges is None else frozenset(privileges),
            "cursor": Cursor(**value["cursor"]),
            "grants": None if grants is None else {path: frozenset(granted) for path, granted in grants.items()},
        }
    )


def _resource_value(resource: Resource) -> object:
    entries = [
        [entry.uid, entry.recurrence_id, entry.rank, _or_none(entry.first), _or_none(entry.last), entry.recurs]
        for entry in resource.entries
    ]
    return [resource.etag, entries, [orjson.Fragment(entry.json) for entry in resource.entries]]


def _resource(document: Any) -> Resource:
    etag, entries, events = document
    return Resource(
        etag,
        tuple(
            Entry(uid, recurrence_id, (rank[0], rank[1]), _number(first), _number(last), recurs, compact_json(event))
            for (uid, recurrence_id, rank, first, last, recurs), event in zip(entries, events, strict=True)
        ),
    )


def _or_none(number: float) -> float | None:
    """JSON has no infinity."""
    return None if number == float("inf") else number


def _number(value: float | None) -> float:
    return float("inf") if value is None else value
