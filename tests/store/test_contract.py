"""What every store promises (gateway/store/base.py), on SQLite in memory, SQLite in a file, and Redis."""

import asyncio
import uuid

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.store.base import Delete, DeleteRange, Key, Lease, LeaseLost, Put, Store, Write
from tests.waiting import until


@pytest.fixture
def account() -> str:
    # A pattern character in it must not match anybody else's keys.
    return f"a*[{uuid.uuid4().hex}"


async def test_what_was_put_is_read_in_the_order_of_the_keys(store: Store, account: str) -> None:
    one, two = Key(account, "s", "1"), Key(account, "s", "2")
    await store.commit(account, [Put(one, b"\x00\xff"), Put(two, b"")])
    assert await store.read([two, Key(account, "s", "3"), one]) == [b"", None, b"\x00\xff"]
    assert await store.read([]) == []


async def test_accounts_and_spaces_are_apart(store: Store, account: str) -> None:
    await store.commit(account, [Put(Key(account, "s", "n"), b"1")])
    assert await store.read([Key(account + "b", "s", "n"), Key(account, "t", "n")]) == [None, None]
    assert await store.scan(account[:-1], "s") == []


async def test_scan_is_ordered_and_half_open(store: Store, account: str) -> None:
    await store.commit(account, [Put(Key(account, "s", f"{n:04d}"), b"%d" % n) for n in range(2500)])
    everything = await store.scan(account, "s")
    assert [name for name, _ in everything] == [f"{n:04d}" for n in range(2500)]
    assert await store.scan(account, "s", "0010", "0012") == [("0010", b"10"), ("0011", b"11")]
    assert [name for name, _ in await store.scan(account, "s", "2498")] == ["2498", "2499"]
    assert len(await store.scan(account, "s", limit=3)) == 3


async def test_deletes(store: Store, account: str) -> None:
    await store.commit(account, [Put(Key(account, "s", name), b"x") for name in "abcd"])
    await store.commit(account, [Delete(Key(account, "s", "a")), DeleteRange(account, "s", "b", "d")])
    assert await store.scan(account, "s") == [("d", b"x")]
    await store.commit(account, [DeleteRange(account, "s")])
    assert await store.scan(account, "s") == []


async def test_a_value_vanishes_after_its_time(store: Store, account: str) -> None:
    gone, kept = Key(account, "s", "gone"), Key(account, "s", "kept")
    await store.commit(account, [Put(gone, b"x", 60), Put(kept, b"y", 60)])
    assert await store.read([gone, kept]) == [b"x", b"y"]
    await store.commit(account, [Put(gone, b"x", 0.05)])
    await asyncio.sleep(0.1)
    assert await store.read([gone, kept]) == [None, b"y"]
    assert await store.scan(account, "s") == [("kept", b"y")]


async def test_a_newer_lease_refuses_the_whole_commit_of_an_older_one(store: Store, account: str) -> None:
    old = await store.lease(account)
    await store.commit(account, [Put(Key(account, "s", "n"), b"old")], old)
    new = await store.lease(account)
    with pytest.raises(LeaseLost):
        await store.commit(account, [Put(Key(account, "s", "n"), b"late"), Put(Key(account, "s", "m"), b"late")], old)
    assert await store.read([Key(account, "s", "n"), Key(account, "s", "m")]) == [b"old", None]
    await store.commit(account, [Put(Key(account, "s", "n"), b"new")], new)
    with pytest.raises(LeaseLost):
        await store.commit(account, [], Lease(account, new.token + 1))


async def test_a_commit_is_refused_where_something_else_is_stored_than_was_seen(store: Store, account: str) -> None:
    one, two, value = Key(account, "s", "1"), Key(account, "s", "2"), b"\x00\xff"
    lease = await store.lease(account)
    await store.commit(account, [Put(one, value), Put(two, b"")], lease)
    await store.commit(account, [Put(two, b"y")], lease, [(one, value), (two, b"")])
    for seen in ([(one, value), (two, b"")], [(Key(account, "s", "3"), b"")]):
        with pytest.raises(LeaseLost):
            await store.commit(account, [Delete(one)], lease, seen)
    assert await store.read([one, two]) == [value, b"y"]


async def test_two_writers_race_for_the_lease_and_one_wins(store: Store, account: str) -> None:
    leased = asyncio.Barrier(8)

    async def write(number: int) -> bool:
        lease = await store.lease(account)
        await leased.wait()
        try:
            await store.commit(account, [Put(Key(account, "s", "n"), b"%d" % number)], lease)
        except LeaseLost:
            return False
        return True

    won = await asyncio.gather(*(write(number) for number in range(8)))
    assert won.count(True) == 1
    assert await store.read([Key(account, "s", "n")]) == [b"%d" % won.index(True)]


async def test_subscribers_of_the_channel_hear_what_is_published(store: Store, account: str) -> None:
    first: list[bytes] = []
    second: list[bytes] = []
    async with store.subscribe(account, first.append), store.subscribe(account, second.append):
        await store.publish(account, b"1")
        await store.publish("other", b"x")
        await store.publish(account, b"2")
        await until(lambda: len(first) == len(second) == 2)
        assert first == second == [b"1", b"2"]
    async with store.subscribe(account, second.append):
        await store.publish(account, b"3")
        await until(lambda: len(second) == 3)
        assert (first, second) == ([b"1", b"2"], [b"1", b"2", b"3"])


names = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=4)
model_writes = st.lists(
    st.one_of(
        st.tuples(st.just("put"), names, st.binary(max_size=8)),
        st.tuples(st.just("delete"), names, st.just(b"")),
        st.tuples(st.just("range"), names, names.map(str.encode)),
    ),
    max_size=12,
)


@given(model_writes)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_any_commit_leaves_what_a_dict_would_hold(store: Store, writes: list[tuple[str, str, bytes]]) -> None:
    account = uuid.uuid4().hex
    model: dict[str, bytes] = {}
    made: list[Write] = []
    for kind, name, value in writes:
        if kind == "put":
            model[name] = value
            made.append(Put(Key(account, "s", name), value))
        elif kind == "delete":
            model.pop(name, None)
            made.append(Delete(Key(account, "s", name)))
        else:
            end = value.decode()
            model = {n: v for n, v in model.items() if not name <= n < end}
            made.append(DeleteRange(account, "s", name, end))
    await store.commit(account, made)
    assert await store.scan(account, "s") == sorted(model.items())
