"""Calendar on a model server: what the server keeps, what the store keeps, who may do what."""

from dataclasses import replace
from typing import Any

import pytest

from adapters.errors import Forbidden, Unavailable
from adapters.ports.calendars import CalendarProperties
from tests.objects.calendars.harness import Client
from tests.sync.calendars.model import Home, event


@pytest.fixture
def home() -> Home:
    home = Home()
    home.add_calendar("work/", "Work")
    return home


@pytest.fixture
def client(home: Home) -> Client:
    return Client(home)


async def calendar(client: Client, calendar_id: str) -> dict[str, Any]:
    (found,) = (await client.call("Calendar/get", ids=[calendar_id]))["list"]
    record: dict[str, Any] = found
    return record


async def update(client: Client, calendar_id: str, **patch: Any) -> dict[str, Any] | None:
    answer = await client.call("Calendar/set", update={calendar_id: patch})
    assert answer["notUpdated"] is None, answer
    told: dict[str, Any] | None = answer["updated"][calendar_id]
    return told


async def refused(client: Client, **arguments: Any) -> dict[str, Any]:
    answer = await client.call("Calendar/set", **arguments)
    (errors,) = [answer[name] for name in ("notCreated", "notUpdated", "notDestroyed") if answer[name]]
    (error,) = errors.values()
    found: dict[str, Any] = error
    return found


async def test_a_calendar_as_the_server_has_it(client: Client, home: Home) -> None:
    home.shelves["work/"].info = replace(
        home.shelves["work/"].info,
        properties=CalendarProperties("Work", "#ff0000FF", 3, "What I do", None, transparent=True),
    )
    (shown,) = (await client.call("Calendar/get"))["list"]
    assert shown == {
        "id": client.calendar_id("work/"),
        "name": "Work",
        "description": "What I do",
        "color": "#ff0000",
        "sortOrder": 3,
        "isSubscribed": True,
        "isVisible": True,
        "isDefault": True,
        "includeInAvailability": "none",
        "defaultAlertsWithTime": None,
        "defaultAlertsWithoutTime": None,
        "timeZone": None,
        "shareWith": None,
        "myRights": {
            **dict.fromkeys(("mayReadFreeBusy", "mayReadItems", "mayWriteAll", "mayWriteOwn"), True),
            **dict.fromkeys(("mayUpdatePrivate", "mayRSVP", "mayDelete"), True),
            "mayShare": False,
        },
    }


async def test_what_is_set_is_shown(client: Client, home: Home) -> None:
    work = client.calendar_id("work/")
    alert = {"@type": "Alert", "trigger": {"@type": "OffsetTrigger", "offset": "-PT5M"}}
    values = {
        "name": "Büro",
        "description": "D",
        "color": "#00ff00",
        "sortOrder": 7,
        "isSubscribed": False,
        "isVisible": False,
        "includeInAvailability": "attending",
        "defaultAlertsWithTime": {"a1": alert},
        "timeZone": "Europe/Berlin",
    }
    assert await update(client, work, **values) is None
    shown = await calendar(client, work)
    assert {name: shown[name] for name in values} == values
    properties = home.shelves["work/"].info.properties
    assert (properties.name, properties.color, properties.order, properties.transparent) == (
        "Büro",
        "#00ff00",
        7,
        False,
    )
    assert "TZID:Europe/Berlin" in (properties.time_zone or "")
    assert await update(client, work, includeInAvailability="none", timeZone=None, isVisible=True) is None
    assert home.shelves["work/"].info.properties.transparent is True
    shown = await calendar(client, work)
    assert (shown["includeInAvailability"], shown["timeZone"], shown["isVisible"]) == ("none", None, True)


async def test_what_the_server_does_not_store_is_kept_here(home: Home) -> None:
    home.stores = frozenset({"name"})
    client = Client(home)
    work = client.calendar_id("work/")
    await update(client, work, color="red", sortOrder=2, name="N", includeInAvailability="none")
    shown = await calendar(client, work)
    assert (shown["color"], shown["sortOrder"], shown["name"]) == ("red", 2, "N")
    assert shown["includeInAvailability"] == "none"
    assert home.shelves["work/"].info.properties == CalendarProperties(name="N")


async def test_create_and_destroy(client: Client, home: Home) -> None:
    state = (await client.call("Calendar/get", ids=[]))["state"]
    answer = await client.call("Calendar/set", create={"k": {"name": "New", "color": "blue"}})
    told = answer["created"]["k"]
    assert told["isSubscribed"] is True  # what the client did not send
    assert "name" not in told
    shown = await calendar(client, told["id"])
    assert (shown["name"], shown["color"]) == ("New", "blue")
    changes = await client.call("Calendar/changes", sinceState=state)
    assert changes["created"] == [told["id"]]
    answer = await client.call("Calendar/set", destroy=[told["id"]])
    assert answer["destroyed"] == [told["id"]]
    assert list(home.shelves) == ["work/"]


async def test_a_calendar_with_events_is_not_destroyed_by_accident(client: Client, home: Home) -> None:
    home.write("work/", "1.ics", event("u1"))
    work = client.calendar_id("work/")
    assert (await refused(client, destroy=[work]))["type"] == "calendarHasEvent"  # -29 §4.3
    state = (await client.call("CalendarEvent/get", ids=[]))["state"]
    answer = await client.call("Calendar/set", destroy=[work], onDestroyRemoveEvents=True)
    assert answer["destroyed"] == [work]
    changes = await client.call("CalendarEvent/changes", sinceState=state)
    assert changes["destroyed"] == [client.calendars.ids.event("u1", None)]


async def test_tasks_count_too(client: Client, home: Home) -> None:
    home.write("work/", "1.ics", event("u1").replace("VEVENT", "VTODO"))
    assert (await refused(client, destroy=[client.calendar_id("work/")]))["type"] == "calendarHasEvent"


@pytest.mark.parametrize("on_server", [True, False])
async def test_the_default_calendar_moves(client: Client, home: Home, on_server: bool) -> None:
    home.has_default = on_server
    home.add_calendar("home/", "Home")
    work, other = client.calendar_id("work/"), client.calendar_id("home/")
    answer = await client.call("Calendar/set", onSuccessSetIsDefault=work)
    assert answer["updated"] == {work: {"isDefault": True}, other: {"isDefault": False}}  # -29 §4.3
    assert (await calendar(client, work))["isDefault"] is True
    assert home.shelves["work/"].info.default is on_server
    answer = await client.call("Calendar/set", create={"k": {"name": "K"}}, onSuccessSetIsDefault="#k")
    assert answer["created"]["k"]["isDefault"] is True
    assert answer["updated"] == {work: {"isDefault": False}}
    for ignored in ("cnone", "#nobody"):
        answer = await client.call("Calendar/set", onSuccessSetIsDefault=ignored)
        assert answer["updated"] is None
    answer = await client.call("Calendar/set", destroy=["cnone"], onSuccessSetIsDefault=work)
    assert answer["updated"] is None  # not everything succeeded


@pytest.mark.parametrize(
    ("patch", "named"),
    [
        ({"name": ""}, "name"),
        ({"name": "é" * 128}, "name"),
        ({"color": "bluish"}, "color"),
        ({"sortOrder": 2**31}, "sortOrder"),
        ({"timeZone": "Berlin"}, "timeZone"),
        ({"includeInAvailability": "some"}, "includeInAvailability"),
        ({"isDefault": False}, "isDefault"),
        ({"myRights": {}}, "myRights"),
        (
            {"defaultAlertsWithTime": {"a": {"trigger": {"@type": "AbsoluteTrigger", "when": "2026-01-01T00:00:00Z"}}}},
            "defaultAlertsWithTime",
        ),
        ({"unknown": 1}, "unknown"),
    ],
)
async def test_what_is_not_valid_is_refused(client: Client, patch: dict[str, Any], named: str) -> None:
    error = await refused(client, update={client.calendar_id("work/"): patch})
    assert (error["type"], error["properties"]) == ("invalidProperties", [named])


async def test_alert_ids_are_unique_in_the_account(client: Client, home: Home) -> None:
    home.add_calendar("home/", "Home")
    alerts = {"a": {"trigger": {"offset": "PT0S"}}}
    await update(client, client.calendar_id("work/"), defaultAlertsWithTime=alerts)
    await update(client, client.calendar_id("work/"), defaultAlertsWithTime=alerts, isVisible=False)
    other = client.calendar_id("home/")
    assert (await refused(client, update={other: {"defaultAlertsWithTime": alerts}}))["type"] == "invalidProperties"


async def test_a_shared_calendar_that_may_only_be_read(client: Client, home: Home) -> None:
    shelf = home.shelves["work/"]
    shelf.info = replace(shelf.info, owner="/bob/", privileges=frozenset({"read", "read-free-busy"}))
    home.write("work/", "1.ics", event("u1"))
    work, one = client.calendar_id("work/"), client.calendars.ids.event("u1", None)
    shown = await calendar(client, work)
    held = [right for right, given in shown["myRights"].items() if given]
    assert held == ["mayReadFreeBusy", "mayReadItems", "mayUpdatePrivate"]
    assert (shown["isDefault"], shown["includeInAvailability"]) == (False, "none")
    await update(client, work, name="Bob's", color="green")  # -29 §4.3: stored for this user
    assert (await calendar(client, work))["name"] == "Bob's"
    assert shelf.info.properties.name == "Work"
    assert (await refused(client, destroy=[work]))["type"] == "forbidden"
    for verb, value in (
        ("update", {one: {"title": "x"}}),
        ("destroy", [one]),
        ("create", {"k": {"calendarIds": {work: True}, "start": "2026-12-01T10:00:00"}}),
    ):
        assert (await client.refused(verb, value))["type"] == "forbidden"
    assert (await refused(client, update={work: {"shareWith": {"p": {"mayReadItems": True}}}}))["type"] == "forbidden"


async def test_a_calendar_of_free_and_busy_only_does_not_exist(client: Client, home: Home) -> None:
    shelf = home.shelves["work/"]
    shelf.info = replace(shelf.info, owner="/bob/", privileges=frozenset({"read-free-busy"}))
    assert (await client.call("Calendar/get"))["list"] == []  # -29 §4.1


@pytest.mark.parametrize(("failure", "kind"), [(Forbidden("no"), "forbidden"), (Unavailable("x"), "serverUnavailable")])
async def test_what_the_server_refuses_is_told(client: Client, home: Home, failure: Any, kind: str) -> None:
    for verb in ("create_calendar", "update_calendar", "delete_calendar"):
        home.failing[verb] = failure
    work = client.calendar_id("work/")
    assert (await refused(client, create={"k": {"name": "K"}}))["type"] == kind
    assert (await refused(client, update={work: {"name": "K"}}))["type"] == kind
    assert (await refused(client, destroy=[work]))["type"] == kind
    assert (await calendar(client, work))["name"] == "Work"
