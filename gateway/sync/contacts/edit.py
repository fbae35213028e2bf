"""The next index of an account's address books in the making, and what it tells clients of (see `index`)."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from adapters.ports.collections import Cursor
from adapters.ports.contacts import AddressBook, ContactsFacts
from gateway.sync.collections.draft import Draft, note
from gateway.sync.contacts.entries import Entry
from gateway.sync.contacts.index import (
    ADDRESS_BOOK,
    CARD,
    Card,
    Held,
    Ids,
    Index,
    Place,
    Resource,
    is_default,
)
from gateway.sync.journal import Changes


class Edit(Draft[Index, Place, Resource, ContactsFacts]):
    """An index in the making; `settle` gives it away."""

    def __init__(self, base: Index, ids: Ids) -> None:
        super().__init__(base)
        self._ids = ids
        self._books = dict(base.books)
        self._resources: dict[str, dict[str, Resource]] = {}
        self._uids: dict[str, set[Place]] = {}

    def put_book(self, info: AddressBook, cursor: Cursor | None) -> None:
        """Enter an address book, or what is new about one."""
        book_id = self._ids.book(info.path)
        held = self._books.get(book_id)
        if held is None or held.info != info or held.cursor != cursor:
            self._books[book_id] = Held(book_id, info, cursor, {} if held is None else held.resources)
            self.moved.add(book_id)

    def drop_book(self, book_id: str) -> None:
        """Forget an address book with everything in it."""
        for name in list(self._open(book_id)):
            self.drop(Place(book_id, name))
        del self._books[book_id], self._resources[book_id]
        self.moved.add(book_id)

    def put(self, place: Place, resource: Resource) -> None:
        """Enter a resource in place of what was there; not in an address book that went meanwhile."""
        if place.book_id not in self._books:
            return
        self.drop(place)
        self._open(place.book_id)[place.name] = resource
        if resource.entry is not None:
            self._places(resource.entry.uid).add(place)

    def drop(self, place: Place) -> None:
        """Forget a resource."""
        if place.book_id not in self._books:
            return
        self.touched.add(place)
        old = self._open(place.book_id).pop(place.name, None)
        if old is not None and old.entry is not None:
            self._places(old.entry.uid).discard(place)

    def settle(self, facts: ContactsFacts | None) -> tuple[Index, dict[str, Changes]]:
        """The finished index, and what changed for clients by type."""
        for book_id, resources in self._resources.items():
            self._books[book_id] = replace(self._books[book_id], resources=resources)
        base = self._base
        if not self._uids:
            index = self._index(base.cards, base.uids, facts)
            return index, {ADDRESS_BOOK: _book_changes(base, index)}
        uids, cards = dict(base.uids), dict(base.cards)
        draft = self._index(cards, uids, facts)
        changes = Changes()
        for uid, places in self._uids.items():
            card_id = self._ids.card(uid)
            old, new = cards.pop(card_id, None), None
            uids.pop(uid, None)
            if places:
                uids[uid] = frozenset(places)
                new = cards[card_id] = _card(draft, card_id, places)
            note(changes, card_id, _shown(old), _shown(new))
        return draft, {ADDRESS_BOOK: _book_changes(base, draft), CARD: changes}

    def _index(
        self, cards: Mapping[str, Card], uids: Mapping[str, frozenset[Place]], facts: ContactsFacts | None
    ) -> Index:
        return Index(books=self._books, cards=cards, uids=uids, settings=self._settings, facts=facts)

    def _open(self, book_id: str) -> dict[str, Resource]:
        if book_id not in self._resources:
            self._resources[book_id] = dict(self._books[book_id].resources)
        return self._resources[book_id]

    def _places(self, uid: str) -> set[Place]:
        if uid not in self._uids:
            self._uids[uid] = set(self._base.uids.get(uid, ()))
        return self._uids[uid]


def _card(index: Index, card_id: str, places: Iterable[Place]) -> Card:
    copies = list(_copies(index, sorted(places)))
    # The first of equals, and the places are in order.
    shown, first = max(copies, key=lambda copy: (index.books[copy[1].book_id].info.owner is None, copy[0].rank))
    return Card(card_id, shown, (first, *(place for _, place in copies if place != first)))


def _copies(index: Index, places: Iterable[Place]) -> Iterable[tuple[Entry, Place]]:
    for place in places:
        resource = index.resource(place)
        if resource is not None and resource.entry is not None:
            yield resource.entry, place


def _shown(card: Card | None) -> Any:
    """What of a card its clients see."""
    return None if card is None else (card.entry.json, card.address_book_ids)


def _book_changes(base: Index, index: Index) -> Changes:
    changes = Changes()
    for book_id in sorted(base.books.keys() | index.books.keys()):
        note(changes, book_id, _facts(base, book_id), _facts(index, book_id))
    return changes


def _facts(index: Index, book_id: str) -> Any:
    """What of an address book its clients see."""
    held = index.books.get(book_id)
    if held is None:
        return None
    info = held.info
    return info.properties, info.privileges, info.owner, index.settings.get(book_id), is_default(index, held)
