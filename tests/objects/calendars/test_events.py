"""CalendarEvent on a model server: what /get shows, what /set does to the stored iCalendar, what is refused."""

from typing import Any

import pytest

from adapters.errors import AdapterError, Conflict, Forbidden, NotFound, OverQuota, Unavailable
from adapters.formats.jscalendar.series import override_object
from adapters.ports.calendars import CalendarResource
from adapters.ports.collections import Stored
from gateway.objects.calendars.instances import find
from tests.objects.calendars.harness import Client
from tests.sync.calendars.model import AWAY, Home, ModelPort, event

WEEKLY = "RRULE:FREQ=WEEKLY;COUNT=5\r\n"
MEETING = (
    "ORGANIZER;CN=Alice:mailto:alice@example.org\r\nATTENDEE;CN=Bob;PARTSTAT=ACCEPTED:mailto:bob@example.org\r\n"
    "ATTENDEE;CN=Carol:mailto:carol@example.org\r\n"
)


@pytest.fixture
def home() -> Home:
    home = Home()
    home.add_calendar("work/", "Work")
    home.add_calendar("private/", "Private")
    return home


@pytest.fixture
def client(home: Home) -> Client:
    return Client(home)


def in_(client: Client, *paths: str) -> dict[str, bool]:
    return {client.calendar_id(path): True for path in paths}


def simple(client: Client, **more: Any) -> dict[str, Any]:
    return {
        "calendarIds": in_(client, "work/"),
        "title": "Lunch",
        "start": "2026-12-01T12:00:00",
        "timeZone": "Europe/Berlin",
        "duration": "PT1H",
        **more,
    }


def stored(client: Client, uid: str, path: str = "work/") -> str:
    return client.home.text(path, client.name(uid)).replace("\r\n ", "")


# ----------------------------------------------------------------------------------------------------------- get


async def test_all_that_the_store_has_is_shown(client: Client, home: Home) -> None:
    home.write("work/", "1.ics", event("u1", more="X-COLOUR:blue\r\nCATEGORIES:a,b\r\n"))
    (shown,) = (await client.call("CalendarEvent/get"))["list"]
    assert shown == {
        "id": client.calendars.ids.event("u1", None),
        "calendarIds": in_(client, "work/"),
        "isDraft": False,
        "isOrigin": True,
        "@type": "Event",
        "uid": "u1",
        "updated": "2026-11-01T00:00:00Z",
        "start": "2026-12-01T10:00:00",
        "timeZone": "Etc/UTC",
        "duration": "PT1H",
        "title": "Event",
        "keywords": {"a": True, "b": True},
        "prodId": "-//test//EN",
    }
    more = await client.event(shown["id"], properties=["iCalendar", "utcStart", "utcEnd", "color"])
    assert (more["utcStart"], more["utcEnd"]) == ("2026-12-01T10:00:00Z", "2026-12-01T11:00:00Z")  # -29 §5
    assert ["x-colour", {}, "unknown", "blue"] in more["iCalendar"]["properties"]
    assert more.keys() == {"id", "iCalendar", "utcStart", "utcEnd"}


async def test_floating_times_mean_the_zone_that_is_asked_for(client: Client, home: Home) -> None:
    home.write("work/", "1.ics", event("u1", start="20260601T100000"))
    one = client.calendars.ids.event("u1", None)
    shown = await client.event(one, properties=["utcStart", "utcEnd"], timeZone="America/New_York")
    assert (shown["utcStart"], shown["utcEnd"]) == ("2026-06-01T14:00:00Z", "2026-06-01T15:00:00Z")


async def test_overrides_and_participants_can_be_reduced(client: Client, home: Home) -> None:
    exdates = "".join(f"EXDATE:202612{day:02d}T100000Z\r\n" for day in (8, 15))
    home.write("work/", "1.ics", event("u1", more=MEETING + WEEKLY + exdates))
    one = client.calendars.ids.event("u1", None)
    after = await client.event(one, recurrenceOverridesAfter="2026-12-15T10:00:00Z")
    before = await client.event(one, recurrenceOverridesBefore="2026-12-15T10:00:00Z")
    assert list(after["recurrenceOverrides"]) == ["2026-12-15T10:00:00"]  # -29 §5.7: on or after
    assert list(before["recurrenceOverrides"]) == ["2026-12-08T10:00:00"]
    assert len(after["participants"]) == 3
    reduced = await client.event(one, reduceParticipants=True)
    assert [person["calendarAddress"] for person in reduced["participants"].values()] == ["mailto:alice@example.org"]
    error = await client.error("CalendarEvent/get", ids=[one], properties=["utcStart", "recurrenceOverrides"])
    assert error == "invalidArguments"  # -29 §5.7


async def test_hidden_attendees_are_hidden_from_guests(client: Client, home: Home) -> None:
    guests = MEETING.replace("alice", "dora").replace("carol", "alice")
    home.write("work/", "1.ics", event("u1", more=guests + 'JSPROP;JSPTR="hideAttendees":true\r\n'))
    shown = await client.event(client.calendars.ids.event("u1", None))
    people = {person["calendarAddress"] for person in shown["participants"].values()}
    assert people == {"mailto:dora@example.org", "mailto:alice@example.org"}  # -29 §5.7
    assert shown["isOrigin"] is False


async def test_names_that_do_not_exist(client: Client) -> None:
    for name in ("recurrenceRules", "method", "Title", "no such"):
        assert await client.error("CalendarEvent/get", ids=[], properties=[name]) == "invalidArguments"
    answer = await client.call("CalendarEvent/get", ids=["e1", "e0000-1"], properties=["example.com:x"])
    assert (answer["list"], answer["notFound"]) == ([], ["e1", "e0000-1"])


# -------------------------------------------------------------------------------------------------------- create


async def test_an_event_is_created_and_the_server_completes_it(client: Client) -> None:
    told = await client.create(simple(client, description=None))
    assert told.keys() == {"id", "isDraft", "@type", "uid", "created", "updated", "isOrigin"}
    assert told["id"] == client.calendars.ids.event(told["uid"], None)
    text = stored(client, told["uid"])
    assert "SUMMARY:Lunch" in text
    assert "DTSTART;TZID=Europe/Berlin:20261201T120000" in text
    assert "BEGIN:VTIMEZONE" in text  # RFC 5545 §3.2.19
    assert "JSPROP" not in text
    shown = await client.event(told["id"])
    assert shown == {**simple(client), **told}


async def test_everything_that_a_client_can_say_comes_back(client: Client) -> None:
    full = simple(
        client,
        uid="full@example.org",
        **{"example.com:x": {"y": [1]}},
        useDefaultAlerts=True,
        mayInviteSelf=True,
        isDraft=True,
        showWithoutTime=True,
        color="red",
        priority=5,
        privacy="private",
        freeBusyStatus="free",
        keywords={"a": True},
        locale="de",
        status="tentative",
        endTimeZone="Europe/London",
        locations={"l1": {"@type": "Location", "name": "Office"}},
        mainLocationId="l1",
        virtualLocations={"v1": {"@type": "VirtualLocation", "uri": "https://meet.example.org/x", "name": "Room"}},
        alerts={"a1": {"@type": "Alert", "action": "email", "trigger": {"@type": "OffsetTrigger", "offset": "-PT15M"}}},
        relatedTo={"other": {"@type": "Relation", "relation": {"next": True}}},
        recurrenceRule={"@type": "RecurrenceRule", "frequency": "weekly", "count": 3},
        recurrenceOverrides={
            "2026-12-08T12:00:00": {"title": "Dinner", "locations": None, "mainLocationId": None},
            "2026-12-15T12:00:00": {"excluded": True},
        },
        participants={
            "p1": {"@type": "Participant", "calendarAddress": "mailto:alice@example.org", "roles": {"owner": True}},
            "p2": {"@type": "Participant", "calendarAddress": "mailto:bob@example.org", "expectReply": True},
        },
    )
    told = await client.create(full)
    shown = await client.event(told["id"])
    assert {name: shown[name] for name in full} == full
    assert shown["organizerCalendarAddress"] == "mailto:alice@example.org" == told["organizerCalendarAddress"]
    assert shown["isOrigin"] is True
    assert shown["isDraft"] is True


@pytest.mark.parametrize(
    ("properties", "named"),
    [
        ({"recurrenceRules": []}, "recurrenceRules"),  # RFC 8984
        ({"replyTo": {"imip": "mailto:a@b.c"}}, "replyTo"),
        ({"method": "publish"}, "method"),  # -29 §5.9
        ({"TITLE": "x"}, "TITLE"),  # jscalendarbis §1.7.1
        ({"participants": {"p": {"sendTo": {"imip": "mailto:a@b.c"}}}}, "participants"),
        ({"participants": {"p": {"roles": {"owner": True}}}}, "participants"),
        ({"locations": {"l": {"name": "x", "timeZone": "Etc/UTC"}}}, "locations"),
        ({"locations": {"l": {}}}, "locations"),
        ({"start": "2026-12-01T12:00:00Z"}, "start"),
        ({"start": "0000-12-01T12:00:00"}, "start"),
        ({"start": "0999-12-01T12:00:00"}, "start"),
        ({"duration": "-PT1H"}, "duration"),
        ({"duration": "PT1H5S"}, "duration"),
        ({"timeZone": "Middle/Earth"}, "timeZone"),
        ({"utcStart": "2026-12-01T12:00:00Z"}, "utcStart"),  # beside start
        ({"utcEnd": "2026-12-01T12:00:00Z"}, "utcEnd"),  # beside duration
        ({"timeZone": None, "endTimeZone": "Etc/UTC"}, "endTimeZone"),
        ({"mainLocationId": "nowhere"}, "mainLocationId"),
        ({"organizerCalendarAddress": "mailto:alice@example.org"}, "organizerCalendarAddress"),
        ({"recurrenceRule": {"frequency": "fortnightly"}}, "recurrenceRule"),
        ({"recurrenceRule": {"frequency": "daily", "count": 1, "until": "2027-01-01T00:00:00"}}, "recurrenceRule"),
        ({"recurrenceRule": {"frequency": "daily", "byDay": []}}, "recurrenceRule"),
        ({"recurrenceOverrides": {"2026-12-01": {}}}, "recurrenceOverrides"),
        ({"recurrenceOverrides": {"2026-12-08T12:00:00": {"excluded": True, "title": "x"}}}, "recurrenceOverrides"),
        ({"recurrenceOverrides": {"2026-12-08T12:00:00": {"utcStart": "2026-12-01T12:00:00Z"}}}, None),
        ({"recurrenceOverrides": {"2026-12-08T12:00:00": {"isDraft": True}}}, None),
        ({"recurrenceOverrides": {"2026-12-08T12:00:00": {"locations/x/name": "y"}}}, None),
        ({"recurrenceOverrides": {"2026-12-08T12:00:00": {"duration": 5}}}, None),
        ({"recurrenceId": "2026-12-01T12:00:00", "recurrenceRule": {"frequency": "daily"}}, "recurrenceId"),
        ({"alerts": {"a": {"trigger": {"@type": "AbsoluteTrigger"}}}}, "alerts"),
        ({"privacy": "Secret"}, "privacy"),
        ({"uid": ""}, "uid"),
        ({"uid": "a\nb"}, "uid"),
        ({"calendarIds": {}}, "calendarIds"),
        ({"calendarIds": {"cnone": True}}, "calendarIds"),
        ({"links": {"l": {"href": "https://example.org", "blobId": "b"}}}, "links"),
        ({"created": "2026-12-01T12:00:00.5Z"}, "created"),
        ({"isOrigin": True}, "isOrigin"),
        ({"title": 5}, "title"),
        ({"color": "#12345"}, "color"),
        ({"iCalendar": {"properties": [[]]}}, "iCalendar"),
        ({"iCalendar": {"properties": [["end", {}, "text", "VEVENT"]]}}, "iCalendar"),
        ({"iCalendar": {"components": [["x\nend", [], []]]}}, "iCalendar"),
        ({"iCalendar": {"convertedProperties": ["duration"]}}, "iCalendar"),
        ({"alerts": {"a": {"trigger": {"offset": "-PT5M"}, "iCalendar": "x"}}}, "alerts"),
        ({"locations": {"l": {"name": "x", "iCalendar": {"properties": "x"}}}}, "locations"),
        ({"participants": {"p": {"iCalendar": 5}}}, "participants"),
    ],
)
async def test_what_is_not_valid_is_refused_with_its_name(
    client: Client, properties: dict[str, Any], named: str | None
) -> None:
    error = await client.refused("create", {"k": simple(client, **properties)})
    assert error["type"] == "invalidProperties"
    assert named is None or named in error["properties"]
    assert not client.home.shelves["work/"].resources


async def test_a_start_is_needed(client: Client) -> None:
    error = await client.refused("create", {"k": {"calendarIds": in_(client, "work/"), "title": "x"}})
    assert (error["type"], error["properties"]) == ("invalidProperties", ["start"])


async def test_simple_clients_say_when_in_utc(client: Client) -> None:
    event = {"calendarIds": in_(client, "work/"), "utcStart": "2026-07-01T10:00:00Z", "utcEnd": "2026-07-01T11:30:00Z"}
    told = await client.create(event)
    assert (told["start"], told["timeZone"], told["duration"]) == ("2026-07-01T10:00:00", "Etc/UTC", "PT1H30M")
    berlin = await client.create({**event, "timeZone": "Europe/Berlin"})
    assert (berlin["start"], berlin["duration"]) == ("2026-07-01T12:00:00", "PT1H30M")
    moved = await client.update(berlin["id"], {"utcStart": "2026-07-02T10:00:00Z"})
    assert moved["start"] == "2026-07-02T12:00:00"
    longer = await client.update(berlin["id"], {"utcEnd": "2026-07-02T13:00:00Z"})
    assert longer["duration"] == "PT3H"
    both = {"utcStart": "2026-07-02T10:00:00Z", "start": "2026-07-03T10:00:00"}
    error = await client.refused("update", {berlin["id"]: both})
    assert error["type"] == "invalidProperties"


async def test_a_uid_is_there_once(client: Client, home: Home) -> None:
    told = await client.create(simple(client, uid="u1"))
    error = await client.refused("create", {"k": simple(client, uid="u1", calendarIds=in_(client, "private/"))})
    assert (error["type"], error["properties"], error["existingId"]) == ("invalidProperties", ["uid"], told["id"])
    # instances of a series that the user was not invited to may stand side by side (-29 §1.4.1)
    for day, path in (("01", "work/"), ("08", "private/"), ("15", "work/")):
        start = f"2026-12-{day}T12:00:00"
        await client.create(simple(client, uid="u2", start=start, recurrenceId=start, calendarIds=in_(client, path)))
    assert len(await client.ids(filter={"uid": "u2"})) == 3
    # but a CalDAV calendar holds a uid once
    assert [len(home.shelves[path].resources) for path in ("work/", "private/")] == [2, 1]
    error = await client.refused("create", {"k": simple(client, uid="u2")})
    assert error["properties"] == ["uid"]


async def test_an_event_in_two_calendars(client: Client, home: Home) -> None:
    told = await client.create(simple(client, uid="u1", calendarIds=in_(client, "work/", "private/")))
    assert stored(client, "u1") == stored(client, "u1", "private/")
    await client.update(told["id"], {"title": "Both"})
    assert "SUMMARY:Both" in stored(client, "u1")
    assert "SUMMARY:Both" in stored(client, "u1", "private/")
    await client.update(told["id"], {f"calendarIds/{client.calendar_id('work/')}": None})
    assert not home.shelves["work/"].resources
    assert (await client.event(told["id"]))["calendarIds"] == in_(client, "private/")
    await client.call("CalendarEvent/set", destroy=[told["id"]])
    assert not home.shelves["private/"].resources


async def test_both_calendars_or_none(client: Client, home: Home) -> None:
    home.failing["create private/"] = Conflict("the uid lies elsewhere")
    both = in_(client, "work/", "private/")
    error = await client.refused("create", {"k": simple(client, uid="u1", calendarIds=both)})
    assert (error["type"], error["properties"]) == ("invalidProperties", ["calendarIds"])
    assert not home.shelves["work/"].resources
    assert await client.ids() == []


async def test_attachments_are_blobs_that_go_into_the_event(client: Client) -> None:
    blob = await client.upload(b"Hello", "text/plain")
    told = await client.create(
        simple(client, uid="u1", links={"a": {"@type": "Link", "rel": "enclosure", "blobId": blob, "title": "hi.txt"}})
    )
    assert told["links"]["a"]["href"] == "data:text/plain;base64,SGVsbG8="
    assert "SGVsbG8=" in stored(client, "u1")
    error = await client.refused("create", {"k": simple(client, links={"a": {"rel": "enclosure", "blobId": "bnone"}})})
    assert (error["type"], error["notFound"]) == ("blobNotFound", ["bnone"])


# -------------------------------------------------------------------------------------------------------- update


async def test_an_update_touches_only_what_it_says(client: Client, home: Home) -> None:
    odd = "X-ODD;X-P=1:kept\r\nCOMMENT:also kept\r\nBEGIN:VALARM\r\nACTION:AUDIO\r\nTRIGGER:-PT5M\r\nEND:VALARM\r\n"
    home.write("work/", "1.ics", event("u1", more=odd))
    one = client.calendars.ids.event("u1", None)
    told = await client.update(one, {"title": "New", "description": "D"})
    assert told.keys() == {"updated", "sequence"}
    before, after = event("u1", more=odd).splitlines(), home.text("work/", "1.ics").splitlines()
    assert [line for line in before if line not in after] == ["DTSTAMP:20261101T000000Z", "SUMMARY:Event"]
    new = [line for line in after if line not in before]
    assert [line.split(":")[0] for line in new if not line.startswith("DTSTAMP")] == [
        "SUMMARY",
        "SEQUENCE",
        "DESCRIPTION",
    ]


async def test_sequence_counts_what_matters(client: Client, home: Home) -> None:
    told = await client.create(simple(client))
    one = told["id"]
    assert "sequence" not in await client.update(one, {"color": "blue", "keywords": {"x": True}})  # per user, -29 §5.9
    assert (await client.update(one, {"title": "A"}))["sequence"] == 1
    assert "sequence" not in await client.update(one, {"title": "B", "sequence": 7})
    assert (await client.update(one, {"title": "C", "sequence": 7}))["sequence"] == 8
    home.write("work/", "g.ics", event("g", more=MEETING.replace("alice", "dora")))
    guest = client.calendars.ids.event("g", None)
    assert await client.update(guest, {"color": "blue", "alerts": None}) == {}  # not the origin: nothing is set


async def test_what_no_line_may_hold_is_refused_as_such(client: Client) -> None:
    rule = {"@type": "RecurrenceRule", "frequency": "weekly", "count": 2}
    told = await client.create(simple(client, recurrenceRule=rule))
    for event_id in (told["id"], f"{told['id']}-20261208T120000"):
        error = await client.refused("update", {event_id: {"title": "a\x00b"}})
        assert error["type"] == "invalidProperties"


async def test_null_and_patches_inside(client: Client) -> None:
    told = await client.create(simple(client, uid="u1", keywords={"a": True, "b": True}, description="x", priority=3))
    await client.update(told["id"], {"keywords/a": None, "description": None, "priority": None, "keywords/c": True})
    shown = await client.event(told["id"])
    assert shown["keywords"] == {"b": True, "c": True}
    assert not {"description", "priority"} & shown.keys()
    await client.update(told["id"], {"keywords": None})
    assert "keywords" not in await client.event(told["id"])
    assert "CATEGORIES" not in stored(client, "u1")
    for patch in ({"start": None}, {"uid": "other"}, {"isDraft": True}, {"created": "yesterday"}):
        assert (await client.refused("update", {told["id"]: patch}))["type"] == "invalidProperties"


async def test_the_examples_of_patching_overrides(client: Client) -> None:
    """-29 §5.9.1, figures 1 to 6."""
    key, tom, zoe = "2026-12-08T12:00:00", "dG9t", "em9l"
    told = await client.create(
        simple(
            client,
            recurrenceRule={"@type": "RecurrenceRule", "frequency": "weekly"},
            participants={
                tom: {"@type": "Participant", "calendarAddress": "mailto:tom@x.org", "participationStatus": "accepted"},
                zoe: {"@type": "Participant", "calendarAddress": "mailto:zoe@x.org", "participationStatus": "accepted"},
            },
            recurrenceOverrides={
                key: {"start": "2026-12-08T13:00:00", f"participants/{tom}/participationStatus": "declined"}
            },
        )
    )
    declined = {f"participants/{name}/participationStatus": "declined" for name in (tom, zoe)}
    start = {"start": "2026-12-08T13:00:00"}

    async def overrides(patch: dict[str, Any]) -> Any:
        await client.update(told["id"], patch)
        return (await client.event(told["id"]))["recurrenceOverrides"]

    found = await overrides({f"recurrenceOverrides/{key}/participants~1{zoe}~1participationStatus": "declined"})
    assert found == {key: {**start, **declined}}
    found = await overrides({f"recurrenceOverrides/{key}/participants~1{tom}~1participationStatus": None})
    assert found == {key: {**start, f"participants/{zoe}/participationStatus": "declined"}}
    whole = {**start, f"participants/{zoe}/participationStatus": "declined", f"participants/{tom}": None}
    assert await overrides({f"recurrenceOverrides/{key}": whole}) == {key: whole}


@pytest.mark.parametrize(
    ("error", "told"), [(OverQuota("full"), "overQuota"), (Forbidden("no"), "forbidden"), (AWAY, "serverUnavailable")]
)
async def test_a_second_calendar_that_refuses(client: Client, home: Home, error: AdapterError, told: str) -> None:
    home.failing["create private/"] = error
    both = in_(client, "work/", "private/")
    assert (await client.refused("create", {"k": simple(client, calendarIds=both)}))["type"] == told
    assert not home.shelves["work/"].resources


async def test_isDraft_ends_once(client: Client) -> None:  # noqa: N802 - the property's name
    told = await client.create(simple(client, uid="u1", isDraft=True))
    assert "isDraft" in stored(client, "u1")
    await client.update(told["id"], {"isDraft": False})
    assert (await client.event(told["id"]))["isDraft"] is False
    assert "isDraft" not in stored(client, "u1")


async def test_moving_an_event(client: Client, home: Home) -> None:
    told = await client.create(simple(client, uid="u1"))
    answer = await client.update(told["id"], {"calendarIds": in_(client, "private/")})
    assert answer == {}
    assert "move work/" in home.calls
    assert not home.shelves["work/"].resources
    assert (await client.event(told["id"]))["calendarIds"] == in_(client, "private/")
    error = await client.refused("update", {told["id"]: {"calendarIds": {}}})
    assert error["properties"] == ["calendarIds"]


@pytest.mark.parametrize("moves", [True, False])
async def test_another_event_has_the_name_where_it_goes(client: Client, home: Home, moves: bool) -> None:
    home.write("work/", "1.ics", event("x"))
    home.write("private/", "1.ics", event("y"))
    ids = {uid: client.calendars.ids.event(uid, None) for uid in ("x", "y")}
    wanted = in_(client, "private/") if moves else in_(client, "work/", "private/")
    await client.update(ids["x"], {"calendarIds": wanted})
    assert (await client.event(ids["x"]))["calendarIds"] == wanted
    assert (await client.event(ids["y"]))["calendarIds"] == in_(client, "private/")
    assert (len(home.shelves["private/"].resources), len(home.shelves["work/"].resources)) == (2, 0 if moves else 1)


async def test_a_uid_has_one_resource_where_it_goes(client: Client, home: Home) -> None:
    """RFC 4791 §4.1: under no other name, where an instance that stands alone has it."""
    for path, day in (("work/", "01"), ("private/", "08")):
        home.write(path, "1.ics", event("x", more=f"RECURRENCE-ID:202612{day}T100000Z\r\n"))
    one, other = (await client.call("CalendarEvent/get"))["list"]
    error = await client.refused("update", {one["id"]: {"calendarIds": other["calendarIds"]}})
    assert error["type"] == "stateMismatch"
    error = await client.refused("update", {one["id"]: {"calendarIds": in_(client, "work/", "private/")}})
    assert error["properties"] == ["calendarIds"]
    assert [list(home.shelves[path].resources) for path in ("work/", "private/")] == [["1.ics"], ["1.ics"]]


class Silent(ModelPort):
    """Alters what it stores, says no ETags, and goes away after each new resource."""

    async def create(self, path: str, name: str, data: bytes, *, schedule: bool = True) -> Stored:
        await super().create(path, name, data.replace(b"Lunch", b"Dinner"), schedule=schedule)
        self.home.failing["fetch"] = AWAY
        return Stored(None)


async def test_what_is_stored_is_never_said_not_to_be(client: Client, home: Home) -> None:
    client.calendars.port = Silent(home)
    told = await client.create(simple(client, uid="u1", title="Lunch"))
    home.failing.clear()
    assert (await client.event(told["id"]))["title"] == "Dinner"
    await client.update(told["id"], {"title": "Supper"})
    assert "Supper" in stored(client, "u1")


class Racing(ModelPort):
    """Somebody else is first at the next replace, or always."""

    def __init__(self, home: Home, data: str, *, always: bool = False) -> None:
        super().__init__(home)
        self.data = data
        self.always = always
        self.times = 0

    async def replace(self, path: str, name: str, data: bytes, etag: str, *, schedule: bool = True) -> Stored:
        if self.times == 0 or self.always:
            self.times += 1
            self.home.write(path, name, self.data.replace("(n)", str(self.times)))
        return await super().replace(path, name, data, etag, schedule=schedule)


async def test_two_clients_edit_one_event_and_nothing_is_lost(client: Client, home: Home) -> None:
    home.write("work/", "1.ics", event("u1", more=WEEKLY))
    one = client.calendars.ids.event("u1", None)
    theirs = event("u1", more=WEEKLY + "LOCATION:Room (n)\r\nEXDATE:20261208T100000Z\r\n")
    client.calendars.port = Racing(home, theirs)
    key = "2026-12-15T10:00:00"
    await client.update(one, {"title": "Mine", "recurrenceOverrides": {key: {"title": "Special"}}})
    shown = await client.event(one)
    assert shown["title"] == "Mine"
    assert [place["name"] for place in shown["locations"].values()] == ["Room 1"]
    assert shown["recurrenceOverrides"] == {key: {"title": "Special"}, "2026-12-08T10:00:00": {"excluded": True}}


async def test_a_race_that_goes_on_is_told(client: Client, home: Home) -> None:
    home.write("work/", "1.ics", event("u1"))
    one = client.calendars.ids.event("u1", None)
    client.calendars.port = Racing(home, event("u1", "Theirs (n)"), always=True)
    error = await client.refused("update", {one: {"title": "Mine"}})
    assert error["type"] == "stateMismatch"
    assert "SUMMARY:Theirs 2" in home.text("work/", "1.ics")


@pytest.mark.parametrize(
    ("failure", "kind"),
    [(Forbidden("no"), "forbidden"), (Unavailable("away"), "serverUnavailable"), (NotFound("gone"), "notFound")],
)
async def test_what_the_server_refuses_is_told(client: Client, home: Home, failure: Any, kind: str) -> None:
    home.write("work/", "1.ics", event("u1"))
    one = client.calendars.ids.event("u1", None)
    await client.event(one)
    home.failing["replace"] = home.failing["delete"] = failure
    assert (await client.refused("update", {one: {"title": "x"}}))["type"] == kind
    if kind != "notFound":
        assert (await client.refused("destroy", [one]))["type"] == kind
    home.failing.clear()
    assert (await client.event(one))["title"] == "Event"


class Altering(ModelPort):
    """A server that stores something else than it was given, and says no ETag."""

    async def create(self, path: str, name: str, data: bytes, *, schedule: bool = True) -> Stored:
        await super().create(path, name, data, schedule=schedule)
        altered = data.replace(b"SUMMARY:Lunch", b"SUMMARY:Altered")
        self.home.shelves[path].resources[name] = CalendarResource('"x"', altered)
        return Stored(None)


async def test_what_a_server_alters_is_told(client: Client, home: Home) -> None:
    client.calendars.port = Altering(home)
    told = await client.create(simple(client))
    assert told["title"] == "Altered"


# ----------------------------------------------------------------------------------------------------- instances


async def instances(client: Client) -> list[str]:
    window = {"after": "2026-12-01T00:00:00", "before": "2027-02-01T00:00:00"}
    return [*await client.ids(filter=window, expandRecurrences=True)]


async def test_an_instance_is_shown_changed_and_removed(client: Client, home: Home) -> None:
    home.write("work/", "1.ics", event("u1", more=WEEKLY))
    base = client.calendars.ids.event("u1", None)
    ids = await instances(client)
    assert len(ids) == 5
    shown = await client.event(ids[1])
    assert (shown["id"], shown["baseEventId"]) == (ids[1], base)
    assert (shown["recurrenceId"], shown["start"]) == ("2026-12-08T10:00:00",) * 2
    assert not {"recurrenceRule", "recurrenceOverrides"} & shown.keys()
    asked = await client.event(ids[1], properties=["recurrenceRule", "utcStart"])
    assert (asked["recurrenceRule"], asked["utcStart"]) == (None, "2026-12-08T10:00:00Z")  # -29 §5.7

    state = (await client.call("CalendarEvent/get", ids=[]))["state"]
    await client.update(ids[1], {"title": "Special", "start": "2026-12-08T11:00:00"})
    changes = await client.call("CalendarEvent/changes", sinceState=state)
    assert (changes["created"], changes["updated"], changes["destroyed"]) == ([], [base], [])  # -29 §5.8
    event_ = await client.event(base)
    assert event_["title"] == "Event"
    assert event_["recurrenceOverrides"] == {
        "2026-12-08T10:00:00": {"title": "Special", "start": "2026-12-08T11:00:00"}
    }
    assert (await client.event(ids[1]))["title"] == "Special"
    await client.update(ids[1], {"title": "Event", "start": "2026-12-08T10:00:00"})

    answer = await client.call("CalendarEvent/set", destroy=[ids[2], ids[1]])
    assert answer["destroyed"] == [ids[2], ids[1]]
    assert await instances(client) == [ids[0], ids[3], ids[4]]
    assert (await client.call("CalendarEvent/get", ids=[ids[2]]))["notFound"] == [ids[2]]
    for patch in (
        {"recurrenceRule": {"frequency": "daily"}},
        {"privacy": "secret"},
        {"calendarIds": in_(client, "private/")},
    ):
        assert (await client.refused("update", {ids[0]: patch}))["type"] == "invalidProperties"
    assert (await client.refused("destroy", [f"{base}-20261202T100000"]))["type"] == "notFound"


async def test_an_instance_without_an_override_is_what_the_conversion_says(client: Client, home: Home) -> None:
    for more in ("", "X-KEPT:1\r\n", "EXDATE:20261208T100000Z\r\n"):
        home.write("work/", "1.ics", event("u1", more=WEEKLY + MEETING + more))
        await client.calendars.refresh()
        base = client.calendars.ids.event("u1", None)
        target = find(client.calendars.index, f"{base}-20261215T100000")
        assert target is not None
        stored = target.event.entry.event()
        assert target.content() == override_object(stored, "2026-12-15T10:00:00", {})


async def test_an_alert_is_acknowledged_in_the_series(client: Client, home: Home) -> None:
    """-29 §6.2, §6.3: acknowledging and snoozing make no override."""
    told = await client.create(
        simple(
            client,
            recurrenceRule={"frequency": "weekly", "count": 3},
            alerts={"a1": {"@type": "Alert", "trigger": {"@type": "OffsetTrigger", "offset": "-PT15M"}}},
        )
    )
    ids = await instances(client)
    snooze = {
        "@type": "Alert",
        "trigger": {"@type": "AbsoluteTrigger", "when": "2026-12-08T12:00:00Z"},
        "relatedTo": {"a1": {"@type": "Relation", "relation": {"snooze": True}}},
        "action": "display",
    }
    await client.update(ids[1], {"alerts/a1/acknowledged": "2026-12-08T11:00:00Z", "alerts/s1": snooze})
    event_ = await client.event(told["id"])
    assert "recurrenceOverrides" not in event_
    assert event_["alerts"]["a1"]["acknowledged"] == "2026-12-08T11:00:00Z"
    assert event_["alerts"]["s1"] == snooze


async def test_this_and_future_by_a_split(client: Client) -> None:
    """-29 §5.6.1."""
    told = await client.create(simple(client, uid="u1", recurrenceRule={"frequency": "weekly"}))
    first = await client.event(told["id"])
    until = {**first["recurrenceRule"], "until": "2026-12-08T12:00:00"}
    relation = {"@type": "Relation", "relation": {"next": True}}
    rest = {name: first[name] for name in ("calendarIds", "title", "timeZone", "duration", "recurrenceRule")}
    answer = await client.call(
        "CalendarEvent/set",
        update={told["id"]: {"recurrenceRule": until, "relatedTo": {"u2": relation}}},
        create={
            "k": {
                **rest,
                "uid": "u2",
                "start": "2026-12-15T13:00:00",
                "relatedTo": {"u1": {"@type": "Relation", "relation": {"first": True}}},
            }
        },
    )
    assert (answer["notUpdated"], answer["notCreated"]) == (None, None)
    starts = [(await client.event(one, properties=["start"]))["start"] for one in (await instances(client))[:4]]
    assert starts == [f"2026-12-{day}" for day in ("01T12:00:00", "08T12:00:00", "15T13:00:00", "22T13:00:00")]


async def test_an_instance_that_stands_alone_shares_its_resource(client: Client, home: Home) -> None:
    two = event("u1", more="RECURRENCE-ID:20261201T100000Z\r\n")
    second = event("u1", start="20261208T100000Z", more="RECURRENCE-ID:20261208T100000Z\r\n")
    body = second[second.index("BEGIN:VEVENT") : second.index("END:VCALENDAR")]
    home.write("work/", "1.ics", two.replace("END:VCALENDAR", body + "END:VCALENDAR"))
    ids = [client.calendars.ids.event("u1", f"2026-12-{day}T10:00:00") for day in ("01", "08")]
    assert sorted(await client.ids()) == sorted(ids)
    await client.update(ids[1], {"title": "Second"})
    assert (await client.event(ids[0]))["title"] == "Event"
    assert (await client.event(ids[1]))["title"] == "Second"
    await client.call("CalendarEvent/set", destroy=[ids[0]])
    assert await client.ids() == [ids[1]]
    await client.call("CalendarEvent/set", destroy=[ids[1]])
    assert not home.shelves["work/"].resources


async def alone(client: Client, day: str, path: str = "work/", **more: Any) -> str:
    """The id of an instance that stands alone."""
    start = f"2026-12-{day}T12:00:00"
    record = simple(client, uid="u1", start=start, recurrenceId=start, calendarIds=in_(client, path), **more)
    event_id: str = (await client.create(record))["id"]
    return event_id


async def test_a_series_takes_the_place_of_its_instances(client: Client, home: Home) -> None:
    """-29 §5.5, §5.9: in one call, what is destroyed may be of the uid that is created."""
    ids = [await alone(client, "01"), await alone(client, "08"), await alone(client, "15", "private/")]
    state = (await client.call("CalendarEvent/get", ids=[]))["state"]
    series = simple(client, uid="u1", recurrenceRule={"frequency": "weekly"})
    error = await client.refused("create", {"k": series}, destroy=ids[:1])  # two would be left beside it
    assert (error["properties"], error["existingId"]) == (["uid"], ids[1])
    assert sorted(await client.ids()) == sorted(ids[1:])
    answer = await client.call("CalendarEvent/set", create={"k": series}, destroy=[*ids[1:], "enone"])
    assert (answer["notCreated"], answer["destroyed"], list(answer["notDestroyed"])) == (None, ids[1:], ["enone"])
    base = answer["created"]["k"]["id"]
    assert await client.ids() == [base]
    changes = await client.call("CalendarEvent/changes", sinceState=state)
    assert (changes["created"], changes["updated"], set(changes["destroyed"])) == ([base], [], set(ids))
    assert [len(home.shelves[path].resources) for path in ("work/", "private/")] == [1, 0]
    (text,) = (resource.data.decode() for resource in home.shelves["work/"].resources.values())
    assert (text.count("BEGIN:VEVENT"), "RECURRENCE-ID" in text, "RRULE:FREQ=WEEKLY" in text) == (1, False, True)
    again = await client.call("CalendarEvent/set", destroy=ids[1:])
    assert {error["type"] for error in again["notDestroyed"].values()} == {"notFound"}


async def test_instances_whose_series_cannot_be_made_are_destroyed_all_the_same(client: Client, home: Home) -> None:
    """RFC 8620 §5.3: each record is accepted or refused by itself."""
    one = await alone(client, "01")
    answer = await client.call(
        "CalendarEvent/set", create={"k": simple(client, uid="u1", duration="soon")}, destroy=[one]
    )
    assert (answer["notCreated"]["k"]["type"], answer["destroyed"]) == ("invalidProperties", [one])
    one = await alone(client, "01")
    home.failing["replace"] = Forbidden("no")
    answer = await client.call("CalendarEvent/set", create={"k": simple(client, uid="u1")}, destroy=[one])
    assert (answer["notCreated"]["k"]["type"], answer["destroyed"]) == ("forbidden", [one])
    assert await client.ids() == []


# ---------------------------------------------------------------------------------------------------- scheduling


async def test_messages_that_cannot_be_sent_are_not_passed_over(client: Client, home: Home) -> None:
    people = {"p": {"calendarAddress": "mailto:bob@example.org"}}
    meeting = simple(client, participants=people)
    error = await client.refused("create", {"k": meeting}, sendSchedulingMessages=True)
    assert error["type"] == "noSupportedScheduleMethods"  # -29 §5.9
    told = await client.create(meeting)
    error = await client.refused("update", {told["id"]: {"title": "x"}}, sendSchedulingMessages=True)
    assert error["type"] == "noSupportedScheduleMethods"
    await client.update(told["id"], {"color": "red"}, sendSchedulingMessages=True)  # per user: nobody is to be told
    error = await client.refused("destroy", [told["id"]], sendSchedulingMessages=True)
    assert error["type"] == "noSupportedScheduleMethods"
    await client.create(simple(client), sendSchedulingMessages=True)  # there is nobody to tell
    alone = await client.create(simple(client))
    error = await client.refused("update", {alone["id"]: {"participants": people}}, sendSchedulingMessages=True)
    assert error["type"] == "noSupportedScheduleMethods"


# -------------------------------------------------------------------------------------------------- copy, parse


async def test_copy_to_another_account(home: Home) -> None:
    client, other = Client(home), Client(Home(), "aother")
    other.home.add_calendar("there/", "There")
    client.others[other.account.id] = other.account
    told = await client.create(simple(client, uid="u1"))
    there = {other.calendar_id("there/"): True}
    answer = await client.call(
        "CalendarEvent/copy",
        fromAccountId=client.account.id,
        accountId=other.account.id,
        create={
            "k": {"id": told["id"], "calendarIds": there, "title": "Copy"},
            "n": {"id": "enone", "calendarIds": there},
        },
        onSuccessDestroyOriginal=False,
    )
    assert answer["notCreated"]["n"]["type"] == "notFound"
    copied = await other.event(answer["created"]["k"]["id"])
    assert (copied["title"], copied["uid"], copied["start"]) == ("Copy", "u1", "2026-12-01T12:00:00")


async def test_parse(client: Client) -> None:
    await client.calendars.learn()
    good = await client.upload((event("u1") + event("u2")).encode(), "text/calendar")
    bad = await client.upload(b"Hello", "text/plain")
    answer = await client.call("CalendarEvent/parse", blobIds=[good, bad, "bnone"])
    assert [found["uid"] for found in answer["parsed"][good]] == ["u1", "u2"]
    assert (answer["notParsable"], answer["notFound"]) == ([bad], ["bnone"])
    answer = await client.call("CalendarEvent/parse", blobIds=[good], properties=["id", "isDraft", "title", "utcStart"])
    assert answer["parsed"][good][0] == {
        "id": None,
        "isDraft": None,
        "title": "Event",
        "utcStart": "2026-12-01T10:00:00Z",
    }
    assert answer["notFound"] is answer["notParsable"] is None
