"""Foo/queryChanges (RFC 8620 §5.6), without stored result lists.

Everything that may have changed since the state is reported as removed, and those of it that are in the result now
as added: the standard allows extra ids in `removed`, and the client's list comes out right.
"""

from collections.abc import Mapping
from typing import Any, Final

from gateway.jmap.arguments import Argument
from gateway.jmap.checks import id_, nullable, string, unsigned_int
from gateway.jmap.context import CallContext
from gateway.jmap.datatype import QueryChangeable, QueryResult
from gateway.jmap.errors import MethodError
from gateway.jmap.methods import Answer, Method
from gateway.jmap.standard.query import QUERY_ARGUMENTS, checked_query

_ARGUMENTS: Final = (
    *QUERY_ARGUMENTS,
    Argument("sinceQueryState", string),
    Argument("maxChanges", nullable(unsigned_int), None),
    Argument("upToId", nullable(id_), None),
)


def method(data_type: QueryChangeable) -> Method:
    """Foo/queryChanges of the type."""

    async def handler(context: CallContext, account: Any, arguments: Mapping[str, Any]) -> Answer:
        return await _query_changes(data_type, context, account, arguments)

    declared = (*_ARGUMENTS, *data_type.query_arguments)
    return Method(f"{data_type.name}/queryChanges", data_type.capability, declared, handler)


async def _query_changes(
    data_type: QueryChangeable, context: CallContext, account: Any, arguments: Mapping[str, Any]
) -> Answer:
    since = arguments["sinceQueryState"]
    query = checked_query(data_type, context, arguments, None)
    # The result before the changes: an id that changes in between is then in both, which is harmless.
    result = await data_type.query(context, account, query)
    if not result.can_calculate_changes:
        raise MethodError("cannotCalculateChanges")
    touched: set[str] | None = set()
    if since != result.query_state:
        touched = await data_type.touched_since(context, account, query, since)
    if touched is None:
        raise MethodError("cannotCalculateChanges")
    added = _added(result, touched, arguments["upToId"])
    if arguments["maxChanges"] is not None and len(touched) + len(added) > arguments["maxChanges"]:
        raise MethodError("tooManyChanges")
    answer: dict[str, Any] = {
        "accountId": arguments["accountId"],
        "oldQueryState": since,
        "newQueryState": result.query_state,
        "removed": sorted(touched),
        "added": added,
    }
    if arguments["calculateTotal"]:
        answer["total"] = len(result)
    return Answer(answer)


def _added(result: QueryResult, touched: set[str], up_to_id: str | None) -> list[dict[str, Any]]:
    """The AddedItems by ascending index, none beyond upToId if that is in the result.

    Ids that left the part before upToId stay in `removed`: only the old list, which is not kept, could tell which
    they are, and then the standard wants upToId ignored. Where upToId itself may have moved, others that it has
    overtaken would be missed, so it is ignored as well.
    """
    last = None if up_to_id is None or up_to_id in touched else result.position(up_to_id)
    found = [(index, item) for item in touched if (index := result.position(item)) is not None]
    return [{"id": item, "index": index} for index, item in sorted(found) if last is None or index <= last]
