"""The calendars capabilities (draft-ietf-jmap-calendars-29 §1.5) and the way from an account to its calendars."""

from typing import Any, Final

from adapters.ports.calendars import CalendarFacts, TimeRange
from gateway.context import Account, Context
from gateway.jmap.errors import MethodError
from gateway.objects.calendars.addresses import Addresses
from gateway.sync.calendars.account import CalendarAccount

CALENDARS: Final = "urn:ietf:params:jmap:calendars"
AVAILABILITY: Final = "urn:ietf:params:jmap:principals:availability"
PARSE: Final = "urn:ietf:params:jmap:calendars:parse"

MIN_DATE_TIME: Final = "1000-01-01T00:00:00Z"
MAX_DATE_TIME: Final = "8999-12-31T23:59:59Z"
MAX_AVAILABILITY_DAYS: Final = 366
MAX_EXPANDED_DAYS: Final = 3 * 366
MAX_PARTICIPANTS: Final = 2_000


def calendars_capability(*, several: bool, may_create: bool = True) -> dict[str, Any]:
    """The account's object (-29 §1.5.1). several: whether the server takes one event in more than one calendar."""
    return {
        "maxCalendarsPerEvent": None if several else 1,
        "minDateTime": MIN_DATE_TIME,
        "maxDateTime": MAX_DATE_TIME,
        "maxExpandedQueryDuration": f"P{MAX_EXPANDED_DAYS}D",
        "maxParticipantsPerEvent": MAX_PARTICIPANTS,
        "mayCreateCalendar": may_create,
    }


def calendar_capabilities(facts: CalendarFacts, *, may_create: bool = True) -> dict[str, dict[str, Any]]:
    """URN -> the account's object, in front of a server that answered. may_create: false in accounts of others.

    Only the user's own account has the Principals, and so their availability (-29 §1.5.2).
    """
    own = {AVAILABILITY: {"maxAvailabilityDuration": f"P{MAX_AVAILABILITY_DAYS}D"}} if may_create else {}
    several = facts.server not in _ONE_CALENDAR
    return {**own, CALENDARS: calendars_capability(several=several, may_create=may_create), PARSE: {}}


_ONE_CALENDAR: Final = frozenset({"cyrus"})
"""Servers that refuse a uid that lies in another calendar of the same home."""


def calendars_open(account: Account) -> CalendarAccount:
    """The account's calendars as they are known. Raises MethodError where it has none."""
    if account.calendars is None:
        raise MethodError("accountNotSupportedByMethod")
    return account.calendars


async def calendars_of(context: Context, account: Account, *, whole: bool = True) -> CalendarAccount:
    """The account's calendars, refreshed once per request. Raises MethodError, adapters.errors.

    whole: False where events alone matter, not the properties and rights of the Calendars, which cost more to list.
    """
    calendars = calendars_open(account)
    key = f"{account.id}/calendars"
    wanted = f"{key}/whole" if whole else key
    if wanted not in context.refreshed:
        await calendars.refresh(whole=whole)
        context.refreshed |= {key, wanted}
    return calendars


async def calendars_seen(
    context: Context, account: Account, window: TimeRange | None = None, *, whole: bool = True
) -> CalendarAccount:
    """The same, for calls that need no more than the calendars and what lies in a window.

    While nothing is known yet that is all there is in the index afterwards, and `context.glanced` says so.
    """
    calendars = calendars_open(account)
    if is_glanced(context, account) and window is None:
        return calendars
    if await calendars.glance(window, again=is_glanced(context, account)):
        context.glanced.add(f"{account.id}/calendars")
        return calendars
    return await calendars_of(context, account, whole=whole)


def is_glanced(context: Context, account: Account) -> bool:
    """Whether this request has only glanced at the account's calendars, see `calendars_seen`."""
    return f"{account.id}/calendars" in context.glanced


def own_addresses(account: Account, calendars: CalendarAccount) -> Addresses:
    """The calendar addresses of the account's owner: those that the server tells, else the address of the login."""
    return Addresses.of(calendars.facts.addresses, account.own_address)
