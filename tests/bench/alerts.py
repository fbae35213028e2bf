"""Alerts: what it costs to plan those of a calendar, beside reading its events out of the index (JSON).

Run: python -m tests.bench.alerts [--events 2000] [--rounds 10]. Every event has an alert; a fifth of them are series.
"""

import argparse
import asyncio
import time
from datetime import UTC, datetime
from typing import Final

from adapters.ports.calendars import Calendar, CalendarProperties
from adapters.ports.collections import Cursor
from gateway.sync.calendars.alert_clock import GRACE_SECONDS, STRETCH_SECONDS
from gateway.sync.calendars.alerts import Plan
from gateway.sync.calendars.edit import Edit
from gateway.sync.calendars.entries import read_entries
from gateway.sync.calendars.index import Ids, Index, Place, Resource
from tests.bench.calendar import event
from tests.bench.table import Table

NOW: Final = datetime(2026, 6, 15, 9, 30, tzinfo=UTC).timestamp()
ALARM: Final = b"BEGIN:VALARM\r\nACTION:DISPLAY\r\nDESCRIPTION:x\r\nTRIGGER:-PT15M\r\nEND:VALARM\r\nEND:VEVENT"


def resource(number: int, room: str = "Room 3") -> Resource:
    """One event, with an alert a quarter of an hour before it."""
    return Resource(f'"{room}"', read_entries(event(number, room).replace(b"END:VEVENT", ALARM)))


def index_of(events: int) -> tuple[Index, Ids, Place]:
    """The index of a calendar of so many, and where the first one lies."""
    ids, cursor = Ids("bench"), Cursor("t", None)
    info = Calendar("work/", CalendarProperties(name="Work"), frozenset(), None, None, False, None, cursor)
    edit = Edit(Index(), ids)
    edit.put_calendar(info, cursor)
    calendar_id = ids.calendar("work/")
    for number in range(events):
        edit.put(Place(calendar_id, f"{number}.ics"), resource(number))
    return edit.settle(None)[0], ids, Place(calendar_id, "0.ics")


async def clocked(plan: Plan, index: Index, now: float) -> float:
    """Seconds until the plan is up to date."""
    began = time.perf_counter()
    await plan.follow(index, missed=now - GRACE_SECONDS, learnt=now - 60, until=now + STRETCH_SECONDS)
    return time.perf_counter() - began


async def measure(events: int, rounds: int, table: Table) -> None:
    """All rows."""
    index, ids, place = index_of(events)
    floor, first, edits, stretches = [], [], [], []
    for number in range(rounds):
        began = time.perf_counter()
        for one in index.events.values():
            one.entry.event()
        floor.append(time.perf_counter() - began)
        plan = Plan("bench")
        first.append(await clocked(plan, index, NOW))
        edit = Edit(index, ids)
        edit.put(place, resource(0, f"Room {number}"))
        changed, _ = edit.settle(None)
        edits.append(await clocked(plan, changed, NOW))
        stretches += [await clocked(plan, changed, NOW + hour * STRETCH_SECONDS) for hour in range(1, 5)]
    table.ratio("the first look at all alerts", first, floor, 30, "reading the events")
    for what, values in (("after one edit", edits), ("the next hour", stretches)):
        table.value(what, [value * 1e3 for value in values], None, "ms")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=10)
    arguments = parser.parse_args()
    table = Table()
    asyncio.run(measure(arguments.events, arguments.rounds, table))
    table.print()


if __name__ == "__main__":
    main()
