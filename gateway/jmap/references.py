"""Result references: arguments taken from the responses of earlier calls (RFC 8620 §3.7)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from gateway.jmap import pointer
from gateway.jmap.errors import MethodError
from gateway.jmap.fragments import plain

_MEMBERS: Final = {"resultOf", "name", "path"}


@dataclass(frozen=True, slots=True)
class Response:
    """One entry of methodResponses."""

    name: str
    arguments: Mapping[str, Any]
    call_id: str

    def to_json(self) -> list[Any]:
        """The Invocation (RFC 8620 §3.2)."""
        return [self.name, self.arguments, self.call_id]


@dataclass(slots=True)
class Budget:
    """How many octets of JSON the references of one request may still bring in.

    Without it n calls that each refer twice to the one before make a response of 2^n parts.
    """

    octets: int

    def copy(self, value: Any) -> Any:
        """A copy of the value, fragments decoded, that shares nothing with the response it came from.

        Raises MethodError when there is no room for it or it nests too deep to be written.
        """
        try:
            encoded = orjson.dumps(value)
        except orjson.JSONEncodeError:
            raise _unresolved("the referenced value is nested too deep") from None
        self.octets -= len(encoded)
        if self.octets < 0:
            raise _unresolved("the references of this request bring in too much data")
        return orjson.loads(encoded)


def resolve(arguments: Mapping[str, Any], responses: Sequence[Response], budget: Budget) -> dict[str, Any]:
    """The arguments with every "#name" replaced by "name" and what it refers to.

    Raises MethodError: invalidArguments when a name is given in both forms or a value is no ResultReference,
    invalidResultReference when a reference does not resolve.
    """
    resolved: dict[str, Any] = {}
    for name, value in arguments.items():
        if not name.startswith("#"):
            resolved[name] = value
            continue
        if name[1:] in arguments:
            raise MethodError("invalidArguments", f"{name[1:]} is given both directly and as a reference")
        resolved[name[1:]] = budget.copy(_follow(name, value, responses))
    return resolved


def _follow(name: str, reference: Any, responses: Sequence[Response]) -> Any:
    if (
        not isinstance(reference, dict)
        or reference.keys() != _MEMBERS
        or not all(isinstance(value, str) for value in reference.values())
    ):
        raise MethodError("invalidArguments", f"{name} must be a ResultReference: resultOf, name and path")
    response = next((entry for entry in responses if entry.call_id == reference["resultOf"]), None)
    if response is None:
        raise _unresolved(f"{name}: there is no earlier response with this call id")
    if response.name != reference["name"]:
        raise _unresolved(f"{name}: the response is named otherwise")
    try:
        return evaluate(response.arguments, pointer.parse(reference["path"]))
    except pointer.BadPointer as error:
        raise _unresolved(f"{name}: {error}") from None


def evaluate(value: Any, tokens: Sequence[str]) -> Any:
    """What the tokens point to, "*" mapping through an array and flattening one level (RFC 8620 §3.7).

    Raises MethodError("invalidResultReference").
    """
    for position, name in enumerate(tokens):
        value = plain(value)
        if name == "*" and isinstance(value, list):
            return _map(value, tokens[position + 1 :])
        value = _step(value, name)
    return plain(value)


def _map(items: list[Any], rest: Sequence[str]) -> list[Any]:
    output: list[Any] = []
    for item in items:
        result = evaluate(item, rest)
        if isinstance(result, list):
            output.extend(result)
        else:
            output.append(result)
    return output


def _step(value: Any, token: str) -> Any:
    if isinstance(value, Mapping) and token in value:
        return value[token]
    if isinstance(value, list | tuple):
        index = pointer.array_index(token, len(value))
        if index is not None:
            return value[index]
    raise _unresolved("the path does not exist in the response")


def _unresolved(description: str) -> MethodError:
    return MethodError("invalidResultReference", description)
