"""A home that lists the calendars of several owners: each owner's are one account (RFC 8620 §1.6.2, RFC 9670)."""

from dataclasses import replace

import pytest

from adapters.ports.collections import Privilege
from gateway.calendar_backends import login_of
from gateway.sync.calendars.account import CalendarAccount
from gateway.sync.calendars.shares import SHARE
from gateway.sync.calendars.whose import Whose
from tests.sync.calendars.model import Home, ModelPort, event
from tests.sync.conftest import ShakyStore

READ: frozenset[Privilege] = frozenset({"read", "read-free-busy"})
BOB = "/bob/"


def account_of(owner: str) -> str:
    return f"a{owner.strip('/')}"


def lend(home: Home, path: str, owner: str = BOB, *, offered: bool = False) -> None:
    shelf = home.add_calendar(path, path)
    shelf.info = replace(shelf.info, owner=owner, privileges=READ, offered=offered)


@pytest.fixture
def home() -> Home:
    home = Home()
    home.add_calendar("work/", "Work")
    lend(home, "bobs/")
    lend(home, "carols/", "/carol/")
    for path in home.shelves:
        home.write(path, "1.ics", event(f"of {path}"))
    return home


@pytest.fixture
def store() -> ShakyStore:
    return ShakyStore()


@pytest.fixture
def own(home: Home, store: ShakyStore) -> CalendarAccount:
    whose = Whose("aalice", account_of, lambda info: info.owner is None)
    return CalendarAccount("aalice", "aalice", ModelPort(home), store, whose=whose)


@pytest.fixture
def bobs(home: Home, store: ShakyStore) -> CalendarAccount:
    whose = Whose("aalice", account_of, lambda info: info.owner == BOB)
    return CalendarAccount("view", "abob", ModelPort(home), store, whose=whose)


def subscribed(account: CalendarAccount) -> bool:
    return account.is_subscribed


def paths(account: CalendarAccount) -> list[str]:
    return [held.info.path for held in account.index.calendars.values()]


async def test_each_account_has_its_owners(own: CalendarAccount, bobs: CalendarAccount, home: Home) -> None:
    await own.refresh()
    await bobs.refresh()
    assert (paths(own), paths(bobs)) == (["work/"], ["bobs/"])
    assert [one.entry.uid for one in own.index.events.values()] == ["of work/"]
    assert [one.entry.uid for one in bobs.index.events.values()] == ["of bobs/"]
    assert own.ids.principal(BOB) == bobs.ids.principal(BOB)  # one account holds the Principals
    assert own.ids.calendar("bobs/") != bobs.ids.calendar("bobs/")
    home.calls.clear()
    await own.refresh(whole=False)
    assert home.calls == ["cursors"]  # what belongs to others is no reason to list all


async def test_of_others_is_told_in_the_own_account(own: CalendarAccount, home: Home, store: ShakyStore) -> None:
    """RFC 9670 §3, whatever became of it meanwhile."""
    await own.refresh()
    home.write("bobs/", "2.ics", event("more"))
    await own.refresh()
    assert await own.ledger.read(SHARE) == {}
    del home.shelves["carols/"]
    lend(home, "new/")
    again = CalendarAccount("aalice", "aalice", ModelPort(home), store, whose=own.whose)
    await again.refresh()
    notes = (await again.ledger.read(SHARE)).values()
    assert {(note["path"], note["owner"], note["before"] is None) for note in notes} == {
        ("carols/", "/carol/", False),
        ("new/", BOB, True),
    }


async def test_whether_the_user_is_subscribed(bobs: CalendarAccount, home: Home) -> None:
    """RFC 9670 §1.4: what the session shows."""
    bobs.is_expected = False
    assert not subscribed(bobs)
    await bobs.refresh()
    assert subscribed(bobs)
    (key,) = bobs.index.calendars
    await bobs.set_settings(lambda settings: settings.update({key: {"isSubscribed": False}}))
    assert not subscribed(bobs)
    lend(home, "offered/", offered=True)
    await bobs.refresh()
    assert not subscribed(bobs)
    home.shelves["offered/"].info = replace(home.shelves["offered/"].info, offered=False)
    await bobs.refresh()
    assert subscribed(bobs)


@pytest.mark.parametrize(
    ("owner", "principal", "user", "wanted"),
    [
        ("/p/bob/", "/p/alice/", "alice", "bob"),
        ("/p/b%40x", "/p/a%40x/", "a@x", "b@x"),
        ("/q/bob/", "/p/alice/", "alice", "/q/bob/"),
        ("/p/17/", "/p/12/", "alice", "/p/17/"),
        ("/p/bob/", None, "alice", "/p/bob/"),
    ],
)
def test_what_an_owner_logs_in_with(owner: str, principal: str | None, user: str, wanted: str) -> None:
    assert login_of(owner, user, principal) == wanted
