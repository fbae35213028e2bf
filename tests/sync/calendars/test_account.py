"""The index of calendars on a model server: what passes find, what the journal says, what survives."""

import json
import math

import pytest

from adapters.errors import Forbidden, Unavailable
from gateway.store.base import DeleteRange
from gateway.sync.calendars.account import CalendarAccount
from gateway.sync.calendars.entries import read_entries
from gateway.sync.calendars.index import CALENDAR, EVENT, TYPES, Place, Resource, default_of
from gateway.sync.journal import CannotCalculateChanges
from tests.sync.calendars.model import Home, ModelPort, event
from tests.sync.conftest import ShakyStore

ACCOUNT = "acal"
PARTITION = f"{ACCOUNT}-calendars"


@pytest.fixture
def home() -> Home:
    home = Home()
    home.add_calendar("work/", "Work")
    home.add_calendar("private/", "Private")
    return home


@pytest.fixture
def store() -> ShakyStore:
    return ShakyStore()


def open_account(home: Home, store: ShakyStore, **options: float) -> CalendarAccount:
    return CalendarAccount(ACCOUNT, "ns", ModelPort(home), store, store_retry_seconds=0.0, **options)  # type: ignore[arg-type]


@pytest.fixture
async def account(home: Home, store: ShakyStore) -> CalendarAccount:
    return open_account(home, store)


def calendar_id(account: CalendarAccount, path: str) -> str:
    return account.ids.calendar(path)


def view(account: CalendarAccount) -> dict[str, tuple[frozenset[str], bytes]]:
    return {key: (event.calendar_ids, event.entry.json) for key, event in account.index.events.items()}


async def changed(account: CalendarAccount, type_name: str, since: str) -> tuple[list[str], list[str], list[str]]:
    found = account.changes(type_name, since)
    return found.created, found.updated, found.destroyed


async def test_a_pass_finds_what_others_did(account: CalendarAccount, home: Home) -> None:
    home.write("work/", "1.ics", event("u1"))
    await account.refresh()
    state, calendars = account.state(EVENT), account.state(CALENDAR)
    one = account.ids.event("u1", None)
    assert account.index.events.keys() == {one}
    home.write("work/", "1.ics", event("u1", "Later"))
    home.write("private/", "2.ics", event("u2"))
    await account.refresh()
    two = account.ids.event("u2", None)
    assert await changed(account, EVENT, state) == ([two], [one], [])
    assert account.state(CALENDAR) == calendars  # nothing that a client sees of a calendar is new
    state = account.state(EVENT)
    home.remove("work/", "1.ics")
    await account.refresh()
    assert await changed(account, EVENT, state) == ([], [], [one])


async def test_nothing_is_fetched_where_nothing_moved(account: CalendarAccount, home: Home) -> None:
    home.write("work/", "1.ics", event("u1"))
    await account.refresh()
    home.calls.clear()
    await account.refresh()
    assert home.calls == ["calendars"]
    home.write("work/", "2.ics", event("u2"))
    home.calls.clear()
    await account.refresh()
    assert home.calls == ["calendars", "changes work/", "fetch work/"]


async def test_events_alone_cost_less_and_see_every_calendar(account: CalendarAccount, home: Home) -> None:
    home.add_calendar("tasks/", "Tasks", components=["VTODO"])
    await account.refresh()
    home.calls.clear()
    await account.refresh(whole=False)
    assert home.calls == ["cursors"]
    home.write("work/", "2.ics", event("u2"))
    home.calls.clear()
    await account.refresh(whole=False)
    assert home.calls == ["cursors", "changes work/", "fetch work/"]
    state = account.state(CALENDAR)
    await ModelPort(home).update_calendar("work/", {"color": "#ff0000"})
    await account.refresh(whole=False)
    assert account.state(CALENDAR) == state
    await account.refresh()
    assert (await changed(account, CALENDAR, state))[1] == [calendar_id(account, "work/")]
    home.add_calendar("new/", "New")
    home.write("new/", "3.ics", event("u3"))
    await account.refresh(whole=False)
    assert account.ids.event("u3", None) in account.index.events


async def test_a_change_of_form_only_is_no_change(account: CalendarAccount, home: Home) -> None:
    home.write("work/", "1.ics", event("u1"))
    await account.refresh()
    state = account.state(EVENT)
    home.write("work/", "1.ics", event("u1").replace("SUMMARY:Event\r\n", "SUMMARY:Ev\r\n ent\r\n"))
    await account.refresh()
    assert account.state(EVENT) == state


async def test_calendars_come_change_and_go(account: CalendarAccount, home: Home) -> None:
    home.write("private/", "1.ics", event("u1"))
    home.add_calendar("tasks/", "Tasks", components=["VTODO"])
    await account.refresh()
    assert account.index.calendars.keys() == {calendar_id(account, path) for path in ("work/", "private/")}
    state, events = account.state(CALENDAR), account.state(EVENT)
    home.add_calendar("new/", "New")
    await ModelPort(home).update_calendar("work/", {"color": "#ff0000"})
    del home.shelves["private/"]
    await account.refresh()
    assert await changed(account, CALENDAR, state) == (
        [calendar_id(account, "new/")],
        [calendar_id(account, "work/")],
        [calendar_id(account, "private/")],
    )
    assert await changed(account, EVENT, events) == ([], [], [account.ids.event("u1", None)])


async def test_one_event_in_two_calendars(account: CalendarAccount, home: Home) -> None:
    home.write("work/", "1.ics", event("u1"))
    await account.refresh()
    state = account.state(EVENT)
    home.write("private/", "x.ics", event("u1"))
    await account.refresh()
    one = account.ids.event("u1", None)
    both = frozenset(calendar_id(account, path) for path in ("work/", "private/"))
    assert await changed(account, EVENT, state) == ([], [one], [])
    assert account.index.events[one].calendar_ids == both
    # copies that differ: the later revision is shown, the event stays in both (docs/decisions/0009-calendars.md)
    home.write("private/", "x.ics", event("u1", "Revised", more="SEQUENCE:1\r\n"))
    await account.refresh()
    assert account.index.events[one].entry.event()["title"] == "Revised"
    assert account.index.events[one].calendar_ids == both
    assert account.index.events[one].places[0].calendar_id == calendar_id(account, "private/")
    home.remove("private/", "x.ics")
    await account.refresh()
    assert account.index.events[one].entry.event()["title"] == "Event"


ORPHAN = "RECURRENCE-ID:{}\r\n"


async def test_instances_that_stand_alone_until_the_series_comes(account: CalendarAccount, home: Home) -> None:
    first, second = "20261201T100000Z", "20261208T100000Z"
    home.write("work/", "1.ics", event("u1", start=first, more=ORPHAN.format(first)))
    home.write("private/", "2.ics", event("u1", start=second, more=ORPHAN.format(second)))
    await account.refresh()
    ids = {account.ids.event("u1", f"2026-12-{day}T10:00:00") for day in ("01", "08")}
    assert account.index.events.keys() == ids  # -29 §1.4.1
    state = account.state(EVENT)
    home.write("work/", "1.ics", event("u1", start=first, more="RRULE:FREQ=WEEKLY\r\n"))
    await account.refresh()
    created, updated, destroyed = await changed(account, EVENT, state)
    assert (created, updated, set(destroyed)) == ([account.ids.event("u1", None)], [], ids)  # -29 §5.5


async def test_what_is_no_event_or_broken_is_not_shown_and_not_fetched_again(
    account: CalendarAccount, home: Home
) -> None:
    home.write("work/", "todo.ics", event("t").replace("VEVENT", "VTODO"))
    home.write("work/", "broken.ics", "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nnonsense")
    home.write("work/", "bytes.ics", b"\xff\xfe\x00\x01")
    home.write("work/", "1.ics", event("u1"))
    await account.refresh()
    assert account.index.events.keys() == {account.ids.event("u1", None)}
    home.calls.clear()
    await account.refresh()
    assert home.calls == ["calendars"]


async def test_a_calendar_that_cannot_be_read_costs_only_itself(account: CalendarAccount, home: Home) -> None:
    home.write("work/", "1.ics", event("u1"))
    await account.refresh()
    state = account.state(EVENT)
    home.failing["changes work/"] = Forbidden("no")
    home.write("work/", "2.ics", event("u2"))
    home.write("private/", "3.ics", event("u3"))
    await account.refresh()
    assert await changed(account, EVENT, state) == ([account.ids.event("u3", None)], [], [])
    home.failing.clear()
    await account.refresh()
    assert account.ids.event("u2", None) in account.index.events


@pytest.mark.parametrize("verb", ["calendars", "changes work/", "fetch work/"])
async def test_a_server_that_is_away_deletes_nothing(account: CalendarAccount, home: Home, verb: str) -> None:
    home.write("work/", "1.ics", event("u1"))
    await account.refresh()
    before, state = view(account), account.state(EVENT)
    home.write("work/", "2.ics", event("u2"))
    home.failing[verb] = Unavailable("away")
    with pytest.raises(Unavailable):
        await account.refresh()
    assert (view(account), account.state(EVENT)) == (before, state)


async def test_own_writes_are_entered_and_found_again_without_a_change(account: CalendarAccount, home: Home) -> None:
    await account.refresh()
    state = account.state(EVENT)
    etag = home.write("work/", "1.ics", event("u1"))
    place = Place(calendar_id(account, "work/"), "1.ics")
    await account.advance({place: Resource(etag, read_entries(event("u1").encode()))})
    one = account.ids.event("u1", None)
    assert await changed(account, EVENT, state) == ([one], [], [])
    state = account.state(EVENT)
    home.calls.clear()
    await account.refresh()
    assert account.state(EVENT) == state
    assert "fetch work/" not in home.calls
    await account.advance({place: None})
    assert await changed(account, EVENT, state) == ([], [], [one])


async def test_a_restart_fetches_nothing(account: CalendarAccount, home: Home, store: ShakyStore) -> None:
    home.write("work/", "1.ics", event("u1", more="RRULE:FREQ=DAILY\r\n"))
    home.write("private/", "2.ics", event("u2"))
    home.write("private/", "3.ics", "broken")
    await account.refresh()
    home.write("work/", "4.ics", event("u4"))
    await account.refresh()
    state, before, calendars = account.state(EVENT), view(account), account.index.calendars
    home.calls.clear()
    again = open_account(home, store)
    await again.refresh()
    assert home.calls == ["open", "calendars"]
    assert (again.state(EVENT), view(again), again.index.calendars) == (state, before, calendars)
    assert again.index.events == account.index.events
    assert [e.entry.last for e in again.index.events.values() if e.entry.recurs] == [math.inf]


async def test_a_state_of_another_life_is_refused(account: CalendarAccount, home: Home, store: ShakyStore) -> None:
    await account.refresh()
    state = account.state(EVENT)
    await store.inner.commit(PARTITION, [DeleteRange(PARTITION, space) for space in SPACES])
    again = open_account(home, store)
    await again.refresh()
    for since in (state, "", "x", f"{again.state(EVENT)}1", "0-0"):
        with pytest.raises(CannotCalculateChanges):
            again.changes(EVENT, since)


SPACES = ("cal.head", "cal.resources", "cal.journal", "cal.settings")


@pytest.mark.parametrize("space", SPACES[:3])
async def test_a_store_that_lost_a_part_is_not_believed(
    account: CalendarAccount, home: Home, store: ShakyStore, space: str
) -> None:
    home.write("work/", "1.ics", event("u1"))
    await account.refresh()
    home.write("work/", "2.ics", event("u2"))
    await account.refresh()
    state = account.state(EVENT)
    await store.inner.commit(PARTITION, [DeleteRange(PARTITION, space)])
    again = open_account(home, store)
    await again.refresh()
    assert view(again) == view(account)
    with pytest.raises(CannotCalculateChanges):
        again.changes(EVENT, state)


async def test_a_store_that_is_away_costs_no_event(account: CalendarAccount, home: Home, store: ShakyStore) -> None:
    await account.refresh()
    state = account.state(EVENT)
    store.down = True
    home.write("work/", "1.ics", event("u1"))
    await account.refresh()
    assert await changed(account, EVENT, state) == ([account.ids.event("u1", None)], [], [])
    store.down = False
    await account.refresh()
    again = open_account(home, store)
    await again.refresh()
    assert view(again) == view(account)
    assert again.state(EVENT) == account.state(EVENT)


async def test_two_replicas(account: CalendarAccount, home: Home, store: ShakyStore) -> None:
    other = open_account(home, store)
    await account.refresh()
    await other.refresh()
    for number in range(4):
        home.write("work/", f"{number}.ics", event(f"u{number}"))
        first, second = (account, other) if number % 2 else (other, account)
        await first.refresh()
        await second.refresh()
        assert first.state(EVENT) == second.state(EVENT)
        assert view(first) == view(second)
    state = account.state(EVENT)
    home.remove("work/", "0.ics")
    await other.refresh()
    assert await changed(other, EVENT, state) == ([], [], [account.ids.event("u0", None)])


async def test_settings_are_durable_and_told(account: CalendarAccount, home: Home, store: ShakyStore) -> None:
    await account.refresh()
    state, work = account.state(CALENDAR), calendar_id(account, "work/")

    def hide(settings: dict[str, dict[str, object]]) -> None:
        settings.setdefault(work, {})["isVisible"] = False

    await account.set_settings(hide)
    assert await changed(account, CALENDAR, state) == ([], [work], [])
    again = open_account(home, store)
    await again.refresh()
    assert again.index.setting(work, "isVisible") is False
    await store.inner.commit(PARTITION, [DeleteRange(PARTITION, space) for space in SPACES[:3]])
    third = open_account(home, store)
    await third.refresh()
    assert third.index.setting(work, "isVisible") is False
    store.down = True
    with pytest.raises(Unavailable):
        await third.set_settings(dict.clear)
    assert third.index.setting(work, "isVisible") is False


async def test_a_default_calendar_that_can_be_written(account: CalendarAccount, home: Home) -> None:
    await account.refresh()
    assert default_of(account.index) == calendar_id(account, "private/")  # the first of equals by path


async def test_who_subscribes_hears_of_it(account: CalendarAccount, home: Home, store: ShakyStore) -> None:
    await account.refresh()
    store.published.clear()
    home.write("work/", "1.ics", event("u1"))
    await account.refresh()
    ((channel, message),) = store.published
    assert channel == f"account/{ACCOUNT}"
    assert account.state(EVENT).encode() in message
    assert b'"CalendarEvent"' in message


async def test_the_first_states_are_told(account: CalendarAccount, home: Home, store: ShakyStore) -> None:
    """RFC 8620 §7.3: who listened before anything was seen is told of what came before the first pass."""
    home.write("work/", "1.ics", event("u1"))
    await account.refresh()
    ((_, message),) = store.published
    assert json.loads(message) == {name: account.state(name) for name in TYPES}
