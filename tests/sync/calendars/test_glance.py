"""The first sight of an account's calendars: a month before everything is read, and what is told of the rest."""

from datetime import UTC, datetime

import pytest

from adapters.errors import Unavailable
from adapters.ports.calendars import TimeRange
from gateway.sync.calendars.account import CalendarAccount
from gateway.sync.calendars.index import CALENDAR, EVENT
from tests.sync.calendars.model import Home, ModelPort, event
from tests.sync.calendars.test_account import changed, open_account, view
from tests.sync.conftest import ShakyStore

DECEMBER = TimeRange(datetime(2026, 12, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))


class Seeing(ModelPort):
    """Finds what is named so; the pass after a glance waits until it is let go."""

    async def find(self, path, window, component):  # type: ignore[no-untyped-def]
        self._enter("find", path)
        found = self._shelf(path).resources
        yield {name: resource for name, resource in found.items() if name.startswith("dec")}


@pytest.fixture
def home() -> Home:
    home = Home()
    home.add_calendar("work/", "Work")
    home.write("work/", "dec1.ics", event("d1"))
    home.write("work/", "dec2.ics", event("d2"))
    home.write("work/", "may.ics", event("m", start="20260501T100000Z"))
    return home


def account_of(home: Home, store: ShakyStore) -> CalendarAccount:
    account = open_account(home, store)
    account.port = Seeing(home)
    return account


def id_(account: CalendarAccount, uid: str) -> str:
    return account.ids.event(uid, None)


async def test_a_glance_reads_no_more_than_the_window(home: Home) -> None:
    account = account_of(home, ShakyStore())
    assert await account.glance(DECEMBER, again=False) is True
    assert home.calls == ["open", "calendars", "find work/"]
    assert account.index.events.keys() == {id_(account, "d1"), id_(account, "d2")}
    state = account.state(EVENT)
    await account.refresh()
    assert "fetch work/" in home.calls  # the rest, and only the rest
    assert len(account.index.events) == 3
    assert account.state(EVENT) == state  # nothing happened since: what was there all the time is no news
    assert await account.glance(DECEMBER, again=False) is False


async def test_what_was_listed_before_is_asked_at_once_and_shown_only_if_it_is_still_there(home: Home) -> None:
    account = account_of(home, ShakyStore())
    home.add_calendar("gone/", "Gone")
    home.write("gone/", "dec9.ics", event("d9"))
    home.heard = await account.port.calendars()
    del home.shelves["gone/"]
    home.add_calendar("new/", "New")
    home.write("new/", "dec3.ics", event("d3"))
    home.calls.clear()
    assert await account.glance(DECEMBER, again=False) is True
    assert home.calls == ["open", "find work/", "find gone/", "calendars", "find new/"]
    assert account.index.events.keys() == {id_(account, uid) for uid in ("d1", "d2", "d3")}


async def test_what_changed_behind_the_glance_is_told(home: Home) -> None:
    account = account_of(home, ShakyStore())
    await account.glance(DECEMBER, again=False)
    state, calendars = account.state(EVENT), account.state(CALENDAR)
    home.write("work/", "dec1.ics", event("d1", "Later"))
    home.remove("work/", "dec2.ics")
    home.write("work/", "dec3.ics", event("d3"))
    home.write("work/", "jun.ics", event("j", start="20260601T100000Z"))
    home.add_calendar("zoo/", "Zoo")
    await account.refresh()
    created, updated, destroyed = await changed(account, EVENT, state)
    assert (created, updated, destroyed) == ([id_(account, "d3")], [id_(account, "d1")], [id_(account, "d2")])
    assert await changed(account, CALENDAR, calendars) == ([account.ids.calendar("zoo/")], [], [])


async def test_there_is_one_glance(home: Home) -> None:
    """A second one could change what was seen under the same state."""
    account = account_of(home, ShakyStore())
    assert await account.glance(None, again=False) is True  # the calendars alone, as Calendar/get needs them
    assert await account.glance(DECEMBER, again=True) is True  # and their events, for the same request
    assert home.calls.count("calendars") == 1
    assert await account.glance(DECEMBER, again=True) is False
    await account.refresh()
    other = account_of(home, ShakyStore())
    assert await other.glance(DECEMBER, again=False) is True
    assert await other.glance(None, again=False) is False


async def test_what_is_stored_needs_no_glance(home: Home) -> None:
    store = ShakyStore()
    first = account_of(home, store)
    await first.refresh()
    again = account_of(home, store)
    home.calls.clear()
    assert await again.glance(DECEMBER, again=False) is False
    await again.refresh()
    assert view(again) == view(first)
    assert "find work/" not in home.calls


async def test_a_glance_that_fails_leaves_nothing_behind(home: Home) -> None:
    account = account_of(home, ShakyStore())
    home.failing["find work/"] = Unavailable("away")
    with pytest.raises(Unavailable):
        await account.glance(DECEMBER, again=False)
    assert not account.index.events
    home.failing.clear()
    assert await account.glance(DECEMBER, again=False) is True
