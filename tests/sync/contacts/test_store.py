"""What is kept of address books, on the stores themselves: restarts, other writers, losses, values of others."""

import asyncio
import json
import uuid

import pytest

from adapters.errors import Unavailable
from gateway.store.base import DeleteRange, Key, Put, Store
from gateway.sync.codec import seal_json
from gateway.sync.contacts.account import ContactsAccount
from gateway.sync.contacts.index import ADDRESS_BOOK, CARD, TYPES, default_of
from gateway.sync.journal import CannotCalculateChanges
from tests.sync.conftest import ShakyStore
from tests.sync.contacts.model import Home, ModelPort, card
from tests.sync.contacts.test_account import open_account, view

LOST = ("card.head", "card.resources", "card.journal")


@pytest.fixture
def home() -> Home:
    home = Home()
    home.add_book("work/", "Work")
    home.add_book("private/", "Private")
    home.write("work/", "1.vcf", card("u1", more="REV:2026-12-01T10:00:00Z\r\n"))
    home.write("private/", "2.vcf", card("u2"))
    home.write("private/", "3.vcf", "broken")
    home.write("private/", "4.vcf", card(None))
    return home


@pytest.fixture
def name() -> str:
    """Of an account that nobody else has in a store that is shared."""
    return f"a{uuid.uuid4().hex}"


def opened(name: str, home: Home, store: Store) -> ContactsAccount:
    return ContactsAccount(name, "ns", ModelPort(home), store, store_retry_seconds=0.0)


async def test_a_restart_fetches_nothing(name: str, home: Home, stores: list[Store]) -> None:
    account = opened(name, home, stores[0])
    await account.refresh()
    home.write("work/", "5.vcf", card("u5"))
    await account.refresh()
    home.calls.clear()
    again = opened(name, home, stores[1])
    await again.refresh()
    assert home.calls == ["open", "address_books"]
    assert again.index == account.index
    assert [again.state(kind) for kind in TYPES] == [account.state(kind) for kind in TYPES]


async def test_two_writers_tell_the_same(name: str, home: Home, stores: list[Store]) -> None:
    one, other = (opened(name, home, store) for store in stores)
    await asyncio.gather(one.refresh(), other.refresh())
    state = one.state(CARD)
    for number in range(4):
        home.write("work/", f"n{number}.vcf", card(f"n{number}"))
        await asyncio.gather(one.refresh(), other.refresh())
    await asyncio.gather(one.refresh(), other.refresh())
    assert one.state(CARD) == other.state(CARD)
    assert view(one) == view(other)
    created = {one.ids.card(f"n{number}") for number in range(4)}
    assert set(one.changes(CARD, state).created) == set(other.changes(CARD, state).created) == created


async def test_settings_of_several_writers_are_all_kept(name: str, home: Home, stores: list[Store]) -> None:
    one, other = (opened(name, home, store) for store in stores)
    await one.refresh()
    await other.refresh()
    work, private = one.ids.book("work/"), one.ids.book("private/")
    state = other.state(ADDRESS_BOOK)
    await asyncio.gather(
        one.set_settings(lambda settings: settings.setdefault(work, {}).update(isSubscribed=False)),
        one.set_settings(lambda settings: settings.setdefault(work, {}).update(sortOrder=7)),
    )
    await other.set_settings(lambda settings: settings.setdefault(work, {}).update(isDefault=True))
    assert set(other.changes(ADDRESS_BOOK, state).updated) == {work, private}  # the one that was the default before
    for account in (other, opened(name, home, stores[0])):
        await account.refresh()
        assert account.index.settings == {work: {"isSubscribed": False, "sortOrder": 7, "isDefault": True}}
        assert default_of(account.index) == work


@pytest.mark.parametrize("space", LOST)
async def test_a_store_that_lost_a_part_is_not_believed(name: str, home: Home, stores: list[Store], space: str) -> None:
    account = opened(name, home, stores[0])
    await account.refresh()
    home.write("work/", "5.vcf", card("u5"))
    await account.refresh()
    state, partition = account.state(CARD), f"{name}-contacts"
    await stores[0].commit(partition, [DeleteRange(partition, space)])
    again = opened(name, home, stores[1])
    await again.refresh()
    assert view(again) == view(account)
    with pytest.raises(CannotCalculateChanges):
        again.changes(CARD, state)


async def test_a_store_that_lost_everything_is_filled_again(name: str, home: Home, stores: list[Store]) -> None:
    one, other = (opened(name, home, store) for store in stores)
    await one.refresh()
    work = one.ids.book("work/")
    await one.set_settings(lambda settings: settings.update({work: {"sortOrder": 3}}))
    await other.refresh()
    state, partition = one.state(CARD), f"{name}-contacts"
    await stores[0].commit(partition, [DeleteRange(partition, space) for space in (*LOST, "card.settings")])
    home.write("work/", "5.vcf", card("u5"))  # a store of one gateway alone is looked at where something is new
    await one.refresh()
    await other.refresh()
    third = opened(name, home, stores[0])
    home.calls.clear()
    await third.refresh()
    assert home.calls == ["open", "address_books"]
    assert one.state(CARD) == other.state(CARD) == third.state(CARD)
    assert view(one) == view(other) == view(third)
    assert third.index.setting(work, "sortOrder") == 3
    with pytest.raises(CannotCalculateChanges):
        one.changes(CARD, state)


POISONS = [
    b"",
    b"nonsense",
    seal_json(None),
    seal_json([]),
    seal_json({"version": 1, "namespace": "ns"}),
    seal_json(["x", 1, 2]),
    seal_json({CARD: [["x"]]}),
]


@pytest.mark.parametrize("poison", POISONS)
async def test_values_that_are_not_ours(name: str, home: Home, stores: list[Store], poison: bytes) -> None:
    account = opened(name, home, stores[0])
    await account.refresh()
    home.write("work/", "5.vcf", card("u5"))
    await account.refresh()
    truth, partition = view(account), f"{name}-contacts"
    for space in (*LOST, "card.settings"):
        rows = await stores[0].scan(partition, space)
        key = rows[0][0] if rows else "all"
        await stores[0].commit(partition, [Put(Key(partition, space, key), poison)])
        again = opened(name, home, stores[1])
        await again.refresh()
        assert view(again) == truth
        assert set(again.index.books) == set(account.index.books)


async def test_a_store_that_is_away_costs_no_card(home: Home) -> None:
    store = ShakyStore()
    account = open_account(home, store)
    await account.refresh()
    state, work = account.state(CARD), account.ids.book("work/")
    await account.set_settings(lambda settings: settings.update({work: {"sortOrder": 3}}))
    store.down = True
    home.write("work/", "5.vcf", card("u5"))
    await account.refresh()
    assert account.changes(CARD, state).created == [account.ids.card("u5")]
    with pytest.raises(Unavailable):
        await account.set_settings(dict.clear)
    assert account.index.setting(work, "sortOrder") == 3
    begun = open_account(home, store)  # another that never saw the store
    await begun.refresh()
    store.down = False
    await begun.set_settings(lambda settings: settings.setdefault(work, {}).update(isSubscribed=False))
    await account.refresh()
    await begun.refresh()
    again = open_account(home, store)
    await again.refresh()
    assert view(again) == view(account) == view(begun)
    assert again.state(CARD) == account.state(CARD)
    assert again.index.settings == {work: {"sortOrder": 3, "isSubscribed": False}}


async def test_who_subscribes_hears_of_it(home: Home) -> None:
    """RFC 8620 §7.3: also of what came before the first pass."""
    store = ShakyStore()
    account = open_account(home, store)
    await account.refresh()
    ((channel, message),) = store.published
    assert channel == f"account/{account.id}"
    assert json.loads(message) == {kind: account.state(kind) for kind in TYPES}
    store.published.clear()
    home.write("work/", "1.vcf", card("u1", "Later"))
    await account.refresh()
    ((_, message),) = store.published
    assert json.loads(message) == {CARD: account.state(CARD)}
