"""AddressBook/set: properties go to the server where it has a place for them, the others into the store (§2.3)."""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from adapters.errors import AdapterError
from adapters.ports.contacts import AddressBookChanges, Property
from gateway.jmap.errors import SetError
from gateway.jmap.properties import Update
from gateway.objects.collections import forget, keep, refusal
from gateway.objects.contacts.address_book_view import rights_of, shown
from gateway.sync.contacts.account import ContactsAccount
from gateway.sync.contacts.index import Held, default_of

Values = dict[str, Any]

_JMAP_NAMES: Final[Mapping[Property, str]] = {"name": "name", "description": "description", "order": "sortOrder"}
"""The server's property -> the JMAP property that it holds."""


async def create(
    contacts: ContactsAccount, records: Mapping[str, Mapping[str, Any]]
) -> Mapping[str, Mapping[str, Any] | SetError]:
    """By creation id: what was made, or why it was not."""
    answers: dict[str, Mapping[str, Any] | SetError] = {}
    for key, record in records.items():
        try:
            book_id = await _create(contacts, record)
        except (SetError, AdapterError) as error:
            answers[key] = refusal(error)
            continue
        held = contacts.index.books.get(book_id)
        made = {"id": book_id} if held is None else shown(contacts.index, held)
        answers[key] = {name: value for name, value in made.items() if record.get(name, _NONE) != value}
    return answers


_NONE: Final = object()


async def _create(contacts: ContactsAccount, record: Mapping[str, Any]) -> str:
    """Make one address book; its id. Raises SetError, AdapterError."""
    if not contacts.facts.creates:
        raise SetError("forbidden")
    _refuse_sharing(record)
    changes = _changes(record)
    wanted: AddressBookChanges = {}
    wanted.update({name: value for name, value in changes.items() if value})  # type: ignore[typeddict-item]
    path, unstored = await contacts.port.create_address_book(str(uuid.uuid4()), wanted)
    book_id = contacts.ids.book(path)
    await _stay_default(contacts)
    await _keep(contacts, book_id, {} if record["isSubscribed"] else {"isSubscribed": False}, record, unstored)
    await contacts.refresh()
    return book_id


async def _stay_default(contacts: ContactsAccount) -> None:
    """Keep which address book is the default: another may come before it now, and nobody asked for that."""
    chosen = default_of(contacts.index)
    if chosen is not None and not contacts.index.setting(chosen, "isDefault"):
        await keep(contacts, {chosen: {"isDefault": True}}, {})


async def update(
    contacts: ContactsAccount, updates: Mapping[str, Update]
) -> Mapping[str, Mapping[str, Any] | SetError | None]:
    """By id: what came out other than asked for, or why nothing was changed."""
    answers: dict[str, Mapping[str, Any] | SetError | None] = {}
    for book_id, change in updates.items():
        try:
            await _update(contacts, change)
        except (SetError, AdapterError) as error:
            answers[book_id] = refusal(error)
    await contacts.refresh()
    for book_id in updates.keys() - answers.keys():
        held, asked = contacts.index.books.get(book_id), updates[book_id].patched
        now = {} if held is None else shown(contacts.index, held)
        answers[book_id] = {name: now[name] for name in asked.keys() & now.keys() if asked[name] != now[name]}
    return answers


async def _update(contacts: ContactsAccount, change: Update) -> None:
    held = contacts.index.books.get(change.id)
    if held is None:
        raise SetError("notFound")
    values = {name: change.patched.get(name) for name in change.changed}
    _refuse_sharing(values)
    changes = _changes(values)
    unstored: frozenset[Property] = frozenset()
    if changes.keys() <= {"order"} and not _may_write_properties(held):
        unstored = frozenset(changes)  # in which order a user has address books of others is his own affair
    elif not _may_write_properties(held):
        raise SetError("forbidden", "The name and the description of this address book belong to its owner.")
    elif changes:
        wanted: AddressBookChanges = {}
        wanted.update(changes)  # type: ignore[typeddict-item]  # the names are those of _JMAP_NAMES
        if "order" in changes:
            await _stay_default(contacts)
        unstored = await contacts.port.update_address_book(held.info.path, wanted)
    subscribed = {name: values[name] for name in ("isSubscribed",) if name in values}
    await _keep(contacts, change.id, subscribed, values, unstored)


def _may_write_properties(held: Held) -> bool:
    told = held.info.privileges
    return told is None or "write-properties" in told


def _refuse_sharing(values: Mapping[str, Any]) -> None:
    if values.get("shareWith"):  # RFC 9610 §2: only with mayShare
        raise SetError("forbidden", "Address books cannot be shared through this gateway.")


def _changes(values: Mapping[str, Any]) -> dict[Property, Any]:
    """What the server has a place for."""
    return {name: values[jmap_name] for name, jmap_name in _JMAP_NAMES.items() if jmap_name in values}


async def _keep(
    contacts: ContactsAccount, book_id: str, kept: Values, values: Mapping[str, Any], unstored: Iterable[Property]
) -> None:
    """Keep what the server has no place for, and nothing that it has one for by now. Raises Unavailable.

    kept: what it never has a place for. values: what was asked for.
    """
    known = contacts.index.settings.get(book_id, {})
    kept = kept | {name: None for name in _JMAP_NAMES.values() if name in values and name in known}
    await keep(contacts, {book_id: kept | {_JMAP_NAMES[name]: values[_JMAP_NAMES[name]] for name in unstored}}, {})


async def destroy(contacts: ContactsAccount, ids: Sequence[str], *, with_contents: bool) -> Mapping[str, SetError]:
    """By id: why an address book was not destroyed."""
    refused: dict[str, SetError] = {}
    for book_id in ids:
        try:
            await _destroy(contacts, contacts.index.books.get(book_id), with_contents=with_contents)
        except (SetError, AdapterError) as error:
            refused[book_id] = refusal(error)
    await contacts.refresh()
    return refused


async def _destroy(contacts: ContactsAccount, held: Held | None, *, with_contents: bool) -> None:
    if held is None:
        raise SetError("notFound")
    if not rights_of(held.info)["mayDelete"]:
        raise SetError("forbidden")
    if held.resources and not with_contents:  # also what cannot be read would be lost
        raise SetError("addressBookHasContents")
    await contacts.port.delete_address_book(held.info.path)
    if held.id in contacts.index.settings:
        await forget(contacts, held.id)
