"""The methods that the server offers, made from data types and single methods, and verified at start."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from gateway.jmap import datatype
from gateway.jmap.methods import Answer, ExtraCall, Method
from gateway.jmap.standard import changes, copy, get, query, query_changes, set  # noqa: A004 - the standard's name

__all__ = ["Answer", "ExtraCall", "Method", "Misdeclared", "Registry"]


class Misdeclared(ValueError):
    """A data type or method that cannot work as declared: a mistake of the programmer, found at start."""


@dataclass(frozen=True, slots=True)
class _Standard:
    """A standard method: the Protocol that its types implement, what that asks for, how the Method is made."""

    protocol: type
    hooks: tuple[str, ...]
    tables: tuple[str, ...]
    make: Callable[[Any], Method]


_STANDARD: Final[Mapping[str, _Standard]] = {
    "get": _Standard(datatype.Gettable, ("state", "get"), ("get_arguments", "accountless"), get.method),
    "changes": _Standard(datatype.Changeable, ("state", "changes"), (), changes.method),
    "set": _Standard(
        datatype.Settable,
        ("state", "get", "create", "update", "destroy", "after_set"),
        ("get_arguments", "set_arguments", "singleton", "accountless"),
        set.method,
    ),
    "copy": _Standard(datatype.Copyable, ("state", "get", "copy"), ("get_arguments",), copy.method),
    "query": _Standard(
        datatype.Queryable,
        ("query",),
        ("filter_conditions", "sort_properties", "query_arguments", "max_query_limit"),
        query.method,
    ),
    "queryChanges": _Standard(
        datatype.QueryChangeable,
        ("query", "touched_since"),
        ("filter_conditions", "sort_properties", "query_arguments"),
        query_changes.method,
    ),
}


class Registry:
    """All methods by name. Made by `build`, read-only afterwards."""

    def __init__(self, methods: Mapping[str, Method]) -> None:
        self._methods: Final = methods

    @classmethod
    def build(cls, data_types: Iterable[datatype.DataType], methods: Iterable[Method] = ()) -> "Registry":
        """The registry of these types' standard methods and of the further methods. Raises Misdeclared."""
        table: dict[str, Method] = {}
        for data_type in data_types:
            _verify(data_type)
            for name in data_type.methods:
                _add(table, _STANDARD[name].make(data_type))
        for method in methods:
            _add(table, method)
        return cls(table)

    def find(self, name: str, using: frozenset[str] | None) -> Method | None:
        """The method, or None if there is none or its capability is not among those in use (RFC 8620 §1.8)."""
        method = self._methods.get(name)
        if method is None or (using is not None and method.capability not in using):
            return None
        return method

    def names(self) -> list[str]:
        """All method names, sorted."""
        return sorted(self._methods)


def _add(table: dict[str, Method], method: Method) -> None:
    if method.name in table:
        raise Misdeclared(f"{method.name} is declared twice")
    if not method.capability:
        raise Misdeclared(f"{method.name} belongs to no capability")
    names = [argument.name for argument in method.arguments]
    if len(names) != len({*names, "accountId"}) - 1:
        raise Misdeclared(f"{method.name} declares an argument twice, or accountId")
    table[method.name] = method


def _verify(data_type: datatype.DataType) -> None:
    if not data_type.methods:
        raise Misdeclared(f"{data_type.name} has no methods")
    for verb in data_type.methods:
        standard = _STANDARD.get(verb)
        if standard is None:
            raise Misdeclared(f"{data_type.name}/{verb} is no standard method")
        missing = [table for table in standard.tables if not hasattr(data_type, table)]
        hooks = ((hook, getattr(data_type, hook, None)) for hook in standard.hooks)
        missing += [name for name, hook in hooks if not inspect.iscoroutinefunction(hook)]
        if missing:
            raise Misdeclared(f"{data_type.name}/{verb} needs {', '.join(missing)}")
    if "queryChanges" in data_type.methods and "query" not in data_type.methods:
        raise Misdeclared(f"{data_type.name}/queryChanges is nothing without {data_type.name}/query")
