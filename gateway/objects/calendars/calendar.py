"""Calendar: properties and the hooks of the standard methods (draft-ietf-jmap-calendars-29 §4)."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from gateway.context import Account, Context
from gateway.jmap.arguments import Argument
from gateway.jmap.checks import Check, anything, boolean, id_, integer, map_of, nullable, string
from gateway.jmap.datatype import Changeable, Changes, Fetched, Settable
from gateway.jmap.errors import SetError
from gateway.jmap.properties import ID, Property, PropertyTable, Update
from gateway.objects.calendars import calendar_set
from gateway.objects.calendars import jscalendar_checks as js
from gateway.objects.calendars.calendar_view import shown
from gateway.objects.calendars.capability import CALENDARS, calendars_of, calendars_seen, own_addresses
from gateway.objects.calendars.sharing import calendar_rights
from gateway.objects.changes import changes_of
from gateway.objects.collections import MAX_ORDER, collection_name
from gateway.objects.json_types import enum
from gateway.sync.calendars.index import CALENDAR


def default_alert(value: Any) -> str | None:
    """An Alert that may be a default: not at an absolute time (-29 §4)."""
    wrong = js.ALERT(value)
    if wrong is None and value["trigger"].get("@type") == "AbsoluteTrigger":
        return "/trigger must not be an AbsoluteTrigger"
    return wrong


ALERTS: Final[Check] = nullable(map_of(id_, default_alert))


class CalendarType(Settable, Changeable):
    """The hooks of the standard methods for Calendar; Calendar/set has more to do and stands in `defaults`."""

    name = CALENDAR
    capability = CALENDARS
    methods = ("get", "changes")
    set_arguments = (Argument("onDestroyRemoveEvents", boolean, False),)
    properties = PropertyTable(
        [
            ID,
            Property("name", collection_name),
            Property("description", nullable(string), default=None),
            Property("color", nullable(js.color), default=None),
            Property("sortOrder", integer(0, MAX_ORDER), default=0),
            Property("isSubscribed", boolean, default=True),
            Property("isVisible", boolean, default=True),
            Property("isDefault", anything, server_set=True),
            Property("includeInAvailability", enum("all", "attending", "none"), default="all"),
            Property("defaultAlertsWithTime", ALERTS, default=None),
            Property("defaultAlertsWithoutTime", ALERTS, default=None),
            Property("timeZone", nullable(js.time_zone), default=None),
            Property("shareWith", nullable(map_of(id_, calendar_rights)), default=None),
            Property("myRights", anything, server_set=True),
        ]
    )

    async def state(self, context: Context, account: Account) -> str:
        """The state of all Calendars, true as of this request."""
        return (await calendars_seen(context, account)).state(CALENDAR)

    async def get(
        self,
        context: Context,
        account: Account,
        ids: list[str] | None,
        properties: tuple[str, ...],
        arguments: Mapping[str, Any],
    ) -> Fetched:
        """Calendar/get (-29 §4.1)."""
        calendars = await calendars_seen(context, account)
        index = calendars.index
        ids = list(index.calendars) if ids is None else ids
        held = {calendar_id: index.calendars[calendar_id] for calendar_id in ids if calendar_id in index.calendars}
        records = [shown(calendars, one) for one in held.values()]
        found = [{name: record[name] for name in properties} for record in records]
        return Fetched(found, [calendar_id for calendar_id in ids if calendar_id not in held])

    async def changes(self, context: Context, account: Account, since_state: str, max_changes: int | None) -> Changes:
        """Calendar/changes (-29 §4.2)."""
        return changes_of(await calendars_of(context, account), CALENDAR, since_state, max_changes)

    async def create(
        self, context: Context, account: Account, records: Mapping[str, Mapping[str, Any]], arguments: Mapping[str, Any]
    ) -> Mapping[str, Mapping[str, Any] | SetError]:
        """Calendar/set create (-29 §4.3)."""
        if not account.capabilities[CALENDARS]["mayCreateCalendar"]:
            return {key: SetError("forbidden") for key in records}
        return await calendar_set.create(account, await calendars_of(context, account), records)

    async def update(
        self, context: Context, account: Account, updates: Mapping[str, Update], arguments: Mapping[str, Any]
    ) -> Mapping[str, Mapping[str, Any] | SetError | None]:
        """Calendar/set update (-29 §4.3)."""
        return await calendar_set.update(account, await calendars_of(context, account), updates)

    async def destroy(
        self, context: Context, account: Account, ids: Sequence[str], arguments: Mapping[str, Any]
    ) -> Mapping[str, SetError]:
        """Calendar/set destroy (-29 §4.3)."""
        calendars = await calendars_of(context, account)
        own = own_addresses(account, calendars)
        return await calendar_set.destroy(calendars, own, ids, with_events=arguments["onDestroyRemoveEvents"])
