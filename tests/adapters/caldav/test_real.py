"""The calendar port on Radicale, Xandikos and Cyrus."""

from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime

import pytest

from adapters.caldav.people import CalDav
from adapters.dav.connection import Credentials, Endpoint
from adapters.errors import AuthFailed, Conflict, InvalidData, NotFound, Unsupported
from adapters.ports.calendars import Calendar, CalendarChanges, CalendarFacts, CalendarResource, TimeRange
from adapters.ports.collections import Cursor
from tests.servers.dav import DavServer

Event = Callable[..., bytes]
DAY = TimeRange(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC))


async def gathered(batches: AsyncIterator[Mapping[str, CalendarResource]]) -> dict[str, CalendarResource]:
    return {name: resource async for batch in batches for name, resource in batch.items()}


async def values(port: CalDav, path: str, name: str) -> list[CalendarResource]:
    return list((await gathered(port.fetch(path, [name]))).values())


async def listed(port: CalDav, path: str) -> Calendar:
    return next(calendar for calendar in await port.calendars() if calendar.path == path)


async def test_facts(server: DavServer, facts: CalendarFacts) -> None:
    assert facts.server == server.name
    assert facts.owner == facts.principal
    assert facts.home.startswith("/")
    assert facts.auto_schedule == (server.name == "cyrus")
    assert facts.keeps_quiet
    assert facts.addresses == ((f"mailto:{server.user}@internal",) if server.name == "cyrus" else ())
    assert facts.sharing == facts.lends == (server.name == "cyrus")


async def test_wrong_password_is_no_outage(server: DavServer) -> None:
    port = CalDav(Endpoint(server.url), Credentials(server.user, password="wrong"))
    if server.name == "xandikos":
        assert (await port.open()).principal == f"/{server.user}/"  # it asks for none
    else:
        with pytest.raises(AuthFailed):
            await port.open()
    await port.close()


async def test_properties_of_a_calendar(port: CalDav, calendar: str, server: DavServer, facts: CalendarFacts) -> None:
    changes = CalendarChanges(name="Tést & <1>", color="#ff0000ff", order=3, description="two\nlines", transparent=True)
    refused = await port.update_calendar(calendar, changes)
    assert refused == (frozenset() if server.name == "cyrus" else frozenset({"transparent"}))
    found = (await listed(port, calendar)).properties
    assert (found.name, found.color, found.order, found.description) == ("Tést & <1>", "#ff0000ff", 3, "two\nlines")
    assert found.transparent == {"cyrus": True, "xandikos": False, "radicale": None}[server.name]
    assert await server.properties(facts.home + calendar) == {"name": "Tést & <1>", "color": "#ff0000ff"}
    assert not await port.update_calendar(calendar, CalendarChanges(color=None, order=None, description=None))
    found = (await listed(port, calendar)).properties
    assert (found.name, found.color, found.order, found.description) == ("Tést & <1>", None, None, None)


async def test_a_calendar_of_the_listing(port: CalDav, calendar: str) -> None:
    found = await listed(port, calendar)
    assert "VEVENT" in found.components
    assert found.privileges is not None
    assert {"read", "read-free-busy", "write-content", "bind", "unbind"} <= found.privileges
    assert found.owner is None
    assert not found.cursor.moved_from(found.cursor)


async def test_cursors_are_those_of_the_listing(port: CalDav, calendar: str, event: Event) -> None:
    before = await port.cursors()
    assert before == {one.path: one.cursor for one in await port.calendars()}
    await port.create(calendar, "1.ics", event("cursor@example.org"))
    after = await port.cursors()
    assert after[calendar].moved_from(before[calendar])
    assert [path for path in after if path != calendar and after[path].moved_from(before[path])] == []


async def test_a_name_that_is_taken(port: CalDav, calendar: str) -> None:
    with pytest.raises(Conflict):
        await port.create_calendar(calendar.rstrip("/"), CalendarChanges(name="Again"))


async def test_what_is_stored_is_read_by_others(
    port: CalDav, calendar: str, server: DavServer, facts: CalendarFacts, event: Event
) -> None:
    stored = await port.create(calendar, "a.ics", event("a"))
    found = await gathered(port.fetch(calendar, ["a.ics"]))
    assert found["a.ics"].etag == (stored.etag or found["a.ics"].etag)
    others = await server.resources(facts.home + calendar)
    assert "SUMMARY:Tea & <biscuits> für a" in others["a.ics"]


async def test_preconditions(port: CalDav, calendar: str, event: Event) -> None:
    await port.create(calendar, "a.ics", event("a"))
    with pytest.raises(Conflict):  # RFC 9110 §13.1.2
        await port.create(calendar, "a.ics", event("a"))
    with pytest.raises(Conflict):  # RFC 4791 §5.3.2.1
        await port.create(calendar, "b.ics", event("a"))
    with pytest.raises(Conflict):  # RFC 9110 §13.1.1
        await port.replace(calendar, "a.ics", event("a"), '"stale"')
    with pytest.raises(Conflict):
        await port.delete(calendar, "a.ics", '"stale"')
    etag = (await gathered(port.fetch(calendar, ["a.ics"])))["a.ics"].etag
    after = await port.replace(calendar, "a.ics", event("a", "LOCATION:Here"), etag)
    found = (await gathered(port.fetch(calendar, ["a.ics"])))["a.ics"]
    assert b"LOCATION:Here" in found.data
    assert after.etag in {None, found.etag}
    await port.delete(calendar, "a.ics", found.etag)
    with pytest.raises(NotFound):
        await port.delete(calendar, "a.ics", None)


async def test_content_that_is_no_icalendar(port: CalDav, calendar: str) -> None:
    with pytest.raises(InvalidData):
        await port.create(calendar, "a.ics", b"rubbish")


@pytest.mark.parametrize("name", ["", ".", "..", "a/b.ics", "../a.ics", "a b.ics", "%2e%2e", "a.ics?x", "ä.ics"])
async def test_names_that_are_no_segment(port: CalDav, calendar: str, event: Event, name: str) -> None:
    with pytest.raises(InvalidData):
        await port.create(calendar, name, event("a"))


async def test_changes_by_others(
    port: CalDav, calendar: str, server: DavServer, facts: CalendarFacts, event: Event
) -> None:
    first = await port.changes(await listed(port, calendar), None, {})
    assert not first.changed
    path = facts.home + calendar
    for name in ("a", "b", "c"):
        await server.put(path, f"{name}.ics", event(name).decode())
    now = await listed(port, calendar)
    assert now.cursor.moved_from(first.cursor)
    second = await port.changes(now, first.cursor, {})
    assert set(second.changed) == {"a.ics", "b.ics", "c.ics"}
    assert not second.removed
    await server.put(path, "a.ics", event("a", "LOCATION:There").decode())
    await server.remove(path, "c.ics")
    third = await port.changes(await listed(port, calendar), second.cursor, second.changed)
    assert set(third.changed) == {"a.ics"}
    assert third.removed == {"c.ics"}
    (came,) = third.resources.values() or await values(port, calendar, "a.ics")
    assert b"LOCATION:There" in came.data
    assert came.etag == third.changed["a.ics"]
    assert bool(third.resources) == (server.name != "xandikos")
    assert not (await listed(port, calendar)).cursor.moved_from(third.cursor)


async def test_a_token_that_is_not_honoured(port: CalDav, calendar: str, event: Event) -> None:
    await port.create(calendar, "a.ics", event("a"))
    found = await port.changes(await listed(port, calendar), Cursor("data:,junk", None), {"ghost.ics": '"1"'})
    assert set(found.changed) == {"a.ics"}
    assert found.removed == {"ghost.ics"}


async def test_own_writes_are_no_changes(port: CalDav, calendar: str, event: Event) -> None:
    for name in ("a", "b", "c"):
        await port.create(calendar, f"{name}.ics", event(name))
    before = await port.changes(await listed(port, calendar), None, {})
    await port.create(calendar, "d.ics", event("d"))
    etag = (await gathered(port.fetch(calendar, ["d.ics"])))["d.ics"].etag
    after = await port.changes(await listed(port, calendar), before.cursor, {**before.changed, "d.ics": etag})
    assert (after.changed, after.removed) == ({}, frozenset())


async def test_a_calendar_that_is_gone(port: CalDav, facts: CalendarFacts) -> None:
    gone, _ = await port.create_calendar("gone", CalendarChanges(name="Gone"))
    known = await listed(port, gone)
    await port.delete_calendar(gone)
    with pytest.raises(NotFound):
        await port.changes(known, None, {})
    with pytest.raises(NotFound):
        await gathered(port.fetch(gone, ["a.ics"]))
    with pytest.raises(NotFound):
        await port.delete_calendar(gone)
    assert gone not in {found.path for found in await port.calendars()}


async def test_fetching_what_is_gone(port: CalDav, calendar: str, event: Event) -> None:
    await port.create(calendar, "a.ics", event("a"))
    assert set(await gathered(port.fetch(calendar, ["a.ics", "gone.ics"]))) == {"a.ics"}


async def test_time_range(port: CalDav, calendar: str, event: Event) -> None:
    """RFC 4791 §9.9, also where a day without an end has no length for Cyrus."""
    await port.create(calendar, "in.ics", event("in"))
    await port.create(calendar, "day.ics", event("day", start="20260301", end=None))
    await port.create(calendar, "out.ics", event("out", start="20270301T100000Z", end="20270301T110000Z"))
    weekly = event("weekly", "RRULE:FREQ=WEEKLY", start="20260201T100000Z", end="20260201T110000Z")
    await port.create(calendar, "weekly.ics", weekly)
    assert set(await gathered(port.find(calendar, DAY, "VEVENT"))) == {"in.ics", "day.ics", "weekly.ics"}
    noon = TimeRange(datetime(2026, 3, 1, 12, tzinfo=UTC), datetime(2026, 3, 1, 13, tzinfo=UTC))
    assert "day.ics" in await gathered(port.find(calendar, noon, "VEVENT"))
    later = TimeRange(datetime(2027, 3, 1, tzinfo=UTC), None)
    assert {"out.ics", "weekly.ics"} <= set(await gathered(port.find(calendar, later, "VEVENT")))


async def test_move(port: CalDav, calendar: str, server: DavServer, event: Event) -> None:
    await port.create(calendar, "a.ics", event("a"))
    etag = (await gathered(port.fetch(calendar, ["a.ics"])))["a.ics"].etag
    target, _ = await port.create_calendar("target", CalendarChanges(name="Target"), ["VEVENT"])
    try:
        if server.name == "xandikos":
            with pytest.raises(Unsupported):
                await port.move(calendar, "a.ics", target, etag)
            return
        await port.move(calendar, "a.ics", target, etag)
        assert set(await gathered(port.fetch(target, ["a.ics"]))) == {"a.ics"}
        assert not await gathered(port.fetch(calendar, ["a.ics"]))
    finally:
        await port.delete_calendar(target)


async def test_many_come_in_batches(port: CalDav, calendar: str, event: Event) -> None:
    names = [f"e{number}.ics" for number in range(120)]
    for name in names:
        await port.create(calendar, name, event(name))
    batches = [batch async for batch in port.fetch(calendar, names)]
    assert len(batches) == 2
    assert sorted(name for batch in batches for name in batch) == sorted(names)
    assert set((await port.changes(await listed(port, calendar), None, {})).changed) == set(names)
