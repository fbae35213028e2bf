"""What a listener is to be told, by whatever way it listens: the newest states of its accounts (RFC 8620 §7.1), and
alerts of calendars when their time has come (draft-ietf-jmap-calendars-29 §6.4).

A feed takes from the store's channels `account/<id>`, on which every writer publishes the new states as a JSON object,
type name -> state. While it is open the accounts are watched, so that what others do is found.
"""

import asyncio
import base64
import contextlib
import functools
import itertools
import math
import time
import zlib
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple, Protocol, Self

import orjson

from adapters.errors import AdapterError
from gateway.context import Account, Login
from gateway.store.base import MISSED, Store
from gateway.sync.calendars.alerts import Alert
from gateway.sync.calendars.index import NOTIFICATION
from gateway.sync.calendars.index import TYPES as CALENDAR_JOURNAL
from gateway.sync.contacts.index import TYPES as CONTACTS_JOURNAL
from gateway.sync.journal import PUSHED
from gateway.sync.ledger import Ledger
from gateway.sync.scripts import SCRIPTED
from gateway.sync.telling import channel
from gateway.sync.watch import Watch

States = dict[str, dict[str, str]]
"""Account id -> type name -> state."""

Types = frozenset[str] | None
"""The types that a listener wants; None for all."""

LONGEST_TOKEN: Final = 6_000
"""Characters; aiohttp and most proxies take header fields of 8 KiB."""

LARGEST_TOKEN: Final = 1 << 18
"""Octets of what is packed in a token; whoever sends more did not get it here."""

ALERT: Final = "CalendarAlert"
"""The pseudo-type that alerts are asked for by (-29 §6.4)."""
_TOLD: Final = ""
"""Where a token says up to when alerts were told: no account has this id."""


class News(NamedTuple):
    """What there is to tell."""

    states: States
    alerts: list[Alert]


class _Source(Protocol):
    """What is looked at: mail, calendars and contacts, which have a journal, and what is `Observed`."""

    def state(self, name: str, /) -> str:
        """The state of a type."""
        ...

    async def refresh(self) -> None:
        """Look for what is new."""
        ...


Source = _Source | Ledger
"""Whatever has states; what a ledger holds needs no looking for."""


class _Bell:
    """Rung before somebody waits for it, or while one does. There is one for each listener, all day long: an
    asyncio.Event and a timeout take most of a kilobyte more."""

    __slots__ = ("_rung", "_waiting")

    def __init__(self) -> None:
        self._rung = False
        self._waiting: asyncio.Future[None] | None = None

    def ring(self) -> None:
        """Let go on who waits, or whoever is the next to wait."""
        self._rung = True
        if self._waiting is not None:
            _let_go(self._waiting)

    async def wait(self, seconds: float) -> None:
        """Until it is rung, or for some seconds; it is silent afterwards."""
        if not self._rung:
            loop = asyncio.get_running_loop()
            waiting = self._waiting = loop.create_future()
            timer = loop.call_later(max(0.0, seconds), _let_go, waiting)
            try:
                await waiting
            finally:
                timer.cancel()
                self._waiting = None
        self._rung = False


def _let_go(waiting: "asyncio.Future[None]") -> None:
    if not waiting.done():
        waiting.set_result(None)


class Feed:
    """The newest states of some accounts that have not been told; however many passes, at most one per type.

    It hears of them while its context lasts. seen: all that the listener has been told, what it gave itself when it
    came included. told_until: up to when it was told of alerts (seconds since 1970).
    """

    __slots__ = (
        "_accounts",
        "_alerts",
        "_bell",
        "_changed",
        "_held",
        "_login",
        "_missed",
        "_since",
        "_store",
        "_types",
        "seen",
        "told_until",
    )

    def __init__(self, store: Store, login: Login, types: Types, seen: States, told_until: float = math.inf) -> None:
        """login: has to be kept open as long.

        told_until: of a returning listener, who is told what it missed, unless that is too long ago.
        """
        self.seen = seen
        self.told_until = time.time()
        self._since = min(told_until, self.told_until)
        self._store = store
        self._held = contextlib.AsyncExitStack()
        self._login = login
        self._accounts = _ids(login)
        self._missed = False
        self._types = types
        self._changed: States = {}
        self._alerts: list[Alert] = []
        self._bell = _Bell()

    async def __aenter__(self) -> Self:
        """Hear of all accounts of the login. Raises StoreUnavailable."""
        async with contextlib.AsyncExitStack() as stack:
            for account in self._login.listed:
                hear = functools.partial(self._hear, account.id)
                await stack.enter_async_context(self._store.subscribe(channel(account.key), hear))
            await self._catch_up()
            for account in self._login.listed:
                for watch in self._watches(account):
                    stack.enter_context(watch.listening())
                if account.alerts is not None and self._wants(ALERT):
                    stack.enter_context(account.alerts.listening(self._alert, self._since))
            self._held = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Hear no more."""
        await self._held.aclose()

    def covers(self, login: Login) -> bool:
        """Whether these are the accounts of a login that was proven again: others may share more by now, or less."""
        return self._accounts == _ids(login)

    async def _catch_up(self) -> None:
        """Report what a returning listener missed (RFC 8620 §7.3): its coming is reason for one pass.

        Who brings no state of an account is told what changes from now on.
        """
        for account in self._login.listed:
            seen = self.seen.setdefault(account.id, {})
            is_new = not seen
            for source, wanted in _sources(account, self._types):
                await self._catch_up_with(account.id, source, wanted, seen, is_new=is_new)

    async def _catch_up_with(
        self, account_id: str, source: Source, names: list[str], seen: dict[str, str], *, is_new: bool
    ) -> None:
        try:
            states = await _states(source, names, look=not is_new)
        except AdapterError:
            return  # what is not known is not reported; the client's next request meets the same trouble
        if is_new:
            seen.update(states)
            return
        self._note(account_id, {name: state for name, state in states.items() if seen.get(name) != state})

    def _watches(self, account: Account) -> list[Watch]:
        """Those that find what this listener wants: all but mail is looked at only for those who ask for it."""
        wants_calendars = any(map(self._wants, (*CALENDAR_JOURNAL, NOTIFICATION, ALERT)))
        wants_contacts = any(map(self._wants, CONTACTS_JOURNAL))
        wants_scripts = any(map(self._wants, SCRIPTED))
        found = (
            account.watch,
            account.calendar_watch if wants_calendars else None,
            account.contact_watch if wants_contacts else None,
            account.scripts_watch if wants_scripts else None,
        )
        return [watch for watch in found if watch is not None]

    @property
    def token(self) -> str:
        """All that was told, for a listener to bring when it comes again."""
        if not self._wants(ALERT):
            return encode(self.seen)
        return encode({_TOLD: {ALERT: f"{self.told_until:.6f}"}, **self.seen})

    def wake(self) -> None:
        """Let `next` return, though there may be no news."""
        self._bell.ring()

    async def next(self, seconds: float) -> News:
        """What is new, at once or within `seconds`; empty where nothing is. What is given counts as told."""
        await self._bell.wait(seconds)
        if self._missed:
            self._missed = False
            await self._catch_up()
        unseen = {account: self._unseen(account, states) for account, states in self._changed.items()}
        news = News({account: states for account, states in unseen.items() if states}, self._alerts)
        self._changed, self._alerts, self.told_until = {}, [], time.time()
        for account, states in news.states.items():
            self.seen.setdefault(account, {}).update(states)
        return news

    def _unseen(self, account: str, states: dict[str, str]) -> dict[str, str]:
        seen = self.seen.get(account, {})
        return {name: state for name, state in states.items() if seen.get(name) != state}

    def _wants(self, name: str) -> bool:
        return _wants(self._types, name)

    def _hear(self, account: str, message: bytes) -> None:
        states: dict[str, str] = {} if message == MISSED else orjson.loads(message)
        clock = self._login.accounts[account].alerts
        if clock is not None and self._wants(ALERT):
            clock.heard(states)
        if message == MISSED:
            self._missed = True
            self._bell.ring()
            return
        self._note(account, {name: state for name, state in states.items() if self._wants(name)})

    def _alert(self, alert: Alert) -> None:
        self._alerts.append(alert)
        self._bell.ring()

    def _note(self, account: str, states: dict[str, str]) -> None:
        if states:
            self._changed.setdefault(account, {}).update(states)
            self._bell.ring()


def _ids(login: Login) -> frozenset[str]:
    return frozenset(account.id for account in login.listed)


async def current(login: Login, types: Types) -> States:
    """The states as of now; none of what cannot be reached."""
    found: States = {}
    for account in login.listed:
        for source, wanted in _sources(account, types):
            with contextlib.suppress(AdapterError):
                found.setdefault(account.id, {}).update(await _states(source, wanted, look=True))
    return found


def _sources(account: Account, types: Types) -> Iterator[tuple[Source, list[str]]]:
    """What has states of the types in this account, and which."""
    found: list[tuple[Iterable[str], Source | None]] = [(PUSHED, account.mail), (CALENDAR_JOURNAL, account.calendars)]
    found += [(CONTACTS_JOURNAL, account.contacts)]
    found += [(holder.ledger.types, holder.ledger) for holder in (account.outbox, account.calendars) if holder]
    found += [(observed.types, observed) for observed in account.observed]
    for names, source in found:
        wanted = [name for name in names if _wants(types, name)]
        if source is not None and wanted:
            yield source, wanted


async def _states(source: Source, names: list[str], *, look: bool) -> dict[str, str]:
    """States by type. look: as of now. Raises adapters.errors.*."""
    if isinstance(source, Ledger):
        return await source.states(names)
    if look:
        await source.refresh()
    return {name: state for name in names if (state := source.state(name))}


def _wants(types: Types, name: str) -> bool:
    return types is None or name in types


def encode(seen: States) -> str:
    """States as a token: the id of an event, a pushState. Clients send it as a header field: it is never too long.

    Of accounts that have no room in it is told what changes from then on.
    """
    token = base64.urlsafe_b64encode(zlib.compress(orjson.dumps(seen))).decode()
    if len(token) > LONGEST_TOKEN and len(seen) > 1:
        return encode(dict(itertools.islice(seen.items(), len(seen) // 2)))
    return token


def decode(token: str) -> States:
    """The states of a token of ours; empty for anything else."""
    return {account: states for account, states in _decoded(token).items() if account != _TOLD}


def decode_told(token: str) -> float:
    """Up to when alerts were told (seconds since 1970); infinite where a token does not say."""
    try:
        moment = float(_decoded(token)[_TOLD][ALERT])
    except (KeyError, ValueError):
        return math.inf
    return math.inf if math.isnan(moment) else moment


def _decoded(token: str) -> States:
    try:
        packed = base64.urlsafe_b64decode(token[:LONGEST_TOKEN])
        value: Any = orjson.loads(zlib.decompressobj().decompress(packed, LARGEST_TOKEN))
    except (ValueError, zlib.error):
        return {}
    if not isinstance(value, dict):
        return {}
    return {
        account: {name: state for name, state in states.items() if isinstance(state, str)}
        for account, states in value.items()
        if isinstance(states, dict)
    }


def alert_object(alert: Alert) -> dict[str, Any]:
    """The CalendarAlert (-29 §6.4)."""
    return {
        "@type": ALERT,
        "accountId": alert.account_id,
        "calendarEventId": alert.event_id,
        "uid": alert.uid,
        "recurrenceId": alert.recurrence_id,
        "alertId": alert.alert_id,
    }
