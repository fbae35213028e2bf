"""sortOrder of Mailboxes (RFC 8621 §2): no IMAP server keeps it, so the store does.

It is not derived from the mail, so it has a value of its own, which outlives an index that is built anew.
"""

from collections.abc import Mapping

from gateway.store.base import Key, Put
from gateway.sync.codec import Damaged, seal_json, unseal_json

SPACE = "mail.orders"

Orders = Mapping[str, int]
"""Mailbox id -> the sortOrder that a client gave it."""


def key(account: str) -> Key:
    """Where all of an account lie."""
    return Key(account, SPACE, "all")


def write(account: str, orders: Orders) -> Put:
    """The write that keeps them."""
    return Put(key(account), seal_json(dict(orders)))


def read(value: bytes | None) -> Orders:
    """What was stored; nothing where nothing readable is."""
    try:
        document = unseal_json(value)
    except Damaged:
        return {}
    items = document.items() if isinstance(document, dict) else ()
    return {mailbox_id: order for mailbox_id, order in items if type(order) is int}


def merge(orders: Orders, changes: Mapping[str, int | None], existing: Mapping[str, object]) -> Orders:
    """The orders after changes (None: back to the usual one), of Mailboxes that exist."""
    merged = {**orders, **changes}
    return {mailbox_id: order for mailbox_id, order in merged.items() if order is not None and mailbox_id in existing}
