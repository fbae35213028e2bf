"""The clock of an account's alerts, on a model server and a time of its own (-29 §6)."""

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from adapters.formats.jscalendar.alert_times import triggers
from gateway.sync.calendars import alert_clock, alerts
from gateway.sync.calendars.account import CalendarAccount
from gateway.sync.calendars.alert_clock import GRACE_SECONDS, MOST_IN_HOUR, AlertClock
from gateway.sync.calendars.alerts import Alert
from tests.sync.calendars.model import AWAY, Home, ModelPort, event
from tests.sync.conftest import ShakyStore
from tests.waiting import until

BEGIN = datetime(2026, 12, 1, 9, tzinfo=UTC)
MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0


class Time:
    """A clock that the test sets. asked: how often it was looked at."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.asked = 0

    def __call__(self) -> float:
        self.asked += 1
        return BEGIN.timestamp() + self.seconds

    async def go(self, seconds: float) -> None:
        """It is so late now, and the alert clock has found out and told what it has to tell."""
        self.seconds = seconds
        wanted = self.asked + 12  # more than two rounds
        await until(lambda: self.asked >= wanted)


class World:
    """An account with its alert clock."""

    def __init__(self) -> None:
        self.home = Home()
        self.home.add_calendar("work/", "Work")
        self.account = CalendarAccount("acal", "ns", ModelPort(self.home), ShakyStore(), store_retry_seconds=0.0)
        self.time = Time()
        self.clock = AlertClock(self.account, 60.0, self.time)

    def write(self, uid: str, start: float = 0.0, *alarms: str, more: str = "") -> None:
        """As another client would: an event that starts so many seconds after the beginning."""
        moment = f"{BEGIN + timedelta(seconds=start):%Y%m%dT%H%M%SZ}"
        text = event(uid, start=moment, more=more + "".join(map(alarm, alarms or ("-PT0S",))))
        self.home.write("work/", f"{uid}.ics", text)

    async def refresh(self) -> None:
        """A pass finds what others wrote, and all hear of it."""
        await self.account.refresh()
        self.clock.heard({name: self.account.state(name) for name in ("Calendar", "CalendarEvent")})
        await self.time.go(self.time.seconds)

    @contextlib.asynccontextmanager
    async def listening(self, since: float = math.inf) -> AsyncIterator[list[Alert]]:
        told: list[Alert] = []
        with self.clock.listening(told.append, BEGIN.timestamp() + since):
            await self.time.go(self.time.seconds)
            yield told


def alarm(trigger: str) -> str:
    value = f";VALUE=DATE-TIME:{trigger}" if trigger.endswith("Z") else f":{trigger}"
    return f"BEGIN:VALARM\r\nACTION:DISPLAY\r\nUID:{trigger}\r\nTRIGGER{value}\r\nDESCRIPTION:x\r\nEND:VALARM\r\n"


def shown(told: list[Alert]) -> list[tuple[float, str]]:
    """Seconds after the beginning, and whose they are."""
    return [(one.at - BEGIN.timestamp(), one.uid) for one in told]


@pytest.fixture(autouse=True)
def _looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alert_clock, "LOOK_SECONDS", 0.005)


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def expanded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The uids of the events that are looked through."""
    found: list[str] = []

    def counted(js: Any, *arguments: Any, **more: Any) -> Any:
        found.append(js["uid"])
        return triggers(js, *arguments, **more)

    monkeypatch.setattr(alerts, "triggers", counted)
    return found


async def test_each_alert_is_told_once_when_its_time_has_come(world: World) -> None:
    world.write("a", 10 * MINUTE, "-PT5M", "PT0S")
    world.write("b", 7 * MINUTE)
    async with world.listening() as told, world.listening() as other:
        await world.time.go(5 * MINUTE - 0.001)
        assert told == []
        await world.time.go(5 * MINUTE)
        (one,) = told
        event_id = world.account.ids.event("a", None)
        assert one == Alert(BEGIN.timestamp() + 5 * MINUTE, "acal", event_id, "a", None, "-PT5M")
        await world.time.go(8 * MINUTE)
        await world.time.go(20 * MINUTE)
        assert shown(told) == shown(other) == [(5 * MINUTE, "a"), (7 * MINUTE, "b"), (10 * MINUTE, "a")]


async def test_a_series_is_told_day_by_day(world: World) -> None:
    world.write("s", 30 * MINUTE, "-PT5M", more="RRULE:FREQ=DAILY;COUNT=3\r\n")
    world.write("far", 2 * DAY, "-PT1H")
    async with world.listening() as told:
        for moment in (
            25 * MINUTE,
            5 * HOUR,
            DAY + 26 * MINUTE,
            2 * DAY - HOUR,
            2 * DAY + 24 * MINUTE,
            2 * DAY + HOUR / 2,
        ):
            await world.time.go(moment)
        assert shown(told) == [
            (25 * MINUTE, "s"),
            (DAY + 25 * MINUTE, "s"),
            (2 * DAY - HOUR, "far"),
            (2 * DAY + 25 * MINUTE, "s"),
        ]
        assert [one.recurrence_id for one in told] == [
            "2026-12-01T09:30:00",
            "2026-12-02T09:30:00",
            None,
            "2026-12-03T09:30:00",
        ]
        assert {one.event_id for one in told if one.uid == "s"} == {world.account.ids.event("s", None)}


async def test_an_edit_changes_what_is_to_come(world: World, expanded: list[str]) -> None:
    for uid in ("moved", "gone", "cancelled", "stays"):
        world.write(uid, 10 * MINUTE)
    async with world.listening() as told:
        await until(lambda: len(expanded) == 4)
        world.write("moved", 12 * MINUTE)
        world.write("cancelled", 10 * MINUTE, more="STATUS:CANCELLED\r\n")
        world.write("new", 11 * MINUTE)
        world.home.remove("work/", "gone.ics")
        await world.refresh()
        await world.time.go(20 * MINUTE)
        assert shown(told) == [(10 * MINUTE, "stays"), (11 * MINUTE, "new"), (12 * MINUTE, "moved")]
        assert sorted(expanded[4:]) == ["moved", "new"]  # what stayed is not looked through again


async def test_what_is_learnt_of_late(world: World) -> None:
    """An event found by polling may be a little late; one that is made now is not told of what it would have had."""
    async with world.listening() as told:
        await world.time.go(HOUR)
        world.write("late", HOUR - 50)
        world.write("past", HOUR - 5 * MINUTE)
        world.write("soon", HOUR + 50)
        await world.refresh()
        await world.time.go(HOUR + MINUTE)
        assert shown(told) == [(HOUR - 50, "late"), (HOUR + 50, "soon")]


async def test_default_alerts_and_subscription(world: World) -> None:
    world.write("d", 20 * MINUTE, more="JSPROP;JSPTR=useDefaultAlerts:true\r\n")
    world.write("own", 21 * MINUTE)
    async with world.listening() as told:
        calendar_id = world.account.ids.calendar("work/")

        async def keep(**values: Any) -> None:
            await world.account.set_settings(lambda settings: settings.setdefault(calendar_id, {}).update(values))
            world.clock.heard({"Calendar": world.account.state("Calendar")})
            await world.time.go(world.time.seconds)

        await keep(defaultAlertsWithTime={"x": {"@type": "Alert", "trigger": {"offset": "-PT10M"}}})
        await world.time.go(15 * MINUTE)
        assert shown(told) == [(10 * MINUTE, "d")]
        assert told[0].alert_id == "x"
        await keep(isSubscribed=False)
        await world.time.go(21 * MINUTE)
        world.write("later", 30 * MINUTE)
        await world.refresh()
        await world.time.go(33 * MINUTE)
        assert len(told) == 1
        world.write("again", 40 * MINUTE)
        await world.refresh()
        await keep(isSubscribed=True)
        await world.time.go(41 * MINUTE)
        assert shown(told)[1:] == [(40 * MINUTE, "again")]


async def test_floating_times_lie_in_the_time_zone_of_the_calendar(world: World) -> None:
    """-29 §4: 00:00 of 2 December in Tokyo is six hours after the beginning."""
    day = event("f", start="20261202", more=alarm("PT0S")).replace("DTSTART:", "DTSTART;VALUE=DATE:")
    world.home.write("work/", "f.ics", day.replace("DURATION:PT1H", "DURATION:P1D"))
    async with world.listening() as told:
        calendar_id = world.account.ids.calendar("work/")
        await world.account.set_settings(
            lambda settings: settings.setdefault(calendar_id, {}).update(timeZone="Asia/Tokyo")
        )
        await world.time.go(6 * HOUR)
        await until(lambda: bool(told))
        assert shown(told) == [(6 * HOUR, "f")]


async def test_a_suspended_machine_neither_loses_nor_floods(world: World) -> None:
    for minutes in (30, 115, 130):
        world.write(f"at{minutes}", minutes * MINUTE)
    async with world.listening() as told:
        await world.time.go(2 * HOUR)
        assert shown(told) == [(115 * MINUTE, "at115")]
        assert 90 * MINUTE > GRACE_SECONDS > 5 * MINUTE
        await world.time.go(130 * MINUTE)
        assert shown(told)[1:] == [(130 * MINUTE, "at130")]


async def test_a_clock_that_is_set_back_tells_nothing_twice(world: World) -> None:
    for minutes in (1, 2, 61):
        world.write(f"at{minutes}", minutes * MINUTE)
    async with world.listening() as told:
        await world.time.go(MINUTE)
        await world.time.go(61 * MINUTE)  # set forward by an hour, and back
        await world.time.go(1.5 * MINUTE)
        async with world.listening() as other:
            await world.time.go(2 * MINUTE)
            await world.time.go(62 * MINUTE)
            assert shown(told) == [(MINUTE, "at1"), (61 * MINUTE, "at61"), (2 * MINUTE, "at2")]
            assert shown(other) == [(2 * MINUTE, "at2")]
    async with world.listening() as told:
        world.time.seconds -= DAY  # nobody is told less because the clock was a day ahead when he came
        world.write("yesterday", 2 * HOUR - DAY)
        await world.refresh()
        await world.time.go(2 * HOUR - DAY)
        assert shown(told) == [(2 * HOUR - DAY, "yesterday")]


async def test_a_listener_that_comes_again_is_told_what_it_missed(world: World) -> None:
    for minutes in (1, 2, 3, 4):
        world.write(f"at{minutes}", minutes * MINUTE)
    async with world.listening() as told:
        await world.time.go(1.5 * MINUTE)
    world.time.seconds = 3.5 * MINUTE
    async with world.listening(since=1.5 * MINUTE) as again, world.listening() as new:
        assert shown(told) == [(MINUTE, "at1")]
        assert shown(again) == [(2 * MINUTE, "at2"), (3 * MINUTE, "at3")]
        await world.time.go(4 * MINUTE)
        assert shown(again)[2:] == shown(new) == [(4 * MINUTE, "at4")]
        async with world.listening(since=-math.inf) as always:
            assert sorted(shown(always)) == [(n * MINUTE, f"at{n}") for n in (1, 2, 3, 4)]
    world.time.seconds = 30 * MINUTE
    async with world.listening(since=-math.inf) as late:
        assert late == []


async def test_nothing_runs_where_nobody_listens(world: World) -> None:
    async with world.listening():
        pass
    calls, asked = len(world.home.calls), world.time.asked
    await asyncio.sleep(0.05)
    assert (len(world.home.calls), world.time.asked) == (calls, asked)


async def test_a_user_is_not_told_too_many(world: World) -> None:
    """-29 §9.3.2: MUST rate limit; and an event every second costs no more than its first alerts."""
    world.write("flood", 0, more="RRULE:FREQ=SECONDLY\r\n")
    async with world.listening() as told:
        for minutes in range(1, 70):
            await world.time.go(minutes * MINUTE)
        assert MOST_IN_HOUR <= len(told) <= 2 * MOST_IN_HOUR
        times = sorted(one.at for one in told)
        assert all(late - early > HOUR - MINUTE for early, late in zip(times, times[MOST_IN_HOUR:], strict=False))


async def test_an_event_that_cannot_be_expanded_costs_only_itself(world: World) -> None:
    world.write("hebrew", MINUTE, more="RRULE:RSCALE=HEBREW;FREQ=YEARLY\r\n")
    world.write("work", MINUTE, more="RRULE:FREQ=SECONDLY;COUNT=999999999;BYMONTH=1\r\n")
    world.write("odd", MINUTE, more='JSPROP;JSPTR=alerts/x:"none"\r\n')
    world.write("good", MINUTE)
    async with world.listening() as told:
        await world.time.go(MINUTE)
        assert "good" in {one.uid for one in told}


async def test_a_server_that_is_away_at_first(world: World) -> None:
    world.write("a", MINUTE)
    world.home.failing["calendars"] = AWAY
    async with world.listening() as told:
        await world.time.go(2 * MINUTE)
        assert told == []
        del world.home.failing["calendars"]
        await until(lambda: bool(told))
        assert shown(told) == [(MINUTE, "a")]


async def test_what_another_gateway_wrote_is_looked_for(world: World) -> None:
    async with world.listening() as told:
        world.write("theirs", MINUTE)
        world.clock.heard({"CalendarEvent": "of-another"})
        await until(lambda: "theirs" in {one.entry.uid for one in world.account.index.events.values()})
        world.write("missed", MINUTE)
        world.clock.heard({})
        await until(lambda: len(world.account.index.events) == 2)
        await world.time.go(MINUTE)
        assert sorted(shown(told)) == [(MINUTE, "missed"), (MINUTE, "theirs")]
