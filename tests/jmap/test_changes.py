"""Foo/changes (RFC 8620 §5.2)."""

from typing import Any

import pytest

from tests.jmap.bakery import Account, Client


@pytest.fixture
def client() -> Client:
    account = Account("A")
    account.add("oat")
    account.add("nut")
    account.note("updated", "c0")
    account.note("destroyed", "c1")
    return Client(account)


async def test_changes(client: Client) -> None:
    assert await client.call("Cookie/changes", sinceState="s1") == {
        "accountId": "A",
        "oldState": "s1",
        "newState": "s4",
        "hasMoreChanges": False,
        "created": [],
        "updated": ["c0"],
        "destroyed": [],
        "freshlyBaked": True,
    }
    assert (await client.call("Cookie/changes", sinceState="s4"))["newState"] == "s4"


async def test_max_changes_leads_over_intermediate_states(client: Client) -> None:
    state, more, seen = "s0", True, 0
    while more:
        answer = await client.call("Cookie/changes", sinceState=state, maxChanges=1)
        assert sum(len(answer[kind]) for kind in ("created", "updated", "destroyed")) <= 1
        state, more, seen = answer["newState"], answer["hasMoreChanges"], seen + 1
    assert (state, seen) == ("s4", 4)


@pytest.mark.parametrize("value", [0, -1, 1.5, "1", True, [], 2**53])
async def test_max_changes_must_be_positive(client: Client, value: Any) -> None:
    assert (await client.error("Cookie/changes", sinceState="s1", maxChanges=value))["type"] == "invalidArguments"


@pytest.mark.parametrize("state", ["", "\x00", "s5", "s-1", "x" * 50_000, "9" * 5000, "s\u0661", "null"])
async def test_unknown_states(client: Client, state: str) -> None:
    assert (await client.error("Cookie/changes", sinceState=state))["type"] == "cannotCalculateChanges"


@pytest.mark.parametrize("arguments", [{}, {"sinceState": None}, {"sinceState": 1}, {"sinceState": "s1", "x": 1}])
async def test_wrong_arguments(client: Client, arguments: dict[str, Any]) -> None:
    assert (await client.error("Cookie/changes", **arguments))["type"] == "invalidArguments"
