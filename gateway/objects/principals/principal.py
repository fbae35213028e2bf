"""Principal: properties and the hooks of the standard methods (RFC 9670 §2).

Principals are the server's; nobody changes them through JMAP, and what changed since a state is not known unless it
is the present one (§2.2 allows for that).
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

from gateway.context import Account, Context
from gateway.jmap import filters
from gateway.jmap.checks import anything, array_of, id_, nullable, string
from gateway.jmap.datatype import Changeable, Changes, Fetched, Query, QueryChangeable, Settable
from gateway.jmap.errors import MethodError, SetError
from gateway.jmap.filters import Filter
from gateway.jmap.properties import ID, Property, PropertyTable, Update
from gateway.objects.principals.capability import PRINCIPALS, calendars_behind, digest, people_of
from gateway.objects.results import ListResult, fetched
from gateway.sync.calendars.account import CalendarAccount
from gateway.sync.calendars.people import Person

CALENDARS: Final = "urn:ietf:params:jmap:calendars"
AVAILABILITY: Final = "urn:ietf:params:jmap:principals:availability"

PROPERTIES: Final = PropertyTable(
    [
        ID,
        Property("type", string),
        Property("name", string),
        Property("description", nullable(string), default=None),
        Property("email", nullable(string), default=None),
        Property("timeZone", nullable(string), default=None),
        Property("capabilities", anything, server_set=True),
        Property("accounts", anything, server_set=True),
    ]
)


class PrincipalType(Settable, Changeable, QueryChangeable):
    """The hooks of the standard methods for Principal."""

    name = "Principal"
    capability = PRINCIPALS
    methods = ("get", "changes", "set", "query", "queryChanges")
    properties = PROPERTIES
    filter_conditions: Mapping[str, Any] = {
        "accountIds": array_of(id_),
        **dict.fromkeys(("email", "name", "text", "type", "timeZone"), string),
    }
    extra_conditions: Mapping[str, Mapping[str, Any]] = {AVAILABILITY: {"calendarAddress": string}}  # -29 §2.3
    sort_properties: Mapping[str, Any] = {"name": (), "email": (), "type": ()}

    async def state(self, context: Context, account: Account) -> str:
        """The state of the Principals as the server shows them at this moment."""
        return digest((await _records(context, account)).values())

    async def get(
        self,
        context: Context,
        account: Account,
        ids: list[str] | None,
        properties: tuple[str, ...],
        arguments: Mapping[str, Any],
    ) -> Fetched:
        """Principal/get (RFC 9670 §2.1)."""
        return fetched(await _records(context, account), ids, properties)

    async def changes(self, context: Context, account: Account, since_state: str, max_changes: int | None) -> Changes:
        """Principal/changes (RFC 9670 §2.2): none since the present state, and not known since any other."""
        if since_state != await self.state(context, account):
            raise MethodError("cannotCalculateChanges")
        return Changes(since_state, since_state, False, (), (), ())

    async def create(
        self, context: Context, account: Account, records: Mapping[str, Mapping[str, Any]], arguments: Mapping[str, Any]
    ) -> Mapping[str, Mapping[str, Any] | SetError]:
        """Principal/set create: forbidden, as all of it (RFC 9670 §2.3)."""
        return {key: SetError("forbidden", _REFUSAL) for key in records}

    async def update(
        self, context: Context, account: Account, updates: Mapping[str, Update], arguments: Mapping[str, Any]
    ) -> Mapping[str, Mapping[str, Any] | SetError | None]:
        """Principal/set update."""
        return {key: SetError("forbidden", _REFUSAL) for key in updates}

    async def destroy(
        self, context: Context, account: Account, ids: Sequence[str], arguments: Mapping[str, Any]
    ) -> Mapping[str, SetError]:
        """Principal/set destroy."""
        records = await _records(context, account)
        return {key: SetError("forbidden", _REFUSAL) if key in records else SetError("notFound") for key in ids}

    async def query(self, context: Context, account: Account, query: Query) -> ListResult:
        """Principal/query (RFC 9670 §2.4)."""
        records = await _records(context, account)
        found = [one for one in records.values() if filters.evaluate(query.filter, partial(_matches, one))]
        for comparator in reversed(query.sort):  # stable: the first comparator counts most
            key = _sort_key(comparator.property)
            found.sort(key=key, reverse=not comparator.is_ascending)
        return ListResult([one["id"] for one in found], digest(records.values()))

    async def touched_since(
        self, context: Context, account: Account, query: Query, since_query_state: str
    ) -> set[str] | None:
        """Nothing since the present state; not known otherwise (RFC 9670 §2.5)."""
        return set() if since_query_state == await self.state(context, account) else None


_REFUSAL: Final = "principals are managed at the calendar server"


def _sort_key(name: str) -> Any:
    """A sort key for one property; null comes first."""
    return lambda record: (record[name] or "").casefold()


async def _records(context: Context, account: Account) -> dict[str, dict[str, Any]]:
    """All properties of all Principals, by id. Raises MethodError, adapters.errors."""
    calendars = calendars_behind(account)
    found = {}
    for person in await people_of(account):
        theirs = calendars.whose.account_of(person.principal.path)
        other = context.login.accounts.get(theirs) if theirs != account.id else None
        found[person.id] = _record(calendars, person, account if person.is_owner else other)
    return found


def _record(calendars: CalendarAccount, person: Person, account: Account | None) -> dict[str, Any]:
    """All properties. account: of whoever it is, where the user may see any of it."""
    address = next(iter(person.principal.addresses), None)
    calendaring: dict[str, Any] = {
        "accountId": None if account is None or account.calendars is None else account.id,
        "mayGetAvailability": person.is_owner or (calendars.facts.outbox and address is not None),
        "mayShareWith": calendars.facts.sharing and not person.is_owner,
    }
    if address is not None:
        calendaring["calendarAddress"] = address
    return {
        "id": person.id,
        "type": person.principal.kind,
        "name": person.principal.name,
        "description": None,
        "email": person.email,
        "timeZone": None,
        "capabilities": {CALENDARS: calendaring},
        "accounts": None if account is None else {account.id: _account(account)},
    }


def _account(account: Account) -> dict[str, Any]:
    """The Account object, as in the session (RFC 8620 §2)."""
    return {
        "name": account.name,
        "isPersonal": account.is_personal,
        "isReadOnly": account.is_read_only,
        "accountCapabilities": {urn: dict(value) for urn, value in account.capabilities.items()},
    }


def _matches(record: Mapping[str, Any], condition: Filter) -> bool:
    """Whether a Principal meets all of a FilterCondition (RFC 9670 §2.4.1, -29 §2.3)."""
    texts = {name: (record[name] or "").casefold() for name in ("name", "email", "description")}
    address = record["capabilities"][CALENDARS].get("calendarAddress", "")
    return (
        all(condition[name].casefold() in texts[name] for name in ("name", "email") if name in condition)
        and ("text" not in condition or any(condition["text"].casefold() in text for text in texts.values()))
        and condition.get("type", record["type"]) == record["type"]
        and ("timeZone" not in condition or condition["timeZone"] == record["timeZone"])
        and ("accountIds" not in condition or bool({*condition["accountIds"]} & {*(record["accounts"] or ())}))
        and ("calendarAddress" not in condition or condition["calendarAddress"].casefold() == address.casefold())
    )
