"""Alerts with the action "email": the user gets a mail when they trigger (draft-ietf-jmap-calendars-29 §6).

It goes from the user to himself, through his submission server, to an address that is proven to be his: that of his
login, or one that the calendar server says is his and his submission server lets him send from (§9.3.2).
"""

import hashlib
import logging
import math
import time
from dataclasses import dataclass
from typing import Final

from adapters.errors import AdapterError, Unavailable
from adapters.formats import alert_mail, imip
from adapters.formats.compose import InvalidEmail
from adapters.ports.submission import SmtpAddress, SmtpEnvelope
from gateway.context import Account, Login
from gateway.objects.calendars.instances import find, synthetic_id
from gateway.objects.calendars.participant_identity import preferred_first
from gateway.objects.submission.composing import composed
from gateway.objects.submission.errands import Post, post
from gateway.objects.submission.intents import Records
from gateway.sync.calendars import mail_alerts
from gateway.sync.calendars.account import CalendarAccount
from gateway.sync.calendars.alerts import Alert
from gateway.sync.calendars.mail_alerts import LATE_SECONDS, MAIL_ALERTS, MOST_IN_HOUR
from gateway.sync.calendars.zones import zone_of
from gateway.sync.held import Entry
from gateway.sync.ledger import Edit, Record
from gateway.sync.outbox import Outbox

log = logging.getLogger(__name__)

_NOT_VALID: Final = (ValueError, TypeError, KeyError, AttributeError, OverflowError)
"""What an event raises that somebody else made: something in it is of no shape."""


@dataclass(slots=True)
class _Look:
    """What is due, and when is looked next; None where no account has such alerts any more."""

    alerts: list[tuple[CalendarAccount, Alert]]
    due: float | None = None

    async def add(self, calendars: CalendarAccount, since: float, now: float) -> None:
        """Look at the calendars of one account. Raises adapters.errors."""
        await calendars.refresh(whole=False)
        plan = await mail_alerts.planned(calendars.index, calendars.id, since, now)
        self.alerts += [(calendars, alert) for alert in plan.alerts if since < alert.at <= now]
        plan.take(now)
        self.due = min(filter(None, (self.due, mail_alerts.next_look(plan, now))), default=None)


async def send_due(login: Login, account: Account, entry: Entry) -> Entry | None:
    """Send the mail of the alerts of a login whose time has come. What is to be on the list instead.

    account: the login's own. Raises adapters.errors.
    """
    box = account.outbox
    if box is None or account.calendars is None:
        raise Unavailable("alerts cannot be sent by mail now")
    if account.calendars.mail_alerts is None:  # they are not the gateway's to send any more
        return None
    record, now = await _record(box), time.time()
    if record is None or not mail_alerts.is_time(record, now):
        return mail_alerts.again(entry, record)
    look = await _look(login, max(record["upto"], now - LATE_SECONDS), now)
    address = await _address(account, account.calendars, box)
    room = MOST_IN_HOUR - len(mail_alerts.lately(record, now))
    letters = [letter for one, alert in look.alerts if (letter := _letter(one, alert, address)) is not None]
    if len(letters) > room:
        log.warning("alerts are left out, as there were %d mails within an hour", MOST_IN_HOUR)
    seen, sent = record, letters[: max(0, room)]

    def along(before: Records) -> Edit | None:
        return mail_alerts.looked(before, seen, now, look.due, len(sent))

    await post(box, sent, along, [MAIL_ALERTS])
    return mail_alerts.again(entry, await _record(box))


async def _look(login: Login, since: float, now: float) -> _Look:
    """All accounts of a login. Those of others that cannot be looked at cost it nothing of its own."""
    look = _Look([])
    for one in login.accounts.values():
        if one.calendars is None or one.calendars.mail_alerts is None:
            continue
        try:
            await look.add(one.calendars, since, now)
        except AdapterError as error:
            if one.is_personal:
                raise
            log.warning("the calendars of others cannot be looked at for alerts: %s", type(error).__name__)
            look.due = min(now + mail_alerts.LOOK_SECONDS, look.due or math.inf)
    return look


async def _record(box: Outbox) -> Record | None:
    return (await box.ledger.read(MAIL_ALERTS)).get(MAIL_ALERTS)


async def _address(account: Account, calendars: CalendarAccount, box: Outbox) -> str:
    """Where the mail goes to. Raises Unavailable where the user has no address that is proven."""
    preferred = map(imip.mail_address, (await preferred_first(account, calendars)).all)
    usable = (one for one in preferred if one is not None and box.senders.allow(one))
    found = next(usable, box.senders.own)
    if found is None:
        raise Unavailable("the user has no address of his own")
    return found


def _letter(calendars: CalendarAccount, alert: Alert, address: str) -> Post | None:
    """The mail of an alert; None where its event cannot be shown."""
    index = calendars.index
    stands_alone = alert.event_id in index.events and not index.events[alert.event_id].entry.recurs
    instance = None if stands_alone else alert.recurrence_id
    target = find(index, alert.event_id if instance is None else synthetic_id(alert.event_id, instance))
    if target is None:
        return None
    zone = next(filter(None, (_zone(calendars, place.calendar_id) for place in target.event.places)), None)
    name = hashlib.sha256(repr(alert).encode()).hexdigest()[:32]
    try:
        octets = composed(alert_mail.email(target.content(), address, zone), address, f"alert-{name}")
    except (InvalidEmail, *_NOT_VALID) as error:
        log.info("the mail of an alert cannot be written: %s", type(error).__name__)
        return None
    who = SmtpAddress(address, {})
    return Post(SmtpEnvelope(who, [who]), octets, alert.at + LATE_SECONDS)


def _zone(calendars: CalendarAccount, calendar_id: str) -> str | None:
    """The time zone of a calendar, as it was set here or as the server says."""
    own: str | None = calendars.index.setting(calendar_id, "timeZone")
    return own or zone_of(calendars.index.calendars[calendar_id].info.properties.time_zone)
