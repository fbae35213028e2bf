r"""The listing of all folders with fresh numbers, over one connection that holds the largest mailbox open.

A server opens every mailbox whose STATUS it is asked for, unless the connection holds it: with the largest one
EXAMINEd, LIST and then LIST … RETURN (STATUS …) of the real ones cost a fraction of a millisecond. Virtual mailboxes
are never asked, for their STATUS reads every message of the account.

A server may answer a STATUS of the held mailbox from what the session knows of it, so NOOP must bring that up to date.
Mostly nothing has happened there: LIST and NOOP leave together, and a NOOP that brings no news says that what LIST said
still stands. Otherwise LIST is asked again, after the NOOP was answered: Dovecot puts the work of pipelined commands
off to the last of them.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Final

from adapters.errors import AdapterError, NotFound, Unavailable
from adapters.imap.connection import Connection
from adapters.imap.deltas import status_items
from adapters.imap.encoder import Part, atom, mailbox, paren, string
from adapters.imap.folders import (
    INBOX,
    Listed,
    build,
    chunk_names,
    folder_status,
    largest,
    native_id,
    parse_list,
    parse_rights,
    parse_status,
)
from adapters.imap.pool import Pool
from adapters.imap.probe import REFUSALS, Nature
from adapters.imap.responses import Completion, Untagged
from adapters.imap.session import pipelined, refresh
from adapters.imap.tokens import Value
from adapters.ports.mail import Folder, FolderStatus

RIGHTS_SECONDS: Final = 300.0

_EXISTS: Final = paren(atom("UIDVALIDITY"))

Status = dict[bytes, Value]
Command = tuple[str, *tuple[Part, ...]]
_Answer = Completion | BaseException


@dataclass(slots=True)
class _Pass:
    """What one conversation brought."""

    listed: dict[str, Listed] = field(default_factory=dict)
    subscribed: set[str] = field(default_factory=set)
    statuses: dict[str, Status] = field(default_factory=dict)
    rights: dict[str, frozenset[str]] = field(default_factory=dict)
    responses: list[Untagged] = field(default_factory=list)

    def add(self, responses: Sequence[Untagged]) -> None:
        self.responses += responses
        for response in responses:
            match response.name:
                case b"LIST":
                    if (listed := parse_list(response)) is not None:
                        self.listed.setdefault(listed.path, listed)  # the first one has all attributes
                case b"LSUB":
                    if (listed := parse_list(response)) is not None:
                        self.subscribed.add(listed.path)
                case b"STATUS":
                    if (status := parse_status(response)) is not None:
                        self.statuses.setdefault(status[0], {}).update(status[1])
                case b"MYRIGHTS":
                    if (rights := parse_rights(response)) is not None:
                        self.rights[rights[0]] = rights[1]


class Sentinel:
    """Folder listings of one login.

    Rights are read when a folder is first seen and again after `RIGHTS_SECONDS`: the server enforces them anyway, and
    changing them does not move any number of a folder. Mailbox ids are kept by path and UIDVALIDITY, except where the
    server gives them with every STATUS.
    """

    def __init__(self, pool: Pool, nature: Nature, clock: Callable[[], float] = time.monotonic) -> None:
        self._pool = pool
        self._nature = nature
        self._clock = clock
        self._pinned: str | None = INBOX
        self._names: list[str] = []
        self._all_real = False  # as of the last listing: nothing is listed whose STATUS must not be asked
        self._ids: dict[tuple[str, int], str | None] = {}  # None: the server gives none that is usable
        self._rights: dict[str, frozenset[str]] = {}
        self._rights_until = 0.0
        self._kept: Connection | None = None
        self._served: Connection | None = None
        self._answered: list[Untagged] = []
        self._folders: list[Folder] = []  # what that meant

    async def folders(self) -> Sequence[Folder]:
        """All personal folders, true as of this call; the very same list where nothing moved. Raises Unavailable."""
        try:
            seen = await self._listing()
        except REFUSALS:
            if self._pinned is None:
                raise
            self._pinned = None  # renamed, deleted or closed to us: list without it
            seen = await self._listing()
        if seen is not None:
            self._folders = await self._understood(seen)
            self._answered = seen.responses
        real = ((folder.path, folder.status) for folder in self._folders if folder.status is not None)
        await self._pin(largest(real, self._pinned))
        return self._folders

    async def _understood(self, seen: _Pass) -> list[Folder]:
        statuses = {
            path: status for path, items in seen.statuses.items() if (status := folder_status(items)) is not None
        }
        real = {path: status for path, status in statuses.items() if path in self._names}
        await self._learn_ids(seen, real)
        return [self._folder(listed, seen, real.get(listed.path)) for listed in seen.listed.values()]

    async def _listing(self) -> _Pass | None:
        return await self._pool.run(self._pinned, "interactive", self._converse, repeatable=True)

    async def _pin(self, path: str | None) -> None:
        """Have the pool keep a connection for the mailbox, unless the one that just served is kept for it."""
        if path is None or (path == self._pinned and self._kept is self._served):
            return
        self._pinned = path
        with contextlib.suppress(*REFUSALS):
            async with self._pool.acquire(path, "interactive", pin=True) as connection:
                if connection.selected != path:
                    await connection.select(path)
                self._kept = connection

    def _folder(self, listed: Listed, seen: _Pass, status: FolderStatus | None) -> Folder:
        if listed.path in seen.subscribed:
            listed = Listed(listed.path, listed.delimiter, listed.attributes | {"\\subscribed"})
        native = self._ids.get((listed.path, status.uid_validity)) if status is not None else None
        rights = self._rights.get(listed.path, frozenset()) if self._nature.acl else None
        return build(listed, status, native, rights, virtual=self._nature.is_view(listed))

    # one conversation

    async def _converse(self, connection: Connection) -> _Pass | None:
        """What the server says now; None where it says word for word what it said last time."""
        self._served = connection
        if self._pinned is not None and connection.selected != self._pinned:
            await connection.select(self._pinned)
        seen = _Pass()
        due = self._nature.acl and self._clock() >= self._rights_until
        at_once = self._all_real and self._nature.lists_status
        if at_once:
            answered = await self._list_at_once(connection)
            if answered == self._answered and not due:
                return None
            seen.add(answered)
        else:
            await pipelined(refresh(connection, same=False), _collect(seen, self._list(connection)))
        selectable = sum(listed.selectable for listed in seen.listed.values())
        seen.listed = {
            path: listed for path, listed in seen.listed.items() if self._nature.namespaces.is_personal(path)
        }
        self._names = [
            path for path, listed in seen.listed.items() if listed.selectable and not self._nature.is_view(listed)
        ]
        asked = [path for path in self._names if due or path not in self._rights] if self._nature.acl else []
        self._all_real = len(self._names) == selectable
        statuses = [] if at_once else self._status(connection)
        answers = await _collect(seen, [*statuses, *self._myrights(connection, asked)])
        self._rights.update({path: seen.rights.get(path, frozenset()) for path in asked})
        if due:
            self._rights_until = self._clock() + RIGHTS_SECONDS
        await self._expose(connection, seen, answers)
        return seen

    async def _expose(self, connection: Connection, seen: _Pass, answers: Sequence[_Answer]) -> None:
        r"""Mark what is listed as a mailbox and is none: Dovecot lists a deleted one that has children so.

        A STATUS that is left out says nothing (RFC 5819 §2): the mailbox has to be asked for by its name.
        """
        asked = self._names
        if self._nature.lists_status:
            asked = [path for path in asked if path not in seen.statuses]
            commands = [connection.command("STATUS", mailbox(path), _EXISTS) for path in asked]
            answers = await asyncio.gather(*commands, return_exceptions=True)
        for path, answer in zip(asked, answers, strict=False):  # answers about rights may follow
            if isinstance(answer, NotFound):
                listed = seen.listed[path]
                seen.listed[path] = replace(listed, attributes=listed.attributes | {"\\nonexistent"})

    async def _list_at_once(self, connection: Connection) -> list[Untagged]:
        """Everything with its STATUS: in one round trip where the held mailbox is as it was."""
        listing = self._listing_of(connection, tuple(self._items(connection)))
        news: list[Untagged] = []
        undo = connection.on_unsolicited(news.append)
        try:
            listed, noop = await connection.commands(listing, ("NOOP",))
        finally:
            undo()
        if not news and not noop.untagged and noop.code is None:  # [HIGHESTMODSEQ] is news as well
            return listed.untagged
        if any(response.name == b"NO" for response in news):
            await refresh(connection, same=False)
        return (await connection.command(*listing)).untagged

    def _list(self, connection: Connection) -> list[Awaitable[Completion]]:
        if self._nature.lists_status:
            return [connection.command(*self._listing_of(connection))]
        everything = (string(""), mailbox("*"))
        return [connection.command("LIST", *everything), connection.command("LSUB", *everything)]

    def _listing_of(self, connection: Connection, status_items: tuple[str, ...] = ()) -> Command:
        return _listing(bool({b"SPECIAL-USE", b"IMAP4REV2"} & connection.capabilities), status_items)

    def _status(self, connection: Connection) -> list[Awaitable[Completion]]:
        items = paren(*map(atom, self._items(connection)))
        if not self._nature.lists_status:
            return [connection.command("STATUS", mailbox(path), items) for path in self._names]
        return _list_names(connection, self._names, paren(atom("STATUS"), items))

    def _items(self, connection: Connection) -> list[str]:
        """Mailbox ids with every STATUS where that is sound: Cyrus returns garbage for MAILBOXID inside a LIST."""
        items = status_items(connection)
        if self._nature.mailbox_id == "X-GUID" or (self._nature.mailbox_id and not self._nature.lists_status):
            items.append(self._nature.mailbox_id)
        return items

    def _myrights(self, connection: Connection, paths: Sequence[str]) -> list[Awaitable[Completion]]:
        if b"LIST-MYRIGHTS" not in connection.capabilities or not self._nature.lists_status:
            return [connection.command("MYRIGHTS", mailbox(path)) for path in paths]
        return _list_names(connection, paths, paren(atom("MYRIGHTS")))  # RFC 8440 §3

    # mailbox ids

    async def _learn_ids(self, seen: _Pass, real: dict[str, FolderStatus]) -> None:
        name = self._nature.mailbox_id
        if name is None:
            return
        for path, status in real.items():
            self._keep_id(path, status, seen.statuses[path].get(name.encode()))
        unknown = [path for path, status in real.items() if (path, status.uid_validity) not in self._ids]
        if unknown:
            asked = _Pass()
            await self._pool.run(None, "interactive", lambda connection: self._ask_ids(connection, unknown, asked))
            for path in unknown:
                self._keep_id(path, real[path], asked.statuses.get(path, {}).get(name.encode()))
        for path in unknown:
            if (path, real[path].uid_validity) not in self._ids:
                await self._id_by_opening(path, real[path])
                self._ids.setdefault((path, real[path].uid_validity), None)
        self._ids = {key: value for key, value in self._ids.items() if key[0] in real}

    def _keep_id(self, path: str, status: FolderStatus, value: Value) -> None:
        native = native_id(value)
        if native is not None:
            self._ids[path, status.uid_validity] = native

    async def _ask_ids(self, connection: Connection, paths: Sequence[str], seen: _Pass) -> None:
        item = paren(atom(self._nature.mailbox_id or ""))
        await _collect(seen, [connection.command("STATUS", mailbox(path), item) for path in paths])

    async def _id_by_opening(self, path: str, status: FolderStatus) -> None:
        """The answer to EXAMINE has the id (RFC 8474 §4.2), also where STATUS gave garbage."""

        async def examine(connection: Connection) -> None:
            completion = await connection.select(path)
            self._keep_id(path, status, (completion.code_values(b"MAILBOXID") or [None])[0])

        try:
            await self._pool.run(path, "bulk", examine)
        except REFUSALS:
            return


@lru_cache(16)
def _listing(special_use: bool, status_items: tuple[str, ...]) -> Command:
    """LIST of everything that LIST-EXTENDED can tell, and the STATUS of each if wanted (RFC 5819)."""
    wanted = ["SUBSCRIBED", "CHILDREN", *(["SPECIAL-USE"] if special_use else [])]
    status = (atom("STATUS"), paren(*map(atom, status_items))) if status_items else ()
    return "LIST", string(""), mailbox("*"), atom("RETURN"), paren(*map(atom, wanted), *status)


def _list_names(connection: Connection, paths: Sequence[str], returning: Part) -> list[Awaitable[Completion]]:
    """LIST of these mailboxes (RFC 5258 §3). A name that holds a wildcard also matches others, which does no harm."""
    return [
        connection.command("LIST", string(""), paren(*map(mailbox, group)), atom("RETURN"), returning)
        for group in chunk_names(paths)
    ]


async def _collect(seen: _Pass, commands: Sequence[Awaitable[Completion]]) -> list[_Answer]:
    """Run commands in one write. A refusal is about one mailbox and costs only that."""
    answers = await _answers(commands)
    for answer in answers:
        if isinstance(answer, Completion):
            seen.add(answer.untagged)
    return answers


async def _answers(commands: Sequence[Awaitable[Completion]]) -> list[_Answer]:
    if not commands:
        return []
    answers = await asyncio.gather(*commands, return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException) and not _is_refusal(answer):
            raise answer
    return answers


def _is_refusal(error: BaseException) -> bool:
    return isinstance(error, AdapterError) and not isinstance(error, Unavailable)
