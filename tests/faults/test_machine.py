"""A machine that gives no more: file descriptors (trust model, row 91), room on the disk (row 90); and what a whole
gateway writes into its log (row 38)."""

import asyncio
import base64
import io
import resource
import socket
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.bench.processes import Gateway, gateway_process
from tests.client import JmapClient, jmap_client
from tests.objects.mail.messages import message
from tests.servers.dovecot import Dovecot
from tests.servers.imap_client import imap_client
from tests.servers.users import User, fresh_user


@pytest.fixture
def process(dovecot: Dovecot) -> Iterator[Gateway]:
    with gateway_process(dovecot, log__level="debug") as found:
        yield found


def url(process: Gateway) -> str:
    return process.session_url.removesuffix("/jmap/session")


@pytest.fixture
def user(dovecot: Dovecot) -> User:
    return fresh_user(dovecot)


@pytest.fixture
async def jmap(process: Gateway, user: User) -> AsyncIterator[JmapClient]:
    async with jmap_client(url(process), *user) as client:
        yield client


def largest_file(process: Gateway) -> int:
    return max(path.stat().st_size for path in process.server.directory.iterdir())


def log_of(process: Gateway) -> str:
    return process.server.output.read_text()


async def test_without_descriptors_connections_wait(process: Gateway, user: User, jmap: JmapClient) -> None:
    await jmap.call("Email/query")
    used = process.descriptors()
    limits = resource.prlimit(process.server.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(process.server.pid, resource.RLIMIT_NOFILE, (used + 20, limits[1]))
    crowd = [socket.create_connection(("127.0.0.1", process.port)) for _ in range(100)]
    try:
        async with asyncio.timeout(20):
            while process.descriptors() < used + 20:  # noqa: ASYNC110 - nothing tells
                await asyncio.sleep(0.01)
        await jmap.call("Email/query")  # who is there already is served
    finally:
        for each in crowd:
            each.close()
    async with jmap_client(url(process), *user) as another:
        await another.call("Email/query")
    said = log_of(process)
    assert 1 <= said.count("out of system resource") < 100  # once for each attempt, and those are a second apart
    assert '"status":500' not in said


async def test_nothing_that_is_private_gets_into_the_log(
    process: Gateway, dovecot: Dovecot, user: User, jmap: JmapClient
) -> None:
    private = ["sujet-prive", "corps-prive", "mot-cherche", "boite-privee", "nom-prive", "fichier-prive"]
    with imap_client(dovecot, user) as imap:
        imap.append("INBOX", message(private[0], body=private[1], sender=f"{private[4]}@example.org"))
    ids = (await jmap.call("Email/query", filter={"text": private[0]}))["ids"]
    await jmap.call("Email/query", filter={"body": private[2]})
    await jmap.call("Email/get", ids=ids, fetchAllBodyValues=True)
    await jmap.call("Mailbox/set", create={"k": {"name": private[3]}})
    blob = await jmap.upload(message(private[0]))
    await jmap.call("Email/import", emails={"k": {"blobId": blob["blobId"], "mailboxIds": await inbox(jmap)}})
    draft = {"mailboxIds": await inbox(jmap), "subject": private[0], "to": [{"email": f"{private[4]}@example.org"}]}
    await jmap.call("Email/set", create={"k": draft})
    async with jmap.http.get(jmap.download_url(blob["blobId"], name=private[5])) as answer:
        assert answer.status == 200
    async with jmap.http.get(jmap.event_source("*", closeafter="state")) as answer:
        assert answer.status == 200
    for headers in ({"Authorization": "Basic !!"}, {"Authorization": "Bearer jeton-prive"}):
        async with jmap.http.get(process.session_url, headers=headers) as answer:
            assert answer.status in (400, 401)
    text = log_of(process)
    assert text.count('"message":"request"') >= 10
    login = base64.b64encode(f"{user.name}:{user.password}".encode()).decode()
    for word in (*private, "jeton-prive", login, user.password, base64.b64encode(user.password.encode()).decode()):
        assert word not in text, [line for line in text.splitlines() if word in line]


async def inbox(jmap: JmapClient) -> dict[str, bool]:
    return {(await jmap.mailbox_ids())["Inbox"]: True}


async def test_a_full_disk_costs_only_what_must_be_stored(process: Gateway, jmap: JmapClient) -> None:
    await jmap.call("Email/query")
    limits = resource.prlimit(process.server.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(process.server.pid, resource.RLIMIT_FSIZE, (largest_file(process), limits[1]))
    upload = jmap.session["uploadUrl"].replace("{accountId}", jmap.account)
    async with jmap.http.post(upload, data=io.BytesIO(bytes(2_000_000))) as answer:
        assert answer.status in (503, 507), await answer.text()
    await jmap.call("Mailbox/get", ids=None)
    resource.prlimit(process.server.pid, resource.RLIMIT_FSIZE, limits)
    assert (await jmap.upload(io.BytesIO(bytes(2_000_000))))["size"] == 2_000_000
    assert "Traceback" not in log_of(process)
