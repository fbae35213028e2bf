"""A gateway in front of every tier of server that trusts the authority of these tests."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.client import JmapClient, jmap_client
from tests.gateway import running_gateway
from tests.objects.mail.conftest import TIERS
from tests.objects.mail.smime.asking import CA, write_anchors
from tests.servers.imap_client import imap_client
from tests.servers.users import MailServer, User, fresh_user


@dataclass(frozen=True)
class Place:
    """A gateway that trusts the authority of these tests, and its trust anchors' file."""

    server: MailServer
    url: str
    anchors: Path


@pytest.fixture(scope="module", params=list(TIERS))
async def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    fixture, keys = TIERS[request.param]
    server: MailServer = request.getfixturevalue(fixture)
    path = tmp_path_factory.mktemp("anchors") / "anchors.pem"
    write_anchors(path, CA.root)
    trust = {"smime__trust_anchors": str(path), "smime__max_message_size": "3000000"}
    async with running_gateway(server, **keys, **trust) as url:
        yield Place(server, url, path)


@pytest.fixture
def user(place: Place) -> User:
    return fresh_user(place.server)


@pytest.fixture
def imap(place: Place, user: User) -> Any:
    with imap_client(place.server, user) as client:
        yield client


@pytest.fixture
async def jmap(place: Place, user: User) -> AsyncIterator[JmapClient]:
    async with jmap_client(place.url, user.name, user.password) as client:
        yield client
