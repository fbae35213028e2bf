"""What is to be told to one push subscription: the newest states, as few messages as its push service allows; and
alerts, each by itself and only once.
"""

import asyncio
import contextlib
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Final

import orjson

from gateway.push import email_push
from gateway.push.feed import ALERT, States, alert_object
from gateway.push.records import Records
from gateway.push.sender import Outcome, Sender
from gateway.store.base import StoreUnavailable
from gateway.sync.calendars.alert_clock import GRACE_SECONDS
from gateway.sync.calendars.alerts import Alert
from gateway.sync.ledger import Record
from gateway.sync.watch import heed_cancellation

FIRST_PAUSE: Final = 5.0
"""Seconds before a message that failed is tried again; doubled each time, up to LONGEST_PAUSE."""
LONGEST_PAUSE: Final = 3600.0

QUICKEST: Final = 1.0
"""Seconds between two messages; doubled by each 429, halved again by each message that is taken."""

ROOM: Final = 3993
"""Octets of a message, as `formats.web_push.MAX_PLAINTEXT`; also where nothing is encrypted (RFC 8030 §7.2)."""


MOST_ALERTS: Final = 100
"""Alerts that wait for a push service that takes none; the oldest go first."""

EMAILS: Final = "EmailPush"

NewEmails = Callable[[str, Record, str], Awaitable[tuple[list[Record], str]]]
"""(account id, EmailPushConfig, state of Email) -> the new Emails since, and the state now. Raises MethodError,
adapters.errors."""


def emails_wanted(record: Record) -> dict[str, Record]:
    """The EmailPushConfigs of a subscription by account id."""
    return record.get("emailPush") or {}


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

    seen: what the subscription has been told, or need not be told; under EMAILS the state of Email up to which it was
    told of new ones.
    """

    def __init__(self, record: Record, seen: States, sender: Sender, records: Records, new_emails: NewEmails) -> None:
        self.record = record
        self._types: frozenset[str] | None = None
        self._seen = seen
        self._sender = sender
        self._records = records
        self._new_emails = new_emails
        self._pending: States = {}
        self._mail: dict[str, str] = {}
        self._alerts: deque[Alert] = deque(maxlen=MOST_ALERTS)
        self._claimed: Alert | None = None
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
        for account in emails_wanted(self.record):
            now = states.get(account, {}).get("Email")
            if now is not None and self._seen.setdefault(account, {}).setdefault(EMAILS, now) != now:
                self._mail[account] = now
        if self._pending or self._mail:
            self._news.set()

    def note_alerts(self, alerts: Iterable[Alert]) -> None:
        """These alerts trigger, or did so while nobody was told; what came before the subscription is none of its."""
        if self._types is None or ALERT in self._types:
            self._alerts.extend(alert for alert in alerts if alert.at > self.record.get("verifiedAt", 0.0))
            if self._alerts:
                self._news.set()

    async def run(self) -> bool:
        """Until the subscription is gone or has expired; then it is erased. Raises adapters.errors, MethodError."""
        while True:
            heed_cancellation()
            await self._news.wait()
            if self._records.seconds_left(self.record) <= 0:  # RFC 8620 §7.2: no request after this time
                break
            outcome = await self._deliver()
            if outcome.kind == "gone":
                break
            await asyncio.sleep(self._pace.after(outcome))
        await self._records.erase([self.record["id"]])
        return True

    async def _deliver(self) -> Outcome:
        """Send what there is, a message at a time, until one is not taken."""
        while self._alerts:
            outcome = await self._deliver_alert(self._alerts[0])
            if outcome.kind != "taken":
                return outcome
        for states in _portions(self._pending):
            body = orjson.dumps({"@type": "StateChange", "changed": states})  # RFC 8620 §7.1
            outcome = await self._sender.send(self.record, body)
            if outcome.kind != "taken":
                return outcome
            await self._told(states)
        for account in list(self._mail):
            outcome = await self._deliver_emails(account)
            if outcome.kind != "taken":
                return outcome
        if not self._pending and not self._mail and not self._alerts:
            self._news.clear()
        return Outcome("taken")

    async def _deliver_alert(self, alert: Alert) -> Outcome:
        """Tell of an alert (draft-ietf-jmap-calendars-29 §6.4), unless it was told already, by another gateway maybe.

        The claim comes first: a gateway that is killed in between leaves an alert untold rather than told twice.
        """
        outcome = Outcome("taken")
        body = orjson.dumps(alert_object(alert))
        if alert.at >= time.time() - GRACE_SECONDS and await self._may_tell(alert, body):
            outcome = await self._sender.send(self.record, body, "high")
        if outcome.kind == "taken" and self._alerts and self._alerts[0] is alert:
            self._alerts.popleft()
        return outcome

    async def _may_tell(self, alert: Alert, body: bytes) -> bool:
        """Whether this courier is to tell of an alert."""
        if self._claimed is not alert:
            if not await self._records.claim(self.record, f"{alert.at} {body.decode()}", 2 * GRACE_SECONDS):
                return False
            self._claimed = alert
        return True

    async def _deliver_emails(self, account: str) -> Outcome:
        """Tell of the new Emails of an account (draft-ietf-jmap-emailpush-03 §3)."""
        noted = self._mail[account]
        config = emails_wanted(self.record).get(account)
        if config is not None:
            emails, state = await self._new_emails(account, config, self._seen[account][EMAILS])
            for body in email_push.messages(account, emails, state, ROOM):
                outcome = await self._sender.send(self.record, body, config.get("urgency", "normal"))
                if outcome.kind != "taken":
                    return outcome
            self._seen[account][EMAILS] = state
            await self._remember()
        if self._mail[account] == noted:  # else more came meanwhile
            del self._mail[account]
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
        await self._remember()

    async def _remember(self) -> None:
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
