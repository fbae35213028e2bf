"""The filtering tests run against both ManageSieve servers."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from adapters.formats.sasl import Credentials
from adapters.managesieve.connection import Endpoint
from adapters.managesieve.filters import SieveFilters
from tests.client import JmapClient, jmap_client
from tests.gateway import running_gateway
from tests.servers.cyrus import Cyrus
from tests.servers.dovecot import Dovecot
from tests.servers.users import User, fresh_user

SIEVE = "urn:ietf:params:jmap:sieve"
VACATION = "urn:ietf:params:jmap:vacationresponse"


@dataclass(frozen=True)
class Tier:
    """A mail server with filters, and a gateway in front of it."""

    server: Dovecot | Cyrus
    url: str


@pytest.fixture(scope="session", params=["dovecot", "cyrus"])
async def tier(request: pytest.FixtureRequest) -> AsyncIterator[Tier]:
    server: Dovecot | Cyrus = request.getfixturevalue(request.param)
    async with running_gateway(server, **sieve_keys(server.managesieve)) as url:
        yield Tier(server, url)


def sieve_keys(port: int) -> dict[str, str]:
    """Configuration of a ManageSieve server in the clear on loopback."""
    section = "backends__default__managesieve__"
    return {f"{section}host": "127.0.0.1", f"{section}port": str(port), f"{section}tls": "none"}


@pytest.fixture
def user(tier: Tier) -> User:
    return fresh_user(tier.server)


@pytest.fixture
async def jmap(tier: Tier, user: User) -> AsyncIterator[JmapClient]:
    async with jmap_client(tier.url, user.name, user.password) as client:
        yield client


@pytest.fixture
async def sieve(tier: Tier, user: User, jmap: JmapClient) -> AsyncIterator[SieveFilters]:
    """Another client of the same user, straight at the ManageSieve server (after the first login by JMAP)."""
    endpoint = Endpoint(tier.server.host, tier.server.managesieve, "none")
    filters = SieveFilters(endpoint, Credentials(user.name, password=user.password))
    yield filters
    await filters.close()
