"""Carries an account's index into the store: one fenced commit per pass, and what to do when the store is another.

- The store lost the head: everything is written anew under a new epoch.
- The store cannot be reached: the account lives on in memory, under an epoch that is never mistaken for a stored one.
- Somebody else wrote: `Superseded`; the caller loads what they wrote and tries again.
- The store may have lost the last commits: a new epoch, as `gateway.sync.committer` has it.
"""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Final, Generic

from adapters.errors import Unavailable
from gateway.store.base import Lease, LeaseLost, Put, Store, StoreUnavailable, Write
from gateway.sync.codec import Damaged
from gateway.sync.collections import persist
from gateway.sync.collections.index import Index, Place, Settings
from gateway.sync.collections.persist import Form
from gateway.sync.committer import RETRY_SECONDS, Superseded
from gateway.sync.journal import Journal, Record
from gateway.sync.pace import LARGE, aside
from gateway.sync.telling import tell

_log: Final = logging.getLogger(__name__)

WEIGHT: Final = 1024
"""Octets that a resource is taken for where it is decided what is done beside the loop."""


class Keeper(Generic[Index, Place]):
    """One account's way into the store. Calls must not overlap.

    account: on whose channel news are told. partition: what is written lies there, under a lease of its own, beside
    the mail of the account.
    """

    def __init__(
        self,
        store: Store,
        account: str,
        partition: str,
        form: Form[Index, Place],
        retry_seconds: float = RETRY_SECONDS,
    ) -> None:
        self._store = store
        self._owner = account
        self._account = partition
        self._form = form
        self._retry_seconds = retry_seconds
        self._lease: Lease | None = None
        self._seen: bytes | None = None
        self._stored_seq = 0
        self._whole = True
        self._retry_at = 0.0
        self.detached = False

    async def load(self, keep: int) -> tuple[Index, Journal] | None:
        """What is stored, or None where nothing usable is."""
        self._whole, self._lease, self._seen = True, None, None
        try:
            self._seen = await self._head()
            index, journal = await persist.load(self._form, self._store, self._account, self._seen, keep)
        except Damaged:
            return None
        except StoreUnavailable:
            self._detach()
            return None
        self._stored_seq = journal.seq
        self._whole = self.detached = False
        return index, journal

    async def settings(self) -> Settings:
        """What clients set, where nothing else that is stored is usable."""
        try:
            (value,) = await self._store.read([self._form.settings_key(self._account)])
        except StoreUnavailable:
            return {}
        return persist.read_settings(value)

    def settings_write(self, settings: Settings) -> Write:
        """What makes settings durable."""
        return persist.settings_write(self._form, self._account, settings)

    async def is_current(self) -> bool:
        """Whether nobody else has written since; true also while that cannot be known."""
        if not self._store.shared or self.detached:
            return True
        try:
            return await self._head() == self._seen
        except StoreUnavailable:
            return True

    def wants_all(self) -> bool:
        """Whether all is to be written anew: the store lost it, or was away and should be tried again."""
        return self._whole and (not self.detached or self._is_overdue())

    def _is_overdue(self) -> bool:
        return asyncio.get_running_loop().time() >= self._retry_at

    async def commit(
        self,
        index: Index,
        journal: Journal,
        places: Iterable[Place],
        record: Record | None,
        beside: Sequence[Write] = (),
    ) -> None:
        """Make an index durable whose journal holds the record already. Raises Superseded.

        The journal gets a new epoch where the store lost the old one or cannot take the record. beside: what must be
        stored with it; raises Unavailable where that cannot be.
        """
        if self.detached and not self._is_overdue():
            if beside:
                raise Unavailable("the store did not answer a moment ago")
            return
        try:
            await self._commit(index, journal, list(places), record, beside)
        except StoreUnavailable as error:
            if beside:
                raise Unavailable("the store does not answer") from error
            if not self.detached:
                _log.warning("store unavailable; %s goes on in memory: %s", self._form.types[0], error)
                journal.branch(self._common(journal))
            self._detach()

    async def publish(self, journal: Journal, types: Iterable[str]) -> None:
        """Tell all replicas the new states of some types."""
        await tell(self._store, self._owner, {name: journal.state(name) for name in types})

    async def _commit(
        self, index: Index, journal: Journal, places: list[Place], record: Record | None, beside: Sequence[Write]
    ) -> None:
        for _ in range(3):
            stored = await self._head()
            if stored != self._seen:
                if stored is not None:
                    raise Superseded
                if not self._whole:
                    _log.warning("the store lost each %s; written anew under a new epoch", self._form.types[0])
                    journal.renew()
                self._whole = True
            if self._lease is None:
                self._lease = await self._store.lease(self._account)
                continue  # whoever held the lease before may have written until this moment
            journal.enter(self._lease.history, self._common(journal))
            size = LARGE if self._whole else len(places) * WEIGHT
            head, writes = await aside(size, partial(self._writes, index, journal, places, record))
            try:
                await self._store.commit(self._account, [*writes, *beside], self._lease)
            except LeaseLost:
                self._lease = None
                continue
            self._seen, self._stored_seq = head, journal.seq
            self._whole = self.detached = False
            return
        raise Superseded

    def _common(self, journal: Journal) -> int:
        """See `gateway.sync.committer`."""
        return journal.seq if self._whole else self._stored_seq

    def _writes(
        self, index: Index, journal: Journal, places: list[Place], record: Record | None
    ) -> tuple[bytes, list[Write]]:
        """The head, and all that is to be written."""
        head = persist.head_value(self._form, index, journal)
        writes: list[Write] = [Put(self._form.head_key(self._account), head)]
        if self._whole:
            return head, [*writes, *persist.everything(self._form, self._account, index, journal)]
        writes += persist.changed(self._form, self._account, index, places)
        if record is not None:
            writes += persist.appended(self._form, self._account, journal, record)
        return head, writes

    async def _head(self) -> bytes | None:
        (value,) = await self._store.read([self._form.head_key(self._account)])
        return value

    def _detach(self) -> None:
        self.detached = True
        self._whole = True
        self._lease = None
        self._retry_at = asyncio.get_running_loop().time() + self._retry_seconds
