"""What one account may send with: the submission server, its own addresses, the records of what was sent."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from adapters.ports.submission import SubmissionFacts, SubmissionPort
from gateway.store.base import Store
from gateway.sync.held import Hold
from gateway.sync.ledger import Ledger, Record

IDENTITY: Final = "Identity"
SUBMISSION: Final = "EmailSubmission"
LEDGER_TYPES: Final = (IDENTITY, SUBMISSION)
"""What the ledger of an account has a journal of."""

INTENT: Final = "SubmissionIntent"
"""A submission that is under way, written before the server hears of it. Its id is the hash of what is sent."""

FOLLOW_UP: Final = "FollowUp"
"""What is to become of an Email that was sent; its id is that of the EmailSubmission, or of the intent without one."""

HELD: Final = "HeldSubmission"
"""A submission that waits for its time at the gateway; its id is that of the EmailSubmission."""

REPORTS: Final = "Reports"
"""Up to where an account's mail was looked through for DSNs and MDNs: one record, whose id is the type's name."""


@dataclass(slots=True, eq=False)
class Reading:
    """The reading of DSNs and MDNs in this process. state: that of Email when it was last done."""

    state: str | None = None
    alone: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass(frozen=True, slots=True)
class Senders:
    """The addresses that a login may send from: its own (None: it has none), and patterns for others.

    A pattern is an address, "*@domain" for all of a domain, or "*" for whatever the submission server allows.
    """

    own: str | None
    patterns: Sequence[str] = ()

    def allow(self, email: str) -> bool:
        """Whether an address, or "*@domain", may be sent from. The server may still refuse it."""
        wanted = email.casefold()
        domain = wanted.rpartition("@")[2]
        patterns = {pattern.casefold() for pattern in self.patterns}
        own = self.own is not None and wanted == self.own.casefold()
        return own or bool(patterns & {"*", f"*@{domain}", wanted})


@dataclass(slots=True, eq=False)
class Outbox:
    """The way out of one account, by its id. offered: what the server said when it was last asked.

    in_flight: what is being handed over in this process, by the id of its intent.

    email_ids: submission id -> Email id, also of those destroyed since, for onSuccessUpdateEmail.

    hold: how messages wait at the gateway; None where they cannot.

    written: whether a write was done that messages tell of, as it was noted with them; raises adapters.errors. None
    where nobody can find out.
    """

    account: str
    port: SubmissionPort
    senders: Senders
    offered: SubmissionFacts
    ledger: Ledger
    in_flight: "dict[str, asyncio.Task[Record]]" = field(default_factory=dict)
    email_ids: dict[str, str] = field(default_factory=dict)
    hold: Hold | None = None
    reading: Reading = field(default_factory=Reading)
    written: Callable[[Record], Awaitable[bool]] | None = None

    def remember(self, submission_id: str, email_id: str) -> None:
        """Keep the Email of a submission in mind."""
        self.email_ids[submission_id] = email_id
        while len(self.email_ids) > _REMEMBERED:
            del self.email_ids[next(iter(self.email_ids))]

    async def close(self) -> None:
        """Wait a while for what is being handed over: giving up in between would leave nobody knowing."""
        if self.in_flight:
            await asyncio.wait(list(self.in_flight.values()), timeout=_CLOSE_SECONDS)
        await self.port.close()


_REMEMBERED: Final = 1000
_CLOSE_SECONDS: Final = 20.0


def outbox(port: SubmissionPort, senders: Senders, offered: SubmissionFacts, store: Store, account_id: str) -> Outbox:
    """The account's outbox over the store."""
    return Outbox(account_id, port, senders, offered, Ledger(store, account_id, LEDGER_TYPES))
