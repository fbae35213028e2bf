"""One login's address books at a CardDAV server, as the port says."""

from collections.abc import AsyncIterator, Collection, Mapping
from typing import Final

from adapters.carddav import listing
from adapters.carddav.dialect import dressed
from adapters.dav.bodies import mkcol
from adapters.dav.connection import Answer, Credentials, DavConnection, Endpoint
from adapters.dav.home import DavHome, beside_name
from adapters.dav.listing import NAME
from adapters.dav.multiget import Multiget
from adapters.dav.multistatus import Entry
from adapters.dav.names import carddav, dav
from adapters.dav.resources import etag_after
from adapters.dav.sync import strong
from adapters.errors import Unsupported
from adapters.ports.collections import Cursor, Names, Stored
from adapters.ports.contacts import (
    AddressBook,
    AddressBookChanges,
    AddressBookDelta,
    CardResource,
    ContactsFacts,
    Property,
)

MULTIGET: Final = carddav("addressbook-multiget")  # RFC 6352 §8.7
_ETAG: Final = dav("getetag")
_CONTENT: Final = {"Content-Type": "text/vcard; charset=utf-8"}  # RFC 6350 §10.1


class CardDav(DavHome[AddressBook]):
    """One login at one CardDAV server; implements adapters.ports.contacts.ContactsPort."""

    kind = carddav("addressbook")  # RFC 6352 §5.2
    well_known = "carddav"  # RFC 6764 §5
    home_set = carddav("addressbook-home-set")  # RFC 6352 §7.1.1

    def __init__(self, endpoint: Endpoint, credentials: Credentials) -> None:
        super().__init__(DavConnection(endpoint, credentials))
        self._versions: dict[str, frozenset[str]] = {}

    async def open(self) -> ContactsFacts:
        """See ContactsPort.open."""
        about = await self.enter([NAME])
        return ContactsFacts(
            server=self.quirks.server,
            principal=self.principal,
            owner=self.owner,
            home=self.home,
            display_name=about.text(NAME),
            creates=self._creates,
        )

    async def address_books(self) -> list[AddressBook]:
        """See ContactsPort.address_books."""
        return await self.listed()

    async def changes(self, book: AddressBook, since: Cursor | None, known: Names) -> AddressBookDelta:
        """See ContactsPort.changes."""
        cursor, found = await self.moved(book, since, known, listing.address_data(book.versions))
        resources = {name: CardResource(found.changed[name], text.encode()) for name, text in found.along.items()}
        return AddressBookDelta(cursor, found.changed, found.removed, resources)

    async def fetch(self, path: str, names: Collection[str]) -> AsyncIterator[Mapping[str, CardResource]]:
        """See ContactsPort.fetch."""
        place = self.path(path)
        if place not in self._versions:  # what is asked for without a version may come as 3.0, and be written back so
            await self.listed()
        data = listing.address_data(self._versions.get(place, frozenset()))
        async for batch in Multiget(MULTIGET, (_ETAG, data), _resource).by_name(self.connection, place, names):
            yield batch

    async def create(self, path: str, name: str, data: bytes) -> Stored:
        """See ContactsPort.create."""
        content = dressed(data, self.quirks)
        return self._stored(await self.resources.create(self.resource(path, name), content, _CONTENT))

    async def replace(self, path: str, name: str, data: bytes, etag: str) -> Stored:
        """See ContactsPort.replace."""
        content = dressed(data, self.quirks)
        return self._stored(await self.resources.replace(self.resource(path, name), content, etag, _CONTENT))

    async def delete(self, path: str, name: str, etag: str | None) -> None:
        """See ContactsPort.delete."""
        await self.resources.delete(self.resource(path, name), etag)

    async def move(self, path: str, name: str, target: str, etag: str) -> Stored:
        """See ContactsPort.move."""
        answer = await self.resources.move(self.resource(path, name), self.resource(target, name), etag)
        return self._stored(answer)

    async def create_address_book(self, name: str, changes: AddressBookChanges) -> tuple[str, frozenset[Property]]:
        """See ContactsPort.create_address_book."""
        if not self._creates:
            raise Unsupported("the server makes no address books")
        path = await self.make("MKCOL", name, mkcol([self.kind], changes.get("name")))
        return path, await self.update(path, listing.ROWS, beside_name(changes))

    async def update_address_book(self, path: str, changes: AddressBookChanges) -> frozenset[Property]:
        """See ContactsPort.update_address_book."""
        return await self.update(path, listing.ROWS, changes)

    async def delete_address_book(self, path: str) -> None:
        """See ContactsPort.delete_address_book."""
        await self.remove(path)

    def read(self, entry: Entry) -> AddressBook:
        """See DavHome.read."""
        book = listing.read_address_book(entry, self.home, self.owner)
        self._versions[self.path(book.path)] = book.versions
        return book

    @property
    def asked(self) -> list[str]:
        """See DavHome.asked."""
        return listing.asked(self.quirks)

    @property
    def _creates(self) -> bool:
        return "extended-mkcol" in self.offered  # RFC 5689 §3.1

    def _stored(self, answer: Answer) -> Stored:
        return Stored(etag_after(answer, altered=self.quirks.alters_cards))


def _resource(entry: Entry) -> CardResource | None:
    etag, data = entry.text(_ETAG), entry.text(listing.DATA)
    return None if etag is None or data is None else CardResource(strong(etag), data.encode())
