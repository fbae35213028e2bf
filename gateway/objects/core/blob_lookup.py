"""Blob/lookup (RFC 9404 §4.3): which objects refer to a blob. The types say it of themselves; here it is collected."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.context import Account, Context
from gateway.jmap.arguments import Argument
from gateway.jmap.checks import array_of, id_or_reference, string
from gateway.jmap.errors import MethodError
from gateway.jmap.methods import Answer, Method
from gateway.objects.core.blob_capability import BLOB


@dataclass(frozen=True, slots=True)
class Referrers:
    """A type that refers to blobs: the capability that brings it, and how to find its objects by a blob id.

    find: only asked about blobs that can be read. Raises MethodError, adapters.errors.
    """

    capability: str
    find: Callable[[Context, Account, str], Awaitable[Sequence[str]]]


def method(types: Mapping[str, Referrers]) -> Method:
    """Blob/lookup over these types, by name."""

    async def lookup(context: Context, account: Account, arguments: Mapping[str, Any]) -> Answer:
        if len(arguments["ids"]) > context.limits.max_objects_in_get:
            raise MethodError("requestTooLarge")
        asked = _asked(types, context, account, arguments["typeNames"])
        ids = dict.fromkeys(arguments["ids"])
        return Answer(
            {
                "accountId": arguments["accountId"],
                "list": [await _info(asked, context, account, given) for given in ids],
                "notFound": [],  # RFC 9404 §4.3: what does not exist has empty arrays in the list
            }
        )

    arguments = (Argument("typeNames", array_of(string)), Argument("ids", array_of(id_or_reference)))
    return Method("Blob/lookup", BLOB, arguments, lookup)


def _asked(
    types: Mapping[str, Referrers], context: Context, account: Account, names: list[str]
) -> dict[str, Referrers]:
    """The types by name. Raises MethodError for one that is unknown or not in use (RFC 9404 §4.3)."""
    for name in names:
        found = types.get(name)
        if found is None or found.capability not in context.using & account.capabilities.keys():
            raise MethodError("unknownDataType", f"there is no type {name[:100]!r} with references to blobs in use")
    return {name: types[name] for name in names}


async def _info(asked: Mapping[str, Referrers], context: Context, account: Account, given: str) -> dict[str, Any]:
    blob_id = context.created_ids.get(given[1:]) if given.startswith("#") else given
    matched: dict[str, list[str]] = {name: [] for name in asked}
    if blob_id is not None and await context.blobs.find(account, blob_id) is not None:
        for name, referrers in asked.items():
            matched[name] = list(await referrers.find(context, account, blob_id))
    return {"id": blob_id or given, "matchedIds": matched}
