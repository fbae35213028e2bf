"""/set with onSuccessSetIsDefault: Calendar (-29 §4.3) and ParticipantIdentity (-29 §3.3)."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from adapters.errors import AdapterError, Unavailable
from gateway.context import Account, Context
from gateway.jmap.arguments import Argument
from gateway.jmap.checks import id_or_reference, nullable
from gateway.jmap.datatype import Settable
from gateway.jmap.methods import Answer, Method
from gateway.jmap.standard import set as standard_set
from gateway.jmap.standard.common import after_writing
from gateway.objects.calendars.calendar import CalendarType
from gateway.objects.calendars.calendar_view import is_shared
from gateway.objects.calendars.capability import CALENDARS, calendars_of, calendars_open
from gateway.objects.calendars.participant_identity import ParticipantIdentityType, identities, make_default
from gateway.sync.calendars.index import default_of, may_write

_FAILED: Final = ("notCreated", "notUpdated", "notDestroyed")
_DONE: Final = ("created", "updated", "destroyed")

Current = Callable[[Context, Account], Awaitable[str | None]]
"""The id of the default record."""
Choose = Callable[[Context, Account, str], Awaitable[None]]
"""Make a record the default; does nothing where there is none of this id, or where it cannot be."""


def method(data_type: Settable, current: Current, choose: Choose) -> Method:
    """The standard /set; then, if everything succeeded, the new default."""
    plain = standard_set.method(data_type)

    async def handler(context: Context, account: Account, arguments: Mapping[str, Any]) -> Answer:
        answer = await plain.handler(context, account, arguments)
        outcome, wanted = answer.arguments, arguments["onSuccessSetIsDefault"]
        if wanted is None or any(outcome[member] for member in _FAILED):
            return answer
        chosen = context.created_ids.get(wanted[1:]) if wanted.startswith("#") else wanted
        if chosen is None:  # -29 §3.3, §4.3: MUST be ignored
            return answer
        with after_writing(any(outcome[member] for member in _DONE)):
            before = await current(context, account)
            await choose(context, account, chosen)
            after = await current(context, account)
            for changed in {before, after} - {None} if before != after else ():
                _report(outcome, str(changed), is_default=changed == after)
            outcome["newState"] = await data_type.state(context, account)
        return answer

    declared = (*plain.arguments, Argument("onSuccessSetIsDefault", nullable(id_or_reference), None))
    return Method(plain.name, CALENDARS, declared, handler, writes=True)


def _report(outcome: dict[str, Any], record_id: str, *, is_default: bool) -> None:
    """Tell which record became the default or ceased to be it, in `created` or in `updated`."""
    for record in (outcome["created"] or {}).values():
        if record["id"] == record_id:
            record["isDefault"] = is_default
            return
    updated = dict(outcome["updated"] or {})
    updated[record_id] = (updated.get(record_id) or {}) | {"isDefault": is_default}
    outcome["updated"] = updated


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
