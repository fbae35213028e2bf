"""A whole gateway in front of real CalDAV servers, with mail beside them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from adapters.caldav.people import CalDav
from adapters.dav.connection import Credentials, Endpoint
from gateway.demo.radicale import Radicale
from gateway.objects.calendars.capability import CALENDARS, PARSE
from gateway.sync.calendars import account
from gateway.sync.calendars.index import Ids
from tests.client import CORE, JmapClient, jmap_client
from tests.gateway import running_gateway
from tests.servers.cyrus import Cyrus
from tests.servers.dav import DavServer, wake
from tests.servers.dovecot import Dovecot
from tests.servers.users import User, fresh_user
from tests.servers.xandikos import USER, Xandikos

USING = (CORE, CALENDARS, PARSE)


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a glance leaves to be read is read at once, not while another test runs."""
    monkeypatch.setattr(account, "REST_SECONDS", 0.0)


@dataclass
class Place:
    """One calendar of a fresh user, as JMAP and as another client see it. path: from the server's root."""

    jmap: JmapClient
    server: DavServer
    id: str
    path: str

    async def call(self, name: str, **arguments: Any) -> dict[str, Any]:
        """The answer to a call that must succeed."""
        ((answered, answer, _),) = await self.jmap.sentences((name, arguments), using=USING)
        assert answered == name, answer
        found: dict[str, Any] = answer
        return found

    async def create(self, **event: Any) -> dict[str, Any]:
        """What the server told of a new event."""
        record = {"calendarIds": {self.id: True}, "title": "Lunch", "start": "2026-12-01T12:00:00"}
        record |= {"timeZone": "Europe/Berlin", "duration": "PT1H", **event}
        answer = await self.call("CalendarEvent/set", create={"k": record})
        assert answer["notCreated"] is None, answer
        told: dict[str, Any] = answer["created"]["k"]
        return told

    async def update(self, event_id: str, **patch: Any) -> None:
        """Change an event."""
        answer = await self.call("CalendarEvent/set", update={event_id: patch})
        assert answer["notUpdated"] is None, answer

    async def event(self, event_id: str, **arguments: Any) -> dict[str, Any]:
        """One event."""
        (found,) = (await self.call("CalendarEvent/get", ids=[event_id], **arguments))["list"]
        event: dict[str, Any] = found
        return event

    async def stored(self) -> dict[str, str]:
        """Name -> unfolded text of every resource, as another client finds it."""
        resources = await self.server.resources(self.path)
        return {name: text.replace("\r\n", "\n").replace("\n ", "") for name, text in resources.items()}


def servers(request: pytest.FixtureRequest, name: str) -> tuple[Cyrus | Dovecot, dict[str, str]]:
    """The mail server beside a CalDAV server, and the configuration of the latter."""
    server: Radicale | Xandikos | Cyrus = request.getfixturevalue(name)
    if isinstance(server, Cyrus):
        return server, keys(f"http://{server.host}:{server.http}")
    return request.getfixturevalue("dovecot"), keys(server.url)


@asynccontextmanager
async def second_gateway(request: pytest.FixtureRequest, tier: "Tier") -> AsyncIterator[str]:
    """Another gateway in front of the same servers, with a store of its own."""
    mail, configuration = servers(request, tier.name)
    async with running_gateway(mail, **configuration) as url:
        yield url


def keys(url: str) -> dict[str, str]:
    """Configuration of a CalDAV server."""
    return {"backends__default__caldav__url": url}


@dataclass(frozen=True)
class Tier:
    """A CalDAV server by name, and a gateway in front of it."""

    name: str
    url: str


@pytest.fixture(scope="session", params=["radicale", "xandikos", "cyrus"])
async def tier(request: pytest.FixtureRequest) -> AsyncIterator[Tier]:
    mail, configuration = servers(request, request.param)
    async with running_gateway(mail, **configuration) as url:
        yield Tier(request.param, url)


@pytest.fixture
def backend(tier: Tier) -> str:
    return tier.name


def user_of(request: pytest.FixtureRequest, name: str) -> tuple[User, DavServer]:
    """A fresh user at a server (Xandikos has one for all)."""
    if name == "cyrus":
        cyrus: Cyrus = request.getfixturevalue("cyrus")
        user = fresh_user(cyrus)
        wake(cyrus.host, cyrus.imap, *user)
        return user, DavServer(name, f"http://{cyrus.host}:{cyrus.http}", *user)
    user = fresh_user(request.getfixturevalue("dovecot"))
    if name == "radicale":
        radicale: Radicale = request.getfixturevalue("radicale")
        radicale.create_user(*user)
        return user, DavServer(name, radicale.url, *user)
    return user, DavServer(name, request.getfixturevalue("xandikos").url, USER, "none")


@pytest.fixture
def login(request: pytest.FixtureRequest, tier: Tier) -> tuple[User, DavServer]:
    return user_of(request, tier.name)


@pytest.fixture
async def place(tier: Tier, login: tuple[User, DavServer]) -> AsyncIterator[Place]:
    user, server = login
    async with jmap_client(tier.url, *user) as jmap:
        place = Place(jmap, server, "", "")
        answer = await place.call("Calendar/set", create={"k": {"name": "Fresh", "color": "#00ff00"}})
        place.id = answer["created"]["k"]["id"]
        place.path = await path_of(server, jmap.account, place.id)
        yield place
        await place.call("Calendar/set", destroy=[place.id], onDestroyRemoveEvents=True)


async def path_of(server: DavServer, account: str, calendar_id: str) -> str:
    """Where a calendar lies, from the root of the server."""
    port = CalDav(Endpoint(server.url), Credentials(server.user, password=server.password))
    try:
        home = (await port.open()).home
        paths = [calendar.path for calendar in await port.calendars()]
    finally:
        await port.close()
    ids = Ids(account)
    return home + next(path for path in paths if ids.calendar(path) == calendar_id)
