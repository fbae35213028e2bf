r"""The listing of all folders with fresh numbers, over one connection that holds the largest mailbox open.

A server opens every mailbox whose STATUS it is asked for, unless the connection holds it: with the largest one
EXAMINEd, or SELECTed once something was changed over the same connection, LIST and then LIST … RETURN (STATUS …) of
the real ones cost a fraction of a millisecond. Virtual mailboxes are never asked, for their STATUS reads every message
of the account.

A server may answer a STATUS of the held mailbox from what the session knows of it, so NOOP must bring that up to date.
Mostly nothing has happened there: LIST and NOOP leave together, and a NOOP that brings no news says that what LIST said
still stands. Otherwise LIST is asked again, after the NOOP was answered: Dovecot puts the work of pipelined commands
off to the last of them.
"""

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from adapters.errors import Broken, NotFound, Unavailable
from adapters.imap.along import Wishes
from adapters.imap.commands import Said
from adapters.imap.connection import Connection
from adapters.imap.encoder import atom, mailbox, paren
from adapters.imap.errors import SessionConfused
from adapters.imap.folders import CLOSED, INBOX, Listed, build, folder_status, largest
from adapters.imap.listing import Answer, Seen, items_of, list_all, listing, my_rights, recounted, statuses
from adapters.imap.mailbox_ids import MailboxIds
from adapters.imap.pool import Pool
from adapters.imap.probe import REFUSALS, Nature
from adapters.imap.responses import Untagged
from adapters.imap.session import pipelined, refresh
from adapters.ports.mail import Folder, FolderStatus

RIGHTS_SECONDS: Final = 300.0

_EXISTS: Final = paren(atom("MESSAGES"))  # Cyrus knows the UIDVALIDITY also of a mailbox that it cannot open


class Sentinel:
    """Folder listings of one login.

    Rights are read when a folder is first seen and again after `RIGHTS_SECONDS`: the server enforces them anyway, and
    changing them does not move any number of a folder. Mailbox ids are kept by path and UIDVALIDITY, except where the
    server gives them with every STATUS. wishes: what is read along with a listing.
    """

    def __init__(
        self,
        pool: Pool,
        nature: Nature,
        clock: Callable[[], float] = time.monotonic,
        wishes: Wishes | None = None,
    ) -> None:
        self._pool = pool
        self._nature = nature
        self._wishes = wishes or Wishes()
        self._clock = clock
        self._pinned: str | None = INBOX
        self._names: list[str] = []
        self._all_real = False  # as of the last listing: nothing is listed whose STATUS must not be asked
        self._ids = MailboxIds(pool, nature)
        self._rights: dict[str, frozenset[str]] = {}
        self._rights_until = 0.0
        self._kept: Connection | None = None
        self._said = Said()
        self._answered: list[Untagged] = []
        self._folders: list[Folder] = []  # what that meant
        self._broken: set[str] = set()  # mailboxes that the server had an error of its own with
        self._hollow: set[str] = set()  # names that are listed with \\Noselect and are no mailboxes

    async def folders(self) -> Sequence[Folder]:
        """All personal folders, true as of this call; the very same list where nothing moved. Raises Unavailable."""
        before = self._folders
        try:
            seen = await self._listing()
        except (*REFUSALS, Broken):
            if self._pinned is None:
                raise
            self._pinned = None  # renamed, deleted, broken or closed to us: list without it
            seen = await self._listing()
        if seen is not None:
            self._folders = await self._understood(seen)
            self._answered = seen.responses
        elif self._folders is before and self._holds(self._pinned):
            return before  # nothing moved, and what is held is what should be
        real = ((folder.path, folder.status) for folder in self._folders if folder.status is not None)
        await self._pin(largest(real, self._pinned))
        return self._folders

    async def prepare(self) -> None:
        """What is slow about the first listing, before anybody waits for one: open the mailbox, know the names."""
        if self._kept is None:
            await self._pool.run(self._pinned, "interactive", self._prepare)

    async def _prepare(self, connection: Connection) -> None:
        await self._hold(connection)
        if self._nature.lists_status:
            seen = Seen()
            await self._list(connection, seen)
            self._know(seen)

    async def _understood(self, seen: Seen) -> list[Folder]:
        found = {path: folder_status(items) for path, items in seen.statuses.items() if path in self._names}
        real = {path: status for path, status in found.items() if status is not None}
        await self._ids.learn(seen, real, self._broken)
        return [self._folder(seen.entry(path), real.get(path)) for path in seen.listed]

    async def _listing(self) -> Seen | None:
        return await self._pool.run(self._pinned, "interactive", self._converse, repeatable=True)

    async def _pin(self, path: str | None) -> None:
        """Have the pool keep a connection for the mailbox, unless it does, though another one may just have served."""
        if path is None or (path == self._pinned and self._holds(path)):
            return
        self._pinned = path
        with contextlib.suppress(*REFUSALS, Broken):
            async with self._pool.acquire(path, "interactive", pin=True) as connection:
                if connection.selected != path:
                    await connection.select(path)
                self._kept = connection

    def _holds(self, path: str | None) -> bool:
        return path is not None and self._kept is not None and not self._kept.closed and self._kept.selected == path

    def _folder(self, listed: Listed, status: FolderStatus | None) -> Folder:
        unknown = None if listed.path in self._broken else frozenset[str]()
        rights = self._rights.get(listed.path, unknown) if self._nature.acl else None
        native = self._ids.of(listed.path, status)
        return build(listed, status, native, rights, virtual=self._nature.is_view(listed))

    # one conversation

    async def _converse(self, connection: Connection) -> Seen | None:
        """What the server says now; None where it says what it said last time, at most with other numbers."""
        await self._hold(connection)
        seen = Seen()
        due = self._nature.acl and self._clock() >= self._rights_until
        at_once = self._all_real and self._nature.lists_status
        if at_once:
            answered = await self._list_at_once(connection)
            if not due and (folders := self._recounted(answered)) is not None:
                self._folders, self._answered = folders, answered
                return None
            seen.add(answered)
        else:
            await pipelined(refresh(connection, same=False), self._list(connection, seen))
        own = self._know(seen)
        asked = [path for path in self._names if due or path not in self._rights] if self._nature.acl else []
        numbers = [] if at_once else statuses(connection, self._nature, self._names)
        rights = my_rights(connection, asked, by_list=self._nature.lists_status)
        answers, allowed = await pipelined(
            seen.collect(numbers, alone=not self._nature.lists_status),
            seen.collect(rights, alone=len(rights) == len(asked)),
        )
        faults = {path for path, answer in zip(asked, allowed, strict=False) if isinstance(answer, Broken)}
        self._rights.update({path: seen.rights.get(path, frozenset()) for path in asked if path not in faults})
        seen.listed = own  # a name with a wildcard in it brought others
        if due:
            self._rights_until = self._clock() + RIGHTS_SECONDS
        await self._expose(connection, seen, answers)
        return seen

    def _recounted(self, answered: Sequence[Untagged]) -> list[Folder] | None:
        """The folders, where at most numbers of some have moved; the very same list where nothing has. Else None."""
        numbers = recounted(self._answered, answered)
        if not numbers:
            return None if numbers is None else self._folders
        known = {folder.path for folder in self._folders if folder.status is not None}
        if self._broken or not numbers.keys() <= known:
            return None
        return [
            replace(folder, status=numbers[folder.path]) if folder.path in numbers else folder
            for folder in self._folders
        ]

    async def _hold(self, connection: Connection) -> None:
        if self._pinned is not None and connection.selected != self._pinned:
            await connection.select(self._pinned)

    def _know(self, seen: Seen) -> dict[str, Listed]:
        """Keep the names whose STATUS may be asked; returns what is the login's own of all that is listed."""
        selectable = sum(listed.selectable for listed in seen.listed.values())
        own = {path: listed for path, listed in seen.listed.items() if self._nature.namespaces.is_personal(path)}
        self._names = [path for path, listed in own.items() if listed.selectable and not self._nature.is_view(listed)]
        self._all_real = len(self._names) == selectable
        return own

    async def _list(self, connection: Connection, seen: Seen) -> None:
        """All names. A refused LIST says nothing of any mailbox, least of all that there is none."""
        listed, *_ = await seen.collect(list_all(connection, self._nature))
        if isinstance(listed, BaseException):
            raise Unavailable("the server lists no mailboxes") from listed

    async def _expose(self, connection: Connection, seen: Seen, answers: Sequence[Answer]) -> None:
        r"""Mark what is listed as a mailbox and is none: Dovecot lists a deleted one that has children so.

        A STATUS that is left out says nothing (RFC 5819 §2): the mailbox has to be asked for by its name. One that the
        server has an error of its own with stays without numbers; Cyrus lists it with \Noselect, which says no more.
        """
        asked = dict(zip(self._names, answers, strict=True)) if not self._nature.lists_status else {}
        closed = {path for path, listed in seen.listed.items() if listed.attributes & CLOSED == {"\\noselect"}}
        self._hollow &= closed
        missing = [path for path in self._names if path not in asked and path not in seen.statuses]
        unasked = [*missing, *sorted(closed - self._hollow)]
        commands = [connection.command("STATUS", mailbox(path), _EXISTS) for path in unasked]
        asked |= zip(unasked, await Seen().collect(commands, alone=True), strict=True)
        faults = {path: answer for path, answer in asked.items() if isinstance(answer, Broken)}
        if faults and not seen.statuses:  # it is not about one mailbox
            raise next(iter(faults.values()))
        self._hollow |= closed - faults.keys()
        confused = {path for path, fault in faults.items() if isinstance(fault, SessionConfused)}
        if confused - self._broken:
            connection.abort()  # the next listing is that of another session; if that says the same, it is the mailbox
        self._broken = set(faults)
        for path, answer in asked.items():
            listed = seen.listed[path]
            if isinstance(answer, Broken):
                seen.listed[path] = replace(listed, attributes=listed.attributes - CLOSED)
            elif isinstance(answer, NotFound):
                seen.listed[path] = replace(listed, attributes=listed.attributes | {"\\nonexistent"})

    async def _list_at_once(self, connection: Connection) -> list[Untagged]:
        """Everything with its STATUS: in one round trip where the held mailbox is as it was."""
        name, *parts = listing(connection, items=items_of(connection, self._nature))
        news: list[Untagged] = []
        undo = connection.on_unsolicited(news.append)
        try:
            with connection.together():
                along = self._wishes.ask(connection)
                asked = connection.ask(name, parts, said=self._said), connection.ask("NOOP", ())
            listed, noop = await connection.outcomes(*asked)
            for one in along:
                news += await one.outcome(connection)
        finally:
            undo()
        if not news and not noop.untagged and noop.code is None:  # [HIGHESTMODSEQ] is news as well
            return listed.untagged
        if any(response.name == b"NO" for response in news):
            await refresh(connection, same=False)
        return (await connection.outcome(connection.ask(name, parts, said=self._said), None)).untagged
