"""A snapshot from the store: read in some milliseconds, refused as a whole if anything in it is missing or wrong."""

from typing import Any

from adapters.ports.mail import Folder, FolderStatus
from gateway.store.base import Store
from gateway.sync import orders, persist
from gateway.sync.codec import Damaged, column, split, unseal, unseal_json, widen
from gateway.sync.copies import Copies
from gateway.sync.emails import Emails
from gateway.sync.flag_sets import FlagSets
from gateway.sync.hash_index import HashIndex
from gateway.sync.journal import DELIVERY, Changes, Journal, Record
from gateway.sync.mailboxes import Box, build
from gateway.sync.orders import Orders
from gateway.sync.snapshot import Snapshot
from gateway.sync.thread_index import ThreadIndex

VERSION = 1


async def load(
    store: Store, account: str, life: bytes | None, head: bytes | None, threads: ThreadIndex, keep: int, prefix: str
) -> Snapshot:
    """Read everything back. Raises Damaged, StoreUnavailable.

    life, head: the values of these records; threads: an empty index to fill; keep: see Journal; prefix: of the
    personal namespace.
    """
    spaces = {space: dict(await store.scan(account, space)) for space in persist.SPACES}
    if (spaces[persist.RECORD].get("life"), spaces[persist.RECORD].get("head")) != (life, head):
        raise Damaged("changed while being read")
    try:
        return _Loader(spaces, unseal_json(head), threads).snapshot(keep, prefix, await read_orders(store, account))
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise Damaged("not as written") from error


async def read_orders(store: Store, account: str) -> Orders:
    """See `sync.orders`. Raises StoreUnavailable."""
    (value,) = await store.read([orders.key(account)])
    return orders.read(value)


class _Loader:
    def __init__(self, spaces: dict[str, dict[str, bytes]], head: dict[str, Any], threads: ThreadIndex) -> None:
        self._spaces = spaces
        self._head = head
        self._threads = threads

    def snapshot(self, keep: int, prefix: str, kept: Orders) -> Snapshot:
        sets = unseal_json(self._spaces[persist.FLAG_SETS].get("all"))
        self._expect(len(sets) >= self._head["flag_sets"])
        emails = Emails(FlagSets(frozenset(keywords) for keywords in sets))
        self._facts(emails)
        self._places(emails)
        self._boxes(emails)
        self._members()
        indexes = [self._index(name) for name in persist.INDEXES]
        emails.by_digest, self._threads.by_digest, self._threads.nodes = indexes
        self._expect([len(index) for index in indexes] == self._head["indexes"])
        mailboxes = build(emails.boxes.values(), prefix, kept)
        return Snapshot(emails, mailboxes, self._threads, self._journal(keep), kept)

    def _expect(self, truth: bool) -> None:
        if not truth:
            raise Damaged("pieces do not fit together")

    def _chunks(self, space: str) -> list[memoryview]:
        found = sorted(self._spaces[space].items())
        self._expect([name for name, _ in found] == [f"{number:06d}" for number in range(len(found))])
        return [unseal(value) for _, value in found]

    def _facts(self, emails: Emails) -> None:
        for payload in self._chunks(persist.FACTS):
            (digests, received, sizes), _ = split(payload, 16, 8, 4)
            emails.digests += digests
            emails.received_at.extend(column("q", received))
            emails.size.extend(column("I", sizes))
        for payload in self._chunks(persist.FLAGS):
            emails.flag_set.extend(widen(payload))
        rows = self._head["rows"]
        self._expect(len(emails.size) == len(emails.flag_set) == rows)
        self._expect(max(emails.flag_set, default=0) < len(emails.flag_sets))
        emails.alive = self._head["alive"]
        emails.ordinals = {bytes.fromhex(digest): count for digest, count in self._head["ordinals"].items()}

    def _places(self, emails: Emails) -> None:
        for payload in self._chunks(persist.PLACES):
            rows = column("I", payload[:4])[0]
            emails.box.extend(column("H", payload[4 : 4 + 2 * rows]))
            emails.uid.extend(column("I", payload[4 + 2 * rows : 4 + 6 * rows]))
            triples = iter(column("I", payload[4 + 6 * rows :]))
            for row, box, uid in zip(triples, triples, triples, strict=True):
                emails.more[row] = (*emails.more.get(row, ()), (box, uid))
        self._expect(len(emails.box) == len(emails.uid) == self._head["rows"])

    def _boxes(self, emails: Emails) -> None:
        for value in self._spaces[persist.BOXES].values():
            document = unseal_json(value)
            box = _box(document["box"])
            emails.boxes[box.number] = box
            emails.numbers[box.id] = box.number
            emails.contents[box.number] = self._copies(box.number, document["copies"], self._head["rows"])
        self._expect(len(emails.boxes) == len(emails.numbers) == self._head["boxes"])

    def _copies(self, number: int, length: int, row_count: int) -> Copies:
        copies = Copies()
        for chunk in range(persist.chunk_count(length)):
            name = f"{number:05d}.{chunk:06d}"
            (uids, rows), _ = split(unseal(self._spaces[persist.COPIES].get(name)), 4, 4)
            copies.uids.extend(column("I", uids))
            copies.rows.extend(column("I", rows))
            copies.flags.extend(widen(unseal(self._spaces[persist.COPY_FLAGS].get(name))))
        self._expect(len(copies.uids) == len(copies.flags) == length)
        self._expect(max(copies.rows, default=-1) < row_count)
        return copies

    def _members(self) -> None:
        threads = self._threads
        for payload in self._chunks(persist.MEMBERS):
            (numbers, following), _ = split(payload, 4, 4)
            threads.thread.extend(column("I", numbers))
            threads.following.extend(column("I", following))
        for payload in self._chunks(persist.THREADS):
            (digests, first), _ = split(payload, 16, 4)
            threads.digests += digests
            threads.first.extend(column("I", first))
        self._expect(len(threads.thread) == self._head["members"] and len(threads.first) == self._head["threads"])
        threads.complete = self._head["complete"]

    def _index(self, name: str) -> HashIndex:
        index = HashIndex()
        for stored, value in self._spaces[persist.INDEX].items():
            owner, _, bucket = stored.partition(".")
            if owner == name:
                (keys, numbers), _ = split(unseal(value), 8, 4)
                index.load(int(bucket, 16), column("Q", keys), column("I", numbers))
        return index

    def _journal(self, keep: int) -> Journal:
        journal = Journal(keep)
        head = self._head
        journal.epoch, journal.seq, journal.past = head["epoch"], head["seq"], head["past"]
        journal.history = head.get("history")
        journal.heads, journal.floors = {DELIVERY: 0} | head["heads"], head["floors"]
        records = []
        for name, value in sorted(self._spaces[persist.JOURNAL].items()):
            document = unseal_json(value)
            records.append(Record(int(name), {kind: Changes(*lists) for kind, lists in document.items()}))
        self._expect(len(records) == head["records"])
        journal.restore(records)
        return journal


def _box(document: dict[str, Any]) -> Box:
    folder, cursor = document["folder"], document["cursor"]
    rights, status = folder["rights"], folder["status"]
    return Box(
        number=document["number"],
        id=document["id"],
        folder=Folder(
            **{
                **folder,
                "rights": None if rights is None else frozenset(rights),
                "status": None if status is None else FolderStatus(**status),
            }
        ),
        cursor=None if cursor is None else FolderStatus(**cursor),
        total=document["total"],
        unread=document["unread"],
    )
