"""The properties of a ContactCard: those of a JSContact Card (RFC 9553 §2), and what RFC 9610 §3 adds."""

from collections.abc import Collection, Mapping
from typing import Any, Final

from gateway.jmap.checks import Check, anything, array_of, id_, map_of, object_, string, true
from gateway.jmap.properties import ID, Property, PropertyTable, reference_ids
from gateway.objects.contacts import jscontact_types as js
from gateway.objects.json_types import exactly, is_extension, uid

METADATA: Final = ("id", "addressBookIds")
"""What is no property of the JSContact Card."""
MAPS: Final = frozenset({*js.MEMBERS, *js.OTHER_MAPS, "localizations"})
"""Properties that are maps: an absent one is an empty one."""
VERSION: Final = "1.0"  # RFC 9553 §1.9.2

_PLAIN: Final[Mapping[str, Check]] = {
    "@type": exactly("Card"),
    "version": exactly(VERSION),
    "created": js.date_time,
    "kind": js.KIND,
    "language": js.language,
    "prodId": lambda value: string(value) or (None if value else "must not be empty"),
    "uid": uid,
    "updated": js.date_time,
    "name": js.name,
    "speakToAs": js.SPEAK_TO_AS,
    "localizations": map_of(js.language, object_),
    "vCardProps": array_of(js.vcard_property),
}
NAMES: Final = frozenset({*_PLAIN, *js.MEMBERS, *js.OTHER_MAPS})


def faults(card: Mapping[str, Any], before: Mapping[str, Any], names: Collection[str]) -> dict[str, str]:
    """What is wrong with these properties of a card, by name.

    before: the card as it is stored. What is not new of it is not refused: nobody has to mend what others wrote.
    """
    found = {name: _fault(name, card[name], before.get(name)) for name in names if name in card}
    return {name: wrong for name, wrong in found.items() if wrong}


def _fault(name: str, value: Any, before: Any) -> str | None:
    if name in _PLAIN:
        return _PLAIN[name](value)
    if name not in js.MEMBERS and name not in js.OTHER_MAPS:
        return None
    keys, check = js.OTHER_MAPS.get(name) or (id_, js.MEMBERS.get(name, anything))
    if not isinstance(value, dict) or not isinstance(before, dict):
        return map_of(keys, check)(value)
    new = {key: item for key, item in value.items() if key not in before or before[key] != item}
    return map_of(keys, check)(new)


def some_books(value: Any) -> str | None:
    """At least one AddressBook id (RFC 9610 §3)."""
    return map_of(id_, true)(value) or (None if value else "must name an address book")


def other(name: str) -> Property | None:
    """A vendor's or unknown property, preserved as it is (RFC 9553 §1.7.4, §1.8); None for what cannot be one."""
    known = {item.lower() for item in (*NAMES, *METADATA, "blobId")}
    if name.lower() in known or not is_extension(name, js.RESERVED):  # §1.7.1
        return None
    return Property(name, anything, omittable=True)


PROPERTIES: Final = PropertyTable(
    [
        ID,
        Property("addressBookIds", some_books, references=reference_ids),
        Property("@type", _PLAIN["@type"], default="Card"),
        Property("version", _PLAIN["version"], default=VERSION),
        Property("uid", lambda value: None if value is None else uid(value), omittable=True, immutable=True),
        *(Property(name, anything, omittable=True) for name in sorted(NAMES - {"@type", "version", "uid"})),
    ],
    dynamic=other,
    default=METADATA,
)
"""What a property must be is looked at where it is known what was there before, see `faults`."""
