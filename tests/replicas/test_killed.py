"""A gateway that is killed while it writes (trust model, row 86): what it answered is done, what it did not is whole or
not there, and the other gateway goes on with the same account."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Iterator

import aiohttp
import pytest

from tests.bench.processes import Gateway, gateway_process
from tests.client import JmapClient, jmap_client
from tests.objects.mail.messages import message
from tests.servers.dovecot import Dovecot
from tests.servers.imap_client import imap_client
from tests.servers.redis import Redis
from tests.servers.users import User

COUNT = 12


@pytest.fixture
def processes(dovecot: Dovecot, shared_redis: Redis) -> Iterator[tuple[Gateway, Gateway]]:
    keys = {"store__kind": "redis", "store__url": shared_redis.url}
    with gateway_process(dovecot, **keys) as one, gateway_process(dovecot, **keys) as other:
        yield one, other


def url(gateway: Gateway) -> str:
    return gateway.session_url.removesuffix("/jmap/session")


async def write(jmap: JmapClient, inbox: str, blob: str, ids: list[str], answered: dict[str, set[str]]) -> None:
    """Import and flag until there is no answer."""
    for number in range(1_000):
        word = f"kw{number}"
        made = await jmap.call(
            "Email/import", emails={"a": {"blobId": blob, "mailboxIds": {inbox: True}, "keywords": {word: True}}}
        )
        assert made["created"], made
        answered["imported"].add(word)
        email_id = ids[number % len(ids)]
        done = await jmap.call("Email/set", update={email_id: {f"keywords/{word}": True}})
        assert done["notUpdated"] is None
        answered["flagged"].add(f"{email_id} {word}")


@pytest.mark.parametrize("after", [0.05, 0.2, 0.6])
async def test_killed_while_writing(
    processes: tuple[Gateway, Gateway], dovecot: Dovecot, user: User, after: float
) -> None:
    with imap_client(dovecot, user) as imap:
        for number in range(COUNT):
            imap.append("INBOX", message(f"number {number}"))
    answered: dict[str, set[str]] = {"imported": set(), "flagged": set()}
    async with jmap_client(url(processes[0]), *user) as one, jmap_client(url(processes[1]), *user) as other:
        ids = sorted((await one.call("Email/query"))["ids"])
        assert ids == sorted((await other.call("Email/query"))["ids"])
        inbox = (await one.mailbox_ids())["Inbox"]
        blob = (await one.upload(message("imported"), "message/rfc822"))["blobId"]
        state = (await other.call("Email/get", ids=[]))["state"]
        writing = asyncio.create_task(write(one, inbox, blob, ids, answered))
        await asyncio.sleep(after)
        os.kill(processes[0].server.pid, signal.SIGKILL)
        with contextlib.suppress(aiohttp.ClientError):
            await writing
        found = (await other.call("Email/query"))["ids"]
        emails = {email["id"]: email for email in (await other.call("Email/get", ids=found))["list"]}
        imported = {word for key, email in emails.items() if key not in ids for word in email["keywords"]}
        flagged = {f"{key} {word}" for key in ids for word in emails[key]["keywords"]}
        # one more may have been done than was answered, and it is whole
        assert answered["imported"] <= imported
        assert len(imported) <= len(answered["imported"]) + 1
        assert answered["flagged"] <= flagged
        assert len(flagged) <= len(answered["flagged"]) + 1
        changes = await other.call("Email/changes", sinceState=state)
        assert set(changes["created"]) == emails.keys() - set(ids)
        assert changes["destroyed"] == []
        # and the other writes on
        done = await other.call("Email/set", update={ids[0]: {"keywords/after": True}})
        assert done["notUpdated"] is None
