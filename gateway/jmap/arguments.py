"""Declared arguments of methods: what is allowed, of which type, with which default (RFC 8620 §3.5, §3.9)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from gateway.jmap.checks import Check, id_
from gateway.jmap.errors import MethodError


class Required(Enum):
    """The default of what has none."""

    REQUIRED = "required"


REQUIRED: Final = Required.REQUIRED


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument. A default is what an omitted argument means; it is not checked and must not be changed."""

    name: str
    check: Check
    default: Any = REQUIRED


ACCOUNT_ID: Final = Argument("accountId", id_)


def bind(declared: Iterable[Argument], given: Mapping[str, Any]) -> dict[str, Any]:
    """All declared arguments with the given value or the default.

    Raises MethodError("invalidArguments") for an unknown, missing or wrongly typed argument.
    """
    bound: dict[str, Any] = {}
    for argument in declared:
        if argument.name in given:
            value = given[argument.name]
            if wrong := argument.check(value):
                raise MethodError("invalidArguments", f"{argument.name} {wrong}")
            bound[argument.name] = value
        elif argument.default is REQUIRED:
            raise MethodError("invalidArguments", f"{argument.name} is missing")
        else:
            bound[argument.name] = argument.default
    unknown = given.keys() - bound.keys()
    if unknown:
        names = ", ".join(sorted(name[:60] for name in unknown)[:5])
        raise MethodError("invalidArguments", f"unknown: {names}")
    return bound
