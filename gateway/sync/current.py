"""The current state of an account's mail: shown in memory, kept in the store."""

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from typing import Any

from adapters.ports.mail import MailFacts, MailPort
from gateway.store.base import Store
from gateway.sync.committer import Committer, Superseded
from gateway.sync.emails import Emails
from gateway.sync.journal import DELIVERY, PUSHED, Journal, Record
from gateway.sync.mailboxes import Mailboxes
from gateway.sync.snapshot import Dirty, Snapshot
from gateway.sync.thread_index import ThreadIndex
from gateway.sync.watch import ended


class Current:
    """What the parts of an account share.

    port: what the account is read through, which another login may replace. writing: held by whoever makes the next
    snapshot of this one. fresh: nothing has been committed yet. loaded: what others wrote has been read, as far as one
    knows. namespace, keep, retry_seconds: see `MailAccount`.
    """

    def __init__(
        self, account_id: str, namespace: str, port: MailPort, store: Store, *, keep: int, retry_seconds: float
    ) -> None:
        self.namespace = namespace
        self.port = port
        self.writing = asyncio.Lock()
        self.committer = Committer(store, account_id, retry_seconds)
        self.fresh = True
        self.loaded = False
        self._keep = keep
        self._beside: set[asyncio.Task[None]] = set()
        self.snapshot = self.nothing()

    def nothing(self) -> Snapshot:
        """The state of an account of which nothing is known."""
        return Snapshot(Emails(), Mailboxes(), ThreadIndex(self.namespace), Journal(self._keep))

    def forked(self) -> Snapshot:
        """The same state with a journal that may be written to."""
        return replace(self.snapshot, journal=self.snapshot.journal.fork())

    async def load(self, facts: MailFacts) -> None:
        """Show what is stored, if anything is."""
        identity: dict[str, object] = {
            "namespace": self.namespace,
            "source": facts.id_source,
            "thread_ids": facts.thread_ids,
        }
        async with self.writing:
            threads = ThreadIndex(self.namespace)
            stored = await self.committer.load(identity, threads, self._keep, facts.personal_prefix)
            if stored is not None:
                unseen = self.fresh and self.snapshot.partial is None
                shown = None if unseen else self.snapshot.journal.epoch
                self.snapshot, self.fresh = stored, False
                if shown not in (None, stored.journal.epoch):  # what was shown while the store was away is void
                    await self.committer.publish(stored, list(PUSHED))
            elif not self.fresh:
                # what another writer wrote cannot be read: what is in memory counts, under a new epoch
                self.snapshot = self.forked()
                self.snapshot.journal.renew()
            else:
                self.snapshot = replace(self.snapshot, orders=await self.committer.orders())
            self.loaded = True

    async def store(
        self,
        snapshot: Snapshot,
        dirty: Dirty,
        types: Sequence[str],
        record: Record | None = None,
        *,
        memory_will_do: bool = True,
    ) -> None:
        """Commit, then show, then tell. `writing` is held. Raises Superseded; StoreUnavailable if memory won't do."""
        before, journal = self.snapshot.journal, snapshot.journal
        await self.committer.commit(snapshot, dirty, record, memory_will_do=memory_will_do)
        self.snapshot = snapshot
        delivered = journal.heads[DELIVERY] != before.heads[DELIVERY]
        changed = list(PUSHED) if journal.epoch != before.epoch else [*types, *([DELIVERY] if delivered else [])]
        if changed:
            await self.committer.publish(snapshot, changed)

    async def replace_threads(self, threads: ThreadIndex, *, stored: bool) -> None:
        """Make this the thread index; `writing` is held. stored: in the store as well."""
        if stored and self.snapshot.partial is None:
            await self._store_threads(replace(self.forked(), threads=threads))
        else:
            self.snapshot = replace(self.snapshot, threads=threads)

    async def complete_threads(self, threads: ThreadIndex) -> None:
        """This thread index is whole; `writing` is held.

        Thread states of the time before say nothing about Threads: they are refused.
        """
        threads.complete = True
        snapshot = replace(self.forked(), threads=threads)
        snapshot.journal.forget("Thread")
        await self._store_threads(snapshot, "Thread")

    def begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """See `MailAccount.begin`."""
        task = asyncio.create_task(work)
        self._beside.add(task)
        task.add_done_callback(self._beside.discard)
        task.add_done_callback(lambda done: done.cancelled() or done.exception())  # who needs it asks again
        return task

    async def close(self) -> None:
        """End what was begun."""
        await ended(self._beside)

    async def _store_threads(self, snapshot: Snapshot, *types: str) -> None:
        try:
            await self.store(snapshot, Dirty(), types)
        except Superseded:
            self.snapshot = snapshot
            self.loaded = False  # the next pass loads what the other writer wrote
