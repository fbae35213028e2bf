"""Filters and comparators of /query (RFC 8620 §5.5): checked once, walked and evaluated everywhere else."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from gateway.jmap.arguments import Argument, bind
from gateway.jmap.checks import Check, boolean, string
from gateway.jmap.errors import MethodError

Filter = Mapping[str, Any]
"""A checked FilterOperator or FilterCondition, as JSON."""

MAX_DEPTH: Final = 30
MAX_NODES: Final = 1_000
MAX_COMPARATORS: Final = 30

_OPERATORS: Final = ("AND", "OR", "NOT")
_COMPARATOR: Final = (
    Argument("property", string),
    Argument("isAscending", boolean, True),
    Argument("collation", string, None),
)


def in_use(
    conditions: Mapping[str, Check], extra: Mapping[str, Mapping[str, Check]], using: Collection[str]
) -> dict[str, Check]:
    """The members of a FilterCondition, with those of the extensions that the request uses (RFC 8620 §1.8)."""
    found = dict(conditions)
    for urn, more in extra.items():
        if urn in using:
            found |= more
    return found


def check_filter(value: Any, conditions: Mapping[str, Check]) -> Filter | None:
    """A filter as given by a client, unchanged, once it is known to be good.

    conditions: the members of the type's FilterCondition. Raises MethodError: invalidArguments for a filter that is
    malformed, unsupportedFilter for an unknown condition or a filter too deep or too wide to be processed.
    """
    if value is None:
        return None
    nodes = 0
    stack: list[tuple[Any, int]] = [(value, 1)]
    while stack:
        node, depth = stack.pop()
        nodes += 1
        if nodes > MAX_NODES or depth > MAX_DEPTH:
            raise MethodError("unsupportedFilter", f"more than {MAX_NODES} terms or {MAX_DEPTH} levels")
        if not isinstance(node, dict):
            raise MethodError("invalidArguments", "filter: every part must be an object")
        if "operator" in node:
            stack.extend((part, depth + 1) for part in _operands(node))
        else:
            _check_condition(node, conditions)
    checked: Filter = value
    return checked


def _operands(node: Mapping[str, Any]) -> list[Any]:
    if node.keys() != {"operator", "conditions"} or node["operator"] not in _OPERATORS:
        raise MethodError("invalidArguments", "filter: an operator is AND, OR or NOT with conditions")
    if not isinstance(node["conditions"], list):
        raise MethodError("invalidArguments", "filter: conditions must be an array")
    return node["conditions"]


def _check_condition(node: Mapping[str, Any], conditions: Mapping[str, Check]) -> None:
    for name, value in node.items():
        if name not in conditions:
            raise MethodError("unsupportedFilter", f"there is no condition {name[:100]!r}")
        if wrong := conditions[name](value):
            raise MethodError("invalidArguments", f"filter: {name} {wrong}")


def walk(checked: Filter | None) -> Iterator[Filter]:
    """All FilterConditions of the tree, in order."""
    if checked is None:
        return
    if "operator" not in checked:
        yield checked
        return
    for part in checked["conditions"]:
        yield from walk(part)


def evaluate(checked: Filter | None, matches: Callable[[Filter], bool]) -> bool:
    """Whether a record matches, given whether it matches one FilterCondition (RFC 8620 §5.5)."""
    if checked is None:
        return True
    if "operator" not in checked:
        return matches(checked)
    parts = (evaluate(part, matches) for part in checked["conditions"])
    match checked["operator"]:
        case "AND":
            return all(parts)
        case "OR":
            return any(parts)
        case _:
            return not any(parts)  # NOT: none of the conditions may match


@dataclass(frozen=True, slots=True)
class Comparator:
    """One step of a sort. extra: the members that this property's comparator has besides (such as keyword)."""

    property: str
    is_ascending: bool = True
    collation: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


def check_sort(
    value: Any, sortable: Mapping[str, tuple[Argument, ...]], collations: Collection[str]
) -> tuple[Comparator, ...]:
    """The comparators of a sort argument; null and the empty array are no comparators.

    sortable: property -> the extra members of its comparator. Raises MethodError: invalidArguments for a malformed
    comparator, unsupportedSort for a property or collation that is not known, or for too many comparators.
    """
    if value is None:
        return ()
    if not isinstance(value, list):
        raise MethodError("invalidArguments", "sort must be an array or null")
    if len(value) > MAX_COMPARATORS:
        raise MethodError("unsupportedSort", f"more than {MAX_COMPARATORS} comparators")
    return tuple(_comparator(item, sortable, collations) for item in value)


def _comparator(item: Any, sortable: Mapping[str, tuple[Argument, ...]], collations: Collection[str]) -> Comparator:
    if not isinstance(item, dict) or not isinstance(item.get("property"), str):
        raise MethodError("invalidArguments", "sort: a comparator is an object with a property")
    extra = sortable.get(item["property"])
    if extra is None:
        raise MethodError("unsupportedSort", f"cannot sort by {item['property'][:100]!r}")
    bound = bind((*_COMPARATOR, *extra), item)
    collation = bound["collation"]
    if collation is not None and collation not in collations:
        raise MethodError("unsupportedSort", f"there is no collation {collation[:100]!r}")
    extras = {argument.name: bound[argument.name] for argument in extra}
    return Comparator(bound["property"], bound["isAscending"], collation, extras)
