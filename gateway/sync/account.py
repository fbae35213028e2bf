"""The mail of one account: what every request of the account's logins reads, refreshed by one pass at a time."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from adapters.errors import Unavailable
from adapters.ports.mail import Folder, MailFacts, MailPort
from gateway.store.base import Store, StoreUnavailable
from gateway.sync import ids, orders
from gateway.sync.committer import RETRY_SECONDS, Superseded
from gateway.sync.current import Current
from gateway.sync.emails import Emails
from gateway.sync.first_sight import FirstSight
from gateway.sync.journal import PUSHED, Changes, ChangeSet, Journal
from gateway.sync.mailboxes import Mailboxes, build
from gateway.sync.own_writes import Marked, enter
from gateway.sync.pace import ATTEMPTS, Shared, stand_back
from gateway.sync.recording import following, mailbox_changes
from gateway.sync.refresh import Pass, Refresh
from gateway.sync.snapshot import Dirty, Snapshot
from gateway.sync.stage import Stage
from gateway.sync.threads import Threads
from gateway.sync.unread import Unread
from gateway.sync.unserved import Unserved

logger = logging.getLogger(__name__)

JOURNAL_KEEP = 10_000
QUIET_SECONDS = 0.25
"""Those who see an account for the first time have the mail server for themselves for so long."""


class MailAccount:
    """One personal mail account.

    namespace: of the backend and owner, what all ids are derived with; journal_keep: how many changed ids /changes
    can look back on; store_retry_seconds: how long a store that failed is left alone; quiet_seconds: how long after
    the first sight of an account indexing is begun.

    `emails`, `mailboxes` and `journal` are replaced, never changed, by a commit: a reader that takes one of them
    keeps a consistent view across awaits. fresh: nothing has been committed yet. changing: held while Emails are
    flagged, moved or removed, because a server may lose a flag that is set while another connection moves the message.
    """

    def __init__(
        self,
        account_id: str,
        namespace: str,
        port: MailPort,
        store: Store,
        *,
        journal_keep: int = JOURNAL_KEEP,
        store_retry_seconds: float = RETRY_SECONDS,
        quiet_seconds: float = QUIET_SECONDS,
    ) -> None:
        self.id = account_id
        self.changing = asyncio.Lock()
        self._current = Current(
            *(account_id, namespace, port, store), keep=journal_keep, retry_seconds=store_retry_seconds
        )
        self._passing = asyncio.Lock()
        self._passes = Shared(self._pass_alone)
        self._first_sight = FirstSight(self._current, self._passes.start, quiet_seconds)
        self.threads = Threads(self._current, self.refresh, self._first_sight.headers)
        self.unread = Unread(store, account_id)
        self._starting = asyncio.Lock()
        self._facts: MailFacts | None = None
        self._renames: list[tuple[str, str]] = []
        self._calm: tuple[Sequence[Folder], Emails] | None = None  # a listing that says that these are all up to date
        self._unserved = Unserved(account_id)

    @property
    def port(self) -> MailPort:
        """What the account is read through; another login may replace it."""
        return self._current.port

    @port.setter
    def port(self, port: MailPort) -> None:
        self._current.port = port

    @property
    def fresh(self) -> bool:
        """Whether nothing has been committed yet."""
        return self._current.fresh

    @property
    def snapshot(self) -> Snapshot:
        """The committed state."""
        return self._current.snapshot

    @property
    def emails(self) -> Emails:
        """All Emails, as of the last commit."""
        return self.snapshot.emails

    @property
    def mailboxes(self) -> Mailboxes:
        """All Mailboxes, as of the last commit."""
        return self.snapshot.mailboxes

    @property
    def journal(self) -> Journal:
        """What changed, as of the last commit."""
        return self.snapshot.journal

    def state(self, *type_names: str) -> str:
        """The state string of "Mailbox", "Thread", "Email" or "EmailDelivery", or of several of them together."""
        return self.journal.state(*type_names)

    def changes(self, type_name: str, since: str, max_changes: int | None = None) -> ChangeSet:
        """RFC 8620 §5.2. Raises CannotCalculateChanges."""
        return self.journal.changes(type_name, since, max_changes)

    async def refresh(self) -> None:
        """Return when a pass that started after this call has been committed.

        Calls that come while a pass runs share the one pass after it. The first call opens the account: it loads
        what is stored or reads everything. Raises adapters.errors.*; the old state stands after a failure.
        """
        await self._passes()

    async def look(self) -> bool:
        """Like `refresh`, of what can be seen of an account before it is indexed for the first time: `sync.opening`.

        The snapshot is then a partial one, and indexing begins soon. False where nothing was looked at: the index is
        whole, or this backend must be read as a whole. Raises adapters.errors.*.
        """
        await self._start()
        return await self._first_sight.look()

    async def look_into(self, mailbox_id: str) -> None:
        """Have the newest Emails of a Mailbox in a partial snapshot, if they can be had."""
        await self._first_sight.look_into(mailbox_id)

    def begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Do something while others go on; it ends with the account."""
        return self._current.begin(work)

    @property
    def facts(self) -> MailFacts:
        """What the backend turned out to be. Raises Unavailable before the first pass."""
        if self._facts is None:
            raise Unavailable("not open")
        return self._facts

    async def advance(self, marked: Sequence[Marked]) -> None:
        """Commit keyword changes that were made through this account's port just now and that the server confirmed.

        While a pass is running that may have read the state before them, this is a `refresh`.
        """
        if self._passing.locked() or not await self._advance(marked):
            await self.refresh()

    async def _advance(self, marked: Sequence[Marked]) -> bool:
        """Whether nobody else wrote in between."""
        digester = ids.Digester(self._current.namespace, self.facts.id_source)
        async with self._passing:
            stage = Stage(self.emails, digester, recording=True, fingerprints=False, threads=None)
            for one in marked:
                enter(stage, one)
            try:
                await self._commit(self.facts, Pass(stage, await stage.settle(), {}))
            except Superseded:
                self._current.loaded = False
        return self._current.loaded

    def expect_rename(self, path: str, target: str) -> None:
        """A folder was renamed just now, with all below it: the next pass need not guess which it is."""
        self._renames.append((path, target))

    async def set_orders(self, changes: Mapping[str, int | str | None]) -> None:
        """Keep what `orders` keeps of Mailboxes, None for the usual. It is stored and told when this returns.

        Raises Unavailable where the store is away, or others write all the time.
        """
        try:
            await self._edit(lambda: self._set_orders(changes))
        except StoreUnavailable as error:
            raise Unavailable("the store does not answer") from error

    async def tell_updated(self, email_ids: Iterable[str]) -> None:
        """Tell clients that Emails changed in something that the index doesn't hold. They are told when this returns.

        Raises Unavailable where others write all the time.
        """
        await self._edit(lambda: self._tell_updated(email_ids))

    async def _edit(self, edit: Callable[[], Awaitable[None]]) -> None:
        for attempt in range(ATTEMPTS):
            try:
                async with self._current.writing:
                    return await edit()
            except Superseded:
                self._current.loaded = False
                await stand_back(attempt)
                await self.refresh()
        raise Unavailable("other writers were first each time")

    async def _tell_updated(self, email_ids: Iterable[str]) -> None:
        base = self.snapshot
        journal = base.journal.fork()
        alive = [email_id for email_id in email_ids if base.emails.row(email_id) is not None]
        record = journal.record({"Email": Changes(updated=alive)})
        if len(record):
            journal.append(record)
            await self._current.store(replace(base, journal=journal), Dirty(), list(record.types), record=record)

    async def _set_orders(self, changes: Mapping[str, int | str | None]) -> None:
        base = self.snapshot
        kept = orders.merge(base.orders, changes, base.mailboxes)
        mailboxes = build(base.emails.boxes.values(), self.facts.personal_prefix, kept)
        journal = base.journal.fork()
        record = journal.record({"Mailbox": mailbox_changes(base, base.emails, mailboxes, set())})
        if len(record):
            journal.append(record)
            snapshot = replace(base, mailboxes=mailboxes, journal=journal, orders=kept)
            dirty = Dirty(orders=True)
            await self._current.store(snapshot, dirty, list(record.types), record=record, memory_will_do=False)

    async def close(self) -> None:
        """Stop all work. The port and the store are the caller's."""
        await self.threads.close()
        await self._first_sight.close()
        await self._current.close()
        await self._passes.close()

    # The pass

    async def _start(self) -> None:
        """Know the backend, and what is stored."""
        async with self._starting:
            if self._facts is None:
                self._facts = await self.port.open()
                self._first_sight.learn(self._facts)
            if not self._current.loaded:
                await self._current.load(self._facts)

    async def _pass_alone(self) -> None:
        async with self._passing:
            await self._pass()

    async def _pass(self) -> None:
        for attempt in range(ATTEMPTS):
            await self._start()
            try:
                await self._refresh(self.facts)
                break
            except Superseded:
                logger.info("another writer was first; loading what it wrote")
                self._current.loaded = False
                await stand_back(attempt)
        else:
            raise Unavailable("other writers were first each time")
        if not self.snapshot.threads.complete:
            self.threads.start()

    async def _refresh(self, facts: MailFacts) -> None:
        listing = await self.port.folders()
        base = self._current.nothing() if self.fresh else self.snapshot
        found = None
        if self._renames or self._calm is None or self._calm[0] is not listing or self._calm[1] is not base.emails:
            found = await self._compare(facts, base, listing)
        if found is not None:
            await self._commit(facts, found)
        elif self._current.committer.overdue():
            async with self._current.writing:
                await self._current.store(self._current.forked(), Dirty(), [])
        elif not await self._current.committer.is_current():
            raise Superseded  # what only the store holds may have changed

    async def _compare(self, facts: MailFacts, base: Snapshot, listing: Sequence[Folder]) -> Pass | None:
        renames, self._renames = self._renames, []
        try:
            refresh = Refresh(
                *(base, self.port, facts, self._current.namespace),
                fresh=self.fresh,
                renames=renames,
                resting=self._unserved.resting(),
            )
            found = await refresh.run(listing)
            self._unserved.note(refresh.unserved, refresh.failed)
        except BaseException:
            self._renames[:0] = renames
            raise
        self._calm = (listing, base.emails) if found is None and refresh.calm else None
        return found

    async def _commit(self, facts: MailFacts, found: Pass) -> None:
        async with self._current.writing:
            stage = found.stage
            snapshot, record = following(self.snapshot, found, facts, first=self.fresh)
            dirty = Dirty(stage.dirty, stage.dirty_boxes, stage.dropped_boxes)
            # Who listens already may have missed what was before, and nothing tells of states of partial snapshots.
            types = list(PUSHED) if self.fresh else list(record.types)
            await self._current.store(snapshot, dirty, types, record=record if len(record) else None)
            self._current.fresh = False
