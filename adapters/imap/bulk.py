"""Facts and thread headers of many messages as columns (pure): what a FETCH stream becomes on its way to the index.

Native ids come from one of four sources, see `adapters.ports.mail.IdSource`. A fingerprint is the hash of
INTERNALDATE, RFC822.SIZE and five header fields, for servers that give no durable id: equal fingerprints are copies of
one message.
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Final

from adapters.imap.encoder import Part, fetch_item, paren
from adapters.imap.keywords import FlagSets
from adapters.imap.rows import DATE, FLAGS, HEADER, MODSEQ, SIZE, UID, Row, RowReader, trimmed
from adapters.imap.tokens import Value
from adapters.ports.mail import Arrivals, IdSource, ThreadHeaders

ID_ITEM: Final[dict[IdSource, bytes]] = {
    "emailid": b"EMAILID",
    "x-gm-msgid": b"X-GM-MSGID",
    "x-guid": b"X-GUID",
    "fingerprint": HEADER,
}
THREAD_ITEM: Final[dict[IdSource, bytes]] = {"emailid": b"THREADID", "x-gm-msgid": b"X-GM-THRID"}

_BARE: Final = (UID, FLAGS, DATE, SIZE)
FINGERPRINT_FIELDS: Final = ("DATE", "FROM", "MESSAGE-ID", "REFERENCES", "SUBJECT")
_FINGERPRINT_NAMES: Final = tuple(name.lower().encode() for name in FINGERPRINT_FIELDS)
THREAD_FIELDS: Final = ("IN-REPLY-TO", "MESSAGE-ID", "REFERENCES", "SUBJECT")
_THREAD_NAMES: Final = (b"message-id", b"in-reply-to", b"references", b"subject")

_MONTHS: Final = {
    name: number for number, name in enumerate(b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(), 1)
}
_EPOCH: Final = date(1970, 1, 1).toordinal()


class Days(dict[bytes, int]):
    """Memo: ` 7-Jul-2026` as seconds since 1970; 0 for what is no day."""

    def __missing__(self, text: bytes) -> int:
        day, month, year = text.split(b"-")
        try:
            seconds = (date(int(year), _MONTHS[month], int(day)).toordinal() - _EPOCH) * 86400
        except (ValueError, KeyError):
            seconds = 0
        self[text] = seconds
        return seconds


class Minutes(dict[bytes, int]):
    """Memo: `02:44` or `+0200` (by its last four digits) as seconds."""

    def __missing__(self, text: bytes) -> int:
        seconds = int(text[-2:]) * 60 + int(text[-5:-3] if b":" in text else text[-4:-2]) * 3600
        self[text] = -seconds if text[:1] == b"-" else seconds
        return self[text]


class Dates:
    """INTERNALDATE (`17-Jul-2026 02:44:25 +0000`, RFC 9051 §9 date-time) as seconds since 1970 UTC."""

    def __init__(self) -> None:
        self._days = Days()
        self._minutes = Minutes()

    def seconds(self, texts: Iterable[bytes]) -> list[int]:
        """One number per text, each as `rows` gives it; 0 for an empty one."""
        days, minutes = self._days, self._minutes
        return [
            days[text[:11]] + minutes[text[12:17]] + int(text[18:20]) - minutes[text[21:]] if text else 0
            for text in texts
        ]


class _Reader(ABC):
    """Reads one FETCH stream, see `commands.Consumer`; `_add` is given the rows of `wanted`."""

    def __init__(self, wanted: Sequence[bytes], fields: Sequence[bytes] = ()) -> None:
        self._reader = RowReader(wanted, fields)

    @abstractmethod
    def _add(self, rows: list[Row]) -> None: ...

    def skim(self, data: bytes, position: int) -> int:
        """Read the responses from `position` on that are as those before; returns where the first other one begins."""
        rows, position = self._reader.regular(data, position)
        self._add(rows)
        return position

    def feed(self, raw: bytes) -> None:
        """Read whole responses."""
        self._add(self._reader.rows(raw))

    def feed_items(self, fetched: Iterable[dict[bytes, Value]]) -> None:
        """The same from tokenized FETCH data."""
        self._add([row for items in fetched if (row := self._reader.row(items)) is not None])

    def take_others(self) -> bytes:
        """The raw responses that were about anything else, since the last call."""
        return self._reader.take_others()


class FactsReader(_Reader):
    r"""Columns of facts. Messages that are `\Deleted` are left out (RFC 8621 §4.1.1).

    unique: what makes a UID unique in the account (path and UIDVALIDITY), for the rare message whose native id is
    unusable: it gets an id that no other message can have and that lasts as long as its UID.
    """

    def __init__(self, source: IdSource, thread_ids: bool, flags: FlagSets, unique: bytes) -> None:
        super().__init__(_wanted(source, thread_ids), _FINGERPRINT_NAMES)
        self._source = source
        self._threads = thread_ids
        self._flags = flags
        self._unique = unique
        self._dates = Dates()
        self._taken = Arrivals(thread_ids=[] if thread_ids else None)

    @staticmethod
    def items(source: IdSource, thread_ids: bool) -> Part:
        """The FETCH items whose answers this reads."""
        names = [name.decode() for name in _wanted(source, thread_ids) if name != HEADER]
        if source == "fingerprint":
            names.append(_header_item(FINGERPRINT_FIELDS))
        return paren(*(fetch_item(name) for name in names))

    def _add(self, rows: list[Row]) -> None:
        keywords = [self._flags[row[1]] for row in rows]
        if None in keywords:
            rows = [row for row, shown in zip(rows, keywords, strict=True) if shown is not None]
        if not rows:
            return
        columns = list(zip(*rows, strict=True))
        received = self._dates.seconds(columns[2])
        taken = self._taken
        taken.uids.extend(map(int, columns[0]))
        taken.keywords.extend(shown for shown in keywords if shown is not None)
        taken.received.extend(received)
        taken.sizes.extend(map(int, columns[3]))
        taken.native_ids.extend(self._native_ids(received, columns))
        if taken.thread_ids is not None:
            taken.thread_ids.extend(self._checked(columns[5], columns[0]))

    def take(self) -> Arrivals:
        """What was read since the last call."""
        taken, self._taken = self._taken, Arrivals(thread_ids=[] if self._threads else None)
        return taken

    def _native_ids(self, received: Sequence[int], columns: Sequence[Sequence[bytes]]) -> Iterable[bytes]:
        if self._source == "fingerprint":
            return map(fingerprint, received, columns[3], *map(trimmed, columns[4:]))
        return self._checked(columns[4], columns[0])

    def _checked(self, ids: Sequence[bytes], uids: Sequence[bytes]) -> Iterable[bytes]:
        if b"" not in ids:
            return ids
        return [native or b"%b/%b" % (self._unique, uid) for native, uid in zip(ids, uids, strict=True)]


class BareReader(FactsReader):
    """Facts of messages whose header cannot be read, though ids are made of it: what `unique` says is theirs."""

    def __init__(self, flags: FlagSets, unique: bytes) -> None:
        super().__init__("fingerprint", False, flags, unique)
        self._reader = RowReader(_BARE)

    @staticmethod
    def bare_items() -> Part:
        """The FETCH items whose answers this reads."""
        return paren(*(fetch_item(name.decode()) for name in _BARE))

    def _native_ids(self, received: Sequence[int], columns: Sequence[Sequence[bytes]]) -> Iterable[bytes]:
        return self._checked([b""] * len(columns[0]), columns[0])


class ThreadReader(_Reader):
    """Thread headers."""

    def __init__(self) -> None:
        super().__init__((UID, HEADER), _THREAD_NAMES)
        self._taken = ThreadHeaders()

    @staticmethod
    def items() -> Part:
        """The FETCH items whose answers this reads."""
        return paren(fetch_item("UID"), fetch_item(_header_item(THREAD_FIELDS)))

    def _add(self, rows: list[Row]) -> None:
        if rows:
            uids, *columns = zip(*rows, strict=True)
            _enter(self._taken, uids, columns)

    def take(self) -> ThreadHeaders:
        """What was read since the last call."""
        taken, self._taken = self._taken, ThreadHeaders()
        return taken


class PageReader(FactsReader):
    """Facts and thread headers of the same messages in one FETCH, where ids are no fingerprints."""

    def __init__(self, source: IdSource, flags: FlagSets, unique: bytes) -> None:
        super().__init__(source, False, flags, unique)
        self._reader = RowReader((*_wanted(source, False), HEADER), _THREAD_NAMES)
        self.headers = ThreadHeaders()

    @staticmethod
    def items_with_headers(source: IdSource) -> Part:
        """The FETCH items whose answers this reads."""
        names = [fetch_item(name.decode()) for name in _wanted(source, False)]
        return paren(*names, fetch_item(_header_item(THREAD_FIELDS)))

    def _add(self, rows: list[Row]) -> None:
        super()._add(rows)
        if rows:
            uids, _, _, _, _, *columns = zip(*rows, strict=True)
            _enter(self.headers, uids, columns)


class FlagsReader(_Reader):
    r"""UIDs and keywords, None for `\Deleted`; the last word about a UID counts."""

    def __init__(self, flags: FlagSets) -> None:
        super().__init__((UID, FLAGS))
        self._flags = flags
        self.seen: dict[int, frozenset[str] | None] = {}

    @staticmethod
    def items() -> Part:
        """The FETCH items whose answers this reads."""
        return paren(fetch_item("UID"), fetch_item("FLAGS"))

    def _add(self, rows: list[Row]) -> None:
        flags = self._flags
        self.seen.update((int(uid), flags[text]) for uid, text in rows)


class ModseqReader(_Reader):
    """UIDs and modification sequences, as a STORE is answered (RFC 7162 §3.1.3)."""

    def __init__(self) -> None:
        super().__init__((UID, MODSEQ))
        self.seen: dict[int, int] = {}

    def _add(self, rows: list[Row]) -> None:
        self.seen.update((int(uid), int(modseq)) for uid, modseq in rows if modseq.isdigit())


def _enter(headers: ThreadHeaders, uids: Iterable[bytes], columns: Iterable[Sequence[bytes]]) -> None:
    """Add messages. columns: in the order of `_THREAD_NAMES`."""
    headers.uids.extend(map(int, uids))
    own = headers.message_ids, headers.in_reply_to, headers.references, headers.subjects
    for column, values in zip(own, columns, strict=True):
        column.extend(trimmed(values))


def fingerprint(received: int, size: bytes, *values: bytes) -> bytes:
    """The native id of a message on a server without ids: 64 hex digits, the same for each copy.

    values: of `FINGERPRINT_FIELDS`, see `trimmed`.
    """
    return hashlib.sha256(b"\0".join((b"%d" % received, size, *values))).hexdigest().encode()


def _wanted(source: IdSource, thread_ids: bool) -> tuple[bytes, ...]:
    threads = (THREAD_ITEM[source],) if thread_ids else ()
    return (*_BARE, ID_ITEM[source], *threads)


def _header_item(fields: Sequence[str]) -> str:
    return f"BODY.PEEK[HEADER.FIELDS ({' '.join(fields)})]"
