"""Runs the calls of a request in order; the one place where errors become responses (RFC 8620 §3.4, §3.6.2)."""

import logging
import traceback
import uuid
from typing import Any, Final

from adapters.errors import AdapterError
from gateway.jmap.accounts import open_account
from gateway.jmap.arguments import ACCOUNT_ID, bind
from gateway.jmap.context import CallContext
from gateway.jmap.errors import MethodError, method_error
from gateway.jmap.methods import Answer, Method
from gateway.jmap.references import Budget, Response, resolve
from gateway.jmap.registry import Registry
from gateway.jmap.request import Call, Request

_log: Final = logging.getLogger(__name__)


async def run(registry: Registry, context: CallContext, request: Request, session_state: str) -> dict[str, Any]:
    """The Response object of a request (RFC 8620 §3.4), to be written with orjson (it may hold fragments).

    Never raises for what a method does: an internal fault is a serverFail with an id, found in the log.
    """
    context.created_ids.update(request.created_ids or {})
    budget = Budget(context.limits.max_size_request)
    responses: list[Response] = []
    for call in request.method_calls:
        try:
            resolved = Call(call.name, resolve(call.arguments, responses, budget), call.call_id)
        except MethodError as error:
            # RFC 8620 §3.6.2: a name that is not recognised is told before what else is wrong with the call
            known = registry.find(call.name, context.using) is not None
            failure = error if known else MethodError("unknownMethod")
            responses.append(Response("error", failure.to_json(), call.call_id))
            continue
        await _perform(registry, context, resolved, context.using, responses)
    body: dict[str, Any] = {
        "methodResponses": [response.to_json() for response in responses],
        "sessionState": session_state,
    }
    if request.created_ids is not None:
        body["createdIds"] = context.created_ids
    return body


async def _perform(
    registry: Registry,
    context: CallContext,
    call: Call,
    using: frozenset[str] | None,
    responses: list[Response],
) -> None:
    """Append the responses of one call and of those it makes itself, which need not be `using` anything."""
    method = registry.find(call.name, using)
    if method is None:
        responses.append(Response("error", MethodError("unknownMethod").to_json(), call.call_id))
        return
    try:
        answer = await _invoke(method, context, call.arguments)
    except MethodError as error:
        responses.append(Response("error", error.to_json(), call.call_id))
    except AdapterError as error:
        responses.append(Response("error", _backend_failure(method, error).to_json(), call.call_id))
    except Exception as error:  # noqa: BLE001 - whatever a method does, the other calls are answered
        responses.append(Response("error", _fault(method, error).to_json(), call.call_id))
    else:
        responses.append(Response(method.name, answer.arguments, call.call_id))
        for extra in answer.then:
            implied, first = Call(extra.name, extra.arguments, call.call_id), len(responses)
            await _perform(registry, context, implied, None, responses)
            if extra.told is not None:
                await extra.told(responses[first].name, responses[first].arguments)


async def _invoke(method: Method, context: CallContext, arguments: dict[str, Any]) -> Answer:
    if method.takes_anything:
        return await method.handler(context, None, arguments)
    if not method.needs_account:
        return await method.handler(context, None, bind(method.arguments, arguments))
    bound = bind((ACCOUNT_ID, *method.arguments), arguments)
    account = open_account(context, bound["accountId"], method.capability, writes=method.writes)
    return await method.handler(context, account, bound)


def _backend_failure(method: Method, error: AdapterError) -> MethodError:
    failure = method_error(error)
    if failure is None:
        return _fault(method, error)
    _log.warning("%s: %s: %s", method.name, type(error).__name__, error)
    return failure


def _fault(method: Method, error: Exception) -> MethodError:
    """The error for an internal fault: the client sees an id, the log says where it happened.

    The message of the exception may quote what the client sent or a mail holds, so it is not logged. A method that
    writes may have done so before it failed, which the client must be told (serverPartialFail).
    """
    fault = uuid.uuid4().hex
    frames = traceback.extract_tb(error.__traceback__)[-5:]
    where = " < ".join(f"{frame.name}:{frame.lineno}" for frame in reversed(frames))
    _log.error("%s failed, fault %s: %s at %s", method.name, fault, type(error).__name__, where)
    kind = "serverPartialFail" if method.writes else "serverFail"
    return MethodError(kind, f"Internal error {fault}")
