"""Messages that wait for their time (RFC 8621 §7, sendAt): an index of all accounts, and the octets of each.

What an account holds stands in its ledger; here is only how a process that knows no account finds what is due.
An entry is written before the ledger and removed after it, so it may be there for nothing, and never is missing.
The index also lists the accounts that may have something to follow what they sent, or alerts to be sent by mail.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import orjson

from adapters.errors import Unavailable
from adapters.ports.mail_write import Octets
from gateway.store.base import Delete, Key, Put, Store, StoreUnavailable, Write
from gateway.store.blobs import UNSAID, Blob, Uploads

_PARTITION: Final = "held"
_QUEUE: Final = "queue"


@dataclass(frozen=True, slots=True)
class Entry:
    """A message that waits. due: seconds since 1970. ticket: what is needed to log in for it (see `Hold`).

    checked: its account knew nothing of it already once. follows: it is no message, but what was to follow some, looked
    for since that time (of the first entry; seconds since 1970). alerts: nor is it one, but the account has alerts to
    be sent by mail; since that time nobody could look for them (0: it is not so).
    """

    account: str
    id: str
    due: float
    ticket: Mapping[str, Any]
    checked: bool = False
    follows: float | None = None
    alerts: float | None = None

    @property
    def key(self) -> Key:
        """Sorts by time."""
        return Key(_PARTITION, _QUEUE, f"{self.due:014.2f}-{self.id}")


class HeldMessages:
    """The messages of all accounts that wait at this gateway, and at others on the same store.

    All methods raise Unavailable while the store does not answer. `changed` is set when there is a new entry.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self.changed = asyncio.Event()

    async def enter(self, entry: Entry) -> None:
        """Put a message on the list."""
        await self._commit(_PARTITION, Put(entry.key, orjson.dumps(asdict(entry))))
        self.changed.set()

    async def strike(self, entry: Entry) -> None:
        """Take it off the list."""
        await self._commit(_PARTITION, Delete(entry.key))

    async def entries(self, before: float, limit: int, after: "Entry | float" = 0.0) -> list[Entry]:
        """What is due before a time, the earliest first. after: an entry, to go on behind it, or a time."""
        end = Entry("", "", before, {}).key.name if before != float("inf") else ""
        start = f"{after.key.name}\0" if isinstance(after, Entry) else Entry("", "", after, {}).key.name
        try:
            rows = await self._store.scan(_PARTITION, _QUEUE, start, end, limit)
        except StoreUnavailable as error:
            raise Unavailable("the store does not answer") from error
        return [Entry(**orjson.loads(value)) for _, value in rows]

    async def put(self, account: str, message: Octets, seconds: float) -> dict[str, Any]:
        """Keep a message for a time. What is given back is JSON, for `octets` and `drop`."""
        uploads = Uploads(self._store, seconds)
        try:
            async with uploads.writer(f"{account}-held", message.size) as writer:
                async for piece in message.read():
                    await writer.write(piece)
                blob = await writer.finish("message/rfc822")
        except StoreUnavailable as error:
            raise Unavailable("the store does not answer") from error
        return {"id": blob.id, "size": blob.size, "upload": blob.upload, "piece": blob.piece}

    def octets(self, account: str, kept: Mapping[str, Any]) -> Octets:
        """The message. Reading raises Unavailable, also where it is not there any more."""
        return Octets(kept["size"], lambda: self._read(account, kept))

    async def drop(self, account: str, kept: Mapping[str, Any]) -> None:
        """Forget the octets."""
        await self._commit(f"{account}-held", Uploads.removal(f"{account}-held", _blob(kept)))

    async def _read(self, account: str, kept: Mapping[str, Any]) -> AsyncIterator[bytes]:
        try:
            async for piece in Uploads(self._store, 0).read(f"{account}-held", _blob(kept)):
                yield piece
        except StoreUnavailable as error:
            raise Unavailable(f"a message that waits cannot be read: {error}") from error

    async def _commit(self, partition: str, write: Write) -> None:
        try:
            await self._store.commit(partition, [write])
        except StoreUnavailable as error:
            raise Unavailable("the store does not answer") from error


def _blob(kept: Mapping[str, Any]) -> Blob:
    return Blob(kept["id"], "message/rfc822", kept["size"], kept["upload"], kept.get("piece", UNSAID))


@dataclass(frozen=True, slots=True)
class Hold:
    """How the messages of one login may wait at the gateway. most: seconds.

    ticket: what a process needs that finds a message later, see `gateway.unattended`. is_own: it is the user's own
    login, not a master user's, whom calendar servers do not know.
    """

    most: int
    messages: HeldMessages
    ticket: Callable[[], Mapping[str, Any]]
    is_own: bool = False
