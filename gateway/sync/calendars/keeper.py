"""Carries an account's index into the store: one fenced commit per pass, and what to do when the store is another.

- The store lost the head: everything is written anew under a new epoch.
- The store cannot be reached: the account lives on in memory, under an epoch that is never mistaken for a stored one.
- Somebody else wrote: `Superseded`; the caller loads what they wrote and tries again.
- The store may have lost the last commits: a new epoch, as `gateway.sync.committer` has it.
"""

import asyncio
import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from adapters.errors import Unavailable
from gateway.store.base import Lease, LeaseLost, Put, Store, StoreUnavailable, Write
from gateway.sync.calendars import persist
from gateway.sync.calendars.index import Index, Place, Settings
from gateway.sync.calendars.personal import Personal
from gateway.sync.codec import Damaged
from gateway.sync.committer import RETRY_SECONDS, Superseded
from gateway.sync.journal import Journal, Record
from gateway.sync.telling import tell

_log: Final = logging.getLogger(__name__)


class Keeper:
    """One account's way into the store. Calls must not overlap."""

    def __init__(self, store: Store, account: str, namespace: str, retry_seconds: float = RETRY_SECONDS) -> None:
        self._store = store
        self._owner = account
        self._account = f"{account}-calendars"  # a partition, and a lease, beside those of the mail
        self._namespace = namespace
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
            index, journal = await persist.load(self._store, self._account, self._seen, self._namespace, keep)
            settings = await self._settings()
        except Damaged:
            return None
        except StoreUnavailable:
            self._detach()
            return None
        self._stored_seq = journal.seq
        self._whole = self.detached = False
        return replace(index, settings=settings), journal

    async def settings(self) -> Settings:
        """What clients set, where nothing else that is stored is usable."""
        try:
            return await self._settings()
        except StoreUnavailable:
            return {}

    async def personal(self) -> Mapping[str, Personal]:
        """What the user has of events for himself, where nothing else that is stored is usable."""
        try:
            return await persist.load_personal(self._store, self._account)
        except StoreUnavailable:
            return {}

    async def save_personal(self, changed: Mapping[str, Personal]) -> None:
        """Make what the user has of events for himself durable; by event id. Raises Unavailable."""
        writes = [persist.personal_write(self._account, event_id, personal) for event_id, personal in changed.items()]
        try:
            await self._store.commit(self._account, writes)
        except StoreUnavailable as error:
            raise Unavailable("the store does not answer") from error

    async def save_settings(self, settings: Settings) -> None:
        """Make settings durable before they are answered. Raises Unavailable."""
        try:
            await self._store.commit(self._account, [persist.settings_write(self._account, settings)])
        except StoreUnavailable as error:
            raise Unavailable("the store does not answer") from error

    async def is_current(self) -> bool:
        """Whether nobody else has written since; true also while that cannot be known."""
        if not self._store.shared or self.detached:
            return True
        try:
            return await self._head() == self._seen
        except StoreUnavailable:
            return True

    def overdue(self) -> bool:
        """Whether a store that was away should be tried again."""
        return self.detached and asyncio.get_running_loop().time() >= self._retry_at

    async def commit(self, index: Index, journal: Journal, places: Iterable[Place], record: Record | None) -> None:
        """Make an index durable whose journal holds the record already. Raises Superseded.

        The journal gets a new epoch where the store lost the old one or cannot take the record.
        """
        if self.detached and not self.overdue():
            return
        try:
            await self._commit(index, journal, list(places), record)
        except StoreUnavailable as error:
            if not self.detached:
                _log.warning("store unavailable; the calendars go on in memory: %s", error)
                journal.branch(self._common(journal))
            self._detach()

    async def publish(self, journal: Journal, types: Iterable[str]) -> None:
        """Tell all replicas the new states of some types."""
        await tell(self._store, self._owner, {name: journal.state(name) for name in types})

    async def _commit(self, index: Index, journal: Journal, places: list[Place], record: Record | None) -> None:
        for _ in range(3):
            stored = await self._head()
            if stored != self._seen:
                if stored is not None:
                    raise Superseded
                if not self._whole:
                    _log.warning("the store lost this account's calendars; writing them anew under a new epoch")
                    journal.renew()
                self._whole = True
            if self._lease is None:
                self._lease = await self._store.lease(self._account)
                continue  # whoever held the lease before may have written until this moment
            journal.enter(self._lease.history, self._common(journal))
            head = persist.head_value(index, journal, self._namespace)
            writes = [Put(persist.head_key(self._account), head), *self._writes(index, journal, places, record)]
            try:
                await self._store.commit(self._account, writes, self._lease)
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

    def _writes(self, index: Index, journal: Journal, places: list[Place], record: Record | None) -> Iterable[Write]:
        if self._whole:
            yield from persist.everything(self._account, index, journal)
            return
        yield from persist.changed(self._account, index, places)
        if record is not None:
            yield from persist.appended(self._account, journal, record)

    async def _head(self) -> bytes | None:
        (value,) = await self._store.read([persist.head_key(self._account)])
        return value

    async def _settings(self) -> Settings:
        (value,) = await self._store.read([persist.settings_key(self._account)])
        return persist.read_settings(value)

    def _detach(self) -> None:
        self.detached = True
        self._whole = True
        self._lease = None
        self._retry_at = asyncio.get_running_loop().time() + self._retry_seconds
