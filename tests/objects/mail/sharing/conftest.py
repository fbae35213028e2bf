"""Two servers whose users share mailboxes, each with a gateway that proves every request anew."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.client import JmapClient, jmap_client
from tests.gateway import running_gateway
from tests.servers.imap_client import ImapClient, imap_client
from tests.servers.users import MailServer, User, fresh_user


@dataclass(frozen=True)
class Place:
    """A mail server with a gateway in front of it. others: how the mailboxes of a user are called by others."""

    name: str
    server: MailServer
    url: str
    others: str


@pytest.fixture(scope="session", params=["dovecot", "cyrus"])
async def place(request: pytest.FixtureRequest) -> AsyncIterator[Place]:
    fixture, others = {"dovecot": ("dovecot_shared", "shared/"), "cyrus": ("cyrus", "Other Users/")}[request.param]
    server: MailServer = request.getfixturevalue(fixture)
    async with running_gateway(server, push__poll_seconds="1", auth__cache_seconds="0") as url:
        yield Place(request.param, server, url, others)


@dataclass
class Owner:
    """Somebody who shares: straight at the mail server."""

    user: User
    imap: ImapClient
    uids: dict[str, int] = field(default_factory=dict)

    def keep(self, mailbox: str, subject: str = "") -> None:
        """Have a mailbox, with a message of this subject."""
        if mailbox != "INBOX" and mailbox not in self.imap.mailboxes():
            self.imap.create(mailbox)
        if subject:
            uid = self.imap.append(mailbox, letter(subject))
            assert uid is not None
            self.uids[subject] = uid


def letter(subject: str) -> bytes:
    """A message whose octets have its subject in them twice."""
    return (
        b"From: bob@example.org\r\nTo: all@example.org\r\nSubject: %b\r\nMessage-ID: <%b@example.org>\r\n"
        b"Date: Fri, 17 Jul 2026 02:44:25 +0000\r\n\r\nThe text of %b.\r\n"
    ) % ((subject.encode(),) * 3)


@pytest.fixture
def bob(place: Place) -> Iterator[Owner]:
    user = fresh_user(place.server)
    with imap_client(place.server, user) as client:
        client.mailboxes()
        yield Owner(user, client)


@pytest.fixture
def alice(place: Place) -> User:
    return fresh_user(place.server)


@pytest.fixture
def carol(place: Place) -> User:
    return fresh_user(place.server)


class Visitor:
    """A login, and what it sees of another user."""

    def __init__(self, place: Place, user: User, client: JmapClient, owner: str) -> None:
        self.user = user
        self.jmap = client
        self.own = client.account
        self._place = place
        self._owner = owner

    async def session(self) -> dict[str, Any]:
        """The session as it is now."""
        async with self.jmap.http.get(f"{self._place.url}/.well-known/jmap") as answer:
            assert answer.status == 200
            found: dict[str, Any] = await answer.json()
            return found

    async def shared(self) -> str | None:
        """The id of the owner's account; the client works in it from now on."""
        for account_id, account in (await self.session())["accounts"].items():
            if account["name"] == self._owner:
                self.jmap.account = account_id
                return str(account_id)
        return None

    async def boxes(self) -> dict[str, dict[str, Any]]:
        """Mailboxes by name."""
        return {box["name"]: box for box in (await self.jmap.call("Mailbox/get", ids=None))["list"]}

    async def emails(self) -> dict[str, dict[str, Any]]:
        """Emails by subject."""
        ids = (await self.jmap.call("Email/query"))["ids"]
        found = await self.jmap.call("Email/get", ids=ids, properties=["subject", "blobId", "mailboxIds", "keywords"])
        assert found["notFound"] == []
        return {email["subject"]: email for email in found["list"]}

    async def status(self, blob_id: str) -> int:
        """The HTTP status of a download."""
        async with self.jmap.http.get(self.jmap.download_url(blob_id)) as answer:
            return answer.status


@asynccontextmanager
async def visitors(place: Place, owner: User, *users: User) -> AsyncIterator[list[Visitor]]:
    """Logins that look for what one user shares."""
    async with AsyncExitStack() as stack:
        yield [
            Visitor(
                place,
                user,
                await stack.enter_async_context(jmap_client(place.url, user.name, user.password)),
                owner.name,
            )
            for user in users
        ]


@pytest.fixture
async def visitor(place: Place, alice: User, bob: Owner) -> AsyncIterator[Visitor]:
    """alice, who looks for what bob shares."""
    async with visitors(place, bob.user, alice) as (found,):
        yield found
