"""Events on calendars of others: per-user properties (-29 §5.4), and what privacy hides (-29 §5.7, §5.9)."""

from dataclasses import replace
from typing import Any

import pytest

from adapters.errors import Forbidden
from adapters.ports.collections import Privilege
from gateway.objects.calendars.addresses import Addresses
from gateway.objects.calendars.rsvp import is_rsvp
from gateway.objects.difference import Change
from tests.objects.calendars.harness import Client
from tests.sync.calendars.model import FACTS, Home, event

READ: frozenset[Privilege] = frozenset({"read", "read-free-busy"})
WRITE: frozenset[Privilege] = READ | {"write-content", "bind", "unbind"}
BOBS = (
    "COLOR:red\r\nCATEGORIES:bobs\r\nTRANSP:TRANSPARENT\r\nBEGIN:VALARM\r\nUID:b\r\nACTION:DISPLAY\r\n"
    "DESCRIPTION:x\r\nTRIGGER:-PT5M\r\nEND:VALARM\r\n"
)
ALERT = {"trigger": {"offset": "-PT10M"}}
MINE = {
    "color": "blue",
    "keywords": {"mine": True},
    "freeBusyStatus": "free",
    "useDefaultAlerts": True,
    "alerts": {"a": ALERT},
}


def add(home: Home, path: str, privileges: frozenset[Privilege] | None = READ) -> None:
    shelf = home.add_calendar(path, path)
    if privileges is not None:
        shelf.info = replace(shelf.info, owner="/bob/", privileges=privileges)


@pytest.fixture
def home() -> Home:
    home = Home()
    add(home, "own/", None)
    add(home, "bobs/")
    home.write("bobs/", "1.ics", event("u1", more=BOBS))
    return home


@pytest.fixture
async def client(home: Home) -> Client:
    client = Client(home)
    await client.call("CalendarEvent/query")
    await client.call("CalendarEvent/get")
    return client


def one(client: Client, uid: str = "u1") -> str:
    return client.calendars.ids.event(uid, None)


async def own(client: Client, event_id: str | None = None) -> dict[str, Any]:
    """What the user sees of the per-user properties."""
    found = await client.event(event_id or one(client))
    return {name: found[name] for name in MINE if name in found}


def plain(shown: dict[str, Any]) -> dict[str, Any]:
    """Without the types that the server fills in."""
    alerts = {key: {"trigger": {"offset": value["trigger"]["offset"]}} for key, value in shown["alerts"].items()}
    return {**shown, "alerts": alerts}


ME, OTHER = "mailto:alice@example.org", "mailto:carol@example.org"
PEOPLE = f"ORGANIZER:mailto:bob@example.org\r\nATTENDEE;JSID=me:{ME}\r\nATTENDEE;JSID=other:{OTHER}\r\n"


@pytest.mark.parametrize(
    ("patch", "is_allowed"),
    [
        ({"participants/me/participationStatus": "accepted", "keywords": {"mine": True}}, True),
        ({"recurrenceOverrides": {"2026-12-02T10:00:00": {"participants/me/participationStatus": "declined"}}}, True),
        ({"recurrenceOverrides": {"2026-12-02T10:00:00": {"participants/me/name": "x"}}}, False),
        ({"recurrenceOverrides": {"2026-12-02T10:00:00": {"title": "x"}}}, False),
        ({"recurrenceOverrides": {"2026-12-02T10:00:00": {"excluded": True}}}, False),
        ({"participants/me/participationStatus": "accepted", "title": "x"}, False),
        ({"participants/other/participationStatus": "accepted"}, False),
        ({"participants/me/name": "x"}, False),
        ({"participants/me": None}, False),
        ({"participants/new": {"calendarAddress": "mailto:dave@example.org"}}, False),
        ({"title": "x"}, False),
        ({"start": "2026-12-01T11:00:00"}, False),
    ],
    ids=str,
)
async def test_who_may_only_answer(home: Home, patch: dict[str, Any], is_allowed: bool) -> None:
    """-29 §4, mayRSVP."""
    add(home, "bobs2/", READ | {"write-content"})
    home.write("bobs2/", "2.ics", event("u2", more=PEOPLE + "RRULE:FREQ=DAILY;COUNT=5\r\n"))
    client = Client(home)
    (shown,) = [one for one in (await client.call("Calendar/get"))["list"] if one["name"] == "bobs2/"]
    assert shown["myRights"]["mayRSVP"]
    assert not any(shown["myRights"][name] for name in ("mayWriteAll", "mayWriteOwn", "mayDelete"))
    await client.call("CalendarEvent/get")
    answer = await client.call("CalendarEvent/set", update={one(client, "u2"): patch})
    refused = (answer["notUpdated"] or {}).get(one(client, "u2"))
    assert (refused is None) == is_allowed, refused
    assert refused is None or refused["type"] == "forbidden"
    calendar_id = shown["id"]
    record = {"calendarIds": {calendar_id: True}, "title": "x", "start": "2026-12-01T10:00:00"}
    answer = await client.call("CalendarEvent/set", create={"k": record}, destroy=[one(client, "u2")])
    assert answer["notCreated"]["k"]["type"] == answer["notDestroyed"][one(client, "u2")]["type"] == "forbidden"


@pytest.mark.parametrize(
    ("open_to", "address", "is_there", "is_allowed"),
    [
        ("mayInviteSelf", ME, False, True),
        ("mayInviteSelf", OTHER, False, False),
        ("mayInviteOthers", "mailto:dave@example.org", True, True),
        ("mayInviteOthers", "mailto:dave@example.org", False, False),
        (None, ME, False, False),
    ],
)
async def test_who_may_come_along(open_to: str | None, address: str, is_there: bool, is_allowed: bool) -> None:
    """-29 §4, mayRSVP: where the event lets people invite themselves or, once they are there, others."""
    people = {"o": {"calendarAddress": ME if is_there else OTHER}}
    found: dict[str, Any] = {"participants": people} | ({} if open_to is None else {open_to: True})
    new = {"@type": "Participant", "calendarAddress": address}
    mine = Addresses((ME,))
    assert is_rsvp(found, [Change(("participants", "n"), new)], mine) is is_allowed
    assert not is_rsvp(found, [Change(("participants", "n"), {**new, "roles": {"owner": True}})], mine)


async def test_a_user_has_his_own(client: Client, home: Home) -> None:
    assert await own(client) == {}  # not what bob has
    before = home.text("bobs/", "1.ics")
    state = (await client.call("CalendarEvent/get", ids=[]))["state"]
    told = await client.update(one(client), MINE)
    assert list(told) == ["updated"]
    assert plain(await own(client)) == MINE
    assert home.text("bobs/", "1.ics") == before
    changes = await client.call("CalendarEvent/changes", sinceState=state)
    assert changes["updated"] == [one(client)]
    assert (await client.event(one(client)))["updated"] == told["updated"]
    assert await client.ids(filter={"text": "Event"}) == [one(client)]

    await client.update(one(client), {"keywords/more": True, "color": None, "alerts/a/trigger/offset": "-PT20M"})
    shown = await own(client)
    assert shown["keywords"] == {"mine": True, "more": True}
    assert "color" not in shown
    assert shown["alerts"]["a"]["trigger"]["offset"] == "-PT20M"
    assert not [call for call in home.calls if call.startswith("replace")]


async def test_they_are_kept_while_others_change_the_event(client: Client, home: Home) -> None:
    await client.update(one(client), MINE)
    mark = home.write("bobs/", "1.ics", event("u1", "Renamed", more=BOBS.replace("red", "green")))
    shown = await client.event(one(client))
    assert (shown["title"], shown["color"]) == ("Renamed", "blue")
    assert mark
    again = Client(home, store=client.store)
    await again.calendars.refresh()
    assert plain(await own(again)) == MINE


async def test_other_users_see_nothing_of_them(client: Client, home: Home) -> None:
    await client.update(one(client), MINE)
    carol = Client(home, "acarol", client.store)
    await carol.calendars.refresh()
    assert await own(carol, one(carol)) == {}


async def test_writing_both_kinds_leaves_the_owners_alone(client: Client, home: Home) -> None:
    shelf = home.shelves["bobs/"]
    shelf.info = replace(shelf.info, privileges=WRITE)
    await client.call("Calendar/get")
    told = await client.update(one(client), {"title": "Ours", **MINE})
    assert told["sequence"] == 1
    text = home.text("bobs/", "1.ics")
    assert "SUMMARY:Ours" in text
    for line in BOBS.split("\r\n"):
        assert line in text
    assert "blue" not in text
    assert plain(await own(client)) == MINE
    assert (await client.event(one(client)))["title"] == "Ours"


async def test_of_a_new_event_the_creators_are_his(client: Client, home: Home) -> None:
    add(home, "team/", WRITE)
    record = {"calendarIds": {client.calendar_id("team/"): True}, "title": "New", "start": "2026-12-01T10:00:00"}
    await client.call("Calendar/get")
    told = await client.create({**record, "timeZone": "Etc/UTC", "uid": "n", **MINE})
    assert plain(await own(client, told["id"])) == MINE
    text = home.text("team/", client.name("n"))
    assert not any(word in text for word in ("COLOR", "CATEGORIES", "TRANSP", "VALARM", "useDefaultAlerts"))


async def test_instances(client: Client, home: Home) -> None:
    """-29 §5.4: on a per-occurrence basis as well; a rule that changes adds no occurrence."""
    series = event("s", more="RRULE:FREQ=WEEKLY;COUNT=3\r\n" + BOBS)
    home.write("bobs/", "2.ics", series)
    await client.call("CalendarEvent/get")
    base = one(client, "s")
    second = f"{base}-20261208T100000"
    await client.update(second, {"color": "blue"})
    await client.update(base, {"recurrenceOverrides/2026-12-15T10:00:00": {"keywords": {"late": True}}})
    shown = await client.event(base)
    assert shown["recurrenceOverrides"] == {
        "2026-12-08T10:00:00": {"color": "blue"},
        "2026-12-15T10:00:00": {"keywords": {"late": True}},
    }
    assert home.text("bobs/", "2.ics") == series
    assert (await client.event(second))["color"] == "blue"
    home.write("bobs/", "2.ics", series.replace("COUNT=3", "COUNT=2"))
    assert (await client.event(base))["recurrenceOverrides"] == {"2026-12-08T10:00:00": {"color": "blue"}}
    error = await client.refused("update", {second: {"title": "x", "color": "red"}})
    assert error["type"] == "forbidden"


async def test_on_the_users_own_calendars_the_server_has_them(client: Client, home: Home) -> None:
    home.write("own/", "o.ics", event("o", more=BOBS))
    await client.call("CalendarEvent/get")
    assert (await own(client, one(client, "o")))["color"] == "red"
    await client.update(one(client, "o"), {"color": "blue"})
    assert "COLOR:blue" in home.text("own/", "o.ics")


async def test_what_the_server_keeps_apart_is_left_to_it(home: Home) -> None:
    home.facts = replace(FACTS, per_user=("alerts", "freeBusyStatus"))
    client = Client(home)
    await client.call("CalendarEvent/get")
    assert await own(client) == {"alerts": (await own(client))["alerts"], "freeBusyStatus": "free"}
    stamp = (await client.event(one(client)))["updated"]
    await client.update(one(client), {"alerts": {"a": ALERT}, "color": "blue"})
    text = home.text("bobs/", "1.ics")
    assert "TRIGGER:-PT10M" in text
    assert "COLOR:red" in text
    assert "DTSTAMP:20261101T000000Z" in text  # the update is the user's alone
    assert (await client.event(one(client)))["updated"] > stamp
    assert (await own(client))["color"] == "blue"


async def test_they_go_with_the_event(client: Client, home: Home) -> None:
    await client.update(one(client), MINE)
    assert client.calendars.index.personal
    home.remove("bobs/", "1.ics")
    await client.call("CalendarEvent/get")
    assert not client.calendars.index.personal
    again = Client(home, store=client.store)
    await again.calendars.refresh()
    assert not again.calendars.index.personal


async def test_a_refused_update_leaves_nothing(client: Client, home: Home) -> None:
    shelf = home.shelves["bobs/"]
    shelf.info = replace(shelf.info, privileges=WRITE)
    await client.call("Calendar/get")
    home.failing["replace"] = Forbidden("no")
    assert (await client.refused("update", {one(client): {"title": "x", "color": "blue"}}))["type"] == "forbidden"
    assert await own(client) == {}


# ------------------------------------------------------------------------------------------------------- privacy


async def test_secret_events_of_others_do_not_exist(client: Client, home: Home) -> None:
    home.write("bobs/", "s.ics", event("s", more="CLASS:CONFIDENTIAL\r\n"))
    home.write("own/", "mine.ics", event("m", more="CLASS:CONFIDENTIAL\r\n"))
    found = (await client.call("CalendarEvent/get"))["list"]
    assert {shown["uid"]: shown.get("privacy") for shown in found} == {"u1": None, "m": "secret"}
    home.write("bobs/", "s.ics", event("s"))
    state = (await client.call("CalendarEvent/get", ids=[]))["state"]
    assert len(await client.ids()) == 3
    home.write("bobs/", "s.ics", event("s", more="CLASS:CONFIDENTIAL\r\n"))
    changes = await client.call("CalendarEvent/changes", sinceState=state)
    assert changes["destroyed"] == [one(client, "s")]


async def test_private_events_of_others_are_times_only(client: Client, home: Home) -> None:
    shelf = home.shelves["bobs/"]
    shelf.info = replace(shelf.info, privileges=WRITE)
    override = event("p", "Hidden", start="20261208T110000Z", more="RECURRENCE-ID:20261208T100000Z\r\n")
    body = override[override.index("BEGIN:VEVENT") : override.index("END:VCALENDAR")]
    more = "CLASS:PRIVATE\r\nLOCATION:Here\r\nRRULE:FREQ=WEEKLY\r\nX-KEPT:1\r\n"
    series = event("p", "Secret plans", more=more)
    home.write("bobs/", "p.ics", series.replace("END:VCALENDAR", body + "END:VCALENDAR"))
    await client.call("Calendar/get")
    shown = await client.event(one(client, "p"))
    assert shown.keys() - {"updated", "sequence"} == {
        *("@type", "uid", "start", "timeZone", "duration", "privacy", "recurrenceRule", "recurrenceOverrides"),
        *("id", "calendarIds", "isDraft", "isOrigin"),
    }
    assert shown["recurrenceOverrides"] == {"2026-12-08T10:00:00": {"start": "2026-12-08T11:00:00"}}
    assert await client.ids(filter={"text": "plans"}) == []
    for verb, value in (
        ("update", {one(client, "p"): {"color": "blue"}}),
        ("update", {f"{one(client, 'p')}-20261215T100000": {"color": "blue"}}),
        ("destroy", [one(client, "p")]),
    ):
        assert (await client.refused(verb, value))["type"] == "forbidden"
