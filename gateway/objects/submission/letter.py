"""The Email that a submission sends: its header, and its octets without Bcc."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass
from typing import Final

from adapters.formats.header_forms import as_addresses, as_text, header_fields, values_by_name
from adapters.formats.mail_header import header_length, without_bcc
from adapters.formats.report import message_id
from adapters.ports.mail_write import Octets
from gateway.jmap.errors import SetError
from gateway.sync.account import MailAccount

MOST_HEADER: Final = 1 << 20
IN_MEMORY: Final = 1 << 19
"""Octets of a message up to which it is read once and kept while it is sent."""


@dataclass(frozen=True, slots=True)
class Letter:
    """addresses: lower-case field name -> the address lists of each field of that name."""

    thread_id: str
    fields: dict[str, list[bytes]]
    octets: Octets

    def addresses(self, name: str) -> list[list[str]]:
        """The email addresses of each field of this name (lower case), in order."""
        return [
            [address["email"] for address in as_addresses(value) if address["email"]]
            for value in self.fields.get(name, [])
        ]

    @property
    def message_id(self) -> str | None:
        """The Message-ID with its angle brackets."""
        values = self.fields.get("message-id")
        return message_id(as_text(values[-1])) if values else None

    @property
    def wants_receipt(self) -> bool:
        """Whether it asks for disposition notifications (RFC 8098 §2.1)."""
        return any(self.addresses("disposition-notification-to"))


async def letter_of(mail: MailAccount, email_id: str) -> Letter:
    """The Email to be sent. `mail` is fresh. Raises SetError, adapters.errors."""
    row = mail.emails.row(email_id)
    if row is None:
        raise SetError("invalidProperties", "there is no such Email", ["emailId"])
    copy, size = mail.emails.best_copy(row), mail.emails.size[row]
    (thread_id,) = await mail.threads.thread_ids([row])

    def read() -> AsyncIterator[bytes]:
        return mail.port.stream(copy.path, copy.uid_validity, copy.uid, None)

    start = await _beginning(read(), everything=size <= IN_MEMORY)
    length = header_length(start, complete=size <= IN_MEMORY or len(start) > MOST_HEADER)
    if length is None:
        raise SetError("invalidEmail", "the header does not end", properties=["headers"])
    header = without_bcc(start[:length])
    fields = values_by_name(header_fields(start[:length].replace(b"\r\n", b"\n").replace(b"\r", b"\n")))
    if size <= IN_MEMORY:
        octets = Octets(len(header) + len(start) - length, lambda: _whole(header + start[length:]))
    else:
        octets = Octets(len(header) + size - length, lambda: _replaced(header, read, length))
    return Letter(thread_id, fields, octets)


async def _beginning(pieces: AsyncIterator[bytes], *, everything: bool) -> bytes:
    """The message, or as much of it as holds the header."""
    start = bytearray()
    try:
        async for piece in pieces:
            start += piece
            if not everything and (len(start) > MOST_HEADER or header_length(bytes(start), complete=False)):
                break
    finally:
        if isinstance(pieces, AsyncGenerator):
            await pieces.aclose()
    return bytes(start)


async def _whole(octets: bytes) -> AsyncIterator[bytes]:
    yield octets


async def _replaced(header: bytes, read: Callable[[], AsyncIterator[bytes]], length: int) -> AsyncIterator[bytes]:
    """The header, then what follows the first `length` octets."""
    yield header
    passed = 0
    async for piece in read():
        if passed + len(piece) > length:
            yield piece[max(0, length - passed) :]
        passed += len(piece)
