"""STORE: the commands for changes of keywords, and what they are answered with (RFC 9051 §6.4.6, RFC 7162 §3.1.3)."""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from adapters.errors import AdapterError
from adapters.imap.bulk import ModseqReader
from adapters.imap.connection import Connection
from adapters.imap.encoder import Part, atom, chunk_uids, flag, number, paren, seqset
from adapters.imap.errors import Refusal
from adapters.imap.fetch import by_uid
from adapters.imap.keywords import flag_of
from adapters.imap.responses import Completion, Untagged
from adapters.imap.sequences import expand
from adapters.imap.session import SLOW_SECONDS, pipelined
from adapters.ports.mail_write import FlagDelta

Change = tuple[str, Part, list[int]]
"""A STORE: sign, flags, UIDs."""
Stored = tuple[Completion, Mapping[int, int]]
"""What a STORE was answered with, and UID -> MODSEQ as told in it, perhaps also of others' messages."""

STREAMED: Final = 16
"""Messages from which on the answer to a STORE is read as a stream."""


def stores(deltas: Iterable[FlagDelta]) -> list[Change]:
    """The STOREs for deltas. Deltas that add (or remove) the same flags are one."""
    changes: dict[tuple[str, tuple[bytes, ...]], list[int]] = {}
    for delta in deltas:
        for sign, keywords in (("+", delta.add), ("-", delta.remove)):
            if keywords and delta.uids:
                flags = tuple(sorted(map(flag_of, keywords)))
                changes.setdefault((sign, flags), []).extend(delta.uids)
    return [(sign, paren(*map(flag, flags)), uids) for (sign, flags), uids in changes.items()]


async def store(
    connection: Connection, changes: Sequence[Change], note: Callable[[Completion], None], since: int | None = None
) -> tuple[dict[int, int], list[Change]]:
    """UID -> MODSEQ as told, and what was not done because it was changed since.

    note: hears what each STORE brought. Raises what the commands do.
    """
    condition = [] if since is None else [paren(atom("UNCHANGEDSINCE"), number(since))]  # RFC 7162 §3.1.3
    pieces = [(sign, flags, piece) for sign, flags, uids in changes for piece in chunk_uids(uids)]
    asked = []
    run = _streamed if len(pieces) == 1 and len(pieces[0][2]) >= STREAMED else _plain
    for sign, flags, piece in pieces:
        parts = [seqset(piece), *condition, atom(sign + "FLAGS.SILENT"), flags]
        asked.append(_unless_modified(run, connection, parts))
    told: dict[int, int] = {}
    late: list[Change] = []
    for (sign, flags, piece), answer in zip(pieces, await pipelined(*asked), strict=True):
        if answer is None:
            late.append((sign, flags, list(piece)))
            continue
        completion, modseqs = answer
        note(completion)
        told.update((uid, modseqs[uid]) for uid in piece if uid in modseqs)
        match completion.code_values(b"MODIFIED"):
            case [bytes(text)]:
                late.append((sign, flags, sorted(set(piece) & set(expand(text)))))
    return told, late


async def _plain(connection: Connection, parts: Sequence[Part]) -> Stored:
    """A STORE that others may go beside."""
    completion = await connection.command("UID STORE", *parts, timeout=SLOW_SECONDS)
    return completion, dict(_modseqs(completion))


async def _streamed(connection: Connection, parts: Sequence[Part]) -> Stored:
    """A STORE of many messages, alone: a line about each comes back."""
    reader = ModseqReader()
    completion = await connection.stream("UID STORE", *parts, consumer=reader, timeout=SLOW_SECONDS)
    others: list[Untagged] = []
    undo = connection.on_unsolicited(others.append)
    try:
        connection.hand_back(reader.take_others())
    finally:
        undo()
    return replace(completion, untagged=others), reader.seen


async def _unless_modified(
    run: Callable[[Connection, Sequence[Part]], Awaitable[Stored]], connection: Connection, parts: Sequence[Part]
) -> Stored | None:
    """What came of a STORE, None for a NO that says that messages were changed (RFC 7162 §3.1.3, example 10)."""
    try:
        return await run(connection, parts)
    except AdapterError as error:
        if isinstance(error.__cause__, Refusal) and error.__cause__.code == b"MODIFIED":
            return None
        raise


def _modseqs(completion: Completion) -> Iterator[tuple[int, int]]:
    """(UID, MODSEQ) of the messages that a STORE has changed, silent or not (RFC 7162 §3.1.3)."""
    for uid, items in by_uid(completion).items():
        match items.get(b"MODSEQ"):
            case [bytes(modseq)] if modseq.isdigit():
                yield uid, int(modseq)
