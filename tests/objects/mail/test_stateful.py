"""Whatever other clients do to the mail, and faults to the connections and the store: /changes applied to any older
copy gives the truth or is refused, the truth is what the server holds, and an id never means another message. What
Email/set says was done is done, and told like what others do.

`STATEFUL_EXAMPLES` sets how many histories are tried per server.
"""

import asyncio
import contextlib
import os
import re
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.client import JmapClient, jmap_client
from tests.faults.proxy import After, Cut, Delay, FaultProxy, Reset, Rule, Span
from tests.gateway import running_gateway
from tests.objects.mail.follower import Copy, Follower, Unavailable, everything, told
from tests.objects.mail.messages import message
from tests.servers.cyrus import Cyrus
from tests.servers.dovecot import Dovecot
from tests.servers.imap_client import ImapClient
from tests.servers.users import MailServer, User, fresh_user

EXAMPLES = int(os.environ.get("STATEFUL_EXAMPLES", "8"))
ATTEMPTS = 6
FOLDERS = ["Work", "Work/Old", "Lists", "Other"]
FLAGS = ["\\Seen", "\\Flagged", "\\Draft", "Label"]
MOMENTS = [
    *(rb"^\* \d+ FETCH \(UID", rb"^\* \d+ FETCH .*\r\n.*FETCH", rb"^\* LIST ", rb"^\* STATUS ", rb"^\* E?SEARCH"),
    *(rb"^\* VANISHED", rb"^\* \d+ EXISTS", rb"^\w+ OK .*\r\n", rb"^\w+ OK (Fetch|UID|List)"),
]
"""What the mail server says when a connection is cut, or another client acts."""

_FACTS = re.compile(r"UID (\d+)|FLAGS \(([^)]*)\)|(?:X-GUID|EMAILID) ([^\s)]+)")

Shown = tuple[str, frozenset[str], frozenset[str]]
"""Subject, mailboxes and keywords of an Email."""

Held = dict[str, list[tuple[str, str, frozenset[str]]]]
"""Path -> GUID, subject and flags of each message that is not marked as deleted."""


@dataclass(frozen=True)
class Act:
    """Something the other client does. `pick` and `goal` choose from what there is at that time."""

    verb: str
    pick: int
    goal: int
    flags: list[str]


@dataclass(frozen=True)
class Fault:
    """Something that happens to the gateway; `moment` is for what happens in the middle of a response."""

    kind: str
    moment: bytes
    act: Act


@dataclass(frozen=True)
class Write:
    """An Email/set. `pick` and `goal` choose Emails and a Mailbox from what there is."""

    verb: str
    pick: int
    goal: int
    keyword: str


@dataclass(frozen=True)
class Round:
    """The other client is busy, something breaks, and one of two JMAP clients comes by, who may change something."""

    acts: list[Act]
    faults: list[Fault]
    client: int
    max_changes: int | None
    writes: list[Write]


VERBS = [
    *["append"] * 6,
    *["flag"] * 3,
    *("unflag", "set flags", "mark deleted", "move", "move", "copy", "copy within", "expunge"),
    *("create", "create", "remove", "replace", "rename"),
]
NUMBERS = st.integers(0, 50)
ACTS = st.builds(Act, st.sampled_from(VERBS), NUMBERS, NUMBERS, st.lists(st.sampled_from(FLAGS), max_size=2))
FAULTS = st.builds(
    Fault,
    st.sampled_from(["cut", "cut", "reset", "meddle", "meddle", "idle", "restart", "flush"]),
    st.sampled_from(MOMENTS),
    ACTS,
)
WRITES = st.builds(
    Write,
    st.sampled_from(["add", "add", "remove", "add to all", "move", "destroy"]),
    NUMBERS,
    NUMBERS,
    st.sampled_from(["$seen", "$flagged", "label"]),
)
ROUNDS = st.builds(
    Round,
    st.lists(ACTS, min_size=1, max_size=7),
    st.lists(FAULTS, max_size=2),
    st.integers(0, 1),
    st.sampled_from([None, None, 1, 3]),
    st.lists(WRITES, max_size=3),
)
HISTORIES = st.lists(ROUNDS, min_size=3, max_size=8)


class Behind:
    """The mail server and the gateway of one history: a proxy between them, a store that outlives the gateway."""

    def __init__(self, server: MailServer, user: User, keys: dict[str, str]) -> None:
        self.directory = tempfile.TemporaryDirectory()
        self.store = Path(self.directory.name) / "store.sqlite"
        self.proxy = FaultProxy(server.host, server.imap)
        self.keys = keys | {"store__kind": "sqlite", "store__path": str(self.store)}
        self.user = user
        self.jmap: JmapClient
        self._proxied = contextlib.AsyncExitStack()
        self._gateway = contextlib.AsyncExitStack()

    async def start(self) -> None:
        """Start the proxy and the gateway."""
        await self._proxied.enter_async_context(self.proxy)
        await self.restart()

    async def restart(self) -> None:
        """Another gateway: nothing is kept but the file of the store."""
        await self._gateway.aclose()
        backend = _Backend(self.proxy.host, self.proxy.port)
        url = await self._gateway.enter_async_context(running_gateway(backend, **self.keys))
        self.jmap = await self._gateway.enter_async_context(jmap_client(url, *self.user))

    def flush(self) -> None:
        """The store loses everything."""
        if self.store.exists():
            with contextlib.closing(sqlite3.connect(self.store, timeout=10)) as database, database:
                for table in ("entry", "lease"):
                    database.execute(f"DELETE FROM {table}")  # noqa: S608 constants only

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


class Other:
    """The other client: does things to folders and messages by IMAP."""

    def __init__(self, imap: ImapClient) -> None:
        self.imap = imap
        self.number = 0
        self.native = "EMAILID" if "OBJECTID" in imap.capabilities() else "X-GUID"

    def do(self, act: Act) -> None:
        """Do it, if there is anything to do it to."""
        VERB[act.verb](self, act)

    def paths(self) -> set[str]:
        """The folders that exist: Dovecot lists a parent that was deleted as if it could still be selected."""
        return {path for path in self.imap.mailboxes() if self.imap.exists(path)}

    def folder(self, pick: int) -> str:
        """Some folder; the INBOX more often than others."""
        paths = [*sorted(self.paths() & {"Trash", *FOLDERS}), "INBOX", "INBOX", "INBOX"]
        return paths[pick % len(paths)]

    def picked(self, pick: int) -> tuple[str, int] | None:
        """Some message, in the folder that the number names."""
        path = self.folder(pick)
        uids = self.imap.uids(path)
        return (path, uids[pick % len(uids)]) if uids else None

    def append(self, act: Act) -> None:
        """A new message, perhaps a reply, of a subject that tells it from all others of its folder."""
        self.number += 1
        number, root = self.number, act.goal % self.number
        headers = {"References": f"<{root}@{id(self)}>"} if root else {}
        octets = message(f"subject {number}", message_id=f"<{number}@{id(self)}>", headers=headers)
        moment = f'"{act.goal % 28 + 1:2}-Nov-2026 10:00:{number % 60:02} +0000"'
        self.imap.append(self.folder(act.pick), octets, act.flags, moment)

    def flag(self, act: Act, how: str = "+FLAGS", flags: list[str] | None = None) -> None:
        """Change the flags of a message."""
        if (found := self.picked(act.pick)) is not None:
            self.imap.flag(*found, how, *(act.flags if flags is None else flags))

    def move(self, act: Act) -> None:
        """Move a message, perhaps to where it is."""
        if (found := self.picked(act.pick)) is not None:
            self.imap.move(*found, self.folder(act.goal))

    def copy(self, act: Act, *, within: bool = False) -> None:
        """Copy a message, perhaps within its folder."""
        if (found := self.picked(act.pick)) is not None:
            self.imap.copy(*found, found[0] if within else self.folder(act.goal))

    def expunge(self, act: Act) -> None:
        """Remove a message."""
        if (found := self.picked(act.pick)) is not None:
            self.imap.delete(*found)

    def create(self, act: Act) -> None:
        """Create a folder."""
        path = FOLDERS[act.pick % len(FOLDERS)]
        if path not in self.paths():
            self.imap.create(path)

    def remove(self, act: Act, *, again: bool = False) -> None:
        """Delete a folder with its messages, perhaps to have an empty one of its name.

        Cyrus does not delete what is only there to have others below it.
        """
        path = FOLDERS[act.pick % len(FOLDERS)]
        if path in self.paths() and self.imap.remove(path) and again:
            self.imap.create(path)

    def rename(self, act: Act) -> None:
        """Rename a folder with all below it."""
        old, new = FOLDERS[act.pick % len(FOLDERS)], FOLDERS[act.goal % len(FOLDERS)]
        paths = self.paths()
        if old in paths and new not in paths and not new.startswith(old):
            self.imap.rename(old, new)


VERB: dict[str, Callable[[Other, Act], None]] = {
    "append": Other.append,
    "flag": Other.flag,
    "unflag": lambda other, act: other.flag(act, "-FLAGS"),
    "set flags": lambda other, act: other.flag(act, "FLAGS"),
    "mark deleted": lambda other, act: other.flag(act, flags=["\\Deleted"]),
    "move": Other.move,
    "copy": Other.copy,
    "copy within": lambda other, act: other.copy(act, within=True),
    "expunge": Other.expunge,
    "create": Other.create,
    "remove": Other.remove,
    "replace": lambda other, act: other.remove(act, again=True),
    "rename": Other.rename,
}


@dataclass
class History:
    """What happens, round after round, and what must hold after each. guids: the server tells one message from
    another by more than what it looks like, so a copy is always known as one."""

    behind: Behind
    other: Other
    guids: bool
    clients: list[Follower] = field(default_factory=lambda: [Follower(), Follower()])
    meanings: dict[str, tuple[object, ...]] = field(default_factory=dict)
    meddled: int = 0

    async def run(self, rounds: list[Round]) -> None:
        """Go through all rounds; in the end both clients come by."""
        await self.behind.start()
        last = [Round([], [], client, None, []) for client in (0, 1)]
        try:
            for one in [*rounds, *last]:
                for act in one.acts:
                    self.other.do(act)
                for fault in one.faults:
                    await self._happen(fault)
                for write in one.writes:
                    await self._until_served(partial(self._write, write))
                follow = partial(self.clients[one.client].follow, max_changes=one.max_changes)
                await self._until_served(follow)
                await self._until_served(self._compare_with_server)
                self.behind.proxy.rules.clear()
        finally:
            await self.behind.stop()

    async def _happen(self, fault: Fault) -> None:
        rules = self.behind.proxy.rules
        match fault.kind:
            case "cut":
                rules.append(Rule("server", After.match(fault.moment), Cut()))
            case "reset":
                rules.append(Rule("server", After.match(fault.moment), Reset()))
            case "meddle":
                rules.append(Rule("server", self._meddling(fault), Delay(0)))
            case "idle":
                self.behind.proxy.cut_all()
            case "restart":
                await self.behind.restart()
            case "flush":
                self.behind.flush()

    def _meddling(self, fault: Fault) -> After:
        """At that moment of a pass or a fetch the other client acts."""
        at = After.match(fault.moment)
        done: list[Span] = []

        def find(sent: bytes, start: int) -> Span | None:
            span = at.find(sent, start)
            if span is not None and not done:
                done.append(span)
                self.meddled += 1
                self.other.do(fault.act)
            return span

        return After(find)

    async def _until_served(self, work: Callable[[JmapClient], Awaitable[None]]) -> None:
        """Until it is not answered with serverUnavailable, and nobody changed anything meanwhile."""
        for attempt in range(ATTEMPTS):
            meddled = self.meddled
            try:
                await work(self.behind.jmap)
            except Unavailable:
                await asyncio.sleep(attempt / 10)  # as a client does
                continue
            except AssertionError:
                if meddled == self.meddled:
                    raise
                continue
            if meddled == self.meddled:
                return
        pytest.fail("not served, with no connection cut any more")

    async def _write(self, write: Write, jmap: JmapClient) -> None:
        """Do it; what is told as done is to be seen then. RFC 8620 §5.3, RFC 8621 §4.6"""
        emails, _ = await everything(jmap, "Email")
        if not emails:
            return
        ids = sorted(emails, key=lambda one: (emails[one]["subject"], one))
        chosen = ids if write.verb == "add to all" else [ids[write.pick % len(ids)]]
        mailboxes, _ = await everything(jmap, "Mailbox")
        box = sorted(mailboxes, key=partial(self._path, mailboxes))[write.goal % len(mailboxes)]
        patch: dict[str, Any] = {f"keywords/{write.keyword}": None if write.verb == "remove" else True}
        if write.verb == "move":
            patch = {"mailboxIds": {box: True}}
        what = {"destroy": chosen} if write.verb == "destroy" else {"update": dict.fromkeys(chosen, patch)}
        answer = await told(jmap, "Email/set", **what)
        now, _ = await everything(jmap, "Email")
        assert not now.keys() & set(answer["destroyed"] or ())
        for email_id, otherwise in (answer["updated"] or {}).items():
            if otherwise is None and write.verb == "move":
                assert now[email_id]["mailboxIds"] == {box: True}
            elif otherwise is None:
                assert (write.keyword in now[email_id]["keywords"]) is (write.verb != "remove")

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
            assert self._unread_threads(emails, mailboxes, box) == mailboxes[box]["unreadThreads"]
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
    def _unread_threads(emails: Copy, mailboxes: Copy, box: str) -> int:
        """RFC 8621 §2 unreadThreads, word for word."""
        trash = {other for other, mailbox in mailboxes.items() if mailbox["role"] == "trash"}
        unread = {
            item["threadId"]
            for item in emails.values()
            if not item["keywords"].keys() & {"$seen", "$draft"}
            and (trash & item["mailboxIds"].keys() if box in trash else item["mailboxIds"].keys() - trash)
        }
        return len(unread & {item["threadId"] for item in emails.values() if box in item["mailboxIds"]})

    @staticmethod
    def _path(mailboxes: dict[str, dict[str, Any]], box: str) -> str:
        names = []
        parent: str | None = box
        while parent is not None:
            names.append(mailboxes[parent]["name"])
            parent = mailboxes[parent]["parentId"]
        path = "/".join(reversed(names))
        return "INBOX" if path == "Inbox" else path

    def _held(self) -> Held:
        held: Held = {}
        for path in self.other.paths():
            rows = held.setdefault(path, [])
            if not self.other.imap.uids(path):
                continue
            items = f"UID FLAGS {self.other.native} BODY.PEEK[HEADER.FIELDS (SUBJECT)]"
            answer = self.other.imap.uid("FETCH", "1:*", f"({items})")
            for part in answer:
                if not isinstance(part, tuple):
                    continue
                facts = _FACTS.findall(part[0].decode())
                flags = frozenset(" ".join(item[1] for item in facts).lower().split())
                guid = "".join(item[2] for item in facts)
                if "\\deleted" not in flags:
                    rows.append((guid, part[1].decode().partition(":")[2].strip(), flags - {"\\recent"}))
        return held

    @staticmethod
    def _expected(held: Held) -> Counter[Shown]:
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


SETTINGS = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None)


def run_history(server: MailServer, keys: dict[str, str], rounds: list[Round], *, guids: bool) -> None:
    """One history of a user of its own."""
    user = fresh_user(server)
    with other_client(server, user) as other, asyncio.Runner() as runner:
        runner.run(History(Behind(server, user, keys), other, guids).run(rounds))


@contextmanager
def other_client(server: MailServer, user: User) -> Iterator[Other]:
    """The other client while it is logged in."""
    imap = ImapClient(server.host, server.imap, user)
    try:
        yield Other(imap)
    finally:
        imap.close()


@SETTINGS
@given(rounds=HISTORIES)
def test_histories_on_dovecot(dovecot: Dovecot, rounds: list[Round]) -> None:
    run_history(dovecot, {}, rounds, guids=True)


@SETTINGS
@given(rounds=HISTORIES)
def test_histories_on_a_plain_server(dovecot_plain: Dovecot, rounds: list[Round]) -> None:
    run_history(dovecot_plain, {"backends__default__imap__id_source": "fingerprint"}, rounds, guids=False)


@settings(SETTINGS, max_examples=max(1, EXAMPLES // 4))  # where every history takes four times as long
@given(rounds=HISTORIES)
def test_histories_on_cyrus(cyrus: Cyrus, rounds: list[Round]) -> None:
    run_history(cyrus, {}, rounds, guids=True)
