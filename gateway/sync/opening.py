"""The first sight of an account: what can be answered before its index is whole.

To index a large account takes seconds, its folders and the newest messages of one of them are found in milliseconds.
So until the index is whole a snapshot is shown that has all Mailboxes, with the numbers that the backend gives, and the
newest Emails of those Mailboxes that somebody looked into; `Snapshot.partial` says which. It is true as of the last
look, and ids are those of the whole index. Three things can still come out otherwise: another copy of an Email may lie
in a Mailbox that nobody looked into, a message that lies twice in one Mailbox counts twice, and so does one that is
marked as deleted. The whole index, and each page before it, is therefore recorded as changes of what was shown
(RFC 8620 §5.2). Where a look finds that something happened at the backend before that, nobody can say to which Emails:
their earlier states are refused.

It is kept in memory only: a gateway that ends before the index is whole, or is overtaken by another one that shares
its store, has given out states of an epoch that nobody knows.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from adapters.errors import Broken
from adapters.ports.mail import Folder, FolderStatus, MailFacts, Newest, ThreadHeaders
from gateway.sync import folders, ids
from gateway.sync.current import Current
from gateway.sync.emails import Emails
from gateway.sync.mailboxes import Box, build
from gateway.sync.recording import completed, mailbox_changes
from gateway.sync.roles import is_inbox
from gateway.sync.snapshot import Snapshot
from gateway.sync.stage import Stage
from gateway.sync.thread_index import ThreadIndex

PAGE: Final = 128
"""Emails that are read of a Mailbox before its index is whole."""


@dataclass(frozen=True, slots=True)
class _Page:
    """The newest messages of a folder, and what was known of the folder before they were read."""

    status: FolderStatus
    newest: Newest

    @property
    def total(self) -> int:
        """Emails of the whole folder, as far as one can know."""
        arrivals = self.newest.arrivals
        whole = len(arrivals.uids) == self.newest.total
        return len(set(arrivals.native_ids)) if whole else self.newest.total


class Opening:
    """Makes partial snapshots. facts.id_source must not be "fingerprint": ordinals need the whole of a folder."""

    def __init__(self, current: Current, facts: MailFacts) -> None:
        self._current = current
        self._facts = facts
        self._digester = ids.Digester(current.namespace, facts.id_source)
        self._folders: list[Folder] = []
        self._pages: dict[str, _Page] = {}
        self._void = False  # Emails may be otherwise than they were shown, and nobody knows which
        self._ahead: tuple[str, asyncio.Task[None]] | None = None

    async def look(self) -> None:
        """Make the snapshot true as of this call. Raises adapters.errors.*."""
        seen = folders.unique([folder for folder in await self._current.port.folders() if not folder.virtual])
        before, now = _statuses(self._folders), _statuses(seen)
        pages = {path: page for path, page in self._pages.items() if _stand(page.status, now.get(path))}
        if (seen, pages) != (self._folders, self._pages) or self._current.snapshot.partial is None:
            still = before.keys() == now.keys() and all(_stand(before[path], status) for path, status in now.items())
            self._folders, self._pages, self._void = seen, pages, self._void or not still
            self._read_ahead()
            await asyncio.sleep(0)  # its first command leaves before the rest is worked out
            await self._show()

    def _read_ahead(self) -> None:
        """Begin with the inbox at the first look: clients ask for it next, and indexing would read it anyway."""
        inbox = next(filter(is_inbox, self._folders), None)
        if self._ahead is None and inbox is not None and inbox.status is not None:
            self._ahead = inbox.path, self._current.begin(self._read(inbox.path, inbox.status))

    async def newest(self, mailbox_id: str) -> None:
        """Read the newest Emails of a Mailbox, unless they are there or cannot be had. Raises adapters.errors.*."""
        mailbox = self._current.snapshot.mailboxes.get(mailbox_id)
        if mailbox is not None and self._ahead is not None and self._ahead[0] == mailbox.path:
            await asyncio.wait([self._ahead[1]])
        partial = self._current.snapshot.partial
        if partial is None or mailbox is None or mailbox_id in partial:
            return
        status = _statuses(self._folders).get(mailbox.path)
        if status is not None:
            await self._read(mailbox.path, status)

    async def _read(self, path: str, status: FolderStatus) -> None:
        """Show the newest Emails of a folder that has these numbers, if it still has them then."""
        try:
            found = await self._current.port.newest(path, status.uid_validity, PAGE)
        except (*folders.AWAY, Broken):
            return
        if found is not None and _statuses(self._folders).get(path) == status:
            self._pages[path] = _Page(status, found)
            await self._show()

    def headers(self, path: str, uid_validity: int) -> ThreadHeaders | None:
        """The thread headers that came with the page of a folder."""
        page = self._pages.get(path)
        return None if page is None or page.status.uid_validity != uid_validity else page.newest.headers

    async def _show(self) -> None:
        """Show what is known now, and record what that changes for those who have seen less."""
        async with self._current.writing:
            if not self._current.fresh:
                return  # the whole index was quicker
            base = self._current.snapshot
            emails, partial, native = await self._emails(base)
            mailboxes = build(emails.boxes.values(), self._facts.personal_prefix, base.orders)
            journal = base.journal.fork()
            if base.partial is not None:
                changes = {"Mailbox": mailbox_changes(base, emails, mailboxes, set())}
                if self._void:
                    journal.forget("Email")
                else:  # a page may show more copies of an Email, and mail that came after its folder was looked at
                    changes["Email"] = completed(base.emails, emails)
                record = journal.record(changes)
                if len(record):
                    journal.append(record)
            self._void = False
            threads = native or base.threads.moved(base.emails.rows_in(emails))
            self._current.snapshot = Snapshot(emails, mailboxes, threads, journal, base.orders, partial)

    async def _emails(self, base: Snapshot) -> tuple[Emails, dict[str, int], ThreadIndex | None]:
        """The Emails of all pages, the totals of their Mailboxes, and the backend's own threads if it has any."""
        native = ThreadIndex(self._current.namespace) if self._facts.thread_ids else None
        empty = Emails(base.emails.flag_sets)
        stage = Stage(empty, self._digester, recording=False, fingerprints=False, threads=native)
        partial: dict[str, int] = {}
        for folder in self._folders:
            mailbox_id = folders.new_id(self._current.namespace, folder, stage.emails.numbers)
            box = stage.add_box(mailbox_id, replace(folder, status=None))
            page = self._pages.get(folder.path)
            if page is not None:
                stage.arrive(box.number, page.newest.arrivals, 0, len(page.newest.arrivals.uids))
                partial[mailbox_id] = page.total
        await stage.settle()
        for folder, box in zip(self._folders, list(stage.emails.boxes.values()), strict=True):
            stage.put_box(_numbered(box, folder.status, partial.get(box.id)))
        return stage.emails, partial, native


def _statuses(listing: Sequence[Folder]) -> dict[str, FolderStatus | None]:
    return {folder.path: folder.status for folder in listing}


def _stand(before: FolderStatus | None, now: FolderStatus | None) -> bool:
    """Whether nothing happened in a folder; of one that cannot be opened nothing is known."""
    if before is None or now is None:
        return before is now
    return not folders.moved(now, before)


def _numbered(box: Box, status: FolderStatus | None, total: int | None) -> Box:
    if status is None:
        return box
    return replace(box, cursor=status, total=status.messages if total is None else total, unread=status.unseen)
