"""What an extension brings to a type of another capability is there only for who uses it (RFC 8620 §1.8)."""

import pytest

from gateway.jmap.capabilities import CORE
from gateway.jmap.checks import boolean
from gateway.jmap.properties import ID, Property, PropertyTable
from tests.jmap.bakery import BAKERY, DIET, Account, Client


@pytest.fixture
def client() -> Client:
    account = Account("A")
    account.add("oat", isVegan=True)
    account.add("butter", isVegan=False)
    return Client(account)


async def test_a_property(client: Client) -> None:
    asked = ("Cookie/get", {"accountId": "A", "ids": ["c0"], "properties": ["isVegan"]})
    ((_, error),) = await client.responses(asked)
    assert error["type"] == "invalidArguments"
    ((_, answer),) = await client.responses(asked, using=(CORE, BAKERY, DIET))
    assert answer["list"] == [{"id": "c0", "isVegan": True}]
    ((_, answer),) = await client.responses(("Cookie/get", {"accountId": "A"}), using=(CORE, BAKERY, DIET))
    assert "isVegan" not in answer["list"][0]  # not by default


def test_a_property_that_is_shown_by_default() -> None:
    """It is left out where the client does not use what brings it (RFC 8620 §1.8)."""
    table = PropertyTable([ID, Property("isVegan", boolean, capability=DIET)])
    assert table.select(None, {CORE, BAKERY}) == ("id",)
    assert table.select(None, {CORE, DIET}) == table.select(None) == ("id", "isVegan")


@pytest.mark.parametrize("method", ["Cookie/query", "Cookie/queryChanges"])
async def test_a_condition(client: Client, method: str) -> None:
    arguments = {"accountId": "A", "filter": {"isVegan": True}}
    if method == "Cookie/queryChanges":
        arguments["sinceQueryState"] = "s0"
    ((_, error),) = await client.responses((method, arguments))
    assert error["type"] == "unsupportedFilter"
    ((name, answer),) = await client.responses((method, arguments), using=(CORE, BAKERY, DIET))
    assert name == method
    assert [*answer.get("ids", []), *(item["id"] for item in answer.get("added", []))] == ["c0"]


async def test_who_does_not_know_it_cannot_set_it(client: Client) -> None:
    asked = ("Cookie/set", {"accountId": "A", "create": {"n": {"name": "nut", "isVegan": True}}})
    for using in ((CORE, BAKERY), (CORE, BAKERY, DIET)):
        ((_, answer),) = await client.responses(asked, using=using)
        assert answer["notCreated"]["n"]["properties"] == ["isVegan"]
