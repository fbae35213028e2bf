"""What clients said of Mailboxes and no server keeps: sortOrder, and roles where the server keeps none (RFC 8621 §2).

It is not derived from the mail, so it has a value of its own, which outlives an index that is built anew.
"""

from collections.abc import Mapping

from gateway.store.base import Key, Put
from gateway.sync.codec import Damaged, seal_json, unseal_json

SPACE = "mail.orders"

Orders = Mapping[str, int | str]
"""Mailbox id -> the sortOrder that a client gave it; `role_key` of one -> its role, "" for none; `served_key` of one ->
what the server said then: its own role, a blank, and the id of the Mailbox that had the role which was given."""


def role_key(mailbox_id: str) -> str:
    """Where the role of a Mailbox stands."""
    return f"{mailbox_id}/role"


def served_key(mailbox_id: str) -> str:
    """Where stands what the server said when a client gave the Mailbox its role."""
    return f"{mailbox_id}/served"


def served(roles: Mapping[str, str | None], mailbox_id: str, role: str | None) -> str:
    """The value at `served_key`. roles: of all Mailboxes by id, as the server says them."""
    return f"{roles.get(mailbox_id) or ''} {_holder(roles, role)}"


def said_role(orders: Orders, roles: Mapping[str, str | None], mailbox_id: str) -> str | None:
    """The role that a client gave a Mailbox, "" for none; None where none did, or the server says another one since.

    Another client may have changed a role at the server after that, and who comes last is right.
    """
    role = orders.get(role_key(mailbox_id))
    if role is None:
        return None
    own, _, holder = str(orders.get(served_key(mailbox_id), served(roles, mailbox_id, str(role)))).partition(" ")
    if roles.get(mailbox_id) not in (None, own) or _holder(roles, str(role)) not in ("", holder):
        return None
    return str(role)


def _holder(roles: Mapping[str, str | None], role: str | None) -> str:
    return next((one for one, held in sorted(roles.items()) if role and held == role), "")


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
    return {name: said for name, said in items if type(said) is (str if "/" in name else int)}


def merge(orders: Orders, changes: Mapping[str, int | str | None], existing: Mapping[str, object]) -> Orders:
    """The orders after changes (None: nothing is said any more), of Mailboxes that exist."""
    merged = {**orders, **changes}
    return {name: said for name, said in merged.items() if said is not None and name.partition("/")[0] in existing}
