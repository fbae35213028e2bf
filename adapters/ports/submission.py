"""Handing a message over for delivery (RFC 6409)."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from adapters.errors import InvalidData
from adapters.ports.mail_write import Octets


@dataclass(frozen=True, slots=True)
class SmtpAddress:
    """An envelope address with its parameters as the client gave them: name -> value, None for a bare name."""

    email: str
    parameters: Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class SmtpEnvelope:
    """MAIL FROM (an empty email is the null sender) and RCPT TO.

    envelope_id: what DSNs shall name the message by, where the server offers DSN (RFC 3461); printable ASCII, up to 100
    characters. None: they are not asked for. What the parameters ask for stands.
    """

    mail_from: SmtpAddress
    rcpt_to: Sequence[SmtpAddress]
    envelope_id: str | None = None


@dataclass(frozen=True, slots=True)
class SmtpReply:
    """What the server said, in one line "250 2.0.0 Ok: queued as …", as RFC 8621 §7 wants smtpReply."""

    code: int
    text: str

    @property
    def line(self) -> str:
        """Code and text."""
        return f"{self.code} {self.text}"


@dataclass(frozen=True, slots=True)
class SubmissionFacts:
    """EHLO keywords with their parameters, upper case: {"SIZE": ["52428800"], "DSN": []} (after authentication)."""

    extensions: Mapping[str, Sequence[str]]

    @property
    def max_size(self) -> int | None:
        """The largest message in octets, None where the server doesn't say."""
        sizes = self.extensions.get("SIZE") or ["0"]
        return int(sizes[0]) or None if sizes[0].isdigit() else None

    def longest_hold(self, now: float) -> int:
        """Seconds for which the server holds a message (RFC 4865 §4), 0 for not at all. now: seconds since 1970.

        What a latest moment leaves is given in whole hours: clients read the session anew when it changes.
        """
        interval, *until = self.extensions.get("FUTURERELEASE") or ["0"]
        try:
            latest = datetime.fromisoformat(until[0]).timestamp() - now
            return max(0, min(int(interval), int(latest) // 3600 * 3600))
        except (ValueError, IndexError, OverflowError):  # both are required
            return 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one hand-over.

    final: the reply to the message itself, None if it was never sent, because no recipient was accepted.
    recipients: per address of the envelope, in order, the reply to its RCPT.
    """

    mail_from: SmtpReply
    recipients: Sequence[SmtpReply]
    final: SmtpReply | None


class EightBit(InvalidData):
    """The message has octets above 127 in its body, and the server takes no such (RFC 6152)."""


class Uncertain(Exception):
    """The connection was lost after the final dot: the server may have the message. It must not be sent again."""


BeforeData = Callable[[], Awaitable[None]]
"""Awaited when recipients were accepted and the message is about to follow; what it raises ends it, nothing is sent."""


class SubmissionPort(Protocol):
    """One login at one submission server. Raises adapters.errors (AuthFailed, Unavailable) before the final dot."""

    async def facts(self) -> SubmissionFacts:
        """What the server offers to this login."""
        ...

    async def submit(self, envelope: SmtpEnvelope, message: Octets, before_data: BeforeData | None = None) -> Outcome:
        """Send a message once. Raises Uncertain when nobody can tell whether it was taken."""
        ...

    async def close(self) -> None:
        """Drop the connections."""
        ...
