r"""The newest messages of a folder without reading all of it: SORT (RFC 5256), only its first page where the server can
cut one (ESORT with PARTIAL, RFC 5267 §4.4).
"""

from collections.abc import Sequence
from typing import Final

from adapters.errors import Unsupported
from adapters.imap.bulk import PageReader
from adapters.imap.connection import Connection
from adapters.imap.deltas import Reading, facts_of, stream_rows
from adapters.imap.encoder import Part, atom, chunk_uids, paren, seqset
from adapters.imap.responses import Completion
from adapters.imap.sequences import expand
from adapters.imap.session import SLOW_SECONDS, settled
from adapters.ports.mail import Arrivals, Newest, ThreadHeaders

_BY_ARRIVAL: Final = (paren(atom("REVERSE"), atom("ARRIVAL")), atom("UTF-8"), atom("UNDELETED"))


async def newest(connection: Connection, path: str, count: int, reading: Reading, *, headers: bool) -> Newest | None:
    """See `MailPort.newest`; of the selected folder. headers: whether what threads them is wanted, too."""
    if b"SORT" not in connection.capabilities:
        return None
    uids, total = await settled(connection, lambda: _sorted(connection, count + 1))
    arrivals, threading = await _read(connection, path, uids, reading, headers=headers)
    if len(uids) < total:
        # messages of one second may stand in any order: of the last second some may be missing
        last = min(arrivals.received, default=0)
        arrivals = arrivals.select([row for row, received in enumerate(arrivals.received) if received > last])
    return Newest(arrivals, total, threading)


async def _read(
    connection: Connection, path: str, uids: Sequence[int], reading: Reading, *, headers: bool
) -> tuple[Arrivals, ThreadHeaders | None]:
    """Facts of messages, and their thread headers where the server gives no threads: whoever shows them needs both."""
    if not headers or reading.thread_ids or reading.source == "fingerprint":
        return await facts_of(connection, path, uids, reading), None
    reader = PageReader(reading.source, reading.flags, b"%d/%b" % (connection.uid_validity or 0, path.encode()))
    items = reader.items_with_headers(reading.source)
    for piece in chunk_uids(uids):
        await stream_rows(connection, seqset(piece), reader, items)
    return reader.take(), reader.headers


async def _sorted(connection: Connection, count: int) -> tuple[list[int], int]:
    """The UIDs that come first, and how many there are in all."""
    # Dovecot can cut pages of SORT though it only says CONTEXT=SEARCH
    if b"ESORT" in connection.capabilities and {b"CONTEXT=SORT", b"CONTEXT=SEARCH"} & connection.capabilities:
        returning = paren(atom("COUNT"), atom("PARTIAL"), atom(f"1:{count}"))
        try:
            return _page(await _sort(connection, atom("RETURN"), returning))
        except Unsupported:
            pass
    uids = _list(await _sort(connection))
    return uids[:count], len(uids)


async def _sort(connection: Connection, *options: Part) -> Completion:
    return await connection.command("UID SORT", *options, *_BY_ARRIVAL, timeout=SLOW_SECONDS)


def _list(completion: Completion) -> list[int]:
    responses = completion.of(b"SORT")
    return [int(uid) for one in responses for uid in one.values if isinstance(uid, bytes) and uid.isdigit()]


def _page(completion: Completion) -> tuple[list[int], int]:
    """The page and the total of an ESEARCH response. Raises Unsupported where it has no total."""
    uids: list[int] = []
    total: int | None = None
    for response in completion.of(b"ESEARCH"):
        for name, value in zip(response.values, response.values[1:], strict=False):
            match name, value:
                case b"COUNT", bytes(number) if number.isdigit():
                    total = int(number)
                case b"PARTIAL", [_, bytes(found)]:  # the range that was asked for, then the UIDs
                    uids += expand(found)
    if total is None:
        raise Unsupported("SORT without COUNT")
    return uids, total
