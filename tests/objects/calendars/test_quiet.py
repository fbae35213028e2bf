"""sendSchedulingMessages false on a server that schedules by itself: nobody hears of anything (-29 §5.9, RFC 6638)."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.client import jmap_client
from tests.gateway import running_gateway
from tests.objects.calendars.conftest import Place, keys, path_of
from tests.servers.cyrus import Cyrus
from tests.servers.dav import DavServer, wake
from tests.servers.users import User, fresh_user
from tests.sync.calendars.model import event

WEEKLY = "RRULE:FREQ=WEEKLY;COUNT=3\r\n"


@pytest.fixture(scope="module")
async def url(cyrus: Cyrus) -> AsyncIterator[str]:
    async with running_gateway(cyrus, **keys(f"http://{cyrus.host}:{cyrus.http}")) as found:
        yield found


@dataclass
class Person:
    """Somebody with a calendar, and the address that meetings name."""

    place: Place
    address: str
    default: str

    async def inbox(self) -> dict[str, str]:
        """What the server delivered to the default calendar."""
        found = await self.place.server.resources(self.default)
        return {name: text.replace("\r\n", "\n").replace("\n ", "") for name, text in found.items()}


async def person(cyrus: Cyrus, url: str, user: User) -> AsyncIterator[Person]:
    server = DavServer("cyrus", f"http://{cyrus.host}:{cyrus.http}", *user)
    async with jmap_client(url, *user) as jmap:
        place = Place(jmap, server, "", "")
        (calendar,) = (await place.call("Calendar/get", properties=["id"]))["list"]
        place.id = calendar["id"]
        place.path = await path_of(server, jmap.account, place.id)
        yield Person(place, f"mailto:{user.name}@internal", f"/dav/calendars/user/{user.name}/Default/")


@pytest.fixture
def users(cyrus: Cyrus) -> list[User]:
    found = [fresh_user(cyrus), fresh_user(cyrus)]
    for user in found:
        wake(cyrus.host, cyrus.imap, *user)
    return found


@pytest.fixture
async def alice(cyrus: Cyrus, url: str, users: list[User]) -> AsyncIterator[Person]:
    async for found in person(cyrus, url, users[0]):
        yield found


@pytest.fixture
async def bob(cyrus: Cyrus, url: str, users: list[User]) -> AsyncIterator[Person]:
    async for found in person(cyrus, url, users[1]):
        yield found


def people(alice: Person, bob: Person) -> dict[str, Any]:
    return {
        "a": {"@type": "Participant", "calendarAddress": alice.address, "roles": {"owner": True, "chair": True}},
        "b": {"@type": "Participant", "calendarAddress": bob.address, "expectReply": True},
    }


def invitation(alice: Person, bob: Person) -> str:
    lines = f"ORGANIZER:{alice.address}\r\nATTENDEE;PARTSTAT=ACCEPTED:{alice.address}\r\n"
    return event("meet@example.org", "Meeting", more=f"{lines}ATTENDEE;PARTSTAT=NEEDS-ACTION:{bob.address}\r\n{WEEKLY}")


async def invited(alice: Person, bob: Person) -> str:
    """A meeting that another client made: the server told bob. The id at both."""
    await alice.place.server.put(alice.place.path, "meet.ics", invitation(alice, bob))
    assert len(await bob.inbox()) == 1  # so this server does send, and the tests below can fail
    (one,) = (await alice.place.call("CalendarEvent/query"))["ids"]
    (other,) = (await bob.place.call("CalendarEvent/query"))["ids"]
    assert (await bob.place.event(other))["isOrigin"] is False
    assert (await alice.place.event(one))["isOrigin"] is True
    (note,) = (await bob.place.call("CalendarEventNotification/get"))["list"]
    assert (note["type"], note["calendarEventId"]) == ("created", other)
    assert note["changedBy"]["calendarAddress"] == alice.address
    return str(one)


async def test_a_new_meeting_is_told_to_nobody(alice: Person, bob: Person) -> None:
    told = await alice.place.create(participants=people(alice, bob))
    await alice.place.update(told["id"], title="Moved", start="2026-12-02T12:00:00")
    assert await bob.inbox() == {}
    answer = await alice.place.call("CalendarEvent/set", destroy=[told["id"]])
    assert answer["destroyed"] == [told["id"]]
    assert await bob.inbox() == {}


async def test_a_meeting_that_the_server_serves_is_changed_in_silence(alice: Person, bob: Person) -> None:
    one = await invited(alice, bob)
    before = await bob.inbox()
    await alice.place.update(one, title="Renamed")
    await alice.place.update(one, recurrenceOverrides={"2026-12-08T10:00:00": {"excluded": True}})
    assert "SUMMARY:Renamed" in (await alice.place.stored())["meet.ics"]
    assert await bob.inbox() == before
    answer = await alice.place.call("CalendarEvent/set", destroy=[one])
    assert answer["destroyed"] == [one]
    assert await alice.place.stored() == {}
    assert await bob.inbox() == before  # no CANCEL


async def test_an_answer_and_a_refusal_stay_with_the_guest(alice: Person, bob: Person) -> None:
    await invited(alice, bob)
    before = await alice.place.stored()
    (one,) = (await bob.place.call("CalendarEvent/query"))["ids"]
    shown = await bob.place.event(one)
    (key,) = [key for key, who in shown["participants"].items() if who["calendarAddress"] == bob.address]
    await bob.place.update(one, **{f"participants/{key}/participationStatus": "accepted"})
    assert "PARTSTAT=ACCEPTED" in next(iter((await bob.inbox()).values()))
    assert await alice.place.stored() == before
    answer = await bob.place.call("CalendarEvent/set", destroy=[one])
    assert answer["destroyed"] == [one]
    assert await alice.place.stored() == before  # no REPLY that declines


async def test_a_calendar_goes_with_its_meetings_in_silence(alice: Person, bob: Person) -> None:
    answer = await alice.place.call("Calendar/set", create={"k": {"name": "Meetings"}})
    calendar = answer["created"]["k"]["id"]
    path = await path_of(alice.place.server, alice.place.jmap.account, calendar)
    await alice.place.server.put(path, "meet.ics", invitation(alice, bob))
    before = await bob.inbox()
    assert len(before) == 1
    answer = await alice.place.call("Calendar/set", destroy=[calendar], onDestroyRemoveEvents=True)
    assert answer["destroyed"] == [calendar]
    assert await bob.inbox() == before  # -29 §4.3
