"""The Request object (RFC 8620 §3.3): from the body of a POST to typed calls."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from gateway.jmap import checks, ijson
from gateway.jmap.capabilities import CoreLimits
from gateway.jmap.errors import LIMIT, NOT_JSON, NOT_REQUEST, UNKNOWN_CAPABILITY, RequestProblem

_using = checks.array_of(checks.string)
_created_ids = checks.map_of(checks.id_, checks.id_)


@dataclass(frozen=True, slots=True)
class Call:
    """One method call: an Invocation of the request (RFC 8620 §3.2)."""

    name: str
    arguments: dict[str, Any]
    call_id: str


@dataclass(frozen=True, slots=True)
class Request:
    """A checked Request. created_ids is None when the client gave none, and then none are returned (§3.4)."""

    using: frozenset[str]
    method_calls: list[Call]
    created_ids: dict[str, str] | None


def parse_request(body: bytes, limits: CoreLimits, known_capabilities: Collection[str]) -> Request:
    """Parse and check a request body.

    Raises RequestProblem: limit (maxSizeRequest, maxCallsInRequest), notJSON, notRequest, unknownCapability.
    """
    check_size(len(body), limits)
    try:
        value = ijson.loads(body)
    except ijson.NotIJSON as error:
        raise RequestProblem(NOT_JSON, f"The body is not I-JSON: {error}.") from None
    return read_request(value, limits, known_capabilities)


def check_size(octets: int, limits: CoreLimits) -> None:
    """Raises RequestProblem: limit (maxSizeRequest)."""
    if octets > limits.max_size_request:
        raise RequestProblem(LIMIT, "The request is too large.", limit="maxSizeRequest")


def read_request(value: Any, limits: CoreLimits, known_capabilities: Collection[str]) -> Request:
    """The same for a value that was parsed already; members that the core does not know are ignored (§3.3)."""
    if not isinstance(value, dict):
        raise _not_request("a Request is an object")
    using: Any = value.get("using")
    if wrong := _using(using):
        raise _not_request(f"using {wrong}")
    created_ids: Any = value.get("createdIds")
    if "createdIds" in value and (wrong := _created_ids(created_ids)):
        raise _not_request(f"createdIds {wrong}")
    calls = value.get("methodCalls")
    if not isinstance(calls, list):
        raise _not_request("methodCalls must be an array")
    if len(calls) > limits.max_calls_in_request:
        raise RequestProblem(LIMIT, "The request has too many method calls.", limit="maxCallsInRequest")
    method_calls = [_call(item) for item in calls]
    unknown = next((urn for urn in using if urn not in known_capabilities), None)
    if unknown is not None:
        detail = f"The Request object used capability '{unknown[:200]}', which is not supported by this server."
        raise RequestProblem(UNKNOWN_CAPABILITY, detail)
    return Request(frozenset(using), method_calls, created_ids)


def _call(item: Any) -> Call:
    if isinstance(item, list) and len(item) == 3:
        name, arguments, call_id = item
        if isinstance(name, str) and isinstance(arguments, dict) and isinstance(call_id, str):
            return Call(name, arguments, call_id)
    raise _not_request("a method call is an array of a String, an object and a String")


def _not_request(reason: str) -> RequestProblem:
    return RequestProblem(NOT_REQUEST, f"The body is no Request object: {reason}.")
