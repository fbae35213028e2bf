"""The contacts capability (RFC 9610 §1.4.1) and the way from an account to its contacts."""

from typing import Any, Final

from adapters.ports.contacts import ContactsFacts
from gateway.context import Account, Context
from gateway.jmap.errors import MethodError
from gateway.sync.contacts.account import ContactsAccount

CONTACTS: Final = "urn:ietf:params:jmap:contacts"


def contacts_capability(facts: ContactsFacts) -> dict[str, Any]:
    """The account's object, in front of a server that answered."""
    return {"maxAddressBooksPerCard": None if facts.several else 1, "mayCreateAddressBook": facts.creates}


def contacts_open(account: Account) -> ContactsAccount:
    """The account's contacts as they are known. Raises MethodError where it has none."""
    if account.contacts is None:
        raise MethodError("accountNotSupportedByMethod")
    return account.contacts


async def contacts_of(context: Context, account: Account) -> ContactsAccount:
    """The account's contacts, refreshed once per request. Raises MethodError, adapters.errors."""
    contacts = contacts_open(account)
    key = f"{account.id}/contacts"
    if key not in context.refreshed:
        await contacts.refresh()
        context.refreshed.add(key)
    return contacts
