"""Gateways that die while messages wait or leave: each is sent, and sent once. Rows are those of the threat model."""

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway import postman
from gateway.objects.submission import delayed, intents
from gateway.objects.submission.delayed import keep, release, renew
from gateway.store.sqlite import SqliteStore
from gateway.sync.held import Entry, HeldMessages, Hold
from gateway.sync.outbox import HELD, INTENT, SUBMISSION, Outbox
from tests.client import jmap_client
from tests.gateway import running_gateway
from tests.objects.submission.conftest import submission_keys
from tests.objects.submission.sending import call, eventually, inbox
from tests.objects.submission.test_delayed import KEY, hold, of, status, subjects
from tests.objects.submission.test_faults import ORDER, Port, box_over
from tests.servers.postfix import Postfix
from tests.servers.users import User

ACCOUNT = "account"


def holding(path: Path, port: Port) -> tuple[Outbox, Hold]:
    messages = HeldMessages(SqliteStore(path))
    waiting = Hold(3600, messages, lambda: {"username": "alice"})
    return replace(box_over(path, port), hold=waiting), waiting


def willing() -> Port:
    port = Port()
    port.go.set()
    return port


async def entries(waiting: Hold) -> list[Entry]:
    return await waiting.messages.entries(float("inf"), 100)


async def test_what_is_listed_before_it_is_held_is_not_lost(tmp_path: Path) -> None:
    """A look between the two writes of `keep`, which lie in two partitions."""
    port = willing()
    box, waiting = holding(tmp_path / "store", port)
    record = await keep(box, ACCOUNT, waiting, ORDER, time.time())
    (entry,) = await entries(waiting)
    early = replace(entry, id="s" + "2" * 26)
    again = await release(box, waiting.messages, early)
    assert again is not None
    assert again.checked
    assert again.due > time.time() + delayed.BUSY_SECONDS - 5
    assert await release(box, waiting.messages, again) is None  # and then it is over
    assert port.taken == 0
    assert await release(box, waiting.messages, entry) is None
    assert port.taken == 1
    (sent,) = (await box.ledger.read(SUBMISSION)).values()
    assert (sent["id"], sent["undoStatus"]) == (record["id"], "final")


async def test_a_keeper_that_dies_before_the_message_leaves_is_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row 76: what is held and turned into an intent is neither lost nor told as sent; of two keepers one sends."""
    first, second = Port(early=True), willing()
    dying, waiting = holding(tmp_path / "store", first)
    after, _ = holding(tmp_path / "store", second)
    record = await keep(dying, ACCOUNT, waiting, ORDER, time.time())
    (entry,) = await entries(waiting)
    task = asyncio.create_task(release(dying, waiting.messages, entry))
    await first.asked.wait()
    again = await release(after, waiting.messages, entry)
    assert again is not None  # it stays on the list while another may be at it
    assert not again.checked
    assert second.taken == 0
    monkeypatch.setattr(intents, "ABANDONED_SECONDS", 0.0)
    assert await release(after, waiting.messages, again) is None
    assert second.taken == 1
    first.go.set()  # should the first have lived after all
    await task
    assert first.taken == 0
    (sent,) = (await after.ledger.read(SUBMISSION)).values()
    assert (sent["id"], sent["undoStatus"]) == (record["id"], "final")
    assert sent["deliveryStatus"]["c@d"]["smtpReply"] == "250 2.0.0 ok"
    assert not await after.ledger.read(INTENT)
    assert not await after.ledger.read(HELD)


async def test_a_keeper_that_dies_after_it_is_not_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Row 74: told as unknown, without the owner asking."""
    first, second = Port(), willing()
    dying, waiting = holding(tmp_path / "store", first)
    after, _ = holding(tmp_path / "store", second)
    await keep(dying, ACCOUNT, waiting, ORDER, time.time())
    (entry,) = await entries(waiting)
    task = asyncio.create_task(release(dying, waiting.messages, entry))
    await first.asked.wait()
    monkeypatch.setattr(intents, "ABANDONED_SECONDS", 0.0)
    await release(after, waiting.messages, entry)
    (told,) = (await after.ledger.read(SUBMISSION)).values()
    assert told["undoStatus"] == "final"
    assert told["deliveryStatus"]["c@d"]["delivered"] == "unknown"
    assert (first.taken, second.taken) == (1, 0)
    first.go.set()
    await task


async def test_only_what_is_overdue_is_entered_anew(tmp_path: Path) -> None:
    box, waiting = holding(tmp_path / "store", willing())
    await keep(box, ACCOUNT, waiting, ORDER, time.time() + 100)
    await renew(box, ACCOUNT)
    assert len(await entries(waiting)) == 1


async def test_credentials_that_cannot_be_opened_are_renewed_by_a_login(
    postfix: Postfix, tmp_path: Path, alice_user: User, bob_user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The operator has changed the key, or the owner the password: the next login sends what is overdue."""
    monkeypatch.setattr(delayed, "BUSY_SECONDS", 0.2)
    store = {"store__kind": "sqlite", "store__path": str(tmp_path / "store")}
    keys = submission_keys(postfix.submission) | store
    async with running_gateway(postfix.dovecot, **keys, **KEY) as url, jmap_client(url, *alice_user) as alice:
        made = (await hold(alice, of(alice_user), of(bob_user), "1"))["created"]["s"]
    other = {"auth__credentials_key": "o" * 32}
    monkeypatch.setattr(postman, "LOOK_SECONDS", 0.2)
    async with running_gateway(postfix.dovecot, **keys, **other) as url, jmap_client(url, *bob_user) as bob:
        await asyncio.sleep(1.5)
        assert await subjects(bob) == []
        async with jmap_client(url, *alice_user) as alice:
            assert len(await eventually(lambda: subjects(bob))) == 1

            async def gone() -> bool:
                return await status(alice, made["id"]) == "final"

            await eventually(gone)


@asynccontextmanager
async def process(**keys: str) -> AsyncIterator[tuple[str, asyncio.subprocess.Process]]:
    """`gateway serve` as a process of its own: its URL, and what can be killed."""
    here = {name: value for name, value in os.environ.items() if not name.startswith("JMAPGW__")}
    wanted = {"server__listen": "127.0.0.1:0"} | keys
    environment = here | {f"JMAPGW__{name.upper()}": value for name, value in wanted.items()}
    served = await asyncio.create_subprocess_exec(sys.executable, "-m", "gateway", "serve", env=environment, stdout=-1)
    assert served.stdout is not None
    try:
        said: dict[str, Any] = {"message": ""}
        while not said["message"].startswith("listening on "):
            said = json.loads(await served.stdout.readline())
        yield "http://" + said["message"].removeprefix("listening on "), served
    finally:
        with contextlib.suppress(ProcessLookupError):
            served.kill()
        await served.wait()


async def test_kill_9_forgets_nothing_that_waits(
    postfix: Postfix, tmp_path: Path, alice_user: User, bob_user: User
) -> None:
    """Row 86: what was answered is there; it is sent once by the process that follows, and nobody has to log in."""
    keys = submission_keys(postfix.submission) | KEY | {"store__path": str(tmp_path / "store")}
    imap = {"host": postfix.dovecot.host, "port": str(postfix.dovecot.imap), "tls": "none"}
    keys |= {f"backends__default__imap__{name}": value for name, value in imap.items()}
    async with process(**keys) as (url, served), jmap_client(url, *alice_user) as alice:
        ids = []
        for number in range(5):
            made = await hold(alice, of(alice_user), of(bob_user), "2", Subject=f"{number}")
            ids.append(made["created"]["s"]["id"])
        served.send_signal(signal.SIGKILL)
        await served.wait()
    async with process(**keys) as (url, _), jmap_client(url, *bob_user) as bob:

        async def arrived() -> bool:
            return len(await inbox(bob, "subject")) >= 5

        await eventually(arrived)
        async with jmap_client(url, *alice_user) as alice:
            for one in ids:
                assert await status(alice, one) == "final"
            state = (await call(alice, "EmailSubmission/query", filter={"undoStatus": "final"}))["ids"]
            assert sorted(state) == sorted(ids)
        assert await subjects(bob) == [f"{number}" for number in range(5)]
