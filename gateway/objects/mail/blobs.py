"""The octets behind the blob ids of messages and their parts (RFC 8620 §6.2, RFC 8621 §4.1.4)."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Final

from adapters.errors import NotFound
from adapters.formats.mime import Message, Part, has_attached_message, parse_message, part_body, walk
from adapters.formats.transfer_stream import decoded
from adapters.ports.mail import FetchPlan
from gateway.context import Account
from gateway.objects.mail import blob_ids
from gateway.objects.mail.pieces import is_misread
from gateway.objects.mail.wanted import WHOLE_LIMIT
from gateway.store.blobs import OpenBlob, Uploads
from gateway.sync.account import MailAccount

MESSAGE: Final = "message/rfc822"


class MessageBlobs:
    """Finds the blobs of stored messages, of their parts, and of the parts of uploaded messages."""

    def __init__(self, uploads: Uploads, max_nested: int = 50_000_000) -> None:
        self._uploads = uploads
        self._max_nested = max_nested

    async def find(self, account: Account, blob_id: str) -> OpenBlob | None:
        """The blob, or None. Raises adapters.errors, StoreUnavailable."""
        path = blob_ids.split(blob_id)
        if path is None:
            return None
        root, parts = path
        email_id = blob_ids.email_of(root)
        if email_id is None:
            upload = await self._uploads.open(account.key, root)
            return await self._below(upload, parts)
        place = await _locate(account.mail, email_id) if account.mail is not None else None
        if place is None:
            return None
        if not parts:
            return OpenBlob(place.size, MESSAGE, _from(place.stream(None)))
        if place.size <= WHOLE_LIMIT or is_misread(found := await place.structure(), place.size):
            # Part numbers of such a message are the gateway's own, so its parts are cut out here as well.
            return await self._below(OpenBlob(place.size, MESSAGE, _from(place.stream(None))), parts)
        return await self._below(await place.part(found, parts[0]), parts[1:])

    async def _below(self, blob: OpenBlob | None, parts: list[str]) -> OpenBlob | None:
        """Go down through attached messages; each of them is held in memory whole."""
        for part_id in parts:
            if blob is None or (blob.size or 0) > self._max_nested:
                return None
            message = parse_message(await collect(blob, self._max_nested))
            part = _leaf(message.root, part_id)
            blob = None if part is None else _open_part(message, part)
        return blob


async def collect(blob: OpenBlob, most: int) -> bytes:
    """All octets of a blob. Raises NotFound when there are more than `most`."""
    octets = bytearray()
    async for piece in blob.read(0, None):
        octets += piece
        if len(octets) > most:
            raise NotFound("the blob is too large to be taken apart")
    return bytes(octets)


def _open_part(message: Message, part: Part) -> OpenBlob:
    octets = part_body(message, part)
    return OpenBlob(len(octets), part.type, lambda start, stop: _slice(octets, start, stop))


async def _slice(octets: bytes, start: int, stop: int | None) -> AsyncIterator[bytes]:
    yield octets[start:stop]


def _leaf(root: Part | None, part_id: str) -> Part | None:
    return None if root is None else next((part for part in walk(root) if part.part_id == part_id), None)


def _from(stream: Callable[[], AsyncIterator[bytes]]) -> Callable[[int, int | None], AsyncIterator[bytes]]:
    """Read a range of something that can only be read from its beginning."""

    async def read(start: int, stop: int | None) -> AsyncIterator[bytes]:
        position = 0
        async for piece in stream():
            if position + len(piece) > start:
                yield piece[max(0, start - position) : None if stop is None else stop - position]
            position += len(piece)
            if stop is not None and position >= stop:
                return

    return read


@dataclass(frozen=True, slots=True)
class _Place:
    """A stored message and where one copy of it lies."""

    mail: MailAccount
    path: str
    uid_validity: int
    uid: int
    size: int

    def stream(self, part_id: str | None) -> Callable[[], AsyncIterator[bytes]]:
        return lambda: self.mail.port.stream(self.path, self.uid_validity, self.uid, part_id)

    async def structure(self) -> Part | None:
        """The parts that the server finds in the message, None if it does not tell."""
        fetched = await self.mail.port.fetch(self.path, self.uid_validity, [self.uid], FetchPlan(structure=True))
        return fetched[self.uid].structure if self.uid in fetched else None

    async def part(self, root: Part | None, part_id: str) -> OpenBlob | None:
        """A part of a large message, decoded while it streams."""
        part = _leaf(root, part_id)
        if root is None or part is None:
            return None
        size = part.size
        if size is None and not has_attached_message(root):
            sizes = await self.mail.port.decoded_sizes(self.path, self.uid_validity, self.uid, [part_id])
            size = sizes.get(part_id)
        raw = self.stream(part_id)
        return OpenBlob(size, part.type, _from(lambda: decoded(part.encoding, raw())))


async def _locate(mail: MailAccount, email_id: str) -> _Place | None:
    """Where the message lies now, wherever another client may have moved it."""
    await mail.refresh()
    row = mail.emails.row(email_id)
    if row is None:
        return None
    copy = mail.emails.best_copy(row)
    return _Place(mail, copy.path, copy.uid_validity, copy.uid, mail.emails.size[row])
