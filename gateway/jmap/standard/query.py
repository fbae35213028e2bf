"""Foo/query (RFC 8620 §5.5)."""

from collections.abc import Mapping
from typing import Any, Final

from gateway.jmap import filters
from gateway.jmap.arguments import Argument
from gateway.jmap.checks import anything, boolean, id_, int_, nullable, unsigned_int
from gateway.jmap.context import CallContext
from gateway.jmap.datatype import Query, Queryable, QueryResult, Window
from gateway.jmap.errors import MethodError
from gateway.jmap.methods import Answer, Method

# Shared with /queryChanges; filter and sort have checks of their own.
QUERY_ARGUMENTS: Final = (
    Argument("filter", anything, None),
    Argument("sort", anything, None),
    Argument("calculateTotal", boolean, False),
)
_WINDOW_ARGUMENTS: Final = (
    Argument("position", int_, 0),
    Argument("anchor", nullable(id_), None),
    Argument("anchorOffset", int_, 0),
    Argument("limit", nullable(unsigned_int), None),
)


def method(data_type: Queryable) -> Method:
    """Foo/query of the type."""

    async def handler(context: CallContext, account: Any, arguments: Mapping[str, Any]) -> Answer:
        return await _query(data_type, context, account, arguments)

    declared = (*QUERY_ARGUMENTS, *_WINDOW_ARGUMENTS, *data_type.query_arguments)
    return Method(f"{data_type.name}/query", data_type.capability, declared, handler)


def checked_query(
    data_type: Queryable, context: CallContext, arguments: Mapping[str, Any], window: Window | None
) -> Query:
    """The Query of a call. Raises MethodError: invalidArguments, unsupportedFilter, unsupportedSort."""
    collations = context.limits.collation_algorithms
    conditions = filters.in_use(data_type.filter_conditions, data_type.extra_conditions, context.using)
    return Query(
        filters.check_filter(arguments["filter"], conditions),
        filters.check_sort(arguments["sort"], data_type.sort_properties, collations),
        {argument.name: arguments[argument.name] for argument in data_type.query_arguments},
        window,
    )


async def _query(data_type: Queryable, context: CallContext, account: Any, arguments: Mapping[str, Any]) -> Answer:
    asked, most = arguments["limit"], data_type.max_query_limit
    clamped = most is not None and (asked is None or asked > most)
    limit = most if clamped else asked
    window = Window(
        arguments["position"],
        arguments["anchor"],
        arguments["anchorOffset"],
        limit,
        arguments["calculateTotal"],
    )
    query = checked_query(data_type, context, arguments, window)
    result = await data_type.query(context, account, query)
    start = first_index(result, window)
    answer: dict[str, Any] = {
        "accountId": arguments["accountId"],
        "queryState": result.query_state,
        "canCalculateChanges": result.can_calculate_changes,
        "position": start,
        "ids": result.slice(start, len(result) if limit is None else start + limit),
    }
    if window.calculate_total:  # RFC 8620 §5.5: MUST be omitted otherwise
        answer["total"] = len(result)
    if clamped:
        answer["limit"] = limit
    return Answer(answer)


def first_index(result: QueryResult, window: Window) -> int:
    """The index of the first id to return. Raises MethodError("anchorNotFound") (RFC 8620 §5.5)."""
    if window.anchor is not None:  # then position MUST be ignored
        anchor = result.position(window.anchor)
        if anchor is None:
            raise MethodError("anchorNotFound")
        return max(0, anchor + window.anchor_offset)
    if window.position < 0:
        return max(0, len(result) + window.position)
    return window.position
