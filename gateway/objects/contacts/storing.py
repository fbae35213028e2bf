"""vCards stored, changed and removed on the server: always on condition of the ETag, once more after a 412."""

import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from adapters.errors import AdapterError, Conflict, NotFound, Unsupported
from adapters.formats.jscontact.patch import patched
from adapters.formats.jscontact.write import write_card
from adapters.ports.collections import Stored
from adapters.ports.contacts import CardResource
from gateway.objects.collections import UNKNOWN_ETAG, twice
from gateway.objects.contacts.card_rules import invalid
from gateway.sync.contacts.account import ContactsAccount
from gateway.sync.contacts.entries import read_card, read_entry, uid_of_place
from gateway.sync.contacts.index import Place, Resource
from gateway.sync.contacts.refresh import current, fetch
from gateway.sync.pace import aside

Edit = Callable[[dict[str, Any]], dict[str, Any]]
"""From the stored JSContact Card to the one to be stored. Raises Conflict, SetError."""


@dataclass(frozen=True, slots=True)
class Original:
    """A stored vCard, and the JSContact Card that it is, pictures included."""

    data: bytes
    card: dict[str, Any]


async def original_of(contacts: ContactsAccount, place: Place) -> Original:
    """What lies at a place now. Raises NotFound, adapters.errors; Conflict where it is no card."""
    path = path_of(contacts, place)
    resource = await current(contacts.port, path, place.name)
    try:
        return Original(resource.data, read_card(resource.data, path, place.name))
    except ValueError as error:
        raise Conflict("there is no card in the resource any more") from error


def path_of(contacts: ContactsAccount, place: Place) -> str:
    """The path of the address book that a place is in. Raises NotFound."""
    held = contacts.index.books.get(place.book_id)
    if held is None:
        raise NotFound("no such address book")
    return held.info.path


@dataclass(slots=True)
class Storing:
    """The writes of one call, entered into the index together by `finish`. All methods raise adapters.errors."""

    contacts: ContactsAccount
    done: dict[Place, Resource | None] = field(default_factory=dict)

    async def finish(self) -> None:
        """Enter what was written into the index."""
        done, self.done = self.done, {}
        if done:
            await self.contacts.advance(done)

    async def create(self, place: Place, card: dict[str, Any], original: Original | None = None) -> None:
        """Store a new card, as vCard 4.0 where the address book takes that, or as the original is written.

        Raises Conflict, SetError.
        """
        versions = self.contacts.index.books[place.book_id].info.versions
        try:
            if original is not None:
                data = patched(original.data, original.card, card)
            else:
                data = write_card(card, "4.0" if "4.0" in versions else "3.0")  # RFC 6352 §6.2.2: 3.0 if it says none
        except ValueError as error:
            raise invalid(f"The card cannot be written: {error}"[:300]) from error
        await self._create(place, data)

    async def change(self, place: Place, edit: Edit) -> None:
        """Change a card where it lies, every line that this is not about staying as it is. Raises SetError, Conflict.

        After a change by somebody else in between the edit is done once more to what is there now (DESIGN §7).
        """

        async def attempt() -> None:
            resource = await self._current(place)
            data = await aside(len(resource.data), partial(self._edited, place, resource, edit))
            if data != resource.data:
                stored = await self.contacts.port.replace(self._path(place), place.name, data, resource.etag)
                await self._note(place, stored, data)

        await twice(attempt)

    async def remove(self, place: Place) -> None:
        """Delete a card from where it lies. Raises Conflict."""

        async def attempt() -> None:
            try:
                resource = await self._current(place)
                await self.contacts.port.delete(self._path(place), place.name, resource.etag)
            except NotFound:  # somebody else did it
                pass
            self.done[place] = None

        await twice(attempt)

    async def copy(self, place: Place, book_id: str) -> None:
        """Store the same vCard in another address book as well. Raises Conflict."""
        await self._own_uid(place)
        name = f"{uuid.uuid4()}.vcf" if self._is_taken(place, book_id) else place.name
        await self._create(Place(book_id, name), (await self._current(place)).data)

    async def move(self, place: Place, book_id: str) -> Place:
        """Move a card to another address book; where it lies then. Raises Conflict.

        Raises Unsupported where it has to be copied and removed: the server has no MOVE, or another card has the name.
        """
        if self._is_taken(place, book_id):
            raise Unsupported("the name is taken")
        await self._own_uid(place)
        resource = await self._current(place)
        target = Place(book_id, place.name)
        stored = await self.contacts.port.move(self._path(place), place.name, self._path(target), resource.etag)
        await self._note(target, stored, resource.data)  # first: what is in no address book is told to be destroyed
        self.done[place] = None
        return target

    def _is_taken(self, place: Place, book_id: str) -> bool:
        """Whether the address book has something else under the name: what clients call resources is their affair."""
        return self.contacts.index.resource(Place(book_id, place.name)) is not None

    async def _own_uid(self, place: Place) -> None:
        """Write down the uid of a card that has it only by its place: it is to be the same card elsewhere."""
        resource = self.contacts.index.resource(place)
        if resource is None or resource.entry is None:
            return
        if resource.entry.uid == uid_of_place(self._path(place), place.name):
            await self.change(place, dict)

    async def _current(self, place: Place) -> CardResource:
        return await current(self.contacts.port, self._path(place), place.name)

    async def _create(self, place: Place, data: bytes) -> None:
        stored = await self.contacts.port.create(self._path(place), place.name, data)
        await self._note(place, stored, data)

    def _path(self, place: Place) -> str:
        return path_of(self.contacts, place)

    def _edited(self, place: Place, resource: CardResource, edit: Edit) -> bytes:
        try:
            stored = read_card(resource.data, self._path(place), place.name)
        except ValueError as error:
            raise Conflict("there is no card in the resource any more") from error
        try:
            return patched(resource.data, stored, edit(stored))
        except ValueError as error:
            raise invalid(f"The card would not be valid: {error}"[:300]) from error

    async def _note(self, place: Place, stored: Stored, data: bytes) -> None:
        """Remember what lies at a place now; a server that says no ETag may have altered it."""
        path = self._path(place)
        if stored.etag is None:
            with suppress(AdapterError):  # it is stored, and no error may say that it is not
                self.done[place] = (await fetch(self.contacts.port, path, [place.name])).get(place.name)
                return
        entry = await aside(len(data), partial(read_entry, data, path, place.name))
        self.done[place] = Resource(stored.etag or UNKNOWN_ETAG, entry)
