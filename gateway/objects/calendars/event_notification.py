"""CalendarEventNotification (draft-ietf-jmap-calendars-29 §7): changes by others, found while synchronising."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

from gateway.context import Account, Context
from gateway.jmap.checks import Check, anything, array_of, id_, nullable, string, utc_date
from gateway.jmap.datatype import Changeable, Changes, Fetched, Query, QueryChangeable, QueryResult, Settable
from gateway.jmap.errors import MethodError, SetError
from gateway.jmap.filters import Comparator, Filter, evaluate
from gateway.jmap.properties import ID, Property, PropertyTable, Update
from gateway.objects.calendars.capability import CALENDARS, calendars_of, own_addresses
from gateway.objects.calendars.event_view import View
from gateway.objects.changes import ledger_changes
from gateway.objects.results import ListResult
from gateway.sync.calendars.index import NOTIFICATION
from gateway.sync.ledger import Edit, Record

_FORBIDDEN: Final = SetError("forbidden", "Notifications are made by the server only.")


class CalendarEventNotificationType(Settable, Changeable, QueryChangeable):
    """The hooks of the standard methods for CalendarEventNotification."""

    name = NOTIFICATION
    capability = CALENDARS
    methods = ("get", "changes", "set", "query", "queryChanges")
    properties = PropertyTable(
        [
            ID,
            *(
                Property(name, anything, server_set=True)
                for name in ("created", "changedBy", "comment", "type", "calendarEventId", "isDraft", "event")
            ),
            Property("eventPatch", anything, server_set=True),
        ]
    )
    filter_conditions: Mapping[str, Check] = {
        "after": nullable(utc_date),
        "before": nullable(utc_date),
        "type": string,
        "calendarEventIds": nullable(array_of(id_)),
    }
    sort_properties = {"created": ()}  # noqa: RUF012 - declared by Queryable

    async def state(self, context: Context, account: Account) -> str:
        """The state of all notifications, after a look for new ones."""
        return await (await calendars_of(context, account)).ledger.state(NOTIFICATION)

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
        if len(wanted) > context.limits.max_objects_in_get:
            raise MethodError("requestTooLarge")
        view = View(own_addresses(account, calendars))
        shown = [_shown(view, found[key], properties) for key in wanted if key in found]
        return Fetched(shown, [key for key in wanted if key not in found])

    async def changes(self, context: Context, account: Account, since_state: str, max_changes: int | None) -> Changes:
        """CalendarEventNotification/changes (-29 §7.2)."""
        calendars = await calendars_of(context, account)
        return await ledger_changes(calendars.ledger, NOTIFICATION, since_state, max_changes)

    async def create(
        self, context: Context, account: Account, records: Mapping[str, Mapping[str, Any]], arguments: Mapping[str, Any]
    ) -> Mapping[str, Mapping[str, Any] | SetError]:
        """MUST be rejected (-29 §7.3)."""
        return dict.fromkeys(records, _FORBIDDEN)

    async def update(
        self, context: Context, account: Account, updates: Mapping[str, Update], arguments: Mapping[str, Any]
    ) -> Mapping[str, Mapping[str, Any] | SetError | None]:
        """MUST be rejected (-29 §7.3)."""
        return dict.fromkeys(updates, _FORBIDDEN)

    async def destroy(
        self, context: Context, account: Account, ids: Sequence[str], arguments: Mapping[str, Any]
    ) -> Mapping[str, SetError]:
        """The user has seen them (-29 §7)."""
        calendars = await calendars_of(context, account)
        found = await calendars.ledger.read(NOTIFICATION)

        def edit(before: Mapping[str, Mapping[str, Record]]) -> Edit:
            return Edit(remove={NOTIFICATION: [key for key in ids if key in before[NOTIFICATION]]})

        await calendars.keep(edit, NOTIFICATION)
        return {key: SetError("notFound") for key in ids if key not in found}

    async def query(self, context: Context, account: Account, query: Query) -> QueryResult:
        """CalendarEventNotification/query (-29 §7.4)."""
        ledger = (await calendars_of(context, account)).ledger
        state = await ledger.state(NOTIFICATION)
        records = (await ledger.read(NOTIFICATION)).values()
        found = sorted(
            (one for one in records if evaluate(query.filter, partial(_matches, one))), key=lambda r: r["id"]
        )
        for step in reversed(query.sort or (Comparator("created", is_ascending=False),)):
            found.sort(key=lambda one: str(one["created"]), reverse=not step.is_ascending)
        return ListResult([one["id"] for one in found], state)

    async def touched_since(
        self, context: Context, account: Account, query: Query, since_query_state: str
    ) -> set[str] | None:
        """For CalendarEventNotification/queryChanges (-29 §7.5)."""
        changed = await self.changes(context, account, since_query_state, None)
        return {*changed.created, *changed.updated, *changed.destroyed}


def _shown(view: View, note: Record, properties: Sequence[str]) -> dict[str, Any]:
    """isDraft and eventPatch are there where their type has them."""
    shown = {name: note[name] for name in properties if name in note}
    if "event" in shown:
        shown["event"] = view.content(shown["event"])
    return shown


def _matches(note: Record, condition: Filter) -> bool:
    after, before, ids = (condition.get(name) for name in ("after", "before", "calendarEventIds"))
    return (
        (after is None or note["created"] >= after)
        and (before is None or note["created"] < before)
        and ("type" not in condition or note["type"] == condition["type"])
        and (ids is None or note["calendarEventId"] in ids)
    )
