"""One state of an account: what readers see, replaced as a whole by every commit."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Final

from gateway.sync.draft import DirtyRows
from gateway.sync.emails import Emails
from gateway.sync.journal import Journal
from gateway.sync.mailboxes import Mailboxes
from gateway.sync.orders import Orders
from gateway.sync.thread_index import ThreadIndex

DERIVED: Final = 32
"""Things worked out of one state that are remembered; the result of a query takes four octets per Email."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Nothing in it changes once it is visible, but for orders and counts that are worked out on demand.

    partial: None where it holds all Emails. Else the ids of the Mailboxes whose newest Emails it holds, with the number
    of Emails that each of these has in all; see `sync.opening`.
    derived: what callers worked out of this very state, such as the results of queries; put in by `keep`.
    """

    emails: Emails
    mailboxes: Mailboxes
    threads: ThreadIndex
    journal: Journal
    orders: Orders = field(default_factory=dict)
    partial: Mapping[str, int] | None = None
    derived: dict[Hashable, object] = field(default_factory=dict, init=False)

    def keep(self, key: Hashable, value: object) -> None:
        """Remember something derived; the oldest goes for it where there is much."""
        if len(self.derived) >= DERIVED:
            del self.derived[next(iter(self.derived))]
        self.derived[key] = value


@dataclass(slots=True)
class Dirty:
    """What a commit has to store anew beside what the columns themselves remember."""

    rows: DirtyRows = field(default_factory=DirtyRows)
    boxes: set[int] = field(default_factory=set)
    dropped: set[int] = field(default_factory=set)
    orders: bool = False
