"""A folder that the mail server has an error of its own with costs only itself: what was known of it is shown, all
else goes on, and once the server is well again so is the folder."""

import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import pytest

from tests.client import JmapClient, jmap_client
from tests.gateway import running_gateway
from tests.objects.mail.messages import message
from tests.servers.cyrus import Cyrus
from tests.servers.dovecot import Dovecot
from tests.servers.imap_client import ImapClient, imap_client
from tests.servers.users import User, fresh_user

TIERS = {"dovecot": {}, "cyrus": {}, "dovecot_plain": {"backends__default__imap__id_source": "fingerprint"}}


@pytest.fixture(params=list(TIERS))
def server(request: pytest.FixtureRequest) -> Dovecot | Cyrus:
    found: Dovecot | Cyrus = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def keys(request: pytest.FixtureRequest, server: Dovecot | Cyrus) -> dict[str, str]:
    return TIERS[request.node.callspec.params["server"]]


@pytest.fixture
def user(server: Dovecot | Cyrus) -> User:
    """Somebody with a message in each of three folders."""
    user = fresh_user(server)
    with imap_client(server, user) as imap:
        for path in ("Work", "Other"):
            imap.create(path)
        for number, path in enumerate(["INBOX", "Work", "Other"]):
            imap.append(path, message(f"letter {path}"), [], f'"1{number}-Nov-2026 10:00:00 +0000"')
    return user


@contextmanager
def broken(server: Dovecot | Cyrus, user: User, name: str) -> Iterator[None]:
    """The server cannot read a file of the folder, and says that it has an error of its own."""
    with imap_client(server, user) as imap:
        break_it, mend = _uid_list(server, user, name) if isinstance(server, Dovecot) else _index(server, imap, name)
    break_it()
    try:
        with imap_client(server, user) as imap:
            assert re.search(rb"\[SERVERBUG\]|I/O error", imap.imap.select(name)[1][0] or b"")
        yield
    finally:
        mend()


def _uid_list(server: Dovecot, user: User, name: str) -> tuple[Callable[[], object], Callable[[], object]]:
    maildir = server.home(user.name) / "Maildir"
    directory = maildir if name == "INBOX" else maildir / f".{name}"
    uids, kept = directory / "dovecot-uidlist", directory / "kept"

    def break_it() -> None:
        for index in directory.glob("dovecot.index*"):
            index.unlink()
        uids.rename(kept)
        uids.mkdir()

    def mend() -> None:
        uids.rmdir()
        kept.rename(uids)

    return break_it, mend


def _index(server: Cyrus, imap: ImapClient, name: str) -> tuple[Callable[[], object], Callable[[], object]]:
    imap.select(name)
    native = (imap.imap.response("MAILBOXID")[1][0] or b"").strip(b"()").decode()
    (index,) = server.directory.rglob(f"{native}/cyrus.index")
    return partial(index.chmod, 0), partial(index.chmod, 0o600)


async def totals(jmap: JmapClient) -> dict[str, int]:
    boxes = (await jmap.call("Mailbox/get", ids=None, properties=["name", "totalEmails", "totalThreads"]))["list"]
    assert all(box["totalEmails"] == box["totalThreads"] for box in boxes)
    return {box["name"]: box["totalEmails"] for box in boxes if box["name"] in ("Inbox", "Work", "Other")}


async def found(jmap: JmapClient, **arguments: object) -> set[str]:
    """Subjects of the Emails that a query finds."""
    ids = (await jmap.call("Email/query", **arguments))["ids"]
    return {item["subject"] for item in (await jmap.call("Email/get", ids=ids, properties=["subject"]))["list"]}


async def test_the_others_are_served(
    server: Dovecot | Cyrus, keys: dict[str, str], user: User, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "gateway.sync")
    everything = {"letter INBOX", "letter Work", "letter Other"}
    async with running_gateway(server, **keys) as url, jmap_client(url, *user) as jmap:
        assert await totals(jmap) == {"Inbox": 1, "Work": 1, "Other": 1}
        assert await found(jmap) == everything
        state = (await jmap.call("Email/get", ids=[]))["state"]
        with imap_client(server, user) as imap, broken(server, user, "Work"):
            await still_served(jmap, imap)
            warnings = [one.getMessage() for one in caplog.records if one.levelno == logging.WARNING]
            assert len([text for text in warnings if "cannot be opened" in text]) == 1
        assert await totals(jmap) == {"Inbox": 2, "Work": 1, "Other": 1}
        assert await found(jmap, filter={"text": "letter"}) == everything | {"letter new"}
        changes = await jmap.call("Email/changes", sinceState=state)
        assert (len(changes["created"]), changes["destroyed"]) == (1, [])


def none_of(*conditions: object) -> dict[str, object]:
    return {"operator": "NOT", "conditions": conditions}


async def still_served(jmap: JmapClient, imap: ImapClient) -> None:
    imap.append("INBOX", message("letter new"))
    assert await totals(jmap) == {"Inbox": 2, "Work": 1, "Other": 1}
    assert await found(jmap) == {"letter INBOX", "letter Work", "letter Other", "letter new"}
    searched = await jmap.call("Email/query", filter={"text": "letter"}, calculateTotal=True)
    assert (searched["total"], searched["canCalculateChanges"]) == (3, False)
    # of what lies there it is not known whether it matches, so it does not match NOT either
    for unknown in ({"subject": "nowhere"}, {"hasAttachment": True}):
        searched = await jmap.call("Email/query", filter=none_of(unknown, {"hasKeyword": "$flagged"}))
        assert (len(searched["ids"]), searched["canCalculateChanges"]) == (3, False)
    everything = (await jmap.call("Email/query"))["ids"]
    by_subject = await jmap.call("Email/query", sort=[{"property": "subject"}])
    assert (sorted(by_subject["ids"]), by_subject["canCalculateChanges"]) == (sorted(everything), False)
    headers = await jmap.call("Email/get", ids=everything, properties=["header:Message-ID", "keywords"])
    assert (len(headers["list"]), headers["notFound"]) == (3, [])
    snippets = (await jmap.call("SearchSnippet/get", filter={"subject": "letter"}, emailIds=everything))["list"]
    assert [one["subject"] for one in snippets].count(None) == 1
    looked = await jmap.call("Email/query", filter={"hasAttachment": False}, calculateTotal=True)
    assert (looked["total"], looked["canCalculateChanges"]) == (3, False)
    assert await totals(jmap) == {"Inbox": 2, "Work": 1, "Other": 1}


async def test_the_inbox_may_be_the_one(server: Dovecot | Cyrus, keys: dict[str, str], user: User) -> None:
    async with running_gateway(server, **keys) as url, jmap_client(url, *user) as jmap:
        assert await totals(jmap) == {"Inbox": 1, "Work": 1, "Other": 1}
        with imap_client(server, user) as imap, broken(server, user, "INBOX"):
            imap.append("Work", message("letter new"))
            assert await totals(jmap) == {"Inbox": 1, "Work": 2, "Other": 1}
            others = await found(jmap, filter={"subject": "letter"})
            # the inbox was read ahead: a session that has it open may go on to show it
            assert others - {"letter INBOX"} == {"letter Work", "letter Other", "letter new"}
        assert await found(jmap, filter={"subject": "INBOX"}) == {"letter INBOX"}


async def test_an_account_that_is_seen_for_the_first_time(
    server: Dovecot | Cyrus, keys: dict[str, str], user: User
) -> None:
    async with running_gateway(server, **keys) as url:
        with broken(server, user, "Work"):
            async with jmap_client(url, *user) as jmap:
                assert await found(jmap) == {"letter INBOX", "letter Other"}
                assert await totals(jmap) == {"Inbox": 1, "Work": 0, "Other": 1}
        async with jmap_client(url, *user) as jmap:
            assert await totals(jmap) == {"Inbox": 1, "Work": 1, "Other": 1}
            assert await found(jmap) == {"letter INBOX", "letter Work", "letter Other"}
