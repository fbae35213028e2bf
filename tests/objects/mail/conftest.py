"""The mail tests run against every tier of server: all extensions, OBJECTID, and plain IMAP4rev1."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import pytest

from tests.client import JmapClient, jmap_client
from tests.gateway import running_gateway
from tests.servers.imap_client import ImapClient, imap_client
from tests.servers.users import MailServer, User, fresh_user

TIERS = {
    "dovecot": ("dovecot", {}),  # X-GUID, QRESYNC
    "cyrus": ("cyrus", {}),  # OBJECTID, QRESYNC
    "plain": ("dovecot_plain", {"backends__default__imap__id_source": "fingerprint"}),  # IMAP4rev1 and nothing else
}


@dataclass(frozen=True)
class Tier:
    """A mail server with a gateway in front of it."""

    name: str
    server: MailServer
    url: str


@pytest.fixture(scope="session", params=list(TIERS))
async def tier(request: pytest.FixtureRequest) -> AsyncIterator[Tier]:
    fixture, keys = TIERS[request.param]
    server: MailServer = request.getfixturevalue(fixture)
    async with running_gateway(server, push__poll_seconds="1", **keys) as url:
        yield Tier(request.param, server, url)


@pytest.fixture
def user(tier: Tier) -> User:
    return fresh_user(tier.server)


@pytest.fixture
def imap(tier: Tier, user: User) -> Iterator[ImapClient]:
    """Another client of the same user, straight at the mail server."""
    with imap_client(tier.server, user) as client:
        yield client


@pytest.fixture
async def jmap(tier: Tier, user: User) -> AsyncIterator[JmapClient]:
    async with jmap_client(tier.url, user.name, user.password) as client:
        yield client
