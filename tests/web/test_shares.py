"""What others share with an owner: kept as long as somebody holds it (gateway/shares.py)."""

import asyncio

import pytest

from adapters.imap.backend import ImapMail
from adapters.imap.connection import Credentials, Endpoint
from adapters.imap.folders import Place
from adapters.imap.shared import Share
from gateway.shares import Shares
from gateway.store.sqlite import SqliteStore
from gateway.sync import ids

PORT = ImapMail(Endpoint("127.0.0.1", 1, tls="none"), Credentials("alice", "secret"))
BOB = Share(Place("bob", "shared/bob/", "/"), {"shared/bob/Team": frozenset("lr")})
NEWS = Share(Place(None, "Public/", "/"), {"Public/News": frozenset("lrs")})


def shares() -> Shares:
    return Shares("imap", "aalice", SqliteStore(), 60.0, b"gateway")


def test_names_and_rights() -> None:
    found = shares()
    found.learn([BOB, NEWS])
    bob, news = found.take(PORT)
    assert (bob.id, bob.name, bob.share.is_read_only) == (ids.account_id("imap", "bob"), "bob", True)
    assert (news.id, news.name, news.share.is_read_only) == (ids.shared_account_id("imap", "Public/"), "Public", False)
    assert len({bob.id, bob.view, bob.mail.id, news.view}) == 3


async def test_what_is_held_stays_the_same() -> None:
    found = shares()
    found.learn([BOB])
    first = found.take(PORT)
    found.learn(None)  # the server could not tell
    (again,) = found.take(PORT)
    assert again is first[0]
    found.learn([])
    assert found.take(PORT) == []
    await found.give_back(first)
    found.learn([BOB])
    assert found.take(PORT)[0] is again  # the second login holds it still
    for _ in range(2):
        await found.give_back([again])
    assert found.take(PORT)[0] is not again


async def test_accounts_are_watched_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """The connections are there for requests first."""
    found = shares()
    found.learn([BOB, NEWS])
    taken = found.take(PORT)
    at_work, most = 0, 0

    async def refresh() -> None:
        nonlocal at_work, most
        at_work += 1
        most = max(most, at_work)
        await asyncio.sleep(0)
        at_work -= 1

    for one in taken:
        monkeypatch.setattr(one.mail, "refresh", refresh)
    await asyncio.gather(*(one.refresh() for one in taken))
    assert most == 1
