"""Calendar/set: the standard method, and onSuccessSetIsDefault (draft-ietf-jmap-calendars-29 §4.3)."""

from collections.abc import Mapping
from typing import Any, Final

from adapters.errors import AdapterError, Unavailable
from gateway.context import Account, Context
from gateway.jmap.arguments import Argument
from gateway.jmap.checks import id_or_reference, nullable
from gateway.jmap.methods import Answer, Method
from gateway.jmap.standard import set as standard_set
from gateway.jmap.standard.common import after_writing
from gateway.objects.calendars.calendar import CalendarType
from gateway.objects.calendars.capability import CALENDARS, calendars_of
from gateway.sync.calendars.account import CalendarAccount
from gateway.sync.calendars.index import default_of, may_write

_TYPE: Final = CalendarType()
_PLAIN_SET: Final = standard_set.method(_TYPE)
_FAILED: Final = ("notCreated", "notUpdated", "notDestroyed")
_DONE: Final = ("created", "updated", "destroyed")


async def set_calendars(context: Context, account: Account, arguments: Mapping[str, Any]) -> Answer:
    """The standard /set; then, if everything succeeded, the new default."""
    answer = await _PLAIN_SET.handler(context, account, arguments)
    outcome, wanted = answer.arguments, arguments["onSuccessSetIsDefault"]
    if wanted is None or any(outcome[member] for member in _FAILED):
        return answer
    calendar_id = context.created_ids.get(wanted[1:]) if wanted.startswith("#") else wanted
    calendars = await calendars_of(context, account)
    held = calendars.index.calendars.get(calendar_id or "")
    if held is None or not may_write(held.info):  # -29 §4.3: MUST be ignored
        return answer
    before = default_of(calendars.index)
    with after_writing(any(outcome[member] for member in _DONE)):
        await _make_default(calendars, held.id)
    after = default_of(calendars.index)
    for changed in {before, after} - {None} if before != after else ():
        _report(outcome, str(changed), is_default=changed == after)
    outcome["newState"] = await _TYPE.state(context, account)
    return answer


async def _make_default(calendars: CalendarAccount, calendar_id: str) -> None:
    """On the server, where it has a default of its own (RFC 6638 §9.2), else in the store. Raises Unavailable."""
    path = calendars.index.calendars[calendar_id].info.path
    kept_here = False
    try:
        await calendars.port.set_default_calendar(path)
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


def _report(outcome: dict[str, Any], calendar_id: str, *, is_default: bool) -> None:
    """Tell which Calendars became the default or ceased to be it, in `created` or in `updated` (-29 §4.3)."""
    for record in (outcome["created"] or {}).values():
        if record["id"] == calendar_id:
            record["isDefault"] = is_default
            return
    updated = dict(outcome["updated"] or {})
    updated[calendar_id] = (updated.get(calendar_id) or {}) | {"isDefault": is_default}
    outcome["updated"] = updated


SET: Final = Method(
    "Calendar/set",
    CALENDARS,
    (*_PLAIN_SET.arguments, Argument("onSuccessSetIsDefault", nullable(id_or_reference), None)),
    set_calendars,
    writes=True,
)
