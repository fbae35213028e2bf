"""The defaults among Calendars (draft-ietf-jmap-calendars-29 §4.3) and ParticipantIdentities (-29 §3.3)."""

from typing import Any, Final

from adapters.errors import AdapterError, Unavailable
from gateway.context import Account, Context
from gateway.objects.calendars.calendar import CalendarType
from gateway.objects.calendars.calendar_view import is_shared
from gateway.objects.calendars.capability import calendars_of, calendars_open
from gateway.objects.calendars.participant_identity import ParticipantIdentityType, identities, make_default
from gateway.objects.set_default import method
from gateway.sync.calendars.index import default_of, may_write


async def _default_calendar(context: Context, account: Account) -> str | None:
    return default_of((await calendars_of(context, account)).index)


async def _choose_calendar(context: Context, account: Account, calendar_id: str) -> None:
    """On the server, where it has a default of its own (RFC 6638 §9.2), else in the store. Raises Unavailable."""
    calendars = await calendars_of(context, account)
    held = calendars.index.calendars.get(calendar_id)
    if held is None or not may_write(held.info):
        return
    kept_here = is_shared(held.info)  # the server's is for invitations to the user
    try:
        if not kept_here:
            await calendars.port.set_default_calendar(held.info.path)
    except Unavailable:
        raise
    except AdapterError:  # it has none, or allows no other
        kept_here = True

    def edit(settings: dict[str, dict[str, Any]]) -> None:
        for values in settings.values():
            values.pop("isDefault", None)
        if kept_here:
            settings.setdefault(calendar_id, {})["isDefault"] = True

    await calendars.set_settings(edit)
    await calendars.refresh()


async def _default_identity(_: Context, account: Account) -> str | None:
    known = await identities(account, calendars_open(account))
    return next((key for key, record in known.items() if record["isDefault"]), None)


async def _choose_identity(_: Context, account: Account, identity_id: str) -> None:
    calendars = calendars_open(account)
    if identity_id in await identities(account, calendars):
        await make_default(account, calendars, identity_id)


SET_CALENDARS: Final = method(CalendarType(), _default_calendar, _choose_calendar)
SET_IDENTITIES: Final = method(ParticipantIdentityType(), _default_identity, _choose_identity)
