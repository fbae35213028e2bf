"""Mailboxes as JMAP shows them (RFC 8621 §2), made from the folders of the backend."""

import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from adapters.ports.mail import Folder, FolderStatus
from gateway.sync import roles
from gateway.sync.orders import Orders, said_role


@dataclass(frozen=True, slots=True)
class Box:
    """One folder in the index. `number` stands for it in the columns and may be reused once it is gone.

    cursor: where the index stands in the folder; None while its messages are not indexed.
    total, unread: Emails, not copies.
    """

    number: int
    id: str
    folder: Folder
    cursor: FolderStatus | None
    total: int = 0
    unread: int = 0

    @property
    def uid_validity(self) -> int:
        """The UIDVALIDITY that all indexed UIDs belong to; 0 where there are none."""
        return self.cursor.uid_validity if self.cursor else 0


@dataclass(frozen=True, slots=True)
class Mailbox:
    """A Mailbox object (RFC 8621 §2) but for the thread counts, which `Threads.counts` gives.

    path, uid_validity: what to call it towards the backend. readable: whether it tells of its messages.
    """

    id: str
    name: str
    parent_id: str | None
    role: str | None
    sort_order: int
    is_subscribed: bool
    rights: Mapping[str, bool]
    path: str
    uid_validity: int
    readable: bool
    total_emails: int
    unread_emails: int

    def differs(self, other: "Mailbox") -> bool:
        """Whether a property other than the counts differs."""
        return self.shown() != other.shown()

    def counts(self) -> tuple[int, int]:
        """(totalEmails, unreadEmails)."""
        return self.total_emails, self.unread_emails

    def shown(self) -> tuple[object, ...]:
        """What a client sees beside the counts."""
        return (
            self.name,
            self.parent_id,
            self.role,
            self.sort_order,
            self.is_subscribed,
            tuple(self.rights.values()),
        )


class Mailboxes(Mapping[str, Mailbox]):
    """All Mailboxes by id, as of one commit."""

    def __init__(self, mailboxes: Iterable[Mailbox] = ()) -> None:
        self._by_id = {mailbox.id: mailbox for mailbox in mailboxes}
        self._by_path = {mailbox.path: mailbox for mailbox in self._by_id.values()}

    def __getitem__(self, mailbox_id: str) -> Mailbox:
        return self._by_id[mailbox_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_id)

    def __len__(self) -> int:
        return len(self._by_id)

    def by_path(self, path: str) -> Mailbox | None:
        """The Mailbox of a folder's full name."""
        return self._by_path.get(path)

    def by_role(self, role: str) -> Mailbox | None:
        """The one Mailbox with the role."""
        return next((mailbox for mailbox in self._by_id.values() if mailbox.role == role), None)


# RFC 8621 §2 MailboxRights: all of these RFC 4314 rights are needed; the second group concerns messages
_RIGHTS: tuple[tuple[str, str, bool], ...] = (
    ("mayReadItems", "lr", True),
    ("mayAddItems", "i", True),
    ("mayRemoveItems", "te", True),
    ("maySetSeen", "s", True),
    ("maySetKeywords", "w", True),
    ("mayCreateChild", "k", False),
    ("mayRename", "x", False),
    ("mayDelete", "x", False),
    ("maySubmit", "p", False),
)
_EVERYTHING = frozenset("lrswipkxtea")
_OBSOLETE = {"c": frozenset("kx"), "d": frozenset("xte")}  # RFC 4314 §2.1.1


def rights_of(folder: Folder, prefix: str = "") -> dict[str, bool]:
    """MailboxRights in the order of RFC 8621 §2. prefix: of the namespace."""
    given = _EVERYTHING if folder.rights is None else folder.rights
    for old, new in _OBSOLETE.items():
        if old in given:
            given |= new
    rights = {name: set(needed) <= given and (folder.selectable or not items) for name, needed, items in _RIGHTS}
    if folder.delimiter is None or lies_beside(folder.path, folder.delimiter, prefix):
        rights["mayCreateChild"] = False
    if roles.is_inbox(folder):
        # RFC 9051 §6.3.5: INBOX cannot be deleted; §6.3.6: renaming it moves the messages and leaves it in place
        rights["mayRename"] = rights["mayDelete"] = False
    return rights


def lies_beside(path: str, delimiter: str, prefix: str) -> bool:
    """Whether what a server puts below a folder is shown beside it: its name is the namespace's."""
    return bool(prefix) and f"{path}{delimiter}".upper() == prefix.upper()


def segments(folder: Folder, prefix: str) -> list[str]:
    """The folder's place in the tree; the personal namespace's prefix is no part of it."""
    path = folder.path
    if roles.is_inbox(folder) or not folder.delimiter:
        return [path]
    stripped = path[len(prefix) :] if prefix and path.startswith(prefix) and path != prefix else path
    parts = stripped.split(folder.delimiter)
    return parts if all(parts) else [path]


def build(boxes: Iterable[Box], prefix: str, orders: Orders = MappingProxyType({})) -> Mailboxes:
    """The Mailboxes of all boxes. orders: see `sync.orders`."""
    placed: dict[tuple[str, ...], Box] = {}
    # a folder outside the namespace keeps its name; one inside that would show the same keeps its prefix
    for box in sorted(boxes, key=lambda one: (bool(prefix) and one.folder.path.startswith(prefix), one.folder.path)):
        where = tuple(segments(box.folder, prefix))
        placed[(box.folder.path,) if where in placed else where] = box
    served = {box.id: box.folder.role for box in placed.values()}
    said = {box.folder.path: role for box in placed.values() if (role := said_role(orders, served, box.id)) is not None}
    by_path = roles.assign(((box.folder, where[-1], len(where)) for where, box in placed.items()), said)
    names: set[tuple[str | None, str]] = set()
    mailboxes = []
    for where, box in sorted(placed.items()):
        parent, name = _parent(where, placed, box)
        if (parent, name) in names:  # RFC 8621 §2: no two siblings of the same name
            name = box.folder.path
        names.add((parent, name))
        role = by_path.get(box.folder.path)
        order = int(orders.get(box.id, roles.SORT_ORDERS.get(role, 10)))
        mailboxes.append(_mailbox(box, name, parent, role, order, rights_of(box.folder, prefix)))
    return Mailboxes(mailboxes)


def _parent(where: tuple[str, ...], placed: Mapping[tuple[str, ...], Box], box: Box) -> tuple[str | None, str]:
    """The parent's id and the name below it; a parent that is not listed becomes part of the name."""
    for depth in range(len(where) - 1, 0, -1):
        parent = placed.get(where[:depth])
        if parent is not None:
            return parent.id, _name(where[depth:], box)
    return None, _name(where, box)


def _name(parts: tuple[str, ...], box: Box) -> str:
    if roles.is_inbox(box.folder):
        return "Inbox"
    return unicodedata.normalize("NFC", (box.folder.delimiter or "").join(parts))  # RFC 5198 §3


def _mailbox(
    box: Box, name: str, parent: str | None, role: str | None, order: int, rights: Mapping[str, bool]
) -> Mailbox:
    return Mailbox(
        id=box.id,
        name=name,
        parent_id=parent,
        role=role,
        sort_order=order,
        is_subscribed=box.folder.subscribed,
        rights=rights,
        path=box.folder.path,
        uid_validity=box.uid_validity,
        readable=box.folder.readable,
        total_emails=box.total,
        unread_emails=box.unread,
    )
