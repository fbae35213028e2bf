"""Foo/query (RFC 8620 §5.5)."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.jmap.datatype import Window
from gateway.jmap.errors import MethodError
from gateway.jmap.standard.query import first_index
from tests.jmap.bakery import Account, Client, Result


@pytest.fixture
def client() -> Client:
    account = Account("A")
    for name in "edcba":
        account.add(name, flavour="mint" if name in "ace" else None, toppings={"nuts": True} if name == "c" else {})
    return Client(account)


async def ids(client: Client, **arguments: Any) -> list[str]:
    answer = await client.call("Cookie/query", **arguments)
    assert "total" not in answer or arguments.get("calculateTotal")
    return [client.bakery.cookies[i]["name"] for i in answer["ids"]]


async def test_an_answer(client: Client) -> None:
    assert await client.call("Cookie/query", sort=[{"property": "name"}], limit=2, position=1) == {
        "accountId": "A",
        "queryState": "s5",
        "canCalculateChanges": True,
        "position": 1,
        "ids": ["c3", "c2"],
    }


async def test_filter_and_sort(client: Client) -> None:
    assert await ids(client) == list("edcba")
    assert await ids(client, filter=None, sort=None) == list("edcba")
    assert await ids(client, filter={"flavour": "mint"}, sort=[{"property": "name"}]) == list("ace")
    assert await ids(client, sort=[{"property": "name", "isAscending": False}]) == list("edcba")
    nuts_first = [{"property": "topping", "topping": "nuts", "isAscending": False}, {"property": "name"}]
    assert await ids(client, sort=nuts_first) == list("cabde")
    tree = {"operator": "NOT", "conditions": [{"flavour": "mint"}, {"nameContains": "d"}]}
    assert await ids(client, filter=tree) == ["b"]
    assert await ids(client, reversed=True) == list("abcde")


async def test_the_total_is_given_only_on_request(client: Client) -> None:  # MUST be omitted otherwise
    assert (await client.call("Cookie/query", calculateTotal=True, limit=1))["total"] == 5
    assert "total" not in await client.call("Cookie/query", calculateTotal=False, limit=1)


async def test_positions(client: Client) -> None:
    assert await ids(client, position=-2) == ["b", "a"]
    assert await ids(client, position=-99, limit=1) == ["e"]
    assert await ids(client, position=5) == []  # not an error
    assert await ids(client, position=2**53 - 1) == []
    assert (await client.call("Cookie/query", position=-2))["position"] == 3


async def test_anchors(client: Client) -> None:
    assert await ids(client, anchor="c2", limit=1) == ["c"]
    assert await ids(client, anchor="c2", anchorOffset=-1, position=4, limit=2) == ["d", "c"]  # position ignored
    assert await ids(client, anchor="c2", anchorOffset=-9, limit=1) == ["e"]
    assert await ids(client, anchor="c2", anchorOffset=3) == []
    assert await ids(client, anchor=None, anchorOffset=2, limit=1) == ["e"]  # anchorOffset ignored
    assert (await client.error("Cookie/query", anchor="c9"))["type"] == "anchorNotFound"
    assert (await client.error("Cookie/query", anchor="c0", filter={"nameContains": "a"}))["type"] == "anchorNotFound"


async def test_limits(client: Client) -> None:
    for index in range(10):
        client.bakery.add(f"more {index}")
    clamped = await client.call("Cookie/query", limit=11)
    assert (len(clamped["ids"]), clamped["limit"]) == (10, 10)
    unlimited = await client.call("Cookie/query", limit=None)
    assert (len(unlimited["ids"]), unlimited["limit"]) == (10, 10)
    assert "limit" not in await client.call("Cookie/query", limit=10)
    assert (await client.call("Cookie/query", limit=0))["ids"] == []


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        ({"limit": -1}, "invalidArguments"),
        ({"limit": 1.0}, "invalidArguments"),
        ({"position": None}, "invalidArguments"),
        ({"position": "0"}, "invalidArguments"),
        ({"position": 2**53}, "invalidArguments"),
        ({"anchor": 1}, "invalidArguments"),
        ({"anchor": ""}, "invalidArguments"),
        ({"anchorOffset": None}, "invalidArguments"),
        ({"calculateTotal": None}, "invalidArguments"),
        ({"reversed": 1}, "invalidArguments"),
        ({"filter": []}, "invalidArguments"),
        ({"filter": {"flavour": 1}}, "invalidArguments"),
        ({"filter": {"operator": "XOR", "conditions": []}}, "invalidArguments"),
        ({"filter": {"age": 1}}, "unsupportedFilter"),
        ({"sort": {}}, "invalidArguments"),
        ({"sort": [{"property": "topping"}]}, "invalidArguments"),
        ({"sort": [{"property": "age"}]}, "unsupportedSort"),
        ({"sort": [{"property": "name", "collation": "i;none"}]}, "unsupportedSort"),
        ({"unheardOf": 1}, "invalidArguments"),
    ],
)
async def test_errors(client: Client, arguments: dict[str, Any], kind: str) -> None:
    assert (await client.error("Cookie/query", **arguments))["type"] == kind
    assert client.bakery.calls == []


ALL = [f"i{n}" for n in range(7)]


@given(
    st.integers(0, 7),
    st.integers(-10, 10),
    st.none() | st.sampled_from([*ALL, "other"]),
    st.integers(-10, 10),
    st.none() | st.integers(0, 10),
)
def test_windows_are_those_of_the_model(
    total: int, position: int, anchor: str | None, offset: int, limit: int | None
) -> None:
    listed = ALL[:total]
    result = Result(listed, "q")
    window = Window(position, anchor, offset, limit)
    if anchor is not None and anchor not in listed:
        with pytest.raises(MethodError, match="anchorNotFound"):
            first_index(result, window)
        return
    wanted = listed.index(anchor) + offset if anchor is not None else position + (total if position < 0 else 0)
    kept = [item for index, item in enumerate(listed) if index >= wanted]
    start = first_index(result, window)
    assert start >= 0
    assert result.slice(start, total) == kept
