"""CalendarEvent/query on a model server: conditions, sorting, expansion, what is refused, what changed."""

from typing import Any

import pytest

from tests.objects.calendars.harness import Client
from tests.sync.calendars.model import Home, event

BOB = "ORGANIZER:mailto:bob@example.org\r\nATTENDEE;CN=Bob Builder;ROLE=CHAIR:mailto:bob@example.org\r\n"
EVENTS = {
    "lunch": event("lunch", "Lunch with Bob", start="20261201T110000Z", more=BOB + "LOCATION:Café Central\r\n"),
    "daily": event(
        "daily", "Stand-up", start="20261130T080000Z", more="RRULE:FREQ=DAILY\r\nEXDATE:20261202T080000Z\r\n"
    ),
    "old": event("old", "Old series", start="20200106T080000Z", more="RRULE:FREQ=WEEKLY;UNTIL=20200601T000000Z\r\n"),
    "float": event("float", "Birthday", start="20261203T000000").replace("DURATION:PT1H", "DURATION:P1D"),
    "zero": event("zero", "Reminder", start="20261204T000000Z").replace("DURATION:PT1H\r\n", ""),
}


@pytest.fixture
async def client() -> Client:
    home = Home()
    home.add_calendar("work/", "Work")
    home.add_calendar("private/", "Private")
    for name, text in EVENTS.items():
        home.write("private/" if name == "float" else "work/", f"{name}.ics", text)
    return Client(home)


async def uids(client: Client, **arguments: Any) -> list[str]:
    """The uids of the result; with the day of an instance."""
    found = []
    for event_id in await client.ids(**arguments):
        shown = await client.event(event_id)
        when = f"@{shown['recurrenceId'][8:10]}" if "recurrenceId" in shown else ""
        found.append(shown["uid"] + when)
    return found


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ({}, {"lunch", "daily", "old", "float", "zero"}),
        ({"inCalendar": "private/"}, {"float"}),
        ({"inCalendar": "nowhere/"}, set()),
        ({"uid": "old"}, {"old"}),
        ({"uid": "ol"}, set()),
        ({"after": "2026-12-01T11:30:00", "before": "2026-12-01T12:00:00"}, {"lunch"}),
        ({"after": "2026-12-01T12:00:00", "before": "2026-12-02T00:00:00"}, set()),
        ({"after": "2030-01-01T00:00:00"}, {"daily"}),
        ({"before": "2020-02-01T00:00:00"}, {"old"}),
        ({"after": "2020-05-25T10:00:00", "before": "2021-01-01T00:00:00"}, set()),
        ({"after": "2026-12-04T00:00:00", "before": "2026-12-04T01:00:00"}, {"zero"}),
        ({"after": "2026-12-03T23:00:00", "before": "2026-12-04T00:00:00"}, {"float"}),
        ({"text": "bob"}, {"lunch"}),
        ({"text": "CAFÉ builder"}, {"lunch"}),
        ({"text": '"with bob"'}, {"lunch"}),
        ({"text": '"bob with"'}, set()),
        ({"title": "series"}, {"old"}),
        ({"description": "series"}, set()),
        ({"location": "central"}, {"lunch"}),
        ({"participant": "builder"}, {"lunch"}),
        ({"owner": "bob@example.org"}, {"lunch"}),
        ({"owner": "nobody"}, set()),
        ({"title": "lunch", "uid": "old"}, set()),
        ({"operator": "OR", "conditions": [{"uid": "old"}, {"uid": "zero"}]}, {"old", "zero"}),
        ({"operator": "NOT", "conditions": [{"inCalendar": "work/"}]}, {"float"}),
    ],
)
async def test_conditions(client: Client, condition: dict[str, Any], found: set[str]) -> None:
    if "inCalendar" in condition:
        condition = {"inCalendar": client.calendar_id(condition["inCalendar"])}
    for part in condition.get("conditions", ()):
        if "inCalendar" in part:
            part["inCalendar"] = client.calendar_id(part["inCalendar"])
    assert set(await uids(client, filter=condition)) == found


async def test_the_zone_of_the_window(client: Client) -> None:
    window = {"after": "2026-12-01T20:00:00", "before": "2026-12-01T21:00:00"}
    assert "lunch" in await uids(client, filter=window, timeZone="Asia/Tokyo")  # 11:00Z is 20:00 there
    assert "lunch" not in await uids(client, filter=window)
    floating = {"after": "2026-12-03T00:00:00", "before": "2026-12-04T00:00:00", "uid": "float"}
    for zone in ("Pacific/Auckland", "Pacific/Pago_Pago", "Etc/UTC"):
        for narrow in ({}, {"before": "2026-12-03T00:00:01"}, {"after": "2026-12-03T23:59:59"}):
            assert await uids(client, filter=floating | narrow, timeZone=zone) == ["float"]
    assert await uids(client, filter=floating | {"after": "2026-12-04T00:00:00"}, timeZone="Asia/Tokyo") == []


async def test_what_web_clients_send_for_local_times(client: Client) -> None:
    window = {"after": "2026-12-01T11:30:00.000Z", "before": "2026-12-01T12:00:00Z"}
    assert await uids(client, filter=window) == ["lunch"]  # docs/quirks.md


async def test_expansion(client: Client) -> None:
    window = {"after": "2026-12-01T00:00:00", "before": "2026-12-04T00:00:00"}
    found = await uids(client, filter=window, expandRecurrences=True)
    assert found == ["daily@01", "lunch", "float", "daily@03"]
    found = await uids(client, filter={**window, "title": "stand"}, expandRecurrences=True)
    assert found == ["daily@01", "daily@03"]


async def test_all_conditions_must_match_one_instance_only_where_expanded(client: Client) -> None:
    daily = client.calendars.ids.event("daily", None)
    await client.update(daily, {"recurrenceOverrides/2026-12-10T08:00:00": {"title": "Special"}})
    window = {"after": "2026-12-01T00:00:00", "before": "2026-12-04T00:00:00", "title": "special"}
    assert await uids(client, filter=window) == ["daily"]  # each condition by any instance (-29 §5.11.1)
    assert await client.ids(filter=window, expandRecurrences=True) == []
    window["before"] = "2026-12-15T00:00:00"
    assert await uids(client, filter=window, expandRecurrences=True) == ["daily@10"]


async def test_sorting(client: Client) -> None:
    by = [{"property": "start", "isAscending": False}]
    assert await uids(client, sort=by) == ["zero", "float", "lunch", "daily", "old"]
    assert await uids(client, sort=[{"property": "uid"}]) == ["daily", "float", "lunch", "old", "zero"]
    for name in ("recurrenceId", "created", "updated"):
        assert len(await client.ids(sort=[{"property": name}])) == 5
    assert await client.error("CalendarEvent/query", sort=[{"property": "title"}]) == "unsupportedSort"


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        ({"expandRecurrences": True}, "invalidArguments"),
        ({"expandRecurrences": True, "filter": {"after": "2026-12-01T00:00:00"}}, "invalidArguments"),
        ({"expandRecurrences": True, "filter": {"operator": "AND", "conditions": []}}, "invalidArguments"),
        (
            {
                "expandRecurrences": True,
                "filter": {"after": "2026-12-01T00:00:00", "before": "2036-12-01T00:00:00"},
            },
            "expandDurationTooLarge",
        ),
        ({"timeZone": "Mars/Olympus"}, "invalidArguments"),
        ({"filter": {"after": "tomorrow"}}, "invalidArguments"),
        ({"filter": {"after": "2026-12-01T00:00:00+01:00"}}, "invalidArguments"),
        ({"filter": {"mood": "good"}}, "unsupportedFilter"),
    ],
)
async def test_what_is_refused(client: Client, arguments: dict[str, Any], kind: str) -> None:
    assert await client.error("CalendarEvent/query", **arguments) == kind


async def test_rules_that_cannot_be_expanded(client: Client) -> None:
    client.home.write("work/", "x.ics", event("x", more="RRULE:FREQ=SECONDLY\r\n"))
    window = {"after": "2026-12-01T00:00:00", "before": "2027-12-01T00:00:00"}
    arguments = {"filter": window, "expandRecurrences": True}
    assert await client.error("CalendarEvent/query", **arguments) == "cannotCalculateOccurrences"
    assert "x" in await uids(client, filter=window)
    client.home.write("work/", "x.ics", event("x", more="RRULE:RSCALE=HEBREW;FREQ=YEARLY\r\n"))
    assert await client.error("CalendarEvent/query", **arguments) == "cannotCalculateOccurrences"
    # -29 §5.11: only where the occurrences are required to return the results
    for expanded in (True, False):
        assert await uids(client, filter={**window, "title": "lunch"}, expandRecurrences=expanded) == ["lunch"]
        assert await uids(client, filter={**window, "uid": "lunch"}, expandRecurrences=expanded) == ["lunch"]


async def test_window_total_and_position(client: Client) -> None:
    answer = await client.call("CalendarEvent/query", limit=2, position=1, calculateTotal=True)
    assert (len(answer["ids"]), answer["position"], answer["total"]) == (2, 1, 5)
    anchored = await client.call("CalendarEvent/query", anchor=answer["ids"][1], limit=1)
    assert anchored["position"] == 2


async def test_query_changes(client: Client) -> None:
    query = {"filter": {"after": "2026-12-01T00:00:00", "before": "2026-12-31T00:00:00"}}
    before = await client.call("CalendarEvent/query", **query)
    assert before["canCalculateChanges"] is True
    client.home.write("work/", "new.ics", event("new", start="20261205T100000Z"))
    client.home.remove("work/", "lunch.ics")
    answer = await client.call("CalendarEvent/queryChanges", **query, sinceQueryState=before["queryState"])
    new, lunch = (client.calendars.ids.event(uid, None) for uid in ("new", "lunch"))
    assert set(answer["removed"]) == {new, lunch}
    assert [item["id"] for item in answer["added"]] == [new]
    arguments = {**query, "expandRecurrences": True}
    expanded = await client.call("CalendarEvent/query", **arguments)
    assert expanded["canCalculateChanges"] is False
    arguments["sinceQueryState"] = expanded["queryState"]
    assert await client.error("CalendarEvent/queryChanges", **arguments) == "cannotCalculateChanges"
