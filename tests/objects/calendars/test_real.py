"""Calendars through a whole gateway on Radicale, Xandikos and Cyrus; each change is read back by another client."""

import asyncio
from typing import Any

import pytest

from gateway.objects.calendars.capability import CALENDARS, PARSE
from tests.client import jmap_client
from tests.objects.calendars.conftest import Place, Tier, second_gateway
from tests.servers.dav import DavServer
from tests.servers.users import User
from tests.sync.calendars.model import event


def window(**more: Any) -> dict[str, Any]:
    return {"after": "2026-12-01T00:00:00", "before": "2027-01-01T00:00:00", **more}


async def test_the_session_says_so(place: Place, backend: str) -> None:
    session = place.jmap.session
    assert session["capabilities"][CALENDARS] == session["capabilities"][PARSE] == {}
    own = session["accounts"][place.jmap.account]["accountCapabilities"]
    assert own[CALENDARS].keys() == {
        *("maxCalendarsPerEvent", "minDateTime", "maxDateTime", "maxExpandedQueryDuration"),
        *("maxParticipantsPerEvent", "mayCreateCalendar"),
    }
    assert own[CALENDARS]["maxCalendarsPerEvent"] == (1 if backend == "cyrus" else None)
    assert session["primaryAccounts"][CALENDARS] == place.jmap.account


async def test_calendars(place: Place) -> None:
    (shown,) = (await place.call("Calendar/get", ids=[place.id]))["list"]
    assert (shown["name"], shown["color"]) == ("Fresh", "#00ff00")
    assert shown["myRights"]["mayWriteAll"] is True
    values = {"name": "Büro", "color": "#0000ff", "description": "D", "sortOrder": 4, "timeZone": "Europe/Berlin"}
    values |= {"includeInAvailability": "none", "isVisible": False}
    state = (await place.call("Calendar/get", ids=[]))["state"]
    answer = await place.call("Calendar/set", update={place.id: values})
    assert answer["updated"] == {place.id: None}, answer
    (shown,) = (await place.call("Calendar/get", ids=[place.id]))["list"]
    assert {name: shown[name] for name in values} == values
    assert (await place.call("Calendar/changes", sinceState=state))["updated"] == [place.id]
    properties = await place.server.properties(place.path)
    assert (properties["name"], properties["color"]) == ("Büro", "#0000ff")


async def test_an_event_lives(place: Place) -> None:
    state = (await place.call("CalendarEvent/get", ids=[]))["state"]
    told = await place.create(
        description="With ünïcode, commas; and\nlines",
        locations={"l": {"@type": "Location", "name": "Café"}},
        alerts={"a": {"@type": "Alert", "trigger": {"@type": "OffsetTrigger", "offset": "-PT15M"}}},
        keywords={"food": True},
    )
    (text,) = (await place.stored()).values()
    for line in ("SUMMARY:Lunch", ":Café\n", "CATEGORIES:food", "TRIGGER:-PT15M", f"UID:{told['uid']}"):
        assert line in text
    assert "DTSTART;TZID=Europe/Berlin:20261201T120000" in text
    changes = await place.call("CalendarEvent/changes", sinceState=state)
    assert changes["created"] == [told["id"]]
    shown = await place.event(told["id"])
    assert shown["description"] == "With ünïcode, commas; and\nlines"

    await place.update(told["id"], title="Dinner", **{"keywords/food": None, "keywords/late": True})
    (text,) = (await place.stored()).values()
    assert "SUMMARY:Dinner" in text
    assert "CATEGORIES:late" in text
    assert ":Café\n" in text
    answer = await place.call("CalendarEvent/query", filter=window(inCalendar=place.id, text="dinner café"))
    assert answer["ids"] == [told["id"]]

    state = (await place.call("CalendarEvent/get", ids=[]))["state"]
    answer = await place.call("CalendarEvent/set", destroy=[told["id"]])
    assert answer["destroyed"] == [told["id"]]
    assert await place.stored() == {}
    assert (await place.call("CalendarEvent/changes", sinceState=state))["destroyed"] == [told["id"]]


async def test_other_calendar_systems_where_the_server_takes_them(place: Place, backend: str) -> None:
    """RFC 7529 §10: a client MUST NOT store RSCALE where supported-rscale-set is not advertised; Cyrus does that."""
    end_of_month = {"start": "2026-12-31T12:00:00", "recurrenceRule": {"frequency": "monthly", "skip": "backward"}}
    record = {"calendarIds": {place.id: True}, "timeZone": "Europe/Berlin", "duration": "PT1H"} | end_of_month
    unknown = record | {"recurrenceRule": {"frequency": "monthly", "rscale": "klingon"}}
    answer = await place.call("CalendarEvent/set", create={"k": record, "u": unknown})
    assert answer["notCreated"]["u"]["properties"] == ["recurrenceRule"]
    if backend == "cyrus":
        (text,) = (await place.stored()).values()
        assert "RRULE:RSCALE=GREGORIAN;FREQ=MONTHLY;SKIP=BACKWARD" in text
        query = {"after": "2027-02-27T00:00:00", "before": "2027-03-02T00:00:00", "inCalendar": place.id}
        ids = (await place.call("CalendarEvent/query", filter=query, expandRecurrences=True))["ids"]
        assert [(await place.event(one))["start"] for one in ids] == ["2027-02-28T12:00:00"]
    else:
        assert answer["notCreated"]["k"]["properties"] == ["recurrenceRule"]
        assert await place.stored() == {}
        plain = record | {"recurrenceRule": {"frequency": "monthly", "rscale": "gregorian", "skip": "omit"}}
        answer = await place.call("CalendarEvent/set", create={"k": plain})
        assert answer["created"]["k"]["recurrenceRule"] == {"@type": "RecurrenceRule", "frequency": "monthly"}


async def test_what_another_client_does_is_seen(place: Place) -> None:
    state = (await place.call("CalendarEvent/get", ids=[]))["state"]
    await place.server.put(place.path, "x.ics", event("theirs@example.org", "Theirs", more="X-OWN:1\r\n"))
    (one,) = (await place.call("CalendarEvent/changes", sinceState=state))["created"]
    shown = await place.event(one)
    assert (shown["title"], shown["uid"], shown["calendarIds"]) == ("Theirs", "theirs@example.org", {place.id: True})
    await place.update(one, title="Ours")
    text = (await place.stored())["x.ics"]
    assert "SUMMARY:Ours" in text
    assert "X-OWN:1" in text
    state = (await place.call("CalendarEvent/get", ids=[]))["state"]
    await place.server.remove(place.path, "x.ics")
    assert (await place.call("CalendarEvent/changes", sinceState=state))["destroyed"] == [one]


async def test_a_series_and_its_instances(place: Place) -> None:
    told = await place.create(recurrenceRule={"@type": "RecurrenceRule", "frequency": "weekly", "count": 4})
    query = {"filter": window(inCalendar=place.id), "expandRecurrences": True, "timeZone": "Europe/Berlin"}
    ids = (await place.call("CalendarEvent/query", **query))["ids"]
    assert len(ids) == 4
    await place.update(ids[1], title="Special", start="2026-12-08T13:00:00")
    answer = await place.call("CalendarEvent/set", destroy=[ids[2]])
    assert answer["destroyed"] == [ids[2]]
    (text,) = (await place.stored()).values()
    assert text.count("BEGIN:VEVENT") == 2
    assert "RECURRENCE-ID;TZID=Europe/Berlin:20261208T120000" in text
    assert "EXDATE;TZID=Europe/Berlin:20261215T120000" in text
    shown = await place.event(told["id"])
    assert shown["recurrenceOverrides"] == {
        "2026-12-08T12:00:00": {"title": "Special", "start": "2026-12-08T13:00:00"},
        "2026-12-15T12:00:00": {"excluded": True},
    }
    ids = (await place.call("CalendarEvent/query", **query))["ids"]
    starts = [(await place.event(one, properties=["utcStart"]))["utcStart"] for one in ids]
    assert starts == ["2026-12-01T11:00:00Z", "2026-12-08T12:00:00Z", "2026-12-22T11:00:00Z"]


async def test_a_series_takes_the_place_of_its_instances(place: Place, backend: str) -> None:
    """-29 §5.9: what is destroyed is of the uid that is created in the same call."""
    ids = []
    for day in ["01"] if backend == "radicale" else ["01", "08"]:  # it takes no more of them
        start = f"2026-12-{day}T12:00:00"
        instance = {"start": start, "recurrenceId": start, "recurrenceIdTimeZone": "Europe/Berlin"}
        ids.append((await place.create(uid="series-1", **instance))["id"])
    assert len(await place.stored()) == 1
    record = {"calendarIds": {place.id: True}, "uid": "series-1", "start": "2026-12-01T12:00:00", "duration": "PT1H"}
    record |= {"timeZone": "Europe/Berlin", "recurrenceRule": {"frequency": "weekly"}}
    answer = await place.call("CalendarEvent/set", create={"k": record}, destroy=ids)
    assert (answer["notCreated"], answer["notDestroyed"], answer["destroyed"]) == (None, None, ids)
    ((_, text),) = (await place.stored()).items()
    assert (text.count("BEGIN:VEVENT"), "RECURRENCE-ID" in text, "RRULE:FREQ=WEEKLY" in text) == (1, False, True)


async def test_an_event_moves_between_calendars(place: Place, backend: str) -> None:
    told = await place.create()
    answer = await place.call("Calendar/set", create={"k": {"name": "Other"}})
    other = answer["created"]["k"]["id"]
    await place.update(told["id"], calendarIds={other: True})
    assert await place.stored() == {}
    shown = await place.event(told["id"])
    assert (shown["calendarIds"], shown["title"]) == ({other: True}, "Lunch")
    both = {other: True, place.id: True}
    answer = await place.call("CalendarEvent/set", update={told["id"]: {"calendarIds": both}})
    if backend == "cyrus":  # it holds a uid once
        assert answer["notUpdated"][told["id"]]["type"] == "invalidProperties"
        assert (await place.event(told["id"]))["calendarIds"] == {other: True}
    else:
        assert (await place.event(told["id"]))["calendarIds"] == both
        assert len(await place.stored()) == 1
        await place.update(told["id"], title="Twice")
        assert "SUMMARY:Twice" in next(iter((await place.stored()).values()))
    answer = await place.call("Calendar/set", destroy=[other])
    assert answer["notDestroyed"][other]["type"] == "calendarHasEvent"
    answer = await place.call("Calendar/set", destroy=[other], onDestroyRemoveEvents=True)
    assert answer["destroyed"] == [other]


async def test_an_attachment(place: Place) -> None:
    blob = await place.jmap.upload(b"Hello, world", "text/plain")
    link = {"@type": "Link", "rel": "enclosure", "blobId": blob["blobId"], "title": "hello.txt"}
    told = await place.create(links={"a": link})
    (text,) = (await place.stored()).values()
    assert "SGVsbG8sIHdvcmxk" in text
    shown = await place.event(told["id"])
    assert [one["href"] for one in shown["links"].values()] == ["data:text/plain;base64,SGVsbG8sIHdvcmxk"]


async def test_what_icalendar_has_no_property_for(place: Place) -> None:
    """Everything that goes into JSPROP, JSID, CONCEPT, VLOCATION: some servers know none of these."""
    said = {
        "isDraft": True,
        "useDefaultAlerts": True,
        "mayInviteSelf": True,
        "example.com:x": {"y": [1, 2]},
        "categories": {"https://example.org/c/sports": True},
        "locations": {
            "l1": {"@type": "Location", "name": "Hall", "locationTypes": {"public": True}},
            "l2": {"@type": "Location", "name": "Café"},
        },
        "mainLocationId": "l1",
        "alerts": {
            "a1": {"@type": "Alert", "action": "display", "trigger": {"@type": "OffsetTrigger", "offset": "PT0S"}}
        },
        "description": "<b>Bold</b>",
        "descriptionContentType": "text/html",
    }
    told = await place.create(**said)
    shown = await place.event(told["id"])
    assert {name: shown.get(name) for name in said} == said
    await place.update(told["id"], **{"isDraft": False, "alerts/a1/acknowledged": "2026-12-01T10:00:00Z"})
    await place.update(told["id"], **{"locations/l2": None, "example.com:x/y": [3]})
    shown = await place.event(told["id"])
    assert shown["isDraft"] is False
    assert list(shown["locations"]) == ["l1"]
    assert shown["example.com:x"] == {"y": [3]}
    assert shown["alerts"]["a1"]["acknowledged"] == "2026-12-01T10:00:00Z"


async def test_what_the_server_refuses(place: Place) -> None:
    """A uid twice in the account, whatever the server says."""
    told = await place.create(uid="once@example.org")
    answer = await place.call(
        "CalendarEvent/set",
        create={"k": {"calendarIds": {place.id: True}, "uid": "once@example.org", "start": "2026-12-01T12:00:00"}},
    )
    assert answer["notCreated"]["k"]["properties"] == ["uid"]
    assert answer["notCreated"]["k"]["existingId"] == told["id"]


async def test_two_clients_edit_one_event_at_once(
    request: pytest.FixtureRequest, place: Place, tier: Tier, login: tuple[User, DavServer]
) -> None:
    """Through two gateways that know nothing of each other: what was answered as done is there in the end."""
    told = await place.create(recurrenceRule={"@type": "RecurrenceRule", "frequency": "weekly", "count": 9})
    async with second_gateway(request, tier) as url, jmap_client(url, *login[0]) as jmap:
        other = Place(jmap, place.server, place.id, place.path)
        for number in range(5):
            patches: tuple[dict[str, Any], dict[str, Any]] = (
                {"title": f"T{number}"},
                {"description": f"D{number}", "priority": number + 1},
            )
            answers = await asyncio.gather(
                *(
                    side.call("CalendarEvent/set", update={told["id"]: patch})
                    for side, patch in zip((place, other), patches, strict=True)
                )
            )
            shown = await place.event(told["id"])
            kept = [{name: shown.get(name) for name in patch} == patch for patch in patches]
            for is_kept, answer in zip(kept, answers, strict=True):
                if answer["notUpdated"] is None:
                    # Xandikos compares the ETag and writes in two steps, so that it may take two PUTs at once.
                    assert is_kept or (tier.name == "xandikos" and any(kept))
                else:
                    kind = answer["notUpdated"][told["id"]]["type"]
                    assert kind in {"stateMismatch", "serverUnavailable"}  # Xandikos locks its repository
            assert any(answer["notUpdated"] is None for answer in answers)
        assert await other.event(told["id"]) == shown


async def test_two_clients_of_one_gateway_take_turns(place: Place, tier: Tier, login: tuple[User, DavServer]) -> None:
    """Nothing that was answered as done is lost, also on servers that compare the ETag and write in two steps."""
    told = await place.create()
    async with jmap_client(tier.url, *login[0]) as jmap:
        other = Place(jmap, place.server, place.id, place.path)
        for number in range(8):
            patches = ((place, {"title": f"T{number}"}), (other, {"priority": number}))
            await asyncio.gather(*(side.update(told["id"], **patch) for side, patch in patches))
            shown = await other.event(told["id"])
            assert (shown["title"], shown.get("priority", 0)) == (f"T{number}", number)


async def test_parse(place: Place) -> None:
    blob = await place.jmap.upload(event("p@example.org").encode(), "text/calendar")
    answer = await place.call("CalendarEvent/parse", blobIds=[blob["blobId"]])
    assert [found["uid"] for found in answer["parsed"][blob["blobId"]]] == ["p@example.org"]
