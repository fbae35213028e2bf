"""The address books of a home as a listing tells them, and the vCards in them (pure)."""

from typing import Any, Final, cast

from adapters.dav import listing
from adapters.dav.bodies import Element, element
from adapters.dav.hrefs import below, collection
from adapters.dav.listing import NAME, Row, order_row, text_row, values_of
from adapters.dav.multistatus import Entry
from adapters.dav.names import apple, carddav
from adapters.dav.quirks import Quirks
from adapters.ports.contacts import AddressBook, AddressBookProperties, Property

SUPPORTED: Final = carddav("supported-address-data")  # RFC 6352 §6.2.2
MAX_SIZE: Final = carddav("max-resource-size")  # RFC 6352 §6.2.3
DATA: Final = carddav("address-data")  # RFC 6352 §10.4

_VCARD: Final = frozenset({"text/vcard", "text/directory"})
"""RFC 6352 §6.2.2; the latter is the media type of RFC 2426."""

ROWS: Final[dict[Property, Row]] = {
    "name": text_row(NAME),
    "description": text_row(carddav("addressbook-description")),  # RFC 6352 §6.2.1
    "order": order_row(apple("addressbook-order")),  # no specification has one; named as that of calendars is
}


def asked(quirks: Quirks) -> list[str]:
    """The properties of a listing."""
    return [*listing.asked(ROWS, quirks), SUPPORTED, MAX_SIZE]


def read_address_book(entry: Entry, home: str, owner: str | None) -> AddressBook:
    """An address book. home, owner: paths of the home and its owner."""
    path = collection(entry.href)
    return AddressBook(
        path=below(path, home),
        properties=AddressBookProperties(**cast("Any", values_of(ROWS, entry, path))),
        versions=_versions(entry.found.get(SUPPORTED)),
        privileges=listing.held(entry),
        owner=listing.other_owner(entry, owner),
        max_size=listing.size_of(entry, MAX_SIZE),
        cursor=listing.read_cursor(entry),
    )


def address_data(versions: frozenset[str]) -> Element:
    """What to ask for: version 4.0 where the address book has it, else as it is stored.

    RFC 6352 §10.4: without a version a server may give 3.0 of what is stored as 4.0, and some do; a version that it
    does not have is an error.
    """
    if "4.0" not in versions:
        return element(DATA)
    return element(DATA, **{"content-type": "text/vcard", "version": "4.0"})


def _versions(value: Element | None) -> frozenset[str]:
    """Of vCard; Xandikos calls the elements otherwise than RFC 6352 §6.2.2 does, with the same attributes."""
    types = [] if value is None else list(value)
    return frozenset(
        kind.get("version") or "3.0" for kind in types if (kind.get("content-type") or "text/vcard").lower() in _VCARD
    )
