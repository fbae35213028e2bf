"""A gateway that is killed while it sends: the message is sent once, and what was to become of the Email is done once
(trust model, rows 74, 76 and 77; RFC 8621 §7.5)."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import aiohttp
import pytest

from gateway.store.redis import RedisStore
from gateway.sync.held import HeldMessages
from gateway.sync.ledger import Edit, Ledger
from gateway.sync.outbox import FOLLOW_UP, INTENT, SUBMISSION
from tests.adapters.smtp.server import ScriptedSmtp, scripted_smtp
from tests.bench.processes import Gateway, gateway_process
from tests.client import JmapClient, jmap_client
from tests.faults.conftest import Behind
from tests.faults.proxy import After, FaultProxy, Rule, Stall
from tests.objects.submission.conftest import submission_keys
from tests.objects.submission.sending import call, draft, eventually, identity, mailbox, send
from tests.servers.dovecot import Dovecot
from tests.servers.imap_client import imap_client
from tests.servers.redis import Redis
from tests.servers.users import User
from tests.waiting import until

TYPES = (INTENT, FOLLOW_UP, SUBMISSION)
BOB = "bob@example.net"

BEFORE = "the server has heard of it, and has not got it"
TAKEN = "the server has it, its answer is lost"
ANSWERED = "the server has answered"
MARKED = "the Email is marked, and not moved yet"


@dataclass(frozen=True)
class Scene:
    """What the gateways stand between. smtp: what the submission server was given."""

    script: ScriptedSmtp
    smtp: FaultProxy
    imap: FaultProxy
    keys: dict[str, str]
    dovecot: Dovecot
    user: User

    @asynccontextmanager
    async def gateway(self) -> AsyncIterator[Gateway]:
        """A gateway that begins and ends while the loop runs, as it is this loop that it takes leave of."""
        process = gateway_process(Behind(self.dovecot, self.imap), **self.keys)
        gateway = await asyncio.to_thread(process.__enter__)
        try:
            yield gateway
        finally:
            await asyncio.to_thread(process.__exit__, None, None, None)

    def stop_at(self, point: str) -> None:
        """Have the gateway wait at that point for what never comes."""
        if point in {BEFORE, TAKEN}:
            reply = rb"250 2.1.0 ok\r\n" if point == BEFORE else rb"354 go on\r\n"
            self.smtp.add(Rule("server", After.match(reply), Stall()))
        else:
            command = rb"UID STORE" if point == ANSWERED else rb"UID MOVE"
            self.imap.add(Rule("client", After.match(command), Stall()))

    async def arrived(self, point: str) -> None:
        """When it is there."""
        command = {ANSWERED: rb"UID STORE", MARKED: rb"UID MOVE"}.get(point)
        if point == BEFORE:
            await until(lambda: any(one.startswith("RCPT") for one in self.script.commands))
        else:
            await until(lambda: len(self.script.data) == 1 and (command is None or self.imap.count(command) > 0))

    def filed(self) -> dict[str, list[set[str]]]:
        """The flags of what lies in Drafts and in Sent."""
        with imap_client(self.dovecot, self.user) as imap:
            return {name: [imap.flags(name, uid) for uid in imap.uids(name)] for name in ("Drafts", "Sent")}

    async def settled(self, account: str) -> bool:
        """Whether nothing of the account is under way."""
        store = RedisStore(self.keys["store__url"])
        found = await Ledger(store, account, ()).read(INTENT)
        await store.close()
        return not found

    async def time_passes(self, account: str, seconds: float) -> None:
        """As far as the store can tell."""
        store = RedisStore(self.keys["store__url"])
        messages = HeldMessages(store)
        for entry in await messages.entries(float("inf"), 100):
            await messages.enter(replace(entry, due=entry.due - seconds))
            await messages.strike(entry)

        def edit(before: Any) -> Edit:
            made = Edit()
            for name in TYPES:
                for record in before[name].values():
                    made.write(name, {**record, "at": record["at"] - seconds})
            return made

        await Ledger(store, account, ()).commit(edit, TYPES)
        await store.close()


@pytest.fixture
async def scene(dovecot: Dovecot, user: User, shared_redis: Redis) -> AsyncIterator[Scene]:
    async with (
        scripted_smtp() as script,
        FaultProxy("127.0.0.1", script.port) as smtp,
        FaultProxy(dovecot.host, dovecot.imap) as imap,
    ):
        keys = submission_keys(smtp.port) | {"auth__credentials_key": "k" * 32}
        keys |= {"store__kind": "redis", "store__url": shared_redis.url}
        yield Scene(script, smtp, imap, keys, dovecot, user)


@asynccontextmanager
async def client_of(gateway: Gateway, user: User) -> AsyncIterator[JmapClient]:
    async with jmap_client(gateway.session_url.removesuffix("/jmap/session"), *user) as client:
        yield client


async def filing(client: JmapClient) -> dict[str, Any]:
    """From Drafts to Sent."""
    drafts, sent = await mailbox(client, "drafts"), await mailbox(client, "sent")
    return {"keywords/$draft": None, f"mailboxIds/{drafts}": None, f"mailboxIds/{sent}": True}


async def killed_at(scene: Scene, point: str, **after: Any) -> tuple[str, str]:
    """A gateway that is killed at that point: the account, and the Email that it was sending."""
    async with scene.gateway() as gateway, client_of(gateway, scene.user) as client:
        email_id = await draft(client, (await identity(client))["email"], BOB)
        wanted = after or {"onSuccessUpdateEmail": {"#s": await filing(client)}}
        await killed_while(scene, gateway, point, send(client, email_id, **wanted))
        return client.account, email_id


async def killed_while(scene: Scene, gateway: Gateway, point: str, call_: Coroutine[Any, Any, Any]) -> None:
    """Kill the gateway when a call has come to that point."""
    scene.stop_at(point)
    sending = asyncio.create_task(call_)
    await scene.arrived(point)
    await kill(gateway, sending)


async def killed_when(is_there: Callable[[], bool], gateway: Gateway, call_: Coroutine[Any, Any, Any]) -> None:
    """Kill the gateway when a call has come so far."""
    sending = asyncio.create_task(call_)
    await until(is_there)
    await kill(gateway, sending)


async def kill(gateway: Gateway, sending: "asyncio.Task[Any]") -> None:
    """Kill the gateway while it answers a call."""
    os.kill(gateway.server.pid, signal.SIGKILL)
    with contextlib.suppress(aiohttp.ClientError):
        await sending


@pytest.mark.parametrize("point", [TAKEN, ANSWERED, MARKED])
async def test_a_restart_files_what_was_sent(scene: Scene, point: str) -> None:
    """Nobody has to log in for it; and who asks for the same again gets the same."""
    account, email_id = await killed_at(scene, point)
    assert len(scene.filed()["Drafts"]) == 1
    await scene.time_passes(account, 600)
    async with scene.gateway() as gateway:

        async def filed() -> bool:
            return len(scene.filed()["Sent"]) == 1

        await eventually(filed)
        assert scene.filed() == {"Drafts": [], "Sent": [{"\\Seen"}]}
        async with client_of(gateway, scene.user) as client:
            (record,) = (await call(client, "EmailSubmission/get", ids=None))["list"]
            assert (record["emailId"], record["undoStatus"]) == (email_id, "final")
            reply = record["deliveryStatus"][BOB]["smtpReply"]
            assert reply.startswith("451 4.4.2" if point == TAKEN else "250")
            # nobody was told of it, so whoever asks for the same, ten minutes later, means this one
            again = await send(client, email_id, onSuccessUpdateEmail={"#s": await filing(client)})
            assert again["created"]["s"]["id"] == record["id"]
    assert len(scene.script.data) == 1
    assert scene.filed() == {"Drafts": [], "Sent": [{"\\Seen"}]}


@pytest.mark.parametrize("point", [TAKEN, MARKED])
async def test_a_retry_at_another_gateway_sends_nothing(scene: Scene, point: str) -> None:
    """Row 77: at once, while nobody can know yet whether the first one lives."""
    async with scene.gateway() as other:
        account, email_id = await killed_at(scene, point)
        async with client_of(other, scene.user) as client:
            answer = await send(client, email_id, onSuccessUpdateEmail={"#s": await filing(client)})
            assert answer["created"]["s"]["undoStatus"] == "final"
            assert scene.filed() == {"Drafts": [], "Sent": [{"\\Seen"}]}
            # what others do afterwards stands: there is nothing left to follow
            await scene.time_passes(account, 600)
            archive = await client.call("Mailbox/set", create={"a": {"name": "Done"}})
            box = archive["created"]["a"]["id"]
            await client.call("Email/set", update={email_id: {"mailboxIds": {box: True}}})
            (record,) = (await call(client, "EmailSubmission/get", ids=None))["list"]
            assert record["id"] == answer["created"]["s"]["id"]
    assert len(scene.script.data) == 1
    assert scene.filed() == {"Drafts": [], "Sent": []}


async def test_another_gateway_destroys_what_was_to_be_destroyed(scene: Scene) -> None:
    """onSuccessDestroyEmail: done by the first that is asked for submissions, once the keeper must be gone."""
    async with scene.gateway() as other:
        account, email_id = await killed_at(scene, TAKEN, onSuccessDestroyEmail=["#s"])
        async with client_of(other, scene.user) as client:
            await call(client, "EmailSubmission/get", ids=None)
            assert (await client.call("Email/get", ids=[email_id], properties=["id"]))["list"]
            await scene.time_passes(account, 600)
            (record,) = (await call(client, "EmailSubmission/get", ids=None))["list"]
            assert record["emailId"] == email_id
            assert (await client.call("Email/get", ids=[email_id], properties=["id"]))["notFound"] == [email_id]
    assert len(scene.script.data) == 1
    assert scene.filed() == {"Drafts": [], "Sent": []}
