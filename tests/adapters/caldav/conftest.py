"""Each real CalDAV server in turn, with a calendar that nobody else uses."""

import itertools
from collections.abc import AsyncIterator, Callable

import pytest

from adapters.caldav.people import CalDav
from adapters.dav.connection import Credentials, Endpoint
from adapters.ports.calendars import CalendarChanges, CalendarFacts
from tests.servers.dav import SERVERS, DavServer, login

_NUMBERS = itertools.count(1)


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest) -> DavServer:
    return login(request, request.param)


@pytest.fixture
async def port(server: DavServer) -> AsyncIterator[CalDav]:
    opened = CalDav(Endpoint(server.url), Credentials(server.user, password=server.password))
    yield opened
    await opened.close()


@pytest.fixture
async def facts(port: CalDav) -> CalendarFacts:
    return await port.open()


@pytest.fixture
async def calendar(port: CalDav, facts: CalendarFacts) -> AsyncIterator[str]:
    """The path of an empty calendar below the home."""
    path, refused = await port.create_calendar(f"t{next(_NUMBERS)}", CalendarChanges(name="Test"), ["VEVENT"])
    assert not refused
    yield path
    await port.delete_calendar(path)


@pytest.fixture
def event() -> Callable[..., bytes]:
    """Makes one event of an hour."""

    def made(uid: str, *lines: str, start: str = "20260301T100000Z", end: str | None = "20260301T110000Z") -> bytes:
        body = [
            "BEGIN:VCALENDAR",
            "VERSION:2.0",
            "PRODID:-//Example//Test//EN",
            "BEGIN:VEVENT",
            f"UID:{uid}",
            "DTSTAMP:20260101T000000Z",
            f"DTSTART:{start}" if "T" in start else f"DTSTART;VALUE=DATE:{start}",
            *([] if end is None else [f"DTEND:{end}"]),
            f"SUMMARY:Tea & <biscuits> für {uid}",
            *lines,
            "END:VEVENT",
            "END:VCALENDAR",
        ]
        return "".join(f"{line}\r\n" for line in body).encode()

    return made
