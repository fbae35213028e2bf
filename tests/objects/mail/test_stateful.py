"""Whatever other clients do to the mail, and faults to the connections and the store: /changes applied to any older
copy gives the truth or is refused, the truth is what the server holds, and an id never means another message.

`STATEFUL_EXAMPLES` sets how many histories are tried per server.
"""

import asyncio
import contextlib
import os
import re
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from tests.client import JmapClient, jmap_client
from tests.faults.proxy import After, Cut, FaultProxy, Reset, Rule
from tests.gateway import running_gateway
from tests.objects.mail.follower import Follower, Unavailable, everything
from tests.objects.mail.messages import message
from tests.servers.dovecot import Dovecot
from tests.servers.imap_client import ImapClient
from tests.servers.users import User, fresh_user

Result = TypeVar("Result")
EXAMPLES = int(os.environ.get("STATEFUL_EXAMPLES", "12"))
ATTEMPTS = 6
PICK = st.integers(0, 50)
FOLDERS = ["Work", "Work/Old", "Lists", "Other"]
FLAGS = ["\\Seen", "\\Flagged", "\\Draft", "Label"]
MOMENTS = [rb"^\* \d+ FETCH \(UID", rb"^\* LIST ", rb"^\* STATUS ", rb"^\* (E)?SEARCH", rb"^\* VANISHED", rb"^\w+ OK "]
_ROW = re.compile(r"UID (\d+)|FLAGS \(([^)]*)\)|X-GUID ([^\s)]+)")

Shown = tuple[str, frozenset[str], frozenset[str]]
"""Subject, mailboxes and keywords of an Email."""


class Behind:
    """The mail server and the gateway of one history: a proxy between them, a store that outlives the gateway."""

    def __init__(self, server: Dovecot, user: User, keys: dict[str, str]) -> None:
        self.directory = tempfile.TemporaryDirectory()
        self.store = Path(self.directory.name) / "store.sqlite"
        self.proxy = FaultProxy(server.host, server.imap)
        self.keys = keys | {"store__kind": "sqlite", "store__path": str(self.store)}
        self.user = user
        self.jmap: JmapClient | None = None
        self._proxied = contextlib.AsyncExitStack()
        self._gateway = contextlib.AsyncExitStack()

    async def start(self) -> None:
        """Start the proxy and the gateway."""
        await self._proxied.enter_async_context(self.proxy)
        await self.restart()

    async def restart(self) -> None:
        """A new gateway process as far as the mail is concerned: nothing is kept but the file of the store."""
        await self._gateway.aclose()
        backend = _Backend(self.proxy.host, self.proxy.port)
        url = await self._gateway.enter_async_context(running_gateway(backend, **self.keys))
        self.jmap = await self._gateway.enter_async_context(jmap_client(url, *self.user))

    async def stop(self) -> None:
        """Stop all."""
        self.proxy.rules.clear()
        await self._gateway.aclose()
        await self._proxied.aclose()
        self.directory.cleanup()


class _Backend:
    """Where the gateway is told that the mail server listens."""

    def __init__(self, host: str, imap: int) -> None:
        self.host = host
        self.imap = imap

    def password(self, user: str) -> str:
        raise KeyError(user)

    def create_user(self, name: str) -> None:
        raise KeyError(name)


class Reading(RuleBasedStateMachine):
    """Two JMAP clients that come by now and then, and one IMAP client that is busy."""

    def __init__(self, server: Dovecot, keys: dict[str, str], *, guids: bool) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.guids = guids
        user = fresh_user(server)
        self.behind = Behind(server, user, keys)
        self.imap = ImapClient(server.host, server.imap, user)
        self.clients = [Follower(), Follower()]
        self.meanings: dict[str, tuple[object, ...]] = {}
        self.subjects = 0
        self.run_async(self.behind.start())

    def run_async(self, work: Coroutine[Any, Any, Result]) -> Result:
        return self.runner.run(work)

    def teardown(self) -> None:
        self.imap.close()
        self.run_async(self.behind.stop())
        self.runner.close()

    # The other client

    def paths(self) -> set[str]:
        """The folders that exist: Dovecot lists a parent that was deleted as if it could still be selected."""
        return {path for path in self.imap.mailboxes() if self.imap.imap.status(path, "(MESSAGES)")[0] == "OK"}

    def folder(self, pick: int) -> str:
        paths = sorted(self.paths() & {"INBOX", "Trash", *FOLDERS})
        return paths[pick % len(paths)]

    def picked(self, pick: int) -> tuple[str, int] | None:
        """Some message, in the folder that the number names."""
        path = self.folder(pick)
        uids = self.imap.uids(path)
        return (path, uids[pick % len(uids)]) if uids else None

    @rule(pick=PICK, flags=st.sets(st.sampled_from(FLAGS), max_size=2), reply=PICK, day=st.integers(1, 28))
    def append(self, pick: int, flags: set[str], reply: int, day: int) -> None:
        self.subjects += 1
        number = self.subjects
        root = reply % number
        headers = {"References": f"<{root}@{id(self)}>"} if root and reply % 2 else {}
        subject = f"Re: subject {root}" if headers and reply % 3 else f"subject {number}"
        octets = message(subject, message_id=f"<{number}@{id(self)}>", headers=headers | {"X-Number": str(number)})
        self.imap.append(self.folder(pick), octets, sorted(flags), f'"{day:2}-Nov-2026 10:00:{number % 60:02} +0000"')

    @rule(pick=PICK, how=st.sampled_from(["+FLAGS", "-FLAGS", "FLAGS"]), flag=st.sampled_from(FLAGS))
    def flag(self, pick: int, how: str, flag: str) -> None:
        if (found := self.picked(pick)) is not None:
            self.imap.flag(*found, how, flag)

    @rule(pick=PICK)
    def mark_deleted(self, pick: int) -> None:
        if (found := self.picked(pick)) is not None:
            self.imap.flag(*found, "+FLAGS", "\\Deleted")

    @rule(pick=PICK, goal=PICK)
    def move(self, pick: int, goal: int) -> None:
        if (found := self.picked(pick)) is not None:
            self.imap.move(*found, self.folder(goal))

    @rule(pick=PICK, goal=PICK)
    def copy(self, pick: int, goal: int) -> None:
        if (found := self.picked(pick)) is not None:
            self.imap.copy(*found, self.folder(goal))

    @rule(pick=PICK)
    def expunge(self, pick: int) -> None:
        if (found := self.picked(pick)) is not None:
            self.imap.delete(*found)

    @rule(path=st.sampled_from(FOLDERS))
    def create_or_remove(self, path: str) -> None:
        if path in self.paths():
            self.imap.remove(path)
        else:
            self.imap.create(path)

    @rule(path=st.sampled_from(FOLDERS))
    def replace(self, path: str) -> None:
        if path in self.paths():
            self.imap.remove(path)
            self.imap.create(path)

    @rule(pick=PICK, path=st.sampled_from(FOLDERS))
    def rename(self, pick: int, path: str) -> None:
        old = self.folder(pick)
        if old not in ("INBOX", "Trash") and not path.startswith(old) and path not in self.paths():
            self.imap.rename(old, path)

    # Faults

    @rule(moment=st.sampled_from(MOMENTS), abrupt=st.booleans())
    def cut_in_a_response(self, moment: bytes, abrupt: bool) -> None:
        self.behind.proxy.add(Rule("server", After.match(moment), Reset() if abrupt else Cut()))

    @rule()
    def cut_idle_connections(self) -> None:
        async def cut() -> None:
            self.behind.proxy.cut_all()

        self.run_async(cut())

    @rule()
    def restart(self) -> None:
        self.behind.proxy.rules.clear()
        self.run_async(self.behind.restart())

    @rule()
    def flush_store(self) -> None:
        if not self.behind.store.exists():
            return
        with contextlib.closing(sqlite3.connect(self.behind.store, timeout=10)) as database, database:
            for table in ("entry", "lease"):
                database.execute(f"DELETE FROM {table}")  # noqa: S608 constants only

    # What must hold

    @rule(pick=st.integers(0, 1), max_changes=st.sampled_from([None, 1, 3]))
    def client_comes_by(self, pick: int, max_changes: int | None) -> None:
        self.run_async(self._until_served(lambda jmap: self.clients[pick].follow(jmap, max_changes)))
        self.run_async(self._until_served(self._compare_with_server))

    async def _until_served(self, work: Callable[[JmapClient], Awaitable[None]]) -> None:
        jmap = self.behind.jmap
        assert jmap is not None
        for _ in range(ATTEMPTS + len(self.behind.proxy.rules)):
            try:
                await work(jmap)
            except Unavailable:
                continue
            return
        pytest.fail("not served, with no connection cut any more")

    async def _compare_with_server(self, jmap: JmapClient) -> None:
        emails, _ = await everything(jmap, "Email")
        mailboxes, _ = await everything(jmap, "Mailbox")
        held = self._held()
        paths = {self._path(mailboxes, box) for box in mailboxes}
        assert len(paths) == len(mailboxes)
        ancestors = {path[:end] for path in held for end in range(len(path)) if path[end] == "/"}
        assert held.keys() <= paths <= held.keys() | ancestors  # a folder that only holds others is a Mailbox too
        in_box = {box: [item for item in emails.values() if box in item["mailboxIds"]] for box in mailboxes}
        for box, found in in_box.items():
            rows = held.get(self._path(mailboxes, box), [])
            keys = {guid for guid, _, _ in rows} if self.guids else [subject for _, subject, _ in rows]
            assert len(found) == len(keys) == mailboxes[box]["totalEmails"]
            unread = [item for item in found if not item["keywords"].keys() & {"$seen", "$draft"}]
            assert len(unread) == mailboxes[box]["unreadEmails"]
            assert len({item["threadId"] for item in found}) == mailboxes[box]["totalThreads"]
        shown = Counter(
            (
                item["subject"],
                frozenset(self._path(mailboxes, box) for box in item["mailboxIds"]),
                frozenset(item["keywords"]),
            )
            for item in emails.values()
        )
        if self.guids:
            assert shown == self._expected(held)
        for email_id, item in emails.items():
            meaning = (item["subject"], item["size"], item["receivedAt"])
            assert self.meanings.setdefault(email_id, meaning) == meaning

    @staticmethod
    def _path(mailboxes: dict[str, dict[str, Any]], box: str) -> str:
        names = []
        parent: str | None = box
        while parent is not None:
            names.append(mailboxes[parent]["name"])
            parent = mailboxes[parent]["parentId"]
        path = "/".join(reversed(names))
        return "INBOX" if path == "Inbox" else path

    def _held(self) -> dict[str, list[tuple[str, str, frozenset[str]]]]:
        """Path -> (GUID, subject, flags) of each message that is not marked as deleted."""
        held: dict[str, list[tuple[str, str, frozenset[str]]]] = {}
        for path in self.paths():
            rows = held.setdefault(path, [])
            if not self.imap.uids(path):
                continue
            answer = self.imap.uid("FETCH", "1:*", "(UID FLAGS X-GUID BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
            for part in answer:
                if not isinstance(part, tuple):
                    continue
                facts = [found for found in _ROW.findall(part[0].decode())]
                flags = frozenset(" ".join(item[1] for item in facts).lower().split())
                guid = "".join(item[2] for item in facts)
                if "\\deleted" not in flags:
                    rows.append((guid, part[1].decode().partition(":")[2].strip(), flags - {"\\recent"}))
        return held

    @staticmethod
    def _expected(held: dict[str, list[tuple[str, str, frozenset[str]]]]) -> Counter[Shown]:
        """The Emails that these messages are: one per GUID; unread if one of the copies is. RFC 8621 §4.1.1"""
        copies: dict[str, list[tuple[str, str, frozenset[str]]]] = {}
        for path, rows in held.items():
            for guid, subject, flags in rows:
                copies.setdefault(guid, []).append((path, subject, flags))
        expected: Counter[Shown] = Counter()
        for found in copies.values():
            flags = frozenset[str]().union(*(item[2] for item in found))
            if not all("\\seen" in item[2] for item in found):
                flags -= {"\\seen"}
            keywords = frozenset(flag.replace("\\", "$") for flag in flags)
            expected[found[0][1], frozenset(item[0] for item in found), keywords] += 1
        return expected


SETTINGS = settings(
    max_examples=EXAMPLES,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    database=None,
)


def test_histories_on_dovecot(dovecot: Dovecot) -> None:
    run_state_machine_as_test(lambda: Reading(dovecot, {}, guids=True), settings=SETTINGS)


def test_histories_on_a_plain_server(dovecot_plain: Dovecot) -> None:
    keys = {"backends__default__imap__id_source": "fingerprint"}
    run_state_machine_as_test(lambda: Reading(dovecot_plain, keys, guids=False), settings=SETTINGS)
