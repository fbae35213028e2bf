"""Carries snapshots into the store: one fenced commit per pass, and what to do when the store is not what it was.

- The store lost something (flushed, evicted): everything is written anew under a new epoch.
- The store cannot be reached: the account lives on in memory, under an epoch that is never mistaken for a stored one;
  when the store is back and nobody else wrote, everything is written anew.
- Somebody else wrote: `Superseded`; the caller loads what they wrote and tries again.
- The store may have lost the last commits (a failover): what is stored goes on in a new epoch, so that no state that
  was told of a lost commit is mistaken for one of now.
"""

import asyncio
import logging

from gateway.store.base import Lease, LeaseLost, Put, Seen, Store, StoreUnavailable, Write
from gateway.sync import persist
from gateway.sync.codec import Damaged, seal_json, unseal_json
from gateway.sync.journal import Journal, Record
from gateway.sync.load import VERSION, load, read_orders
from gateway.sync.orders import Orders
from gateway.sync.snapshot import Dirty, Snapshot
from gateway.sync.telling import tell
from gateway.sync.thread_index import ThreadIndex

logger = logging.getLogger(__name__)

RETRY_SECONDS = 1.0
"""How long a store that failed is left alone."""


class Superseded(Exception):
    """Another writer's commit came first; nothing of ours was written."""


class Committer:
    """One account's way into the store. Calls must not overlap."""

    def __init__(self, store: Store, account: str, retry_seconds: float = RETRY_SECONDS) -> None:
        self._store = store
        self._account = account
        self._retry_seconds = retry_seconds
        self._writer = persist.Writer(account)
        self._keys = persist.life_key(account), persist.head_key(account)
        self._lease: Lease | None = None
        self._seen: tuple[bytes | None, bytes | None] = (None, None)
        self._identity: dict[str, object] = {}
        self._stored_sets = 0
        self._stored_seq = 0
        self._whole = True
        self._retry_at = 0.0
        self.detached = False

    async def load(self, identity: dict[str, object], threads: ThreadIndex, keep: int, prefix: str) -> Snapshot | None:
        """What is stored, or None where nothing usable is.

        identity: what the ids depend on; a snapshot made under another identity is not usable.
        """
        self._identity = {"version": VERSION, **identity}
        self._whole = True
        self._lease = None
        try:
            self._seen = await self._read()
            life = unseal_json(self._seen[0])
            if {name: life[name] for name in self._identity} != self._identity:
                return None
            snapshot = await load(self._store, self._account, *self._seen, threads, keep, prefix)
        except (Damaged, KeyError, TypeError):
            return None
        except StoreUnavailable:
            self._detach()
            return None
        if snapshot.journal.epoch not in (life["epoch"], *life["past"]):
            return None
        self._stored_sets = len(snapshot.emails.flag_sets)
        self._stored_seq = snapshot.journal.seq
        self._whole = False
        self.detached = False
        return snapshot

    async def orders(self) -> Orders:
        """What clients said about the order of Mailboxes, where nothing else that is stored is usable."""
        try:
            return await read_orders(self._store, self._account)
        except StoreUnavailable:
            return {}

    async def is_current(self) -> bool:
        """Whether nobody else has written since; true also while that cannot be known."""
        if not self._store.shared or self.detached:
            return True
        try:
            return await self._read() == self._seen
        except StoreUnavailable:
            return True

    def overdue(self) -> bool:
        """Whether a store that was away should be tried again."""
        return self.detached and asyncio.get_running_loop().time() >= self._retry_at

    async def commit(
        self, snapshot: Snapshot, dirty: Dirty, record: Record | None, *, memory_will_do: bool = True
    ) -> None:
        """Make a snapshot durable, with its journal already holding the record. Raises Superseded.

        The journal gets a new epoch where the store lost the old one or cannot take the record. memory_will_do: where
        the store is away the account goes on in memory; else raises StoreUnavailable.
        """
        if self.detached and not self.overdue():
            if not memory_will_do:
                raise StoreUnavailable("it was away a moment ago")
            return
        try:
            await self._commit(snapshot, dirty, record)
        except StoreUnavailable as error:
            if not memory_will_do:
                raise
            if not self.detached:
                logger.warning("store unavailable; the account goes on in memory: %s", error)
                snapshot.journal.branch(self._common(snapshot.journal))
            self._detach()

    async def publish(self, snapshot: Snapshot, types: list[str]) -> None:
        """Tell all replicas the new states of some types."""
        await tell(self._store, self._account, {name: snapshot.journal.state(name) for name in types})

    async def _commit(self, snapshot: Snapshot, dirty: Dirty, record: Record | None) -> None:
        for _ in range(3):
            kept = self._lease is not None and not self._whole  # nobody else should have written
            stored = self._seen if kept else await self._read()
            if stored != self._seen:
                if all(stored):
                    raise Superseded
                if not self._whole:
                    logger.warning("the store lost this account's records; writing them anew under a new epoch")
                    snapshot.journal.renew()
                self._whole = True
            if self._lease is None:
                self._lease = await self._store.lease(self._account)
                continue  # whoever held the lease before may have written until this moment
            snapshot.journal.enter(self._lease.history, self._common(snapshot.journal))
            life, head, writes = self._writes(snapshot, dirty, record, stored[0])
            try:
                await self._store.commit(self._account, writes, self._lease, self._must_be(stored) if kept else ())
            except LeaseLost:
                self._lease = None
                continue
            self._seen = (life, head)
            self._stored_sets = len(snapshot.emails.flag_sets)
            self._stored_seq = snapshot.journal.seq
            self._whole = self.detached = False
            persist.clean(snapshot)
            return
        raise Superseded

    def _common(self, journal: Journal) -> int:
        """The last `seq` of the epoch that is the same for all: those behind it others may have given out as well."""
        return journal.seq if self._whole else self._stored_seq

    def _writes(
        self, snapshot: Snapshot, dirty: Dirty, record: Record | None, stored: bytes | None
    ) -> tuple[bytes, bytes, list[Write]]:
        journal = snapshot.journal
        head = persist.head_value(snapshot)
        life = seal_json({**self._identity, "epoch": journal.epoch, "past": list(journal.past)})
        if self._whole or stored is None:
            return life, head, self._writer.everything(snapshot, life, head)
        writes = self._writer.changed(snapshot, dirty, record, head)
        if life != stored:
            writes.append(Put(persist.life_key(self._account), life))
        if len(snapshot.emails.flag_sets) > self._stored_sets:
            writes.append(self._writer.flag_sets(snapshot))
        return life, head, writes

    async def _read(self) -> tuple[bytes | None, bytes | None]:
        life, head = await self._store.read(self._keys)
        return life, head

    def _must_be(self, stored: tuple[bytes | None, bytes | None]) -> list[Seen]:
        """What the store must still hold: one that lost something is not written to as if it had everything."""
        return [(key, value) for key, value in zip(self._keys, stored, strict=True) if value is not None]

    def _detach(self) -> None:
        self.detached = True
        self._whole = True
        self._lease = None
        self._retry_at = asyncio.get_running_loop().time() + self._retry_seconds
