"""Filters and comparators (RFC 8620 §5.5)."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.jmap import checks, filters
from gateway.jmap.arguments import Argument
from gateway.jmap.errors import MethodError
from gateway.jmap.filters import Comparator

CONDITIONS = {"a": checks.boolean, "b": checks.boolean}
SORTABLE: dict[str, tuple[Argument, ...]] = {"name": (), "hasKeyword": (Argument("keyword", checks.string),)}


def refused(value: Any) -> str:
    with pytest.raises(MethodError) as caught:
        filters.check_filter(value, CONDITIONS)
    return caught.value.type


def operator(name: Any, *conditions: Any) -> dict[str, Any]:
    return {"operator": name, "conditions": list(conditions)}


@pytest.mark.parametrize(
    "value", [None, {}, {"a": True}, operator("AND"), operator("NOT", operator("OR", {"b": False}))]
)
def test_good_filters_come_back_unchanged(value: Any) -> None:
    assert filters.check_filter(value, CONDITIONS) == value


@pytest.mark.parametrize(
    "value",
    [
        [],
        "a",
        True,
        {"a": 1},
        {"a": None},
        operator("XOR"),
        operator("and"),
        operator(1),
        operator(None),
        operator(["AND"]),
        operator("AND", None),
        operator("AND", [{}]),
        {"operator": "AND"},
        {"operator": "AND", "conditions": {}},
        {"operator": "AND", "conditions": [], "a": True},  # a FilterCondition MUST NOT have an operator
    ],
)
def test_malformed_filters(value: Any) -> None:
    assert refused(value) == "invalidArguments"


def test_filters_that_cannot_be_processed() -> None:
    deep: Any = {}
    for _ in range(filters.MAX_DEPTH - 1):
        deep = operator("AND", deep)
    assert filters.check_filter(deep, CONDITIONS) == deep
    assert refused(operator("AND", deep)) == "unsupportedFilter"
    assert refused(operator("OR", *[{}] * 20_000)) == "unsupportedFilter"
    assert refused({"unheard": 1}) == "unsupportedFilter"


conditions = st.dictionaries(st.sampled_from(["a", "b"]), st.booleans(), max_size=2)
trees = st.recursive(
    conditions,
    lambda parts: st.builds(
        lambda name, items: operator(name, *items), st.sampled_from(["AND", "OR", "NOT"]), st.lists(parts, max_size=3)
    ),
    max_leaves=8,
)


@given(trees, st.booleans(), st.booleans())
def test_evaluation(tree: Any, a: bool, b: bool) -> None:
    record = {"a": a, "b": b}

    def model(node: Any) -> bool:
        if "operator" not in node:
            return all(record[name] == value for name, value in node.items())
        parts = [model(part) for part in node["conditions"]]
        return {"AND": False not in parts, "OR": True in parts, "NOT": True not in parts}[node["operator"]]

    checked = filters.check_filter(tree, CONDITIONS)
    assert filters.evaluate(checked, lambda condition: condition.items() <= record.items()) == model(tree)


def test_walk_visits_every_condition_in_order() -> None:
    tree = operator("AND", {"a": True}, operator("NOT", {"b": True}), {})
    assert list(filters.walk(tree)) == [{"a": True}, {"b": True}, {}]
    assert list(filters.walk(None)) == []


def sort(value: Any) -> Any:
    return filters.check_sort(value, SORTABLE, {"i;octet"})


def test_comparators() -> None:
    assert sort(None) == sort([]) == ()
    assert sort([{"property": "name"}, {"property": "hasKeyword", "keyword": "k", "isAscending": False}]) == (
        Comparator("name", True, None, {}),
        Comparator("hasKeyword", False, None, {"keyword": "k"}),
    )
    assert sort([{"property": "name", "collation": "i;octet"}])[0].collation == "i;octet"


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("name", "invalidArguments"),
        (["name"], "invalidArguments"),
        ([{}], "invalidArguments"),
        ([{"property": 1}], "invalidArguments"),
        ([{"property": "name", "isAscending": 1}], "invalidArguments"),
        ([{"property": "name", "isAscending": None}], "invalidArguments"),
        ([{"property": "name", "collation": 1}], "invalidArguments"),
        ([{"property": "name", "keyword": "k"}], "invalidArguments"),
        ([{"property": "hasKeyword"}], "invalidArguments"),
        ([{"property": "hasKeyword", "keyword": 1}], "invalidArguments"),
        ([{"property": "age"}], "unsupportedSort"),
        ([{"property": "name", "collation": "i;none"}], "unsupportedSort"),
        ([{"property": "name"}] * 31, "unsupportedSort"),
    ],
)
def test_bad_comparators(value: Any, kind: str) -> None:
    with pytest.raises(MethodError) as caught:
        sort(value)
    assert caught.value.type == kind
