"""The collections of one account: what every request of its logins reads, refreshed by one pass at a time."""

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from functools import partial
from typing import Any, Final, Generic, Protocol, TypeVar

from adapters.errors import Unavailable, Unsupported
from adapters.ports.watch import Watched
from gateway.store.base import Store
from gateway.sync.collections.draft import Draft
from gateway.sync.collections.index import Facts, Index, Place, Resource, Settings
from gateway.sync.collections.keeper import WEIGHT, Keeper
from gateway.sync.collections.persist import Form
from gateway.sync.committer import Superseded
from gateway.sync.journal import Changes, ChangeSet, Journal
from gateway.sync.pace import ATTEMPTS, Shared, aside, stand_back

_log: Final = logging.getLogger(__name__)

JOURNAL_KEEP: Final = 10_000

Facts_co = TypeVar("Facts_co", covariant=True)


class Port(Protocol[Facts_co]):
    """What is asked of every port."""

    async def open(self) -> Facts_co:
        """Prove the credentials, learn the backend's powers. Raises adapters.errors."""
        ...


class CollectionsAccount(ABC, Generic[Index, Place, Resource, Facts]):
    """The calendars, or the address books, of one owner.

    account_id: what all that is kept lies under, apart from others by `suffix`. port: replaced when another login's
    credentials take over. `index` and `journal` are replaced, never changed, by a commit: a reader that takes one
    keeps a consistent view.
    """

    def __init__(
        self,
        account_id: str,
        suffix: str,
        port: Port[Facts],
        store: Store,
        form: Form[Index, Place],
        index: Index,
        journal_keep: int,
        store_retry_seconds: float,
    ) -> None:
        self.id = account_id
        self.port = port
        self.index = index
        self.journal = Journal(journal_keep, form.types)
        self._types = form.types
        self._keep = journal_keep
        self._keeper = Keeper(store, account_id, account_id + suffix, form, store_retry_seconds)
        self._facts: Facts | None = None
        self._loaded = False
        self._fresh = True
        self._writing = asyncio.Lock()
        self._passes = Shared(self._pass)

    @property
    def watched(self) -> Watched:
        """DAV gives no hints: what others do is found by looking."""
        return "nothing"

    def hints(self) -> AsyncGenerator[None, None]:
        """There are none. Raises Unsupported."""
        raise Unsupported("DAV gives no hints")

    @property
    def facts(self) -> Facts:
        """What the backend turned out to be. Raises Unavailable before the first pass."""
        if self._facts is None:
            raise Unavailable("not open")
        return self._facts

    def adopt(self, facts: Facts) -> None:
        """The backend is known already."""
        self._facts = facts

    def state(self, *type_names: str) -> str:
        """The state string of a type, or of several together."""
        return self.journal.state(*type_names)

    def changes(self, type_name: str, since: str, max_changes: int | None = None) -> ChangeSet:
        """RFC 8620 §5.2. Raises CannotCalculateChanges."""
        return self.journal.changes(type_name, since, max_changes)

    async def learn(self) -> Facts:
        """Ask the backend what it is, again if need be. Raises adapters.errors."""
        self._facts = await self.port.open()
        return self._facts

    async def refresh(self) -> None:
        """Return when a pass that started after this call has been committed. Raises adapters.errors."""
        await self._passes()

    async def close(self) -> None:
        """Stop all work. The port and the store are the caller's."""
        await self._passes.close()

    async def advance(self, changes: Mapping[Place, Resource | None]) -> None:
        """Enter what was written through this account's port just now and the server has confirmed."""
        async with self._writing:
            edit = self._edit()
            for place, resource in changes.items():
                if resource is None:
                    edit.drop(place)
                else:
                    edit.put(place, resource)
            await self._enter(edit)
        await self._catch_up()

    async def set_settings(self, edit: Callable[[dict[str, dict[str, Any]]], None]) -> None:
        """Change what is kept beside the server; durable when this returns. Raises Unavailable.

        edit: is called again, with what another writer made of it, where that one was first.
        """

        async def change() -> Draft[Index, Place, Resource, Facts]:
            settings = {key: dict(value) for key, value in self.index.settings.items()}
            edit(settings)
            settings = {key: value for key, value in settings.items() if value}
            draft = self._edit()
            draft.set_settings(settings)
            draft.beside.append(self._keeper.settings_write(settings))
            return draft

        async with self._writing:
            await self._surely(change)

    # What differs

    @abstractmethod
    def _edit(self) -> Draft[Index, Place, Resource, Facts]:
        """An edit of what is known by now."""

    @abstractmethod
    async def _look(self) -> Draft[Index, Place, Resource, Facts]:
        """What the server holds now, as an edit of what is known. Raises adapters.errors."""

    @abstractmethod
    async def _begin(self, settings: Settings) -> Index:
        """The index to begin with: nothing but what cannot be read from the server again."""

    async def _settle(self, edit: Draft[Index, Place, Resource, Facts]) -> tuple[Index, Mapping[str, Changes]]:
        return await aside(len(edit.touched) * WEIGHT, partial(edit.settle, self._facts))

    def _is_news(self, index: Index, changes: Mapping[str, Changes]) -> bool:
        """Whether an index, with what changed for clients, is worth a commit."""
        return any(map(len, changes.values()))

    def _first_changes(self, index: Index, changes: Mapping[str, Changes]) -> Mapping[str, Changes] | None:
        """What the first pass tells; None where no state from before it was given out."""
        return None

    async def _follow(self, changes: Mapping[str, Changes] | None) -> None:
        """Do what a commit entails. None: all is new."""

    async def _heed(self, base: Index, changes: Mapping[str, Changes]) -> None:
        """Do what is entailed by what others did since `base`."""

    # The pass

    async def _pass(self) -> None:
        if self._facts is None:
            await self.learn()
        async with self._writing:
            base, changes = await self._surely(self._look)
            if base is not None:
                await self._heed(base, changes)

    async def _surely(
        self, make: Callable[[], Awaitable[Draft[Index, Place, Resource, Facts]]]
    ) -> tuple[Index | None, Mapping[str, Changes]]:
        """Commit what is made of what is known, anew where another writer was first.

        What was known before, None for nothing, and what changed. Raises Unavailable, what `make` raises.
        """
        for attempt in range(ATTEMPTS):
            if not self._loaded:
                await self._load()
            base = None if self._fresh else self.index
            try:
                return base, await self._commit(await make())
            except Superseded:
                _log.info("another writer was first; loading what it wrote")
                self._loaded = False
                await stand_back(attempt)
        raise Unavailable("other writers were first each time")

    async def _enter(self, edit: Draft[Index, Place, Resource, Facts]) -> None:
        """Commit an edit of what is known; where another writer was first `_catch_up` finds it all."""
        try:
            await self._commit(edit)
        except Superseded:
            self._loaded = False

    async def _catch_up(self) -> None:
        if not self._loaded:
            await self.refresh()

    async def _load(self) -> None:
        stored = await self._keeper.load(self._keep)
        if stored is not None:
            self.index, self.journal = stored
            self._fresh = False
            await self._follow(None)
        elif not self._fresh:
            # what another writer wrote cannot be read: what is in memory counts, under a new epoch
            journal = self.journal.fork()
            journal.renew()
            await self._show(self.index, journal, ())
        else:
            self.index = await self._begin(await self._keeper.settings())
        self._loaded = True

    async def _commit(self, edit: Draft[Index, Place, Resource, Facts]) -> Mapping[str, Changes]:
        """Commit, then show, then tell; what changed by type. Raises Superseded."""
        index, changes = await self._settle(edit)
        if not (edit.touched or edit.moved or edit.beside or self._fresh or self._is_news(index, changes)):
            if self._keeper.wants_all():
                journal = self.journal.fork()
                await self._keeper.commit(index, journal, (), None)
                await self._show(index, journal, ())
            elif not await self._keeper.is_current():
                raise Superseded
            return changes
        told = self._first_changes(index, changes) if self._fresh else changes
        journal = self.journal.fork()
        record = journal.record(told or {})
        if len(record):
            journal.append(record)
        await self._keeper.commit(index, journal, edit.touched, record if len(record) else None, edit.beside)
        self._fresh = False
        # Who listens already may have missed what came before anything was seen: the first states are news.
        await self._show(index, journal, self._types if told is None else record.types)
        await self._follow(None if told is None else changes)
        return changes

    async def _show(self, index: Index, journal: Journal, types: Iterable[str]) -> None:
        renewed = journal.epoch != self.journal.epoch
        self.index, self.journal = index, journal
        told = list(self._types if renewed else types)
        if told:
            await self._keeper.publish(journal, told)
