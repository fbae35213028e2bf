"""Roles of Mailboxes (RFC 8621 §2): kept by the server as metadata where it can (RFC 6154 §5.4), else here."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from adapters.errors import AdapterError, Unsupported
from adapters.ports.mail_write import MailWritePort
from gateway.jmap.errors import SetError
from gateway.jmap.standard.common import after_writing, refusals
from gateway.sync.account import MailAccount
from gateway.sync.orders import role_key, served, served_key

ROLES: Final = frozenset(("archive", "drafts", "important", "junk", "sent", "trash"))
"""What a Mailbox can be made for: the special uses (RFC 6154 §2) that are not views of other Mailboxes."""

Roles = Mapping[str, str | None]
"""Mailbox id -> role."""


async def change(mail: MailAccount, port: MailWritePort, wanted: Roles) -> dict[str, SetError]:
    """By id: why it was not done. Roles are given up before they are given, so that Mailboxes may swap them.

    The account is fresh afterwards.
    """
    held = {box.id: box.role for box in mail.mailboxes.values()}
    errors = _refused(held, wanted)
    changing = {one: role for one, role in wanted.items() if one not in errors}
    released = [one for one in changing if held[one] is not None]
    for one, role in [*((one, None) for one in released), *(item for item in changing.items() if item[1] is not None)]:
        if one not in errors:
            try:
                with suppress(Unsupported):
                    await port.assign_role(mail.mailboxes[one].path, role)
            except AdapterError as error:
                errors |= refusals(error, [one])
                with suppress(AdapterError):
                    await port.assign_role(mail.mailboxes[one].path, held[one])
    if changing:
        with after_writing(True):
            await mail.refresh()
            await keep(mail, {one: role for one, role in changing.items() if one not in errors})
    return errors


async def keep(mail: MailAccount, wanted: Roles) -> None:
    """Have the gateway keep what the server does not. `mail` is fresh. Raises Unavailable."""
    server = {box.id: box.folder.role for box in mail.emails.boxes.values()}
    said: dict[str, str] = {}
    for one, role in wanted.items():
        if _role(mail, one) != role:
            said |= {role_key(one): role or "", served_key(one): served(server, one, role)}
    if said:
        await mail.set_orders(said)


async def restore(mail: MailAccount, port: MailWritePort, before: Roles) -> None:
    """Give roles back that were changed for nothing."""
    lost = {one: role for one, role in before.items() if one in mail.mailboxes and _role(mail, one) != role}
    if lost:
        await change(mail, port, lost)


def _role(mail: MailAccount, mailbox_id: str) -> str | None:
    box = mail.mailboxes.get(mailbox_id)
    return None if box is None else box.role


def _refused(held: Roles, wanted: Roles) -> dict[str, SetError]:
    """RFC 8621 §2: no two Mailboxes have the same role; and what is the inbox stays it."""
    after = {**held, **wanted}
    errors = {}
    for one, role in wanted.items():
        taken = role is not None and any(other != one and after[other] == role for other in after)
        if taken or held[one] == "inbox" or not (role is None or role in ROLES):
            errors[one] = SetError("invalidProperties", "this role is not one to be had", ["role"])
    return errors
