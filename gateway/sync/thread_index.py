"""Which Email belongs to which Thread (RFC 8621 §3). Pure.

Two messages are in one Thread if an id occurs in the Message-ID, In-Reply-To or References of both and their base
subjects are equal. Threads never merge: what was assigned stays, because an Email's threadId is immutable. Every id a
message refers to becomes a node, so that messages may come in any order: newest first gives the same Threads.
"""

import re
from array import array
from collections.abc import Iterator, Mapping
from hashlib import sha256
from struct import Struct

from adapters.formats import thread_headers
from adapters.formats.encoded_words import decode_words
from adapters.ports.mail import ThreadHeaders
from gateway.sync import ids
from gateway.sync.hash_index import HashIndex

_SIMPLE_IDS = re.compile(rb"\s*(?:<[A-Za-z0-9!#$%&'*+/=?^_`{|}~.@:-]+>\s*)*")
_UNBRACKET = bytes.maketrans(b"<>", b"  ")
_PLAIN_SUBJECT = re.compile(rb"[ \t]*(?:(?i:re|fwd?)[ \t]*:[ \t]*)*([\t -'*-9;-<>-Z\\-~]*)")  # ASCII without ( : = [
_LOWER = bytes(range(256)).lower()
_MARKED = re.compile(r"[:\[(\uff1a]|=\?")
_REPLIES = re.compile(r"\A\s*(?:(?:re|fwd?)\s*:\s*)*", re.IGNORECASE)
_FOREIGN_MARKS = re.compile(
    # what RFC 5256 §2.1 does not know: the reply and forward marks of other languages
    r"\s*(?:aw|wg|sv|vs|vb|antw|doorst|tr|rif|odp|pd|res|enc|ynt|ilt)\s*(?:\[\d+\]\s*)?[:\uff1a]",
    re.IGNORECASE,
)
_KEY = Struct(">Q24x").unpack  # the first octets of a SHA-256
_MAX_MARKS = 8
_MAX_REFERENCES = 128
_MAX_RECENT = 4096


def base_subject(subject: str) -> str:
    """The subject without reply marks, list tags and white space, in one case (RFC 8621 §3, RFC 5256 §2.1)."""
    replies = _REPLIES.match(subject)
    plain = subject[replies.end() :] if replies else subject
    if not _MARKED.search(plain):  # the usual case
        return "".join(plain.split()).casefold()
    text = thread_headers.base_subject(decode_words(subject))
    for _ in range(_MAX_MARKS):
        mark = _FOREIGN_MARKS.match(text)
        if mark is None:
            break
        text = thread_headers.base_subject(text[mark.end() :])
    return "".join(text.split()).casefold()


def message_ids(value: bytes) -> list[bytes]:
    """The message ids of a header field; of very many only the first, which is the root, and the last."""
    if not value:
        return []
    if _SIMPLE_IDS.fullmatch(value):
        found = value.translate(_UNBRACKET).split()
    else:
        found = [one.encode("utf-8", "surrogatepass") for one in thread_headers.message_ids(_text(value).encode())]
    return found if len(found) <= _MAX_REFERENCES else [found[0], *found[1 - _MAX_REFERENCES :]]


def _text(value: bytes) -> str:
    """A header field that should be UTF-8 (RFC 6532 §3)."""
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _folded_subject(value: bytes) -> bytes:
    """`base_subject` of a header field."""
    if plain := _PLAIN_SUBJECT.fullmatch(value):  # nearly all, at a fifth of the cost
        return plain[1].translate(_LOWER, b" \t")
    return base_subject(_text(value)).encode("utf-8", "surrogatepass")


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

    def assign(self, row: int, digest: bytes, headers: ThreadHeaders | None) -> None:
        """Give a row its thread; `digest` is the Email's. Without headers the row is a thread of its own."""
        named = _named(headers) if headers else []
        if not headers or not named:
            self.enter(row, self._number(self._lone(digest)))
            return
        # what identifies a Thread: any of the message ids, with the subject
        subject = b"\0" + _folded_subject(headers.subject)
        facts = [message_id + subject for message_id in named]
        # the newest message of a thread names most of what the others name, and they are seldom far away
        recent = self.recent
        self.enter(row, recent[facts[0]] if all(map(recent.__contains__, facts)) else self._led_to(facts))

    def _led_to(self, facts: list[bytes]) -> int:
        """The number of the thread that the first known fact leads to, else of a new one; the others lead there too."""

        def begin() -> int:
            number = self._number(self._roots.digest(facts[0]))
            if len(self.recent) > _MAX_RECENT:
                self.recent.clear()
            self.recent.update(dict.fromkeys(facts, number))  # none of them leads elsewhere
            return number

        return self.nodes.share([_KEY(sha256(fact).digest())[0] for fact in facts], begin)

    def assign_native(self, row: int, digest: bytes, native: bytes) -> None:
        """Give a row the thread that the backend says; empty where it says nothing."""
        fact = self._natives.digest(native) if native else self._lone(digest)
        self.enter(row, self._number(fact))

    def _lone(self, digest: bytes) -> bytes:
        return self._roots.digest(b"alone\0" + digest)

    def _number(self, digest: bytes) -> int:
        number = self.find(digest)
        if number is None:
            number = len(self.first)
            self.digests += digest
            self.first.append(0)
            self.by_digest.add(ids.key_of(digest), number)
        return number

    def enter(self, row: int, number: int) -> None:
        """Make a row the newest member of a thread."""
        missing = row + 1 - len(self.thread)
        if missing > 0:
            self.thread.frombytes(bytes(missing * self.thread.itemsize))
            self.following.frombytes(bytes(missing * self.following.itemsize))
        self.thread[row] = number + 1
        self.following[row] = self.first[number]
        self.first[number] = row + 1
        self.dirty_rows.add(row >> 12)
        self.dirty_threads.add(number >> 12)


def _named(headers: ThreadHeaders) -> list[bytes]:
    """Every id that the message refers to, each once, the oldest first, its own last."""
    usual = b"%b %b" % (headers.references or headers.in_reply_to, headers.message_id)
    if _SIMPLE_IDS.fullmatch(usual) and headers.message_id.count(b"<") <= 1:
        found = usual.translate(_UNBRACKET).split()
        if len(found) <= _MAX_REFERENCES:
            return found if len(found) == 1 else list(dict.fromkeys(found))
    own = message_ids(headers.message_id)[:1]
    references = message_ids(headers.references) or message_ids(headers.in_reply_to)
    return list(dict.fromkeys([*references, *own])) if references else own
