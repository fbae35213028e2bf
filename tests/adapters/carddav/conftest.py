"""Each real CardDAV server in turn, with an address book that nobody else uses."""

import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from adapters.carddav.backend import CardDav
from adapters.dav.connection import Credentials, Endpoint
from adapters.ports.contacts import AddressBookChanges, ContactsFacts
from tests.servers.dav import SERVERS, DavServer, login
from tests.servers.http_client import http_request
from tests.servers.users import User

_NUMBERS = itertools.count(1)


@dataclass(frozen=True)
class Other:
    """Another client of the same login: bare HTTP. path: of an address book, from the root."""

    server: DavServer
    path: str

    def ask(self, method: str, name: str, body: bytes | None = None, **fields: str) -> str:
        """The body of the answer."""
        user = User(self.server.user, self.server.password)
        return http_request(self.server.url + self.path + name, method, user, body, **fields).decode()

    def put(self, name: str, data: bytes) -> None:
        """Store a resource, whatever was there."""
        self.ask("PUT", name, data, Content_Type="text/vcard; charset=utf-8")


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest) -> DavServer:
    return login(request, request.param)


@pytest.fixture
async def port(server: DavServer) -> AsyncIterator[CardDav]:
    opened = CardDav(Endpoint(server.url), Credentials(server.user, password=server.password))
    yield opened
    await opened.close()


@pytest.fixture
async def facts(port: CardDav) -> ContactsFacts:
    return await port.open()


@pytest.fixture
async def book(port: CardDav, facts: ContactsFacts) -> AsyncIterator[str]:
    """The path of an empty address book below the home."""
    path, refused = await port.create_address_book(f"b{next(_NUMBERS)}", AddressBookChanges(name="Test"))
    assert not refused
    await port.address_books()  # who takes which version is known by the listing
    yield path
    await port.delete_address_book(path)


@pytest.fixture
def other(server: DavServer, facts: ContactsFacts, book: str) -> Other:
    return Other(server, facts.home + book)


def card(uid: str, *lines: str, version: str = "4.0") -> bytes:
    """One vCard."""
    body = ["BEGIN:VCARD", f"VERSION:{version}", f"UID:{uid}", f"FN:Tëst & <{uid}>", "N:Tëst;;;;", *lines, "END:VCARD"]
    return "".join(f"{line}\r\n" for line in body).encode()
