"""The contact store as the gateway sees it: address books, names with ETags, vCard octets.

A ContactsPort belongs to one login and one home: the address books of one owner, and those of others where the server
lists them there. It mints no JMAP ids, keeps no journal and converts nothing; it reports what
the backend holds in the backend's own terms. All methods raise only `adapters.errors`.

Keys are as in `adapters.ports.calendars`: the **path** of an address book below the home set ("work/"; absolute where
it lies elsewhere), and the **name** of a resource in it ("4f1c.vcf"), both canonically percent-encoded.
"""

from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypedDict

from adapters.ports.collections import Cursor, Names, Privilege, Stored

Property = Literal["name", "description", "order"]
"""What of an address book may be written; see `AddressBookProperties`."""


@dataclass(frozen=True, slots=True)
class ContactsFacts:
    """What the backend turned out to be, known after `ContactsPort.open`.

    server: the row of the table of quirks that fits ("cyrus", "radicale", …, "other"), for logs and probes.
    principal: path of the login's own principal, None where the server tells none.
    owner: path of the principal whose home this is. home: path of the home set.
    creates: address books can be made (extended MKCOL, RFC 5689).
    several: one uid may lie in more than one address book of the home.
    """

    server: str
    principal: str | None
    owner: str | None
    home: str
    display_name: str | None
    creates: bool = True
    several: bool = True


@dataclass(frozen=True, slots=True)
class AddressBookProperties:
    """The properties of an address book; None where the backend has none. description: RFC 6352 §6.2.1."""

    name: str | None = None
    description: str | None = None
    order: int | None = None


@dataclass(frozen=True, slots=True)
class AddressBook:
    """One address book of the listing.

    versions: of vCard that it takes ("3.0", "4.0"; RFC 6352 §6.2.2), empty where the server does not say.
    privileges: of the login, None where the server does not say (then the address book is the login's own).
    owner: path of the owning principal where the server tells it and it is not the home's owner: a shared one.
    max_size: the largest resource in octets (RFC 6352 §6.2.3). cursor: where it stands as of this listing.
    """

    path: str
    properties: AddressBookProperties
    versions: frozenset[str]
    privileges: frozenset[Privilege] | None
    owner: str | None
    max_size: int | None
    cursor: Cursor


class AddressBookChanges(TypedDict, total=False):
    """Properties to write: absent leaves alone, None removes; see `AddressBookProperties`."""

    name: str | None
    description: str | None
    order: int | None


@dataclass(frozen=True, slots=True)
class CardResource:
    """One stored vCard. data: as the server gives it, in version 4.0 where it can (RFC 6352 §5.1.1)."""

    etag: str
    data: bytes


@dataclass(frozen=True, slots=True)
class AddressBookDelta:
    """How one address book moved.

    cursor: where it stands after this delta. changed: new names, and known ones with another ETag. removed: known
    names that are gone; only such as the server said to be gone, or left out of a complete listing. resources: those
    of the changed ones that came along with the answer; the others must be fetched.
    """

    cursor: Cursor
    changed: Names
    removed: frozenset[str]
    resources: Mapping[str, CardResource] = field(default_factory=dict)


class ContactsPort(Protocol):
    """The address books of one home, for one login."""

    async def open(self) -> ContactsFacts:
        """Prove the credentials, find the home, learn the backend's powers. Raises AuthFailed, Unavailable, NotFound.

        NotFound: a server that works and has no address books for this login.
        """
        ...

    async def address_books(self) -> list[AddressBook]:
        """All address books of the home with fresh cursors, true as of this call."""
        ...

    async def changes(self, book: AddressBook, since: Cursor | None, known: Names) -> AddressBookDelta:
        """What happened in one address book to the names that are known. None: nothing is known, all is changed.

        book: from a listing; its cursor says what the delta is at least as new as. A cursor that the server no longer
        honours costs a full listing, not an error. A listing that fails or is incomplete raises Unavailable: it never
        reads as "removed". Raises NotFound, Forbidden.
        """
        ...

    def fetch(self, path: str, names: Collection[str]) -> AsyncIterator[Mapping[str, CardResource]]:
        """The resources by name, in batches as they arrive; those that are gone are left out. Raises NotFound."""
        ...

    async def create(self, path: str, name: str, data: bytes) -> Stored:
        """Store a new resource. Raises Conflict (the name is taken, or the UID lies elsewhere in the address book).

        Raises also InvalidData (the server refuses the content), TooLarge, OverQuota, Forbidden, NotFound.
        """
        ...

    async def replace(self, path: str, name: str, data: bytes, etag: str) -> Stored:
        """Store over the resource that has this ETag. Raises Conflict when it has another; else as `create`."""
        ...

    async def delete(self, path: str, name: str, etag: str | None) -> None:
        """Delete the resource that has this ETag (None: whichever). Raises Conflict, NotFound, Forbidden."""
        ...

    async def move(self, path: str, name: str, target: str, etag: str) -> Stored:
        """Move a resource to another address book under the same name. Raises Conflict, NotFound, Forbidden.

        Raises Unsupported where the server has no MOVE for it; the caller then creates and deletes.
        """
        ...

    async def create_address_book(self, name: str, changes: AddressBookChanges) -> tuple[str, frozenset[Property]]:
        """Make an address book, `name` being one path segment. Answers its path and the properties not stored.

        Raises Conflict (the name is taken), Forbidden, Unsupported (the server lets nobody make address books).
        """
        ...

    async def update_address_book(self, path: str, changes: AddressBookChanges) -> frozenset[Property]:
        """Write properties; answers those that the server does not store. Raises NotFound, Forbidden."""
        ...

    async def delete_address_book(self, path: str) -> None:
        """Delete an address book with everything in it. Raises NotFound, Forbidden."""
        ...

    async def close(self) -> None:
        """Drop all connections."""
        ...
