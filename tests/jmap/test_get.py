"""Foo/get (RFC 8620 §5.1) and the account of a call (§3.6.2)."""

from typing import Any

import pytest

from gateway.jmap.capabilities import CORE
from tests.jmap.bakery import BAKERY, LIMITS, OVEN, Account, Client


@pytest.fixture
def client() -> Client:
    account = Account("A")
    for name in ("oat", "nut", "jam"):
        account.add(name)
    return Client(account, Account("oven", capabilities={CORE: {}}), Account("shut", is_read_only=True))


@pytest.mark.parametrize("as_fragments", [False, True])
async def test_the_records_and_their_state(client: Client, as_fragments: bool) -> None:
    client.bakery.as_fragments = as_fragments
    answer = await client.call("Cookie/get", ids=["c1", "c9", "c0"], properties=["name"])
    assert answer == {
        "accountId": "A",
        "state": "s3",
        "list": [{"id": "c1", "name": "nut"}, {"id": "c0", "name": "oat"}],
        "notFound": ["c9"],
    }
    assert client.bakery.calls == ["state", "get"]  # a change in between is then announced by /changes


async def test_ids_null_is_all_and_empty_is_none(client: Client) -> None:
    assert [record["id"] for record in (await client.call("Cookie/get", ids=None))["list"]] == ["c0", "c1", "c2"]
    assert [record["id"] for record in (await client.call("Cookie/get"))["list"]] == ["c0", "c1", "c2"]
    answer = await client.call("Cookie/get", ids=[])
    assert (answer["list"], answer["notFound"]) == ([], [])


async def test_an_id_given_twice_is_returned_once(client: Client) -> None:  # MUST only include it once
    answer = await client.call("Cookie/get", ids=["c0", "x", "c0", "x"], properties=["id"])
    assert (answer["list"], answer["notFound"]) == ([{"id": "c0"}], ["x"])


async def test_properties(client: Client) -> None:
    everything = (await client.call("Cookie/get", ids=["c0"], properties=None))["list"][0]
    assert everything.keys() >= {"id", "name", "batch"}
    assert (await client.call("Cookie/get", ids=["c0"], properties=[]))["list"] == [{"id": "c0"}]  # id always
    dynamic = await client.call("Cookie/get", ids=["c0"], properties=["shape:x", "name", "name", "id"])
    assert dynamic["list"] == [{"id": "c0", "shape:x": "round", "name": "oat"}]
    assert (await client.error("Cookie/get", ids=["c0"], properties=["name", "nope"]))["type"] == "invalidArguments"


async def test_an_argument_of_the_type(client: Client) -> None:
    answer = await client.call("Cookie/get", ids=["c0"], properties=["name"], maxNameLength=1)
    assert answer["list"] == [{"id": "c0", "name": "o"}]


async def test_more_ids_than_max_objects_in_get(client: Client) -> None:
    many = [f"x{index}" for index in range(LIMITS.max_objects_in_get)]
    assert len((await client.call("Cookie/get", ids=many))["notFound"]) == len(many)
    assert (await client.error("Cookie/get", ids=[*many, "y"]))["type"] == "requestTooLarge"
    for index in range(LIMITS.max_objects_in_get):
        client.bakery.add(f"more {index}")
    assert (await client.error("Cookie/get", ids=None))["type"] == "requestTooLarge"


async def test_creation_ids(client: Client) -> None:
    _, answer = await client.responses(
        ("Cookie/set", {"accountId": "A", "create": {"k": {"name": "new"}}}),
        ("Cookie/get", {"accountId": "A", "ids": ["#k", "#none"], "properties": ["name"]}),
    )
    assert answer[1]["list"] == [{"id": "c3", "name": "new"}]
    assert answer[1]["notFound"] == ["#none"]


@pytest.mark.parametrize(
    "arguments",
    [
        {"ids": "c0"},
        {"ids": [1]},
        {"ids": [None]},
        {"ids": ["no id"]},
        {"ids": {}},
        {"properties": "name"},
        {"properties": [1]},
        {"maxNameLength": -1},
        {"maxNameLength": None},
        {"unheardOf": 1},
        {"accountId": None},
        {"accountId": 1},
        {"accountId": ""},
        {"accountId": ["A"]},
    ],
)
async def test_wrong_arguments(client: Client, arguments: dict[str, Any]) -> None:  # §3.9: MUST, and not serverFail
    error = await client.error("Cookie/get", **arguments)
    assert error["type"] == "invalidArguments"
    assert error["description"]


async def test_the_account_id_is_mandatory(client: Client) -> None:
    (_, error), *_ = await client.responses(("Cookie/get", {"ids": []}))
    assert error["type"] == "invalidArguments"


async def test_accounts(client: Client) -> None:
    assert (await client.error("Cookie/get", accountId="B"))["type"] == "accountNotFound"
    assert (await client.error("Cookie/get", accountId="oven"))["type"] == "accountNotSupportedByMethod"
    assert (await client.error("Cookie/set", accountId="shut"))["type"] == "accountReadOnly"
    assert (await client.call("Cookie/get", accountId="shut"))["list"] == []


async def test_methods_of_a_capability_that_is_not_in_use(client: Client) -> None:  # §1.8
    get = ("Oven/get", {"accountId": "A"})
    assert await client.responses(get) == [["error", {"type": "unknownMethod"}]]
    assert (await client.responses(get, using=(CORE, BAKERY, OVEN)))[0][1]["type"] == "accountNotSupportedByMethod"
    assert await client.responses(("Core/echo", {}), using=()) == [["error", {"type": "unknownMethod"}]]
