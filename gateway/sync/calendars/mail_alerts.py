"""When alerts that are to be sent by mail are looked for (draft-ietf-jmap-calendars-29 §6), also with no client there.

Of each account that has such alerts there is one record in its ledger, and an entry on the list of what waits
(`gateway.sync.held`), by which any gateway of the store finds it: at its next alert, and every LOOK_SECONDS, since no
calendar server tells what other clients change. An account without such alerts has no entry, and costs nothing.

Up to when an account was looked through is written together with what is to be sent: each moment is looked through
once, by whichever gateway is first.
"""

import logging
import secrets
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from adapters.errors import AdapterError
from gateway.sync.calendars.alerts import Plan
from gateway.sync.calendars.index import Index
from gateway.sync.held import Entry, Hold
from gateway.sync.ledger import Edit, Ledger, Record

log = logging.getLogger(__name__)

EMAIL: Final = "email"
"""The action of alerts that the server sends (jscalendarbis §4.5.1)."""

MAIL_ALERTS: Final = "MailAlerts"
"""One record in the ledger, whose id is the type's name.

upto: all that triggers until then was looked for. due: when is looked next, None where the account has no such alerts
any more. asked: whoever found an alert last, and when it is due: a look that began before may not have seen it. told:
when mails were sent lately. ticket: what is needed to log in for it. Times in seconds since 1970.
"""

LOOK_SECONDS: Final = 900.0
"""How often is looked for alerts that other clients made, while the account has any."""

LATE_SECONDS: Final = 3600.0
"""An alert that could not be sent in time is sent no more after so long."""

MOST_IN_HOUR: Final = 100
"""Mails of one account within an hour; more alerts are left out (-29 §9.3.2: MUST rate limit)."""

_LEARNT_LATE: Final = 60.0
"""How long ago the first alert of an account may have triggered when it is learnt of."""

_ROUNDED: Final = 0.01
"""Seconds by which an entry may come too early."""

_HOUR: Final = 3600.0


@dataclass(frozen=True, slots=True)
class MailAlerts:
    """The schedule of one owner: for his own calendars, and for those of others that he sees."""

    account: str
    ledger: Ledger
    hold: Hold

    async def follow(self, index: Index, event_ids: Iterable[str] | None) -> None:
        """Have the alerts of these events looked for in time; None: of all, where none are looked for yet."""
        try:
            await self._follow(index, event_ids)
        except AdapterError as error:
            log.warning("alerts by mail cannot be planned: %s", type(error).__name__)

    async def _follow(self, index: Index, event_ids: Iterable[str] | None) -> None:
        now = time.time()
        if event_ids is None and _is_alive(await self._record(), now):
            return
        if event_ids is not None:
            some = {key: index.events[key] for key in event_ids if key in index.events}
            index = replace(index, events=some, derived={}, instances=set())
        plan = await planned(index, self.account, now - _LEARNT_LATE, now)
        if (due := next_look(plan, now)) is not None:
            await self._expect(due)

    async def renew(self) -> None:
        """Have what is overdue looked for with this login, as the credentials kept for it may be outdated.

        Raises AdapterError.
        """
        record = await self._record()
        if record is not None and record["due"] is not None and not _is_alive(record, time.time()):
            await self._expect(time.time())

    async def _record(self) -> Record | None:
        return (await self.ledger.read(MAIL_ALERTS)).get(MAIL_ALERTS)

    async def _expect(self, due: float) -> None:
        """Have the account looked at by then. Raises AdapterError."""
        now, ticket = time.time(), self.hold.ticket()
        stored = await self._record()
        if stored is not None and stored["due"] is not None and now < stored["due"] <= due:
            return

        def edit(before: Mapping[str, Mapping[str, Record]]) -> Edit:
            made, known = Edit(), before[MAIL_ALERTS].get(MAIL_ALERTS)
            learnt = {"id": MAIL_ALERTS, "upto": now - _LEARNT_LATE, "due": due, "told": []}
            if known is not None and known["due"] is None:  # what was sent before it rested is not sent again
                learnt |= {**known, "upto": max(known["upto"], now - _LEARNT_LATE), "due": due}
            elif known is not None:
                learnt |= {**known, "due": min(known["due"], due) if _is_alive(known, now) else due}
            made.write(MAIL_ALERTS, {**learnt, "ticket": ticket, "asked": [secrets.token_hex(4), due]})
            return made

        # First, since a record without an entry would be forgotten; and again under another key, since whoever found
        # an entry before there was a record is taking it off.
        entry = Entry(self.account, id_of(self.account), max(due, now), ticket, alerts=0.0)
        await self.hold.messages.enter(replace(entry, id=f"{entry.id}-{secrets.token_hex(4)}"))
        await self.ledger.commit(edit, [MAIL_ALERTS])
        await self.hold.messages.enter(entry)


def id_of(account: str) -> str:
    """Entries of one account for the same time are one."""
    return f"alerts-{account}"


def _is_alive(record: Record | None, now: float) -> bool:
    """Whether somebody looks at the account when it is time to."""
    return record is not None and record["due"] is not None and bool(record["due"] > now - _LEARNT_LATE)


async def planned(index: Index, account_id: str, since: float, now: float) -> Plan:
    """The alerts to be sent by mail that trigger from `since` until it has to be looked again (seconds since 1970)."""
    plan = Plan(account_id, EMAIL)
    await plan.follow(index, missed=since, learnt=since, until=now + LOOK_SECONDS)
    return plan


def next_look(plan: Plan, now: float) -> float | None:
    """When an account has to be looked at again; None where nothing of it triggers any more."""
    if plan.is_over:
        return None
    return plan.alerts[0].at if plan.alerts else now + LOOK_SECONDS


def is_time(record: Record, now: float) -> bool:
    """Whether the account is to be looked at; not where another gateway was first."""
    return record["due"] is not None and bool(record["due"] <= now + _ROUNDED)


def again(entry: Entry, record: Record | None) -> Entry | None:
    """What is to be on the list instead of an entry; the same at whatever gateway."""
    if record is None or record["due"] is None:
        return None
    return replace(entry, id=id_of(entry.account), due=float(record["due"]), ticket=record["ticket"], alerts=0.0)


def looked(
    before: Mapping[str, Mapping[str, Record]], seen: Record, upto: float, due: float | None, count: int
) -> Edit | None:
    """The record after a look; None where another gateway was first.

    seen: as it was before. upto: of the look. due: of the next one, None where the account has no such alerts any
    more. count: how many mails are sent.
    """
    known = before[MAIL_ALERTS].get(MAIL_ALERTS)
    if known is None or known["upto"] != seen["upto"]:
        return None
    made = Edit()
    asked = known.get("asked")
    if asked is not None and asked != seen.get("asked"):  # an alert was found meanwhile
        due = min(filter(None, (asked[1], due)))
    told = [*lately(known, upto), *([upto] * count)]
    made.write(MAIL_ALERTS, {**known, "upto": upto, "due": due, "told": told})
    return made


def lately(record: Mapping[str, Any], now: float) -> list[float]:
    """When mails were sent within the last hour."""
    return [at for at in record["told"] if 0 <= now - at < _HOUR]
