"""What is to be told to one push subscription: the newest states, as few messages as its push service allows."""

import asyncio
import contextlib
import logging
import random
from collections.abc import Iterator
from typing import Final

import orjson

from gateway.push.feed import States
from gateway.push.records import Records
from gateway.push.sender import Outcome, Sender
from gateway.store.base import StoreUnavailable
from gateway.sync.ledger import Record

log = logging.getLogger(__name__)

FIRST_PAUSE: Final = 5.0
"""Seconds before a message that failed is tried again; doubled each time, up to LONGEST_PAUSE."""
LONGEST_PAUSE: Final = 3600.0

QUICKEST: Final = 1.0
"""Seconds between two messages; doubled by each 429, halved again by each message that is taken."""

ROOM: Final = 3993
"""Octets of a message, as `formats.web_push.MAX_PLAINTEXT`; also where nothing is encrypted (RFC 8030 §7.2)."""


class Pace:
    """How soon the next message may follow."""

    def __init__(self) -> None:
        self._interval = QUICKEST
        self._failures = 0

    def after(self, outcome: Outcome) -> float:
        """Seconds to wait after a message."""
        if outcome.kind == "taken":
            self._failures = 0
            self._interval = max(QUICKEST, self._interval / 2)
            return self._interval
        if outcome.kind == "slower":  # RFC 8620 §7.2: MUST reduce the frequency
            self._interval = min(LONGEST_PAUSE, 2 * self._interval)
        backoff = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0**self._failures)
        self._failures = min(self._failures + 1, 16)
        spread = backoff * random.uniform(0.5, 1.0)  # noqa: S311 - only spreads the load
        return max(outcome.wait, spread, self._interval)


class Courier:
    """Brings one verified subscription its messages. What happens while it must wait is coalesced.

    seen: what the subscription has been told, or need not be told.
    """

    def __init__(self, record: Record, seen: States, sender: Sender, records: Records) -> None:
        self.record = record
        self._types: frozenset[str] | None = None
        self._seen = seen
        self._sender = sender
        self._records = records
        self._pending: States = {}
        self._news = asyncio.Event()
        self._pace = Pace()
        self.renew(record)

    def renew(self, record: Record) -> None:
        """The subscription was changed by its client."""
        self.record = record
        self._types = None if record["types"] is None else frozenset(record["types"])

    def note(self, states: States) -> None:
        """These are the states now."""
        for account, types in states.items():
            told = self._seen.get(account, {})
            for name, state in types.items():
                if (self._types is None or name in self._types) and told.get(name) != state:
                    self._pending.setdefault(account, {})[name] = state
        if self._pending:
            self._news.set()

    async def run(self) -> None:
        """Until the subscription is gone or has expired; then it is erased."""
        while True:
            await self._news.wait()
            if self._records.seconds_left(self.record) <= 0:  # RFC 8620 §7.2: no request after this time
                break
            outcome = await self._deliver()
            if outcome.kind == "gone":
                break
            await asyncio.sleep(self._pace.after(outcome))
        await self._records.erase([self.record["id"]])

    async def _deliver(self) -> Outcome:
        """Send what there is, a message at a time, until one is not taken."""
        for states in _portions(self._pending):
            body = orjson.dumps({"@type": "StateChange", "changed": states})  # RFC 8620 §7.1
            outcome = await self._sender.send(self.record, body)
            if outcome.kind != "taken":
                return outcome
            await self._told(states)
        if not self._pending:
            self._news.clear()
        return Outcome("taken")

    async def _told(self, states: States) -> None:
        for account, types in states.items():
            self._seen.setdefault(account, {}).update(types)
            rest = self._pending.get(account, {})
            for name, state in types.items():
                if rest.get(name) == state:  # else it changed while the message was on its way
                    del rest[name]
            if not rest:
                self._pending.pop(account, None)
        with contextlib.suppress(StoreUnavailable):  # it is told again after a restart
            await self._records.saw(self.record, self._seen)


def _portions(states: States) -> Iterator[States]:
    """The states in as many pieces as have room in a message each."""
    portion: States = {}
    for account, types in list(states.items()):
        for name, state in list(types.items()):
            grown = {**portion, account: {**portion.get(account, {}), name: state}}
            if portion and len(orjson.dumps({"@type": "StateChange", "changed": grown})) > ROOM:
                yield portion
                grown = {account: {name: state}}
            portion = grown
    if portion:
        yield portion
