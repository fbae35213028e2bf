"""Which commands may be in progress together, and whose an untagged response is. RFC 9051 §5.5, §7."""

import asyncio
import enum
from collections import deque
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import Final, Protocol

from adapters.imap import utf7
from adapters.imap.encoder import Literal, Pause, Range
from adapters.imap.flow import Flow
from adapters.imap.responses import Completion, Untagged


class Order(enum.Enum):
    """How a command stands to others in progress."""

    FREE = enum.auto()  # no message sequence numbers: goes out beside any other
    SEQUENCE = enum.auto()  # sequence numbers: only behind FETCH, STORE, SEARCH
    ALONE = enum.auto()  # changes what all others mean: nothing beside it


@dataclass(frozen=True, slots=True)
class Kind:
    """A row of the table: the ordering rule and the untagged responses that the command may own."""

    order: Order
    owns: frozenset[bytes]


def _kind(order: Order, owns: str = "") -> Kind:
    return Kind(order, frozenset(owns.encode().split()))


_NO_EXPUNGE: Final = frozenset({"FETCH", "STORE", "SEARCH"})  # RFC 9051 §5.5, §7.5.1
_UNKNOWN: Final = _kind(Order.ALONE)
_SELECTING: Final = _kind(Order.ALONE, "FLAGS EXISTS RECENT LIST FETCH VANISHED")

KINDS: Final[dict[str, Kind]] = {
    "APPEND": _kind(Order.FREE),
    "AUTHENTICATE": _kind(Order.ALONE, "CAPABILITY"),
    "CAPABILITY": _kind(Order.FREE, "CAPABILITY"),
    "CHECK": _kind(Order.FREE),
    "CLOSE": _kind(Order.ALONE),
    "COPY": _kind(Order.SEQUENCE),
    "CREATE": _kind(Order.FREE, "LIST"),
    "DELETE": _kind(Order.FREE),
    "DELETEACL": _kind(Order.FREE),
    "ENABLE": _kind(Order.ALONE, "ENABLED"),
    "EXAMINE": _SELECTING,
    "EXPUNGE": _kind(Order.FREE, "EXPUNGE VANISHED"),
    "FETCH": _kind(Order.SEQUENCE, "FETCH"),
    "GETACL": _kind(Order.FREE, "ACL"),
    "GETMETADATA": _kind(Order.FREE, "METADATA"),
    "GETQUOTA": _kind(Order.FREE, "QUOTA"),
    "GETQUOTAROOT": _kind(Order.FREE, "QUOTA QUOTAROOT"),
    "ID": _kind(Order.FREE, "ID"),
    "IDLE": _kind(Order.ALONE),
    "LIST": _kind(Order.FREE, "LIST STATUS MYRIGHTS METADATA"),
    "LISTRIGHTS": _kind(Order.FREE, "LISTRIGHTS"),
    "LOGIN": _kind(Order.ALONE, "CAPABILITY"),
    "LSUB": _kind(Order.FREE, "LSUB"),
    "MOVE": _kind(Order.SEQUENCE, "EXPUNGE VANISHED"),
    "MYRIGHTS": _kind(Order.FREE, "MYRIGHTS"),
    "NAMESPACE": _kind(Order.FREE, "NAMESPACE"),
    "NOOP": _kind(Order.FREE),
    "NOTIFY": _kind(Order.ALONE, "STATUS"),
    "RENAME": _kind(Order.FREE, "LIST"),
    "SEARCH": _kind(Order.SEQUENCE, "SEARCH ESEARCH"),
    "SELECT": _SELECTING,
    "SETACL": _kind(Order.FREE),
    "SETMETADATA": _kind(Order.FREE),
    "SORT": _kind(Order.SEQUENCE, "SORT ESEARCH"),
    "STATUS": _kind(Order.FREE, "STATUS"),
    "STORE": _kind(Order.SEQUENCE, "FETCH"),
    "SUBSCRIBE": _kind(Order.FREE),
    "THREAD": _kind(Order.SEQUENCE, "THREAD"),
    "UID COPY": _kind(Order.FREE),
    "UID EXPUNGE": _kind(Order.FREE, "EXPUNGE VANISHED"),
    "UID FETCH": _kind(Order.FREE, "FETCH VANISHED"),
    "UID MOVE": _kind(Order.FREE, "EXPUNGE VANISHED"),
    "UID SEARCH": _kind(Order.FREE, "SEARCH ESEARCH"),
    "UID SORT": _kind(Order.FREE, "SORT ESEARCH"),
    "UID STORE": _kind(Order.FREE, "FETCH"),
    "UID THREAD": _kind(Order.FREE, "THREAD"),
    "UNSUBSCRIBE": _kind(Order.FREE),
}


class Consumer(Protocol):
    """Takes the responses of a bulk command, in their order."""

    def skim(self, data: bytes, position: int) -> int:
        """Take the whole responses from `position` on that need no framing; returns where the first other begins."""
        ...

    def feed(self, raw: bytes) -> None:
        """Take whole raw responses of any kind."""
        ...


@dataclass(eq=False, slots=True)
class Said:
    """What a command that is asked again and again was answered with last time, and the octets of that.

    The same octets need not be read again: the next answer then has the very same responses.
    """

    octets: bytes = b""
    responses: list[Untagged] = field(default_factory=list)


@dataclass(eq=False, slots=True)
class Pending:
    """A command that was asked for and has not been answered."""

    tag: bytes
    name: str
    kind: Kind
    output: deque[bytes | Literal | Pause]
    future: asyncio.Future[Completion]
    started: asyncio.Future[None]
    ranges: tuple[Range, ...] = ()
    path: str | None = None
    interactive: bool = False  # takes part in a dialogue by `+` up to its end (AUTHENTICATE, IDLE)
    consumer: Consumer | None = None
    flow: Flow | None = None
    on_ok: Callable[[], None] | None = None
    said: Said | None = None
    octets: list[bytes] = field(default_factory=list)  # of `untagged`, where `said` is wanted
    untagged: list[Untagged] = field(default_factory=list)
    gathered: int = 0
    prompts: asyncio.Queue[bytes | None] = field(default_factory=asyncio.Queue)


def kind_of(name: str, *, alone: bool = False) -> Kind:
    """The row of a command; an unknown one goes alone. `alone` is for streams, whatever the command."""
    kind = KINDS.get(name, _UNKNOWN)
    return Kind(Order.ALONE, kind.owns) if alone else kind


def may_start(kind: Kind, in_progress: Collection[Pending]) -> bool:
    """Whether RFC 9051 §5.5 lets a command go out before those in progress are complete."""
    if not in_progress:
        return True
    if kind.order is Order.ALONE or any(p.kind.order is Order.ALONE for p in in_progress):
        return False
    return kind.order is Order.FREE or all(p.name in _NO_EXPUNGE for p in in_progress)


def owner(in_progress: Iterable[Pending], response: Untagged) -> Pending | None:
    """The command whose data this is: by correlator, UID or name where given, else the oldest that can own it."""
    if response.name == b"OK":
        return _owner_of_code(in_progress, response)
    able = [p for p in in_progress if response.name in p.kind.owns or p.kind is _UNKNOWN]
    belongs = _BELONGS.get(response.name)
    if belongs is not None:
        return next((p for p in able if belongs(p, response)), None)
    if response.name == b"STATUS" and len(able) > 1:
        able.sort(key=lambda p: not (p.name == "STATUS" and _same_mailbox(p, response)))
    return able[0] if able else None


def _owner_of_code(in_progress: Iterable[Pending], response: Untagged) -> Pending | None:
    waiting = list(in_progress)
    if response.code is not None and response.code.name == b"COPYUID":  # RFC 6851 §4.3
        return next((p for p in waiting if p.name.endswith("MOVE")), None)
    return waiting[0] if waiting else None


def _esearch_belongs(pending: Pending, response: Untagged) -> bool:
    """By the correlator, `* ESEARCH (TAG "A12") …`, where there is one (RFC 9051 §7.3.4)."""
    match response.values[:1]:
        case [[bytes(name), bytes(tag)]] if name.upper() == b"TAG":
            return tag == pending.tag
    return True


def _vanished_belongs(pending: Pending, response: Untagged) -> bool:
    """VANISHED (EARLIER) answers FETCH and SELECT, plain VANISHED is an expunge (RFC 7162 §3.2.10)."""
    if response.values[:1] == [[b"EARLIER"]]:
        return pending.name in ("UID FETCH", "SELECT", "EXAMINE")
    return pending.name.endswith(("EXPUNGE", "MOVE"))


def _fetch_belongs(pending: Pending, response: Untagged) -> bool:
    if not pending.ranges:
        return True
    found = _uid(response) if pending.name.startswith("UID ") else response.number
    return found is not None and any(low <= found <= high for low, high in pending.ranges)


def _uid(response: Untagged) -> int | None:
    """UID item of a FETCH: every response to a UID command carries it (RFC 9051 §6.4.9)."""
    items = response.values[0] if response.values else None
    if isinstance(items, list):
        for index in range(0, len(items) - 1, 2):
            name, value = items[index], items[index + 1]
            if name == b"UID" and isinstance(value, bytes) and value.isdigit() and len(value) <= 10:
                return int(value)
    return None


def _same_mailbox(pending: Pending, response: Untagged) -> bool:
    raw = response.values[0] if response.values else None
    if pending.path is None or not isinstance(raw, bytes):
        return False
    names = {utf7.decode(raw), utf7.decode(raw, utf8=True)}
    return pending.path in names or pending.path.upper() == "INBOX" == raw.decode("latin-1").upper()


_BELONGS: Final[dict[bytes, Callable[[Pending, Untagged], bool]]] = {
    b"ESEARCH": _esearch_belongs,
    b"FETCH": _fetch_belongs,
    b"VANISHED": _vanished_belongs,
}
