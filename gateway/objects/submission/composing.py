"""Messages that the gateway itself writes, as octets to be handed over."""

import secrets
import uuid
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Any

from adapters.formats.compose import Generated, compose, read_email
from adapters.ports.mail_write import Octets


def composed(email: dict[str, Any], sender: str, name: str | None = None) -> Octets:
    """The octets of an Email without blobs. name: of the message among all of the sender's, else it is random.

    Raises InvalidEmail where an address or a text can't stand in a message.
    """
    draft = read_email(email)
    date = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    generated = Generated(f"{name or uuid.uuid4()}@{sender.rpartition('@')[2]}", date, secrets.token_hex(12))
    composition = compose(draft, {}, generated)
    pieces = [piece for piece in composition.pieces if isinstance(piece, bytes)]
    return Octets(composition.size, lambda: _stream(pieces))


async def _stream(pieces: Sequence[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece
