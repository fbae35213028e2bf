"""The connection against a real Dovecot: pipelining, streams both ways, QRESYNC, IDLE, NOTIFY, limits."""

import asyncio
import resource
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from adapters.errors import AuthFailed, NotFound
from adapters.imap import encoder as e
from adapters.imap import utf7
from adapters.imap.connection import Connection, Credentials, Endpoint
from adapters.imap.framer import split_responses
from adapters.imap.pool import Pool, PoolSettings
from adapters.imap.responses import Untagged, fetch_items, parse_response
from tests.servers.dovecot import Dovecot
from tests.servers.users import User, fresh_user
from tests.wire.scripted import Whole

MESSAGE = b'From: a@example.org\r\nSubject: one (two "three\r\n\r\n* 7 EXISTS\r\nA1 OK {5}\r\n'
BODY = e.fetch_item("BODY.PEEK[]")


@pytest.fixture
def user(dovecot: Dovecot) -> User:
    return fresh_user(dovecot)


@pytest.fixture
async def connection(dovecot: Dovecot, user: User) -> AsyncIterator[Connection]:
    connection = await Connection.open(endpoint(dovecot), Credentials(*user))
    yield connection
    await connection.logout()


def endpoint(dovecot: Dovecot) -> Endpoint:
    return Endpoint(dovecot.host, dovecot.imap, "none")


@pytest.mark.parametrize("mechanism", ["auto", "PLAIN", "LOGIN"])
async def test_mechanisms(dovecot: Dovecot, user: User, mechanism: str) -> None:
    right = Credentials(user.name, user.password, mechanism=mechanism)  # type: ignore[arg-type]
    connection = await Connection.open(endpoint(dovecot), right)
    assert b"QRESYNC" in connection.enabled
    await connection.logout()
    with pytest.raises(AuthFailed):
        wrong = Credentials(user.name, "wrong", mechanism=mechanism)  # type: ignore[arg-type]
        await Connection.open(endpoint(dovecot), wrong)


async def test_thirty_pipelined_fetches(connection: Connection) -> None:
    for _ in range(30):
        await connection.append("INBOX", ["\\Seen", "$kw"], None, MESSAGE)
    await connection.select("INBOX")
    items = e.paren(e.fetch_item("FLAGS"), BODY)
    done = await asyncio.gather(*(connection.command("UID FETCH", e.seqset([uid]), items) for uid in range(1, 31)))
    for uid, completion in enumerate(done, 1):
        (response,) = completion.of(b"FETCH")
        values = fetch_items(response)
        assert values[b"UID"] == b"%d" % uid
        assert values[b"BODY[]"] == MESSAGE


async def test_a_large_message_streams_up_and_down_in_flat_memory(connection: Connection) -> None:
    line = b"x" * 76 + b"\r\n"
    head = b"Subject: big\r\n\r\n"
    count = 20 * 1024 * 1024 // len(line)

    async def message() -> AsyncIterator[bytes]:
        yield head
        for start in range(0, count, 800):
            yield line * min(800, count - start)

    size = len(head) + count * len(line)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    await connection.append("INBOX", [], None, message(), size)
    await connection.select("INBOX")
    got = 0

    async def sink(piece: bytes) -> None:
        nonlocal got
        assert len(piece) <= 64 * 1024
        got += len(piece)
        await asyncio.sleep(0)

    completion = await connection.literal_to("UID FETCH", e.seqset([1]), BODY, sink=sink)
    assert got == size
    assert fetch_items(completion.of(b"FETCH")[0])[b"BODY[]"] == b""
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 4_000  # KiB


async def test_a_bulk_stream_has_every_message(connection: Connection) -> None:
    for _ in range(20):
        await connection.append("INBOX", [], None, MESSAGE)
    await connection.select("INBOX")
    chunks: list[bytes] = []
    await connection.stream("UID FETCH", e.seqset_text("1:*"), e.paren(BODY), consumer=Whole(chunks.append))
    bodies = []
    for chunk in chunks:
        for _, pieces in split_responses(chunk):
            response = parse_response(pieces)
            assert isinstance(response, Untagged)
            bodies.append(fetch_items(response)[b"BODY[]"])
    assert bodies == [MESSAGE] * 20


async def test_qresync(connection: Connection) -> None:
    for _ in range(3):
        await connection.append("INBOX", [], None, MESSAGE)
    first = await connection.select("INBOX", readonly=False)
    validity = connection.uid_validity
    assert validity is not None
    values = first.code_values(b"HIGHESTMODSEQ")
    assert values is not None
    assert isinstance(values[0], bytes)
    await connection.command("UID STORE", e.seqset([1]), e.atom("+FLAGS.SILENT"), e.paren(e.flag("\\Deleted")))
    expunged = await connection.command("UID EXPUNGE", e.seqset([1]))
    assert expunged.of(b"VANISHED")[0].values == [b"1"]
    await connection.command("UID STORE", e.seqset([2]), e.atom("+FLAGS.SILENT"), e.paren(e.flag("\\Flagged")))
    await connection.unselect()
    assert connection.selected is None
    again = await connection.select("INBOX", qresync=(validity, int(values[0])))
    assert again.of(b"VANISHED")[0].values == [[b"EARLIER"], b"1"]
    assert [fetch_items(r)[b"UID"] for r in again.of(b"FETCH")] == [b"2"]


async def test_idle_and_notify(dovecot: Dovecot, user: User, connection: Connection) -> None:
    other = await Connection.open(endpoint(dovecot), Credentials(*user))
    await connection.command("CREATE", e.mailbox("Entwürfe & Ä"))
    await connection.select("INBOX")
    async with connection.idle() as hints:
        await other.append("INBOX", [], None, MESSAGE)
        async for hint in hints:
            assert (hint.name, hint.number) in ((b"EXISTS", 1), (b"RECENT", 1))
            break
    await connection.unselect()
    seen: asyncio.Queue[Untagged] = asyncio.Queue()
    connection.on_unsolicited(seen.put_nowait)
    events = e.paren(e.atom("MessageNew"), e.atom("MessageExpunge"))
    for _ in range(2):  # the second SET must not silence it
        await connection.notify(e.paren(e.atom("personal"), events))
    await other.append("Entwürfe & Ä", [], None, MESSAGE)
    status = await asyncio.wait_for(seen.get(), 10)
    assert status.name == b"STATUS"
    assert isinstance(status.values[0], bytes)
    # Dovecot 2.3 writes the name in UTF-8 here, in modified UTF-7 everywhere else
    assert "Entwürfe & Ä" in (utf7.decode(status.values[0]), utf7.decode(status.values[0], utf8=True))
    await other.logout()


async def test_refusals(connection: Connection) -> None:
    with pytest.raises(NotFound):
        await connection.append("absent", [], None, MESSAGE)
    with pytest.raises(NotFound):
        await connection.select("absent")
    assert (await connection.command("NOOP")).text


async def test_the_pool_queues_at_the_servers_own_limit(dovecot: Dovecot, user: User) -> None:
    """Row 58: Dovecot refuses the 11th connection of a user and address; the caller only waits."""
    pool = Pool(endpoint(dovecot), Credentials(*user), PoolSettings(maximum=15))

    async def work(connection: Connection) -> str:
        return (await connection.command("NOOP")).text

    async with AsyncExitStack() as stack:
        for _ in range(10):
            await stack.enter_async_context(pool.acquire(None, "interactive"))
        late = asyncio.create_task(pool.run(None, "interactive", work))
        while pool.limit > 10:  # noqa: ASYNC110 - nothing tells when the server has refused
            await asyncio.sleep(0.01)
        assert not late.done()
    assert await late
    await pool.close()
    assert pool.size == 0
