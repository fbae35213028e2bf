"""An AddressBook as JMAP has it, of what the server says and what is kept beside it (RFC 9610 §2)."""

from typing import Any

from adapters.ports.contacts import AddressBook
from gateway.objects.collections import sort_order, titled
from gateway.sync.contacts.index import Held, Index, is_default, is_subscribed, may_write


def shown(index: Index, held: Held) -> dict[str, Any]:
    """All properties of the AddressBook."""
    info, kept = held.info, index.settings.get(held.id, {})
    said = {
        "name": titled(info.properties.name, info.path, "Contacts"),
        "description": info.properties.description,
        "sortOrder": sort_order(info.properties.order),
    }
    return {
        "id": held.id,
        **said,
        **{name: value for name, value in kept.items() if name in said},
        "isDefault": is_default(index, held),
        "isSubscribed": is_subscribed(index, held.id),
        "shareWith": None,  # RFC 9670 is not supported for contacts
        "myRights": rights_of(info),
    }


def rights_of(info: AddressBook) -> dict[str, bool]:
    """AddressBookRights of the login, by privileges (RFC 3744); where the server has none it is the login's own."""
    told = info.privileges
    return {
        "mayRead": told is None or "read" in told,
        "mayWrite": may_write(info),
        "mayShare": False,
        "mayDelete": may_write(info) and info.owner is None,
    }
