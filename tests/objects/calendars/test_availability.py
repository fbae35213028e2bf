"""Principal/getAvailability (-29 §2.2): which events count, how times are merged, what is asked of others."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.formats.content_lines import parse
from adapters.ports.calendar_people import CalendarPrincipal, FreeBusyReply
from gateway.objects.calendars.busy_periods import Busy, merged, read_free_busy
from tests.objects.calendars.harness import Client
from tests.sync.calendars.model import FACTS, Home, ModelPort, event

DAY = {"utcStart": "2026-07-15T00:00:00Z", "utcEnd": "2026-07-16T00:00:00Z"}
BOB = CalendarPrincipal("/bob/", "Bob", "individual", ("mailto:bob@example.org",), None)


class PeoplePort(ModelPort):
    """A model whose server knows Bob, and says when he is busy."""

    asked: bytes = b""
    reply = FreeBusyReply("mailto:bob@example.org", "2.0;Success", None)

    async def principals(self) -> Sequence[CalendarPrincipal]:
        return [CalendarPrincipal("/alice/", "A", "resource", (), "/alice/"), BOB]

    async def ask_free_busy(self, request: bytes) -> Sequence[FreeBusyReply]:
        self.asked = request
        return [self.reply]


@pytest.fixture
def home() -> Home:
    home = Home(replace(FACTS, outbox=True))
    home.add_calendar("work/", "Work")
    return home


@pytest.fixture
async def client(home: Home) -> Client:
    client = Client(home)
    client.calendars.port = client.port = PeoplePort(home)
    await client.calendars.learn()
    return client


def timed(uid: str, title: str, at: int, length: int = 1, more: str = "") -> str:
    """An event of that day, in UTC."""
    text = event(uid, title, start=f"20260715T{at:02}0000Z", more=more)
    return text.replace("DURATION:PT1H", f"DURATION:PT{length}H")


async def ids(client: Client) -> tuple[str, str]:
    found = (await client.call("Principal/get", ids=None))["list"]
    own, bob = (next(one["id"] for one in found if one["name"] == name) for name in ("Alice", "Bob"))
    return own, bob


async def busy(client: Client, **arguments: Any) -> list[dict[str, Any]]:
    own, _ = await ids(client)
    answer = await client.call("Principal/getAvailability", **{"id": own, **DAY, "showDetails": False, **arguments})
    found: list[dict[str, Any]] = answer["list"]
    return found


def spans(periods: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    return [(one["utcStart"][11:16], one["utcEnd"][11:16], one["busyStatus"]) for one in periods]


async def test_events_are_merged_into_times(client: Client, home: Home) -> None:
    home.write("work/", "a.ics", timed("a", "A", 9))
    home.write("work/", "b.ics", timed("b", "B", 10, 2))
    home.write("work/", "c.ics", timed("c", "C", 14, 1, "STATUS:TENTATIVE\r\n"))
    found = await busy(client)
    assert spans(found) == [("09:00", "12:00", "unavailable"), ("14:00", "15:00", "tentative")]
    assert all(one["event"] is None and one["accountId"] is None for one in found)


IRRELEVANT = ["TRANSP:TRANSPARENT\r\n", "STATUS:CANCELLED\r\n", "CLASS:CONFIDENTIAL\r\n"]


@pytest.mark.parametrize("line", IRRELEVANT)
async def test_what_does_not_count(client: Client, home: Home, line: str) -> None:
    home.write("work/", "a.ics", timed("a", "A", 9, 1, line))
    assert await busy(client) == []


async def test_only_calendars_that_are_part_of_it(client: Client, home: Home) -> None:
    home.write("work/", "a.ics", timed("a", "A", 9))
    calendar = client.calendar_id("work/")
    for patch in ({"includeInAvailability": "none"}, {"includeInAvailability": "all", "isSubscribed": False}):
        await client.call("Calendar/set", update={calendar: patch})
        assert await busy(client) == []
    await client.call("Calendar/set", update={calendar: {"isSubscribed": True}})
    assert len(await busy(client)) == 1


async def test_only_what_the_owner_attends(client: Client, home: Home) -> None:
    meeting = "ORGANIZER:mailto:bob@example.org\r\nATTENDEE;PARTSTAT={}:mailto:alice@example.org\r\n"
    for number, answer in enumerate(("ACCEPTED", "TENTATIVE", "DECLINED", "NEEDS-ACTION")):
        home.write("work/", f"{number}.ics", timed(f"u{number}", "A", 9 + number, 1, meeting.format(answer)))
    await client.call("Calendar/set", update={client.calendar_id("work/"): {"includeInAvailability": "attending"}})
    assert spans(await busy(client)) == [("09:00", "10:00", "confirmed"), ("10:00", "11:00", "tentative")]


async def test_instances_and_their_overrides(client: Client, home: Home) -> None:
    series = timed("a", "A", 9, 1, "RRULE:FREQ=DAILY;COUNT=5\r\nEXDATE:20260716T090000Z\r\n")
    home.write("work/", "a.ics", series)
    found = await busy(client, utcEnd="2026-07-18T00:00:00Z")
    assert [one["utcStart"] for one in found] == ["2026-07-15T09:00:00Z", "2026-07-17T09:00:00Z"]


async def test_details_where_they_may_be_shown(client: Client, home: Home) -> None:
    home.write("work/", "a.ics", timed("a", "Open", 9))
    home.write("work/", "b.ics", timed("b", "Secretive", 9, 2, "CLASS:PRIVATE\r\n"))
    found = await busy(client, showDetails=True, eventProperties=["title"])
    detailed = [one for one in found if one["event"] is not None]
    assert [(one["event"]["title"], one["accountId"]) for one in detailed] == [("Open", client.account.id)]
    assert set(detailed[0]["event"]) == {"title"}
    assert spans([one for one in found if one["event"] is None]) == [("09:00", "11:00", "unavailable")]


FREE_BUSY = (
    b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Example//Test//EN\r\nMETHOD:REPLY\r\nBEGIN:VFREEBUSY\r\n"
    b"FREEBUSY:20260714T230000Z/20260715T010000Z,20260715T090000Z/PT1H30M\r\n"
    b"FREEBUSY;FBTYPE=FREE:20260715T120000Z/PT1H\r\nFREEBUSY;FBTYPE=BUSY-TENTATIVE:20260715T100000Z/PT2H\r\n"
    b"FREEBUSY;FBTYPE=X-ODD:20260715T200000Z/20260715T210000Z\r\nEND:VFREEBUSY\r\nEND:VCALENDAR\r\n"
)


async def test_others_are_asked_for_by_the_server(client: Client) -> None:
    """RFC 6638 §5."""
    _, bob = await ids(client)
    port = client.port
    assert isinstance(port, PeoplePort)
    port.reply = port.reply.__class__("mailto:bob@example.org", "2.0;Success", FREE_BUSY)
    assert spans(await busy(client, id=bob, showDetails=True)) == [
        ("00:00", "01:00", "confirmed"),
        ("09:00", "10:30", "confirmed"),
        ("10:30", "12:00", "tentative"),
        ("20:00", "21:00", "unavailable"),
    ]
    (calendar,) = parse(port.asked).components
    (asked,) = calendar.components
    assert calendar.value("METHOD") == "REQUEST"
    assert [asked.value(name) for name in ("ORGANIZER", "ATTENDEE", "DTSTART", "DTEND")] == [
        "mailto:alice@example.org",
        "mailto:bob@example.org",
        "20260715T000000Z",
        "20260716T000000Z",
    ]


async def test_others_who_may_not_be_asked_for(client: Client, home: Home) -> None:
    _, bob = await ids(client)
    port = client.port
    assert isinstance(port, PeoplePort)
    port.reply = FreeBusyReply("mailto:bob@example.org", "3.7;Invalid calendar user", None)
    arguments = {"id": bob, **DAY, "showDetails": False}
    assert await client.error("Principal/getAvailability", **arguments) == "forbidden"
    home.facts = replace(home.facts, outbox=False)
    await client.calendars.learn()
    assert await client.error("Principal/getAvailability", **arguments) == "forbidden"
    (record,) = (await client.call("Principal/get", ids=[bob]))["list"]
    assert record["capabilities"]["urn:ietf:params:jmap:calendars"]["mayGetAvailability"] is False


WRONG = [
    ({"id": "pnobody"}, "notFound"),
    ({"utcEnd": DAY["utcStart"]}, "invalidArguments"),
    ({"utcEnd": "2028-07-15T00:00:00Z"}, "tooLarge"),
    ({"utcStart": "2026-07-15"}, "invalidArguments"),
]


@pytest.mark.parametrize(("arguments", "kind"), WRONG)
async def test_errors(client: Client, arguments: dict[str, Any], kind: str) -> None:
    own, _ = await ids(client)
    wanted = {"id": own, **DAY, "showDetails": True, **arguments}
    assert await client.error("Principal/getAvailability", **wanted) == kind


def hour(value: int) -> datetime:
    return datetime(2026, 7, 1 + value // 24, value % 24)  # noqa: DTZ001 - naive UTC


PERIODS = st.lists(
    st.builds(
        lambda start, length, status: Busy(hour(start), hour(start + length), status),
        st.integers(0, 40),
        st.integers(0, 10),
        st.sampled_from(["confirmed", "tentative", "unavailable"]),
    ),
    max_size=8,
)


@given(PERIODS)
def test_merging_keeps_every_hour_and_its_strongest_status(periods: list[Busy]) -> None:
    order = ["confirmed", "unavailable", "tentative"]  # -29 §2.2
    found = merged(periods)
    for value in range(52):
        at_hour = [one.status for one in periods if one.start <= hour(value) < one.end]
        shown = [one.status for one in found if one.start <= hour(value) < one.end]
        assert shown == ([min(at_hour, key=order.index)] if at_hour else [])
    for one, following in pairwise(found):
        assert one.end <= following.start
        assert one.end < following.start or one.status != following.status


def test_free_busy_data_that_is_none() -> None:
    for data in (b"", b"BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n", FREE_BUSY.replace(b"PT1H30M", b"soon")):
        with pytest.raises(ValueError, match=r".+"):
            read_free_busy(data, hour(0), hour(1))
