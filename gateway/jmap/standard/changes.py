"""Foo/changes (RFC 8620 §5.2)."""

from collections.abc import Mapping
from typing import Any

from gateway.jmap.arguments import Argument
from gateway.jmap.checks import nullable, positive_int, string
from gateway.jmap.datatype import Changeable
from gateway.jmap.methods import Answer, Method

_ARGUMENTS = (
    Argument("sinceState", string),
    Argument("maxChanges", nullable(positive_int), None),
)


def method(data_type: Changeable) -> Method:
    """Foo/changes of the type."""

    async def handler(context: Any, account: Any, arguments: Mapping[str, Any]) -> Answer:
        since = arguments["sinceState"]
        changes = await data_type.changes(context, account, since, arguments["maxChanges"])
        return Answer(
            {
                "accountId": arguments["accountId"],
                "oldState": since,  # RFC 8620 §5.2: the argument echoed back
                "newState": changes.new_state,
                "hasMoreChanges": changes.has_more,
                "created": list(changes.created),
                "updated": list(changes.updated),
                "destroyed": list(changes.destroyed),
                **changes.extra,
            }
        )

    return Method(f"{data_type.name}/changes", data_type.capability, _ARGUMENTS, handler)
