"""Foo/copy (RFC 8620 §5.4)."""

from collections.abc import Mapping
from typing import Any, Final

from adapters.errors import AdapterError
from gateway.jmap.accounts import open_source
from gateway.jmap.arguments import Argument
from gateway.jmap.checks import boolean, id_, is_id, map_of, nullable, object_, string
from gateway.jmap.context import CallContext
from gateway.jmap.datatype import Copy, Copyable
from gateway.jmap.errors import MethodError, SetError
from gateway.jmap.methods import Answer, ExtraCall, Method
from gateway.jmap.properties import PropertyTable
from gateway.jmap.standard.common import after_writing, lookup_in, refusals, require_state

_ARGUMENTS: Final = (
    Argument("fromAccountId", id_),
    Argument("ifFromInState", nullable(string), None),
    Argument("ifInState", nullable(string), None),
    Argument("create", map_of(id_, object_)),
    Argument("onSuccessDestroyOriginal", boolean, False),
    Argument("destroyFromIfInState", nullable(string), None),
)


def method(data_type: Copyable) -> Method:
    """Foo/copy of the type."""

    async def handler(context: CallContext, account: Any, arguments: Mapping[str, Any]) -> Answer:
        return await _copy(data_type, context, account, arguments)

    return Method(f"{data_type.name}/copy", data_type.capability, _ARGUMENTS, handler, writes=True)


async def _copy(data_type: Copyable, context: CallContext, account: Any, arguments: Mapping[str, Any]) -> Answer:
    if arguments["fromAccountId"] == arguments["accountId"]:  # MUST be different
        raise MethodError("invalidArguments", "fromAccountId and accountId must be different")
    source: Any = open_source(context, arguments["fromAccountId"], data_type.capability)
    if len(arguments["create"]) > context.limits.max_objects_in_set:
        raise MethodError("requestTooLarge", f"more than {context.limits.max_objects_in_set} records")
    require_state(arguments["ifFromInState"], await data_type.state(context, source))
    old_state = await data_type.state(context, account)
    require_state(arguments["ifInState"], old_state)
    copies, refused = _checked(data_type.properties, context, arguments["create"])
    created: dict[str, Mapping[str, Any]] = {}
    answers: Mapping[str, Mapping[str, Any] | SetError] = {}
    if copies:
        try:
            answers = await data_type.copy(context, source, account, copies)
        except AdapterError as error:
            answers = refusals(error, copies)
    for key in copies:
        answer = answers[key]
        if isinstance(answer, SetError):
            refused[key] = answer
        else:
            created[key] = answer
            context.created_ids[key] = str(answer["id"])
    with after_writing(bool(created)):
        new_state = await data_type.state(context, account)
    response = {
        "fromAccountId": arguments["fromAccountId"],
        "accountId": arguments["accountId"],
        "oldState": old_state,
        "newState": new_state,
        "created": created or None,
        "notCreated": {key: error.to_json() for key, error in refused.items()} or None,
    }
    return Answer(response, _destroy_originals(data_type, arguments, [copies[key].id for key in created]))


def _checked(
    table: PropertyTable, context: CallContext, create: Mapping[str, Mapping[str, Any]]
) -> tuple[dict[str, Copy], dict[str, SetError]]:
    """The copies that can be tried, and the refusals of the others."""
    copies: dict[str, Copy] = {}
    refused: dict[str, SetError] = {}
    for key, record in create.items():
        try:
            if not is_id(record.get("id")):
                raise SetError("invalidProperties", "id names the record to copy", ["id"])  # noqa: TRY301 - as of any record
            overrides = {name: value for name, value in record.items() if name != "id"}
            resolved = table.resolve(overrides, lookup_in(context))
            table.check(resolved)
            copies[key] = Copy(record["id"], resolved)
        except SetError as error:
            refused[key] = error
    return copies, refused


def _destroy_originals(data_type: Copyable, arguments: Mapping[str, Any], ids: list[str]) -> tuple[ExtraCall, ...]:
    if not arguments["onSuccessDestroyOriginal"] or not ids:
        return ()
    call = {
        "accountId": arguments["fromAccountId"],
        "destroy": list(dict.fromkeys(ids)),
        "ifInState": arguments["destroyFromIfInState"],
    }
    return (ExtraCall(f"{data_type.name}/set", call),)
