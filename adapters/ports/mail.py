"""The mail store as the gateway sees it: folders, messages in columns, searches, parts.

A MailPort belongs to one login on one backend. It mints no JMAP ids, keeps no journal and knows no JMAP method;
it reports what the backend holds in the backend's own terms (paths, UIDs, native ids), with flags already
translated to JMAP keywords. All methods raise only `adapters.errors`.
"""

from array import array
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Literal, Protocol

from adapters.formats.mime import Part
from adapters.ports.mail_search import Criterion

Keywords = frozenset[str]
"""JMAP keywords of one message, lower case, interned: equal sets are usually the same object."""

IdSource = Literal["emailid", "x-gm-msgid", "x-guid", "fingerprint"]
"""Where native email ids come from. Fixed per account and recorded: a change of source is a new epoch."""


@dataclass(frozen=True, slots=True)
class MailFacts:
    """What the backend turned out to be, known after `MailPort.open`.

    personal_prefix: what no name of a Mailbox begins with; where new ones go.

    thread_ids: the backend gives every message a THREADID (RFC 8474 §5.2); else the gateway threads by itself.
    """

    id_source: IdSource
    thread_ids: bool
    personal_prefix: str
    delimiter: str | None


@dataclass(frozen=True, slots=True)
class FolderStatus:
    """STATUS of one folder (RFC 9051 §6.3.11). `highest_modseq` is 0 where CONDSTORE is absent."""

    uid_validity: int
    uid_next: int
    messages: int
    unseen: int
    highest_modseq: int


@dataclass(frozen=True, slots=True)
class Folder:
    """One mailbox of the listing.

    path: the full name, decoded to Unicode; the key of the folder in all other calls.
    native_id: MAILBOXID or Dovecot's mailbox GUID, validated; None where the server has none.
    role: a JMAP role (RFC 8621 §2) from SPECIAL-USE, lower case; None where the server does not say.
    rights: the login's RFC 4314 rights, or None where the server has no ACL (then the folder is the login's own).
    status: None when the folder cannot be selected, is virtual, or could not be opened: it costs only itself.
    virtual: a view of messages that live elsewhere; never indexed as copies.
    """

    path: str
    delimiter: str | None
    native_id: str | None
    role: str | None
    subscribed: bool
    selectable: bool
    virtual: bool
    rights: frozenset[str] | None
    status: FolderStatus | None

    @property
    def readable(self) -> bool:
        """Whether its messages may be seen: it can be selected, and the login has the right to (RFC 4314 §2.1 `r`)."""
        return self.selectable and (self.rights is None or "r" in self.rights)


@dataclass(slots=True)
class Arrivals:
    """Messages of one folder in columns; all columns have the same length, one entry per UID.

    native_ids: the id the email id is derived from, see IdSource; received: INTERNALDATE in seconds since 1970 UTC;
    sizes: RFC822.SIZE in octets; thread_ids: native THREADIDs, or None where the backend has none.
    """

    uids: "array[int]" = field(default_factory=lambda: array("I"))
    native_ids: list[bytes] = field(default_factory=list)
    received: "array[int]" = field(default_factory=lambda: array("q"))
    sizes: "array[int]" = field(default_factory=lambda: array("I"))
    keywords: list[Keywords] = field(default_factory=list)
    thread_ids: list[bytes] | None = None

    def select(self, rows: Sequence[int]) -> "Arrivals":
        """Some of the entries, by their places."""
        threads = self.thread_ids
        if isinstance(rows, range) and rows.step == 1:
            at = slice(rows.start, rows.stop)
            return Arrivals(
                self.uids[at],
                self.native_ids[at],
                self.received[at],
                self.sizes[at],
                self.keywords[at],
                None if threads is None else threads[at],
            )
        return Arrivals(
            uids=array("I", [self.uids[row] for row in rows]),
            native_ids=[self.native_ids[row] for row in rows],
            received=array("q", [self.received[row] for row in rows]),
            sizes=array("I", [self.sizes[row] for row in rows]),
            keywords=[self.keywords[row] for row in rows],
            thread_ids=None if threads is None else [threads[row] for row in rows],
        )


@dataclass(slots=True)
class ThreadHeaders:
    """What threading needs of some messages, in columns; all have the same length, one entry per UID.

    Values of header fields, unfolded and trimmed; empty where there is none.
    """

    uids: "array[int]" = field(default_factory=lambda: array("I"))
    message_ids: list[bytes] = field(default_factory=list)
    in_reply_to: list[bytes] = field(default_factory=list)
    references: list[bytes] = field(default_factory=list)
    subjects: list[bytes] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.uids)

    def part(self, start: int, stop: int) -> "ThreadHeaders":
        """The entries from `start` on, up to `stop`."""
        return ThreadHeaders(
            self.uids[start:stop],
            self.message_ids[start:stop],
            self.in_reply_to[start:stop],
            self.references[start:stop],
            self.subjects[start:stop],
        )

    def of(self, uids: Collection[int]) -> "ThreadHeaders":
        """The entries of these UIDs, those left out that have none."""
        found = ThreadHeaders()
        for at, uid in enumerate(self.uids):
            if uid in uids:
                found.uids.append(uid)
                found.message_ids.append(self.message_ids[at])
                found.in_reply_to.append(self.in_reply_to[at])
                found.references.append(self.references[at])
                found.subjects.append(self.subjects[at])
        return found


@dataclass(frozen=True, slots=True)
class Newest:
    r"""The newest messages of a folder by INTERNALDATE.

    arrivals: everything that was received later than any message that is not among them. total: all messages of the
    folder that are not `\Deleted`. headers: what threading needs of the arrivals; none where the server has threads.
    """

    arrivals: Arrivals
    total: int
    headers: ThreadHeaders | None = None


class KnownMessages(Protocol):
    """What the gateway already holds of a folder, for backends that must diff."""

    @property
    def uids(self) -> "array[int]":
        """All known UIDs, ascending."""
        ...

    def keywords(self, uid: int) -> Keywords:
        """The keywords of a known UID as last seen."""
        ...


@dataclass(slots=True)
class FolderDelta:
    """How one folder moved since a cursor.

    cursor: where the folder stands after this delta; the next call's `since`.
    reset: UIDVALIDITY changed (or the cursor was None): `arrivals` is the whole content, old UIDs mean nothing.
    flags: (uid, keywords) of known messages whose keywords changed. vanished: known UIDs that are gone.
    """

    cursor: FolderStatus
    reset: bool
    arrivals: Arrivals
    flags: list[tuple[int, Keywords]]
    vanished: list[int]


@dataclass(frozen=True, slots=True)
class FetchPlan:
    """What to fetch of each message; only what is asked for crosses the wire.

    header_fields: names of header fields; None means the whole header. structure: the MIME structure.
    preview: the server's own preview (RFC 8970) where it has one. whole: the complete message (the caller has
    checked its size).
    """

    header_fields: frozenset[str] | None = frozenset()
    structure: bool = False
    preview: bool = False
    whole: bool = False


@dataclass(slots=True)
class MessageData:
    """The answer to a FetchPlan for one UID; what was not asked for is None.

    header: the raw header block holding at least the asked fields, in the message's order.
    preview: None where the server has no PREVIEW extension or could not make one.
    """

    uid: int
    header: bytes | None = None
    structure: Part | None = None
    preview: str | None = None
    message: bytes | None = None


@dataclass(frozen=True, slots=True)
class Section:
    """A piece of a message: `part_id` "1.2" (None: the whole message), its body or its MIME header.

    start: the first octet; limit: at most this many octets, None for all (only from the beginning).
    """

    part_id: str | None
    kind: Literal["body", "mime"] = "body"
    limit: int | None = None
    start: int = 0


class MailPort(Protocol):
    """Reading mail. `uid_validity` guards every UID: a mismatch after SELECT raises `errors.Conflict`."""

    async def open(self) -> MailFacts:
        """Prove the credentials and learn the backend's powers. Raises AuthFailed, Unavailable."""
        ...

    async def folders(self) -> Sequence[Folder]:
        """All folders of the login's personal namespace, or of those that one owner shares, with fresh STATUS.

        True as of this call, the rights of shared ones too.

        A backend may give the very same sequence as before where nothing in it changed.
        """
        ...

    async def changes(self, path: str, since: FolderStatus | None, known: KnownMessages) -> FolderDelta:
        """What happened in one folder since `since` (None: everything is an arrival)."""
        ...

    def facts(self, path: str, uid_validity: int) -> AsyncIterator[Arrivals]:
        """Stream a whole folder, newest UIDs first, in batches of some thousand messages."""
        ...

    async def newest(self, path: str, uid_validity: int, count: int) -> Newest | None:
        """About `count` messages, in less time than it takes to read the folder; None where the server cannot sort."""
        ...

    def thread_headers(self, path: str, uid_validity: int, uids: Sequence[int]) -> AsyncIterator[ThreadHeaders]:
        """The headers that threading needs, in batches; vanished UIDs are left out."""
        ...

    async def search(self, path: str, uid_validity: int, criterion: Criterion) -> "array[int]":
        """UIDs that match, ascending. Raises Unsupported when the backend cannot express the criterion."""
        ...

    async def fetch(
        self, path: str, uid_validity: int, uids: Collection[int], plan: FetchPlan
    ) -> dict[int, MessageData]:
        """Fetch for each UID what the plan asks; vanished UIDs are left out."""
        ...

    def expecting(self, path: str, uid_validity: int, uid: int, plan: FetchPlan) -> AbstractContextManager[None]:
        """While the context lasts `folders` is called, and then `fetch` of just this message by just this plan.

        A port that can read the message in the round trip that `folders` takes does. Raises Unavailable before `open`.
        """
        ...

    async def sections(
        self, path: str, uid_validity: int, wanted: Mapping[int, Sequence[Section]]
    ) -> dict[int, dict[Section, bytes]]:
        """Several pieces of several messages (UID -> pieces), transfer-encoded as stored, in one round trip.

        Messages that want the same pieces are asked for together; vanished UIDs and unknown parts are left out.
        """
        ...

    async def decoded_sizes(self, path: str, uid_validity: int, uid: int, part_ids: Sequence[str]) -> Mapping[str, int]:
        """Decoded octets per part by BINARY.SIZE (RFC 9051 §6.4.5); empty where the server has no BINARY."""
        ...

    def stream(self, path: str, uid_validity: int, uid: int, part_id: str | None) -> AsyncIterator[bytes]:
        """The bytes of one part (None: the message) in pieces of at most 64 KiB. Raises NotFound, Unavailable."""
        ...

    async def close(self) -> None:
        """Log out and drop all connections."""
        ...
