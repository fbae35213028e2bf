"""Threads of an account, also while the index of a large account is still being built in the background."""

import asyncio
import contextlib
import logging
from array import array
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from itertools import compress
from operator import not_

from adapters.errors import AdapterError, Broken
from adapters.ports.mail import MailPort, ThreadHeaders
from gateway.sync import ids, memory
from gateway.sync.current import Current
from gateway.sync.emails import Emails
from gateway.sync.folders import AWAY
from gateway.sync.pace import ahead, give_way
from gateway.sync.snapshot import Snapshot
from gateway.sync.thread_facts import Facts, facts
from gateway.sync.thread_index import ThreadIndex

logger = logging.getLogger(__name__)

_SLICE = 100
"""Messages that are threaded before the loop gets its turn."""
_CHECKPOINT = 32768
"""Messages of the background build between two writes to the store."""


class Threads:
    """Asks the snapshot; rows belong to the current one unless the caller passes the Emails that they belong to.

    refresh: see `MailAccount.refresh`. headers: what was read of the newest messages of a folder already.
    """

    def __init__(
        self,
        current: Current,
        refresh: Callable[[], Awaitable[None]],
        headers: Callable[[str, int], ThreadHeaders | None],
    ) -> None:
        self._current = current
        self._refresh = refresh
        self._headers = headers
        self._build: asyncio.Task[None] | None = None
        self._counts: tuple[Snapshot | None, dict[int, tuple[int, int]]] = (None, {})

    def thread_of(self, row: int) -> int | None:
        """The number of a row's thread; None while it has none (after `ready` every Email has one)."""
        return self._current.snapshot.threads.of_row(row)

    def column(self) -> "array[int]":
        """Per row the thread number + 1, 0 for rows without one; it may be shorter than the Emails until `ready`."""
        return self._current.snapshot.threads.thread

    def id(self, number: int) -> str:
        """The Thread id of a number."""
        return self._current.snapshot.threads.id(number)

    async def thread_ids(self, rows: Sequence[int], emails: Emails | None = None) -> list[str]:
        """The Thread ids of rows; those that the background build has not reached are fetched now.

        Raises adapters.errors.* if their headers cannot be fetched.
        """
        digests = [(emails or self._current.snapshot.emails).digest(row) for row in rows]
        found = self._known(digests)
        for last in (False, True):
            if missing := [digest for digest, number in zip(digests, found, strict=True) if number is None]:
                if last:
                    await self._refresh()  # not among the newest any more, or moved just now: see where it is
                await self._assign_now(missing, alone=last)
                found = self._known(digests)
        threads = self._current.snapshot.threads
        # an Email that went away meanwhile gets what it would have had without headers
        return [
            threads.lone_id(digest) if n is None else threads.id(n) for digest, n in zip(digests, found, strict=True)
        ]

    async def ready(self) -> None:
        """Wait until every Email has its thread. Raises adapters.errors.* if the build cannot go on."""
        if self._current.snapshot.partial is not None:
            await self._refresh()
        while not self._current.snapshot.threads.complete:
            await asyncio.shield(self.start())

    async def members(self, thread_id: str) -> list[int] | None:
        """The rows of a Thread, ascending by (received_at, id) (RFC 8621 §3); None where there is no such Thread."""
        await self.ready()
        snapshot = self._current.snapshot
        digest = ids.from_text("t", thread_id)
        number = None if digest is None else snapshot.threads.find(digest)
        if number is None:
            return None
        emails = snapshot.emails
        rows = [row for row in snapshot.threads.members(number) if emails.is_alive(row)]
        return sorted(rows, key=lambda row: (emails.received_at[row], emails.digest(row))) or None

    async def counts(self, mailbox_id: str) -> tuple[int, int]:
        """(totalThreads, unreadThreads) of a Mailbox (RFC 8621 §2)."""
        await self.ready()
        snapshot = self._current.snapshot
        if self._counts[0] is not snapshot:
            self._counts = (snapshot, {})
        cache = self._counts[1]
        number = snapshot.emails.numbers.get(mailbox_id)
        if number is None:
            return 0, 0
        if not cache:
            cache.update(await _counts(snapshot))
        return cache[number]

    # Building

    def start(self) -> "asyncio.Task[None]":
        """The background build, started if it does not run."""
        if self._build is None or self._build.done():
            self._build = asyncio.create_task(self._run())
            self._build.add_done_callback(_retrieve)
        return self._build

    async def close(self) -> None:
        """Stop the background build."""
        if self._build is not None and not self._build.done():
            self._build.cancel()
            await asyncio.wait([self._build])

    def _known(self, digests: Iterable[bytes]) -> list[int | None]:
        snapshot = self._current.snapshot
        rows = [snapshot.emails.find(digest) for digest in digests]
        return [None if row is None else snapshot.threads.of_row(row) for row in rows]

    async def _assign_now(self, digests: Collection[bytes], *, alone: bool) -> None:
        """Fetch headers of a few Emails and give them their threads, durably. alone: also if they have no headers."""
        wanted: dict[int, list[int]] = {}
        emails = self._current.snapshot.emails
        rows = [row for row in map(emails.find, digests) if row is not None and emails.is_alive(row)]
        for row in rows:
            box, uid = next(emails.places(row))
            wanted.setdefault(box, []).append(uid)
        said: dict[bytes, Facts] = {emails.digest(row): [] for row in rows if alone}
        for box, uids in wanted.items():
            said.update(await self._facts(emails, box, uids))
        async with self._current.writing:
            snapshot = self._current.snapshot
            threads = snapshot.threads.fork()
            _assign(snapshot.emails, threads, said)
            await self._current.replace_threads(threads, stored=True)

    async def _facts(self, emails: Emails, box: int, uids: Sequence[int]) -> dict[bytes, Facts]:
        """What a few messages say: their headers came with a first page, or come now."""
        mailbox, wanted = emails.boxes[box], set(uids)
        read = self._headers(mailbox.folder.path, mailbox.uid_validity)
        if read is None or not wanted.issubset(read.uids):
            return await fetch_facts(self._current.port, emails, box, uids)
        return _by_digest(emails, box, read.of(wanted))

    async def _run(self) -> None:
        """Thread everything that has no thread yet, newest first, largest mailbox first."""
        tried: set[tuple[int, int]] = set()
        while not self._current.snapshot.threads.complete:
            emails = self._current.snapshot.emails
            for box in sorted(emails.contents, key=lambda number: -len(emails.contents[number])):
                await self._build_box(emails, box, tried)
                await give_way()
            await self._finish(tried)
        memory.give_back()

    async def _build_box(self, emails: Emails, box: int, tried: set[tuple[int, int]]) -> None:
        wanted = self._pending(emails, box)[::-1]
        if tried:
            wanted = array("I", [uid for uid in wanted if (box, uid) not in tried])
        unsaved, mailbox = 0, emails.boxes[box]
        source = self._current.port.thread_headers(mailbox.folder.path, mailbox.uid_validity, wanted)
        try:
            async with contextlib.aclosing(ahead(source)) as batches:
                async for batch in batches:
                    unsaved += len(batch)
                    await self._enter(emails, box, batch, stored=unsaved >= _CHECKPOINT)
                    unsaved %= _CHECKPOINT
        except (*AWAY, Broken) as error:
            logger.info("folder not to be read while threading: %s", error)
        if wanted:
            tried.update((box, uid) for uid in self._pending(emails, box))

    def _pending(self, emails: Emails, box: int) -> "array[int]":
        """The UIDs of a box that have no thread, ascending."""
        thread = self._current.snapshot.threads.thread
        thread = thread + array("I", bytes(4 * max(0, len(emails) - len(thread))))
        contents = emails.contents[box]
        return array("I", compress(contents.uids, map(not_, map(thread.__getitem__, contents.rows))))

    async def _enter(self, emails: Emails, box: int, batch: ThreadHeaders, *, stored: bool) -> None:
        async with self._current.writing:
            snapshot = self._current.snapshot
            threads = snapshot.threads.fork()
            for start in range(0, len(batch), _SLICE):
                some = batch.part(start, start + _SLICE)
                rows = emails.contents[box].select(some.uids)
                if snapshot.emails is emails and len(rows) == len(some):
                    threads.assign(rows, facts(some), emails.digest)
                else:  # Emails may be gone, or in other rows by now
                    _assign(snapshot.emails, threads, _by_digest(emails, box, some))
                await give_way()
            await self._current.replace_threads(threads, stored=stored)

    async def _finish(self, tried: set[tuple[int, int]]) -> None:
        """What the backend gives no headers of is a thread of its own; then the index is whole unless mail came."""
        async with self._current.writing:
            snapshot = self._current.snapshot
            threads = snapshot.threads.fork()
            assigned = threads.thread + array("I", bytes(4 * (len(snapshot.emails) - len(threads.thread))))
            rows = [row for row, number in enumerate(assigned) if not number and snapshot.emails.is_alive(row)]
            if all(tried.issuperset(snapshot.emails.places(row)) for row in rows):
                threads.assign(rows, [[]] * len(rows), snapshot.emails.digest)
                await self._current.complete_threads(threads)


async def fetch_facts(port: MailPort, emails: Emails, box: int, uids: Sequence[int]) -> dict[bytes, Facts]:
    """What messages say, by the digest of their Email. A folder that is gone or broken costs only itself.

    Raises adapters.errors.* but `AWAY` and Broken.
    """
    found: dict[bytes, Facts] = {}
    mailbox = emails.boxes[box]
    try:
        async for batch in port.thread_headers(mailbox.folder.path, mailbox.uid_validity, uids):
            found.update(_by_digest(emails, box, batch))
    except (*AWAY, Broken) as error:
        logger.info("folder not to be read while threading: %s", error)
    return found


def _by_digest(emails: Emails, box: int, headers: ThreadHeaders) -> dict[bytes, Facts]:
    rows = map(emails.contents[box].row, headers.uids)
    return {emails.digest(row): said for row, said in zip(rows, facts(headers), strict=True) if row is not None}


def _assign(emails: Emails, threads: ThreadIndex, said: Mapping[bytes, Facts]) -> None:
    rows = {row: one for digest, one in said.items() if (row := emails.find(digest)) is not None}
    threads.assign(list(rows), rows.values(), emails.digest)


def _retrieve(task: "asyncio.Task[None]") -> None:
    """A failed build is told to whoever waits for it, and tried again after the next pass."""
    if not task.cancelled() and (error := task.exception()) is not None:
        level = logging.INFO if isinstance(error, AdapterError) else logging.ERROR
        logger.log(level, "threading stopped: %s", error)


async def _counts(snapshot: Snapshot) -> dict[int, tuple[int, int]]:
    """Per box (total, unread) threads."""
    emails, threads = snapshot.emails, snapshot.threads
    trash = snapshot.mailboxes.by_role("trash")
    trash_box = None if trash is None else emails.numbers[trash.id]
    unread = await _unread_threads(emails, threads, trash_box)
    counts = {}
    for box, contents in emails.contents.items():
        total = len(set(map(threads.thread.__getitem__, contents.rows)))
        counts[box] = (total, unread.get(box, 0))
        await asyncio.sleep(0)
    return counts


async def _unread_threads(emails: Emails, threads: ThreadIndex, trash: int | None) -> dict[int, int]:
    """RFC 8621 §2 unreadThreads: a Thread counts in each mailbox that it is in if any of its Emails is unread; Emails
    only in the trash do not make it unread elsewhere, and in the trash only those that are there count."""
    selection = emails.unread_rows()
    candidates = set()
    row = selection.find(1)
    while row >= 0:
        candidates.add(threads.thread[row] - 1)
        row = selection.find(1, row + 1)
    counts: dict[int, int] = {}
    for done, number in enumerate(candidates):
        if done % 1000 == 999:
            await asyncio.sleep(0)
        places = [
            (emails.box_set(row), emails.is_unread(row)) for row in threads.members(number) if emails.is_alive(row)
        ]
        outside = any(unread and boxes != {trash} for boxes, unread in places)
        inside = any(unread and trash in boxes for boxes, unread in places)
        for box in frozenset[int]().union(*(boxes for boxes, _ in places)):
            counts[box] = counts.get(box, 0) + (inside if box == trash else outside)
    return counts
