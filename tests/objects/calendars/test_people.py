"""ParticipantIdentity and CalendarEventNotification on a model server."""

from dataclasses import replace
from typing import Any

import pytest

from adapters.formats.pointer import apply_patch
from gateway.sync.calendars.notes import MOST
from tests.objects.calendars.harness import Client
from tests.sync.calendars.model import FACTS, Home, event

ALICE, BOB = "mailto:alice@example.org", "mailto:bob@example.org"
INVITATION = (
    "ORGANIZER;CN=Bob:mailto:bob@example.org\r\nATTENDEE;CN=Bob;PARTSTAT=ACCEPTED:mailto:bob@example.org\r\n"
    "ATTENDEE;PARTSTAT=NEEDS-ACTION:mailto:alice@example.org\r\n"
)
MEETING = INVITATION.replace("bob", "x").replace("alice", "bob").replace("x@", "alice@").replace("CN=Bob", "CN=Alice")


@pytest.fixture
def home() -> Home:
    home = Home(replace(FACTS, addresses=(ALICE, "mailto:al@example.org"), display_name="Alice Adams"))
    home.add_calendar("work/", "Work")
    return home


@pytest.fixture
def client(home: Home) -> Client:
    return Client(home)


# ---------------------------------------------------------------------------------------------------- identities


async def test_identities_are_the_addresses_that_the_server_knows(client: Client) -> None:
    await client.calendars.learn()
    answer = await client.call("ParticipantIdentity/get")
    first, second = answer["list"]
    assert first == {"id": first["id"], "name": "Alice Adams", "calendarAddress": ALICE, "isDefault": True}
    assert (second["calendarAddress"], second["isDefault"]) == ("mailto:al@example.org", False)
    again = await client.call("ParticipantIdentity/get", ids=[first["id"], "pnone"], properties=["name"])
    assert (again["list"], again["notFound"]) == ([{"id": first["id"], "name": "Alice Adams"}], ["pnone"])


async def test_a_name_and_a_default_can_be_set(client: Client) -> None:
    await client.calendars.learn()
    before = await client.call("ParticipantIdentity/get")
    first, second = (one["id"] for one in before["list"])
    answer = await client.call("ParticipantIdentity/set", update={second: {"name": "Al"}}, onSuccessSetIsDefault=second)
    assert answer["updated"] == {second: {"isDefault": True}, first: {"isDefault": False}}
    changes = await client.call("ParticipantIdentity/changes", sinceState=before["state"])
    assert (changes["created"], set(changes["updated"]), changes["destroyed"]) == ([], {first, second}, [])
    assert changes["newState"] == answer["newState"]
    after = {one["id"]: one for one in (await client.call("ParticipantIdentity/get"))["list"]}
    assert (after[second]["name"], after[second]["isDefault"], after[first]["isDefault"]) == ("Al", True, False)
    assert after[first]["name"] == "Alice Adams"
    # the organizer of what the user makes is the default identity (-29 §5.9)
    record = {"calendarIds": {client.calendar_id("work/"): True}, "start": "2026-12-01T10:00:00"}
    told = await client.create({**record, "participants": {"b": {"calendarAddress": BOB}}})
    assert told["organizerCalendarAddress"] == "mailto:al@example.org"


async def test_no_other_address_can_be_claimed(client: Client) -> None:
    await client.calendars.learn()
    (first, _) = (await client.call("ParticipantIdentity/get"))["list"]
    answer = await client.call(
        "ParticipantIdentity/set",
        create={"k": {"calendarAddress": BOB}},
        update={first["id"]: {"calendarAddress": BOB}},
        destroy=["pnone"],
        onSuccessSetIsDefault="pnone",
    )
    assert answer["notCreated"]["k"]["type"] == "forbidden"
    assert answer["notUpdated"][first["id"]]["type"] == "forbidden"
    assert answer["notDestroyed"]["pnone"]["type"] == "notFound"
    answer = await client.call("ParticipantIdentity/set", destroy=[first["id"]])
    assert answer["notDestroyed"][first["id"]]["type"] == "forbidden"


# ------------------------------------------------------------------------------------------------- notifications


async def notes(client: Client) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await client.call("CalendarEventNotification/get"))["list"]
    return found


async def test_an_invitation_comes_changes_and_goes(client: Client, home: Home) -> None:
    state = (await client.call("CalendarEventNotification/get"))["state"]
    home.write("work/", "1.ics", event("u1", more=INVITATION))
    (note,) = await notes(client)
    one = client.calendars.ids.event("u1", None)
    assert (note["type"], note["calendarEventId"], note["isDraft"], note["comment"]) == ("created", one, False, None)
    assert note["changedBy"] == {
        "name": "Bob",
        "email": "bob@example.org",
        "principalId": None,
        "calendarAddress": BOB,
    }
    assert note["event"]["title"] == "Event"
    assert not {"id", "calendarIds", "iCalendar", "isDraft"} & note["event"].keys()
    assert "eventPatch" not in note
    changes = await client.call("CalendarEventNotification/changes", sinceState=state)
    assert (changes["created"], changes["updated"], changes["destroyed"]) == ([note["id"]], [], [])

    await client.call("CalendarEventNotification/set", destroy=[note["id"]])
    home.write("work/", "1.ics", event("u1", "Renamed", start="20261202T100000Z", more=INVITATION + "SEQUENCE:1\r\n"))
    (note,) = await notes(client)
    assert note["type"] == "updated"
    assert note["event"]["title"] == "Event"
    after = apply_patch(note["event"], note["eventPatch"])
    assert (after["title"], after["start"]) == ("Renamed", "2026-12-02T10:00:00")

    home.remove("work/", "1.ics")
    kinds = [note["type"] for note in await notes(client)]
    assert sorted(kinds) == ["destroyed", "updated"]


async def test_the_users_own_doing_is_not_told(client: Client, home: Home) -> None:
    home.write("work/", "g.ics", event("g", more=INVITATION))
    home.write("work/", "o.ics", event("o", more=MEETING))
    await client.call("CalendarEvent/get")
    # with this client
    await client.update(client.calendars.ids.event("o", None), {"title": "Mine"})
    # with another one: an own event, an own answer, an own alarm
    home.write("work/", "o.ics", event("o", "Mine too", more=MEETING))
    home.write("work/", "p.ics", event("p"))
    home.write("work/", "g.ics", event("g", more=INVITATION.replace("NEEDS-ACTION", "DECLINED") + "COLOR:red\r\n"))
    assert await notes(client) == []


async def test_the_answer_of_a_guest_is_told(client: Client, home: Home) -> None:
    home.write("work/", "o.ics", event("o", more=MEETING))
    await client.call("CalendarEvent/get")
    home.write("work/", "o.ics", event("o", more=MEETING.replace("NEEDS-ACTION", "DECLINED")))
    (note,) = await notes(client)
    assert (note["type"], note["changedBy"]["calendarAddress"]) == ("updated", BOB)


async def test_a_calendar_of_somebody_else(client: Client, home: Home) -> None:
    home.add_calendar("team/", "Team")
    home.shelves["team/"].info = replace(home.shelves["team/"].info, owner="/team/")
    await client.call("CalendarEvent/get")
    home.write("team/", "1.ics", event("u1"))
    home.write("team/", "2.ics", event("u2", more="CLASS:PRIVATE\r\n"))  # -29 §7: not of what is private
    (note,) = await notes(client)
    assert (note["event"]["uid"], note["changedBy"]["email"]) == ("u1", None)
    team = client.calendar_id("team/")
    await client.call("Calendar/set", update={team: {"isSubscribed": False}})
    home.write("team/", "1.ics", event("u1", "Again"))
    assert len(await notes(client)) == 1


async def test_query(client: Client, home: Home) -> None:
    await client.call("CalendarEvent/get")
    for number in range(3):
        home.write("work/", f"{number}.ics", event(f"u{number}", more=INVITATION))
        await client.call("CalendarEvent/get")
    home.remove("work/", "2.ics")
    everything = await client.call("CalendarEventNotification/query", calculateTotal=True)
    assert everything["total"] == 4
    one = client.calendars.ids.event("u1", None)
    for condition, count in (
        ({"type": "destroyed"}, 1),
        ({"calendarEventIds": [one]}, 1),
        ({"calendarEventIds": None, "after": None}, 4),
        ({"after": "2020-01-01T00:00:00Z", "before": "2100-01-01T00:00:00Z"}, 4),
        ({"before": "2020-01-01T00:00:00Z"}, 0),
    ):
        answer = await client.call("CalendarEventNotification/query", filter=condition)
        assert len(answer["ids"]) == count, condition
    gone = everything["ids"][0]
    answer = await client.call("CalendarEventNotification/set", destroy=[gone, "nnone"])
    assert (answer["destroyed"], answer["notDestroyed"]["nnone"]["type"]) == ([gone], "notFound")
    answer = await client.call("CalendarEventNotification/queryChanges", sinceQueryState=everything["queryState"])
    assert (answer["removed"], answer["added"]) == ([gone], [])
    answer = await client.call("CalendarEventNotification/set", create={"k": {}}, update={everything["ids"][1]: {}})
    assert answer["notCreated"]["k"]["type"] == "forbidden"
    assert await client.error("CalendarEventNotification/query", sort=[{"property": "type"}]) == "unsupportedSort"


async def test_the_oldest_go_first(client: Client, home: Home) -> None:
    await client.call("CalendarEvent/get")
    for number in range(MOST + 20):
        home.write("work/", f"{number}.ics", event(f"u{number}", more=INVITATION))
        if number % 50 == 0:
            await client.call("CalendarEvent/get", ids=[])
    assert len(await notes(client)) == MOST
