"""The calendars of one account."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from adapters.errors import Unavailable
from adapters.formats.jscalendar.participants import normal_address
from adapters.ports.calendars import CalendarFacts, CalendarPort, TimeRange
from gateway.store.base import Store, StoreUnavailable
from gateway.sync.calendars.edit import Edit
from gateway.sync.calendars.index import (
    CALENDAR,
    EVENT,
    IDENTITY,
    NOTIFICATION,
    Ids,
    Index,
    Place,
    Resource,
    is_subscribed,
)
from gateway.sync.calendars.mail_alerts import MailAlerts
from gateway.sync.calendars.notices import keep_notices
from gateway.sync.calendars.persist import CalendarForm, Personals
from gateway.sync.calendars.personal import Personal
from gateway.sync.calendars.refresh import look, look_at
from gateway.sync.calendars.shares import SHARE
from gateway.sync.calendars.whose import Whose, everybodys
from gateway.sync.collections.account import JOURNAL_KEEP, CollectionsAccount
from gateway.sync.collections.draft import Draft
from gateway.sync.collections.index import Settings
from gateway.sync.committer import RETRY_SECONDS
from gateway.sync.journal import Changes
from gateway.sync.ledger import Ledger

_log: Final = logging.getLogger(__name__)

REST_SECONDS: Final = 0.2
"""After a glance: the answer that it was for comes before the rest is read."""
SUFFIX: Final = "-calendars"


class CalendarAccount(CollectionsAccount[Index, Place, Resource, CalendarFacts]):
    """The calendars of one owner.

    namespace: what ids are derived with. whose: which of the home's calendars are the account's, by default all.
    is_expected: whether the user is subscribed to any of them, as far as is known before the first look.
    ledger: what the gateway itself is the keeper of: identities, notifications.
    mail_alerts: who sends the mail of alerts, None where nobody does.
    """

    port: CalendarPort

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
        self._personals = Personals(store, account_id + SUFFIX)
        form = CalendarForm(namespace, self._personals)
        super().__init__(account_id, SUFFIX, port, store, form, Index(), journal_keep, store_retry_seconds)
        self.whose = whose or everybodys(account_id)
        self.ids = Ids(namespace, self.whose.principals)
        self.is_expected = True
        self.mail_alerts: MailAlerts | None = None
        self.ledger = Ledger(store, account_id, (IDENTITY, NOTIFICATION, SHARE), "-calendar")
        self._rest: asyncio.TimerHandle | None = None
        self._whole = False
        self._whole_wanted = False
        self._glanced: tuple[TimeRange, ...] | None = None

    @property
    def is_subscribed(self) -> bool:
        """Whether the user is subscribed to any of the calendars; before the first look `is_expected` says it."""
        held = self.index.calendars
        if not held:
            return self.is_expected
        return any(is_subscribed(self.index, calendar_id) for calendar_id in held)

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
        await super().close()

    async def set_personal(self, event_id: str, uid: str, personal: Personal) -> None:
        """Change what the user has of an event for himself; durable when this returns. Raises Unavailable."""

        async def change() -> Edit:
            edit = self._edit()
            edit.put_personal(event_id, uid, personal)
            edit.beside.append(self._personals.write(event_id, personal))
            return edit

        async with self._writing:
            await self._surely(change)

    # The pass

    def _edit(self) -> Edit:
        return Edit(self.index, self.ids)

    async def _pass(self) -> None:
        self._whole, self._whole_wanted = self._whole_wanted, False
        if self._rest is not None:
            self._rest.cancel()
        await super()._pass()

    async def _look(self) -> Edit:
        return await look(self.index, self.port, self.ids, self.whose.shows, whole=self._whole)

    async def _heed(self, base: Index, changes: Mapping[str, Changes]) -> None:
        own = frozenset(map(normal_address, self.facts.addresses))
        await keep_notices(self.ledger, base, self.index, changes, own)

    async def _begin(self, settings: Settings) -> Index:
        try:
            personal = await self._personals.load()
        except StoreUnavailable:
            personal = {}
        return replace(self.index, settings=settings, personal=personal)

    async def _follow(self, changes: Mapping[str, Changes] | None) -> None:
        """Have alerts sent that are new; None: that are to be sent at all. Default alerts are for all events."""
        if self.mail_alerts is None:
            return
        events = None if changes is None else changes.get(EVENT, Changes())
        if changes is not None and len(changes.get(CALENDAR, Changes())):
            await self.mail_alerts.follow(self.index, self.index.events)
        elif events is None or events.created or events.updated:
            await self.mail_alerts.follow(self.index, None if events is None else [*events.created, *events.updated])

    async def _settle(self, edit: Draft[Index, Place, Resource, CalendarFacts]) -> tuple[Index, Mapping[str, Changes]]:
        """Forget also what the user had of events that are gone."""
        index, changes = await super()._settle(edit)
        gone = index.personal.keys() & {*changes.get(EVENT, Changes()).destroyed}
        if not gone:
            return index, changes
        try:
            await self._personals.forget(gone)
        except Unavailable as error:
            _log.warning("what a user had of events could not be forgotten: %s", error)
        kept = {key: value for key, value in index.personal.items() if key not in gone}
        return replace(index, personal=kept), changes

    def _is_news(self, index: Index, changes: Mapping[str, Changes]) -> bool:
        is_same = index.personal is self.index.personal and index.foreign == self.index.foreign
        return not is_same or super()._is_news(index, changes)

    def _first_changes(self, index: Index, changes: Mapping[str, Changes]) -> Mapping[str, Changes] | None:
        """What the first pass tells: states from before it were given out with what was glanced at, and nothing else.

        What lies in a window and was not seen there may have come since.
        """
        if self._glanced is None:
            return None
        found = changes.get(EVENT, Changes())
        created = [key for key in found.created if any(_touches(index, key, window) for window in self._glanced)]
        return {**changes, EVENT: Changes(created, found.updated, [], found.destroyed)}


def _touches(index: Index, event_id: str, window: TimeRange) -> bool:
    """Whether an event may lie in a window."""
    entry = index.events[event_id].entry
    before = window.end is None or entry.first < window.end.timestamp()
    return before and (window.start is None or entry.last >= window.start.timestamp())
