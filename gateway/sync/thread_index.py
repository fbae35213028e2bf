"""Which Email belongs to which Thread (RFC 8621 §3). Pure.

Two messages are in one Thread if an id occurs in the Message-ID, In-Reply-To or References of both and their base
subjects are equal. Threads never merge: what was assigned stays, because an Email's threadId is immutable. Every id a
message refers to becomes a node, so that messages may come in any order: newest first gives the same Threads.
"""

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from struct import Struct

from gateway.sync import ids
from gateway.sync.hash_index import HashIndex
from gateway.sync.thread_facts import Facts

_KEY = Struct(">Q24x").unpack  # the first octets of a SHA-256
_MAX_RECENT = 4096


class ThreadIndex:
    """Columns per row: `thread` (I, number + 1, 0 while unassigned) and `following` (I, row + 1 of the next member).

    Columns per thread: `digests` (16 bytes, the id) and `first` (I, row + 1 of the newest member). A thread whose
    Emails are all gone stays known, so that a late reply finds it. recent: facts whose nodes need not be looked for.
    """

    def __init__(self, namespace: str) -> None:
        self._roots = ids.Digester(namespace, "thread")
        self._natives = ids.Digester(namespace, "threadid")
        self.complete = False
        self.thread = array("I")
        self.following = array("I")
        self.digests = bytearray()
        self.first = array("I")
        self.by_digest = HashIndex()
        self.nodes = HashIndex()
        self.dirty_rows: set[int] = set()
        self.dirty_threads: set[int] = set()
        self.recent: dict[bytes, int] = {}

    def fork(self) -> "ThreadIndex":
        """A copy to assign in."""
        fork = ThreadIndex.__new__(ThreadIndex)
        fork.__dict__.update(self.__dict__)
        fork.thread, fork.following = self.thread[:], self.following[:]
        fork.digests, fork.first = self.digests[:], self.first[:]
        fork.by_digest, fork.nodes = self.by_digest.fork(), self.nodes.fork()
        fork.dirty_rows, fork.dirty_threads = set(self.dirty_rows), set(self.dirty_threads)
        fork.recent = {}
        return fork

    def moved(self, rows: Mapping[int, int]) -> "ThreadIndex":
        """The same Threads of the same Emails, which lie in other rows now: old row to new row.

        What is known of Emails that lie nowhere any more is kept: they get the same Thread when they come back.
        """
        moved = self.fork()
        moved.thread, moved.following, moved.first = array("I"), array("I"), array("I", bytes(4 * len(self.first)))
        for old, new in rows.items():
            number = self.of_row(old)
            if number is not None:
                moved.enter(new, number)
        return moved

    def of_row(self, row: int) -> int | None:
        """The number of the row's thread, None while it has none."""
        return self.thread[row] - 1 if row < len(self.thread) and self.thread[row] else None

    def id(self, number: int) -> str:
        """The Thread id of a number."""
        return ids.to_text("t", self.digest(number))

    def lone_id(self, digest: bytes) -> str:
        """The Thread id of an Email that has no headers to thread it by."""
        return ids.to_text("t", self._lone(digest))

    def digest(self, number: int) -> bytes:
        """The 16 bytes that the id is made of."""
        return bytes(self.digests[number * 16 : number * 16 + 16])

    def find(self, digest: bytes) -> int | None:
        """The number of a thread by its digest."""
        for number in self.by_digest.find(ids.key_of(digest)):
            if self.digests[number * 16 : number * 16 + 16] == digest:
                return number
        return None

    def members(self, number: int) -> Iterator[int]:
        """The rows that were ever assigned, dead ones included, in no order."""
        row = self.first[number]
        while row:
            yield row - 1
            row = self.following[row - 1]

    def assign(self, rows: Sequence[int], facts: Iterable[Facts], digest_of: Callable[[int], bytes]) -> None:
        """Give rows the Threads that their messages belong to; those that have one keep it.

        digest_of: the digest of a row's Email, from which the Thread of a message is made that says nothing.
        """
        self._reach(max(rows, default=-1))
        thread, following, first = self.thread, self.following, self.first
        for row, said in zip(rows, facts, strict=True):
            if not thread[row]:
                number = self._led_to(said) if said else self._number(self._lone(digest_of(row)))
                thread[row], following[row], first[number] = number + 1, first[number], row + 1
        self.dirty_rows.update([row >> 12 for row in rows])
        self.dirty_threads.update([thread[row] - 1 >> 12 for row in rows])

    def _led_to(self, facts: Facts) -> int:
        """The number of the thread that the first known fact leads to, else of a new one; unknown ones lead there too.

        Facts of one thread are seldom far apart: those seen lately need not be looked for.
        """
        recent = self.recent
        number = recent.get(facts[0])
        if number is None:
            number = self._looked_for(facts)
        for fact in facts:
            if fact not in recent:
                recent[fact] = self.nodes.setdefault(_key(fact), number)
        return number

    def _looked_for(self, facts: Facts) -> int:
        if len(self.recent) > _MAX_RECENT:
            self.recent.clear()
        for fact in facts:
            number = self.recent.get(fact)
            if number is None:
                number = self.nodes.get(_key(fact))
            if number is not None:
                return number
        return self._number(self._roots.digest(facts[0]))

    def assign_native(self, row: int, digest: bytes, native: bytes) -> None:
        """Give a row the thread that the backend says; empty where it says nothing."""
        fact = self._natives.digest(native) if native else self._lone(digest)
        self.enter(row, self._number(fact))

    def _lone(self, digest: bytes) -> bytes:
        return self._roots.digest(b"alone\0" + digest)

    def _number(self, digest: bytes) -> int:
        number = len(self.first)
        found = self.by_digest.setdefault(ids.key_of(digest), number)
        if found != number:
            if self.digests[found * 16 : found * 16 + 16] == digest:
                return found
            if (other := self.find(digest)) is not None:
                return other
            self.by_digest.add(ids.key_of(digest), number)  # another digest that begins alike
        self.digests += digest
        self.first.append(0)
        return number

    def enter(self, row: int, number: int) -> None:
        """Make a row the newest member of a thread."""
        self._reach(row)
        self.thread[row] = number + 1
        self.following[row] = self.first[number]
        self.first[number] = row + 1
        self.dirty_rows.add(row >> 12)
        self.dirty_threads.add(number >> 12)

    def _reach(self, row: int) -> None:
        missing = row + 1 - len(self.thread)
        if missing > 0:
            self.thread.frombytes(bytes(missing * self.thread.itemsize))
            self.following.frombytes(bytes(missing * self.following.itemsize))


def _key(fact: bytes) -> int:
    """The first 64 bits of its SHA-256."""
    key: int = _KEY(sha256(fact).digest())[0]
    return key
