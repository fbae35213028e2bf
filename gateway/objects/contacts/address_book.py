"""AddressBook: properties and the hooks of the standard methods (RFC 9610 §2)."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from gateway.context import Account, Context
from gateway.jmap.arguments import Argument
from gateway.jmap.checks import anything, boolean, id_, integer, map_of, nullable, record, string
from gateway.jmap.datatype import Changeable, Changes, Fetched, Settable
from gateway.jmap.errors import SetError
from gateway.jmap.properties import ID, Property, PropertyTable, Update
from gateway.objects import set_default
from gateway.objects.changes import changes_of
from gateway.objects.collections import MAX_ORDER, collection_name
from gateway.objects.contacts import address_book_set
from gateway.objects.contacts.address_book_view import shown
from gateway.objects.contacts.capability import CONTACTS, contacts_of
from gateway.objects.results import fetched
from gateway.sync.contacts.index import ADDRESS_BOOK, default_of, may_write

_RIGHTS: Final = record(dict.fromkeys(("mayRead", "mayWrite", "mayShare", "mayDelete"), boolean))


class AddressBookType(Settable, Changeable):
    """The hooks of the standard methods for AddressBook; AddressBook/set has more to do, see `SET`."""

    name = ADDRESS_BOOK
    capability = CONTACTS
    methods = ("get", "changes")
    set_arguments = (Argument("onDestroyRemoveContents", boolean, False),)
    properties = PropertyTable(
        [
            ID,
            Property("name", collection_name),
            Property("description", nullable(string), default=None),
            Property("sortOrder", integer(0, MAX_ORDER), default=0),
            Property("isDefault", anything, server_set=True),
            Property("isSubscribed", boolean, default=True),
            Property("shareWith", nullable(map_of(id_, _RIGHTS)), default=None),
            Property("myRights", anything, server_set=True),
        ]
    )

    async def state(self, context: Context, account: Account) -> str:
        """The state of all AddressBooks, true as of this request."""
        return (await contacts_of(context, account)).state(ADDRESS_BOOK)

    async def get(
        self,
        context: Context,
        account: Account,
        ids: list[str] | None,
        properties: tuple[str, ...],
        arguments: Mapping[str, Any],
    ) -> Fetched:
        """AddressBook/get (RFC 9610 §2.1)."""
        index = (await contacts_of(context, account)).index
        return fetched({key: shown(index, held) for key, held in index.books.items()}, ids, properties)

    async def changes(self, context: Context, account: Account, since_state: str, max_changes: int | None) -> Changes:
        """AddressBook/changes (RFC 9610 §2.2)."""
        return changes_of(await contacts_of(context, account), ADDRESS_BOOK, since_state, max_changes)

    async def create(
        self, context: Context, account: Account, records: Mapping[str, Mapping[str, Any]], arguments: Mapping[str, Any]
    ) -> Mapping[str, Mapping[str, Any] | SetError]:
        """AddressBook/set create (RFC 9610 §2.3)."""
        return await address_book_set.create(await contacts_of(context, account), records)

    async def update(
        self, context: Context, account: Account, updates: Mapping[str, Update], arguments: Mapping[str, Any]
    ) -> Mapping[str, Mapping[str, Any] | SetError | None]:
        """AddressBook/set update (RFC 9610 §2.3)."""
        return await address_book_set.update(await contacts_of(context, account), updates)

    async def destroy(
        self, context: Context, account: Account, ids: Sequence[str], arguments: Mapping[str, Any]
    ) -> Mapping[str, SetError]:
        """AddressBook/set destroy (RFC 9610 §2.3)."""
        contacts = await contacts_of(context, account)
        return await address_book_set.destroy(contacts, ids, with_contents=arguments["onDestroyRemoveContents"])


async def _default(context: Context, account: Account) -> str | None:
    return default_of((await contacts_of(context, account)).index)


async def _choose(context: Context, account: Account, book_id: str) -> None:
    """CardDAV knows no default: the choice is kept in the store. Raises Unavailable."""
    contacts = await contacts_of(context, account)
    held = contacts.index.books.get(book_id)
    if held is None or not may_write(held.info):
        return

    def edit(settings: dict[str, dict[str, Any]]) -> None:
        for values in settings.values():
            values.pop("isDefault", None)
        settings.setdefault(book_id, {})["isDefault"] = True

    await contacts.set_settings(edit)


SET: Final = set_default.method(AddressBookType(), _default, _choose)
