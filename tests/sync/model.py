"""A mail server in dictionaries, and the MailPort to it: every tier of backend, on demand and at will out of order."""

import itertools
from array import array
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

from adapters.errors import Conflict, NotFound, Unavailable
from adapters.ports.mail import (
    Arrivals,
    FetchPlan,
    Folder,
    FolderDelta,
    FolderStatus,
    IdSource,
    Keywords,
    KnownMessages,
    MailFacts,
    MessageData,
    Newest,
    Section,
    ThreadHeaders,
)
from adapters.ports.mail_search import Criterion


@dataclass(frozen=True)
class Message:
    """What cannot change; `guid` is the identity, `fingerprint` what a plain server shows of it."""

    guid: str
    fingerprint: str
    received: int
    size: int
    headers: tuple[str, str, str, str] = ("", "", "", "")
    """message_id, in_reply_to, references, subject"""


@dataclass
class Entry:
    message: Message
    keywords: Keywords
    modseq: int


@dataclass
class ModelFolder:
    uid_validity: int
    guid: str
    uid_next: int = 1
    entries: dict[int, Entry] = field(default_factory=dict)
    modseq: int = 1
    expunged: dict[int, int] = field(default_factory=dict)
    subscribed: bool = True
    role: str | None = None


class ModelServer:
    """Folders and what users do to them."""

    def __init__(self) -> None:
        self.folders: dict[str, ModelFolder] = {}
        self._serial = itertools.count(1)
        self.create("INBOX")

    def create(self, path: str, role: str | None = None) -> None:
        number = next(self._serial)
        self.folders[path] = ModelFolder(number, f"box-{number}", role=role)

    def delete(self, path: str) -> None:
        del self.folders[path]

    def rename(self, old: str, new: str) -> None:
        self.folders[new] = self.folders.pop(old)

    def append(
        self,
        path: str,
        keywords: Collection[str] = (),
        *,
        fingerprint: str | None = None,
        received: int = 0,
        headers: tuple[str, str, str, str] | None = None,
    ) -> int:
        number = next(self._serial)
        headers = headers or (f"<{number}@x>", "", "", f"Subject {number}")
        guid = f"msg-{number}"
        message = Message(guid, fingerprint or guid, received or 1_000_000 + number, 100 + number, headers)
        return self._enter(path, message, frozenset(keywords))

    def flag(self, path: str, uid: int, keywords: Collection[str]) -> None:
        folder = self.folders[path]
        folder.modseq += 1
        folder.entries[uid].keywords = frozenset(keywords)
        folder.entries[uid].modseq = folder.modseq

    def copy(self, path: str, uid: int, target: str) -> int:
        entry = self.folders[path].entries[uid]
        return self._enter(target, entry.message, entry.keywords)

    def move(self, path: str, uid: int, target: str) -> int:
        new = self.copy(path, uid, target)
        self.expunge(path, uid)
        return new

    def expunge(self, path: str, uid: int) -> None:
        folder = self.folders[path]
        folder.modseq += 1
        del folder.entries[uid]
        folder.expunged[uid] = folder.modseq

    def renumber(self, path: str) -> None:
        """A new UIDVALIDITY: the same messages under other UIDs."""
        folder = self.folders[path]
        entries = list(folder.entries.values())
        number = next(self._serial)
        folder.uid_validity, folder.uid_next, folder.modseq = number, 1, 1
        folder.entries, folder.expunged = {}, {}
        for entry in entries:
            self._enter(path, entry.message, entry.keywords)

    def _enter(self, path: str, message: Message, keywords: Keywords) -> int:
        folder = self.folders[path]
        folder.modseq += 1
        uid = folder.uid_next
        folder.uid_next += 1
        folder.entries[uid] = Entry(message, keywords, folder.modseq)
        return uid


def columns(uids: Sequence[int], rows: Sequence[tuple[bytes, ...]]) -> ThreadHeaders:
    """Thread headers of rows of (Message-ID, In-Reply-To, References, Subject)."""
    return ThreadHeaders(array("I", uids), *([row[at] for row in rows] for at in range(4)))


class ModelPort:
    """A MailPort to a ModelServer.

    failing: calls until Unavailable is raised (None: never). meddle: called before each call with its name.
    """

    def __init__(
        self,
        server: ModelServer,
        *,
        source: IdSource = "emailid",
        condstore: bool = True,
        mailbox_ids: bool = True,
        thread_ids: bool = False,
        sorts: bool = True,
        batch: int = 2,
    ) -> None:
        self.server = server
        self.source: IdSource = source
        self.condstore = condstore
        self.mailbox_ids = mailbox_ids
        self.native_threads = thread_ids
        self.sorts = sorts
        self.batch = batch
        self.failing: int | None = None
        self.meddle: Callable[[str], None] = lambda _call: None
        self.calls: list[str] = []
        self._listing: list[Folder] = []

    def _call(self, name: str) -> None:
        self.calls.append(name)
        self.meddle(name)
        if self.failing is not None:
            self.failing -= 1
            if self.failing < 0:
                raise Unavailable("told to fail")

    async def open(self) -> MailFacts:
        self._call("open")
        return MailFacts(self.source, self.native_threads, "", "/")

    async def folders(self) -> Sequence[Folder]:
        """The very same listing where nothing in it changed, as the port allows."""
        self._call("folders")
        listing = self._listing_now()
        if listing != self._listing:
            self._listing = listing
        return self._listing

    def _listing_now(self) -> list[Folder]:
        return [
            Folder(
                path=path,
                delimiter="/",
                native_id=folder.guid if self.mailbox_ids else None,
                role=folder.role,
                subscribed=folder.subscribed,
                selectable=True,
                virtual=False,
                rights=None,
                status=self._status(folder),
            )
            for path, folder in self.server.folders.items()
        ]

    async def changes(self, path: str, since: FolderStatus | None, known: KnownMessages) -> FolderDelta:
        self._call(f"changes {path}")
        folder = self._folder(path)
        cursor = self._status(folder)
        if since is None or since.uid_validity != folder.uid_validity:
            return FolderDelta(cursor, True, self._arrivals(folder, list(folder.entries)), [], [])
        there = set(known.uids)
        arrivals = self._arrivals(folder, [uid for uid in folder.entries if uid not in there])
        vanished = [uid for uid in there if uid not in folder.entries]
        flags = [
            (uid, entry.keywords)
            for uid, entry in folder.entries.items()
            if uid in there
            and (entry.modseq > since.highest_modseq if self.condstore else entry.keywords != known.keywords(uid))
        ]
        return FolderDelta(cursor, False, arrivals, flags, vanished)

    async def facts(self, path: str, uid_validity: int) -> AsyncIterator[Arrivals]:
        self._call(f"facts {path}")
        uids = sorted(self._folder(path, uid_validity).entries, reverse=True)
        for start in range(0, len(uids), self.batch):
            self._call(f"batch {path}")
            folder = self._folder(path, uid_validity)
            yield self._arrivals(folder, [uid for uid in uids[start : start + self.batch] if uid in folder.entries])

    async def newest(self, path: str, uid_validity: int, count: int) -> Newest | None:
        self._call(f"newest {path}")
        if not self.sorts:
            return None
        folder = self._folder(path, uid_validity)
        uids = sorted(folder.entries, key=lambda uid: -folder.entries[uid].message.received)
        found = self._arrivals(folder, uids[: count + 1])
        if len(uids) > count + 1:
            last = min(found.received)
            found = found.select([row for row, received in enumerate(found.received) if received > last])
        headers = None if self.native_threads else self._headers(folder, found.uids)
        return Newest(found, len(uids), headers)

    def _headers(self, folder: ModelFolder, uids: Sequence[int]) -> ThreadHeaders:
        return columns(uids, [tuple(map(str.encode, folder.entries[uid].message.headers)) for uid in uids])

    async def thread_headers(self, path: str, uid_validity: int, uids: Sequence[int]) -> AsyncIterator[ThreadHeaders]:
        self._call(f"headers {path}")
        for start in range(0, len(uids), self.batch):
            there = [uid for uid in uids[start : start + self.batch] if uid in self._folder(path, uid_validity).entries]
            yield self._headers(self._folder(path, uid_validity), there)

    async def search(self, path: str, uid_validity: int, criterion: Criterion) -> "array[int]":
        return array("I", sorted(self._folder(path, uid_validity).entries))

    async def fetch(
        self, path: str, uid_validity: int, uids: Collection[int], plan: FetchPlan
    ) -> dict[int, MessageData]:
        return {uid: MessageData(uid) for uid in uids if uid in self._folder(path, uid_validity).entries}

    def expecting(self, path: str, uid_validity: int, uid: int, plan: FetchPlan) -> AbstractContextManager[None]:
        return nullcontext()

    async def sections(
        self, path: str, uid_validity: int, wanted: Mapping[int, Sequence[Section]]
    ) -> dict[int, dict[Section, bytes]]:
        return {}

    async def decoded_sizes(self, path: str, uid_validity: int, uid: int, part_ids: Sequence[str]) -> Mapping[str, int]:
        return {}

    async def stream(self, path: str, uid_validity: int, uid: int, part_id: str | None) -> AsyncIterator[bytes]:
        yield b""

    async def close(self) -> None:
        self._call("close")

    def native(self, message: Message) -> bytes:
        return (message.fingerprint if self.source == "fingerprint" else message.guid).encode()

    def _folder(self, path: str, uid_validity: int | None = None) -> ModelFolder:
        folder = self.server.folders.get(path)
        if folder is None:
            raise NotFound(path)
        if uid_validity not in (None, folder.uid_validity):
            raise Conflict(path)
        return folder

    def _status(self, folder: ModelFolder) -> FolderStatus:
        unseen = sum("$seen" not in entry.keywords for entry in folder.entries.values())
        modseq = folder.modseq if self.condstore else 0
        return FolderStatus(folder.uid_validity, folder.uid_next, len(folder.entries), unseen, modseq)

    def _arrivals(self, folder: ModelFolder, uids: Sequence[int]) -> Arrivals:
        entries = [folder.entries[uid] for uid in uids]
        return Arrivals(
            array("I", uids),
            [self.native(entry.message) for entry in entries],
            array("q", [entry.message.received for entry in entries]),
            array("I", [entry.message.size for entry in entries]),
            [entry.keywords for entry in entries],
            [entry.message.headers[3].encode() for entry in entries] if self.native_threads else None,
        )
