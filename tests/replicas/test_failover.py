"""Two gateways, a Redis Sentinel, and a master that is killed while they write (trust model, row 83)."""

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import pytest

from gateway import postman
from gateway.objects.submission import delayed, intents
from tests.adapters.smtp.server import ScriptedSmtp, scripted_smtp
from tests.bench.processes import gateway_process
from tests.client import JmapClient, jmap_client
from tests.gateway import running_gateway
from tests.objects.mail.messages import message
from tests.objects.submission.conftest import submission_keys
from tests.objects.submission.sending import draft, eventually, identity, send, sentences, to
from tests.replicas.test_replicas import caught_up, events, states, told, truth
from tests.servers.dovecot import Dovecot
from tests.servers.fixtures import require
from tests.servers.imap_client import imap_client
from tests.servers.redis import Guarded, redis_available, running_guarded
from tests.servers.users import User

COUNT = 12
BOB = "bob@example.net"


@pytest.fixture
def servers() -> Iterator[Guarded]:
    require("redis-server", redis_available())
    with running_guarded() as found:
        yield found


def on(servers: Guarded) -> dict[str, str]:
    """What a gateway is told of them."""
    return {
        "store__kind": "redis",
        "store__url": servers.url,
        "store__sentinels": servers.address,
        "store__sentinel_password": servers.sentinel_password,
        "store__replicas": "1",
    }


@asynccontextmanager
async def two(dovecot: Dovecot, user: User, keys: dict[str, str]) -> AsyncIterator[tuple[JmapClient, JmapClient]]:
    """A client of each of two gateways."""
    async with AsyncExitStack() as stack:
        made = []
        for _ in range(2):
            gateway = stack.enter_context(gateway_process(dovecot, **keys))
            url = gateway.session_url.removesuffix("/jmap/session")
            made.append(await stack.enter_async_context(jmap_client(url, *user)))
        yield made[0], made[1]


@dataclass
class Writer:
    """Flags Emails and sorts a Mailbox at one gateway, and notes what was answered.

    known: each Email state that was given out, with the keywords then. order: the last one that was answered.
    refused: whether the gateway ever said that something cannot be stored.
    """

    jmap: JmapClient
    box: str
    flags: dict[str, set[str]]
    known: dict[str, dict[str, frozenset[str]]] = field(default_factory=dict)
    order: int = 0
    refused: bool = False

    async def write(self, number: int) -> None:
        email_id = sorted(self.flags)[number % len(self.flags)]
        word = f"kw{number % 97}"  # set by one write and removed by a later one
        wanted = None if word in self.flags[email_id] else True
        done = await self.jmap.call("Email/set", update={email_id: {f"keywords/{word}": wanted}})
        assert done["notUpdated"] is None
        self.flags[email_id] ^= {word}
        if number < 15 or number % 10 == 0:
            self.known[done["newState"]] = {key: frozenset(words) for key, words in self.flags.items()}
        ((name, answer, _),) = await self.jmap.sentences(("Mailbox/set", {"update": {self.box: {"sortOrder": number}}}))
        if name == "error" or answer["notUpdated"] is not None:
            self.refused = True
        else:
            self.order = number


async def lies(jmap: JmapClient, known: dict[str, dict[str, frozenset[str]]], now: dict[str, frozenset[str]]) -> int:
    """How many of the states are still good; each of them leads to what is true now."""
    good = 0
    for state, then in known.items():
        ((name, answer, _),) = await jmap.sentences(("Email/changes", {"sinceState": state}))
        if name == "error":
            assert answer["type"] == "cannotCalculateChanges"
            continue
        good += 1
        assert {key for key in now if now[key] != then.get(key)} <= {*answer["updated"], *answer["created"]}
        assert answer["destroyed"] == []
    return good


async def test_the_master_is_killed_while_they_write(dovecot: Dovecot, user: User, servers: Guarded) -> None:
    with imap_client(dovecot, user) as imap:
        for number in range(COUNT):
            imap.append("INBOX", message(f"number {number}"))
    async with two(dovecot, user, on(servers)) as (one, other):
        before = await truth(one)
        assert await truth(other) == before
        streams = [events(one), events(other)]
        for stream in streams:
            assert await told(stream) is None
        writer = Writer(one, (await one.mailbox_ids())["Inbox"], {key: set() for key in before})
        for number in range(1, 10):
            await writer.write(number)
        settled = await states(one)
        servers.kill_master()
        number = 10
        while not writer.refused or writer.order < 10:  # until the replica has taken over
            await writer.write(number)
            number += 1
        after = await truth(one)
        assert after == await truth(other)
        assert after.keys() == before.keys()
        words = {key: frozenset(email["keywords"]) for key, email in after.items()}
        assert words == {key: frozenset(flags) for key, flags in writer.flags.items()}

        async def agreed() -> bool:  # the other one tries the store again a second after it failed
            return await states(one) == await states(other)

        assert await eventually(agreed)
        for jmap in (one, other):
            (box,) = (await jmap.call("Mailbox/get", ids=[writer.box], properties=["sortOrder"]))["list"]
            assert box["sortOrder"] == writer.order
            assert await lies(jmap, writer.known, words) > 0
            changes = await jmap.call("Email/changes", sinceState=settled["Email"])  # it had counted
            assert (changes["created"], changes["destroyed"]) == ([], [])
        with imap_client(dovecot, user) as imap:
            imap.append("INBOX", message("news"))
        first, second = [await caught_up(stream, jmap) for stream, jmap in zip(streams, (one, other), strict=True)]
        assert first == second
        assert len(await truth(other)) == COUNT + 1


@pytest.fixture
async def script() -> AsyncIterator[ScriptedSmtp]:
    async with scripted_smtp() as found:
        yield found


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for minutes."""
    for name in ("LOOK_SECONDS", "AWAY_SECONDS", "PAUSE_SECONDS"):
        monkeypatch.setattr(postman, name, 0.5)
    monkeypatch.setattr(delayed, "RETRY_SECONDS", (0.5,))
    monkeypatch.setattr(delayed, "BUSY_SECONDS", 0.5)
    monkeypatch.setattr(intents, "ABANDONED_SECONDS", 3.0)


@pytest.mark.usefixtures("quick")
async def test_what_waits_is_sent_once(dovecot: Dovecot, user: User, servers: Guarded, script: ScriptedSmtp) -> None:
    """The time of some comes while no Redis takes writes: rather late than twice."""
    keys = on(servers) | submission_keys(script.port) | {"auth__credentials_key": "k" * 32}
    async with (
        running_gateway(dovecot, **keys) as first,
        running_gateway(dovecot, **keys) as second,
        jmap_client(first, *user) as one,
        jmap_client(second, *user) as other,
    ):
        sender = (await identity(one))["email"]
        made = []
        for number in range(4):
            envelope = to(BOB, sender=sender)
            envelope["mailFrom"]["parameters"] = {"HOLDFOR": str(1 + number)}
            email_id = await draft(one, sender, BOB, Message_ID=f"<{number}@example.org>")
            made.append((await send(one, email_id, envelope))["created"]["s"]["id"])
        servers.kill_master()

        async def final() -> bool:
            answer = (await sentences(other, "EmailSubmission/get", ids=made))[0][1]
            return [one["undoStatus"] for one in answer.get("list", [])] == ["final"] * len(made)

        await eventually(final)
        ids = [re.search(rb"Message-ID: <(\d)@", data) for data in script.data]
        assert sorted(found[1] for found in ids if found) == [b"0", b"1", b"2", b"3"]
