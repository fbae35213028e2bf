"""The whole gateway behind a proxy that misbehaves."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from tests.client import JmapClient, jmap_client
from tests.faults.proxy import FaultProxy
from tests.gateway import running_gateway
from tests.objects.mail.messages import message, with_attachment
from tests.servers.dovecot import Dovecot
from tests.servers.fixtures import require
from tests.servers.imap_client import imap_client
from tests.servers.redis import Redis, redis_available, running_redis
from tests.servers.users import User, fresh_user

SUBJECTS = {"first", "second", "With attachment"}


@dataclass(frozen=True)
class Behind:
    """The mail server as the gateway sees it: where the proxy listens."""

    server: Dovecot
    proxy: FaultProxy

    @property
    def host(self) -> str:
        return self.proxy.host

    @property
    def imap(self) -> int:
        return self.proxy.port

    def password(self, user: str) -> str:
        return self.server.password(user)

    def create_user(self, name: str) -> None:
        self.server.create_user(name)


@asynccontextmanager
async def through(proxy: FaultProxy, dovecot: Dovecot, **keys: str) -> AsyncIterator[str]:
    """The URL of a gateway that remembers no message and gives up on a silent server after a second."""
    wanted = {"backends__default__imap__command_seconds": "1", "limits__cache_bytes": "0"} | keys
    async with running_gateway(Behind(dovecot, proxy), **wanted) as url:
        yield url


@pytest.fixture
async def proxy(dovecot: Dovecot) -> AsyncIterator[FaultProxy]:
    async with FaultProxy(dovecot.host, dovecot.imap) as found:
        yield found


@pytest.fixture
async def url(proxy: FaultProxy, dovecot: Dovecot) -> AsyncIterator[str]:
    async with through(proxy, dovecot) as found:
        yield found


def filled(dovecot: Dovecot) -> User:
    """A user with three messages in two folders."""
    user = fresh_user(dovecot)
    with imap_client(dovecot, user) as imap:
        imap.create("Other")
        imap.append("INBOX", message("first", body="one body, " * 500 + "the end\r\n"))
        imap.append("INBOX", with_attachment())
        imap.append("Other", message("second"))
    return user


@pytest.fixture
def user(dovecot: Dovecot) -> User:
    return filled(dovecot)


@pytest.fixture
async def jmap(url: str, user: User) -> AsyncIterator[JmapClient]:
    async with jmap_client(url, *user) as client:
        yield client


@pytest.fixture(scope="session")
def private_redis() -> Iterator[Redis]:
    """A redis-server of this room's own, because these tests stop and flush it."""
    require("redis-server", redis_available())
    with running_redis() as server:
        yield server


class Refused(Exception):
    """The gateway could not answer for want of the mail server, and said so."""


async def read_all(jmap: JmapClient) -> dict[str, Any]:
    """All that there is to read of an account, by subject. Raises Refused; nothing else is acceptable but the truth."""
    query: dict[str, Any] = {"sort": [{"property": "subject"}]}
    reference = {"resultOf": "c1", "name": "Email/query", "path": "/ids"}
    body = {"#ids": reference, "fetchAllBodyValues": True}
    calls = [("Mailbox/get", {"ids": None}), ("Email/query", query), ("Email/get", body), ("Thread/get", {"ids": None})]
    numbered = [[name, {"accountId": jmap.account} | given, f"c{number}"] for number, (name, given) in enumerate(calls)]
    using = ["urn:ietf:params:jmap:core", "urn:ietf:params:jmap:mail"]
    async with jmap.http.post(jmap.session["apiUrl"], json={"using": using, "methodCalls": numbered}) as answer:
        if answer.status == 503:
            raise Refused
        assert answer.status == 200, await answer.text()
        responses = (await answer.json())["methodResponses"]
    for name, given, _ in responses:
        if name == "error" and given["type"] in ("serverUnavailable", "invalidResultReference"):
            assert any(error.get("type") == "serverUnavailable" for _, error, _ in responses)
            raise Refused
        assert name != "error", given
    boxes, query_answer, emails, threads = (given for _, given, _ in responses)
    assert not emails["notFound"]
    return {
        "boxes": {box["name"]: box for box in boxes["list"]},
        "ids": query_answer["ids"],
        "emails": {email["subject"]: email for email in emails["list"]},
        "threads": {thread["id"]: thread["emailIds"] for thread in threads["list"]},
    }


def open_connections(proxy: FaultProxy) -> int:
    """How many connections the gateway has to the mail server."""
    return sum(not connection.client.is_closing() for connection in proxy.connections)
