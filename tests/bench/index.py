"""How long the index of a large mailbox takes to build, page, update, store and load, and what it weighs.

Run: python -m tests.bench.index [messages] [sqlite|redis]
"""

import asyncio
import contextlib
import gc
import resource
import sys
import tempfile
import time
from array import array
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import redis

from adapters.imap.bulk import FactsReader, ThreadReader
from adapters.imap.commands import Consumer
from adapters.imap.framer import Caps, Framer
from adapters.imap.indexing import BATCH
from adapters.imap.keywords import FlagSets, flag_of
from adapters.imap.streams import BULK
from adapters.ports.mail import Arrivals, FolderDelta, FolderStatus, KnownMessages, ThreadHeaders
from gateway.store.base import Store
from gateway.store.redis import RedisStore
from gateway.store.sqlite import SqliteStore
from gateway.sync.account import MailAccount
from tests.servers.redis import running_redis
from tests.sync.model import ModelFolder, ModelPort, ModelServer

SETS = [frozenset(one) for one in ((), ("$seen",), ("$seen", "$answered"), ("$flagged",), ("$seen", "$flagged"))]


class BulkPort(ModelPort):
    """INBOX holds `count` made-up messages, which are read from octets as Dovecot sends them; the rest is the model's.

    So what it takes to index them is all that the gateway does itself, from the socket's octets to the store.
    """

    def __init__(self, count: int) -> None:
        super().__init__(ModelServer())
        self.count = count
        self.extra: list[int] = []
        self.flags: list[tuple[int, frozenset[str]]] = []
        self.modseq = 1
        random = Random(0)  # noqa: S311 made-up mail
        batches = [range(max(0, stop - BATCH) + 1, stop + 1) for stop in range(count, 0, -BATCH)]
        self.facts_octets = [b"".join(fact_line(random, uid) for uid in uids) for uids in batches]
        self.header_octets = [b"".join(map(header_line, uids)) for uids in batches]

    def _status(self, folder: ModelFolder) -> FolderStatus:
        total = self.count + len(self.extra)
        return FolderStatus(1, total + 1, total, 0, self.modseq)

    async def changes(self, path: str, since: FolderStatus | None, known: KnownMessages) -> FolderDelta:
        cursor = self._status(self.server.folders[path])
        delta = FolderDelta(cursor, False, batch(Random(1), self.extra[-1:]), self.flags, [])  # noqa: S311
        self.flags = []
        return delta

    async def facts(self, path: str, uid_validity: int) -> AsyncIterator[Arrivals]:
        flags = FlagSets()
        for octets in self.facts_octets:
            reader = FactsReader("x-guid", False, flags, b"INBOX")
            await read(octets, reader)
            yield reader.take()

    async def thread_headers(self, path: str, uid_validity: int, uids: Sequence[int]) -> AsyncIterator[ThreadHeaders]:
        for octets in self.header_octets if len(uids) == self.count else [b"".join(map(header_line, uids))]:
            reader = ThreadReader()
            await read(octets, reader)
            yield reader.take()


@dataclass
class Receiving:
    """What `Framer` gives its octets to while a command streams."""

    consumer: Consumer

    def skim(self, data: bytes, position: int) -> int:
        return self.consumer.skim(data, position)

    def chunk(self, raw: bytes) -> None:
        self.consumer.feed(raw)

    def expected(self) -> None:
        raise AssertionError

    def frame(self, pieces: list[bytes]) -> None:
        assert pieces == [b"t OK"], pieces

    def wants_literal(self, pieces: list[bytes], size: int) -> bool:
        return False

    def literal_data(self, raw: bytes) -> None:
        raise AssertionError


async def read(octets: bytes, consumer: Consumer) -> None:
    """Feed what a server sends in pieces as the socket would give them, each in a turn of the loop."""
    framer = Framer(Receiving(consumer), Caps())
    framer.bulk(b"t")
    stream = memoryview(octets + b"t OK\r\n")
    for start in range(0, len(stream), BULK):
        framer.feed(stream[start : start + BULK])
        await asyncio.sleep(0)


def fact_line(random: Random, uid: int) -> bytes:
    """The answer to a FETCH of facts."""
    date = time.strftime("%d-%b-%Y %H:%M:%S +0000", time.gmtime(1_600_000_000 + uid * 60 + random.randrange(300)))
    flags = b" ".join(map(flag_of, sorted(some_flags(random))))
    return b'* %d FETCH (UID %d FLAGS (%b) X-GUID guid-%d INTERNALDATE "%b" RFC822.SIZE %d)\r\n' % (
        *(uid, uid, flags, uid, date.encode(), random.randrange(100_000)),
    )


def header_line(uid: int) -> bytes:
    """The answer to a FETCH of thread headers: threads of three."""
    root = uid - uid % 3
    earlier = [b"<message-%d@example.com>" % one for one in range(root, uid)]
    lines = [b"Subject: %bSubject number %d" % (b"Re: " if earlier else b"", root)]
    lines.append(b"Message-ID: <message-%d@example.com>" % uid)
    if earlier:
        lines += [b"In-Reply-To: " + earlier[-1], b"References: " + b" ".join(earlier)]
    block = b"\r\n".join([*lines, b"", b""])
    item = b"BODY[HEADER.FIELDS (IN-REPLY-TO MESSAGE-ID REFERENCES SUBJECT)]"
    return b"* %d FETCH (UID %d %b {%d}\r\n%b)\r\n" % (uid, uid, item, len(block), block)


def some_flags(random: Random) -> frozenset[str]:
    return SETS[0 if random.random() < 0.1 else random.randrange(1, 5)]


def batch(random: Random, uids: Sequence[int]) -> Arrivals:
    return Arrivals(
        array("I", uids),
        [b"guid-%d" % uid for uid in uids],
        array("q", [1_600_000_000 + uid * 60 + random.randrange(300) for uid in uids]),
        array("I", [random.randrange(100_000) for _ in uids]),
        [some_flags(random) for _ in uids],
    )


class Lag:
    """The longest time the loop was not free."""

    def __init__(self) -> None:
        self.longest = 0.0
        self.task = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        while True:
            before = time.thread_time()  # not the wall clock, which counts other processes
            await asyncio.sleep(0)
            self.longest = max(self.longest, time.thread_time() - before)

    def stop(self) -> float:
        self.task.cancel()
        return self.longest


def rss() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6


def show(what: str, seconds: float, times: int = 1) -> None:
    print(f"{what:<52}{seconds / times * 1e3:>10.3f} ms")


def timed(what: str, work: Callable[[], object], times: int = 1) -> None:
    start = time.perf_counter()
    for _ in range(times):
        work()
    show(what, time.perf_counter() - start, times)


@contextlib.contextmanager
def new_store(kind: str) -> Iterator[tuple[Store, Callable[[], int]]]:
    """An empty store, and how many bytes it takes: of the file, or of the server's memory."""
    if kind == "redis":
        with running_redis() as server, redis.Redis.from_url(server.url) as client:
            empty = client.info("memory")["used_memory"]
            yield RedisStore(server.url), lambda: client.info("memory")["used_memory"] - empty
    else:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "store.db"
            yield SqliteStore(path), lambda: sum(file.stat().st_size for file in path.parent.iterdir())


async def main(count: int, kind: str) -> None:
    with new_store(kind) as (store, weight):
        await store.ping()
        await measure(count, store, weight)
        await store.close()


async def measure(count: int, store: Store, weight: Callable[[], int]) -> None:
    """Build, read, update and load one account."""
    port = BulkPort(count)
    gc.collect()
    idle = rss()
    account = MailAccount("a", "bench", port, store)
    lag, start, cpu = Lag(), time.perf_counter(), time.process_time()
    await account.refresh()
    show("cold open until usable (facts of all)", time.perf_counter() - start)
    start, halfway = time.perf_counter(), time.process_time()
    await account.threads.ready()
    show("threads after that, in the background", time.perf_counter() - start)
    print(f"{'CPU per message, facts':<52}{(halfway - cpu) / count * 1e6:>10.1f} us")
    print(f"{'CPU per message, threads':<52}{(time.process_time() - halfway) / count * 1e6:>10.1f} us")
    show("longest block of the loop", lag.stop())
    gc.collect()
    print(f"{'memory above idle':<52}{rss() - idle:>10.1f} MB")
    print(f"{'stored':<52}{weight() / 1e6:>10.1f} MB")
    inbox = account.mailboxes.by_path("INBOX")
    assert inbox is not None
    timed("order of the mailbox (once)", lambda: account.emails.in_mailbox(inbox.id))
    timed("newest 50: rows and ids", lambda: account.emails.ids(account.emails.in_mailbox(inbox.id)[-50:]), 100)
    ids = account.emails.ids(account.emails.in_mailbox(inbox.id)[-50:])
    timed("50 ids to rows", lambda: [account.emails.row(one) for one in ids], 100)
    timed("count of unread", lambda: account.emails.unread_rows().count(1), 100)
    timed("all rows by size", lambda: sorted(account.emails.all_rows(), key=account.emails.size.__getitem__))
    start = time.perf_counter()
    await account.threads.counts(inbox.id)
    show("thread counts of all mailboxes (once per state)", time.perf_counter() - start)
    await updates(account, port)
    await account.close()
    start = time.perf_counter()
    again = MailAccount("a", "bench", port, store)
    await again.refresh()
    show("restart: load and pass", time.perf_counter() - start)
    assert again.state("Email") == account.state("Email")
    await again.close()


async def updates(account: MailAccount, port: BulkPort) -> None:
    start = time.perf_counter()
    for _ in range(50):
        await account.refresh()
    show("pass, nothing new", time.perf_counter() - start, 50)
    start = time.perf_counter()
    for number in range(50):
        port.modseq += 1
        port.flags = [(number * 7 + 1, frozenset({"$seen", "$flagged"} if number % 2 else {"work"}))]
        await account.refresh()
    show("pass with one flag, stored", time.perf_counter() - start, 50)
    port.modseq += 1
    port.flags = [(number * 11 + 3, frozenset({"$answered"})) for number in range(50)]
    start = time.perf_counter()
    await account.refresh()
    show("pass with 50 flags, stored", time.perf_counter() - start)
    start = time.perf_counter()
    for _ in range(20):
        port.modseq += 1
        port.extra.append(port.count + len(port.extra) + 1)
        await account.refresh()
    show("pass with one new message and its thread, stored", time.perf_counter() - start, 20)


if __name__ == "__main__":
    messages, store_kind = (*sys.argv[1:], *("100000", "sqlite")[len(sys.argv) - 1 :])
    asyncio.run(main(int(messages), store_kind))
