"""A model home with a client in front of it; and a whole gateway in front of real CardDAV servers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from adapters.carddav.backend import CardDav
from adapters.dav.connection import Credentials, Endpoint
from gateway.objects.contacts.capability import CONTACTS
from gateway.sync.contacts.index import Ids
from tests.adapters.carddav.conftest import Other
from tests.client import CORE, JmapClient, jmap_client
from tests.gateway import running_gateway
from tests.objects.calendars.conftest import Tier, servers, user_of
from tests.objects.contacts.harness import Client
from tests.servers.cyrus import Cyrus
from tests.servers.dav import SERVERS, DavServer
from tests.servers.dovecot import Dovecot
from tests.servers.users import User
from tests.sync.contacts.model import Home

USING = (CORE, CONTACTS)


@pytest.fixture
def home() -> Home:
    home = Home()
    home.add_book("work/", "Work")
    return home


@pytest.fixture
def client(home: Home) -> Client:
    return Client(home)


@dataclass
class Book:
    """One address book of a fresh user, as JMAP and as another client see it."""

    jmap: JmapClient
    other: Other
    id: str

    async def call(self, name: str, **arguments: Any) -> dict[str, Any]:
        """The answer to a call that must succeed."""
        ((answered, answer, _),) = await self.jmap.sentences((name, arguments), using=USING)
        assert answered == name, answer
        found: dict[str, Any] = answer
        return found

    async def create(self, **card: Any) -> dict[str, Any]:
        """What the server told of a new card."""
        answer = await self.call("ContactCard/set", create={"k": {"addressBookIds": {self.id: True}, **card}})
        assert answer["notCreated"] is None, answer
        told: dict[str, Any] = answer["created"]["k"]
        return told

    async def update(self, card_id: str, **patch: Any) -> dict[str, Any]:
        """What the server told of a changed card."""
        answer = await self.call("ContactCard/set", update={card_id: patch})
        assert answer["notUpdated"] is None, answer
        return answer["updated"][card_id] or {}

    async def card(self, card_id: str, **arguments: Any) -> dict[str, Any]:
        """One card."""
        (found,) = (await self.call("ContactCard/get", ids=[card_id], **arguments))["list"]
        card: dict[str, Any] = found
        return card

    async def state(self) -> str:
        """Of all cards."""
        state: str = (await self.call("ContactCard/get", ids=[]))["state"]
        return state

    async def new_book(self, name: str) -> str:
        """The id of a further address book."""
        answer = await self.call("AddressBook/set", create={"k": {"name": name}})
        book_id: str = answer["created"]["k"]["id"]
        return book_id

    def stored(self, name: str) -> str:
        """A stored vCard, unfolded, as another client finds it."""
        return self.other.ask("GET", name).replace("\r\n", "\n").replace("\n ", "")


@pytest.fixture(scope="session", params=SERVERS)
async def tier(request: pytest.FixtureRequest) -> AsyncIterator[Tier]:
    mail, configuration = carddav_keys(request, request.param)
    async with running_gateway(mail, **configuration) as url:
        yield Tier(request.param, url)


def carddav_keys(request: pytest.FixtureRequest, name: str) -> tuple[Cyrus | Dovecot, dict[str, str]]:
    """The mail server beside a CardDAV server, and the configuration of the latter."""
    mail, configuration = servers(request, name)
    return mail, {key.replace("caldav", "carddav"): value for key, value in configuration.items()}


@pytest.fixture
def backend(tier: Tier) -> str:
    return tier.name


@pytest.fixture
async def book(request: pytest.FixtureRequest, tier: Tier) -> AsyncIterator[Book]:
    user, server = user_of(request, tier.name)
    async with opened_book(tier.url, user, server) as book:
        yield book


@asynccontextmanager
async def opened_book(url: str, user: User, server: DavServer) -> AsyncIterator[Book]:
    """A fresh address book of a user of a gateway."""
    async with jmap_client(url, *user) as jmap:
        book = Book(jmap, Other(server, ""), "")
        book.id = await book.new_book("Fresh")
        book.other = Other(server, await path_of(server, jmap.account, book.id))
        yield book
        await book.call("AddressBook/set", destroy=[book.id], onDestroyRemoveContents=True)


async def path_of(server: DavServer, account: str, book_id: str) -> str:
    """Where an address book lies, from the root of the server."""
    port = CardDav(Endpoint(server.url), Credentials(server.user, password=server.password))
    try:
        home = (await port.open()).home
        paths = [info.path for info in await port.address_books()]
    finally:
        await port.close()
    return home + next(path for path in paths if Ids(account).book(path) == book_id)
