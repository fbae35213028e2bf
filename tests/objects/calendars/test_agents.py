"""Servers that schedule by themselves and cannot be told not to: the data says so, or the change is refused."""

from dataclasses import replace
from typing import Any

import pytest

from adapters.formats.content_lines import parse
from tests.objects.calendars.harness import Client
from tests.sync.calendars.model import FACTS, Home, event

ALICE, BOB = "mailto:alice@example.org", "mailto:bob@example.org"
MEETING = f"ORGANIZER:{ALICE}\r\nATTENDEE;PARTSTAT=ACCEPTED:{ALICE}\r\nATTENDEE:{BOB}\r\n"
INVITATION = f"ORGANIZER:{BOB}\r\nATTENDEE:{BOB}\r\nATTENDEE;PARTSTAT=NEEDS-ACTION:{ALICE}\r\n"


@pytest.fixture
def home() -> Home:
    home = Home(replace(FACTS, auto_schedule=True, keeps_quiet=False))
    home.add_calendar("work/", "Work")
    return home


@pytest.fixture
def client(home: Home) -> Client:
    return Client(home)


def agents(text: str) -> dict[str, str | None]:
    """SCHEDULE-AGENT of everybody in the event."""
    (calendar,) = parse(text).components
    (component,) = (child for child in calendar.components if child.name == "VEVENT")
    people = [line for line in component.properties if line.name in {"ATTENDEE", "ORGANIZER"}]
    return {f"{line.name} {line.value}": line.parameter("SCHEDULE-AGENT") for line in people}


async def test_new_attendees_are_not_the_servers_affair(client: Client, home: Home) -> None:
    record: dict[str, Any] = {
        "uid": "u1",
        "calendarIds": {client.calendar_id("work/"): True},
        "start": "2026-12-01T10:00:00",
        "participants": {"a": {"calendarAddress": ALICE, "roles": {"chair": True}}, "b": {"calendarAddress": BOB}},
    }
    told = await client.create(record)
    found = agents(home.text("work/", client.name("u1")))
    assert found[f"ATTENDEE {BOB}"] == "CLIENT"  # RFC 6638 §3.2.1.1
    await client.update(told["id"], {"title": "Renamed", "participants/c": {"calendarAddress": "mailto:c@example.org"}})
    found = agents(home.text("work/", client.name("u1")))
    assert (found[f"ATTENDEE {BOB}"], found["ATTENDEE mailto:c@example.org"]) == ("CLIENT", "CLIENT")
    answer = await client.call("CalendarEvent/set", destroy=[told["id"]])
    assert answer["destroyed"] == [told["id"]]


async def test_what_the_server_would_tell_is_not_changed(client: Client, home: Home) -> None:
    """A changed agent is a CANCEL, everything else a REQUEST (RFC 6638 §3.2.1.2, §3.2.1.3)."""
    home.write("work/", "m.ics", event("m", more=MEETING))
    one = client.calendars.ids.event("m", None)
    before = home.text("work/", "m.ics")
    for verb, value in (("update", {one: {"title": "x"}}), ("destroy", [one])):
        assert (await client.refused(verb, value))["type"] == "forbidden"
    assert home.text("work/", "m.ics") == before
    answer = await client.call("Calendar/set", destroy=[client.calendar_id("work/")], onDestroyRemoveEvents=True)
    assert answer["notDestroyed"][client.calendar_id("work/")]["type"] == "forbidden"
    assert home.text("work/", "m.ics") == before


async def test_a_guest_answers_without_the_server(client: Client, home: Home) -> None:
    home.write("work/", "g.ics", event("g", more=INVITATION))
    one = client.calendars.ids.event("g", None)
    people = (await client.event(one))["participants"]
    (key,) = [key for key, person in people.items() if person["calendarAddress"] == ALICE]
    await client.update(one, {f"participants/{key}/participationStatus": "accepted"})
    assert agents(home.text("work/", "g.ics"))[f"ORGANIZER {BOB}"] == "CLIENT"  # RFC 6638 §7.1
    answer = await client.call("CalendarEvent/set", destroy=[one])
    assert answer["destroyed"] == [one]  # with Schedule-Reply: F (§8.1)


async def test_a_server_that_can_be_told_gets_the_data_as_it_is(home: Home) -> None:
    home.facts = replace(home.facts, keeps_quiet=True)
    client = Client(home)
    home.write("work/", "m.ics", event("m", more=MEETING))
    await client.update(client.calendars.ids.event("m", None), {"title": "x"})
    assert set(agents(home.text("work/", "m.ics")).values()) == {None}
