"""What a JMAP client would hold of an account, and a client that follows it by /changes alone."""

from dataclasses import dataclass, field

from gateway.sync.account import MailAccount
from gateway.sync.ids import email_id
from gateway.sync.journal import COUNTS, TYPES, CannotCalculateChanges
from tests.sync.model import ModelPort

View = dict[str, dict[str, object]]


async def view(account: MailAccount, type_name: str) -> dict[str, object]:
    """Every object of a type as /get would show it."""
    emails = account.emails
    if type_name == "Email":
        rows = emails.all_rows()
        threads = await account.threads.thread_ids(rows, emails)
        return {
            emails.id(row): (frozenset(emails.mailbox_ids(row)), emails.keywords(row), emails.received_at[row], thread)
            for row, thread in zip(rows, threads, strict=True)
        }
    if type_name == "Mailbox":
        return {
            mailbox.id: (mailbox.shown(), mailbox.counts(), await account.threads.counts(mailbox.id))
            for mailbox in account.mailboxes.values()
        }
    await account.threads.ready()
    numbers = {account.threads.thread_of(row) for row in emails.all_rows()}
    threads_of = {account.threads.id(number) for number in numbers if number is not None}
    found: dict[str, object] = {}
    for thread in threads_of:
        members = await account.threads.members(thread)
        assert members is not None
        found[thread] = [account.emails.id(row) for row in members]
    return found


@dataclass
class Client:
    """A copy per type with its state."""

    copies: View = field(default_factory=dict)
    states: dict[str, str] = field(default_factory=dict)
    refused: int = 0
    followed: int = 0

    async def fetch(self, account: MailAccount, type_name: str) -> None:
        """Everything anew."""
        if type_name in ("Thread", "Mailbox"):
            await account.threads.ready()
        self.copies[type_name] = await view(account, type_name)
        self.states[type_name] = account.state(type_name)

    async def follow(self, account: MailAccount, max_changes: int | None = None) -> None:
        """Apply /changes of every type; afterwards the copies must be the truth."""
        for type_name in TYPES:
            if type_name not in self.states:
                await self.fetch(account, type_name)
            await self._follow(account, type_name, max_changes)

    async def _follow(self, account: MailAccount, type_name: str, max_changes: int | None) -> None:
        await account.threads.ready()
        truth = await view(account, type_name)
        copy = self.copies[type_name]
        before = dict(copy)
        told: set[str] = set()
        pages = 0
        while True:
            try:
                changes = account.changes(type_name, self.states[type_name], max_changes)
            except CannotCalculateChanges:
                self.refused += 1
                await self.fetch(account, type_name)
                return
            pages += 1
            ids = [*changes.created, *changes.updated, *changes.destroyed]
            assert max_changes is None or len(ids) <= max_changes
            assert len(ids) == len(set(ids))
            assert not told & set(ids), "an id in two pages of one stretch"
            told |= set(ids)
            assert not set(changes.created) & before.keys()
            assert set(changes.updated) <= before.keys()
            assert set(changes.destroyed) <= before.keys()
            for name in changes.destroyed:
                del copy[name]
            for name in (*changes.created, *changes.updated):
                copy[name] = truth[name]
            if changes.updated_properties is not None:
                assert changes.updated_properties == COUNTS
                assert type_name == "Mailbox"
                assert not changes.created
                for name in changes.updated:
                    old, new = before[name], truth[name]
                    assert isinstance(old, tuple)
                    assert isinstance(new, tuple)
                    assert old[0] == new[0]
            self.states[type_name] = changes.new_state
            if not changes.has_more:
                break
            assert ids, "more to come, but no progress"
        assert copy == truth
        assert self.states[type_name] == account.state(type_name)
        self.followed += 1


@dataclass
class Glimpse:
    """Emails that were shown before the index was whole, with their state."""

    state: str
    emails: dict[str, tuple[frozenset[str], frozenset[str]]]

    @classmethod
    def of(cls, account: MailAccount) -> "Glimpse":
        return cls(account.state("Email"), _shown(account))

    async def follow(self, account: MailAccount) -> bool:
        """Apply /changes to what was shown: it must be the truth. False where the state is refused."""
        await account.refresh()
        truth = _shown(account)
        try:
            changes = account.changes("Email", self.state)
        except CannotCalculateChanges:
            return False
        assert not set(changes.created) & self.emails.keys()
        for name in changes.destroyed:
            self.emails.pop(name, None)
        for name in (*changes.created, *changes.updated):
            if name in self.emails or name in changes.created:
                self.emails[name] = truth[name]
        assert self.emails.items() <= truth.items()
        self.state = changes.new_state
        return True


def _shown(account: MailAccount) -> dict[str, tuple[frozenset[str], frozenset[str]]]:
    emails = account.emails
    return {emails.id(row): (frozenset(emails.mailbox_ids(row)), emails.keywords(row)) for row in emails.all_rows()}


def check_partial(account: MailAccount, port: ModelPort) -> None:
    """What a partial snapshot shows is what the server holds, as far as it is shown."""
    emails, partial = account.emails, account.snapshot.partial
    assert partial is not None
    assert {mailbox.path for mailbox in account.mailboxes.values()} == set(port.server.folders)
    for mailbox in account.mailboxes.values():
        folder = port.server.folders[mailbox.path]
        rows = emails.in_mailbox(mailbox.id)
        if mailbox.id not in partial:
            assert not rows
            assert mailbox.total_emails == len(folder.entries)
            continue
        natives = [port.native(entry.message) for entry in folder.entries.values()]
        whole = len(rows) == partial[mailbox.id] == mailbox.total_emails
        assert len(rows) == len(set(natives)) if whole else mailbox.total_emails == len(natives)
        copies = [(copy.uid, row) for row in rows for copy in emails.copies(row) if copy.mailbox_id == mailbox.id]
        for uid, row in copies:
            message = folder.entries[uid].message
            assert (emails.received_at[row], emails.size[row]) == (message.received, message.size)
            assert emails.id(row) == email_id("imap://model/", port.source, port.native(message))
        others = folder.entries.keys() - {uid for uid, _ in copies}
        newest = max((folder.entries[uid].message.received for uid in others), default=0)
        assert all(emails.received_at[row] > newest for row in rows)


def check_against_server(account: MailAccount, port: ModelPort) -> None:
    """The account shows exactly what the server holds."""
    emails = account.emails
    assert {mailbox.path for mailbox in account.mailboxes.values()} == set(port.server.folders)
    for path, folder in port.server.folders.items():
        mailbox = account.mailboxes.by_path(path)
        assert mailbox is not None
        rows = emails.in_mailbox(mailbox.id)
        uids = sorted((copy.uid, row) for row in rows for copy in emails.copies(row) if copy.mailbox_id == mailbox.id)
        assert [uid for uid, _ in uids] == sorted(folder.entries)
        for uid, row in uids:
            message = folder.entries[uid].message
            assert (emails.received_at[row], emails.size[row]) == (message.received, message.size)
        assert mailbox.total_emails == len(rows)
        assert mailbox.unread_emails == sum(not emails.keywords(row) & {"$seen", "$draft"} for row in rows)
        assert list(rows) == sorted(rows, key=lambda row: (emails.received_at[row], row))
    _check_emails(account, port)


def _check_emails(account: MailAccount, port: ModelPort) -> None:
    emails = account.emails
    alive = [row for row in range(len(emails)) if emails.is_alive(row)]
    assert sorted(emails.all_rows()) == alive
    assert emails.alive == len(alive)
    identities: dict[bytes, int] = {}
    for row in alive:
        copies = emails.copies(row)
        entries = [port.server.folders[copy.path].entries[copy.uid] for copy in copies]
        # an id stands for one message only
        natives = {port.native(entry.message) for entry in entries}
        assert len(natives) == 1
        if port.source != "fingerprint":
            assert identities.setdefault(natives.pop(), row) == row
        union = frozenset().union(*(entry.keywords for entry in entries))
        if not all("$seen" in entry.keywords for entry in entries):
            union -= {"$seen"}
        assert emails.keywords(row) == union
        assert emails.row(emails.id(row)) == row
        if port.source == "fingerprint":
            assert len(copies) == len({copy.mailbox_id for copy in copies})
