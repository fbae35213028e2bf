"""Mailbox/set (RFC 8621 §2.5): create, rename, move, subscribe, sort, destroy."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from adapters.errors import AdapterError, Conflict, InvalidData, NotFound, Unsupported
from adapters.ports.mail_write import MailWritePort
from gateway.jmap.errors import SetError
from gateway.jmap.properties import Update
from gateway.jmap.standard.common import after_writing, refusals
from gateway.objects.mail import mailbox_roles
from gateway.objects.mail.mailbox_roles import ROLES
from gateway.objects.mail.mailbox_tree import Tree
from gateway.sync.account import MailAccount
from gateway.sync.mailboxes import Mailbox


async def create(
    mail: MailAccount, port: MailWritePort, records: Mapping[str, Mapping[str, Any]]
) -> dict[str, Mailbox | SetError]:
    """By creation id: the new Mailbox, as the account has it now, or why there is none."""
    tree, paths, done = Tree(mail), dict[str, str](), dict[str, Mailbox | SetError]()
    taken = {box.role for box in mail.mailboxes.values()}
    for key, record in records.items():
        try:
            paths[key] = await _create(mail, port, tree, record, taken)
        except SetError as error:
            done[key] = error
    with after_writing(bool(paths)):
        await mail.refresh()
    made = {key: box for key, path in paths.items() if (box := mail.mailboxes.by_path(path)) is not None}
    done |= {key: made.get(key) or _lost() for key in paths}
    orders = {box.id: records[key]["sortOrder"] for key, box in made.items() if "sortOrder" in records[key]}
    with after_writing(bool(paths)):
        await mailbox_roles.keep(
            mail, {box.id: records[key]["role"] for key, box in made.items() if records[key]["role"]}
        )
        if orders:
            await mail.set_orders(orders)
    return {key: mail.mailboxes.get(box.id, box) if isinstance(box, Mailbox) else box for key, box in done.items()}


async def _create(
    mail: MailAccount, port: MailWritePort, tree: Tree, record: Mapping[str, Any], taken: set[str | None]
) -> str:
    """Make one folder; its path. Raises SetError."""
    parent_id, role = record["parentId"], record["role"]
    path = tree.path(parent_id, record["name"])
    if parent_id is not None and not mail.mailboxes[parent_id].rights["mayCreateChild"]:
        raise SetError("forbidden", "mayCreateChild is false for the parent")
    if path in tree.paths.values():
        raise _exists()
    if role is not None and (role not in ROLES or role in taken):
        raise SetError("invalidProperties", "the role is not one to be had, or another Mailbox has it", ["role"])
    try:
        try:
            await port.create_folder(path, role)
        except Unsupported:  # RFC 6154 §3, USEATTR: the gateway keeps the role then
            await port.create_folder(path, None)
    except NotFound as error:  # how Dovecot refuses a name that its files cannot have, or a parent that is gone
        raise _refusal(InvalidData()) from error
    except AdapterError as error:
        raise _refusal(error) from error
    tree.paths[path] = path
    taken.add(role)
    if record.get("isSubscribed", True):  # RFC 8621 §2: SHOULD default to true
        with suppress(AdapterError):
            await port.subscribe(path, True)
    return path


def _lost() -> SetError:
    return SetError("invalidProperties", "the server gave it another name, or somebody has removed it", ["name"])


def _exists() -> SetError:
    return SetError("invalidProperties", "there is a Mailbox of this name already", ["name"])


def _refusal(error: AdapterError) -> SetError:
    """Why a folder could not be made or renamed."""
    if isinstance(error, Conflict):
        return _exists()
    if isinstance(error, InvalidData):
        return SetError("invalidProperties", "the server refuses this name", ["name"])
    return refusals(error, ["it"])["it"]


# update


@dataclass(slots=True)
class _Updating:
    """One call under way.

    waiting: Mailboxes to be renamed yet: (parentId, name). aside: those on a detour, and the full name they had.
    """

    mail: MailAccount
    port: MailWritePort
    tree: Tree
    waiting: dict[str, tuple[str | None, str]] = field(default_factory=dict)
    errors: dict[str, SetError] = field(default_factory=dict)
    subscribed: dict[str, bool] = field(default_factory=dict)
    aside: dict[str, str] = field(default_factory=dict)

    async def each(self, updates: Mapping[str, Update], act: Callable[[Update], Awaitable[None]]) -> None:
        """Do something for all that have not failed."""
        for mailbox_id, update in updates.items():
            if mailbox_id not in self.errors:
                try:
                    await act(update)
                except SetError as error:
                    await self.fail(mailbox_id, error)

    async def accept(self, update: Update) -> None:
        """Check what does not depend on the others of the call. Raises SetError."""
        box = self.mail.mailboxes.get(update.id)
        if box is None:
            raise SetError("notFound")
        if {"name", "parentId"} & update.changed:
            parent_id, name = update.patched.get("parentId", box.parent_id), update.patched.get("name", box.name)
            self.tree.path(parent_id, name)
            if not box.rights["mayRename"]:
                raise SetError("forbidden", "mayRename is false")
            moved = parent_id is not None and parent_id != box.parent_id
            if moved and not self.mail.mailboxes[parent_id].rights["mayCreateChild"]:
                raise SetError("forbidden", "mayCreateChild is false for the parent")
            self.waiting[box.id] = parent_id, name

    async def subscribe(self, update: Update) -> None:
        """Subscribe or not, under the old name: a rename takes it along. Raises SetError."""
        wanted = bool(update.patched.get("isSubscribed", True))
        try:
            await self.port.subscribe(self.tree.paths[update.id], wanted)
        except AdapterError as error:
            self.waiting.pop(update.id, None)
            raise _refusal(error) from error
        self.subscribed[update.id] = wanted

    async def rename_all(self) -> None:
        """Rename in an order in which no name is taken; Mailboxes that swap names take a detour (RFC 8620 §5.3)."""
        while self.waiting:
            blocked = {mailbox_id: self._blocker(mailbox_id) for mailbox_id in self.waiting}
            free = next((mailbox_id for mailbox_id, blocker in blocked.items() if blocker is None), None)
            if free is not None:
                parent_id, name = self.waiting.pop(free)
                await self._rename(free, parent_id, self.tree.path(parent_id, name))
            elif (stuck := self._in_a_ring(blocked)) is not None:
                self.aside[stuck] = self.tree.paths[stuck]
                await self._rename(stuck, self.tree.parents[stuck], self._unused(stuck))
            else:
                mailbox_id, blocker = next(iter(blocked.items()))
                below = SetError("invalidProperties", "it would lie below itself", ["parentId"])
                await self.fail(mailbox_id, below if blocker == mailbox_id else _exists())

    def _blocker(self, mailbox_id: str) -> str | None:
        """Who stands in the way: itself where it would lie below itself, or the holder of the name."""
        parent_id, name = self.waiting[mailbox_id]
        if mailbox_id in self.tree.above(parent_id):
            return mailbox_id
        holder = self.tree.holder(self.tree.path(parent_id, name))
        return None if holder == mailbox_id else holder

    def _in_a_ring(self, blocked: Mapping[str, str | None]) -> str | None:
        """A Mailbox that waits, by way of others, for its own name to become free."""
        for start in blocked.keys() - self.aside.keys():
            seen, here = {start}, blocked[start]
            while here is not None and here not in seen:
                seen.add(here)
                here = blocked.get(here)
            if here == start and blocked[start] != start:
                return start
        return None

    def _unused(self, mailbox_id: str) -> str:
        """A name for the time of the detour."""
        names = (f"{self.tree.paths[mailbox_id]}~{number}" for number in range(len(self.tree.paths) + 1))
        return next(path for path in names if self.tree.holder(path) is None)

    async def _rename(self, mailbox_id: str, parent_id: str | None, path: str) -> bool:
        old = self.tree.paths[mailbox_id]
        if path != old:
            try:
                await self.port.rename_folder(old, path)
            except AdapterError as error:
                await self.fail(mailbox_id, _refusal(error))
                return False
            self.mail.expect_rename(old, path)
        self.tree.put(mailbox_id, parent_id, path)
        return True

    async def fail(self, mailbox_id: str, error: SetError) -> None:
        """An update is done whole or not at all."""
        self.waiting.pop(mailbox_id, None)
        self.errors[mailbox_id] = error
        before = self.aside.pop(mailbox_id, None)
        if before is not None and self.tree.holder(before) is None:
            await self._rename(mailbox_id, self.tree.parents[mailbox_id], before)
        wanted = self.subscribed.get(mailbox_id)
        if wanted is not None:
            with suppress(AdapterError):
                await self.port.subscribe(self.tree.paths[mailbox_id], not wanted)


async def update(mail: MailAccount, port: MailWritePort, updates: Mapping[str, Update]) -> dict[str, SetError]:
    """By id: why it was not done. The account is fresh afterwards."""
    run = _Updating(mail, port, Tree(mail))
    await run.each(updates, run.accept)
    held = {one: mail.mailboxes[one].role for one in updates if one not in run.errors}
    wanted = {one: updates[one].patched.get("role") for one in held if "role" in updates[one].changed}
    for mailbox_id, error in (await mailbox_roles.change(mail, port, wanted)).items():
        await run.fail(mailbox_id, error)
    await run.each({one: updates[one] for one in updates if "isSubscribed" in updates[one].changed}, run.subscribe)
    acted = bool(run.waiting or run.subscribed)
    await run.rename_all()
    if acted:
        with after_writing(True):
            await mail.refresh()
    await mailbox_roles.restore(mail, port, {one: held[one] for one in wanted if one in run.errors})
    orders = {
        mailbox_id: change.patched.get("sortOrder")
        for mailbox_id, change in updates.items()
        if "sortOrder" in change.changed and mailbox_id not in run.errors
    }
    if orders:
        await mail.set_orders(orders)
    return run.errors


# destroy


async def destroy(
    mail: MailAccount, port: MailWritePort, ids: Sequence[str], *, remove_emails: bool
) -> dict[str, SetError]:
    """By id: why it was not destroyed. Children go before their parents, whatever the order of the ids."""
    if not remove_emails:
        await mail.refresh()  # what has just arrived must not be lost
    errors: dict[str, SetError] = {}
    tree, left = Tree(mail), dict(mail.mailboxes)
    for mailbox_id in sorted(ids, key=lambda one: -len(list(tree.above(one)))):
        try:
            _check_destroy(left, mailbox_id, remove_emails=remove_emails)
            with suppress(NotFound):
                await port.delete_folder(left[mailbox_id].path)
            del left[mailbox_id]
        except SetError as error:
            errors[mailbox_id] = error
        except AdapterError as error:
            errors |= refusals(error, [mailbox_id])
    with after_writing(len(errors) < len(ids)):
        await mail.refresh()
    return errors


def _check_destroy(left: Mapping[str, Mailbox], mailbox_id: str, *, remove_emails: bool) -> None:
    """Raises SetError where the Mailbox cannot or may not go (RFC 8621 §2.5)."""
    box = left.get(mailbox_id)
    if box is None:
        raise SetError("notFound")
    if any(other.parent_id == mailbox_id for other in left.values()):
        raise SetError("mailboxHasChild")
    if box.total_emails and not remove_emails:
        raise SetError("mailboxHasEmail")
    if not box.rights["mayDelete"] or (box.total_emails and not box.rights["mayRemoveItems"]):
        raise SetError("forbidden", "mayDelete or mayRemoveItems is false")
