"""One look at the server: which address books there are, which moved, and what is new in them."""

import asyncio
import contextlib
import logging
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Final

from adapters.errors import Forbidden, NotFound
from adapters.ports.contacts import AddressBook, CardResource, ContactsPort
from gateway.sync.contacts.edit import Edit
from gateway.sync.contacts.entries import read_entry
from gateway.sync.contacts.index import Held, Ids, Index, Place, Resource
from gateway.sync.pace import ahead, aside

_log: Final = logging.getLogger(__name__)

_AT_ONCE: Final = 3
"""Resources that are converted before the event loop gets its turn."""

_UNKNOWN: Final = Resource("", None)
"""What was listed and not fetched."""


async def look(base: Index, port: ContactsPort, ids: Ids) -> Edit:
    """What the server holds now, as an edit of what is known. Raises adapters.errors.

    An address book that cannot be read costs only itself: it stays as it is known, and the next pass tries again.
    """
    edit = Edit(base, ids)
    listed = {ids.book(info.path): info for info in await port.address_books() if _is_shown(info)}
    for book_id in base.books.keys() - listed.keys():
        edit.drop_book(book_id)
    for book_id, info in listed.items():
        held = base.books.get(book_id)
        if held is not None and not info.cursor.moved_from(held.cursor):
            edit.put_book(info, held.cursor)
            continue
        try:
            await _follow(edit, port, info, held, book_id)
        except (NotFound, Forbidden) as error:
            _log.warning("an address book cannot be read: %s", type(error).__name__)
            edit.put_book(info, None if held is None else held.cursor)
    return edit


def _is_shown(info: AddressBook) -> bool:
    return info.privileges is None or "read" in info.privileges


async def _follow(edit: Edit, port: ContactsPort, info: AddressBook, held: Held | None, book_id: str) -> None:
    """Enter what happened in one address book."""
    known = {} if held is None else held.names
    delta = await port.changes(info, None if held is None else held.cursor, known)
    found = await _convert(info.path, delta.resources)
    missing = delta.changed.keys() - found.keys()
    found |= await fetch(port, info.path, missing) if missing else {}
    # What went away between the listing and the fetch, or cannot be fetched, is left for the next pass, as the old
    # cursor says; until then something lies there.
    complete = found.keys() == delta.changed.keys()
    found |= dict.fromkeys(delta.changed.keys() - found.keys() - known.keys(), _UNKNOWN)
    edit.put_book(info, delta.cursor if complete else (None if held is None else held.cursor))
    for name, resource in found.items():
        edit.put(Place(book_id, name), resource)
    for name in delta.removed:
        edit.drop(Place(book_id, name))


async def fetch(port: ContactsPort, path: str, names: Iterable[str]) -> dict[str, Resource]:
    """Resources by name, converted; those that are gone are left out. Raises adapters.errors."""
    found: dict[str, Resource] = {}
    async with contextlib.aclosing(ahead(port.fetch(path, list(names)))) as batches:
        async for batch in batches:
            found |= await _convert(path, batch)
    return found


async def _convert(path: str, batch: Mapping[str, CardResource]) -> dict[str, Resource]:
    found = {}
    for number, (name, resource) in enumerate(batch.items(), 1):
        entry = await aside(len(resource.data), partial(read_entry, resource.data, path, name))
        found[name] = Resource(resource.etag, entry)
        if number % _AT_ONCE == 0:
            await asyncio.sleep(0)
    return found


async def current(port: ContactsPort, path: str, name: str) -> CardResource:
    """One resource as it is now. Raises NotFound, adapters.errors."""
    async for batch in port.fetch(path, [name]):
        if name in batch:
            return batch[name]
    raise NotFound("the resource is gone")
