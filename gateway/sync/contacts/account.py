"""The address books of one account: what every request of its logins reads, refreshed by one pass at a time."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any, Final

from adapters.errors import Unavailable, Unsupported
from adapters.ports.contacts import ContactsFacts, ContactsPort
from adapters.ports.watch import Watched
from gateway.store.base import Store
from gateway.sync.contacts.edit import Edit
from gateway.sync.contacts.index import TYPES, Ids, Index, Place, Resource
from gateway.sync.contacts.refresh import look
from gateway.sync.journal import ChangeSet, Journal
from gateway.sync.pace import Shared
from gateway.sync.telling import tell

JOURNAL_KEEP: Final = 10_000


class ContactsAccount:
    """The address books of one owner.

    account_id: what all that is kept lies under. namespace: what ids are derived with. port: replaced when another
    login's credentials take over. `index` and `journal` are replaced, never changed, by a commit: a reader that takes
    one keeps a consistent view.
    """

    def __init__(
        self, account_id: str, namespace: str, port: ContactsPort, store: Store, *, journal_keep: int = JOURNAL_KEEP
    ) -> None:
        self.id = account_id
        self.port = port
        self.ids = Ids(namespace)
        self.index = Index()
        self.journal = Journal(journal_keep, TYPES)
        self._store = store
        self._facts: ContactsFacts | None = None
        self._fresh = True
        self._writing = asyncio.Lock()
        self._passes = Shared(self._pass)

    @property
    def watched(self) -> Watched:
        """CardDAV gives no hints: what others do is found by looking."""
        return "nothing"

    def hints(self) -> AsyncGenerator[None, None]:
        """There are none. Raises Unsupported."""
        raise Unsupported("CardDAV gives no hints")

    @property
    def facts(self) -> ContactsFacts:
        """What the backend turned out to be. Raises Unavailable before the first pass."""
        if self._facts is None:
            raise Unavailable("not open")
        return self._facts

    def adopt(self, facts: ContactsFacts) -> None:
        """The backend is known already."""
        self._facts = facts

    def state(self, *type_names: str) -> str:
        """The state string of a type, or of several together."""
        return self.journal.state(*type_names)

    def changes(self, type_name: str, since: str, max_changes: int | None = None) -> ChangeSet:
        """RFC 8620 §5.2. Raises CannotCalculateChanges."""
        return self.journal.changes(type_name, since, max_changes)

    async def learn(self) -> ContactsFacts:
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
            edit = Edit(self.index, self.ids)
            for place, resource in changes.items():
                if resource is None:
                    edit.drop(place)
                else:
                    edit.put(place, resource)
            await self._commit(edit)

    async def set_settings(self, edit: Callable[[dict[str, dict[str, Any]]], None]) -> None:
        """Change what is kept beside the server; durable when this returns. Raises Unavailable."""
        async with self._writing:
            settings = {key: dict(value) for key, value in self.index.settings.items()}
            edit(settings)
            change = Edit(self.index, self.ids)
            change.set_settings({key: value for key, value in settings.items() if value})
            await self._commit(change)

    async def _pass(self) -> None:
        if self._facts is None:
            await self.learn()
        async with self._writing:
            await self._commit(await look(self.index, self.port, self.ids))

    async def _commit(self, edit: Edit) -> None:
        index, changes = edit.settle(self._facts)
        journal = self.journal.fork()
        record = journal.record({} if self._fresh else changes)
        if len(record):
            journal.append(record)
        told = TYPES if self._fresh else tuple(record.types)
        self._fresh = False
        self.index, self.journal = index, journal
        await tell(self._store, self.id, {name: journal.state(name) for name in told})
