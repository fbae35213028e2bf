"""An index of collections as store writes, and back: a value for each resource, one head, one for each journal record.

Settings lie in a value of their own, because they cannot be read from the server again.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar, Generic

from gateway.store.base import Delete, DeleteRange, Key, Put, Store, Write
from gateway.sync.codec import Damaged, seal_json, unseal_json
from gateway.sync.collections.index import Index, Place, Settings
from gateway.sync.journal import Changes, Journal, Record

Row = tuple[str, str, Any]
"""A stored resource: id of the collection, name, and its value as JSON."""


class Form(ABC, Generic[Index, Place]):
    """How one kind of index is written. namespace: what its ids are derived with.

    prefix: of its spaces in the store. version: of what is written in them. types: what its journal tells of.
    """

    prefix: ClassVar[str]
    version: ClassVar[int]
    types: ClassVar[tuple[str, ...]]

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace

    @abstractmethod
    def head(self, index: Index) -> dict[str, Any]:
        """What the head says beside where the journal stands, as JSON."""

    @abstractmethod
    def places(self, index: Index) -> Iterable[Place]:
        """All places where something lies."""

    @abstractmethod
    def place(self, place: Place) -> tuple[str, str]:
        """The id of the collection, and the name in it."""

    @abstractmethod
    def value(self, index: Index, place: Place) -> object | None:
        """What lies at a place, as JSON; None for nothing."""

    @abstractmethod
    async def read(self, head: Mapping[str, Any], rows: Iterable[Row], settings: Settings) -> Index:
        """The index that was written; much of it is read beside the loop.

        Raises Damaged, or what Python raises where it is not as written.
        """

    @property
    def resources(self) -> str:
        """The space of resources."""
        return f"{self.prefix}.resources"

    @property
    def journal(self) -> str:
        """The space of journal records."""
        return f"{self.prefix}.journal"

    def head_key(self, account: str) -> Key:
        """Written by every commit."""
        return Key(account, f"{self.prefix}.head", "head")

    def settings_key(self, account: str) -> Key:
        """What clients set and the server has no place for."""
        return Key(account, f"{self.prefix}.settings", "all")


def head_value(form: Form[Index, Place], index: Index, journal: Journal) -> bytes:
    """The head: collections, facts, where journal and resources stand."""
    return seal_json(
        {
            "version": form.version,
            "namespace": form.namespace,
            "epoch": journal.epoch,
            "past": journal.past,
            "history": journal.history,
            "seq": journal.seq,
            "heads": journal.heads,
            "floors": journal.floors,
            "records": len(journal.records),
            **form.head(index),
        }
    )


def everything(form: Form[Index, Place], account: str, index: Index, journal: Journal) -> Iterator[Write]:
    """All resources and journal records, after removing whatever was there; settings that the store may have lost."""
    yield DeleteRange(account, form.resources)
    yield DeleteRange(account, form.journal)
    yield from changed(form, account, index, form.places(index))
    yield from (_record_write(form, account, record) for record in journal.records)
    if index.settings:
        yield settings_write(form, account, index.settings)


def changed(form: Form[Index, Place], account: str, index: Index, places: Iterable[Place]) -> Iterator[Write]:
    """The values of places that a commit touched."""
    for place in places:
        key = Key(account, form.resources, "/".join(form.place(place)))
        value = form.value(index, place)
        yield Delete(key) if value is None else Put(key, seal_json(value))


def appended(form: Form[Index, Place], account: str, journal: Journal, record: Record) -> Iterator[Write]:
    """One more record, without those that the journal does not keep any more."""
    yield _record_write(form, account, record)
    oldest = journal.records[0].seq if journal.records else record.seq + 1
    yield DeleteRange(account, form.journal, "", _seq(oldest))


def _record_write(form: Form[Index, Place], account: str, record: Record) -> Write:
    document = {name: [part.created, part.updated, part.destroyed] for name, part in record.types.items()}
    return Put(Key(account, form.journal, _seq(record.seq)), seal_json(document))


def settings_write(form: Form[Index, Place], account: str, settings: Settings) -> Write:
    """The settings."""
    return Put(form.settings_key(account), seal_json(settings))


def read_settings(value: bytes | None) -> Settings:
    """The settings; none where nothing usable is."""
    try:
        document = unseal_json(value)
        return {key: dict(of_one) for key, of_one in document.items()}
    except (Damaged, AttributeError, TypeError, ValueError):
        return {}


async def load(
    form: Form[Index, Place], store: Store, account: str, head: bytes | None, keep: int
) -> tuple[Index, Journal]:
    """What is stored. Raises Damaged for anything missing or wrong, StoreUnavailable.

    head: the value of the head as it was read, to notice a change in between.
    """
    document = unseal_json(head)
    records, resources = await store.scan(account, form.journal), await store.scan(account, form.resources)
    again, settings = await store.read([form.head_key(account), form.settings_key(account)])
    if again != head:
        raise Damaged("changed while being read")
    try:
        if (document["version"], document["namespace"]) != (form.version, form.namespace):
            raise Damaged("of another version or namespace")
        index = await form.read(document, _rows(resources), read_settings(settings))
        return index, _journal(document, dict(records), Journal(keep, form.types))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Damaged("not as written") from error


def _rows(stored: Iterable[tuple[str, bytes]]) -> Iterator[Row]:
    for key, value in stored:
        collection_id, _, name = key.partition("/")
        yield collection_id, name, unseal_json(value)


def _journal(document: Mapping[str, Any], rows: Mapping[str, bytes], journal: Journal) -> Journal:
    types = journal.heads.keys()
    journal.epoch, journal.seq, journal.past = document["epoch"], document["seq"], document["past"]
    journal.history = document.get("history")
    journal.heads, journal.floors = document["heads"], document["floors"]
    if len(rows) != document["records"] or journal.heads.keys() != types:
        raise Damaged("journal")
    records = []
    for name, value in sorted(rows.items()):
        parts = {kind: Changes(created, updated, [], gone) for kind, (created, updated, gone) in _parts(value)}
        records.append(Record(int(name), parts))
    journal.restore(records)
    return journal


def _parts(value: bytes) -> Iterator[tuple[str, list[list[str]]]]:
    yield from unseal_json(value).items()


def _seq(seq: int) -> str:
    return f"{seq:015d}"
