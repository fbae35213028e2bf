"""A message that the mail server fails over, such as one whose file is damaged, costs only itself.

Dovecot and Cyrus end the session at it, whatever else was asked for in the same command.
"""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from adapters.imap import damage
from gateway.objects.mail import unread
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
def damaged(server: Dovecot | Cyrus, user: User, subject: str = "letter 3", mailbox: str = "INBOX") -> Iterator[None]:
    """The file of a message cannot be read."""
    with imap_client(server, user) as imap:
        files = [file for file in _files(server, user, imap, mailbox) if file.is_file()]
    (file,) = [file for file in files if f"Subject: {subject}\n" in file.read_text()]
    kept = server.directory / f"kept-{user.name}-{subject}"
    file.rename(kept)
    file.mkdir()
    (file / "in the way").touch()
    try:
        yield
    finally:
        (file / "in the way").unlink()
        file.rmdir()
        kept.rename(file)


def _files(server: Dovecot | Cyrus, user: User, imap: ImapClient, mailbox: str) -> list[Path]:
    imap.select(mailbox)
    if isinstance(server, Dovecot):
        maildir = server.home(user.name) / "Maildir"
        return list((maildir / ("cur" if mailbox == "INBOX" else f".{mailbox}/cur")).iterdir())
    native = (imap.imap.response("MAILBOXID")[1][0] or b"").strip(b"()").decode()
    return list(server.directory.rglob(f"{native}/[0-9]."))


async def test_the_others_are_served(server: Dovecot | Cyrus, user: User) -> None:
    async with running_gateway(server) as url, jmap_client(url, *user) as jmap:
        with damaged(server, user):
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


async def test_one_that_can_be_read_again_is_told_as_updated(
    server: Dovecot | Cyrus, user: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To whoever syncs, though he may not ask for it again; also by a gateway that was started anew."""
    monkeypatch.setattr(damage, "REST_SECONDS", 0.0)
    keys = {"store__kind": "sqlite", "store__path": str(tmp_path / "store")}
    async with running_gateway(server, **keys) as url, jmap_client(url, *user) as jmap:
        with damaged(server, user):
            ids = (await jmap.call("Email/query"))["ids"]
            got = await jmap.call("Email/get", ids=ids, properties=["bodyStructure"])
            (missing,) = set(ids) - {one["id"] for one in got["list"]}
    monkeypatch.setattr(unread, "FIRST_PAUSE", 0.01)
    async with running_gateway(server, **keys) as url, jmap_client(url, *user) as jmap:
        await _until_updated(jmap, got["state"], missing)
        with damaged(server, user, "letter 4"):
            again = await jmap.call("Email/get", ids=ids, properties=["bodyValues"], fetchAllBodyValues=True)
            (other,) = set(ids) - {one["id"] for one in again["list"]}
        await _until_updated(jmap, again["state"], other)


async def _until_updated(jmap: JmapClient, since: str, email_id: str) -> None:
    changes: dict[str, Any] = {"newState": since}
    async with asyncio.timeout(10):
        while changes["newState"] == since:
            changes = await jmap.call("Email/changes", sinceState=since)
    assert (changes["created"], changes["updated"], changes["destroyed"]) == ([], [email_id], [])


async def test_sorting_and_searching_go_around_it(server: Dovecot | Cyrus, user: User) -> None:
    async with running_gateway(server) as url, jmap_client(url, *user) as jmap:
        with damaged(server, user):
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
        with damaged(server, user):
            ids = (await jmap.call("Email/query"))["ids"]
            for properties in PAGES:
                got = await jmap.call("Email/get", ids=ids, properties=properties, fetchAllBodyValues=True)
                assert len(got["list"]) == 7


async def test_where_ids_are_made_of_headers_each_has_one_of_its_own(server: Dovecot | Cyrus, user: User) -> None:
    """Nothing of the mailbox is known yet."""
    keys = {"backends__default__imap__id_source": "fingerprint"}
    with imap_client(server, user) as imap:
        imap.append("Other", message("letter again"))
    async with running_gateway(server, **keys) as url, jmap_client(url, *user) as jmap:
        with damaged(server, user), damaged(server, user, "letter other", "Other"):
            ids = (await jmap.call("Email/query"))["ids"]
            assert len(ids) == 8
            got = await jmap.call("Email/get", ids=ids, properties=["preview"])
            assert (len(got["list"]), got["notFound"]) == (6, [])
            for condition in ({"text": "Hello"}, {"subject": "letter"}):
                assert len((await jmap.call("Email/query", filter=condition))["ids"]) >= 6
            with imap_client(server, user) as imap:
                imap.append("INBOX", message("later"))
            assert len((await jmap.call("Email/query"))["ids"]) == 9
        assert set(ids) <= set((await jmap.call("Email/query"))["ids"])


async def test_where_ids_are_made_of_headers_a_damaged_arrival_has_one_of_its_own(
    server: Dovecot | Cyrus, user: User
) -> None:
    keys = {"backends__default__imap__id_source": "fingerprint"}
    async with running_gateway(server, **keys) as url, jmap_client(url, *user) as jmap:
        before = await jmap.call("Email/get", ids=None, properties=["id"])
        with imap_client(server, user) as imap:
            imap.append("INBOX", message("later"))
        with damaged(server, user, "later"):
            changes = await jmap.call("Email/changes", sinceState=before["state"])
            assert [len(changes[kind]) for kind in ("created", "updated", "destroyed")] == [1, 0, 0]
            error = await jmap.error("Email/get", ids=changes["created"], properties=["preview"])
            assert error["type"] == "serverUnavailable"
