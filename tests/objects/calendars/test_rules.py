"""What draft-ietf-jmap-calendars-29 demands of a CalendarEvent that is written, rule by rule, on a model server."""

from dataclasses import replace
from typing import Any

import pytest

from gateway.sync.calendars.entries import now_text
from tests.objects.calendars.harness import Client
from tests.objects.calendars.test_events import in_, simple
from tests.objects.calendars.test_people import INVITATION
from tests.sync.calendars.model import Home, event

PEOPLE = {"b": {"@type": "Participant", "calendarAddress": "mailto:bob@example.org"}}


@pytest.fixture
def home() -> Home:
    home = Home()
    home.add_calendar("work/", "Work")
    home.add_calendar("private/", "Private")
    return home


@pytest.fixture
def client(home: Home) -> Client:
    return Client(home)


async def instances(client: Client, **more: Any) -> list[str]:
    """Two instances of a series that stand alone."""
    starts = ("2026-12-01T12:00:00", "2026-12-08T12:00:00")
    made = [await client.create(simple(client, uid="u", start=start, recurrenceId=start, **more)) for start in starts]
    return [told["id"] for told in made]


async def test_instances_of_one_uid_have_one_privacy(client: Client) -> None:
    """-29 §1.4.1, §5.9: one that differs is rejected; all of them may change in one call."""
    ids = await instances(client)
    third = {"start": "2026-12-15T12:00:00", "recurrenceId": "2026-12-15T12:00:00"}
    error = await client.refused("create", {"k": simple(client, uid="u", privacy="private", **third)})
    assert (error["type"], error["properties"]) == ("invalidProperties", ["privacy"])
    error = await client.refused("update", {ids[0]: {"privacy": "private"}})
    assert (error["type"], error["properties"]) == ("invalidProperties", ["privacy"])
    other = await client.create(simple(client))
    differing = {ids[0]: {"privacy": "private"}, ids[1]: {"privacy": "secret"}, other["id"]: {"privacy": "private"}}
    answer = await client.call("CalendarEvent/set", update=differing)
    assert answer["notUpdated"].keys() == set(ids)
    assert answer["updated"].keys() == {other["id"]}
    await client.call("CalendarEvent/set", update={key: {"privacy": "private"} for key in ids})
    assert {(await client.event(key))["privacy"] for key in ids} == {"private"}


@pytest.mark.parametrize("name", ["mayInviteSelf", "mayInviteOthers", "hideAttendees", "isDraft", "calendarIds"])
async def test_what_only_the_base_event_has(client: Client, name: str) -> None:
    """-29 §5, §5.1: not in recurrenceOverrides."""
    rule = {"@type": "RecurrenceRule", "frequency": "weekly", "count": 3}
    value = in_(client, "work/") if name == "calendarIds" else True
    overrides = {"2026-12-08T12:00:00": {name: value}}
    error = await client.refused("create", {"k": simple(client, recurrenceRule=rule, recurrenceOverrides=overrides)})
    assert error["type"] == "invalidProperties"
    told = await client.create(simple(client, recurrenceRule=rule))
    error = await client.refused("update", {told["id"]: {"recurrenceOverrides": overrides}})
    assert error["type"] == "invalidProperties"


async def test_the_server_says_when_an_event_was_made_and_changed(client: Client) -> None:
    """-29 §5.9: `updated` is the server's, and `created` is never later."""
    began = now_text()
    told = await client.create(simple(client, created="2999-01-01T00:00:00Z", updated="2000-01-01T00:00:00Z"))
    shown = await client.event(told["id"])
    assert began <= shown["created"] <= shown["updated"] <= now_text()
    told = await client.create(simple(client, created="2020-01-01T00:00:00Z"))
    assert (await client.event(told["id"]))["created"] == "2020-01-01T00:00:00Z"
    await client.update(told["id"], {"title": "x", "updated": "2000-01-01T00:00:00Z"})
    assert began <= (await client.event(told["id"]))["updated"] <= now_text()


async def test_null_is_the_same_as_leaving_out(client: Client) -> None:
    """-29 §5.9."""
    nothing = dict.fromkeys(("description", "alerts", "recurrenceRule", "participants", "created", "uid", "sequence"))
    one, other = await client.create(simple(client, **nothing)), await client.create(simple(client))
    own = {"id", "uid", "created", "updated"}
    one_shown, other_shown = await client.event(one["id"]), await client.event(other["id"])
    assert {name: one_shown[name] for name in one_shown.keys() - own} == {
        name: other_shown[name] for name in other_shown.keys() - own
    }
    assert one_shown.keys() == other_shown.keys()


async def test_an_organizer_is_named_when_participants_come(client: Client) -> None:
    """-29 §5.9: also on update."""
    told = await client.create(simple(client))
    assert "organizerCalendarAddress" not in await client.event(told["id"])
    await client.update(told["id"], {"participants": PEOPLE})
    assert (await client.event(told["id"]))["organizerCalendarAddress"] == "mailto:alice@example.org"


async def test_utc_times_stand_in_no_override(client: Client) -> None:
    """-29 §5.9."""
    rule = {"@type": "RecurrenceRule", "frequency": "weekly", "count": 3}
    told = await client.create(simple(client, recurrenceRule=rule))
    for name in ("utcStart", "utcEnd"):
        overrides = {"2026-12-08T12:00:00": {name: "2026-12-08T13:00:00Z"}}
        error = await client.refused("update", {told["id"]: {"recurrenceOverrides": overrides}})
        assert error["type"] == "invalidProperties"


async def test_a_time_zone_comes_with_a_time_in_utc(client: Client, home: Home) -> None:
    """-29 §5: that of the calendars, where all have the same, else Etc/UTC."""
    work, private = (client.calendar_id(path) for path in ("work/", "private/"))
    record = {"utcStart": "2026-07-01T10:00:00Z", "duration": "PT1H"}
    await client.call("Calendar/set", update={work: {"timeZone": "Asia/Tokyo"}})
    told = await client.create({**record, "calendarIds": {work: True}})
    assert (told["timeZone"], told["start"]) == ("Asia/Tokyo", "2026-07-01T19:00:00")
    told = await client.create({**record, "calendarIds": {work: True, private: True}})
    assert (told["timeZone"], told["start"]) == ("Etc/UTC", "2026-07-01T10:00:00")


async def test_copies_heed_privacy(home: Home) -> None:
    """-29 §5.10: nothing but public into calendars of others, nothing private out of them."""
    client, other = Client(home), Client(Home(), "aother")
    shelf = other.home.add_calendar("there/", "There")
    shelf.info = replace(shelf.info, owner="/bob/")
    client.others[other.account.id] = other.account
    told = await client.create(simple(client, privacy="private"))
    there = {other.calendar_id("there/"): True}
    accounts = {"fromAccountId": client.account.id, "accountId": other.account.id}
    create = {
        "k": {"id": told["id"], "calendarIds": there},
        "p": {"id": told["id"], "calendarIds": there, "privacy": "public"},
    }
    answer = await client.call("CalendarEvent/copy", create=create, **accounts)
    assert (answer["notCreated"]["k"]["type"], answer["notCreated"]["k"]["properties"]) == (
        "invalidProperties",
        ["privacy"],
    )
    assert answer["created"].keys() == {"p"}
    back = {"fromAccountId": other.account.id, "accountId": client.account.id}
    client.others[other.account.id] = replace(other.account, is_personal=False)
    other.home.write("there/", "x.ics", home.text("work/", client.name(told["uid"])).replace(told["uid"], "secret-uid"))
    theirs = other.calendars.ids.event("secret-uid", None)
    create = {"k": {"id": theirs, "calendarIds": in_(client, "work/")}}
    answer = await client.call("CalendarEvent/copy", create=create, **back)
    assert answer["notCreated"]["k"]["type"] == "forbidden"


async def test_a_filter_without_conditions_matches_all(client: Client) -> None:
    """-29 §5.11.1."""
    told = await client.create(simple(client))
    assert await client.ids(filter={}) == [told["id"]]


async def test_notifications_are_sorted_by_when_they_were_made(client: Client, home: Home) -> None:
    """-29 §7.4.2; §7.3: nobody makes or changes one."""
    await client.call("CalendarEvent/get")
    for number in range(3):
        home.write("work/", f"{number}.ics", event(f"u{number}", more=INVITATION))
        await client.call("CalendarEvent/get")
    orders = [
        (await client.call("CalendarEventNotification/query", sort=[{"property": "created", "isAscending": up}]))["ids"]
        for up in (True, False)
    ]
    made = {one["id"]: one["created"] for one in (await client.call("CalendarEventNotification/get"))["list"]}
    assert [made[key] for key in orders[0]] == sorted(made.values())
    assert [made[key] for key in orders[1]] == sorted(made.values(), reverse=True)
    answer = await client.call("CalendarEventNotification/set", create={"k": {}}, update={orders[0][0]: {"type": "x"}})
    assert answer["notCreated"]["k"]["type"] == answer["notUpdated"][orders[0][0]]["type"] == "forbidden"


async def test_what_an_override_patches_may_go_from_the_series(client: Client) -> None:
    """jscalendarbis §1.5.9: a patch without its place would make the event invalid; the instance stays as it was."""
    alert = {"@type": "Alert", "action": "display", "trigger": {"@type": "OffsetTrigger", "offset": "-PT15M"}}
    later = {"alerts/a": alert | {"acknowledged": "2026-12-08T10:00:00Z"}, "locations/l/name": "There"}
    rule = {"@type": "RecurrenceRule", "frequency": "weekly", "count": 3}
    overrides = {"2026-12-08T12:00:00": later, "2026-12-15T12:00:00": {"title": "Other"}}
    places = {"l": {"@type": "Location", "name": "Here"}}
    record = simple(client, alerts={"a": alert}, locations=places, recurrenceRule=rule, recurrenceOverrides=overrides)
    told = await client.create(record)
    await client.update(told["id"], {"alerts": None, "locations": {"m": {"@type": "Location", "name": "Elsewhere"}}})
    shown = (await client.event(told["id"]))["recurrenceOverrides"]
    assert shown["2026-12-15T12:00:00"] == {"title": "Other"}
    instance = await client.event(f"{told['id']}-20261208T120000")
    assert instance["alerts"] == {"a": later["alerts/a"]}
    assert instance["locations"] == {"l": {"@type": "Location", "name": "There"}}


async def test_alerts_of_an_instance_leave_those_of_others_acknowledged(client: Client) -> None:
    """-29 §6.2: only setting `acknowledged` is a change of the series."""
    alert = {"@type": "Alert", "action": "display", "trigger": {"@type": "OffsetTrigger", "offset": "-PT15M"}}
    done = alert | {"acknowledged": "2026-12-01T10:00:00Z"}
    rule = {"@type": "RecurrenceRule", "frequency": "weekly", "count": 3}
    told = await client.create(simple(client, alerts={"a": done}, recurrenceRule=rule))
    second, third = (f"{told['id']}-202612{day}T120000" for day in ("08", "15"))
    await client.update(second, {"alerts": {"a": alert}})
    assert (await client.event(second))["alerts"] == {"a": alert}
    assert (await client.event(third))["alerts"] == {"a": done}
