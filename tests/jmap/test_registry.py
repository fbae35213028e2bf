"""Declarations are verified at start, not at the first request."""

from collections.abc import Mapping
from typing import Any

import pytest

from gateway.jmap import checks
from gateway.jmap.arguments import Argument
from gateway.jmap.capabilities import CORE, CoreLimits
from gateway.jmap.core_methods import echo
from gateway.jmap.methods import Method
from gateway.jmap.properties import ID, Property, PropertyTable
from gateway.jmap.registry import Misdeclared, Registry
from tests.jmap.bakery import BAKERY, REGISTRY, Cookies


def test_the_bakery() -> None:
    standard = {f"Cookie/{name}" for name in ("get", "changes", "set", "copy", "query", "queryChanges")}
    others = {"Oven/get", "Oven/set", "Core/echo", "Cookie/crumble", "Bakery/hello"}
    assert set(REGISTRY.names()) == standard | others
    assert REGISTRY.find("Cookie/get", frozenset({CORE})) is None
    assert REGISTRY.find("Cookie/get", frozenset({BAKERY})) is REGISTRY.find("Cookie/get", None)


class Bare:
    """A type that offers /get by its shape alone."""

    name = "Bare"
    capability = BAKERY
    methods: tuple[str, ...] = ("get",)
    properties = PropertyTable([ID])
    get_arguments: tuple[Argument, ...] = ()
    accountless = False

    async def state(self, context: Any, account: Any) -> str:
        return f"{context}{account}"

    async def get(self, context: Any, account: Any, ids: Any, properties: Any, arguments: Mapping[str, Any]) -> Any:
        return context, account, ids, properties, arguments


def test_a_type_may_fit_by_its_shape() -> None:
    assert Registry.build([Bare()]).names() == ["Bare/get"]


@pytest.mark.parametrize(
    "methods", [(), ("fetch",), ("get", "changes"), ("set",), ("copy",), ("query",), ("queryChanges",)]
)
def test_a_type_that_does_not_bring_what_it_declares(methods: tuple[str, ...]) -> None:
    bare = Bare()
    bare.methods = methods
    with pytest.raises(Misdeclared):
        Registry.build([bare])


def test_a_hook_that_is_not_asynchronous() -> None:
    bare = Bare()
    bare.get = lambda *arguments: arguments  # type: ignore[method-assign, assignment]
    with pytest.raises(Misdeclared, match="get"):
        Registry.build([bare])


def test_query_changes_needs_query() -> None:
    cookies = Cookies()
    cookies.methods = ("get", "queryChanges")  # type: ignore[assignment]
    with pytest.raises(Misdeclared):
        Registry.build([cookies])


def test_doubles() -> None:
    with pytest.raises(Misdeclared, match="twice"):
        Registry.build([Cookies(), Cookies()])
    argument = Argument("a", checks.anything)
    for arguments in ((argument, argument), (Argument("accountId", checks.id_),)):
        with pytest.raises(Misdeclared, match="twice"):
            Registry.build([], [Method("A/b", CORE, arguments, echo)])
    with pytest.raises(Misdeclared, match="capability"):
        Registry.build([], [Method("A/b", "", (), echo)])


def test_property_tables() -> None:
    name = Property("name", checks.string)
    with pytest.raises(ValueError, match="twice"):
        PropertyTable([ID, name, name])
    with pytest.raises(ValueError, match="id"):
        PropertyTable([name])
    with pytest.raises(ValueError, match="odd"):
        PropertyTable([ID, name], default=["odd"])
    assert [row.name for row in PropertyTable([name, ID])] == ["name", "id"]


def test_the_core_capability_object() -> None:  # RFC 8620 §2
    limits = CoreLimits(max_objects_in_get=7).to_json()
    assert limits["maxObjectsInGet"] == 7
    assert limits.keys() == {
        "maxSizeUpload",
        "maxConcurrentUpload",
        "maxSizeRequest",
        "maxConcurrentRequests",
        "maxCallsInRequest",
        "maxObjectsInGet",
        "maxObjectsInSet",
        "collationAlgorithms",
    }
