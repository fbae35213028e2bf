"""Records that the gateway keeps itself: commits, states, other writers, a store that forgets."""

import asyncio
from collections.abc import Mapping

import pytest

from adapters.errors import Unavailable
from gateway.store.base import DeleteRange, Store
from gateway.store.sqlite import SqliteStore
from gateway.sync import ledger as module
from gateway.sync.journal import CannotCalculateChanges
from gateway.sync.ledger import Edit, Ledger, Record


async def put(ledger: Ledger, *ids: str, kind: str = "Thing") -> None:
    await ledger.commit(lambda _: Edit(put={kind: {name: {"id": name} for name in ids}}), [kind])


async def test_changes_are_netted_and_paged() -> None:
    ledger = Ledger(SqliteStore(None), "a", ["Thing", "Other"])
    start = await ledger.state("Thing")
    await put(ledger, "a", "b", "c")
    await put(ledger, "o", kind="Other")
    await put(ledger, "b")
    await ledger.commit(lambda _: Edit(remove={"Thing": ["c"]}), ["Thing"])
    whole = await ledger.changes("Thing", start, None)
    assert (whole.created, whole.updated, whole.destroyed, whole.has_more) == (["a", "b"], [], [], False)
    state, created, destroyed = start, list[str](), list[str]()
    while True:
        page = await ledger.changes("Thing", state, 1)
        created, destroyed, state = [*created, *page.created], [*destroyed, *page.destroyed], page.new_state
        if not page.has_more:
            break
    assert (created, destroyed, state) == (["a", "b", "c"], ["c"], await ledger.state("Thing"))
    assert (await ledger.changes("Other", start, None)).created == ["o"]


@pytest.mark.parametrize("state", ["", "x", "0-0", "0123456789ab-0", "{epoch}-99", "{epoch}-", "{epoch}-1-2-3"])
async def test_states_that_are_none(state: str) -> None:
    ledger = Ledger(SqliteStore(None), "a", ["Thing"])
    await put(ledger, "a")
    epoch = (await ledger.state("Thing")).partition("-")[0]
    with pytest.raises(CannotCalculateChanges):
        await ledger.changes("Thing", state.format(epoch=epoch), None)


async def test_old_states_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEEP", 3)
    ledger = Ledger(SqliteStore(None), "a", ["Thing"])
    start = await ledger.state("Thing")
    for name in "abcd":
        await put(ledger, name)
    with pytest.raises(CannotCalculateChanges):
        await ledger.changes("Thing", start, None)
    later = f"{(await ledger.state('Thing')).partition('-')[0]}-1"
    assert (await ledger.changes("Thing", later, None)).created == ["b", "c", "d"]


async def test_two_writers_lose_nothing(stores: list[Store]) -> None:
    writers = [Ledger(store, "a", ["Thing"]) for store in stores]

    async def count(ledger: Ledger) -> None:
        def edit(before: Mapping[str, Mapping[str, Record]]) -> Edit:
            number = before["Thing"].get("n", {"value": 0})["value"]
            return Edit(put={"Thing": {"n": {"id": "n", "value": number + 1}}})

        done = False
        while not done:
            try:
                await ledger.commit(edit, ["Thing"])
                done = True
            except Unavailable:  # the other one was first each time
                await asyncio.sleep(0)

    await asyncio.gather(*(count(writers[turn % 2]) for turn in range(20)))
    assert (await writers[0].read("Thing"))["n"]["value"] == 20
    assert await writers[0].state("Thing") == await writers[1].state("Thing")


async def test_a_store_that_forgets() -> None:
    store = SqliteStore(None)
    ledger = Ledger(store, "a", ["Thing"])
    await put(ledger, "a")
    state = await ledger.state("Thing")
    await store.commit("a-ledger", [DeleteRange("a-ledger", "head"), DeleteRange("a-ledger", "Thing")])
    assert await ledger.read("Thing") == {}
    with pytest.raises(CannotCalculateChanges):
        await ledger.changes("Thing", state, None)
    await put(ledger, "b")
    with pytest.raises(CannotCalculateChanges):
        await ledger.changes("Thing", state, None)
