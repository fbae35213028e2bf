"""Reading mail over IMAP, from every server from plain IMAP4rev1 to one with all extensions.

Each verb borrows one connection, makes sure that the folder is EXAMINEd under the UIDVALIDITY that the caller means,
and gives the connection back. Everything here only reads, so a verb whose connection dies is run once more on a
fresh one; only a stream that has begun is not.
"""

import asyncio
import contextlib
from array import array
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Final, TypeVar

from adapters.errors import NotFound, Unsupported
from adapters.imap.connection import Connection
from adapters.imap.encoder import atom, chunk_uids, fetch_item, paren, seqset
from adapters.imap.errors import Damaged, LineTooLong, Refusal
from adapters.imap.fetch import (
    body_item,
    by_uid,
    messages,
    plan_items,
)
from adapters.imap.indexing import ImapIndexing
from adapters.imap.search import UTF8, found_uids, search_parts
from adapters.imap.sections import decoded_sizes, read_sections
from adapters.imap.session import SILENT_SECONDS, SLOW_SECONDS, in_folder, refresh
from adapters.imap.tokens import Value
from adapters.ports.mail import (
    FetchPlan,
    MailPort,
    MessageData,
    Section,
)
from adapters.ports.mail_search import Criterion

Item = TypeVar("Item")

FETCH_BATCH: Final = 500


class ImapReading(ImapIndexing, MailPort):
    """What is read by path, whosever the mailboxes are. Which there are tells the subclass, and what the server is."""

    async def search(self, path: str, uid_validity: int, criterion: Criterion) -> "array[int]":
        r"""UIDs that match and are not `\Deleted`, ascending. Raises Conflict, NotFound, Unsupported, InvalidData."""
        try:
            return await self._search(path, uid_validity, criterion, ())
        except Damaged:
            if not (damaged := self._damages.among(path, uid_validity)):
                raise
        return await self._search(path, uid_validity, criterion, damaged)

    async def _search(
        self, path: str, uid_validity: int, criterion: Criterion, damaged: Collection[int]
    ) -> "array[int]":
        esearch = bool({b"ESEARCH", b"IMAP4REV2"} & self._known().capabilities)
        others = [atom("NOT"), atom("UID"), seqset(damaged)] if damaged else []

        async def work(connection: Connection, charset: str = UTF8) -> "array[int]":
            parts = search_parts(criterion, esearch=esearch, charset=charset)
            await refresh(connection)
            return found_uids(await connection.command("UID SEARCH", *parts, *others, timeout=SLOW_SECONDS))

        try:
            return await self._read(path, uid_validity, "interactive", work)
        except Unsupported as error:
            if not (isinstance(error.__cause__, Refusal) and error.__cause__.code == b"BADCHARSET"):
                raise
        return await self._read(path, uid_validity, "interactive", lambda c: work(c, "ISO-8859-1"))

    async def fetch(
        self, path: str, uid_validity: int, uids: Collection[int], plan: FetchPlan
    ) -> dict[int, MessageData]:
        """What the plan asks of each message; a structure that cannot be read stays None. Raises Conflict, NotFound."""

        async def read(wanted: Sequence[int]) -> dict[int, MessageData]:
            return await self._fetch_lines(path, uid_validity, wanted, plan)

        return _together(await self._damages.passing_over(path, uid_validity, uids, read))

    async def _fetch_lines(
        self, path: str, uid_validity: int, uids: Sequence[int], plan: FetchPlan
    ) -> dict[int, MessageData]:
        try:
            return await self._fetch(path, uid_validity, uids, plan)
        except LineTooLong:
            if not plan.structure:
                raise
        if len(uids) == 1:
            return await self._fetch(path, uid_validity, uids, replace(plan, structure=False))
        # One message has a structure over the cap; the others are served without it.
        half = len(uids) // 2
        found = await self._fetch_lines(path, uid_validity, uids[:half], plan)
        return found | await self._fetch_lines(path, uid_validity, uids[half:], plan)

    async def _fetch(
        self, path: str, uid_validity: int, uids: Collection[int], plan: FetchPlan
    ) -> dict[int, MessageData]:
        items = plan_items(plan, preview=self._known().preview)

        async def some(connection: Connection, wanted: Collection[int]) -> dict[int, MessageData]:
            found: dict[int, MessageData] = {}
            for piece in _pieces(wanted):
                completion = await connection.command(
                    "UID FETCH", seqset(piece), items, timeout=SILENT_SECONDS, patient=True
                )
                found |= messages(completion, plan)
            return {uid: found[uid] for uid in wanted if uid in found}

        async def work(connection: Connection) -> dict[int, MessageData]:
            found = await some(connection, uids)
            missing = [uid for uid in uids if uid not in found]
            if missing:  # gone, or younger than the last command on this connection
                await refresh(connection)
                found |= await some(connection, missing)
            return found

        return await self._read(path, uid_validity, "interactive", work)

    def expecting(self, path: str, uid_validity: int, uid: int, plan: FetchPlan) -> AbstractContextManager[None]:
        """Nothing is read along with these folders."""
        return contextlib.nullcontext()

    async def sections(
        self, path: str, uid_validity: int, wanted: Mapping[int, Sequence[Section]]
    ) -> dict[int, dict[Section, bytes]]:
        """Pieces of messages; those that are gone or do not exist are left out. Raises Conflict."""

        async def read(uids: Sequence[int]) -> dict[int, dict[Section, bytes]]:
            some = {uid: wanted[uid] for uid in uids}
            return await self._read(path, uid_validity, "interactive", lambda c: read_sections(c, some))

        return _together(await self._damages.passing_over(path, uid_validity, wanted, read))

    async def decoded_sizes(self, path: str, uid_validity: int, uid: int, part_ids: Sequence[str]) -> Mapping[str, int]:
        """Decoded octets of the parts that the server can decode. Raises Conflict, NotFound."""
        if not part_ids or not {b"BINARY", b"IMAP4REV2"} & self._known().capabilities:
            return {}

        return await self._read(path, uid_validity, "interactive", lambda c: decoded_sizes(c, uid, part_ids))

    async def stream(self, path: str, uid_validity: int, uid: int, part_id: str | None) -> AsyncIterator[bytes]:
        """The octets of a part as stored. Raises Conflict, NotFound; Unavailable also in the middle."""
        pieces: asyncio.Queue[bytes | Exception | None] = asyncio.Queue(1)
        items = paren(fetch_item("UID"), fetch_item(body_item(part_id)))

        async def work(connection: Connection) -> None:
            for _ in range(2):
                completion = await connection.literal_to(
                    "UID FETCH", seqset([uid]), items, sink=pieces.put, timeout=SILENT_SECONDS
                )
                if (found := by_uid(completion).get(uid)) is not None:
                    return _check_body(found)
                await refresh(connection)
            raise NotFound("message is gone")

        async def pump() -> None:
            end: Exception | None = None
            try:
                await self._pool.run(path, "bulk", lambda c: in_folder(c, path, uid_validity, work, strict=True))
            except Exception as error:  # noqa: BLE001 - it is raised where the pieces are read
                end = error
            await pieces.put(end)

        task = asyncio.ensure_future(pump())
        try:
            while isinstance(piece := await pieces.get(), bytes):
                if piece:
                    yield piece
            if piece is not None:
                raise piece
        finally:  # the reader may have gone early: let the connection go too
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


def _together(runs: Sequence[dict[int, Item]]) -> dict[int, Item]:
    return {uid: item for run in runs for uid, item in run.items()}


def _pieces(uids: Collection[int]) -> list[list[int]]:
    """UIDs in groups that fit into a command and whose answers fit into memory."""
    ordered = sorted(uids)
    groups = [ordered[start : start + FETCH_BATCH] for start in range(0, len(ordered), FETCH_BATCH)]
    return [piece for group in groups for piece in chunk_uids(group)]


def _check_body(items: Mapping[bytes, Value]) -> None:
    """A part that does not exist is NIL (RFC 9051 §7.5.2); one that was streamed is an empty string by now."""
    if not any(name.startswith(b"BODY[") and value is not None for name, value in items.items()):
        raise NotFound("no such part")
