"""MAIL, RCPT, DATA for one message on one connection (RFC 5321 §3.3)."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

import aiosmtplib

from adapters.errors import Unavailable
from adapters.formats.smtp_path import path
from adapters.ports.submission import BeforeData, Outcome, SmtpEnvelope, SmtpReply, Uncertain
from adapters.smtp.octets import DotStuffer

_OK: Final = (250, 251, 252)
_GO_ON: Final = 354
_CLOSING: Final = 421


class Delivery:
    """One message on its way. `final_timeout` in seconds. To be kept until the connection is closed."""

    def __init__(self, smtp: aiosmtplib.SMTP, final_timeout: float) -> None:
        self._smtp = smtp
        self._final_timeout = final_timeout
        self._writer: asyncio.StreamWriter | None = None

    async def run(
        self, envelope: SmtpEnvelope, pieces: AsyncIterator[bytes], before_data: BeforeData | None = None
    ) -> Outcome:
        """Raises Unavailable, Uncertain, what `before_data` raises; before the final dot only, aiosmtplib's errors."""
        sender = envelope.mail_from
        mail_from = await self._command(b"MAIL FROM:" + path(sender.email, sender.parameters))
        if mail_from.code >= 400:
            return Outcome(mail_from, (), None)
        recipients = [
            await self._command(b"RCPT TO:" + path(recipient.email, recipient.parameters))
            for recipient in envelope.rcpt_to
        ]
        if all(reply.code >= 400 for reply in recipients):
            return Outcome(mail_from, recipients, None)
        if before_data is not None:
            await before_data()
        ready = await self._command(b"DATA")
        if ready.code in _OK:
            raise Unavailable("the submission server accepted a message that it had not read")
        final = await self._data(pieces) if ready.code == _GO_ON else ready
        return Outcome(mail_from, recipients, final)

    async def _command(self, line: bytes) -> SmtpReply:
        answer = await self._smtp.execute_command(line)
        if answer.code == _CLOSING:  # RFC 5321 §3.8: the server goes away; nothing was handed over
            raise Unavailable("the submission server is closing: 421")
        if answer.code < 400 and answer.code not in (*_OK, _GO_ON):
            raise Unavailable(f"the submission server answers out of turn: {answer.code}")
        return reply_of(answer)

    async def _data(self, pieces: AsyncIterator[bytes]) -> SmtpReply:
        """The octets and the final dot; the reply to them."""
        protocol, transport = self._smtp.protocol, self._smtp.transport
        if protocol is None or not isinstance(transport, asyncio.WriteTransport):
            raise Unavailable("the connection is gone")
        # Only for its `drain`. It closes the connection when it is collected, hence kept.
        writer = self._writer = asyncio.StreamWriter(transport, protocol, None, asyncio.get_running_loop())
        reading = asyncio.create_task(protocol.read_response(None))
        try:
            if await self._octets(writer, pieces, reading) or reading.done():
                self._smtp.close()  # the server has said no before the end: it gets no final dot, and no QUIT as text
                return _refusal(reading)
            return await self._end(writer, reading)
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def _octets(
        self,
        writer: asyncio.StreamWriter,
        pieces: AsyncIterator[bytes],
        reading: "asyncio.Task[aiosmtplib.SMTPResponse]",
    ) -> bool:
        """Whether the server answered before the end of the message."""
        stuffer = DotStuffer()
        async for piece in pieces:
            if reading.done():
                return True
            writer.write(stuffer.feed(piece))
            async with asyncio.timeout(self._final_timeout):
                await writer.drain()
        writer.write(stuffer.finish())
        return False

    async def _end(self, writer: asyncio.StreamWriter, reading: "asyncio.Task[aiosmtplib.SMTPResponse]") -> SmtpReply:
        if writer.transport.is_closing():
            raise Unavailable("the connection was lost before the end of the message")
        writer.write(b".\r\n")
        try:
            # RFC 5321 §4.5.3.2.6
            return reply_of(await asyncio.wait_for(asyncio.shield(reading), self._final_timeout))
        except (aiosmtplib.SMTPException, OSError) as error:
            raise Uncertain(f"no reply to the message: {type(error).__name__}") from error


def _refusal(reading: "asyncio.Task[aiosmtplib.SMTPResponse]") -> SmtpReply:
    """A reply that came before the end of the message."""
    reply = reply_of(reading.result())
    if reply.code in _OK:
        raise Unavailable("the submission server accepted a message that it had not read")
    return reply


def reply_of(answer: aiosmtplib.SMTPResponse) -> SmtpReply:
    """A reply in one line (RFC 8621 §7, smtpReply): what all lines begin with stands once."""
    first, *others = answer.message.split("\n")
    enhanced = first.split(" ", 1)[0]
    has_code = enhanced[:2] in {"2.", "4.", "5."}
    rest = [line.removeprefix(f"{enhanced} ") if has_code else line for line in others]
    text = " ".join([first, *rest])
    return SmtpReply(answer.code, "".join(char if char.isprintable() else "?" for char in text)[:1000])
