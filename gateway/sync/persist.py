"""A snapshot as store writes: columns in chunks of 4,096 rows, one value per mailbox, hash bucket and journal record.

Static and changing columns lie apart, so that a flag change rewrites a few kilobytes.
"""

from array import array
from collections.abc import Iterable, Iterator

from gateway.store.base import Delete, DeleteRange, Key, Put, Write
from gateway.sync import orders
from gateway.sync.codec import narrow, seal, seal_json
from gateway.sync.copies import CHUNK, Copies
from gateway.sync.emails import Emails
from gateway.sync.hash_index import BUCKETS, HashIndex
from gateway.sync.journal import Journal, Record
from gateway.sync.mailboxes import Box
from gateway.sync.snapshot import Dirty, Snapshot
from gateway.sync.thread_index import ThreadIndex

FACTS, PLACES, FLAGS = "mail.facts", "mail.places", "mail.flags"
MEMBERS, THREADS, INDEX = "mail.members", "mail.threads", "mail.index"
BOXES, COPIES, COPY_FLAGS = "mail.boxes", "mail.copies", "mail.copyflags"
FLAG_SETS, JOURNAL, RECORD = "mail.flagsets", "mail.journal", "mail.record"
SPACES = (
    FACTS, PLACES, FLAGS, MEMBERS, THREADS, INDEX, BOXES, COPIES, COPY_FLAGS, FLAG_SETS, JOURNAL, RECORD
)  # fmt: skip

INDEXES = ("emails", "threads", "nodes")


def life_key(account: str) -> Key:
    """Written anew by a full commit only: if it is gone, the store lost something in the meantime."""
    return Key(account, RECORD, "life")


def head_key(account: str) -> Key:
    """Written by every commit."""
    return Key(account, RECORD, "head")


class Writer:
    """Turns what changed of one account into writes."""

    def __init__(self, account: str) -> None:
        self._account = account

    def everything(self, snapshot: Snapshot, life: bytes, head: bytes) -> list[Write]:
        """All values, after removing whatever was there."""
        emails, threads = snapshot.emails, snapshot.threads
        writes: list[Write] = [DeleteRange(self._account, space) for space in SPACES]
        writes.append(Put(life_key(self._account), life))
        writes.append(Put(head_key(self._account), head))
        writes.append(self._flag_sets(emails))
        chunks = range(chunk_count(len(emails)))
        writes.extend(self._rows(emails, chunks, chunks, chunks))
        for box in emails.boxes.values():
            writes.append(self._box(box, len(emails.contents[box.number])))
            copies = range(chunk_count(len(emails.contents[box.number])))
            writes.extend(self._copies(box.number, emails.contents[box.number], copies, copies))
        writes.extend(
            self._threads(threads, range(chunk_count(len(threads.thread))), range(chunk_count(len(threads.first))))
        )
        for name, index in indexes(snapshot):
            writes.extend(self._index(name, index, range(BUCKETS)))
        writes.extend(map(self._record, snapshot.journal.records))
        if snapshot.orders:
            writes.append(orders.write(self._account, snapshot.orders))
        return writes

    def changed(self, snapshot: Snapshot, dirty: Dirty, record: Record | None, head: bytes) -> list[Write]:
        """The values that a pass changed."""
        emails, threads = snapshot.emails, snapshot.threads
        writes: list[Write] = [Put(head_key(self._account), head)]
        if record is not None:
            writes.append(self._record(record))
            kept = snapshot.journal.records
            oldest = kept[0].seq if kept else record.seq + 1
            writes.append(DeleteRange(self._account, JOURNAL, "", _seq(oldest)))
        writes.extend(self._rows(emails, dirty.rows.facts, dirty.rows.places, dirty.rows.flags))
        for number in dirty.dropped:
            writes.append(Delete(Key(self._account, BOXES, f"{number:05d}")))
            writes.extend(self._cut_copies(number, 0))
        for number, copies in emails.contents.items():
            if copies.dirty_from is None and not copies.dirty_flags and number not in dirty.boxes:
                continue
            writes.append(self._box(emails.boxes[number], len(copies)))
            writes.extend(self._changed_copies(number, copies))
        writes.extend(self._threads(threads, threads.dirty_rows, threads.dirty_threads))
        for name, index in indexes(snapshot):
            writes.extend(self._index(name, index, index.dirty))
        if dirty.orders:
            writes.append(orders.write(self._account, snapshot.orders))
        return writes

    def flag_sets(self, snapshot: Snapshot) -> Write:
        """The table of keyword sets, to be stored when it has grown."""
        return self._flag_sets(snapshot.emails)

    def _put(self, space: str, name: str, value: bytes) -> Put:
        return Put(Key(self._account, space, name), value)

    def _rows(
        self, emails: Emails, facts: Iterable[int], places: Iterable[int], flags: Iterable[int]
    ) -> Iterator[Write]:
        for chunk in facts:
            rows = slice(chunk * CHUNK, (chunk + 1) * CHUNK)
            digests = bytes(emails.digests[rows.start * 16 : rows.stop * 16])
            value = seal(digests, emails.received_at[rows].tobytes(), emails.size[rows].tobytes())
            yield self._put(FACTS, _chunk(chunk), value)
        for chunk in places:
            yield self._put(PLACES, _chunk(chunk), _places(emails, chunk))
        for chunk in flags:
            yield self._put(FLAGS, _chunk(chunk), seal(narrow(emails.flag_set[chunk * CHUNK : (chunk + 1) * CHUNK])))

    def _box(self, box: Box, copies: int) -> Write:
        return self._put(BOXES, f"{box.number:05d}", seal_json({"box": box, "copies": copies}))

    def _changed_copies(self, number: int, copies: Copies) -> Iterator[Write]:
        flags = set(copies.dirty_flags)
        moved: Iterable[int] = ()
        if copies.dirty_from is not None:
            moved = range(copies.dirty_from // CHUNK, chunk_count(len(copies)))
            flags.update(moved)
            yield from self._cut_copies(number, chunk_count(len(copies)))
        yield from self._copies(number, copies, moved, {chunk for chunk in flags if chunk * CHUNK < len(copies)})

    def _copies(self, number: int, copies: Copies, moved: Iterable[int], flags: Iterable[int]) -> Iterator[Write]:
        for chunk in moved:
            rows = slice(chunk * CHUNK, (chunk + 1) * CHUNK)
            value = seal(copies.uids[rows].tobytes(), copies.rows[rows].tobytes())
            yield self._put(COPIES, f"{number:05d}.{_chunk(chunk)}", value)
        for chunk in flags:
            value = seal(narrow(copies.flags[chunk * CHUNK : (chunk + 1) * CHUNK]))
            yield self._put(COPY_FLAGS, f"{number:05d}.{_chunk(chunk)}", value)

    def _cut_copies(self, number: int, chunk: int) -> Iterator[Write]:
        """Remove the chunks of a mailbox from this one on."""
        for space in (COPIES, COPY_FLAGS):
            yield DeleteRange(self._account, space, f"{number:05d}.{_chunk(chunk)}", f"{number:05d}/")

    def _threads(self, threads: ThreadIndex, members: Iterable[int], numbers: Iterable[int]) -> Iterator[Write]:
        for chunk in members:
            rows = slice(chunk * CHUNK, (chunk + 1) * CHUNK)
            value = seal(threads.thread[rows].tobytes(), threads.following[rows].tobytes())
            yield self._put(MEMBERS, _chunk(chunk), value)
        for chunk in numbers:
            rows = slice(chunk * CHUNK, (chunk + 1) * CHUNK)
            digests = bytes(threads.digests[rows.start * 16 : rows.stop * 16])
            yield self._put(THREADS, _chunk(chunk), seal(digests, threads.first[rows].tobytes()))

    def _index(self, name: str, index: HashIndex, buckets: Iterable[int]) -> Iterator[Write]:
        for bucket in buckets:
            keys, numbers = index.bucket(bucket)
            if keys:
                yield self._put(INDEX, f"{name}.{bucket:02x}", seal(keys.tobytes(), numbers.tobytes()))

    def _flag_sets(self, emails: Emails) -> Write:
        document = [sorted(keywords) for keywords in emails.flag_sets.sets[1:]]
        return self._put(FLAG_SETS, "all", seal_json(document))

    def _record(self, record: Record) -> Write:
        document = {
            name: [changes.created, changes.updated, changes.counts, changes.destroyed]
            for name, changes in record.types.items()
        }
        return self._put(JOURNAL, _seq(record.seq), seal_json(document))


def head_value(snapshot: Snapshot) -> bytes:
    """The head: where journal and columns stand, so that a missing piece is noticed."""
    emails, threads, journal = snapshot.emails, snapshot.threads, snapshot.journal
    return seal_json(
        {
            **_journal_head(journal),
            "rows": len(emails),
            "alive": emails.alive,
            "boxes": len(emails.boxes),
            "flag_sets": len(emails.flag_sets) - 1,
            "members": len(threads.thread),
            "threads": len(threads.first),
            "complete": threads.complete,
            "indexes": [len(index) for _, index in indexes(snapshot)],
            "ordinals": {digest.hex(): count for digest, count in emails.ordinals.items()},
        }
    )


def _journal_head(journal: Journal) -> dict[str, object]:
    return {
        "epoch": journal.epoch,
        "seq": journal.seq,
        "heads": journal.heads,
        "floors": journal.floors,
        "past": journal.past,
        "history": journal.history,
        "records": len(journal.records),
    }


def indexes(snapshot: Snapshot) -> list[tuple[str, HashIndex]]:
    """All hash indexes with their stored names."""
    found = (snapshot.emails.by_digest, snapshot.threads.by_digest, snapshot.threads.nodes)
    return list(zip(INDEXES, found, strict=True))


def clean(snapshot: Snapshot) -> None:
    """Everything is stored: forget what was to be written."""
    for copies in snapshot.emails.contents.values():
        copies.dirty_from = None
        copies.dirty_flags.clear()
    for _, index in indexes(snapshot):
        index.dirty.clear()
    snapshot.threads.dirty_rows.clear()
    snapshot.threads.dirty_threads.clear()


def chunk_count(rows: int) -> int:
    """How many chunks hold that many rows."""
    return -(-rows // CHUNK)


def _chunk(number: int) -> str:
    return f"{number:06d}"


def _seq(number: int) -> str:
    return f"{number:015d}"


def _places(emails: Emails, chunk: int) -> bytes:
    """Number of rows, first copies, then (row, box, uid) of further ones."""
    start = chunk * CHUNK
    stop = min(start + CHUNK, len(emails))
    several = [row for row in range(start, stop) if row in emails.more] if emails.more else []
    triples = [(row, box, uid) for row in several for box, uid in emails.more[row]]
    return seal(
        array("I", [stop - start]).tobytes(),
        emails.box[start:stop].tobytes(),
        emails.uid[start:stop].tobytes(),
        array("I", [number for triple in triples for number in triple]).tobytes(),
    )
