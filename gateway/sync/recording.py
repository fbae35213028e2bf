"""What a pass means for clients: changes of Emails, Threads and Mailboxes for the journal."""

from adapters.ports.mail import ThreadHeaders
from gateway.sync.emails import Emails
from gateway.sync.journal import Changes
from gateway.sync.mailboxes import Mailboxes
from gateway.sync.snapshot import Snapshot
from gateway.sync.stage import Outcome, Stage
from gateway.sync.thread_index import ThreadIndex


def email_changes(before: Emails, after: Emails, outcome: Outcome) -> Changes:
    """Emails created, updated (keywords, mailboxIds) and destroyed."""
    return Changes(
        created=after.ids(outcome.created),
        updated=after.ids(outcome.updated),
        destroyed=before.ids(outcome.destroyed),
    )


def mailbox_changes(base: Snapshot, emails: Emails, mailboxes: Mailboxes, threaded: set[int]) -> Changes:
    """Mailboxes created, changed, changed only in counts, destroyed.

    threaded: boxes whose thread counts may have changed though no Email of theirs did.
    """
    changes = Changes(destroyed=[mailbox_id for mailbox_id in base.mailboxes if mailbox_id not in mailboxes])
    for mailbox_id, mailbox in mailboxes.items():
        before = base.mailboxes.get(mailbox_id)
        if before is None:
            changes.created.append(mailbox_id)
        elif mailbox.differs(before):
            changes.updated.append(mailbox_id)
        elif emails.numbers[mailbox_id] in threaded or mailbox.counts() != before.counts():
            changes.counts.append(mailbox_id)
    return changes


class Threaded:
    """The thread index after a pass.

    While it is being built nothing is said about Threads: no Thread was shown yet, and completing it voids all
    earlier Thread states.
    """

    def __init__(self, base: Snapshot, stage: Stage, outcome: Outcome, headers: dict[bytes, ThreadHeaders]) -> None:
        self._before = base.emails
        self._after = stage.emails
        self._complete = base.threads.complete
        self.threads = self._assigned(base.threads, stage, outcome, headers)
        self._members = {
            number for row in (*outcome.created, *outcome.destroyed) if (number := self._number(row)) is not None
        }

    def _assigned(
        self, threads: ThreadIndex, stage: Stage, outcome: Outcome, headers: dict[bytes, ThreadHeaders]
    ) -> ThreadIndex:
        if stage.threads is not None:
            return stage.threads
        rows = [row for row in outcome.created if threads.of_row(row) is None]
        if not self._complete or not rows:
            return threads
        threads = threads.fork()
        # the oldest first: a Thread is then named after its root where several of its messages come at once
        for row in stage.emails.sorted(rows):
            digest = stage.emails.digest(row)
            threads.assign(row, digest, headers.get(digest))
        return threads

    def _number(self, row: int) -> int | None:
        return self.threads.of_row(row)

    def changes(self) -> Changes:
        """Threads whose members changed."""
        changes = Changes()
        if not self._complete:
            return changes
        for number in self._members:
            rows = list(self.threads.members(number))
            existed = any(map(self._before.is_alive, rows))
            exists = any(map(self._after.is_alive, rows))
            kinds = {(False, True): changes.created, (True, True): changes.updated, (True, False): changes.destroyed}
            if existed or exists:
                kinds[existed, exists].append(self.threads.id(number))
        return changes

    def boxes(self, outcome: Outcome) -> set[int]:
        """Boxes whose thread counts may have changed: all that the Thread of a moved or marked Email is in."""
        if not self._complete:
            return set()
        numbers = {number for row in outcome.moved if (number := self._number(row)) is not None}
        found: set[int] = set()
        for number in numbers:
            for row in self.threads.members(number):
                if row < len(self._before):
                    found |= self._before.box_set(row)
                found |= self._after.box_set(row)
        return found
