"""SMTP submission as the port: one connection for each message, every reply kept."""

import re
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import Final, Literal

import aiosmtplib

from adapters.errors import InvalidData, Unavailable, Unsupported
from adapters.formats.smtp_path import path
from adapters.ports.mail_write import Octets
from adapters.ports.submission import BeforeData, EightBit, Outcome, SmtpEnvelope, SubmissionFacts
from adapters.smtp.delivery import Delivery
from adapters.smtp.dsn import asking_for_dsns
from adapters.smtp.login import Credentials, log_in

_EHLO_NAME: Final = "[127.0.0.1]"
"""RFC 5321 §4.1.3 allows an address literal. The name of this machine is nobody's business."""

_HEADER_END: Final = re.compile(rb"(?:\A|\r?\n)\r?\n")
_MOST_HEADER: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where and how to connect. Times in seconds; `final_timeout` is for the reply to the whole message.

    RFC 5321 §4.5.3.2.6: 10 minutes for that one, since whoever gives up early has it delivered twice.
    """

    host: str
    port: int
    tls: Literal["implicit", "starttls", "none"] = "implicit"
    ssl_context: ssl.SSLContext | None = None
    connect_timeout: float = 10.0
    command_timeout: float = 60.0
    final_timeout: float = 600.0


class SmtpSubmission:
    """One login at one submission server; implements adapters.ports.submission.SubmissionPort."""

    def __init__(self, endpoint: Endpoint, credentials: Credentials) -> None:
        self._endpoint = endpoint
        self._credentials = credentials

    async def facts(self) -> SubmissionFacts:
        """EHLO keywords after logging in, asked each time. Raises AuthFailed, Unavailable, Unsupported."""
        async with self._open() as (_, facts):
            return facts

    async def submit(self, envelope: SmtpEnvelope, message: Octets, before_data: BeforeData | None = None) -> Outcome:
        """Send a message once.

        Raises InvalidData, Unsupported (nothing was said to the server), AuthFailed, Unavailable (the server does
        not have the message), Uncertain (nobody knows).
        """
        check(envelope)
        delivery = None  # outlives the connection
        async with self._open() as (smtp, facts):
            pieces = message.read()
            try:
                head = await _head(pieces)
                declared = await _declared(envelope, message, head, facts)
                asking = asking_for_dsns(envelope, facts)
                sender = asking.mail_from
                mail_from = replace(sender, parameters={**_of_client(sender.parameters), **declared})
                delivery = Delivery(smtp, self._endpoint.final_timeout)
                told = SmtpEnvelope(mail_from, asking.rcpt_to)
                return await delivery.run(told, _joined(head, pieces), before_data)
            finally:
                if isinstance(pieces, AsyncGenerator):
                    await pieces.aclose()

    async def close(self) -> None:
        """Nothing is kept open between messages."""

    @asynccontextmanager
    async def _open(self) -> AsyncIterator[tuple[aiosmtplib.SMTP, SubmissionFacts]]:
        """A connection that is logged in. What aiosmtplib and the network raise becomes Unavailable."""
        smtp = self._client()
        try:
            facts = await self._logged_in(smtp)
            yield smtp, facts
            with suppress(aiosmtplib.SMTPException, OSError):
                await smtp.quit(timeout=2.0)
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            raise Unavailable(f"submission to {self._endpoint.host}: {type(error).__name__}") from error
        finally:
            smtp.close()

    def _client(self) -> aiosmtplib.SMTP:
        end = self._endpoint
        return aiosmtplib.SMTP(
            hostname=end.host,
            port=end.port,
            local_hostname=_EHLO_NAME,
            timeout=end.command_timeout,
            use_tls=end.tls == "implicit",
            start_tls=False,
            tls_context=end.ssl_context,
        )

    async def _logged_in(self, smtp: aiosmtplib.SMTP) -> SubmissionFacts:
        await smtp.connect(timeout=self._endpoint.connect_timeout)
        await smtp.ehlo()
        if self._endpoint.tls == "starttls":
            if not smtp.supports_extension("starttls"):  # RFC 8314 §4.1: never go on in the clear
                raise Unsupported("the submission server does not offer STARTTLS")
            await smtp.starttls()
            await smtp.ehlo()
        await log_in(smtp, [name.upper() for name in smtp.server_auth_methods], self._credentials)
        await smtp.ehlo()  # RFC 4954 §4: what is offered may differ now
        return SubmissionFacts({name.upper(): text.upper().split() for name, text in smtp.esmtp_extensions.items()})


def check(envelope: SmtpEnvelope) -> None:
    """Raises InvalidData for an envelope that cannot stand in commands."""
    path(envelope.mail_from.email, envelope.mail_from.parameters)
    for recipient in envelope.rcpt_to:
        if not recipient.email:
            raise InvalidData("a recipient is empty")
        path(recipient.email, recipient.parameters)


_OWN: Final = frozenset({"SIZE", "BODY", "SMTPUTF8"})


def _of_client(parameters: Mapping[str, str | None]) -> dict[str, str | None]:
    """The client's parameters without those that only the sender of the octets can tell."""
    return {name: value for name, value in parameters.items() if name.upper() not in _OWN}


async def _head(pieces: AsyncIterator[bytes]) -> bytes:
    """The beginning of the message, at least up to the end of its header."""
    head = b""
    async for piece in pieces:
        head += piece
        if _HEADER_END.search(head) or len(head) > _MOST_HEADER:
            break
    return head


async def _joined(head: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield head
    async for piece in rest:
        yield piece


async def _declared(
    envelope: SmtpEnvelope, message: Octets, head: bytes, facts: SubmissionFacts
) -> dict[str, str | None]:
    """SIZE, BODY and SMTPUTF8 of MAIL FROM. Raises InvalidData for a message that this server cannot carry."""
    declared: dict[str, str | None] = {}
    if "SIZE" in facts.extensions:  # RFC 1870 §6
        declared["SIZE"] = str(message.size)
    end = _HEADER_END.search(head)
    header = head[: end.start()] if end else head
    addresses = [envelope.mail_from.email, *(recipient.email for recipient in envelope.rcpt_to)]
    if not header.isascii() or not all(address.isascii() for address in addresses):
        if "SMTPUTF8" not in facts.extensions:  # RFC 6531 §3.2
            raise InvalidData("the submission server does not take internationalized addresses or header fields")
        declared["SMTPUTF8"] = None
    if "8BITMIME" in facts.extensions:
        # RFC 6152 §3: a declaration of what may come; that the body is 8-bit would take another reading to know.
        declared["BODY"] = "8BITMIME"
    elif not await _is_ascii(message):
        raise EightBit("the submission server does not take 8-bit messages")
    return declared


async def _is_ascii(message: Octets) -> bool:
    ascii_only = True
    async for piece in message.read():
        ascii_only = ascii_only and piece.isascii()
    return ascii_only
