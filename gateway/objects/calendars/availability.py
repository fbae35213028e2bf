"""Principal/getAvailability (draft-ietf-jmap-calendars-29 §2.2).

The owner's is made of the events of the account; that of others is asked of the server's scheduling outbox
(RFC 6638 §5), which tells times and no events, and of the calendars that they share.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import uuid4

from adapters.formats.content_line_writer import serialize
from adapters.formats.content_lines import Component, ContentLine
from adapters.formats.jscalendar.expand import occurrences
from adapters.formats.values import to_datetime, write_utc
from adapters.ports.calendar_people import SchedulingPort
from gateway.context import Account, Context
from gateway.jmap.arguments import Argument
from gateway.jmap.checks import array_of, boolean, id_, nullable, string
from gateway.jmap.errors import MethodError
from gateway.jmap.methods import Answer, Method
from gateway.objects.calendars import busy_periods
from gateway.objects.calendars.addresses import Addresses
from gateway.objects.calendars.busy_periods import Busy
from gateway.objects.calendars.calendar_view import shown
from gateway.objects.calendars.capability import AVAILABILITY, MAX_AVAILABILITY_DAYS, calendars_of, own_addresses
from gateway.objects.calendars.event_view import View
from gateway.objects.calendars.instances import Target
from gateway.objects.calendars.jscalendar_checks import utc_date_time
from gateway.sync.calendars.account import CalendarAccount
from gateway.sync.calendars.entries import seconds
from gateway.sync.calendars.index import Event
from gateway.sync.calendars.people import Person, people

MAX_OCCURRENCES: Final = 20_000

_ATTENDING: Final = frozenset({"accepted", "tentative"})


async def get_availability(context: Context, account: Account, arguments: Mapping[str, Any]) -> Answer:
    """When somebody is busy."""
    start, end = (to_datetime(arguments[name].removesuffix("Z")[:19]) for name in ("utcStart", "utcEnd"))
    if start >= end:
        raise MethodError("invalidArguments", "utcEnd must be after utcStart")
    if end - start > timedelta(days=MAX_AVAILABILITY_DAYS):
        raise MethodError("tooLarge")
    names = arguments["eventProperties"]
    calendars = await calendars_of(context, account)
    everybody = await people(calendars, account.name, account.own_address)
    person = next((one for one in everybody if one.id == arguments["id"]), None)
    if person is None:
        raise MethodError("notFound")
    view = View(own_addresses(account, calendars), None if names is None else tuple(names))
    if person.is_owner:
        found = list(_own(calendars, view, start, end, details=arguments["showDetails"]))
        periods = _periods(account, found)
    else:
        theirs = await _shared_by(context, account, calendars, person)
        periods = await _of_other(calendars, person, view, theirs, start, end, details=arguments["showDetails"])
    return Answer({"accountId": arguments["accountId"], "list": periods})


Found = tuple[Busy, dict[str, Any] | None]
"""A busy instance, with the event where it may be shown."""


def _periods(account: Account, found: Iterable[Found], others: Iterable[Busy] = ()) -> list[dict[str, Any]]:
    """BusyPeriods in order. account: where the events are. others: times that no event is known of."""
    found = list(found)
    bare = busy_periods.merged([*(busy for busy, event in found if event is None), *others])
    detailed = [
        {**busy_periods.shown(busy), "event": event, "accountId": account.id}
        for busy, event in found
        if event is not None
    ]
    return sorted([*map(busy_periods.shown, bare), *detailed], key=lambda period: str(period["utcStart"]))


# ------------------------------------------------------------------------------------------------------- the owner


def _own(
    calendars: CalendarAccount, view: View, start: datetime, end: datetime, *, details: bool, whole: bool = False
) -> Iterator[Found]:
    """Each busy instance. whole: all that may be seen counts, whatever the user has set. Raises MethodError."""
    index, left = calendars.index, MAX_OCCURRENCES
    rules = {held.id: shown(calendars, held) | (_COUNTS if whole else {}) for held in index.calendars.values()}
    for event in index.events.values():
        counted = [rules[calendar_id] for calendar_id in event.calendar_ids if _counts(rules[calendar_id])]
        if not counted or event.entry.first >= seconds(end) or event.entry.last < seconds(start):
            continue
        try:
            found = occurrences(event.entry.event(), start, end, limit=left)
        except ValueError as error:  # ExpansionLimit, UnsupportedRule
            raise MethodError("tooLarge", str(error)) from error
        left -= len(found)
        for occurrence in found:
            target = _target(event, occurrence.recurrence_id)
            content = target.content()
            status = _status(content, counted, view)
            if status is not None and occurrence.start < occurrence.end:
                visible = details and content.get("privacy") != "private" and _may_read(event, rules)
                yield Busy(occurrence.start, occurrence.end, status), view.show(target) if visible else None


def _target(event: Event, recurrence_id: str | None) -> Target:
    if recurrence_id is None or not event.entry.recurs:
        return Target(event)
    patch = (event.entry.event().get("recurrenceOverrides") or {}).get(recurrence_id)
    return Target(event, recurrence_id, patch)


def _counts(calendar: Mapping[str, Any]) -> bool:
    """Whether a calendar is part of the owner's availability at all (-29 §2.2)."""
    may_read: bool = calendar["myRights"]["mayReadFreeBusy"]
    return may_read and calendar["isSubscribed"] is True and calendar["includeInAvailability"] != "none"


def _may_read(event: Event, rules: Mapping[str, Mapping[str, Any]]) -> bool:
    return any(rules[calendar_id]["myRights"]["mayReadItems"] for calendar_id in event.calendar_ids)


def _status(content: Mapping[str, Any], calendars: list[dict[str, Any]], view: View) -> str | None:
    """The busyStatus that an event gives the owner; None where it is not relevant (-29 §2.2)."""
    if content.get("privacy") == "secret" or content.get("freeBusyStatus", "busy") != "busy":
        return None
    if content.get("status") == "cancelled":
        return None
    answers = {
        person.get("participationStatus", "needs-action")
        for person in (content.get("participants") or {}).values()
        if view.own.has(person.get("calendarAddress"))
    }
    if not any(one["includeInAvailability"] == "all" for one in calendars) and not answers & _ATTENDING:
        return None
    if content.get("status") == "tentative" or "tentative" in answers:
        return "tentative"
    return "confirmed" if "accepted" in answers and content.get("status", "confirmed") == "confirmed" else "unavailable"


# --------------------------------------------------------------------------------------------------------- others


_COUNTS: Final = {"isSubscribed": True, "includeInAvailability": "all"}


async def _shared_by(
    context: Context, account: Account, calendars: CalendarAccount, person: Person
) -> tuple[Account, CalendarAccount] | None:
    """What somebody shares with the user, if he does. Raises MethodError, adapters.errors."""
    account_id = calendars.whose.account_of(person.principal.path)
    theirs = context.login.accounts.get(account_id) if account_id != account.id else None
    if theirs is None or theirs.calendars is None:
        return None
    return theirs, await calendars_of(context, theirs)


async def _of_other(
    calendars: CalendarAccount,
    person: Person,
    view: View,
    shared: tuple[Account, CalendarAccount] | None,
    start: datetime,
    end: datetime,
    *,
    details: bool,
) -> list[dict[str, Any]]:
    """What the server says, and what can be seen in shared calendars; of these each by itself where details are asked.

    Where the server says nothing, what is shared has to do. Raises MethodError, adapters.errors.
    """
    try:
        told = await _told(calendars, person, view.own, start, end)
    except MethodError:
        if shared is None:
            raise
        told = None
    if shared is None:
        return [busy_periods.shown(one) for one in told or ()]
    theirs, account = shared
    own = View(Addresses.of(person.principal.addresses, theirs.own_address), view.names)
    found = list(_own(account, own, start, end, details=details, whole=True))
    if told is not None:  # only the server knows what is busy for him: freeBusyStatus is each user's own
        found = [(busy, event) for busy, event in found if any(busy_periods.overlap(busy, one) for one in told)]
    return _periods(theirs, found, told or ())


async def _told(
    calendars: CalendarAccount, person: Person, own: Addresses, start: datetime, end: datetime
) -> list[Busy]:
    """What the scheduling outbox says (RFC 6638 §5). Raises MethodError, adapters.errors."""
    attendee = next(iter(person.principal.addresses), None)
    organizer = own.preferred
    port = calendars.port
    if attendee is None or organizer is None or not calendars.facts.outbox or not isinstance(port, SchedulingPort):
        raise MethodError("forbidden")
    replies = await port.ask_free_busy(free_busy_request(organizer, attendee, start, end))
    reply = next(iter(replies), None)
    if reply is None or not reply.request_status.startswith("2") or reply.data is None:  # RFC 5545 §3.8.8.3
        raise MethodError("forbidden")
    try:
        return busy_periods.merged(busy_periods.read_free_busy(reply.data, start, end))
    except ValueError as error:
        raise MethodError("serverFail", "the calendar server's answer cannot be read") from error


def free_busy_request(organizer: str, attendee: str, start: datetime, end: datetime) -> bytes:
    """A VFREEBUSY request (RFC 5546 §3.3.2)."""
    lines = {
        "UID": str(uuid4()),
        "DTSTAMP": datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ"),
        "ORGANIZER": organizer,
        "ATTENDEE": attendee,
        "DTSTART": write_utc(start.isoformat(timespec="seconds") + "Z"),
        "DTEND": write_utc(end.isoformat(timespec="seconds") + "Z"),
    }
    request = Component("VFREEBUSY", [ContentLine(name, {}, value) for name, value in lines.items()])
    head = {"VERSION": "2.0", "PRODID": "-//jmap-gateway//EN", "METHOD": "REQUEST"}
    calendar = Component("VCALENDAR", [ContentLine(name, {}, value) for name, value in head.items()], [request])
    return serialize(calendar).encode()


GET: Final = Method(
    "Principal/getAvailability",
    AVAILABILITY,
    (
        Argument("id", id_),
        Argument("utcStart", utc_date_time),
        Argument("utcEnd", utc_date_time),
        Argument("showDetails", boolean),
        Argument("eventProperties", nullable(array_of(string)), None),
    ),
    get_availability,
)
