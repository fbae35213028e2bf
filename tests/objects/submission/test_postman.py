"""What waits goes out beside everything else: few at once for one backend, one at once for one account, and not for
ever where nobody can log in."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapters.errors import AuthFailed
from gateway import postman
from gateway.config import Auth
from gateway.config_reader import Secret
from gateway.context import Account, Login
from gateway.objects.submission import delayed
from gateway.postman import Postman
from gateway.store.sqlite import SqliteStore
from gateway.sync.calendars.mail_alerts import MAIL_ALERTS
from gateway.sync.held import Entry, HeldMessages
from gateway.sync.ledger import Edit
from gateway.sync.outbox import FOLLOW_UP
from gateway.unattended import Unattended
from gateway.web.credentials import Credentials
from gateway.web.logins import Logins
from tests.client import jmap_client
from tests.gateway import running_gateway
from tests.objects.submission.conftest import submission_keys
from tests.objects.submission.sending import call, eventually
from tests.objects.submission.test_delayed import KEY, hold, of, status
from tests.objects.submission.test_faults import Port, box_over
from tests.servers.postfix import Postfix
from tests.servers.users import User
from tests.waiting import until


class Everybody(Logins):
    """Anybody may log in, and has the one account "account-<name>"; or all are refused."""

    def __init__(self, path: Path, *, refused: bool = False) -> None:
        self._path = path
        self._refused = refused

    @asynccontextmanager
    async def use(self, credentials: Credentials) -> AsyncIterator[Login]:
        if self._refused:
            raise AuthFailed("no")
        box = box_over(self._path, Port())
        key = f"account-{credentials.username}"
        account = Account(key, key, is_personal=True, is_read_only=False, capabilities={}, mail=None, outbox=box)
        yield Login(credentials.username, {key: account}, {})


class Sending:
    """Stands for what sends: messages of users at slow.example hang until they are let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun: list[str] = []
        self.done: list[str] = []
        self.go = asyncio.Event()
        monkeypatch.setattr(postman, "release", self.release)

    async def release(self, _box: Any, _messages: Any, entry: Entry) -> None:
        self.begun.append(entry.id)
        if entry.ticket["username"].endswith("@slow.example"):
            await self.go.wait()
        self.done.append(entry.id)


@pytest.fixture
async def sending(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Sending, HeldMessages]]:
    """A postman at work, and the list that it looks at."""
    store = SqliteStore(tmp_path / "store")
    unattended = Unattended(Auth(master_user="m", master_password=Secret("s")))
    found = Postman(store, unattended, lambda user: user.rpartition("@")[2], lasting=True)
    found.logins = Everybody(tmp_path / "store")
    monkeypatch.setattr(postman, "LOOK_SECONDS", 0.1)
    sending = Sending(monkeypatch)
    task = asyncio.create_task(found.run())
    yield sending, HeldMessages(store)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


def entry(user: str, number: int = 0) -> Entry:
    due = time.time() - 1000 + number
    return Entry(f"account-{user}", f"{user} {number}", due, {"username": user})


async def test_a_server_that_hangs_holds_up_nobody_else(sending: tuple[Sending, HeldMessages]) -> None:
    """However much waits for it, and however long before the others."""
    work, messages = sending
    for number in range(150):
        await messages.enter(entry(f"u{number}@slow.example"))
    await until(lambda: len(work.begun) == postman.AT_ONCE_PER_BACKEND)
    for number in range(3):
        await messages.enter(replace(entry(f"v{number}@quick.example"), due=time.time()))
    await until(lambda: len(work.done) == 3)
    assert all("quick" in one for one in work.done)
    assert len(work.begun) == postman.AT_ONCE_PER_BACKEND + 3
    work.go.set()
    await until(lambda: len(work.done) == 153)
    assert len(set(work.begun)) == len(work.begun) == 153

    async def empty() -> bool:
        return not await messages.entries(float("inf"), 10)

    await eventually(empty)


async def test_of_one_account_one_after_the_other(sending: tuple[Sending, HeldMessages]) -> None:
    work, messages = sending
    for number in range(5):
        await messages.enter(entry("u@slow.example", number))
    await messages.enter(entry("v@quick.example"))
    await until(lambda: work.done == ["v@quick.example 0"])
    assert work.begun.count("u@slow.example 0") == 1
    assert len(work.begun) == 2
    work.go.set()
    await until(lambda: len(work.done) == 6)
    assert work.done[1:] == [f"u@slow.example {number}" for number in range(5)]


REFUSED = {"auth__master_user": "gateway", "auth__master_password": "not this one"}
UNREADABLE = {"auth__credentials_key": "o" * 32}


@pytest.mark.parametrize("keys", [REFUSED, UNREADABLE], ids=["the login is refused", "the credentials are unreadable"])
async def test_what_nobody_can_log_in_for_is_given_up(
    postfix: Postfix,
    tmp_path: Path,
    alice_user: User,
    bob_user: User,
    monkeypatch: pytest.MonkeyPatch,
    keys: dict[str, str],
) -> None:
    """RFC 5321 §4.5.4.1, RFC 8621 §7: after some days it is told as not delivered."""
    monkeypatch.setattr(delayed, "BUSY_SECONDS", 1e6)  # a login does not renew it
    for name in ("LOOK_SECONDS", "PAUSE_SECONDS", "REFUSED_SECONDS"):
        monkeypatch.setattr(postman, name, 0.2)
    store = {"store__kind": "sqlite", "store__path": str(tmp_path / "store")}
    wanted = submission_keys(postfix.submission) | store
    async with running_gateway(postfix.dovecot, **wanted, **KEY) as url, jmap_client(url, *alice_user) as alice:
        made = (await hold(alice, of(alice_user), of(bob_user), "1"))["created"]["s"]
        state = (await call(alice, "EmailSubmission/get", ids=[]))["state"]
    async with running_gateway(postfix.dovecot, **wanted, **keys) as url, jmap_client(url, *alice_user) as alice:
        await asyncio.sleep(1.5)
        assert await status(alice, made["id"]) == "pending"  # it is tried for days
        monkeypatch.setattr(delayed, "GIVE_UP_SECONDS", 0.0)

        async def given_up() -> bool:
            return await status(alice, made["id"]) == "final"

        await eventually(given_up)
        assert (await call(alice, "EmailSubmission/changes", sinceState=state))["updated"] == [made["id"]]
        (record,) = (await call(alice, "EmailSubmission/get", ids=[made["id"]]))["list"]
        (one,) = record["deliveryStatus"].values()
        assert one["delivered"] == "no"
        assert one["smtpReply"].startswith("550 5.4.7 ")
        messages = HeldMessages(SqliteStore(tmp_path / "store"))

        async def struck() -> bool:
            return not await messages.entries(float("inf"), 10)

        await eventually(struck)


@pytest.mark.parametrize(("age", "left"), [(10.0, 1), (delayed.GIVE_UP_SECONDS + 10, 0)])
async def test_who_cannot_log_in_is_not_followed_for_ever(tmp_path: Path, age: float, left: int) -> None:
    """What is to follow rests then until its owner comes back; nobody asks for it in vain any more."""
    store = SqliteStore(tmp_path / "store")
    messages = HeldMessages(store)
    found = Postman(store, Unattended(Auth(master_user="m", master_password=Secret("s"))), lambda _: "b", lasting=True)
    found.logins = Everybody(tmp_path / "store", refused=True)
    record = {"id": "s", "emailId": "m", "update": None, "destroy": True, "at": 0.0, "first": 0.0}
    ledger = box_over(tmp_path / "store", Port()).ledger
    await ledger.commit(lambda _: Edit(put={FOLLOW_UP: {"s": record}}), [])
    waiting = Entry("account", "account", time.time() - 1, {"username": "u"}, follows=time.time() - age)
    await messages.enter(waiting)
    await found._deliver(waiting)
    entries = await messages.entries(float("inf"), 10)
    assert len(entries) == left
    assert all(one.due > time.time() + postman.REFUSED_SECONDS - 100 for one in entries)
    assert await ledger.read(FOLLOW_UP)


@pytest.mark.parametrize(("age", "left"), [(10.0, 1), (delayed.GIVE_UP_SECONDS + 10, 0)])
async def test_who_cannot_log_in_is_not_reminded_for_ever(tmp_path: Path, age: float, left: int) -> None:
    """However often his other logins entered him meanwhile; the next one that is right does so again."""
    store, now = SqliteStore(tmp_path / "store"), time.time()
    messages = HeldMessages(store)
    found = Postman(store, Unattended(Auth(master_user="m", master_password=Secret("s"))), lambda _: "b", lasting=True)
    found.logins = Everybody(tmp_path / "store", refused=True)
    record = {"id": MAIL_ALERTS, "upto": 0.0, "due": now - 100, "told": [], "ticket": {"username": "u"}}
    ledger = box_over(tmp_path / "store", Port()).ledger
    await ledger.commit(lambda _: Edit(put={MAIL_ALERTS: {MAIL_ALERTS: record}}), [])
    waiting = [Entry("account", "alerts", now - late, {"username": "u"}, alerts=now - age) for late in (1.0, 2.0, 3.0)]
    for one in waiting:
        await messages.enter(one)
    for one in waiting:
        await found._deliver(one)
    entries = await messages.entries(float("inf"), 10)
    assert len({one.due for one in entries}) == len(entries)
    assert left <= len(entries) <= 2 * left  # two where the time is just now that of the next try
    assert all(one.due > now + postman.REFUSED_SECONDS - 100 for one in entries)
    assert (await ledger.read(MAIL_ALERTS))[MAIL_ALERTS] == record


async def test_it_ends_although_the_store_loses_the_cancellation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As asyncio.wait_for may, before Python 3.12."""
    looked = asyncio.Event()

    async def entries(*_: Any) -> list[Entry]:
        if not looked.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                looked.set()
                await asyncio.Event().wait()
        return []

    unattended = Unattended(Auth(master_user="m", master_password=Secret("s")))
    found = Postman(SqliteStore(tmp_path / "store"), unattended, lambda _: "b", lasting=True)
    monkeypatch.setattr(HeldMessages, "entries", entries)
    running = asyncio.create_task(found.run())
    await looked.wait()
    running.cancel()
    await asyncio.wait([running], timeout=10)
    assert running.cancelled()
