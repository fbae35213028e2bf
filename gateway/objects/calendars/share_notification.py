"""ShareNotification: properties and the hooks of the standard methods (RFC 9670 §3).

What others share with the user are calendars in the user's home; a change of rights is found by the next pass.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final
from urllib.parse import unquote

from gateway.context import Account, Context
from gateway.jmap import filters
from gateway.jmap.checks import anything, id_, nullable, string, utc_date
from gateway.jmap.datatype import Changeable, Changes, Fetched, Query, QueryChangeable, Settable
from gateway.jmap.errors import SetError
from gateway.jmap.filters import Filter
from gateway.jmap.properties import ID, Property, PropertyTable, Update
from gateway.objects.calendars.calendar_view import rights, titled
from gateway.objects.calendars.capability import calendars_of
from gateway.objects.changes import ledger_changes
from gateway.objects.results import ListResult
from gateway.sync.calendars.account import CalendarAccount
from gateway.sync.calendars.people import people
from gateway.sync.calendars.shares import SHARE
from gateway.sync.ledger import Edit, Record

PRINCIPALS: Final = "urn:ietf:params:jmap:principals"


class ShareNotificationType(Settable, Changeable, QueryChangeable):
    """The hooks of the standard methods for ShareNotification."""

    name = SHARE
    capability = PRINCIPALS
    methods = ("get", "changes", "set", "query", "queryChanges")
    properties = PropertyTable(
        [
            ID,
            *(
                Property(name, anything, server_set=True)
                for name in (
                    *("created", "changedBy", "objectType", "objectAccountId", "objectId"),
                    *("oldRights", "newRights", "name"),
                )
            ),
        ]
    )
    filter_conditions: Mapping[str, Any] = {
        "after": nullable(utc_date),
        "before": nullable(utc_date),
        "objectType": string,
        "objectAccountId": id_,
    }
    sort_properties: Mapping[str, Any] = {"created": ()}

    async def state(self, context: Context, account: Account) -> str:
        """The state of all notifications, after a look for new ones."""
        return await (await calendars_of(context, account)).ledger.state(SHARE)

    async def get(
        self,
        context: Context,
        account: Account,
        ids: list[str] | None,
        properties: tuple[str, ...],
        arguments: Mapping[str, Any],
    ) -> Fetched:
        """ShareNotification/get (RFC 9670 §3.1)."""
        calendars = await calendars_of(context, account)
        notes = await calendars.ledger.read(SHARE)
        wanted = [key for key in (notes if ids is None else ids) if key in notes]
        owners = await _owners(account, calendars) if wanted and "changedBy" in properties else {}
        records = [_shown(account, notes[key], owners) for key in wanted]
        found = [{name: record[name] for name in properties} for record in records]
        return Fetched(found, [key for key in ids or () if key not in notes])

    async def changes(self, context: Context, account: Account, since_state: str, max_changes: int | None) -> Changes:
        """ShareNotification/changes (RFC 9670 §3.2)."""
        calendars = await calendars_of(context, account)
        return await ledger_changes(calendars.ledger, SHARE, since_state, max_changes)

    async def create(
        self, context: Context, account: Account, records: Mapping[str, Mapping[str, Any]], arguments: Mapping[str, Any]
    ) -> Mapping[str, Mapping[str, Any] | SetError]:
        """ShareNotification/set create: MUST be forbidden (RFC 9670 §3.3)."""
        return {key: SetError("forbidden") for key in records}

    async def update(
        self, context: Context, account: Account, updates: Mapping[str, Update], arguments: Mapping[str, Any]
    ) -> Mapping[str, Mapping[str, Any] | SetError | None]:
        """ShareNotification/set update: MUST be forbidden."""
        return {key: SetError("forbidden") for key in updates}

    async def destroy(
        self, context: Context, account: Account, ids: Sequence[str], arguments: Mapping[str, Any]
    ) -> Mapping[str, SetError]:
        """ShareNotification/set destroy: how a client dismisses one (RFC 9670 §3.3)."""
        calendars = await calendars_of(context, account)
        found = await calendars.ledger.read(SHARE)

        def edit(before: Mapping[str, Mapping[str, Record]]) -> Edit:
            return Edit(remove={SHARE: [key for key in ids if key in before[SHARE]]})

        await calendars.keep(edit, SHARE)
        return {key: SetError("notFound") for key in ids if key not in found}

    async def query(self, context: Context, account: Account, query: Query) -> ListResult:
        """ShareNotification/query (RFC 9670 §3.4)."""
        ledger = (await calendars_of(context, account)).ledger
        state = await ledger.state(SHARE)
        notes = sorted((await ledger.read(SHARE)).values(), key=lambda note: str(note["id"]))
        found = [note for note in notes if filters.evaluate(query.filter, partial(_matches, account, note))]
        for step in query.sort[:1]:
            found.sort(key=lambda note: str(note["created"]), reverse=not step.is_ascending)
        return ListResult([note["id"] for note in found], state)

    async def touched_since(
        self, context: Context, account: Account, query: Query, since_query_state: str
    ) -> set[str] | None:
        """Whatever came or went (RFC 9670 §3.5)."""
        changed = await self.changes(context, account, since_query_state, None)
        return {*changed.created, *changed.updated, *changed.destroyed}


def _shown(account: Account, note: Record, owners: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    last = unquote(note["owner"].rstrip("/").rpartition("/")[2])
    return {
        "id": note["id"],
        "created": note["created"],
        "changedBy": owners.get(note["owner"]) or {"name": last, "email": None, "principalId": None},
        "objectType": "Calendar",
        "objectAccountId": account.id,
        "objectId": note["calendarId"],
        "oldRights": None if note["before"] is None else rights(note["before"], shared=True),
        "newRights": None if note["after"] is None else rights(note["after"], shared=True),
        "name": titled(note["name"], note["path"]),
    }


async def _owners(account: Account, calendars: CalendarAccount) -> dict[str, dict[str, Any]]:
    """Entities by the path of their principal, as far as the server knows them. Raises adapters.errors."""
    known = await people(calendars, account.name, account.own_address)
    return {
        person.principal.path: {"name": person.principal.name, "email": person.email, "principalId": person.id}
        for person in known
    }


def _matches(account: Account, note: Record, condition: Filter) -> bool:
    """Whether a notification meets all of a FilterCondition (RFC 9670 §3.4.1)."""
    after, before = condition.get("after"), condition.get("before")
    in_time = (after is None or note["created"] >= after) and (before is None or note["created"] < before)
    kind, account_id = condition.get("objectType", "Calendar"), condition.get("objectAccountId", account.id)
    return in_time and (kind, account_id) == ("Calendar", account.id)
