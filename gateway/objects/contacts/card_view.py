"""A ContactCard as ContactCard/get shows it (RFC 9610 §3)."""

from collections.abc import Collection
from typing import Any

from gateway.objects.contacts import media
from gateway.sync.contacts.index import Card


def shown(card: Card, names: Collection[str] | None = None) -> dict[str, Any]:
    """The ContactCard with these properties, as far as it has them; with all of them where there are no names."""
    content = card.entry.card()
    if "media" in content:
        content["media"] = media.shown(content["media"])
    books = dict.fromkeys(sorted(card.address_book_ids), True)
    everything = {"id": card.id, "addressBookIds": books, **content}
    return everything if names is None else {name: everything[name] for name in names if name in everything}
