"""An index of calendars as store writes, and back: one value for each resource, one head, one for each journal record.

Settings lie in a value of their own, and so does what a user has for himself of each event of others: these cannot be
read from the server again.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict
from typing import Any, Final

import orjson

from adapters.ports.calendars import Calendar, CalendarFacts, CalendarProperties
from adapters.ports.collections import Cursor
from gateway.store.base import Delete, DeleteRange, Key, Put, Store, Write
from gateway.sync.calendars.edit import Edit
from gateway.sync.calendars.entries import Entry
from gateway.sync.calendars.index import TYPES, Ids, Index, Place, Resource, Settings
from gateway.sync.calendars.personal import Personal
from gateway.sync.codec import Damaged, seal_json, unseal_json
from gateway.sync.journal import Changes, Journal, Record

VERSION: Final = 3
HEAD, RESOURCES, JOURNAL = "cal.head", "cal.resources", "cal.journal"
SETTINGS, PERSONAL = "cal.settings", "cal.personal"


def head_key(account: str) -> Key:
    """Written by every commit."""
    return Key(account, HEAD, "head")


def settings_key(account: str) -> Key:
    """What clients set and the server has no place for."""
    return Key(account, SETTINGS, "all")


def head_value(index: Index, journal: Journal, namespace: str) -> bytes:
    """The head: calendars, facts, where journal and resources stand."""
    return seal_json(
        {
            "version": VERSION,
            "namespace": namespace,
            "epoch": journal.epoch,
            "past": journal.past,
            "history": journal.history,
            "seq": journal.seq,
            "heads": journal.heads,
            "floors": journal.floors,
            "records": len(journal.records),
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
    )


def everything(account: str, index: Index, journal: Journal) -> Iterator[Write]:
    """All resources and journal records, after removing whatever was there."""
    yield DeleteRange(account, RESOURCES)
    yield DeleteRange(account, JOURNAL)
    places = (Place(held.id, name) for held in index.calendars.values() for name in held.resources)
    yield from changed(account, index, places)
    yield from (record_write(account, record) for record in journal.records)


def changed(account: str, index: Index, places: Iterable[Place]) -> Iterator[Write]:
    """The values of places that a commit touched."""
    for place in places:
        key = Key(account, RESOURCES, f"{place.calendar_id}/{place.name}")
        resource = index.resource(place)
        yield Delete(key) if resource is None else Put(key, _resource_value(resource))


def appended(account: str, journal: Journal, record: Record) -> Iterator[Write]:
    """One more record, without those that the journal does not keep any more."""
    yield record_write(account, record)
    oldest = journal.records[0].seq if journal.records else record.seq + 1
    yield DeleteRange(account, JOURNAL, "", _seq(oldest))


def record_write(account: str, record: Record) -> Write:
    """A journal record."""
    document = {name: [part.created, part.updated, part.destroyed] for name, part in record.types.items()}
    return Put(Key(account, JOURNAL, _seq(record.seq)), seal_json(document))


def settings_write(account: str, settings: Settings) -> Write:
    """The settings."""
    return Put(settings_key(account), seal_json(settings))


def personal_write(account: str, event_id: str, personal: Personal) -> Write:
    """What a user has of an event for himself; nothing is kept where it is empty."""
    key = Key(account, PERSONAL, event_id)
    return Put(key, seal_json(personal)) if personal else Delete(key)


async def load_personal(store: Store, account: str) -> dict[str, Personal]:
    """All of it, by event id; what is damaged is left out. Raises StoreUnavailable."""
    found = {}
    for event_id, value in await store.scan(account, PERSONAL):
        with suppress(Damaged):
            found[event_id] = unseal_json(value)
    return found


def read_settings(value: bytes | None) -> dict[str, dict[str, Any]]:
    """The settings; none where there are none."""
    try:
        document: dict[str, dict[str, Any]] = unseal_json(value)
    except Damaged:
        return {}
    return document


async def load(store: Store, account: str, head: bytes | None, namespace: str, keep: int) -> tuple[Index, Journal]:
    """What is stored. Raises Damaged for anything missing or wrong, StoreUnavailable.

    head: the value of the head as it was read, to notice a change in between.
    """
    document = unseal_json(head)
    records, resources = await store.scan(account, JOURNAL), await store.scan(account, RESOURCES)
    personal = await load_personal(store, account)
    if (await store.read([head_key(account)]))[0] != head:
        raise Damaged("changed while being read")
    try:
        if (document["version"], document["namespace"]) != (VERSION, namespace):
            raise Damaged("of another version or namespace")
        return _index(document, resources, personal, Ids(namespace)), _journal(document, dict(records), keep)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Damaged("not as written") from error


def _journal(document: Mapping[str, Any], rows: Mapping[str, bytes], keep: int) -> Journal:
    journal = Journal(keep, TYPES)
    journal.epoch, journal.seq, journal.past = document["epoch"], document["seq"], document["past"]
    journal.history = document.get("history")
    journal.heads, journal.floors = document["heads"], document["floors"]
    if len(rows) != document["records"] or journal.heads.keys() != set(TYPES):
        raise Damaged("journal")
    records = []
    for name, value in sorted(rows.items()):
        parts = {kind: Changes(created, updated, [], gone) for kind, (created, updated, gone) in _parts(value)}
        records.append(Record(int(name), parts))
    journal.restore(records)
    return journal


def _parts(value: bytes) -> Iterator[tuple[str, list[list[str]]]]:
    yield from unseal_json(value).items()


def _index(
    document: Mapping[str, Any], rows: list[tuple[str, bytes]], personal: Mapping[str, Personal], ids: Ids
) -> Index:
    edit = Edit(Index(personal=personal), ids)
    sizes: dict[str, int] = {}
    for stored in document["calendars"]:
        info = _info(stored["info"])
        cursor = None if stored["cursor"] is None else Cursor(**stored["cursor"])
        edit.put_calendar(info, cursor)
        sizes[ids.calendar(info.path)] = stored["size"]
    for key, value in rows:
        calendar_id, _, name = key.partition("/")
        sizes[calendar_id] -= 1
        edit.put(Place(calendar_id, name), _resource(unseal_json(value)))
    if any(sizes.values()):
        raise Damaged("resources")
    edit.foreign = {info.path: info for info in map(_info, document["foreign"])}
    index, _ = edit.settle(None if document["facts"] is None else _facts(document["facts"]))
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


def _resource_value(resource: Resource) -> bytes:
    entries = [
        [entry.uid, entry.recurrence_id, entry.rank, _or_none(entry.first), _or_none(entry.last), entry.recurs]
        for entry in resource.entries
    ]
    return seal_json([resource.etag, entries, [orjson.Fragment(entry.json) for entry in resource.entries]])


def _resource(document: Any) -> Resource:
    etag, entries, events = document
    return Resource(
        etag,
        tuple(
            Entry(uid, recurrence_id, (rank[0], rank[1]), _number(first), _number(last), recurs, orjson.dumps(event))
            for (uid, recurrence_id, rank, first, last, recurs), event in zip(entries, events, strict=True)
        ),
    )


def _or_none(number: float) -> float | None:
    """JSON has no infinity."""
    return None if number == float("inf") else number


def _number(value: float | None) -> float:
    return float("inf") if value is None else value


def _seq(seq: int) -> str:
    return f"{seq:015d}"
