"""Email/set create (RFC 8621 §4.6): from an Email object to a stored message."""

import secrets
import uuid
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any

from adapters.formats.compose import Composition, Draft, Generated, InvalidEmail, compose, read_email
from adapters.formats.compose_stream import stream
from adapters.ports.mail_write import Octets
from gateway.context import Account, Context
from gateway.jmap.errors import SetError
from gateway.jmap.properties import refuse
from gateway.objects.mail.capability import MAIL, writer_of
from gateway.objects.mail.sources import Held, hold
from gateway.objects.mail.storing import Answers, Letter, Placer, message_id_of, seconds, store
from gateway.sync.account import MailAccount


async def create(
    context: Context,
    account: Account,
    mail: MailAccount,
    records: Mapping[str, Mapping[str, Any]],
    arguments: Mapping[str, Any],  # noqa: ARG001 - Email/set has none that concern a creation
) -> Answers:
    """By creation id: id, blobId, threadId and size, or why there is no Email. `mail` is fresh.

    The records are checked against the property table; mailboxIds, keywords and receivedAt have their right types.
    """
    port = writer_of(mail)
    maker = _Maker(context, account, Placer(mail, port))
    return await store(mail, port, {key: partial(maker.letter, record) for key, record in records.items()})


class _Maker:
    """Makes the letters of one call."""

    def __init__(self, context: Context, account: Account, placer: Placer) -> None:
        self._context = context
        self._account = account
        self._placer = placer
        self._most: int = account.capabilities[MAIL]["maxSizeAttachmentsPerEmail"]

    async def letter(self, record: Mapping[str, Any]) -> Letter:
        """Raises SetError, adapters.errors."""
        try:
            draft = read_email(record)
        except InvalidEmail as error:
            refuse(dict(error.faults))
            raise
        received_at = record.get("receivedAt")
        placement = await self._placer.place(
            tuple(record["mailboxIds"]),
            frozenset(keyword.lower() for keyword in record["keywords"]),
            None if received_at is None else seconds(received_at),
        )
        composition, held = await self._compose(draft, record)
        first = composition.pieces[0]
        head = first if isinstance(first, bytes) else b""

        def read(blob_id: str) -> AsyncIterator[bytes]:
            return held[blob_id].read()

        message = Octets(composition.size, lambda: stream(composition, read))
        return Letter(message, message_id_of(head.partition(b"\r\n\r\n")[0] + b"\r\n"), placement)

    async def _compose(self, draft: Draft, record: Mapping[str, Any]) -> tuple[Composition, dict[str, Held]]:
        held = await self._attached(draft)
        facts = {blob_id: blob.seen.facts(blob.type) for blob_id, blob in held.items()}
        if sum(facts[blob_id].size for blob_id in draft.attached()) > self._most:
            raise SetError("tooLarge", f"the attachments of an Email may have {self._most} octets together")
        date = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        generated = Generated(f"{uuid.uuid4()}@{self._domain(record)}", date, secrets.token_hex(12))
        return compose(draft, facts, generated), held

    async def _attached(self, draft: Draft) -> dict[str, Held]:
        found: dict[str, Held] = {}
        missing: list[str] = []
        for blob_id in dict.fromkeys(draft.attached()):
            blob = await hold(self._context, self._account, blob_id)
            if blob is None:
                missing.append(blob_id)
            else:
                found[blob_id] = blob
        if missing:  # RFC 8621 §4.6
            raise SetError("blobNotFound", notFound=missing)
        return found

    def _domain(self, record: Mapping[str, Any]) -> str:
        """The right side of a new Message-ID: the sender's domain, which no other system makes ids for."""
        sender = record.get("from") or [{"email": self._context.login.username}]
        domain = str(sender[0]["email"]).rpartition("@")[2].lower()
        plain = domain.isascii() and all(label.replace("-", "").isalnum() for label in domain.split("."))
        return domain if plain and len(domain) < 255 else "localhost"
