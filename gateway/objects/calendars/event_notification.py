"""CalendarEventNotification (draft-ietf-jmap-calendars-29 §7): changes by others, found while synchronising."""

from collections.abc import Mapping, Sequence
from typing import Any

from gateway.context import Account, Context
from gateway.jmap.checks import Check, array_of, id_, nullable, string, utc_date
from gateway.jmap.datatype import Fetched
from gateway.jmap.filters import Filter
from gateway.jmap.properties import ID, PropertyTable
from gateway.objects.calendars.capability import CALENDARS, calendars_of, own_addresses
from gateway.objects.calendars.event_view import View
from gateway.objects.calendars.notifications import NotificationType, told
from gateway.sync.calendars.index import NOTIFICATION
from gateway.sync.ledger import Record


class CalendarEventNotificationType(NotificationType):
    """The hooks of the standard methods for CalendarEventNotification."""

    name = NOTIFICATION
    capability = CALENDARS
    properties = PropertyTable(
        [
            ID,
            *map(told, ("created", "changedBy", "comment", "type", "calendarEventId")),
            *map(told, ("isDraft", "event", "eventPatch")),
        ]
    )
    filter_conditions: Mapping[str, Check] = {
        "after": nullable(utc_date),
        "before": nullable(utc_date),
        "type": string,
        "calendarEventIds": nullable(array_of(id_)),
    }

    async def get(
        self,
        context: Context,
        account: Account,
        ids: list[str] | None,
        properties: tuple[str, ...],
        arguments: Mapping[str, Any],
    ) -> Fetched:
        """CalendarEventNotification/get (-29 §7.1)."""
        calendars = await calendars_of(context, account)
        found = await calendars.ledger.read(NOTIFICATION)
        wanted = list(found) if ids is None else ids
        view = View(own_addresses(account, calendars))
        shown = [_shown(view, found[key], properties) for key in wanted if key in found]
        return Fetched(shown, [key for key in wanted if key not in found])

    def matches(self, account: Account, note: Record, condition: Filter) -> bool:
        """See NotificationType (-29 §7.4)."""
        ids = condition.get("calendarEventIds")
        kind: str = note["type"]
        return condition.get("type", kind) == kind and (ids is None or note["calendarEventId"] in ids)


def _shown(view: View, note: Record, properties: Sequence[str]) -> dict[str, Any]:
    """isDraft and eventPatch are there where their type has them."""
    shown = {name: note[name] for name in properties if name in note}
    if "event" in shown:
        shown["event"] = view.content(shown["event"])
    return shown
