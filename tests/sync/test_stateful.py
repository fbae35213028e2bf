"""Whatever happens on the server, to the connection and to the store: /changes applied to any older copy gives the
truth or is refused, ids never point to another message, counts are exact."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from adapters.errors import AdapterError
from gateway.store.base import Put
from gateway.sync.account import MailAccount
from tests.sync.clients import Client, Glimpse, check_against_server, check_partial
from tests.sync.conftest import ACCOUNT, ShakyStore, open_account
from tests.sync.model import ModelPort, ModelServer

Result = TypeVar("Result")
KEYWORDS = st.sets(st.sampled_from(["$seen", "$draft", "$flagged", "work"]), max_size=2)
PICK = st.integers(0, 1000)
PATHS = ["Work", "Trash", "Sent", "Work/Old", "Lists", "Other"]
SUBJECTS = ["Plan", "Re: Plan", "Other"]


class MailMachine(RuleBasedStateMachine):
    """One server, one store, an account that restarts, a second replica, and clients of different age."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.server = ModelServer()
        self.clients = [Client(), Client()]
        self.glimpses: list[tuple[MailAccount, Glimpse]] = []
        self.identities: dict[str, bytes] = {}
        self.undisturbed = True

    def run_async(self, work: Coroutine[Any, Any, Result]) -> Result:
        return self.runner.run(work)

    @initialize(
        tier=st.sampled_from(["emailid", "fingerprint"]),
        condstore=st.booleans(),
        mailbox_ids=st.booleans(),
        threads=st.booleans(),
        keep=st.sampled_from([5, 10_000]),
    )
    def start(self, tier: Any, condstore: bool, mailbox_ids: bool, threads: bool, keep: int) -> None:
        self.port = ModelPort(
            self.server, source=tier, condstore=condstore, mailbox_ids=mailbox_ids, thread_ids=threads
        )
        self.store = ShakyStore()
        self.keep = keep
        self.account = open_account(self.port, self.store, keep)
        self.replica = open_account(self.port, self.store, keep)
        for path in PATHS[:2]:
            self.server.create(path)

    def teardown(self) -> None:
        async def close() -> None:
            await self.account.close()
            await self.replica.close()
            await self.store.close()

        if hasattr(self, "store"):
            self.run_async(close())
        self.runner.close()

    # The server

    def folder(self, pick: int) -> str:
        paths = sorted(self.server.folders)
        return paths[pick % len(paths)]

    def message(self, pick: int) -> tuple[str, int] | None:
        found = [(path, uid) for path, folder in sorted(self.server.folders.items()) for uid in folder.entries]
        return found[pick % len(found)] if found else None

    @rule(pick=PICK, keywords=KEYWORDS, refer=PICK, subject=st.sampled_from(SUBJECTS), twin=st.booleans())
    def append(self, pick: int, keywords: set[str], refer: int, subject: str, twin: bool) -> None:
        referred = self.message(refer)
        reference = ""
        fingerprint = None
        if referred is not None and refer % 3:
            original = self.server.folders[referred[0]].entries[referred[1]].message
            reference = original.headers[0]
        number = sum(map(len, (folder.entries for folder in self.server.folders.values()))) + refer
        if twin:
            fingerprint = "twin"
        headers = (f"<{number}@x>", "", reference, subject)
        received = 5_000_000 if twin else 1_000_000 + refer
        uid = self.server.append(
            self.folder(pick), keywords, fingerprint=fingerprint, received=received, headers=headers
        )
        if twin:  # equal in everything that a plain server shows
            path = self.folder(pick)
            entry = self.server.folders[path].entries[uid]
            twin_headers = ("", "", "", "Twin")
            entry.message = type(entry.message)(entry.message.guid, "twin", received, 7, twin_headers)

    @rule(pick=PICK, keywords=KEYWORDS)
    def flag(self, pick: int, keywords: set[str]) -> None:
        if (found := self.message(pick)) is not None:
            self.server.flag(*found, keywords)

    @rule(pick=PICK, goal=PICK)
    def move(self, pick: int, goal: int) -> None:
        if (found := self.message(pick)) is not None:
            self.server.move(*found, self.folder(goal))

    @rule(pick=PICK, goal=PICK)
    def copy(self, pick: int, goal: int) -> None:
        if (found := self.message(pick)) is not None:
            self.server.copy(*found, self.folder(goal))

    @rule(pick=PICK)
    def expunge(self, pick: int) -> None:
        if (found := self.message(pick)) is not None:
            self.server.expunge(*found)

    @rule(path=st.sampled_from(PATHS))
    def create_or_delete(self, path: str) -> None:
        if path in self.server.folders:
            self.server.delete(path)
        else:
            self.server.create(path)

    @rule(path=st.sampled_from(PATHS))
    def recreate(self, path: str) -> None:
        if path in self.server.folders:
            self.server.delete(path)
            self.server.create(path)

    @rule(pick=PICK, path=st.sampled_from(PATHS))
    def rename(self, pick: int, path: str) -> None:
        old = self.folder(pick)
        if old != "INBOX" and path not in self.server.folders:
            self.server.rename(old, path)

    @rule(pick=PICK)
    def renumber(self, pick: int) -> None:
        self.server.renumber(self.folder(pick))

    # Faults

    @rule(calls=st.integers(0, 8))
    def fail_mid_pass(self, calls: int) -> None:
        self.port.failing = calls
        state = {name: self.account.state(name) for name in ("Mailbox", "Email")}
        try:
            self.run_async(self.account.refresh())
        except AdapterError:
            # what another replica has committed, or ruined, may have been found before the failure
            assert not self.undisturbed or state == {name: self.account.state(name) for name in ("Mailbox", "Email")}
        finally:
            self.port.failing = None
        self.run_async(self.account.threads.close())

    @rule(pick=PICK, goal=PICK, calls=st.integers(1, 4))
    def move_mid_pass(self, pick: int, goal: int, calls: int) -> None:
        """Somebody moves a message while the pass looks at folder after folder: it must not be destroyed."""
        found = self.message(pick)
        if found is None:
            return
        left = [calls]

        def meddle(call: str) -> None:
            left[0] -= 1
            if left[0] == 0:
                self.server.move(*found, self.folder(goal))

        self.run_async(self.account.refresh())
        before = self.account.emails
        self.port.meddle = meddle
        self.run_async(self.account.refresh())
        self.port.meddle = lambda _call: None
        if self.port.source != "fingerprint":  # where equal messages may change places
            assert all(self.account.emails.row(email_id) is not None for email_id in before.ids(before.all_rows()))

    @rule()
    def flush_store(self) -> None:
        self.undisturbed = False
        self.run_async(self.store.flush())

    @rule(down=st.booleans())
    def store_away(self, down: bool) -> None:
        self.store.down = down

    @rule(pick=PICK, value=st.binary(max_size=30))
    def poison_store(self, pick: int, value: bytes) -> None:
        self.undisturbed = False

        async def poison() -> None:
            stored = sorted(await self.store.everything(), key=lambda key: (key.space, key.name))
            if stored:
                await self.store.inner.commit(ACCOUNT, [Put(stored[pick % len(stored)], value)])

        self.run_async(poison())

    @rule()
    def restart(self) -> None:
        if self.store.down:  # what the gateway before stored is then another's
            self.undisturbed = False
        self.run_async(self.account.close())
        self.account = open_account(self.port, self.store, self.keep)
        self.run_async(self.account.refresh())

    @rule(again=st.booleans())
    def start_anew(self, again: bool) -> None:
        """A gateway that has never seen the account, or two of them."""
        self.undisturbed = False
        self.run_async(self.account.close())
        self.run_async(self.store.flush())
        self.account = open_account(self.port, self.store, self.keep)
        if again:
            self.run_async(self.replica.close())
            self.replica = open_account(self.port, self.store, self.keep)

    @rule(pick=PICK, threads=st.booleans(), elsewhere=st.booleans())
    def glance(self, pick: int, threads: bool, elsewhere: bool) -> None:
        """What can be seen before the index is whole; where it is whole, nothing is looked at."""
        account = self.replica if elsewhere else self.account

        async def look() -> None:
            if not await account.look() or account.snapshot.partial is None:
                return
            check_partial(account, self.port)
            boxes = sorted(account.mailboxes)
            await account.look_into(boxes[pick % len(boxes)])
            check_partial(account, self.port)
            self.glimpses.append((account, Glimpse.of(account)))
            if threads:
                await account.threads.thread_ids(account.emails.all_rows())

        self.run_async(look())

    @rule(pick=PICK)
    def glimpse_followed(self, pick: int) -> None:
        if not self.glimpses:
            return
        seen = account, glimpse = self.glimpses[pick % len(self.glimpses)]
        if account not in (self.account, self.replica):  # it has ended
            account = self.account
        if account is self.replica:
            self.undisturbed = False
        if not self.run_async(glimpse.follow(account)):
            self.glimpses.remove(seen)

    @rule()
    def other_replica(self) -> None:
        self.undisturbed = False
        self.run_async(self.replica.refresh())
        check_against_server(self.replica, self.port)

    # What must hold

    @precondition(lambda self: hasattr(self, "account"))
    @rule(pick=st.integers(0, 1), max_changes=st.sampled_from([None, 1, 3]))
    def client_follows(self, pick: int, max_changes: int | None) -> None:
        async def follow() -> None:
            await self.account.refresh()
            check_against_server(self.account, self.port)
            await self.clients[pick].follow(self.account, max_changes)

        self.run_async(follow())
        self.ids_keep_their_meaning()

    def ids_keep_their_meaning(self) -> None:
        emails = self.account.emails
        for row in emails.all_rows():
            copy = emails.best_copy(row)
            message = self.server.folders[copy.path].entries[copy.uid].message
            native = self.port.native(message)
            assert self.identities.setdefault(emails.id(row), native) == native


MailMachine.TestCase.settings = settings(
    max_examples=60,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestMail = MailMachine.TestCase
