"""Which Emails clients asked for in vain (decision 16)."""

from gateway.sync.unread import Unread
from tests.sync.conftest import ACCOUNT, ShakyStore


async def test_what_was_not_read_is_known_until_it_is(store: ShakyStore) -> None:
    unread = Unread(store, ACCOUNT)
    await unread.add(["m1", "m2", "m3"])
    await unread.add(["m2"])
    await unread.remove(["m1", "m0"])
    unread.put_off(["m2", "m0"])
    assert list(unread.ids) == ["m3", "m2"]
    later, another = Unread(store, ACCOUNT), Unread(store, "a2")
    await later.load()
    await another.load()
    assert (set(later.ids), set(another.ids)) == ({"m2", "m3"}, set())


async def test_a_store_that_is_away_is_asked_once(store: ShakyStore) -> None:
    await Unread(store, ACCOUNT).add(["m1"])
    unread = Unread(store, ACCOUNT)
    store.down = True
    await unread.load()
    await unread.add(["m2"])
    assert set(unread.ids) == {"m2"}
    store.down = False
    await unread.load()
    await unread.remove(["m2"])
    assert not unread.ids
