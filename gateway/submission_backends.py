"""The submission servers beside the mail servers: what they offer, and who may send what there."""

import asyncio
import logging
import math
import time
from dataclasses import dataclass, field
from typing import Final

from adapters.errors import AdapterError, AuthFailed
from adapters.formats.smtp_path import is_address
from adapters.imap.connection import Credentials
from adapters.ports.submission import SubmissionFacts
from adapters.smtp.backend import Endpoint, SmtpSubmission
from gateway.config import Config, SubmissionConfig
from gateway.endpoints import smtp_credentials, smtp_endpoint
from gateway.sync.outbox import Senders

log = logging.getLogger(__name__)

FACTS_SECONDS: Final = 3600.0
RETRY_SECONDS: Final = 60.0
"""How long the answer of a submission server, or its silence, is believed."""


@dataclass(slots=True)
class _Submission:
    """The submission server of one backend. What it offers is asked once an hour, by whoever logs in first then."""

    endpoint: Endpoint
    config: SubmissionConfig
    offered: SubmissionFacts | None = None
    asked_at: float = -math.inf
    asking: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def facts(self, port: SmtpSubmission) -> SubmissionFacts | None:
        """What the server offers; None while it does not answer. Who comes while it is asked waits for the answer."""
        async with self.asking:
            age = time.monotonic() - self.asked_at
            if age > (FACTS_SECONDS if self.offered is not None else RETRY_SECONDS):
                await self._ask(port)
            return self.offered

    async def _ask(self, port: SmtpSubmission) -> None:
        self.asked_at = time.monotonic()
        try:
            self.offered = await port.facts()
        except AuthFailed:
            self.asked_at = -math.inf  # tells of this login only
            log.warning("the submission server refuses a login that the mail server accepted")
        except AdapterError as error:
            self.offered = None
            log.warning("the submission server cannot be used for now: %s: %s", type(error).__name__, error)


@dataclass(frozen=True, slots=True)
class Offer:
    """What a login can send with."""

    port: SmtpSubmission
    senders: Senders
    facts: SubmissionFacts


class SubmissionBackends:
    """The submission servers by backend."""

    def __init__(self, config: Config) -> None:
        """Raises ConfigError where a CA file cannot be used."""
        self._servers = {
            name: _Submission(smtp_endpoint(name, backend.submission), backend.submission)
            for name, backend in config.backends.items()
            if backend.submission is not None
        }

    async def offer(self, name: str, username: str, credentials: Credentials) -> Offer | None:
        """What this login can send with; None where it cannot send."""
        submission = self._servers.get(name)
        if submission is None:
            return None
        senders = _senders(username, submission.config)
        if senders.own is None and not senders.patterns:
            return None
        port = SmtpSubmission(submission.endpoint, smtp_credentials(credentials))
        offered = await submission.facts(port)
        return None if offered is None else Offer(port, senders, offered)


def _senders(username: str, config: SubmissionConfig) -> Senders:
    """The addresses of a login: its name where that is one, else its name at the configured domain."""
    own: str | None = username
    if "@" not in username:
        own = None if config.identity_domain is None else f"{username}@{config.identity_domain}"
    return Senders(own if own is not None and is_address(own) else None, config.senders)
