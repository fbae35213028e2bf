"""A message that the mail server fails over, such as one whose file is damaged, costs only itself.

Dovecot and Cyrus end the session at it, whatever else was asked for in the same command.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.client import JmapClient, jmap_client
from tests.gateway import running_gateway
from tests.objects.mail.messages import message
from tests.servers.cyrus import Cyrus
from tests.servers.dovecot import Dovecot
from tests.servers.imap_client import ImapClient, imap_client
from tests.servers.users import User, fresh_user

LETTERS = [f"letter {number}" for number in range(6)]
PAGES: Sequence[Sequence[str]] = (["subject"], ["preview"], ["bodyValues"], ["hasAttachment"], ["bodyStructure"])


@pytest.fixture(params=["dovecot", "cyrus"])
def server(request: pytest.FixtureRequest) -> Dovecot | Cyrus:
    found: Dovecot | Cyrus = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def user(server: Dovecot | Cyrus) -> User:
    """Somebody with six letters in INBOX and one elsewhere."""
    user = fresh_user(server)
    with imap_client(server, user) as imap:
        imap.create("Other")
        for number, subject in enumerate(LETTERS):
            imap.append("INBOX", message(subject), [], f'"1{number}-Nov-2026 10:00:00 +0000"')
        imap.append("Other", message("letter other"), [], '"01-Nov-2026 10:00:00 +0000"')
    return user


@contextmanager
def damaged(server: Dovecot | Cyrus, user: User, number: int) -> Iterator[None]:
    """The file of a message in INBOX cannot be read."""
    with imap_client(server, user) as imap:
        file = _files(server, user, imap)[number]
    kept = server.directory / f"kept-{user.name}"
    file.rename(kept)
    file.mkdir()
    (file / "in the way").touch()
    try:
        yield
    finally:
        (file / "in the way").unlink()
        file.rmdir()
        kept.rename(file)


def _files(server: Dovecot | Cyrus, user: User, imap: ImapClient) -> list[Path]:
    imap.select("INBOX")
    if isinstance(server, Dovecot):
        return sorted((server.home(user.name) / "Maildir/cur").iterdir())
    native = (imap.imap.response("MAILBOXID")[1][0] or b"").strip(b"()").decode()
    return sorted(server.directory.rglob(f"{native}/[0-9]."))


async def test_the_others_are_served(server: Dovecot | Cyrus, user: User) -> None:
    async with running_gateway(server) as url, jmap_client(url, *user) as jmap:
        with damaged(server, user, 3):
            boxes = (await jmap.call("Mailbox/get", ids=None))["list"]
            totals = {box["name"]: (box["totalEmails"], box["totalThreads"]) for box in boxes}
            assert (totals["Inbox"], totals["Other"]) == ((6, 6), (1, 1))
            ids = (await jmap.call("Email/query", collapseThreads=True))["ids"]
            assert len(ids) == 7
            for properties in PAGES:
                await _others_are_shown(jmap, ids, properties)
            everything = await jmap.call("Email/get", ids=ids, properties=["keywords", "mailboxIds", "threadId"])
            assert len(everything["list"]) == 7  # what the message itself is not needed for
        assert len((await jmap.call("Email/query"))["ids"]) == 7


async def _others_are_shown(jmap: JmapClient, ids: Sequence[str], properties: Sequence[str]) -> None:
    """In neither list: it exists, and is no reason to show nothing (RFC 8620 §5.1)."""
    asked: dict[str, Any] = {"properties": properties, "fetchAllBodyValues": True}
    got = await jmap.call("Email/get", ids=ids, **asked)
    shown = [one["id"] for one in got["list"]]
    (missing,) = set(ids) - set(shown)
    assert got["notFound"] == []
    assert shown == [one for one in ids if one != missing]
    error = await jmap.error("Email/get", ids=[missing], **asked)
    assert error["type"] == "serverUnavailable"
    gone = await jmap.call("Email/get", ids=["nothing", shown[0]], **asked)
    assert gone["notFound"] == ["nothing"]


async def test_sorting_and_searching_go_around_it(server: Dovecot | Cyrus, user: User) -> None:
    async with running_gateway(server) as url, jmap_client(url, *user) as jmap:
        with damaged(server, user, 3):
            ids = (await jmap.call("Email/query"))["ids"]
            got = await jmap.call("Email/get", ids=ids, properties=["preview"])  # now it is known which one it is
            shown = {one["id"] for one in got["list"]}
            by_subject = await jmap.call("Email/query", sort=[{"property": "subject"}])
            assert sorted(by_subject["ids"]) == sorted(ids)
            assert by_subject["canCalculateChanges"] is False
            found = await jmap.call("Email/query", filter={"body": "Hello"})
            assert set(found["ids"]) >= shown


async def test_another_copy_is_read(server: Dovecot | Cyrus, user: User) -> None:
    with imap_client(server, user) as imap:
        for uid in imap.uids("INBOX"):
            imap.copy("INBOX", uid, "Other")
    async with running_gateway(server) as url, jmap_client(url, *user) as jmap:
        with damaged(server, user, 3):
            ids = (await jmap.call("Email/query"))["ids"]
            for properties in PAGES:
                got = await jmap.call("Email/get", ids=ids, properties=properties, fetchAllBodyValues=True)
                assert len(got["list"]) == 7


async def test_where_ids_are_made_of_headers_it_costs_its_mailbox(server: Dovecot | Cyrus, user: User) -> None:
    """Nothing of that is known yet; the others are shown, and searched."""
    keys = {"backends__default__imap__id_source": "fingerprint"}
    async with running_gateway(server, **keys) as url, jmap_client(url, *user) as jmap:
        with damaged(server, user, 3):
            ids = (await jmap.call("Email/query"))["ids"]
            for condition in ({"text": "Hello"}, {"subject": "letter"}, {"hasAttachment": False}):
                assert (await jmap.call("Email/query", filter=condition))["ids"] == ids
            (email,) = (await jmap.call("Email/get", ids=ids, properties=["subject"]))["list"]
            assert email["subject"] == "letter other"
