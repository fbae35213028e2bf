"""Mail over IMAP: `MailPort` for what belongs to the login itself. What others share with it is in `shared`."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import AbstractContextManager

from adapters.errors import AdapterError, Unavailable
from adapters.imap import watch
from adapters.imap.along import Wish, Wishes
from adapters.imap.connection import Credentials, Endpoint
from adapters.imap.fetch import plan_items
from adapters.imap.pool import Pool, PoolSettings
from adapters.imap.probe import Nature, probe
from adapters.imap.quota import ImapQuota
from adapters.imap.reading import ImapReading
from adapters.imap.sentinel import Sentinel
from adapters.imap.shared import Share, SharedMail, discover
from adapters.ports.mail import FetchPlan, Folder, IdSource, MailFacts, MessageData
from adapters.ports.watch import Watched, WatchPort


class ImapMail(ImapReading, ImapQuota, WatchPort):
    """The mail of one login: here its folders, in `reading` what reads them, in `writing` what changes them.

    id_source: use this source of ids instead of the best that the server has.
    virtual_prefixes: paths or prefixes of mailboxes that only show messages of others, besides those found out.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        credentials: Credentials,
        *,
        settings: PoolSettings | None = None,
        id_source: IdSource | None = None,
        virtual_prefixes: Sequence[str] = (),
    ) -> None:
        super().__init__(Pool(endpoint, credentials, settings))
        self._forced = id_source
        self._virtual = tuple(virtual_prefixes)
        self._sentinel: Sentinel | None = None
        self._wishes = Wishes()
        self._listing = asyncio.Lock()
        self._preparing: asyncio.Task[None] | None = None

    async def open(self) -> MailFacts:
        """Log in and learn what the server is. Raises AuthFailed, Unavailable, Unsupported (a forced source)."""
        self._nature = await self._pool.run(
            None, "interactive", lambda connection: probe(connection, self._forced, self._virtual), repeatable=True
        )
        self._sentinel = Sentinel(self._pool, self._nature, wishes=self._wishes)
        return self._nature.facts

    async def prepare(self) -> None:
        """Begin with what the first listing of folders needs, while nobody waits for one yet."""
        if self._sentinel is not None and self._preparing is None:
            self._preparing = asyncio.create_task(self._prepare(self._sentinel))
            await asyncio.sleep(0)  # its first command leaves at once

    async def _prepare(self, sentinel: Sentinel) -> None:
        with contextlib.suppress(AdapterError):  # the listing says what is wrong
            async with self._listing:
                await sentinel.prepare()

    @property
    def tells_limits(self) -> bool:
        """Whether the server can say what limits the owner (RFC 9208 §3.1). Raises Unavailable before `open`."""
        return self._known().quota and not self.fails

    async def folders(self) -> Sequence[Folder]:
        """All personal folders with fresh numbers, see `sentinel`. Raises Unavailable, AuthFailed."""
        if self._sentinel is None:
            raise Unavailable("not open")
        async with self._listing:  # a pass and a first sight may ask at once
            return await self._sentinel.folders()

    def expecting(self, path: str, uid_validity: int, uid: int, plan: FetchPlan) -> AbstractContextManager[None]:
        """See `along`: only what lies in the mailbox that the sentinel holds comes with its listing."""
        items = plan_items(plan, preview=self._known().preview)
        return self._wishes.wishing(Wish(path, uid_validity, uid, plan, items))

    async def fetch(
        self, path: str, uid_validity: int, uids: Collection[int], plan: FetchPlan
    ) -> dict[int, MessageData]:
        """What the plan asks of each message, which may have come already. Raises Conflict, NotFound."""
        found = self._wishes.granted(path, uid_validity, uids, plan)
        return await super().fetch(path, uid_validity, uids, plan) if found is None else found

    async def shares(self) -> list[Share]:
        """What others share with the login, see `discover`: right on a connection that has just been opened."""
        namespaces = self._known().namespaces
        return await self._pool.run(
            None, "interactive", lambda connection: discover(connection, namespaces), repeatable=True
        )

    def shared(self, share: Share) -> SharedMail:
        """The mail that is shared there, over the connections of this port."""
        return SharedMail(self._pool, self._nature, self._opened, share)

    async def _opened(self) -> Nature:
        await self.open()
        return self._known()

    @property
    def watched(self) -> Watched:
        """See `WatchPort`. Raises Unavailable before `open`."""
        return watch.watched(self._known().capabilities)

    def hints(self) -> AsyncGenerator[None, None]:
        """See `WatchPort`."""
        return watch.hints(self._pool)

    async def close(self) -> None:
        """Log out."""
        if self._preparing is not None:
            self._preparing.cancel()
            await asyncio.wait([self._preparing])
        await self._pool.close()
