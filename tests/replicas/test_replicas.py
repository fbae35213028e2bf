"""What clients see of two gateways that share a Redis: one server (trust model, row 88)."""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from typing import Any

import aiohttp

from tests.client import JmapClient
from tests.gateway import running_gateway
from tests.objects.mail.messages import message
from tests.replicas.conftest import Replica
from tests.servers.dovecot import Dovecot
from tests.servers.imap_client import imap_client
from tests.servers.redis import Redis
from tests.servers.users import User
from tests.waiting import until

Pair = tuple[Replica, Replica]


async def truth(jmap: JmapClient) -> dict[str, Any]:
    """All Emails by id."""
    ids = (await jmap.call("Email/query"))["ids"]
    properties = ["threadId", "mailboxIds", "keywords", "subject"]
    return {email["id"]: email for email in (await jmap.call("Email/get", ids=ids, properties=properties))["list"]}


async def states(jmap: JmapClient) -> dict[str, str]:
    return {name: (await jmap.call(f"{name}/get", ids=[]))["state"] for name in ("Mailbox", "Thread", "Email")}


async def test_both_show_the_same(replicas: Pair, dovecot: Dovecot, user: User) -> None:
    one, other = (replica.jmap for replica in replicas)
    with imap_client(dovecot, user) as imap:
        for number in range(5):
            imap.append("INBOX", message(f"number {number}"))
    assert one.account == other.account
    assert await truth(one) == await truth(other)
    assert await one.call("Mailbox/get", ids=None) == await other.call("Mailbox/get", ids=None)
    assert await states(one) == await states(other)


async def test_a_state_of_one_is_a_state_of_the_other(replicas: Pair, dovecot: Dovecot, user: User) -> None:
    """A client whose every request goes to either: what it knows by /changes alone is the truth at each moment."""
    choose = random.Random(1)  # noqa: S311 - a repeatable history
    with imap_client(dovecot, user) as imap:
        imap.create("Work")
        imap.append("INBOX", message("the first"))
    known = await truth(replicas[0].jmap)
    state = (await states(replicas[1].jmap))["Email"]
    boxes = await replicas[0].jmap.mailbox_ids()
    for step in range(40):
        jmap = choose.choice(replicas).jmap
        ids = sorted(known)
        match choose.randrange(4):
            case 0:
                with imap_client(dovecot, user) as imap:
                    imap.append("INBOX", message(f"step {step}"))
            case 1:
                await jmap.call("Email/set", update={choose.choice(ids): {"keywords/$flagged": bool(step % 2) or None}})
            case 2:
                target = boxes[choose.choice(["INBOX", "Work"])] if "INBOX" in boxes else boxes["Work"]
                await jmap.call("Email/set", update={choose.choice(ids): {"mailboxIds": {target: True}}})
            case 3 if len(ids) > 2:
                await jmap.call("Email/set", destroy=[choose.choice(ids)])
        jmap = choose.choice(replicas).jmap
        changes = await jmap.call("Email/changes", sinceState=state)
        state = changes["newState"]
        for gone in changes["destroyed"]:
            known.pop(gone, None)
        reader = choose.choice(replicas).jmap
        for email_id in [*changes["created"], *changes["updated"]]:
            known[email_id] = {}
        assert known.keys() == (await truth(reader)).keys(), step
        known = await truth(reader)


async def test_what_only_the_store_holds(replicas: Pair) -> None:
    """The sort order of Mailboxes moves nothing at the mail server; the other gateway knows it all the same."""
    one, other = (replica.jmap for replica in replicas)
    boxes = await one.mailbox_ids()
    before = (await states(other))["Mailbox"]
    name = next(iter(boxes))
    answer = await one.call("Mailbox/set", update={boxes[name]: {"sortOrder": 77}})
    assert answer["notUpdated"] is None
    found = await other.call("Mailbox/get", ids=[boxes[name]], properties=["sortOrder"])
    assert found["list"] == [{"id": boxes[name], "sortOrder": 77}]
    assert found["state"] == answer["newState"]
    assert (await other.call("Mailbox/changes", sinceState=before))["updated"] == [boxes[name]]
    assert (await other.call("Mailbox/changes", sinceState=answer["newState"]))["updated"] == []


async def events(jmap: JmapClient) -> AsyncIterator[Any]:
    """None when the stream is open, then the changes that are told."""
    url = jmap.event_source("Email")
    async with jmap.http.get(url) as response:
        while line := (await response.content.readline()).decode():
            if line.startswith("retry:"):
                yield None
            if line.startswith("data: "):
                yield json.loads(line.removeprefix("data: "))["changed"][jmap.account]


async def told(stream: AsyncIterator[Any]) -> Any:
    async with asyncio.timeout(20):
        return await anext(stream)


async def caught_up(stream: AsyncIterator[Any], jmap: JmapClient) -> Any:
    """What is told at last: the state that /get returns now."""
    changed = await told(stream)
    while changed["Email"] != (await states(jmap))["Email"]:
        changed = await told(stream)
    return changed


async def test_both_tell_what_happens_and_one_watches(replicas: Pair, dovecot: Dovecot, user: User) -> None:
    assert await states(replicas[0].jmap) == await states(replicas[1].jmap)
    streams = [events(replica.jmap) for replica in replicas]
    for stream in streams:
        assert await told(stream) is None
    with imap_client(dovecot, user) as imap:
        imap.append("INBOX", message("news"))
    first, second = [await caught_up(stream, replica.jmap) for stream, replica in zip(streams, replicas, strict=True)]
    assert first == second
    await until(lambda: sum(replica.imap.count(rb"^\S+ IDLE") for replica in replicas) == 1)
    # what is done through one of them is told by both at once
    ids = (await replicas[0].jmap.call("Email/query"))["ids"]
    await replicas[0].jmap.call("Email/set", update={ids[0]: {"keywords/$flagged": True}})
    first, second = [await caught_up(stream, replica.jmap) for stream, replica in zip(streams, replicas, strict=True)]
    assert first == second


async def test_redis_that_one_of_them_loses_for_a_while(replicas: Pair, dovecot: Dovecot, user: User) -> None:
    """Rows 80 and 88: the one that is cut off goes on, tells no lies, and tells afterwards what it missed."""
    await truth(replicas[1].jmap)
    stream = events(replicas[1].jmap)
    assert await told(stream) is None
    await replicas[1].redis.refuse()
    replicas[1].redis.cut_all()
    with imap_client(dovecot, user) as imap:
        imap.append("INBOX", message("while it was cut off"))
    assert len(await truth(replicas[1].jmap)) == len(await truth(replicas[0].jmap)) == 1
    await replicas[1].redis.accept()
    await caught_up(stream, replicas[1].jmap)
    assert await truth(replicas[0].jmap) == await truth(replicas[1].jmap)
    assert (await states(replicas[0].jmap))["Email"] == (await states(replicas[1].jmap))["Email"]


async def test_guesses_at_one_count_at_the_other(dovecot: Dovecot, user: User, shared_redis: Redis) -> None:
    keys = {"store__kind": "redis", "store__url": shared_redis.url, "auth__failures_per_user": "3"}
    async with (
        running_gateway(dovecot, **keys) as one,
        running_gateway(dovecot, **keys) as other,
        aiohttp.ClientSession() as http,
    ):

        async def log_in(url: str, password: str) -> int:
            headers = {"Authorization": aiohttp.encode_basic_auth(user.name, password)}
            async with http.get(f"{url}/jmap/session", headers=headers) as answer:
                return answer.status

        assert [await log_in(one, f"guess {number}") for number in range(3)] == [401] * 3
        async with asyncio.timeout(10):
            while await log_in(other, "another guess") != 429:  # noqa: ASYNC110 - nothing announces it
                await asyncio.sleep(0.01)
        assert await log_in(other, user.password) == 429
