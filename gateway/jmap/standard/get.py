"""Foo/get (RFC 8620 §5.1)."""

from collections.abc import Mapping
from typing import Any

from gateway.jmap.arguments import Argument
from gateway.jmap.checks import array_of, id_or_reference, nullable, string
from gateway.jmap.context import CallContext
from gateway.jmap.datatype import Gettable
from gateway.jmap.errors import MethodError
from gateway.jmap.methods import Answer, Method

_ARGUMENTS = (
    Argument("ids", nullable(array_of(id_or_reference)), None),
    Argument("properties", nullable(array_of(string)), None),
)


def method(data_type: Gettable) -> Method:
    """Foo/get of the type."""

    async def handler(context: CallContext, account: Any, arguments: Mapping[str, Any]) -> Answer:
        return await _get(data_type, context, account, arguments)

    declared = (*_ARGUMENTS, *data_type.get_arguments)
    needs_account = not data_type.accountless
    return Method(f"{data_type.name}/get", data_type.capability, declared, handler, needs_account)


async def _get(data_type: Gettable, context: CallContext, account: Any, arguments: Mapping[str, Any]) -> Answer:
    limit = context.limits.max_objects_in_get
    properties = data_type.properties.select(arguments["properties"], context.using)
    data_type.properties.refuse_hidden(properties)
    ids, unknown = _ids(context, arguments["ids"])
    if ids is not None and len(ids) > limit:
        raise MethodError("requestTooLarge", f"more than {limit} ids")
    own = {argument.name: arguments[argument.name] for argument in data_type.get_arguments}
    # The state comes first: what changes while the records are read is then announced by /changes.
    state = None if data_type.tells_state else await data_type.state(context, account)
    fetched = await data_type.get(context, account, ids, properties, own)
    if len(fetched.list) > limit:  # RFC 8620 §5.1: null is for no more than maxObjectsInGet records
        raise MethodError("requestTooLarge", f"there are more than {limit}")
    found = {"list": list(fetched.list), "notFound": [*fetched.not_found, *unknown]}
    if data_type.accountless:
        return Answer(found)
    return Answer({"accountId": arguments["accountId"], "state": fetched.state or state} | found)


def _ids(context: CallContext, given: list[str] | None) -> tuple[list[str] | None, list[str]]:
    """(each id once, the creation ids that no record has). Creation ids are understood here too, as in a /set."""
    if given is None:
        return None, []
    ids: dict[str, None] = {}
    unknown: dict[str, None] = {}
    for item in given:
        found = context.created_ids.get(item[1:]) if item.startswith("#") else item
        if found is None:
            unknown[item] = None
        else:
            ids[found] = None
    return list(ids), list(unknown)
