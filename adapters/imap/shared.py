"""Mailboxes that others share with a login (RFC 2342, RFC 4314): which there are; `MailPort` for those of one owner.

Dovecot remembers for up to an hour which mailboxes of others a connection may list, and rights for half a minute: so
there is a fresh one for each search for shares, and for a listing that is otherwise than what was found. Dovecot and
Cyrus go on to answer in an opened mailbox after its rights were taken away, so these are read with every listing, and
what may not be read has no numbers and no messages.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from adapters.errors import Unsupported
from adapters.imap.connection import Connection
from adapters.imap.encoder import mailbox, string
from adapters.imap.errors import ConnectionLost
from adapters.imap.folders import Listed, Namespaces, Place, build, folder_status
from adapters.imap.listing import Seen, list_all, my_rights, statuses
from adapters.imap.mailbox_ids import MailboxIds
from adapters.imap.pool import Pool
from adapters.imap.probe import REFUSALS, Nature, namespaces_of
from adapters.imap.reading import ImapReading
from adapters.imap.session import pipelined, refresh
from adapters.ports.mail import Folder, FolderStatus, MailFacts
from adapters.ports.watch import Watched, WatchPort

log = logging.getLogger(__name__)

MOST: Final = 200
"""Owners whose mailboxes a login is shown."""

MOST_MAILBOXES: Final = 5_000
"""Mailboxes that a login's rights are asked for when shares are looked for."""

Rights = frozenset[str]

_LOOK_UP: Final = "l"
_READ: Final = "r"
_CHANGING: Final = frozenset("swiktxecd")  # RFC 4314 §2.1, §2.1.1: all that changes a mailbox or what is in it


@dataclass(frozen=True, slots=True)
class Share:
    """What lies in one place for a login. rights: by path, of all mailboxes that it may look up."""

    place: Place
    rights: Mapping[str, Rights]

    @property
    def is_read_only(self) -> bool:
        """Whether there is no right to change anything."""
        return not any(rights & _CHANGING for rights in self.rights.values())


async def discover(connection: Connection, namespaces: Namespaces | None = None) -> list[Share]:
    """Where there is anything to read for the login. Without ACL nobody could say what it may do: nothing then.

    connection: one that was opened for it. namespaces: where they are known. Raises Unavailable.
    """
    if b"ACL" not in connection.capabilities:
        return []
    namespaces = namespaces or await namespaces_of(connection)
    prefixes = [prefix for prefix, _ in (*namespaces.others, *namespaces.public)]
    seen = Seen()
    await seen.collect([connection.command("LIST", string(""), mailbox(f"{prefix}*")) for prefix in prefixes])
    places: dict[Place, list[str]] = {}
    for path in [path for path, listed in seen.listed.items() if listed.selectable][:MOST_MAILBOXES]:
        if (place := namespaces.place(path)) is not None:
            places.setdefault(place, []).append(path)
    if len(places) > MOST:
        log.warning("a login is shown the mailboxes of %d owners, of %d who share some", MOST, len(places))
        places = dict(list(places.items())[:MOST])
    asked = [path for paths in places.values() for path in paths]
    rights = my_rights(connection, asked, by_list=b"LIST-EXTENDED" in connection.capabilities)
    await seen.collect(rights, alone=len(rights) == len(asked))
    shares = [Share(place, _may_look_up(seen, paths)) for place, paths in places.items()]
    return [share for share in shares if any(_READ in rights for rights in share.rights.values())]


def _may_look_up(seen: Seen, paths: Collection[str]) -> dict[str, Rights]:
    return {path: rights for path in paths if _LOOK_UP in (rights := seen.rights.get(path, frozenset()))}


class SharedMail(ImapReading, WatchPort):
    """The mailboxes of one place, over the connections of the login that they are shared with.

    nature: of the server, where that is known; learn: opens the login's port and tells it.
    share: as of the last proof of the login; set again after each.
    """

    def __init__(self, pool: Pool, nature: Nature | None, learn: Callable[[], Awaitable[Nature]], share: Share) -> None:
        super().__init__(pool)
        self.share = share
        self._nature = nature
        self._learn = learn
        self._ids: MailboxIds | None = None
        self._listing = asyncio.Lock()
        self._folders: list[Folder] = []
        self._settled: Share | None = None  # what a fresh connection was opened for

    async def open(self) -> MailFacts:
        """See MailPort. Raises AuthFailed, Unavailable."""
        if self._nature is None:
            self._nature = await self._learn()
        place = self.share.place
        return replace(self._nature.facts, personal_prefix=place.prefix, delimiter=place.delimiter)

    async def folders(self) -> Sequence[Folder]:
        """All that the login may look up, with its rights as of this call; the same list where nothing moved."""
        async with self._listing:
            await self.open()
            seen = await self._pool.run(None, "interactive", self._conversation(), repeatable=True)
            folders = await self._understood(seen)
            if folders != self._folders:
                self._folders = folders
            return self._folders

    def _conversation(self) -> Callable[[Connection], Awaitable[Seen]]:
        """`_converse`; a connection that tells otherwise than the last proof gives way to a fresh one, once."""
        tried = False

        async def once(connection: Connection) -> Seen:
            nonlocal tried
            seen = await self._converse(connection)
            if {path: seen.rights[path] for path in seen.listed} == self.share.rights:
                self._settled = None
            elif not tried and self._settled != self.share:
                tried, self._settled = True, self.share
                await connection.logout()
                raise ConnectionLost("it may tell what was so when it was opened")
            return seen

        return once

    async def _converse(self, connection: Connection) -> Seen:
        """What there is, then what may be done with it, then the numbers of what may be read."""
        nature, place, seen = self._known(), self.share.place, Seen()
        with contextlib.suppress(*REFUSALS):  # what it had open is gone, or closed to us by now
            await refresh(connection, same=False)
        by_list = nature.lists_status and b"LIST-MYRIGHTS" in connection.capabilities
        known = sorted({*self.share.rights, *(folder.path for folder in self._folders)})
        patterns = list(dict.fromkeys((f"{place.prefix}*", place.top or "*")))
        asked = [] if by_list else my_rights(connection, known, by_list=False)
        await pipelined(seen.collect(asked, alone=True), seen.collect(list_all(connection, nature, patterns)))
        names = [path for path, listed in seen.listed.items() if self._is_here(listed)]
        new = [path for path in names if path not in seen.rights]
        await seen.collect(my_rights(connection, new, by_list=by_list), alone=not by_list)
        allowed = _may_look_up(seen, names)
        readable = [path for path in allowed if _READ in allowed[path]]
        await seen.collect(statuses(connection, nature, readable), alone=not nature.lists_status)
        seen.listed = {path: seen.listed[path] for path in sorted(allowed)}
        return seen

    def _is_here(self, listed: Listed) -> bool:
        nature = self._known()
        here = nature.namespaces.place(listed.path) == self.share.place
        return here and listed.selectable and not nature.is_view(listed)

    async def _understood(self, seen: Seen) -> list[Folder]:
        found = {path: folder_status(seen.statuses.get(path, {})) for path in seen.listed}
        real = {path: status for path, status in found.items() if status and _READ in seen.rights[path]}
        if self._ids is None:
            self._ids = MailboxIds(self._pool, self._known())
        await self._ids.learn(seen, real)
        return [self._folder(seen, path, self._ids, real.get(path)) for path in seen.listed]

    def _folder(self, seen: Seen, path: str, ids: MailboxIds, status: FolderStatus | None) -> Folder:
        folder = build(seen.entry(path), status, ids.of(path, status), seen.rights[path], virtual=False)
        place = self.share.place
        is_inbox = place.owner is not None and path == place.top
        return replace(folder, role="inbox") if is_inbox else folder

    @property
    def watched(self) -> Watched:
        """Nothing: what others do in their mailboxes is looked at from time to time."""
        return "nothing"

    def hints(self) -> AsyncGenerator[None, None]:
        """See WatchPort. Raises Unsupported."""
        raise Unsupported("mailboxes of others give no hints")

    async def close(self) -> None:
        """Nothing: the connections are the login's."""
