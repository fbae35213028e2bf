"""The address books and cards of one account as they are known: immutable once readers can see it.

A card may lie in several address books, as one resource in each: the latest revision is shown, of
those in the user's own address books where there are any.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from adapters.ports.collections import Cursor, Names
from adapters.ports.contacts import AddressBook, ContactsFacts
from gateway.sync.collections.index import Known
from gateway.sync.contacts.entries import Entry
from gateway.sync.ids import Digester, to_text

ADDRESS_BOOK: Final = "AddressBook"
CARD: Final = "ContactCard"
TYPES: Final = (ADDRESS_BOOK, CARD)


@dataclass(frozen=True, slots=True)
class Resource:
    """One stored object and the card in it, None where it holds something else or cannot be read."""

    etag: str
    entry: Entry | None


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where a resource lies: AddressBook id and name."""

    book_id: str
    name: str


@dataclass(frozen=True, slots=True)
class Held:
    """One address book with what lies in it. cursor: where the resources stand, None while they are not known."""

    id: str
    info: AddressBook
    cursor: Cursor | None
    resources: Mapping[str, Resource]

    @property
    def names(self) -> Names:
        """Name -> ETag of everything that is known."""
        return {name: resource.etag for name, resource in self.resources.items()}


@dataclass(frozen=True, slots=True)
class Card:
    """A ContactCard. places: where it lies, in a stable order; the first is that of the copy which is shown."""

    id: str
    entry: Entry
    places: tuple[Place, ...]

    @property
    def version(self) -> int:
        """Differs where anything that is shown of the card does."""
        return hash((self.entry.json, self.address_book_ids))

    @property
    def address_book_ids(self) -> frozenset[str]:
        """The address books that the card is in."""
        return frozenset(place.book_id for place in self.places)


class Ids:
    """Ids derived in one namespace (DESIGN §4): of address books from their path, of cards from their uid."""

    def __init__(self, namespace: str) -> None:
        self._books = Digester(namespace, "address-book")
        self._cards = Digester(namespace, "contact-card")

    def book(self, path: str) -> str:
        """The id of the address book at a path."""
        return to_text("d", self._books.digest(path.encode()))

    def card(self, uid: str) -> str:
        """The id of the card with a uid: there is one in an account (RFC 9610 §3)."""
        return to_text("r", self._cards.digest(uid.encode("utf-8", "surrogatepass")))


@dataclass(frozen=True, slots=True)
class Index(Known):
    """Everything that is known of an account's address books. uids: where the copies of each card lie."""

    books: Mapping[str, Held] = field(default_factory=dict)
    cards: Mapping[str, Card] = field(default_factory=dict)
    uids: Mapping[str, frozenset[Place]] = field(default_factory=dict)
    facts: ContactsFacts | None = None

    def resource(self, place: Place) -> Resource | None:
        """What lies at a place."""
        held = self.books.get(place.book_id)
        return None if held is None else held.resources.get(place.name)


def is_default(index: Index, held: Held) -> bool:
    """Whether this is the address book for new cards: as was set here, else the first."""
    return held.id == default_of(index)


def default_of(index: Index) -> str | None:
    """The id of the default address book; None where there is none that can be written to.

    Those of others come last: they may go any time.
    """
    chosen = [held.id for held in index.books.values() if index.setting(held.id, "isDefault")]
    writable = {held.id: held.info for held in index.books.values() if may_write(held.info)}
    first = sorted(writable, key=lambda key: _rank(writable[key]))
    return next((key for key in (*chosen, *first) if key in writable), None)


def _rank(info: AddressBook) -> tuple[bool, int, str]:
    return info.owner is not None, info.properties.order or 0, info.path


def is_subscribed(index: Index, book_id: str) -> bool:
    """Whether the user wants to see an address book; not one of others that he did not subscribe to (RFC 9610 §2)."""
    chosen: bool | None = index.setting(book_id, "isSubscribed")
    return index.books[book_id].info.owner is None if chosen is None else chosen


def may_write(info: AddressBook) -> bool:
    """Whether cards may be put into an address book, changed there and taken out of it."""
    return info.privileges is None or {"bind", "unbind", "write-content"} <= info.privileges
