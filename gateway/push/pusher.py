"""Pushing while no client is there (RFC 8620 §7.2): one task for each owner of subscriptions that are verified.

An owner is who made subscriptions with the same credentials. Among gateways on one store one pushes for an owner.
"""

import asyncio
import functools
import logging
import math
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Final, Self

from adapters.errors import AuthFailed
from gateway.context import Login
from gateway.push.courier import EMAILS, Courier, emails_wanted
from gateway.push.feed import Feed, States, Types
from gateway.push.records import Records, is_verified
from gateway.push.sender import Sender
from gateway.push.vapid import VapidKey
from gateway.store.base import Store
from gateway.sync.calendars.alerts import Alert
from gateway.sync.ledger import Record
from gateway.sync.watch import Turns, ended, heed_cancellation, keep_going

log = logging.getLogger(__name__)

PROOF_SECONDS: Final = 900.0
"""How often the credentials are proven again, so that subscriptions end with them."""

LONGEST_PAUSE: Final = 300.0


@dataclass(frozen=True, slots=True)
class Access:
    """How the accounts of an owner are reached without him.

    owner: digest that stands for user and login. use: the login, kept open while the context lasts; raises AuthFailed,
    Unavailable. secret: tells these credentials from others of the owner. binding: the subscriptions end when the
    backend refuses them: not so for tokens, which are renewed, nor for a master user. note: what may be kept of it in
    the store, to find access again after a restart.
    """

    owner: str
    use: Callable[[], AbstractAsyncContextManager[Login]]
    secret: bytes
    binding: bool
    note: Callable[[], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Tools:
    """What all pushers share. gateway: stands for this gateway among those on the store. new_emails: as `NewEmails`."""

    store: Store
    sender: Sender
    key: VapidKey
    gateway: bytes
    new_emails: Callable[[Login, str, Record, str], Awaitable[tuple[list[Record], str]]]


class Pusher:
    """Pushes to the subscriptions of one owner until none is left that is verified."""

    def __init__(self, access: Access, records: Records, tools: Tools) -> None:
        self.access = access
        self._records = records
        self._tools = tools
        self._turns = Turns(tools.store, f"push-{access.owner}", tools.gateway) if tools.store.shared else None

    async def run(self) -> None:
        """Until there is nothing to be pushed to."""
        await keep_going(self._once, LONGEST_PAUSE)

    async def active(self) -> dict[str, Record]:
        """The subscriptions that may be pushed to, by id; those for another VAPID key are destroyed (RFC 9749 §5).

        Raises Unavailable, StoreUnavailable.
        """
        key = await self._tools.key.load()
        found = await self._records.read()
        outdated = [record_id for record_id, record in found.items() if record["serverKey"] != key]
        if outdated:
            await self._records.erase(outdated)
        return {name: record for name, record in found.items() if record["serverKey"] == key and is_verified(record)}

    async def _once(self) -> bool:
        """Whether it is over."""
        if not await self.active():
            return True
        try:
            await (self._push() if self._turns is None else self._turns.during(self._push))
        except AuthFailed:
            if not self.access.binding:
                raise
            # RFC 8620 §7.2: MUST be destroyed when the credentials are revoked
            log.info("credentials are refused; their push subscriptions are destroyed")
            await self._records.erase(await self._records.read())
            return True
        return False

    async def _push(self) -> None:
        """Push until other types are wanted, none, or of other accounts. Raises adapters.errors, StoreUnavailable."""
        records = await self.active()
        types = wanted(records.values())
        seen = await self._records.seen()
        start: States = {}
        for states in (seen.get(record_id, {}) for record_id in records):
            for account, told in states.items():
                start.setdefault(account, {}).update({name: told[name] for name in told.keys() - {EMAILS}})
        store = self._tools.store
        async with (
            self.access.use() as login,
            Feed(store, login, types, start, -math.inf) as news,
            _Couriers(self._courier_of(login)) as couriers,
        ):
            changed = asyncio.Event()

            def hear(_: bytes) -> None:
                changed.set()
                news.wake()

            async with store.subscribe(self._records.channel, hear):
                _, missed = await news.next(0)
                couriers.renew(await self.active(), seen, news.seen)
                couriers.note({}, missed)
                proven = time.monotonic()
                while True:
                    heed_cancellation()
                    couriers.note(*await news.next(proven + PROOF_SECONDS - time.monotonic()))
                    if changed.is_set():
                        changed.clear()
                        records = await self.active()
                        if not records or wanted(records.values()) != types:
                            return
                        couriers.renew(records, {}, news.seen)
                    if time.monotonic() >= proven + PROOF_SECONDS:
                        async with self.access.use() as again:
                            proven = time.monotonic()
                        if not news.covers(again):
                            return

    def _courier_of(self, login: Login) -> "_Hire":
        def hire(record: Record, seen: States) -> Courier:
            new_emails = functools.partial(self._tools.new_emails, login)
            return Courier(record, seen, self._tools.sender, self._records, new_emails)

        return hire


_Hire = Callable[[Record, States], Courier]


class _Couriers:
    """The couriers of one owner, each a task, while the context lasts."""

    def __init__(self, hire: _Hire) -> None:
        self._hire = hire
        self._at_work: dict[str, tuple[Courier, asyncio.Task[None]]] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for record_id in list(self._at_work):
            await self._dismiss(record_id)

    def note(self, states: States, alerts: Sequence[Alert]) -> None:
        """Tell these states and alerts to whoever wants them."""
        for courier, _ in self._at_work.values():
            courier.note(states)
            courier.note_alerts(alerts)

    def renew(self, records: Mapping[str, Record], seen: Mapping[str, States], now: States) -> None:
        """A courier for each of these subscriptions. seen: what they were told earlier; others: all that is now."""
        for record_id in self._at_work.keys() - records.keys():
            self._at_work.pop(record_id)[1].cancel()
        for record_id, record in records.items():
            if record_id in self._at_work:
                self._at_work[record_id][0].renew(record)
                continue
            told = seen.get(record_id, now)
            courier = self._hire(record, {account: dict(types) for account, types in told.items()})
            courier.note(now)
            self._at_work[record_id] = courier, asyncio.create_task(keep_going(courier.run, LONGEST_PAUSE))

    async def _dismiss(self, record_id: str) -> None:
        _, task = self._at_work.pop(record_id)
        await ended([task])


def wanted(records: Iterable[Record]) -> Types:
    """The types whose states any of the subscriptions needs."""
    types: set[str] = set()
    for record in records:
        if record["types"] is None:
            return None
        types.update(record["types"], ["Email"] if emails_wanted(record) else [])
    return frozenset(types)
