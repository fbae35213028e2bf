"""A gateway that pushes to a service on loopback, in front of Dovecot."""

import json
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

import pytest

from gateway.demo.dovecot_config import TlsFiles
from tests.client import CORE, JmapClient, jmap_client
from tests.gateway import running_gateway
from tests.servers.dovecot import Dovecot
from tests.servers.imap_client import ImapClient, imap_client
from tests.servers.push_service import PushService, Subscriber, Taken, push_service
from tests.servers.users import User, fresh_user

MESSAGE = b"From: Ann <a@example.org>\r\nTo: b@example.org\r\nSubject: News\r\n\r\nText\r\n"


@pytest.fixture
async def service(tls_files: TlsFiles) -> AsyncIterator[PushService]:
    async with push_service(tls_files) as found:
        yield found


@pytest.fixture
def keys(tls_files: TlsFiles) -> dict[str, str]:
    """Configuration that lets pushes reach the service."""
    return {
        "push__ca_file": str(tls_files.authority),
        "push__poll_seconds": "1",
        "push__contact": "mailto:postmaster@example.org",
        "egress__networks": "127.0.0.0/8",
    }


@pytest.fixture
async def url(dovecot: Dovecot, keys: dict[str, str]) -> AsyncIterator[str]:
    async with running_gateway(dovecot, **keys) as found:
        yield found


@pytest.fixture
def user(dovecot: Dovecot) -> User:
    return fresh_user(dovecot)


@pytest.fixture
async def jmap(url: str, user: User) -> AsyncIterator[JmapClient]:
    async with jmap_client(url, *user) as client:
        yield client


@pytest.fixture
def imap(dovecot: Dovecot, user: User) -> Iterator[ImapClient]:
    with imap_client(dovecot, user) as client:
        yield client


async def ask(jmap: JmapClient, name: str, using: Sequence[str] = (CORE,), **arguments: Any) -> Any:
    """The response to a call that takes no accountId; of an error its arguments."""
    response = await jmap.request([[name, arguments, "0"]], using)
    return response["methodResponses"][0][1]


async def subscribe(
    jmap: JmapClient,
    service: PushService,
    subscriber: Subscriber | None = None,
    using: Sequence[str] = (CORE,),
    **properties: Any,
) -> str:
    """A verified subscription: its id."""
    record = {"deviceClientId": "a889-ffea-910", "url": service.url()} | properties
    if subscriber is not None:
        record["keys"] = subscriber.keys
    made = (await ask(jmap, "PushSubscription/set", using, create={"s": record}))["created"]["s"]
    message = read(await service.next(), subscriber)
    assert message["@type"] == "PushVerification"
    assert message["pushSubscriptionId"] == made["id"]
    answer = await ask(
        jmap, "PushSubscription/set", update={made["id"]: {"verificationCode": message["verificationCode"]}}
    )
    assert answer["updated"] == {made["id"]: None}, answer
    return str(made["id"])


def read(taken: Taken, subscriber: Subscriber | None = None) -> Any:
    """The JSON of a message."""
    return json.loads(taken.body) if subscriber is None else subscriber.read(taken)
