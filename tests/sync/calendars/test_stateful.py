"""Whatever others and this gateway do: the index is what the server holds, and /changes tells the truth."""

import asyncio
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from gateway.sync.calendars.account import CalendarAccount
from gateway.sync.calendars.entries import read_entries
from gateway.sync.calendars.index import CALENDAR, EVENT, Index, Place, Resource
from gateway.sync.journal import CannotCalculateChanges
from tests.sync.calendars.model import Home, event
from tests.sync.calendars.test_account import open_account
from tests.sync.conftest import ShakyStore

PATHS = ("a/", "b/")
paths = st.sampled_from(PATHS)
names = st.sampled_from(["1.ics", "2.ics"])
uids = st.sampled_from(["u1", "u2"])
STARTS = ("20261201T100000Z", "20261208T100000Z")


@st.composite
def resources(draw: st.DrawFn) -> str:
    """An event, a series, an instance that stands alone, something else."""
    uid, start = draw(uids), draw(st.sampled_from(STARTS))
    more = draw(st.sampled_from(["", "RRULE:FREQ=WEEKLY\r\n", f"RECURRENCE-ID:{start}\r\n", "SEQUENCE:2\r\n"]))
    text = event(uid, draw(st.sampled_from(["A", "B"])), start=start, more=more)
    return draw(st.sampled_from([text, text, text, text.replace("VEVENT", "VTODO"), "broken"]))


def shown(index: Index) -> dict[str, Any]:
    """What clients see."""
    return {
        CALENDAR: set(index.calendars),
        EVENT: {key: (one.calendar_ids, one.entry.json) for key, one in index.events.items()},
    }


class Calendars(RuleBasedStateMachine):
    """One home, one gateway that restarts now and then, one client that follows by /changes."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.home, self.store = Home(), ShakyStore()
        self.account: CalendarAccount = open_account(self.home, self.store)
        self.cache: dict[str, tuple[str, dict[str, Any]]] = {}

    def run(self, work: Any) -> Any:
        return self.loop.run_until_complete(work)

    @initialize()
    def begin(self) -> None:
        for path in PATHS:
            self.home.add_calendar(path, path)
        self.run(self.account.refresh())
        self.follow(whole=True)

    @rule(path=paths)
    def add_calendar(self, path: str) -> None:
        if path not in self.home.shelves:
            self.home.add_calendar(path, path)

    @rule(path=paths)
    def remove_calendar(self, path: str) -> None:
        self.home.shelves.pop(path, None)

    @rule(path=paths, name=names, text=resources())
    def write(self, path: str, name: str, text: str) -> None:
        if path in self.home.shelves:
            self.home.write(path, name, text)

    @rule(path=paths, name=names, into=paths)
    def copy(self, path: str, name: str, into: str) -> None:
        """One event in several calendars."""
        if into in self.home.shelves and path in self.home.shelves and name in self.home.shelves[path].resources:
            self.home.write(into, name, self.home.text(path, name))

    @rule(path=paths, name=names)
    def remove(self, path: str, name: str) -> None:
        if path in self.home.shelves and name in self.home.shelves[path].resources:
            self.home.remove(path, name)

    @rule(path=paths, name=names, text=resources())
    def write_here(self, path: str, name: str, text: str) -> None:
        """A write of this gateway, entered without a look, whatever else happened meanwhile."""
        place = Place(self.account.ids.calendar(path), name)
        if path in self.home.shelves and place.calendar_id in self.account.index.calendars:
            etag = self.home.write(path, name, text)
            self.run(self.account.advance({place: Resource(etag, read_entries(text.encode()))}))

    @rule()
    def restart(self) -> None:
        self.run(self.account.close())
        self.account = open_account(self.home, self.store)

    @rule(down=st.booleans())
    def store_comes_and_goes(self, down: bool) -> None:
        self.store.down = down

    @rule(whole=st.booleans())
    def follow(self, whole: bool) -> None:
        """A client brings its cache up to date, and has what is there."""
        self.run(self.account.refresh(whole=whole))
        now = shown(self.account.index)
        for name in (CALENDAR, EVENT):
            state, known = self.cache.get(name, ("", {}))
            try:
                changes = self.account.changes(name, state)
            except CannotCalculateChanges:
                pass
            else:
                ids = (set(known) - set(changes.destroyed)) | set(changes.created)
                assert ids == set(now[name])
                touched = {*changes.created, *changes.updated}
                if name == EVENT:
                    assert all(known[key] == now[EVENT][key] for key in ids - touched)
            self.cache[name] = (self.account.state(name), dict.fromkeys(now[name]) if name == CALENDAR else now[name])

    @invariant()
    def the_index_is_that_of_a_gateway_that_starts_anew(self) -> None:
        if not self.home.shelves and not self.cache:
            return
        other = open_account(self.home, ShakyStore())
        self.run(other.refresh())
        self.run(self.account.refresh(whole=False))  # which calendars there are is always seen
        assert shown(self.account.index) == shown(other.index)

    def teardown(self) -> None:
        self.run(self.account.close())
        self.loop.close()


Calendars.TestCase.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
TestCalendars = Calendars.TestCase
