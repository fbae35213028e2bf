"""What an index is made of: facts of all messages of a folder, what happened since, thread headers."""

import contextlib
import functools
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Final, TypeVar

from adapters.errors import AdapterError, Broken, Unavailable
from adapters.imap.bulk import ThreadReader
from adapters.imap.connection import Connection
from adapters.imap.damage import Damages
from adapters.imap.deltas import (
    Reading,
    bare_facts_of,
    cursor_of,
    existing_uids,
    facts_of,
    folder_delta,
    join,
    only,
    stream_rows,
)
from adapters.imap.encoder import chunk_uids, seqset, seqset_text
from adapters.imap.errors import Damaged
from adapters.imap.keywords import FlagSets
from adapters.imap.newest import newest
from adapters.imap.pool import Lane, Pool
from adapters.imap.probe import Nature
from adapters.imap.session import in_folder, refresh
from adapters.imap.writing import ImapWriting
from adapters.ports.mail import (
    Arrivals,
    FolderDelta,
    FolderStatus,
    KnownMessages,
    Newest,
    ThreadHeaders,
)

Result = TypeVar("Result")

FIRST_BATCH: Final = 1_000
BATCH: Final = 2_048


class ImapIndexing(ImapWriting):
    """Reads folders as columns. Which there are tells the subclass, and what the server is."""

    def __init__(self, pool: Pool) -> None:
        super().__init__(pool)
        self._nature: Nature | None = None
        self._flags = FlagSets()
        self._damages = Damages()

    async def changes(self, path: str, since: FolderStatus | None, known: KnownMessages) -> FolderDelta:
        r"""What happened in a folder, see `deltas`. A message flagged `\Deleted` has vanished, one that lost the flag
        is an arrival, whatever its UID (RFC 8621 §4.1.1). Raises NotFound, Unavailable.
        """
        reading = self._reading()

        async def work(connection: Connection) -> FolderDelta:
            return await folder_delta(connection, path, since, known, reading)

        validity = None if since is None else since.uid_validity
        try:
            return await self._pool.run(
                path, "interactive", lambda c: in_folder(c, path, validity, work), repeatable=True
            )
        except Broken:
            if validity is None or reading.source != "fingerprint":
                raise
        return await self._everything(path, validity)  # the header of an arrival may be what it fails over

    async def _everything(self, path: str, uid_validity: int) -> FolderDelta:
        """All there is, around what the server fails over."""

        async def cursor(connection: Connection) -> FolderStatus:
            await refresh(connection, same=False)
            return await cursor_of(connection, path)

        status = await self._read(path, uid_validity, "interactive", cursor)
        whole = Arrivals()
        async for arrivals in self.facts(path, uid_validity):
            join(whole, arrivals)
        return FolderDelta(status, reset=True, arrivals=only(whole, None), flags=[], vanished=[])

    async def facts(self, path: str, uid_validity: int) -> AsyncIterator[Arrivals]:
        """All messages of a folder, newest UIDs first; ascending inside a batch. Raises Conflict, NotFound."""
        reading = self._reading()

        async def batch(connection: Connection, wanted: Sequence[int]) -> Arrivals:
            reader = reading.facts(path, uid_validity)
            span = seqset_text(f"{wanted[0]}:{wanted[-1]}")
            await stream_rows(connection, span, reader, reading.items, modest=len(uids) > BATCH)
            return reader.take()

        async def read(wanted: Sequence[int]) -> Arrivals:
            try:
                return await self._read(
                    path, uid_validity, "bulk", functools.partial(_all_of, wanted, batch, lambda found: len(found.uids))
                )
            except Damaged:
                if reading.source != "fingerprint":
                    raise
            return await self._facts_around(path, uid_validity, wanted, reading)

        uids = await self._read(path, uid_validity, "bulk", existing_uids)
        end, size = len(uids), FIRST_BATCH
        while end:
            start = max(0, end - size)
            yield await read(uids[start:end])
            end, size = start, BATCH

    async def _facts_around(self, path: str, uid_validity: int, uids: Sequence[int], reading: Reading) -> Arrivals:
        """Facts of some messages, where ids are made of headers and the server fails over some of those.

        Where such a message has facts without its header it has an id of its own, else it is left out.
        """

        async def read(wanted: Sequence[int]) -> Arrivals:
            return await self._read(path, uid_validity, "bulk", lambda c: facts_of(c, path, wanted, reading))

        async def bare(wanted: Sequence[int]) -> Arrivals:
            return await self._read(path, uid_validity, "bulk", lambda c: bare_facts_of(c, path, wanted, reading.flags))

        found = Arrivals()
        for run in await self._damages.passing_over(path, uid_validity, uids, read):
            join(found, run)
        damaged = set(uids) & set(self._damages.among(path, uid_validity)) - set(found.uids)
        if damaged:
            with contextlib.suppress(Damaged):
                join(found, await bare(sorted(damaged)))
        return only(found, None)

    async def newest(self, path: str, uid_validity: int, count: int) -> Newest | None:
        """The newest messages by SORT, see `newest`. Raises Conflict, NotFound.

        A listing that is asked for meanwhile needs neither wait nor a connection of its own.
        """
        try:
            return await self._newest(path, uid_validity, count, headers=True)
        except Damaged:  # it fails over the header of one of them: their facts it has
            return await self._newest(path, uid_validity, count, headers=False)

    async def _newest(self, path: str, uid_validity: int, count: int, *, headers: bool) -> Newest | None:
        work = functools.partial(newest, path=path, count=count, reading=self._reading(), headers=headers)
        connection = self._pool.beside(path)
        if connection is not None and connection.uid_validity == uid_validity:
            with contextlib.suppress(AdapterError):
                found = await work(connection)
                if (connection.selected, connection.uid_validity) == (path, uid_validity):
                    return found
        return await self._read(path, uid_validity, "interactive", work)

    async def thread_headers(self, path: str, uid_validity: int, uids: Sequence[int]) -> AsyncIterator[ThreadHeaders]:
        """Thread headers in batches in the order of `uids`, ascending inside a batch. Raises Conflict, NotFound.

        Damaged messages are left out, as in `fetch` and `sections`.
        """

        async def batch(connection: Connection, wanted: Sequence[int]) -> ThreadHeaders:
            reader = ThreadReader()
            for piece in chunk_uids(wanted):
                await stream_rows(connection, seqset(piece), reader, reader.items(), modest=len(uids) > BATCH)
            return reader.take()

        async def read(wanted: Sequence[int]) -> ThreadHeaders:
            return await self._read(path, uid_validity, "bulk", functools.partial(_all_of, wanted, batch, len))

        for start in range(0, len(uids), BATCH):
            for run in await self._damages.passing_over(path, uid_validity, uids[start : start + BATCH], read):
                yield run

    def _known(self) -> Nature:
        """What the server is. Raises Unavailable before `open`."""
        if self._nature is None:
            raise Unavailable("not open")
        return self._nature

    def _reading(self) -> Reading:
        nature = self._known()
        return Reading(nature.id_source, nature.thread_ids, self._flags)

    async def _read(
        self, path: str, uid_validity: int, lane: Lane, work: Callable[[Connection], Awaitable[Result]]
    ) -> Result:
        """`work` in a folder under the UIDVALIDITY that the caller means. Raises Conflict where it is another.

        Raises Damaged where the folder could be opened, and the server has an error of its own with what is asked.
        """
        opened = False

        async def begin(connection: Connection) -> Result:
            nonlocal opened
            opened = True
            return await work(connection)

        async def attempt(connection: Connection) -> Result:
            nonlocal opened
            opened = False
            return await in_folder(connection, path, uid_validity, begin, strict=True)

        try:
            return await self._pool.run(path, lane, attempt, repeatable=True)
        except Broken as error:
            if opened:
                raise Damaged(str(error)) from error
            raise


async def _all_of(
    wanted: Sequence[int],
    read: Callable[[Connection, Sequence[int]], Awaitable[Result]],
    count: Callable[[Result], int],
    connection: Connection,
) -> Result:
    """`read`, once more where some are missing: gone, or younger than the last command on this connection."""
    found = await read(connection, wanted)
    if count(found) < len(wanted):
        await refresh(connection)
        found = await read(connection, wanted)
    return found
