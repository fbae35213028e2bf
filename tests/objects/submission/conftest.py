"""A gateway in front of Dovecot and Postfix, and its users."""

from collections.abc import AsyncIterator

import pytest

from tests.client import JmapClient, jmap_client
from tests.gateway import running_gateway
from tests.servers.postfix import Postfix
from tests.servers.users import User, fresh_user


def submission_keys(port: int, **more: str) -> dict[str, str]:
    """Configuration keys of a submission server on loopback."""
    keys = {"host": "127.0.0.1", "port": str(port), "tls": "none", "identity_domain": "example.org"} | more
    return {f"backends__default__submission__{name}": value for name, value in keys.items()}


@pytest.fixture(scope="session")
async def sending_url(postfix: Postfix) -> AsyncIterator[str]:
    async with running_gateway(postfix.dovecot, **submission_keys(postfix.submission)) as url:
        yield url


@pytest.fixture
def alice_user(postfix: Postfix) -> User:
    return fresh_user(postfix.dovecot)


@pytest.fixture
def bob_user(postfix: Postfix) -> User:
    return fresh_user(postfix.dovecot)


@pytest.fixture
async def alice(sending_url: str, alice_user: User) -> AsyncIterator[JmapClient]:
    async with jmap_client(sending_url, *alice_user) as client:
        yield client


@pytest.fixture
async def bob(sending_url: str, bob_user: User) -> AsyncIterator[JmapClient]:
    async with jmap_client(sending_url, *bob_user) as client:
        yield client
