"""Quota (RFC 9425): the limits of the mail server behind the account, as they are at this moment."""

from collections.abc import Collection, Mapping
from functools import partial
from typing import Any, Final

from adapters.ports.quota import QuotaPort, Resource
from gateway.context import Account, Context
from gateway.jmap import filters
from gateway.jmap.checks import MAX_INT, array_of, nullable, string, unsigned_int
from gateway.jmap.datatype import Changeable, Changes, Fetched, Gettable, Query, QueryChangeable
from gateway.jmap.errors import MethodError
from gateway.jmap.filters import Filter
from gateway.jmap.properties import ID, Property, PropertyTable
from gateway.objects.quota import states
from gateway.objects.results import ListResult, fetched
from gateway.sync.ids import Digester, to_text

QUOTA: Final = "urn:ietf:params:jmap:quota"
MAIL: Final = "urn:ietf:params:jmap:mail"

PROPERTIES: Final = PropertyTable(
    [
        ID,
        Property("resourceType", string, server_set=True),
        Property("used", unsigned_int, server_set=True),
        Property("hardLimit", unsigned_int, server_set=True),
        Property("warnLimit", nullable(unsigned_int), server_set=True),
        Property("softLimit", nullable(unsigned_int), server_set=True),
        Property("scope", string, server_set=True),
        Property("name", string, server_set=True),
        Property("description", nullable(string), server_set=True),
        Property("types", array_of(string), server_set=True),
    ]
)

NO_QUOTAS: Final = states.to_text({})
"""The state where nothing is limited."""

# Resource of the backend -> (resourceType, the type that it limits, the capability of that type).
_RESOURCES: Final[Mapping[Resource, tuple[str, str, str]]] = {
    "STORAGE": ("octets", "Email", MAIL),
    "MESSAGE": ("count", "Email", MAIL),
    "MAILBOX": ("count", "Mailbox", MAIL),
}


class QuotaType(Gettable, Changeable, QueryChangeable):
    """The hooks of the standard methods for Quota."""

    name = "Quota"
    capability = QUOTA
    methods = ("get", "changes", "query", "queryChanges")
    properties = PROPERTIES
    filter_conditions: Mapping[str, Any] = {"name": string, "scope": string, "resourceType": string, "type": string}
    sort_properties: Mapping[str, Any] = {"name": (), "used": ()}

    async def state(self, context: Context, account: Account) -> str:
        """The state of the Quotas that this request sees."""
        return states.to_text(states.state_of(await _quotas(context, account)))

    async def get(
        self,
        context: Context,
        account: Account,
        ids: list[str] | None,
        properties: tuple[str, ...],
        arguments: Mapping[str, Any],
    ) -> Fetched:
        """Quota/get (RFC 9425 §4.2)."""
        return fetched(await _quotas(context, account), ids, properties)

    async def changes(self, context: Context, account: Account, since_state: str, max_changes: int | None) -> Changes:
        """Quota/changes (RFC 9425 §4.3)."""
        since = states.from_text(since_state)
        if since is None:
            raise MethodError("cannotCalculateChanges")
        found = states.difference(since, states.state_of(await _quotas(context, account)), max_changes)
        return Changes(
            since_state,
            states.to_text(found.state),
            found.has_more,
            found.created,
            found.updated,
            found.destroyed,
            {"updatedProperties": ["used"] if found.only_used else None},
        )

    async def query(self, context: Context, account: Account, query: Query) -> ListResult:
        """Quota/query (RFC 9425 §4.4)."""
        quotas = await _quotas(context, account)
        found = [quota for quota in quotas.values() if filters.evaluate(query.filter, partial(_matches, quota))]
        for comparator in reversed(query.sort):  # stable: the first comparator counts most
            found.sort(key=lambda quota: quota[comparator.property], reverse=not comparator.is_ascending)
        return ListResult([quota["id"] for quota in found], states.to_text(states.state_of(quotas)))

    async def touched_since(
        self, context: Context, account: Account, query: Query, since_query_state: str
    ) -> set[str] | None:
        """Every Quota that is not as it was."""
        since = states.from_text(since_query_state)
        if since is None:
            return None
        found = states.difference(since, states.state_of(await _quotas(context, account)))
        return {*found.created, *found.updated, *found.destroyed}


def _port(account: Account) -> QuotaPort:
    if account.mail is None or not isinstance(account.mail.port, QuotaPort):
        raise MethodError("accountNotSupportedByMethod")
    return account.mail.port


async def observed_states(port: QuotaPort, account_id: str) -> dict[str, str]:
    """The state for who uses mail too, by type, as of now. Raises adapters.errors."""
    return {QuotaType.name: states.to_text(states.state_of(await _quotas_of(port, account_id, {MAIL})))}


async def _quotas(context: Context, account: Account) -> dict[str, dict[str, Any]]:
    """What this request sees. Raises MethodError, adapters.errors."""
    return await _quotas_of(_port(account), account.id, context.using)


async def _quotas_of(port: QuotaPort, account_id: str, using: Collection[str]) -> dict[str, dict[str, Any]]:
    """The Quotas by id, in the order of their ids. Raises adapters.errors."""
    quotas: dict[str, dict[str, Any]] = {}
    for root in await port.quotas():
        for resource, usage in root.resources.items():
            kind, type_name, capability = _RESOURCES[resource]
            if capability not in using:
                continue  # RFC 9425 §4.1: MUST NOT return a Quota without a type that the client knows
            quota_id = _id(account_id, root.name, resource)
            quotas[quota_id] = {
                "id": quota_id,
                "resourceType": kind,
                "used": min(usage.used, MAX_INT),
                "hardLimit": min(usage.limit, MAX_INT),
                "warnLimit": None,
                "softLimit": None,
                "scope": "account",
                "name": root.name,
                "description": None,
                "types": [type_name],
            }
    return dict(sorted(quotas.items()))


def _id(account_id: str, root: str, resource: Resource) -> str:
    fact = f"{resource}\0{root}".encode("utf-8", "surrogatepass")
    return to_text("q", Digester(account_id, "quota").digest(fact))


def _matches(quota: Mapping[str, Any], condition: Filter) -> bool:
    """Whether a Quota meets all of a FilterCondition (RFC 9425 §4.4)."""
    return (
        condition.get("name", "") in quota["name"]
        and condition.get("scope", quota["scope"]) == quota["scope"]
        and condition.get("resourceType", quota["resourceType"]) == quota["resourceType"]
        and ("type" not in condition or condition["type"] in quota["types"])
    )
