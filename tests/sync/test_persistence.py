"""What survives a restart, a flush, an outage, poison and another writer."""

import pytest

from gateway.store.base import Delete, Key, Put
from gateway.sync import persist
from gateway.sync.account import MailAccount
from gateway.sync.codec import Damaged, narrow, seal, seal_json, unseal, unseal_json, widen
from gateway.sync.copies import CHUNK
from gateway.sync.journal import TYPES, CannotCalculateChanges
from tests.sync.clients import check_against_server, view
from tests.sync.conftest import ACCOUNT, ShakyStore, open_account
from tests.sync.model import ModelPort, ModelServer


def states(account: MailAccount) -> dict[str, str]:
    return {name: account.state(name) for name in TYPES}


async def shown(account: MailAccount) -> dict[str, dict[str, object]]:
    return {name: await view(account, name) for name in TYPES}


def one_of_each_kind(stored: dict[Key, bytes]) -> dict[Key, bytes]:
    """Not each of many hash buckets and journal records."""
    kinds = {(key.space, key.name.split(".")[0] if key.space == persist.INDEX else ""): key for key in stored}
    kinds |= {(key.space, key.name): key for key in stored if key.space == persist.RECORD}
    return {key: stored[key] for key in kinds.values()}


async def filled(account: MailAccount, server: ModelServer) -> None:
    """A bit of everything, threads included."""
    server.create("Work")
    server.create("Work/Old")
    for number in range(10):
        server.append(
            "INBOX", ["$seen", f"k{number % 3}"], headers=(f"<{number}@x>", "", "<0@x>" if number % 2 else "", "Plan")
        )
    server.copy("INBOX", 3, "Work")
    server.copy("INBOX", 3, "INBOX")
    await account.refresh()
    await account.threads.ready()
    server.flag("INBOX", 1, [])
    server.move("INBOX", 2, "Work")
    server.expunge("INBOX", 5)
    await account.refresh()


async def test_restart(account: MailAccount, server: ModelServer, port: ModelPort, store: ShakyStore) -> None:
    await filled(account, server)
    old, before = states(account), await shown(account)
    await account.close()
    port.calls.clear()
    again = open_account(port, store)
    await again.refresh()
    assert port.calls == ["open", "folders"]  # nothing is fetched that was known
    assert states(again) == old
    assert await shown(again) == before
    check_against_server(again, port)
    server.append("INBOX", headers=("<new@x>", "", "<0@x>", "Re: Plan"))
    await again.refresh()
    assert len(again.changes("Email", old["Email"]).created) == 1
    assert len(again.changes("Thread", old["Thread"]).updated) == 1
    check_against_server(again, port)
    await again.close()


async def test_every_restart_sees_the_same(server: ModelServer, port: ModelPort, store: ShakyStore) -> None:
    """After each kind of change what is stored is what is in memory."""
    steps = (
        lambda: server.append("INBOX", ["a"]),
        lambda: server.create("Work"),
        lambda: server.copy("INBOX", 1, "Work"),
        lambda: server.copy("INBOX", 1, "INBOX"),
        lambda: server.flag("Work", 1, ["b", "$seen"]),
        lambda: server.expunge("INBOX", 1),
        lambda: server.append("INBOX"),
        lambda: server.rename("Work", "Play"),
        lambda: server.renumber("INBOX"),
        lambda: server.delete("Play"),
        lambda: server.create("Other"),
    )
    account = open_account(port, store)
    await account.refresh()
    await account.threads.ready()
    for step in steps:
        step()
        await account.refresh()
        again = open_account(port, store)
        await again.refresh()
        assert states(again) == states(account)
        assert await shown(again) == await shown(account)
        check_against_server(again, port)
        await again.close()
    await account.close()


async def test_many_chunks(server: ModelServer, store: ShakyStore) -> None:
    port = ModelPort(server, batch=1000)
    for _ in range(CHUNK + 50):
        server.append("INBOX", ["$seen"])
    account = open_account(port, store)
    await account.refresh()
    await account.threads.ready()
    for uid in (1, CHUNK - 1, CHUNK + 20):
        server.flag("INBOX", uid, [])
    for uid in (7, *range(CHUNK - 40, CHUNK - 20)):
        server.expunge("INBOX", uid)
    store.commits.clear()
    await account.refresh()
    assert len(store.commits) == 1
    again = open_account(port, store)
    await again.refresh()
    assert states(again) == states(account)
    check_against_server(again, port)
    for uid in range(1000, 2200):
        server.expunge("INBOX", uid)
    await again.refresh()
    check_against_server(again, port)
    third = open_account(port, store)
    await third.refresh()
    assert states(third) == states(again)
    check_against_server(third, port)
    for one in (account, again, third):
        await one.close()


async def test_a_flag_change_writes_little(account: MailAccount, server: ModelServer, store: ShakyStore) -> None:
    await filled(account, server)
    store.commits.clear()
    server.flag("INBOX", 1, ["k1"])
    await account.refresh()
    (writes,) = store.commits
    spaces = {write.key.space for write in writes if isinstance(write, Put)}
    assert spaces <= {
        persist.RECORD,
        persist.JOURNAL,
        persist.FLAGS,
        persist.COPY_FLAGS,
        persist.BOXES,
        persist.FLAG_SETS,
    }


async def test_flush(account: MailAccount, server: ModelServer, port: ModelPort, store: ShakyStore) -> None:
    """Old states are refused, ids stay, nothing is announced as new."""
    await filled(account, server)
    old, before = states(account), await shown(account)
    await store.flush()
    server.flag("INBOX", 1, ["$flagged"])
    await account.refresh()
    for name in TYPES:
        with pytest.raises(CannotCalculateChanges):
            account.changes(name, old[name])
    after = await shown(account)
    assert after["Email"].keys() == before["Email"].keys()
    assert after["Thread"] == before["Thread"]
    await account.close()
    again = open_account(port, store)
    await again.refresh()
    assert states(again) == states(account)
    assert await shown(again) == after
    await again.close()


@pytest.mark.parametrize("key", [persist.head_key(ACCOUNT), persist.life_key(ACCOUNT)], ids=["head", "life"])
async def test_what_is_evicted_while_the_account_is_open_is_noticed_by_the_next_commit(
    account: MailAccount, server: ModelServer, port: ModelPort, store: ShakyStore, key: Key
) -> None:
    """The lease is still good, so only the values themselves can tell."""
    await filled(account, server)
    old = states(account)
    await store.inner.commit(ACCOUNT, [Delete(key)])
    server.flag("INBOX", 1, ["$flagged"])
    await account.refresh()
    with pytest.raises(CannotCalculateChanges):
        account.changes("Email", old["Email"])
    again = open_account(port, store)
    await again.refresh()
    assert states(again) == states(account)
    check_against_server(again, port)
    await again.close()


async def test_who_has_the_lease_commits_without_reading_before(
    account: MailAccount, server: ModelServer, store: ShakyStore
) -> None:
    await filled(account, server)
    reads, commits = store.reads, len(store.commits)
    server.flag("INBOX", 1, ["$flagged"])
    await account.refresh()
    assert (store.reads, len(store.commits)) == (reads, commits + 1)


async def test_rebuild_gives_the_same_ids(
    account: MailAccount, server: ModelServer, port: ModelPort, store: ShakyStore
) -> None:
    await filled(account, server)
    old, before = states(account), await shown(account)
    await account.close()
    await store.flush()
    again = open_account(port, store)
    await again.refresh()
    assert await shown(again) == before
    with pytest.raises(CannotCalculateChanges):
        again.changes("Email", old["Email"])
    await again.close()


async def test_each_value_lost_or_poisoned_is_noticed(
    account: MailAccount, server: ModelServer, port: ModelPort, store: ShakyStore
) -> None:
    await filled(account, server)
    old, before = states(account), await shown(account)
    await account.close()
    good = await store.everything()
    for key, value in one_of_each_kind(good).items():
        for spoilt in (
            None,
            b"",
            value[:-1],
            value[:9] + bytes([value[9] ^ 1]) + value[10:] if len(value) > 10 else b"x",
            b"jm0l" + value[4:],
        ):
            change = Delete(key) if spoilt is None else Put(key, spoilt)
            await store.inner.commit(ACCOUNT, [change])
            again = open_account(port, store)
            await again.refresh()
            with pytest.raises(CannotCalculateChanges):
                again.changes("Email", old["Email"])
            assert await view(again, "Email") == before["Email"]
            check_against_server(again, port)
            await again.close()
            break_even = [Put(one, stored) for one, stored in good.items()]
            await store.flush()
            await store.inner.commit(ACCOUNT, break_even)
    again = open_account(port, store)
    await again.refresh()
    assert states(again) == old
    await again.close()


async def test_well_formed_nonsense_is_absent(
    account: MailAccount, server: ModelServer, port: ModelPort, store: ShakyStore
) -> None:
    await filled(account, server)
    await account.close()
    good = await store.everything()
    for key in one_of_each_kind(good):
        for value in (seal_json([]), seal_json({}), seal_json({"box": 1, "epoch": 7}), seal(b"B"), seal(b"x" * 16)):
            await store.inner.commit(ACCOUNT, [Put(key, value)])
            again = open_account(port, store)
            await again.refresh()
            check_against_server(again, port)
            await again.close()
            await store.flush()
            await store.inner.commit(ACCOUNT, [Put(one, stored) for one, stored in good.items()])


async def test_outage(account: MailAccount, server: ModelServer, port: ModelPort, store: ShakyStore) -> None:
    """States from before the outage stay good in this process; a restart never confuses the two epochs."""
    await filled(account, server)
    old = account.state("Email")
    store.down = True
    server.append("INBOX")
    await account.refresh()
    assert len(account.changes("Email", old).created) == 1
    memory = account.state("Email")
    other = open_account(port, store)
    await other.refresh()  # starts without a store
    check_against_server(other, port)
    await other.close()
    store.down = False
    crashed = open_account(port, store)
    await crashed.refresh()
    assert len(crashed.changes("Email", old).created) == 1
    with pytest.raises(CannotCalculateChanges):
        crashed.changes("Email", memory)
    await crashed.close()


async def test_the_store_comes_back(
    account: MailAccount, server: ModelServer, port: ModelPort, store: ShakyStore
) -> None:
    await filled(account, server)
    old = account.state("Email")
    store.down = True
    server.append("INBOX")
    await account.refresh()
    memory = account.state("Email")
    store.down = False
    await account.refresh()
    assert account.state("Email") == memory
    again = open_account(port, store)
    await again.refresh()
    assert again.state("Email") == memory
    assert len(again.changes("Email", old).created) == 1  # the stored record knows the epoch before
    await again.close()


async def test_two_writers(account: MailAccount, server: ModelServer, port: ModelPort, store: ShakyStore) -> None:
    """One wins, the other loads what it wrote: same ids, same states."""
    await filled(account, server)
    other = open_account(port, store)
    await other.refresh()
    for number in range(6):
        old = states(account)
        server.append("INBOX", headers=(f"<n{number}@x>", "", "<0@x>", "Plan"))
        first, second = (account, other) if number % 2 else (other, account)
        await first.refresh()
        await second.refresh()
        assert states(first) == states(second)
        assert await shown(first) == await shown(second)
        assert len(second.changes("Email", old["Email"]).created) == 1
    await other.close()


async def test_another_source_of_ids_is_another_epoch(
    account: MailAccount, server: ModelServer, port: ModelPort, store: ShakyStore
) -> None:
    await filled(account, server)
    old = account.state("Email")
    await account.close()
    again = open_account(ModelPort(server, source="x-guid"), store)
    await again.refresh()
    with pytest.raises(CannotCalculateChanges):
        again.changes("Email", old)
    check_against_server(again, port)
    await again.close()


@pytest.mark.parametrize("numbers", [[], [0, 255], [256, 1], [2**32 - 1]])
def test_numbers_are_narrowed(numbers: list[int]) -> None:
    packed = narrow(numbers)
    assert list(widen(memoryview(packed))) == numbers
    assert len(packed) == 1 + len(numbers) * (1 if max(numbers, default=0) < 256 else 4)


def test_seals() -> None:
    assert bytes(unseal(seal(b"a", b"b"))) == b"ab"
    assert unseal_json(seal_json({"a": 1})) == {"a": 1}
    for value in (None, b"", b"jm1", seal(b"x")[:-1], seal(b"x") + b"y"):
        with pytest.raises(Damaged):
            unseal(value)
    with pytest.raises(Damaged):
        unseal_json(seal(b"{"))
