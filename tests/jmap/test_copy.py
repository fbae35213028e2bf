"""Foo/copy (RFC 8620 §5.4)."""

from typing import Any

import pytest

from adapters.errors import Unavailable
from gateway.jmap.capabilities import CORE
from tests.jmap.bakery import LIMITS, Account, Client


@pytest.fixture
def client() -> Client:
    source, target = Account("S"), Account("A")
    for name in ("oat", "nut"):
        source.add(name)
    target.add("own")
    return Client(target, source, Account("none", capabilities={CORE: {}}), Account("shut", is_read_only=True))


async def test_copies(client: Client) -> None:
    answer = await client.call(
        "Cookie/copy",
        fromAccountId="S",
        create={"k": {"id": "c1", "flavour": "mint"}, "gone": {"id": "c9"}},
    )
    assert answer == {
        "fromAccountId": "S",
        "accountId": "A",
        "oldState": "s1",
        "newState": "s2",
        "created": {"k": {"id": "c1"}},
        "notCreated": {"gone": {"type": "notFound"}},
    }
    assert client.bakery.cookies["c1"]["name"] == "nut"
    assert client.bakery.cookies["c1"]["flavour"] == "mint"
    assert sorted(client.accounts["S"].cookies) == ["c0", "c1"]


async def test_originals_are_destroyed_by_one_set_afterwards(client: Client) -> None:
    copied, destroyed, echoed = await client.responses(
        (
            "Cookie/copy",
            {
                "fromAccountId": "S",
                "accountId": "A",
                "create": {"k": {"id": "c0"}, "gone": {"id": "c9"}},
                "onSuccessDestroyOriginal": True,
                "destroyFromIfInState": "s2",
            },
        ),
        ("Core/echo", {}),
    )
    assert list(copied[1]["created"]) == ["k"]
    assert destroyed[0] == "Cookie/set"
    assert (destroyed[1]["accountId"], destroyed[1]["destroyed"]) == ("S", ["c0"])
    assert echoed[0] == "Core/echo"


async def test_the_set_is_not_made_without_a_copy_and_may_fail_by_itself(client: Client) -> None:
    base: dict[str, Any] = {"fromAccountId": "S", "accountId": "A", "onSuccessDestroyOriginal": True}
    nothing = await client.responses(("Cookie/copy", {**base, "create": {"k": {"id": "c9"}}}))
    assert [name for name, _ in nothing] == ["Cookie/copy"]
    mismatch = await client.responses(
        ("Cookie/copy", {**base, "create": {"k": {"id": "c0"}}, "destroyFromIfInState": "old"})
    )
    assert [name for name, _ in mismatch] == ["Cookie/copy", "error"]
    assert mismatch[1][1]["type"] == "stateMismatch"
    client.accounts["shut"].add("dry")
    shut = await client.responses(
        ("Cookie/copy", {**base, "fromAccountId": "shut", "create": {"k": {"id": "c0"}}}),
    )
    assert shut[1][1]["type"] == "accountReadOnly"


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        ({"fromAccountId": "nobody"}, "fromAccountNotFound"),
        ({"fromAccountId": "none"}, "fromAccountNotSupportedByMethod"),
        ({"fromAccountId": "A"}, "invalidArguments"),
        ({"fromAccountId": None}, "invalidArguments"),
        ({"accountId": "nobody"}, "accountNotFound"),
        ({"accountId": "none"}, "accountNotSupportedByMethod"),
        ({"accountId": "shut"}, "accountReadOnly"),
        ({"ifInState": "old"}, "stateMismatch"),
        ({"ifFromInState": "old"}, "stateMismatch"),
        ({"create": None}, "invalidArguments"),
        ({"create": {"k": "c0"}}, "invalidArguments"),
        ({"create": {f"k{n}": {"id": "c0"} for n in range(LIMITS.max_objects_in_set + 1)}}, "requestTooLarge"),
    ],
)
async def test_errors_of_the_call(client: Client, arguments: dict[str, Any], kind: str) -> None:
    given = {"fromAccountId": "S", "create": {"k": {"id": "c0"}}, **arguments}
    assert (await client.error("Cookie/copy", **given))["type"] == kind
    assert sorted(client.bakery.cookies) == ["c0"]


async def test_errors_of_one_record(client: Client) -> None:
    answer = await client.call(
        "Cookie/copy",
        fromAccountId="S",
        ifInState="s1",
        ifFromInState="s2",
        create={
            "none": {},
            "number": {"id": 1},
            "odd": {"id": "c0", "odd": 1, "batch": 3, "name": 5},
            "lost": {"id": "c0", "friendId": "#nobody"},
        },
    )
    kinds = {key: (error["type"], error["properties"]) for key, error in answer["notCreated"].items()}
    assert kinds == {
        "none": ("invalidProperties", ["id"]),
        "number": ("invalidProperties", ["id"]),
        "odd": ("invalidProperties", ["odd", "batch", "name"]),
        "lost": ("invalidProperties", ["friendId"]),
    }
    client.bakery.fails = {"copy": Unavailable("gone")}
    answer = await client.call("Cookie/copy", fromAccountId="S", create={"k": {"id": "c0"}})
    assert answer["notCreated"]["k"]["type"] == "serverUnavailable"
