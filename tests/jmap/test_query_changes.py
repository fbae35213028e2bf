"""Foo/queryChanges (RFC 8620 §5.6 with errata)."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.jmap.bakery import Account, Client


def bakery(*names: str) -> Client:
    account = Account("A")
    for name in names:
        account.add(name)
    return Client(account)


BY_NAME = [{"property": "name"}]


async def test_what_was_touched_is_removed_and_added() -> None:
    client = bakery("a", "c", "e")
    account = client.bakery
    account.add("b")
    account.cookies["c0"]["name"] = "d"
    account.note("updated", "c0")
    del account.cookies["c1"]
    account.note("destroyed", "c1")
    answer = await client.call("Cookie/queryChanges", sort=BY_NAME, sinceQueryState="s3", calculateTotal=True)
    assert answer == {
        "accountId": "A",
        "oldQueryState": "s3",
        "newQueryState": "s6",
        "removed": ["c0", "c1", "c3"],
        "added": [{"id": "c3", "index": 0}, {"id": "c0", "index": 1}],
        "total": 3,
    }
    assert account.calls == ["query", "touched_since"]
    assert "total" not in await client.call("Cookie/queryChanges", sinceQueryState="s3")


async def test_nothing_changed() -> None:
    client = bakery("a")
    answer = await client.call("Cookie/queryChanges", sinceQueryState="s1", upToId="c0", maxChanges=0)
    assert (answer["removed"], answer["added"], answer["newQueryState"]) == ([], [], "s1")


async def test_max_changes() -> None:
    client = bakery("a", "b")
    arguments = {"sinceQueryState": "s1", "sort": BY_NAME}  # one removed, one added
    assert (await client.error("Cookie/queryChanges", **arguments, maxChanges=1))["type"] == "tooManyChanges"
    assert (await client.call("Cookie/queryChanges", **arguments, maxChanges=2))["added"]


async def test_up_to_id() -> None:
    client = bakery("b", "d")
    for name in ("a", "c", "e"):
        client.bakery.add(name)
    base: dict[str, Any] = {"sinceQueryState": "s2", "sort": BY_NAME}
    answer = await client.call("Cookie/queryChanges", **base, upToId="c1")
    assert [item["index"] for item in answer["added"]] == [0, 2]
    assert answer["removed"] == ["c2", "c3", "c4"]
    everything = await client.call("Cookie/queryChanges", **base, upToId="nobody")
    assert [item["index"] for item in everything["added"]] == [0, 2, 4]


async def test_up_to_id_is_ignored_where_it_moved_itself() -> None:
    client = bakery("a", "d")
    client.bakery.cookies["c1"]["name"] = "A"
    client.bakery.note("updated", "c1")
    client.bakery.add("aa")
    # The cached list a, d must become A, a, aa: what d has overtaken is part of it.
    answer = await client.call("Cookie/queryChanges", sinceQueryState="s2", sort=BY_NAME, upToId="c1")
    assert answer["added"] == [{"id": "c1", "index": 0}, {"id": "c3", "index": 2}]


async def test_a_query_whose_changes_cannot_be_calculated() -> None:
    client = bakery("a")
    client.bakery.can_calculate_changes = False
    assert (await client.call("Cookie/query"))["canCalculateChanges"] is False
    error = await client.error("Cookie/queryChanges", sinceQueryState="s1")
    assert error["type"] == "cannotCalculateChanges"


@pytest.mark.parametrize("state", ["", "s9", "\x00", "9" * 5000])
async def test_unknown_states(state: str) -> None:
    error = await bakery("a").error("Cookie/queryChanges", sinceQueryState=state)
    assert error["type"] == "cannotCalculateChanges"


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        ({"sinceQueryState": None}, "invalidArguments"),
        ({"maxChanges": -1}, "invalidArguments"),
        ({"upToId": 1}, "invalidArguments"),
        ({"position": 0}, "invalidArguments"),
        ({"filter": {"age": 1}}, "unsupportedFilter"),
        ({"sort": [{"property": "age"}]}, "unsupportedSort"),
    ],
)
async def test_errors(arguments: dict[str, Any], kind: str) -> None:
    given_arguments = {"sinceQueryState": "s1", **arguments}
    assert (await bakery("a").error("Cookie/queryChanges", **given_arguments))["type"] == kind


steps = st.lists(
    st.tuples(st.sampled_from(["add", "rename", "eat"]), st.integers(0, 9), st.text("abcd", min_size=1, max_size=2)),
    max_size=8,
)


def run(account: Account, changes: list[tuple[str, int, str]]) -> None:
    for kind, number, name in changes:
        ids = sorted(account.cookies)
        if kind == "add" or not ids:
            account.add(name)
            continue
        record_id = ids[number % len(ids)]
        if kind == "rename":
            account.cookies[record_id]["name"] = name
            account.note("updated", record_id)
        else:
            del account.cookies[record_id]
            account.note("destroyed", record_id)


@given(steps, steps, st.integers(1, 8))
async def test_a_client_that_applies_the_changes_has_the_new_list(
    before: list[tuple[str, int, str]], after: list[tuple[str, int, str]], cached: int
) -> None:
    client = bakery("b", "c")
    run(client.bakery, before)
    query: dict[str, Any] = {"sort": BY_NAME, "filter": {"nameContains": "b"}}
    old = await client.call("Cookie/query", **query, limit=cached)
    run(client.bakery, after)
    up_to = old["ids"][-1] if old["ids"] else None
    answer = await client.call(
        "Cookie/queryChanges", **query, sinceQueryState=old["queryState"], upToId=up_to, calculateTotal=True
    )
    # §5.6 with the erratum: splice out, forget what follows a gap if a removed id was not cached, splice in
    held: list[str | None] = [i for i in old["ids"] if i not in answer["removed"]]
    for item in answer["added"]:
        if item["index"] <= len(held):
            held.insert(item["index"], item["id"])
    new = (await client.call("Cookie/query", **query, limit=10))["ids"]
    assert len(held) <= answer["total"]
    assert held == new[: len(held)]
