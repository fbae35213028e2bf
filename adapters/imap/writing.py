r"""Changing mail over IMAP: `MailWritePort` for every server.

Each verb borrows one connection and, where it concerns messages, has the folder SELECTed under the UIDVALIDITY that
the caller means. Getting there may be tried again on another connection; from the first command that changes
something nothing is: whoever asked looks at the state and decides.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Final, TypeVar

from adapters.errors import Conflict, Forbidden, InvalidData, NotFound, TooLarge, Unavailable, Unsupported
from adapters.imap import naming
from adapters.imap.connection import Connection
from adapters.imap.deltas import has_modseq
from adapters.imap.encoder import atom, chunk_uids, flag, mailbox, paren, seqset, string
from adapters.imap.errors import ConnectionLost
from adapters.imap.keywords import DELETED_FLAG, flag_of, storable
from adapters.imap.pool import Lane, Pool
from adapters.imap.responses import Completion
from adapters.imap.sequences import expand
from adapters.imap.session import SLOW_SECONDS, pipelined
from adapters.imap.stores import store, stores
from adapters.imap.tokens import Value
from adapters.ports.mail import Keywords
from adapters.ports.mail_write import Appended, FlagDelta, MailWritePort, Octets

Result = TypeVar("Result")

_UIDPLUS: Final = frozenset({b"UIDPLUS", b"IMAP4REV2"})
_MOVE: Final = frozenset({b"MOVE", b"IMAP4REV2"})


class ImapWriting(MailWritePort):
    """The writing half of the mail of one login."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._storable: dict[str, tuple[int | None, Keywords | None]] = {}

    # messages

    async def permanent_keywords(self, path: str) -> Keywords | None:
        r"""The keywords that the folder stores; None for any (PERMANENTFLAGS with \*, or none given at all)."""

        async def work(connection: Connection) -> Keywords | None:
            known = self._storable.get(path)
            if known is None or connection.selected != path or known[0] != connection.uid_validity:
                await self._select(connection, path)
            return self._storable[path][1]

        return await self._pool.run(path, "interactive", work, repeatable=True)

    async def change_flags(
        self, path: str, uid_validity: int, deltas: Sequence[FlagDelta], since: int = 0
    ) -> Mapping[int, int]:
        """One STORE for each kind of change, all in one write; see the port.

        A server gives a message that has the flags already the MODSEQ of whoever set them, with which he may have
        changed others too. So the STORE is to fail for what was changed `since`, and is then repeated without that.
        Raises Conflict, NotFound, Forbidden, InvalidData (no keyword).
        """
        changes = stores(deltas)
        if not changes:
            return {}
        every = [uid for _, _, uids in changes for uid in uids]
        once = len(set(every)) == len(every)  # a second STORE of a message would fail for the first

        async def work(connection: Connection) -> dict[int, int]:
            note = partial(self._note, path, connection)
            if not (since and once and has_modseq(connection)):
                await store(connection, changes, note)
                return {}
            told, late = await store(connection, changes, note, since)
            if late:
                await store(connection, late, note)
            return {uid: modseq for uid, modseq in told.items() if all(uid not in uids for _, _, uids in late)}

        return await self._change(path, uid_validity, work)

    async def append(self, path: str, message: Octets, keywords: Keywords, received_at: int | None) -> Appended:
        """Store a message, streamed. Raises NotFound, OverQuota, TooLarge, Forbidden, InvalidData."""
        flags = [flag_of(keyword).decode() for keyword in sorted(keywords)]
        date = None if received_at is None else datetime.fromtimestamp(received_at, UTC)

        async def work(connection: Connection) -> Appended:
            if message.size > _append_limit(connection):
                raise TooLarge("above the server's APPENDLIMIT")  # RFC 7889 §3
            completion = await connection.append(path, flags, date, message.read(), message.size)
            return _appended(completion)

        return await self._act(None, work, "bulk")

    async def copy(self, path: str, uid_validity: int, uids: Sequence[int], target: str) -> Mapping[int, int]:
        """COPY; old UID -> new UID where the server tells. Raises Conflict, NotFound, OverQuota, Forbidden."""

        async def work(connection: Connection) -> dict[int, int]:
            return await _transfer(connection, "UID COPY", uids, target)

        return await self._change(path, uid_validity, work) if uids else {}

    async def move(self, path: str, uid_validity: int, uids: Sequence[int], target: str) -> Mapping[int, int]:
        """MOVE (RFC 6851), else COPY and then removal. Raises as `copy`, Unsupported."""

        async def work(connection: Connection) -> dict[int, int]:
            if _MOVE & connection.capabilities:
                return await _transfer(connection, "UID MOVE", uids, target)
            _require_uidplus(connection)
            moved = await _transfer(connection, "UID COPY", uids, target)
            await _remove(connection, uids)
            return moved

        return await self._change(path, uid_validity, work) if uids else {}

    async def expunge(self, path: str, uid_validity: int, uids: Sequence[int]) -> None:
        """UID EXPUNGE (RFC 4315 §2.1). Raises Conflict, NotFound, Forbidden; Unsupported without UIDPLUS."""

        async def work(connection: Connection) -> None:
            _require_uidplus(connection)
            await _remove(connection, uids)

        if uids:
            await self._change(path, uid_validity, work)

    # folders

    async def create_folder(self, path: str, role: str | None) -> None:
        """CREATE, with a special use (RFC 6154 §3) where the server can. Raises Conflict, InvalidData, Forbidden."""
        naming.check(path)
        naming.refuse_second_inbox(path)

        async def work(connection: Connection) -> None:
            parts = [mailbox(path)]
            use = naming.USES.get(role or "")
            if use is not None and b"CREATE-SPECIAL-USE" in connection.capabilities:
                parts.append(paren(atom("USE"), paren(flag(use))))
            await connection.command("CREATE", *parts)

        await self._act(None, work)

    async def assign_role(self, path: str, role: str | None) -> None:
        """SETMETADATA of the special use (RFC 6154 §5.4). Raises Unsupported, NotFound."""
        value = atom("NIL") if role is None else string(naming.USES[role])

        async def work(connection: Connection) -> None:
            if b"METADATA" not in connection.capabilities:
                raise Unsupported("the server keeps no metadata")
            try:
                await connection.command("SETMETADATA", mailbox(path), paren(atom("/private/specialuse"), value))
            except (InvalidData, Forbidden) as error:  # RFC 5464 §4.3: CANNOT
                raise Unsupported("the server does not change this role") from error

        await self._act(None, work)

    async def rename_folder(self, path: str, target: str) -> None:
        """RENAME; subscriptions follow, which no server must do by itself (RFC 9051 §6.3.6).

        Raises Conflict (the target exists), NotFound, Forbidden (INBOX: its messages would move and it would stay),
        InvalidData.
        """
        naming.check(target)
        naming.refuse_inbox(path)

        async def work(connection: Connection) -> None:
            await _let_go(connection, path)
            subscribed = await naming.subscriptions(connection, path)
            await connection.command("RENAME", mailbox(path), mailbox(target), timeout=SLOW_SECONDS)
            self._storable.clear()
            renamed = [(old, target + old[len(path) :]) for old in subscribed]
            await naming.accepted(
                *(connection.command("SUBSCRIBE", mailbox(new)) for _, new in renamed),
                *(connection.command("UNSUBSCRIBE", mailbox(old)) for old, _ in renamed),
            )

        await self._act(path, work)

    async def delete_folder(self, path: str) -> None:
        """DELETE, and the subscription, which would outlive it. Raises NotFound, Forbidden (INBOX)."""
        naming.refuse_inbox(path)

        async def work(connection: Connection) -> None:
            await _let_go(connection, path)
            await connection.command("DELETE", mailbox(path), timeout=SLOW_SECONDS)
            self._storable.pop(path, None)
            await naming.accepted(connection.command("UNSUBSCRIBE", mailbox(path)))

        await self._act(path, work)

    async def subscribe(self, path: str, subscribed: bool) -> None:
        """SUBSCRIBE or UNSUBSCRIBE. Raises NotFound, Forbidden."""
        name = "SUBSCRIBE" if subscribed else "UNSUBSCRIBE"

        async def work(connection: Connection) -> None:
            await connection.command(name, mailbox(path))

        await self._act(None, work)

    # getting there

    async def _change(self, path: str, uid_validity: int, work: Callable[[Connection], Awaitable[Result]]) -> Result:
        """`work` with the folder SELECTed under this UIDVALIDITY."""

        async def selected(connection: Connection) -> Result:
            if connection.selected != path or connection.selected_readonly or connection.uid_validity != uid_validity:
                await self._select(connection, path)
            if connection.uid_validity != uid_validity:
                raise Conflict("UIDVALIDITY has changed")
            with _acting():
                return await work(connection)

        return await self._pool.run(path, "interactive", selected)

    async def _act(
        self, path: str | None, work: Callable[[Connection], Awaitable[Result]], lane: Lane = "interactive"
    ) -> Result:
        """`work` on a connection, preferably one that has the folder selected, never twice."""

        async def once(connection: Connection) -> Result:
            with _acting():
                return await work(connection)

        return await self._pool.run(path, lane, once)

    async def _select(self, connection: Connection, path: str) -> None:
        """SELECT, and learn what can be stored. Raises Forbidden where it can only be read."""
        completion = await connection.select(path, readonly=False)
        if connection.selected_readonly:
            raise Forbidden("the mailbox can only be read")
        values = completion.code_values(b"PERMANENTFLAGS")
        self._storable[path] = (connection.uid_validity, storable(values))

    def _note(self, path: str, connection: Connection, completion: Completion) -> None:
        """A server that has no room for further keywords says so after a STORE (RFC 9051 §7.1)."""
        values = completion.code_values(b"PERMANENTFLAGS")
        if values is not None:
            self._storable[path] = (connection.uid_validity, storable(values))


@contextmanager
def _acting() -> Iterator[None]:
    """From here on the server may have acted, so a connection that is lost must not make the pool try again."""
    try:
        yield
    except ConnectionLost as error:
        raise Unavailable(f"the outcome is unknown: {error}") from error


async def _transfer(connection: Connection, name: str, uids: Sequence[int], target: str) -> dict[int, int]:
    """UID COPY or UID MOVE in as many commands as the set needs; what COPYUID tells (RFC 4315 §3)."""
    moved: dict[int, int] = {}
    for piece in chunk_uids(uids):
        completion = await connection.command(name, seqset(piece), mailbox(target), timeout=SLOW_SECONDS)
        match completion.code_values(b"COPYUID"):
            case [bytes(), bytes(old), bytes(new)]:
                moved.update(zip(expand(old), expand(new), strict=False))
    return moved


async def _remove(connection: Connection, uids: Sequence[int]) -> None:
    r"""Flag as \Deleted, then UID EXPUNGE exactly these."""
    deleted = paren(flag(DELETED_FLAG))
    pieces = [seqset(piece) for piece in chunk_uids(uids)]
    await pipelined(*(connection.command("UID STORE", piece, atom("+FLAGS.SILENT"), deleted) for piece in pieces))
    await pipelined(*(connection.command("UID EXPUNGE", piece, timeout=SLOW_SECONDS) for piece in pieces))


def _require_uidplus(connection: Connection) -> None:
    r"""Plain EXPUNGE would also remove what others have flagged as \Deleted."""
    if not _UIDPLUS & connection.capabilities:
        raise Unsupported("the server has no UIDPLUS: single messages cannot be removed")


async def _let_go(connection: Connection, path: str) -> None:
    """Leave a folder that is about to go: some servers refuse while it is selected."""
    if connection.selected == path:
        try:
            await connection.unselect()
        except NotFound:
            connection.selected = None


def _append_limit(connection: Connection) -> float:
    """APPENDLIMIT=<octets> of the capabilities (RFC 7889 §2)."""
    for capability in connection.capabilities:
        name, _, limit = capability.partition(b"=")
        if name == b"APPENDLIMIT" and limit.isdigit():
            return int(limit)
    return float("inf")


def _appended(completion: Completion) -> Appended:
    """Where APPENDUID says that the message lies."""
    values: list[Value] | None = completion.code_values(b"APPENDUID")
    match values:
        case [bytes(validity), bytes(uid)] if validity.isdigit() and uid.isdigit():
            return Appended(int(validity), int(uid))
    return Appended(0, 0)
