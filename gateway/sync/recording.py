"""What a pass means for clients: changes of Emails, Threads and Mailboxes for the journal."""

from bisect import bisect_left
from dataclasses import replace

from adapters.ports.mail import Keywords, MailFacts
from gateway.sync.emails import Emails
from gateway.sync.journal import Changes, Record
from gateway.sync.mailboxes import Box, Mailboxes, build
from gateway.sync.refresh import Pass
from gateway.sync.settling import Outcome
from gateway.sync.snapshot import Snapshot
from gateway.sync.stage import Stage
from gateway.sync.thread_facts import Facts
from gateway.sync.thread_index import ThreadIndex


def following(base: Snapshot, found: Pass, facts: MailFacts, *, first: bool) -> tuple[Snapshot, Record]:
    """The snapshot after a pass, and its record in the journal, which is empty if nothing changed for clients."""
    stage, threads = found.stage, base.threads
    if base.partial is not None:  # it had other rows
        threads = threads.moved(base.emails.rows_in(stage.emails))
    mailboxes = build(stage.emails.boxes.values(), facts.personal_prefix, base.orders)
    threaded = Threaded(replace(base, threads=threads), stage, found.outcome, found.said)
    if facts.thread_ids:
        threaded.threads.complete = True
    journal = base.journal.fork()
    record = journal.record(told(base, stage, found.outcome, mailboxes, threaded, first=first))
    if len(record):
        journal.append(record)
    return Snapshot(stage.emails, mailboxes, threaded.threads, journal, base.orders), record


def told(
    base: Snapshot, stage: Stage, outcome: Outcome, mailboxes: Mailboxes, threaded: "Threaded", *, first: bool
) -> dict[str, Changes]:
    """What changed, by type. Before the first pass clients can only have seen what a partial snapshot shows."""
    if first and base.partial is None:
        return {}
    boxes = threaded.boxes(outcome)
    if _trash(base.mailboxes) != _trash(mailboxes):  # RFC 8621 §2: what lies there makes no Thread unread elsewhere
        boxes = set(stage.emails.boxes)
    changes = {"Mailbox": mailbox_changes(base, stage.emails, mailboxes, boxes)}
    if first:
        return changes | {"Email": completed(base.emails, stage.emails)}
    changes["Email"] = email_changes(base.emails, stage.emails, outcome)
    changes["Thread"] = threaded.changes()
    return changes


def _trash(mailboxes: Mailboxes) -> str | None:
    trash = mailboxes.by_role("trash")
    return None if trash is None else trash.id


def completed(shown: Emails, emails: Emails) -> Changes:
    """From a partial snapshot to the whole index, or to one that shows more: Emails that were shown and are otherwise,
    and those that came since.

    Nothing is said of those that were there and not shown.
    """
    changes = Changes()
    for row in shown.all_rows():
        email_id = shown.id(row)
        there = emails.row(email_id)
        if there is None:
            changes.destroyed.append(email_id)
        elif _changing(shown, row) != _changing(emails, there):
            changes.updated.append(email_id)
    seen = {number: _uid_next(shown, box) for number, box in emails.boxes.items()}
    for number, contents in emails.contents.items():
        for row in contents.rows[bisect_left(contents.uids, seen[number]) :]:
            if emails.box[row] == number and all(uid >= seen[box] for box, uid in emails.places(row)):
                email_id = emails.id(row)
                if shown.row(email_id) is None:
                    changes.created.append(email_id)
    return changes


def _changing(emails: Emails, row: int) -> tuple[set[str], Keywords]:
    return set(emails.mailbox_ids(row)), emails.keywords(row)


def _uid_next(shown: Emails, box: Box) -> int:
    """The first UID of a box that was not there when the partial snapshot was made."""
    number = shown.numbers.get(box.id)
    cursor = None if number is None else shown.boxes[number].cursor
    return cursor.uid_next if cursor is not None and cursor.uid_validity == box.uid_validity else 0


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
    earlier Thread states. It is being built again where a new Email's headers are not known: its Thread is for good.
    """

    def __init__(self, base: Snapshot, stage: Stage, outcome: Outcome, said: dict[bytes, Facts]) -> None:
        self._before = base.emails
        self._after = stage.emails
        self._complete = base.threads.complete
        self.threads = self._assigned(base.threads, stage, outcome, said)
        self._members = {
            number for row in (*outcome.created, *outcome.destroyed) if (number := self._number(row)) is not None
        }

    def _assigned(self, threads: ThreadIndex, stage: Stage, outcome: Outcome, said: dict[bytes, Facts]) -> ThreadIndex:
        if stage.threads is not None:
            return stage.threads
        rows = [row for row in outcome.created if threads.of_row(row) is None]
        if not self._complete or not rows:
            return threads
        threads = threads.fork()
        # the oldest first: a Thread is then named after its root where several of its messages come at once
        eldest = [row for row in stage.emails.sorted(rows) if stage.emails.digest(row) in said]
        threads.assign(eldest, [said[stage.emails.digest(row)] for row in eldest], stage.emails.digest)
        if len(eldest) < len(rows):  # moved by others before they were read, or the build ended while they came
            threads.complete = self._complete = False
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
