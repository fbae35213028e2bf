r"""How one folder moved since a cursor. RFC 7162 (CONDSTORE, QRESYNC), RFC 9051 §6.4.

The cursor of a delta is a STATUS taken before anything else is read, and the session is never behind it: a NOOP that
has been answered makes it fresh (pipelined, Dovecot would put it off), a second one brings the sessions of servers
whose STATUS looks past the session up to it. So whatever the cursor covers is in the delta, and what happens later is
reported again next time, where it changes nothing: flags are compared with what is known, arrivals and departures with
the known UIDs.

Three ways, by what the server has:
- modification sequences: changed flags by CHANGEDSINCE, departures by VANISHED with QRESYNC;
- without QRESYNC, and whenever the numbers do not add up (a server that forgot something, `\Deleted` messages): one
  UID SEARCH says which messages there are;
- nothing: the flags of all messages are read and compared.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Awaitable, Collection, Iterable
from dataclasses import dataclass

from adapters.errors import Conflict, NotFound
from adapters.imap.bulk import BareReader, FactsReader, FlagsReader, ThreadReader
from adapters.imap.connection import Connection
from adapters.imap.encoder import Part, atom, chunk_uids, fetch_item, mailbox, number, paren, seqset, seqset_text
from adapters.imap.errors import ConnectionLost
from adapters.imap.folders import MODSEQ_ITEM, STATUS_ITEMS, folder_status, parse_status
from adapters.imap.keywords import FlagSets
from adapters.imap.receiving import last_words
from adapters.imap.responses import Completion, Untagged, fetch_items
from adapters.imap.search import found_uids
from adapters.imap.sequences import ranges
from adapters.imap.session import SILENT_SECONDS, pipelined, refresh
from adapters.ports.mail import Arrivals, FolderDelta, FolderStatus, IdSource, Keywords, KnownMessages


@dataclass(frozen=True, slots=True)
class Reading:
    """How facts are read on this backend."""

    source: IdSource
    thread_ids: bool
    flags: FlagSets

    def facts(self, path: str, uid_validity: int) -> FactsReader:
        """A new reader for one folder."""
        return FactsReader(self.source, self.thread_ids, self.flags, _unique(path, uid_validity))

    @property
    def items(self) -> Part:
        """The FETCH items of facts."""
        return FactsReader.items(self.source, self.thread_ids)


async def folder_delta(
    connection: Connection, path: str, since: FolderStatus | None, known: KnownMessages, reading: Reading
) -> FolderDelta:
    """The delta of the selected folder. Raises NotFound where it is gone, Unavailable."""
    await refresh(connection, same=False)
    if since is None or since.uid_validity != connection.uid_validity:
        return await _everything(connection, path, reading)
    if not since.highest_modseq or not has_modseq(connection):
        return await _compared(connection, path, since, known, reading)
    return await _changed(connection, path, since, known, reading)


def has_modseq(connection: Connection) -> bool:
    """Whether the server has modification sequences (RFC 7162 §3.1, §3.2.3)."""
    return bool({b"CONDSTORE", b"QRESYNC"} & connection.capabilities)


def status_items(connection: Connection) -> list[str]:
    """The STATUS items of a cursor."""
    return [*STATUS_ITEMS, MODSEQ_ITEM] if has_modseq(connection) else list(STATUS_ITEMS)


async def existing_uids(connection: Connection) -> "array[int]":
    r"""UIDs of all messages that are not `\Deleted`, ascending, true as of this call."""
    returning = [atom("RETURN"), paren(atom("ALL"))] if b"ESEARCH" in connection.capabilities else []
    await refresh(connection)
    return found_uids(await connection.command("UID SEARCH", *returning, atom("UNDELETED")))


async def stream_rows(
    connection: Connection, uids: Part, reader: FactsReader | ThreadReader, items: Part, *, modest: bool = False
) -> None:
    """Read what is told of some UIDs into `reader`. Raises SessionCollapsed where the server's last words say so.

    modest: see `streams.Wire`.
    """
    try:
        await connection.stream("UID FETCH", uids, items, consumer=reader, timeout=SILENT_SECONDS, modest=modest)
    except ConnectionLost as error:  # in the middle of a stream a BYE is among what the reader did not want
        raise last_words(reader.take_others()) or error from error
    connection.hand_back(reader.take_others())


async def facts_of(connection: Connection, path: str, uids: Collection[int], reading: Reading) -> Arrivals:
    """The facts of some messages, those left out that are gone."""
    reader = reading.facts(path, connection.uid_validity or 0)
    for piece in chunk_uids(uids):
        await stream_rows(connection, seqset(piece), reader, reading.items)
    return reader.take()


async def bare_facts_of(connection: Connection, path: str, uids: Collection[int], flags: FlagSets) -> Arrivals:
    """The facts of messages whose header cannot be read, where ids are made of it."""
    reader = BareReader(flags, _unique(path, connection.uid_validity or 0))
    for piece in chunk_uids(uids):
        await stream_rows(connection, seqset(piece), reader, reader.bare_items())
    return reader.take()


def _unique(path: str, uid_validity: int) -> bytes:
    return b"%d/%b" % (uid_validity, path.encode())


async def _everything(connection: Connection, path: str, reading: Reading) -> FolderDelta:
    """Without a usable cursor: all there is."""
    cursor = await cursor_of(connection, path)
    if cursor.uid_validity != connection.uid_validity:  # the folder was replaced while it was held open
        await connection.select(path)
        cursor = await cursor_of(connection, path)
    if cursor.uid_validity != connection.uid_validity:
        raise Conflict("UIDVALIDITY does not stay the same")
    reader = reading.facts(path, cursor.uid_validity)
    await stream_rows(connection, seqset_text("1:*"), reader, reading.items)
    seen = _Seen(cursor, True, reader.take(), {}, set())
    delta = await _settled(connection, path, seen, _Nothing(), reading)
    delta.reset = True
    return delta


async def _compared(
    connection: Connection, path: str, since: FolderStatus, known: KnownMessages, reading: Reading
) -> FolderDelta:
    """Without modification sequences: the flags of all messages against what is known."""
    cursor = await cursor_of(connection, path)
    if cursor.uid_validity != since.uid_validity:
        return await _everything(connection, path, reading)
    reader = FlagsReader(reading.flags)
    await connection.stream("UID FETCH", seqset_text("1:*"), reader.items(), consumer=reader, timeout=SILENT_SECONDS)
    connection.hand_back(reader.take_others())
    shown = {uid: keywords for uid, keywords in reader.seen.items() if keywords is not None}
    held, present = set(known.uids), set(shown)
    if len(reader.seen) != cursor.messages:  # nothing has vanished on the word of one incomplete answer
        present = set(await existing_uids(connection))
    return FolderDelta(
        cursor,
        reset=False,
        arrivals=only(await facts_of(connection, path, present - held, reading), None),
        flags=_changed_flags({uid: shown[uid] for uid in shown.keys() & present}, known),
        vanished=sorted(held - present),
    )


async def _changed(
    connection: Connection, path: str, since: FolderStatus, known: KnownMessages, reading: Reading
) -> FolderDelta:
    """By modification sequences, in two round trips where all adds up."""
    reader = reading.facts(path, since.uid_validity)
    polled = _cursor_commands(connection, path)
    # a folder that is read while mail comes is known beyond the cursor it was read under
    last = max(since.uid_next - 1, known.uids[-1] if known.uids else 0)
    changing = [_changed_since(connection, since, last)] if last else []
    arriving = connection.command("UID FETCH", seqset_text(f"{since.uid_next}:*"), reading.items)
    status, _, *changes, arrived = await pipelined(*polled, *changing, arriving)
    cursor = _cursor_from(status, path)
    if cursor.uid_validity != since.uid_validity:
        return await _everything(connection, path, reading)
    if cursor.highest_modseq < since.highest_modseq:  # RFC 7162 §3.1.2: it never sinks, so the count began anew
        return await _compared(connection, path, since, known, reading)
    reader.feed_items(map(fetch_items, arrived.of(b"FETCH")))
    flags = FlagsReader(reading.flags)
    gone: set[int] = set()
    for completion in changes:
        flags.feed_items(map(fetch_items, completion.of(b"FETCH")))
        gone |= _vanished(completion.of(b"VANISHED"), known.uids)
    seen = _Seen(cursor, b"QRESYNC" in connection.enabled, reader.take(), flags.seen, gone)
    return await _settled(connection, path, seen, known, reading)


class _Nothing:
    """What is known of a folder that was never read."""

    uids: "array[int]" = array("I")

    def keywords(self, uid: int) -> Keywords:
        """There is no such UID."""
        raise KeyError(uid)


@dataclass(slots=True)
class _Seen:
    r"""What the server reported: facts of new UIDs, flags (None: `\Deleted`), known UIDs that it called gone.

    complete: it would have said so if more were gone.
    """

    cursor: FolderStatus
    complete: bool
    arrivals: Arrivals
    flags: dict[int, Keywords | None]
    gone: set[int]


async def _settled(
    connection: Connection, path: str, seen: _Seen, known: KnownMessages, reading: Reading
) -> FolderDelta:
    """The delta from what was reported, completed by a UID SEARCH where the numbers do not add up."""
    uids = known.uids
    arrivals = only(seen.arrivals, [uid for uid in seen.arrivals.uids if is_known(uids, uid)])
    arrived = set(arrivals.uids)
    gone = seen.gone | {uid for uid, keywords in seen.flags.items() if keywords is None and is_known(uids, uid)}
    shown = {uid: keywords for uid, keywords in seen.flags.items() if keywords is not None}
    late = {uid for uid in shown if not is_known(uids, uid)} - arrived
    if not seen.complete or len(uids) - len(gone) + len(arrived | late) != seen.cursor.messages:
        held, present = set(uids), set(await existing_uids(connection))
        gone = held - present
        arrivals = only(arrivals, arrived - present)
        late = present - held - arrived
    if late:
        join(arrivals, await facts_of(connection, path, late, reading))
    return FolderDelta(
        seen.cursor,
        reset=False,
        arrivals=only(arrivals, None),
        flags=_changed_flags({uid: shown[uid] for uid in shown.keys() - gone}, known),
        vanished=sorted(gone),
    )


def _changed_since(connection: Connection, since: FolderStatus, last: int) -> Awaitable[Completion]:
    words = [atom("CHANGEDSINCE"), number(since.highest_modseq)]
    if b"QRESYNC" in connection.enabled:
        words.append(atom("VANISHED"))  # RFC 7162 §3.2.6
    items = paren(fetch_item("UID"), fetch_item("FLAGS"))
    return connection.command("UID FETCH", seqset_text(f"1:{last}"), items, paren(*words))


def _cursor_commands(connection: Connection, path: str) -> list[Awaitable[Completion]]:
    """To be run on a session that has been refreshed, see above."""
    wanted = paren(*map(atom, status_items(connection)))
    return [connection.command("STATUS", mailbox(path), wanted), connection.command("NOOP")]


async def cursor_of(connection: Connection, path: str) -> FolderStatus:
    """The STATUS of the selected folder, on a session that has been refreshed. Raises NotFound."""
    return _cursor_from((await pipelined(*_cursor_commands(connection, path)))[0], path)


def _cursor_from(completion: Completion, path: str) -> FolderStatus:
    for response in completion.of(b"STATUS"):
        parsed = parse_status(response)
        status = folder_status(parsed[1]) if parsed is not None and parsed[0] == path else None
        if status is not None:
            return status
    raise NotFound("the server gives no STATUS of the mailbox")


def _vanished(responses: Iterable[Untagged], known: "array[int]") -> set[int]:
    """Known UIDs in VANISHED (EARLIER) responses; their ranges may cover UIDs that never were."""
    gone: set[int] = set()
    for response in responses:
        text = response.values[-1] if response.values else None
        if isinstance(text, bytes):
            for low, high in ranges(text):
                gone.update(known[bisect_left(known, low) : bisect_right(known, high)])
    return gone


def _changed_flags(shown: dict[int, Keywords], known: KnownMessages) -> list[tuple[int, Keywords]]:
    uids = known.uids
    return [
        (uid, keywords)
        for uid, keywords in sorted(shown.items())
        if is_known(uids, uid) and known.keywords(uid) != keywords
    ]


def is_known(uids: "array[int]", uid: int) -> bool:
    """Whether a UID is among ascending ones."""
    at = bisect_left(uids, uid)
    return at < len(uids) and uids[at] == uid


def only(arrivals: Arrivals, without: Collection[int] | None) -> Arrivals:
    """The arrivals whose UIDs are not in `without`, each UID once, ascending."""
    first: dict[int, int] = {}
    for row, uid in enumerate(arrivals.uids):
        first.setdefault(uid, row)
    rows = [first[uid] for uid in sorted(first) if not without or uid not in without]
    if len(rows) == len(arrivals.uids) and rows == list(range(len(rows))):
        return arrivals
    return arrivals.select(rows)


def join(arrivals: Arrivals, more: Arrivals) -> None:
    """Add rows to the arrivals."""
    arrivals.uids.extend(more.uids)
    arrivals.native_ids += more.native_ids
    arrivals.received.extend(more.received)
    arrivals.sizes.extend(more.sizes)
    arrivals.keywords += more.keywords
    if arrivals.thread_ids is not None and more.thread_ids is not None:
        arrivals.thread_ids += more.thread_ids
