"""The calendars of one account: what every request of its logins reads, refreshed by one pass at a time."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from adapters.errors import Unavailable, Unsupported
from adapters.formats.jscalendar.participants import normal_address
from adapters.ports.calendars import CalendarFacts, CalendarPort, TimeRange
from adapters.ports.watch import Watched
from gateway.store.base import Store
from gateway.sync.calendars.edit import Edit
from gateway.sync.calendars.index import (
    CALENDAR,
    EVENT,
    IDENTITY,
    NOTIFICATION,
    TYPES,
    Ids,
    Index,
    Place,
    Resource,
    is_subscribed,
)
from gateway.sync.calendars.keeper import Keeper
from gateway.sync.calendars.mail_alerts import MailAlerts
from gateway.sync.calendars.notices import keep_notices
from gateway.sync.calendars.personal import Personal
from gateway.sync.calendars.refresh import look, look_at
from gateway.sync.calendars.shares import SHARE
from gateway.sync.calendars.whose import Whose, everybodys
from gateway.sync.committer import RETRY_SECONDS, Superseded
from gateway.sync.journal import Changes, ChangeSet, Journal
from gateway.sync.ledger import Ledger
from gateway.sync.pace import ATTEMPTS, Shared, stand_back

_log: Final = logging.getLogger(__name__)

JOURNAL_KEEP: Final = 10_000
REST_SECONDS: Final = 0.2
"""After a glance: the answer that it was for comes before the rest is read."""


class CalendarAccount:
    """The calendars of one owner.

    account_id: what all that is kept lies under. namespace: what ids are derived with. whose: which of the home's
    calendars are the account's, by default all. port: replaced when another login's credentials take over.
    is_expected: whether the user is subscribed to any of them, as far as is known before the first look.
    `index` and `journal` are replaced, never changed, by a commit: a reader that takes one keeps a consistent view.
    ledger: what the gateway itself is the keeper of: identities, notifications.
    mail_alerts: who sends the mail of alerts, None where nobody does.
    """

    def __init__(
        self,
        account_id: str,
        namespace: str,
        port: CalendarPort,
        store: Store,
        *,
        whose: Whose | None = None,
        journal_keep: int = JOURNAL_KEEP,
        store_retry_seconds: float = RETRY_SECONDS,
    ) -> None:
        self.id = account_id
        self.port = port
        self.whose = whose or everybodys(account_id)
        self.ids = Ids(namespace, self.whose.principals)
        self.is_expected = True
        self.mail_alerts: MailAlerts | None = None
        self.index = Index()
        self.journal = Journal(journal_keep, TYPES)
        self.ledger = Ledger(store, account_id, (IDENTITY, NOTIFICATION, SHARE), "-calendar")
        self._keep = journal_keep
        self._keeper = Keeper(store, account_id, namespace, store_retry_seconds)
        self._facts: CalendarFacts | None = None
        self._loaded = False
        self._fresh = True
        self._rest: asyncio.TimerHandle | None = None
        self._whole_wanted = False
        self._glanced: tuple[TimeRange, ...] | None = None
        self._writing = asyncio.Lock()
        self._passes = Shared(self._pass)

    @property
    def watched(self) -> Watched:
        """CalDAV gives no hints: what others do is found by looking."""
        return "nothing"

    def hints(self) -> AsyncGenerator[None, None]:
        """There are none. Raises Unsupported."""
        raise Unsupported("CalDAV gives no hints")

    @property
    def facts(self) -> CalendarFacts:
        """What the backend turned out to be. Raises Unavailable before the first pass."""
        if self._facts is None:
            raise Unavailable("not open")
        return self._facts

    def adopt(self, facts: CalendarFacts) -> None:
        """The backend is known already."""
        self._facts = facts

    @property
    def is_subscribed(self) -> bool:
        """Whether the user is subscribed to any of the calendars; before the first look `is_expected` says it."""
        held = self.index.calendars
        if not held:
            return self.is_expected
        return any(is_subscribed(self.index, calendar_id) for calendar_id in held)

    def state(self, *type_names: str) -> str:
        """The state string of a type, or of several together."""
        return self.journal.state(*type_names)

    def changes(self, type_name: str, since: str, max_changes: int | None = None) -> ChangeSet:
        """RFC 8620 §5.2. Raises CannotCalculateChanges."""
        return self.journal.changes(type_name, since, max_changes)

    async def learn(self) -> CalendarFacts:
        """Ask the backend what it is, again if need be. Raises adapters.errors."""
        self._facts = await self.port.open()
        return self._facts

    async def glance(self, window: TimeRange | None, *, again: bool) -> bool:
        """Look at the calendars, and what lies in a window, while nothing is known yet; the rest is read meanwhile.

        Answers whether that is all that is known now: `index` has all calendars and, of the events, those that the
        server finds in the window (None: none). False: call `refresh`. again: the calendars were glanced at for the
        same request. There is one glance: what was seen must not change under the state that it was given out with.
        Raises adapters.errors.
        """
        if self._may_glance(again=again):
            async with self._writing:
                if self._facts is None:
                    await self.learn()
                if not self._loaded:
                    await self._load()
                if not self._may_glance(again=again):
                    return False
                edit = await look_at(self.index, self.port, self.ids, self.whose.shows, window)
                self.index, _ = edit.settle(self._facts)
                self._glanced = (*(self._glanced or ()), *(() if window is None else (window,)))
            loop = asyncio.get_running_loop()
            self._rest = self._rest or loop.call_later(REST_SECONDS, self._passes.start)
            return True
        return False

    def _may_glance(self, *, again: bool) -> bool:
        return self._fresh and (self._glanced is None or (again and not self._glanced))

    async def refresh(self, *, whole: bool = True) -> None:
        """Return when a pass that started after this call has been committed. Raises adapters.errors.

        whole: a pass that looks also at what only a Calendar shows: its properties and rights.
        """
        self._whole_wanted |= whole
        await self._passes()

    async def close(self) -> None:
        """Stop all work. The port and the store are the caller's."""
        if self._rest is not None:
            self._rest.cancel()
        await self._passes.close()

    async def advance(self, changes: Mapping[Place, Resource | None]) -> None:
        """Enter what was written through this account's port just now and the server has confirmed."""

        def enter(edit: Edit) -> None:
            for place, resource in changes.items():
                if resource is None:
                    edit.drop(place)
                else:
                    edit.put(place, resource)

        await self._change(enter)

    async def set_settings(self, edit: Callable[[dict[str, dict[str, Any]]], None]) -> None:
        """Change what is kept beside the server; durable when this returns. Raises Unavailable."""

        def enter(change: Edit) -> None:
            change.set_settings(settings)

        async with self._writing:
            settings = {key: dict(value) for key, value in self.index.settings.items()}
            edit(settings)
            settings = {key: value for key, value in settings.items() if value}
            await self._keeper.save_settings(settings)
        await self._change(enter)

    async def set_personal(self, event_id: str, uid: str, personal: Personal) -> None:
        """Change what the user has of an event for himself; durable when this returns. Raises Unavailable."""

        def enter(change: Edit) -> None:
            change.put_personal(event_id, uid, personal)

        async with self._writing:
            await self._keeper.save_personal({event_id: personal})
        await self._change(enter)

    # The pass

    async def _pass(self) -> None:
        whole, self._whole_wanted = self._whole_wanted, False
        if self._rest is not None:
            self._rest.cancel()
        if self._facts is None:
            await self.learn()
        async with self._writing:
            for attempt in range(ATTEMPTS):
                if not self._loaded:
                    await self._load()
                base, fresh = self.index, self._fresh
                try:
                    changes = await self._commit(await look(base, self.port, self.ids, self.whose.shows, whole=whole))
                except Superseded:
                    _log.info("another writer was first; loading what it wrote")
                    self._loaded = False
                    await stand_back(attempt)
                else:
                    if not fresh:
                        own = frozenset(map(normal_address, self.facts.addresses))
                        await keep_notices(self.ledger, base, self.index, changes, own)
                    return
        raise Unavailable("other writers were first each time")

    async def _change(self, enter: Callable[[Edit], None]) -> None:
        """Commit an edit of what is known by now; where another writer was first the next pass finds it all."""
        async with self._writing:
            edit = Edit(self.index, self.ids)
            enter(edit)
            try:
                await self._commit(edit)
            except Superseded:
                self._loaded = False
        if not self._loaded:
            await self.refresh()

    async def _load(self) -> None:
        stored = await self._keeper.load(self._keep)
        if stored is not None:
            self.index, self.journal = stored
            self._fresh = False
            await self._plan_mail(None)
        elif not self._fresh:
            # what another writer wrote cannot be read: what is in memory counts, under a new epoch
            self.journal = self.journal.fork()
            self.journal.renew()
        else:
            settings, personal = await self._keeper.settings(), await self._keeper.personal()
            self.index = replace(self.index, settings=settings, personal=personal)
        self._loaded = True

    async def _commit(self, edit: Edit) -> Mapping[str, Changes]:
        """Commit, then show, then tell; what changed by type. Raises Superseded."""
        index, changes = edit.settle(self._facts)
        index = await self._without_gone(index, changes)
        same = (
            (index.personal is self.index.personal)
            and (index.foreign == self.index.foreign)
            and not any(map(len, changes.values()))
        )
        if same and not (edit.touched or edit.moved or self._fresh):
            if self._keeper.overdue():
                journal = self.journal.fork()
                await self._keeper.commit(index, journal, (), None)
                await self._show(index, journal, ())
            elif not await self._keeper.is_current():
                raise Superseded
            return changes
        journal = self.journal.fork()
        record = journal.record(self._first_changes(index, changes) if self._fresh else changes)
        if len(record):
            journal.append(record)
        await self._keeper.commit(index, journal, edit.touched, record if len(record) else None)
        # Who listens already may have missed what came before anything was seen: the first states are news.
        unseen = self._fresh and self._glanced is None
        self._fresh = False
        await self._show(index, journal, TYPES if unseen else record.types)
        await self._plan_mail(None if unseen else changes)
        return changes

    async def _plan_mail(self, changes: Mapping[str, Changes] | None) -> None:
        """Have alerts sent that are new; None: that are to be sent at all. Default alerts are for all events."""
        if self.mail_alerts is None:
            return
        events = None if changes is None else changes.get(EVENT, Changes())
        if changes is not None and len(changes.get(CALENDAR, Changes())):
            await self.mail_alerts.follow(self.index, self.index.events)
        elif events is None or events.created or events.updated:
            await self.mail_alerts.follow(self.index, None if events is None else [*events.created, *events.updated])

    async def _without_gone(self, index: Index, changes: Mapping[str, Changes]) -> Index:
        """Forget what the user had of events that are gone."""
        gone = index.personal.keys() & {*changes.get(EVENT, Changes()).destroyed}
        if not gone:
            return index
        try:
            await self._keeper.save_personal({key: {} for key in gone})
        except Unavailable as error:
            _log.warning("what a user had of events could not be forgotten: %s", error)
        return replace(index, personal={key: value for key, value in index.personal.items() if key not in gone})

    def _first_changes(self, index: Index, changes: Mapping[str, Changes]) -> Mapping[str, Changes]:
        """What the first pass tells: states from before it were given out with what was glanced at, and nothing else.

        What lies in a window and was not seen there may have come since.
        """
        if self._glanced is None:
            return {}
        found = changes.get(EVENT, Changes())
        created = [key for key in found.created if any(_touches(index, key, window) for window in self._glanced)]
        return {**changes, EVENT: Changes(created, found.updated, [], found.destroyed)}

    async def _show(self, index: Index, journal: Journal, types: Iterable[str]) -> None:
        renewed = journal.epoch != self.journal.epoch
        self.index, self.journal = index, journal
        told = list(TYPES) if renewed else list(types)
        if told:
            await self._keeper.publish(journal, told)


def _touches(index: Index, event_id: str, window: TimeRange) -> bool:
    """Whether an event may lie in a window."""
    entry = index.events[event_id].entry
    before = window.end is None or entry.first < window.end.timestamp()
    return before and (window.start is None or entry.last >= window.start.timestamp())
