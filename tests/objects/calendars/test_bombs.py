"""iCalendar and JSCalendar made to cost much (trust model, rows 49 to 51 and 53), in front of a real server: each is
answered, what is stored is listed with its neighbours, and a month can be shown. That work is bounded is shown in
tests/formats/calendar."""

import asyncio
import io
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest

from adapters.formats.jscalendar.patch import change_entry
from adapters.formats.jscalendar.read import read_stream
from adapters.formats.jscalendar.vtimezone import with_time_zones
from adapters.formats.jscalendar.write import write_text
from gateway.demo.radicale import Radicale
from gateway.objects.calendars import event_rules as rules
from gateway.sync.pace import LARGE
from tests.client import jmap_client
from tests.gateway import running_gateway
from tests.objects.calendars.conftest import USING, Place, keys, path_of
from tests.servers.dav import DavServer
from tests.servers.dovecot import Dovecot
from tests.servers.users import fresh_user
from tests.waiting import until


@pytest.fixture
async def radicale_place(dovecot: Dovecot, radicale: Radicale) -> AsyncIterator[Place]:
    user = fresh_user(dovecot)
    radicale.create_user(*user)
    async with running_gateway(dovecot, **keys(radicale.url)) as url, jmap_client(url, *user) as jmap:
        place = Place(jmap, DavServer("radicale", radicale.url, *user), "", "")
        answer = await place.call("Calendar/set", create={"k": {"name": "Fresh"}})
        place.id = answer["created"]["k"]["id"]
        place.path = await path_of(place.server, jmap.account, place.id)
        yield place


def calendar(*lines: str, zone: str = "") -> bytes:
    body = "\r\n".join(["BEGIN:VEVENT", "UID:bomb", "DTSTAMP:20260101T000000Z", *lines, "END:VEVENT"])
    head = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//x//EN\r\n"
    return f"{head}{zone}{body}\r\nEND:VCALENDAR\r\n".encode()


async def put(place: Place, data: bytes) -> bool:
    """Whether the server stores this for another client."""
    login = aiohttp.encode_basic_auth(place.server.user, place.server.password)
    url = f"{place.server.url.rstrip('/')}/{place.path.lstrip('/')}bomb.ics"
    headers = {"Authorization": login, "Content-Type": "text/calendar"}
    async with aiohttp.ClientSession() as http, http.put(url, data=io.BytesIO(data), headers=headers) as answer:
        return answer.status == 201


START = "DTSTART:20260101T000000Z"
ZONE = (
    "BEGIN:VTIMEZONE\r\nTZID:X\r\nBEGIN:STANDARD\r\nDTSTART:19000101T000000\r\nTZOFFSETFROM:+0000\r\n"
    "TZOFFSETTO:+0001\r\nRRULE:FREQ=SECONDLY\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n"
)
DAYS = [f"{2000 + n // 336}{n // 28 % 12 + 1:02}{n % 28 + 1:02}T000000Z" for n in range(5_000)]
ALARM = "BEGIN:VALARM\r\nACTION:DISPLAY\r\nTRIGGER:-PT5M\r\nEND:VALARM"
BOMBS = {
    "every second": calendar(START, "RRULE:FREQ=SECONDLY"),
    "never": calendar(START, "RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=31"),
    "all parts of a rule": calendar(
        START,
        "RRULE:FREQ=YEARLY;BYMONTH=1,2,3,4,5,6;BYHOUR=" + ",".join(map(str, range(24)))
        + ";BYMINUTE=" + ",".join(map(str, range(60))) + ";BYSECOND=" + ",".join(map(str, range(60))) + ";BYSETPOS=-1",
    ),
    "a zone of seconds": calendar("DTSTART;TZID=X:20260101T000000", zone=ZONE),
    "many zones": calendar(START, zone="".join(ZONE.replace("TZID:X", f"TZID:X{n}") for n in range(500))),
    "many dates": calendar(START, *(f"RDATE:{day}" for day in DAYS)),
    "many dates in a line": calendar(START, "RDATE:" + ",".join(DAYS)),
    "many exceptions": calendar(START, "RRULE:FREQ=DAILY", *(f"EXDATE:{day}" for day in DAYS)),
    "many attendees": calendar(START, *(f"ATTENDEE:mailto:a{n}@example.org" for n in range(5_000))),
    "many alarms": calendar(START, *[ALARM] * 5_000),
    "a long line": calendar(START, "DESCRIPTION:" + "x" * 1_000_000),
    "many parameters": calendar(START, "ATTENDEE" + ";X-A=b" * 100_000 + ":mailto:a@example.org"),
    "components in components": b"BEGIN:VCALENDAR\r\n" + b"BEGIN:VEVENT\r\n" * 50_000,
    "a duration without end": calendar(START, "DURATION:P" + "9" * 5_000 + "W"),
    "a year beyond all": calendar("DTSTART:99999999T999999Z", "RRULE:FREQ=DAILY;COUNT=" + "9" * 5_000),
}  # fmt: skip
MONTH = {"after": "2026-01-01T00:00:00", "before": "2026-02-01T00:00:00"}


@pytest.mark.parametrize("name", BOMBS)
async def test_bombs(radicale_place: Place, name: str) -> None:
    place = radicale_place
    await place.create(title="neighbour", start="2026-01-05T10:00:00")
    blob = (await place.jmap.upload(io.BytesIO(BOMBS[name])))["blobId"]
    parsed = await place.call("CalendarEvent/parse", blobIds=[blob])
    assert (parsed["parsed"] is None) != (parsed["notParsable"] is None)
    stored = await put(place, BOMBS[name])
    events = (await place.call("CalendarEvent/get", ids=None, properties=["title"]))["list"]
    assert "neighbour" in {event.get("title") for event in events}
    assert len(events) <= 1 + stored
    arguments = {"filter": MONTH, "expandRecurrences": True, "limit": 10}
    ((answered, month, _),) = await place.jmap.sentences(("CalendarEvent/query", arguments), using=USING)
    assert answered != "error" or month["type"] == "cannotCalculateOccurrences"
    assert len((await place.call("CalendarEvent/query", filter={"title": "neighbour"}))["ids"]) == 1


USED_IN = {
    rules.check: "event_set.rules.check",
    write_text: "placing.write_text",
    with_time_zones: "storing.with_time_zones",
}
"""What is done when an event is created, by where it is called."""


async def test_a_large_event_is_worked_on_beside_the_loop(
    radicale_place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each part of the work goes on only after another call had its answer."""
    place, waiting, answered = radicale_place, threading.Event(), threading.Event()

    def when_answered(work: Callable[..., Any]) -> Callable[..., Any]:
        def waits(*arguments: Any, **keywords: Any) -> Any:
            waiting.set()
            assert answered.wait(10)
            return work(*arguments, **keywords)

        return waits

    async def beside(name: str, **arguments: Any) -> Any:
        waiting.clear()
        answered.clear()
        call = asyncio.create_task(place.call(name, **arguments))
        await until(waiting.is_set)
        assert (await place.call("Calendar/get", ids=[place.id]))["list"]
        answered.set()
        return await call

    large = {"title": "large", "start": "2026-01-05T10:00:00", "description": "x" * LARGE}
    for work in (rules.check, write_text, with_time_zones):
        with monkeypatch.context() as patch:
            patch.setattr(f"gateway.objects.calendars.{USED_IN[work]}", when_answered(work))
            created = await beside("CalendarEvent/set", create={"k": large | {"calendarIds": {place.id: True}}})
        event = created["created"]["k"]
    blob = (await place.jmap.upload(io.BytesIO(calendar(START, "DESCRIPTION:" + "x" * LARGE))))["blobId"]
    monkeypatch.setattr("gateway.objects.calendars.storing.change_entry", when_answered(change_entry))
    changed = await beside("CalendarEvent/set", update={event["id"]: {"title": "larger"}})
    assert list(changed["updated"]) == [event["id"]]
    monkeypatch.setattr("gateway.objects.calendars.event_parse.read_stream", when_answered(read_stream))
    assert list((await beside("CalendarEvent/parse", blobIds=[blob]))["parsed"]) == [blob]
