"""Reading mail: the gateway in front of Dovecot, beside bare IMAP ("floor") and beside Cyrus's own JMAP ("native").

Run: python -m tests.bench.mail_read [--messages 50000] [--quick]. Prints each figure beside its bar; asserts no time.
Needs Dovecot; without Cyrus the rows beside it are left out. Large mailboxes are made once and kept in
$XDG_CACHE_HOME/jmap-gateway/bench.
"""

import argparse
import contextlib
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.bench.http_load import Call, Http, Target, get, per_second, target, times
from tests.bench.imap_floor import FACTS, FOLDERS, LIST_ROWS, NEWEST, THREAD_HEADERS, Imap
from tests.bench.mailboxes import append, cached_maildir, give_folder, write_large
from tests.bench.messages import message, rare_word, with_attachment
from tests.bench.processes import Gateway, Peak, gateway_process
from tests.bench.table import Table
from tests.servers.cyrus import Cyrus, cyrus_available, running_cyrus
from tests.servers.dovecot import PASSWORD, Dovecot, running_dovecot
from tests.servers.users import User

SMALL = 5_000
LARGE_OCTETS = 20_000_000
FOLDER_COUNT = 100
LIST_PROPERTIES = [
    *("id", "threadId", "mailboxIds", "keywords", "size", "receivedAt"),
    *("from", "to", "subject", "hasAttachment", "preview"),
]


@dataclass
class Bench:
    """What the rows need. rounds: how often each figure is taken."""

    table: Table
    dovecot: Dovecot
    cyrus: Cyrus | None
    rounds: int
    messages: int

    def user(self, name: str, *folders: tuple[str, int, int]) -> User:
        """A Dovecot user with these folders (name, first message, count), whose indexes Dovecot has made."""
        user = User(name, PASSWORD)
        for folder, first, count in folders:
            give_folder(self.dovecot, name, folder, cached_maildir(first, count))
        with self.imap(user) as imap:
            for folder, _, _ in folders:
                imap.run(f"EXAMINE {folder or 'INBOX'}", f"UID FETCH 1:* {FACTS}", NEWEST)
                imap.run(f"UID FETCH 1:* {THREAD_HEADERS}")
        return user

    @contextlib.contextmanager
    def imap(self, user: User) -> Iterator[Imap]:
        """A bare connection that is logged in."""
        with Imap(self.dovecot.host, self.dovecot.imap) as imap:
            imap.log_in(user)
            yield imap

    def native(self, user: User) -> Target | None:
        """The user's JMAP at Cyrus."""
        return None if self.cyrus is None else target(f"http://{self.cyrus.host}:{self.cyrus.http}/jmap/", user)


def list_view(mailbox: str) -> list[Call]:
    """The newest 50 Emails of a Mailbox, as a client lists them."""
    return [
        (
            "Email/query",
            {
                "filter": {"inMailbox": mailbox},
                "sort": [{"property": "receivedAt", "isAscending": False}],
                "limit": 50,
            },
        ),
        (
            "Email/get",
            {"#ids": {"resultOf": "c0", "name": "Email/query", "path": "/ids"}, "properties": LIST_PROPERTIES},
        ),
    ]


def body(email_id: str) -> list[Call]:
    """A message opened."""
    properties = ["id", "threadId", "from", "to", "subject", "sentAt", "bodyValues", "textBody", "attachments"]
    return [("Email/get", {"ids": [email_id], "properties": properties, "fetchTextBodyValues": True})]


def inbox(http: Http, one: Target) -> str:
    """The id of the inbox."""
    (found,) = http.call(one, ("Mailbox/get", {"ids": None, "properties": ["id", "role"]}))
    return next(str(box["id"]) for box in found["list"] if box["role"] == "inbox")


@dataclass
class Side:
    """One server under measure, warm, with its connection and inbox."""

    target: Target
    http: Http
    inbox: str

    @classmethod
    def of(cls, one: Target) -> "Side":
        http = Http(one.host, one.port)
        side = cls(one, http, inbox(http, one))
        for _ in range(20):
            http.call(one, *list_view(side.inbox))
        http.call(one, ("Mailbox/get", {"ids": None}))
        return side

    def ids(self, count: int) -> list[str]:
        """The newest Email ids."""
        query = {"filter": {"inMailbox": self.inbox}, "limit": count, "sort": list_view("")[0][1]["sort"]}
        return [str(one) for one in self.http.call(self.target, ("Email/query", query))[0]["ids"]]

    def state(self) -> str:
        """The Email state."""
        return str(self.http.call(self.target, ("Email/get", {"ids": []}))[0]["state"])


def measure_warm(bench: Bench, user: User) -> None:
    """Rows beside native, on the account of 5,000 messages."""
    with gateway_process(bench.dovecot) as gateway:
        ours = Side.of(target(gateway.session_url, user))
        native = bench.native(user)
        many = bench.user("many", ("", 0, SMALL // 10))
        with bench.imap(many) as imap:
            imap.run(*(f"CREATE Folder{number:03}" for number in range(FOLDER_COUNT)))
        time.sleep(SETTLING)
        if native is not None:
            _beside_native(bench, ours, Side.of(native))
        else:
            _alone(bench, ours)
        _many_folders(bench, Side.of(target(gateway.session_url, many)), many)
        _search(bench, ours, user)
        _download(bench, gateway, ours)


def _requests(side: Side, rounds: int) -> dict[str, list[bytes]]:
    """By row: what is sent, in order."""
    request = side.target.request
    ids = side.ids(4 * rounds)
    return {
        "list": [request(*list_view(side.inbox))] * (4 * rounds),
        "body": [request(*body(email_id)) for email_id in ids],
        "mailboxes": [request(("Mailbox/get", {"ids": None}))] * (4 * rounds),
        "changes": [request(("Email/changes", {"sinceState": side.state()}))] * (4 * rounds),
    }


SETTLING = 6.0
"""Seconds after which a Maildir that was just made is like any other: Dovecot reads a directory that has changed in
the last seconds again for each command, which makes a pass half a millisecond slower."""

BLOCK = 10
"""Requests to one side before it is the other's turn."""

WARM_ROWS = {
    "list": ("list view of 50, warm, c=1", 0.25),
    "body": ("Email/get of one body, c=1", 0.6),
    "mailboxes": ("Mailbox/get, warm", 0.4),
    "changes": ("Email/changes, nothing new", 0.35),
}


def _beside_native(bench: Bench, ours: Side, native: Side) -> None:
    one, other = _requests(ours, bench.rounds), _requests(native, bench.rounds)
    taken: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in WARM_ROWS}
    for turn in range(4 * bench.rounds // BLOCK):  # all rows and both sides in every turn: what else the machine
        some = slice(turn * BLOCK, (turn + 1) * BLOCK)  # does then hits them alike; and neither always goes first
        for name, (mine, others) in taken.items():
            sides = [(mine, ours.http, one[name]), (others, native.http, other[name])]
            for found, http, requests in sides if turn % 2 else sides[::-1]:
                found.extend(times(http, requests[some]))
    for name, (what, bar) in WARM_ROWS.items():
        bench.table.ratio(what, *taken[name], bar, "native", block=BLOCK)
    rates: tuple[list[float], list[float]] = ([], [])
    seconds = 0.2 * bench.rounds**0.5
    for _ in range(5):
        rates[0].append(per_second(ours.target, one["list"][0], 32, seconds))
        rates[1].append(per_second(native.target, other["list"][0], 32, seconds))
    bench.table.rate("list view of 50, warm, c=32", *rates, 5, "native")


def _alone(bench: Bench, ours: Side) -> None:
    requests = _requests(ours, bench.rounds)
    for name, (what, _) in WARM_ROWS.items():
        bench.table.value(f"{what} (no Cyrus)", [1e3 * one for one in times(ours.http, requests[name])], None, "ms")


def _many_folders(bench: Bench, ours: Side, user: User) -> None:
    """What the gateway adds to a listing that grows with the number of folders."""
    request = ours.target.request(("Mailbox/get", {"ids": None}))
    taken: tuple[list[float], list[float]] = ([], [])
    with bench.imap(user) as imap:
        imap.run("EXAMINE INBOX")
        sides: list[tuple[list[float], Callable[[], object]]] = [
            (taken[0], lambda: ours.http.send(request)),
            (taken[1], lambda: imap.run(FOLDERS, "NOOP")),
        ]
        for turn in range(4 * bench.rounds // BLOCK):
            for found, work in sides if turn % 2 else sides[::-1]:  # neither always goes first
                found.extend(_timed(work) for _ in range(BLOCK))
    bench.table.ratio(f"Mailbox/get, warm, {FOLDER_COUNT} folders", *taken, 1.5, "LIST-STATUS", block=BLOCK)


def _search(bench: Bench, ours: Side, user: User) -> None:
    """A text that nobody searched for before, each time, beside the server's own SEARCH."""
    taken: tuple[list[float], list[float]] = ([], [])
    with bench.imap(user) as imap:
        imap.run("EXAMINE INBOX", 'UID SEARCH TEXT "warm up"')
        for number in range(max(5, bench.rounds // 3)):
            word = rare_word(number * 31)
            call = ("Email/query", {"filter": {"inMailbox": ours.inbox, "text": word}})
            request = ours.target.request(call)
            sides = [
                (taken[0], lambda request=request: ours.http.send(request)),
                (taken[1], lambda word=word: imap.run(f'UID SEARCH RETURN (ALL) UNDELETED TEXT "{word}"')),
            ]
            for found, work in sides if number % 2 else sides[::-1]:  # neither always goes first
                found.append(_timed(work))
    bench.table.ratio("text search", *taken, 1.1, "SEARCH")


def _download(bench: Bench, gateway: Gateway, ours: Side) -> None:
    """The attachment of 20 MB that lies in the Archive."""
    find = {"filter": {"minSize": LARGE_OCTETS // 2}}
    (found,) = ours.http.call(ours.target, ("Email/query", find))
    wanted = {"ids": found["ids"], "properties": ["attachments"]}
    (answer,) = ours.http.call(ours.target, ("Email/get", wanted))
    blob = answer["list"][0]["attachments"][0]["blobId"]
    path = f"/jmap/download/{ours.target.account}/{blob}/large.bin?type=application%2Foctet-stream"
    request = get(f"http://{ours.target.host}:{ours.target.port}{path}", ours.target.user)
    above, idle = [], gateway.rss()  # idle is before the first download: what that one leaves behind counts as well
    for _ in range(3):
        with Peak(gateway) as peak:
            _drain(ours, request)
        above.append(peak.highest - idle)
    bench.table.value("attachment of 20 MB down, memory above idle", above, 2, "MB")


def _drain(side: Side, request: bytes) -> None:
    http = Http(side.target.host, side.target.port)
    http.socket.sendall(request.replace(b"Host:", b"Connection: close\r\nHost:", 1))
    status = http.socket.recv(12)
    assert status == b"HTTP/1.1 200", status
    octets = 0
    while piece := http.socket.recv(262_144):
        octets += len(piece)
    assert octets > LARGE_OCTETS * 0.7, octets  # what base64 leaves of them
    http.close()


def measure_cold(bench: Bench) -> None:
    """The first sight of an account: session, mailboxes, list view."""
    users = [bench.user(f"cold{n}", ("", 0, SMALL)) for n in range(max(3, bench.rounds // 4))]
    ours: list[float] = []
    floor: list[float] = []
    with gateway_process(bench.dovecot) as gateway:
        _open_cold(gateway, bench.user("cold", ("", 0, SMALL)))  # the process's own first time
        for number, user in enumerate(users):
            _floor_page(bench, user)  # Dovecot's own first time, which makes previews
            sides: list[tuple[list[float], Callable[[], None]]] = [
                (floor, lambda user=user: _floor_page(bench, user)),  # type: ignore[misc]
                (ours, lambda user=user: _open_cold(gateway, user)),  # type: ignore[misc]
            ]
            for found, work in sides if number % 2 else sides[::-1]:  # neither always goes first
                found.append(_timed(work))
            _all_threads(gateway, user)  # what goes on behind the page must not slow down the next one
    bench.table.ratio(f"cold open of {SMALL:,}", ours, floor, 1.2, "floor")


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _open_cold(gateway: Gateway, user: User) -> None:
    """Log in, session, mailboxes, list view."""
    http = Http("127.0.0.1", gateway.port)
    one = target(gateway.session_url, user, http)
    names = ["id", "name", "parentId", "role", "sortOrder", "totalEmails", "unreadEmails", "myRights", "isSubscribed"]
    (found,) = http.call(one, ("Mailbox/get", {"ids": None, "properties": names}))
    first = next(box["id"] for box in found["list"] if box["role"] == "inbox")
    answers = http.call(one, *list_view(first))
    assert len(answers[1]["list"]) == 50
    http.close()


def _floor_page(bench: Bench, user: User) -> None:
    """The same by bare IMAP: log in, folders, the newest 50 by the server's SORT, their list rows."""
    with bench.imap(user) as imap:
        answer = imap.run("EXAMINE INBOX", FOLDERS, NEWEST)
        found = re.search(rb"PARTIAL \(1:50 ([0-9:,]+)\)", answer)
        assert found, answer
        imap.run(f"UID FETCH {found[1].decode()} {LIST_ROWS}")


def _floor_facts(bench: Bench, user: User, threads: bool = False) -> None:
    with bench.imap(user) as imap:
        imap.run("EXAMINE INBOX", FOLDERS)
        imap.run(f"UID FETCH 1:* {FACTS}")
        if threads:
            imap.run(f"UID FETCH 1:* {THREAD_HEADERS}")


def _floor_page_after_facts(bench: Bench, user: User) -> None:
    _floor_facts(bench, user)
    _floor_page(bench, user)


def measure_large(bench: Bench, small: User) -> None:
    """The first sight of a very large inbox, each time by a gateway that has never seen it."""
    user = bench.user("large", ("", 0, bench.messages))
    named = f"{bench.messages:,}"
    page, facts, threaded, cpu = [], [], [], []
    floor_page, floor_sorted, floor_facts = [], [], []
    for _ in range(max(3, bench.rounds // 8)):
        floor_page.append(_timed(lambda: _floor_page_after_facts(bench, user)))
        floor_sorted.append(_timed(lambda: _floor_page(bench, user)))
        floor_facts.append(_timed(lambda: _floor_facts(bench, user)))
        with gateway_process(bench.dovecot) as gateway:
            _open_cold(gateway, small)  # the process's own first time, and its wait for that account's threads
            _all_threads(gateway, small)
            page.append(_timed(lambda: _open_cold(gateway, user)))
        with gateway_process(bench.dovecot) as gateway:
            _open_cold(gateway, small)
            _all_threads(gateway, small)
            spent, started = gateway.cpu(), time.perf_counter()
            http = Http("127.0.0.1", gateway.port)
            one = target(gateway.session_url, user, http)
            http.call(one, ("Email/query", {"limit": 1}))
            facts.append(time.perf_counter() - started)
            http.call(one, ("Email/query", {"limit": 1, "collapseThreads": True}))
            threaded.append(time.perf_counter() - started)
            cpu.append((gateway.cpu() - spent) / bench.messages * 1e6)
    bench.table.ratio(f"cold first page of {named}", page, floor_page, 1.0, "floor, facts + page")
    bench.table.ratio(f"cold first page of {named}, beside SORT", page, floor_sorted, 1.0, "floor, page by SORT")
    bench.table.ratio(f"full cold index of {named}: facts", facts, floor_facts, 1.5, "floor")
    bench.table.ratio(f"full cold index of {named}: facts + threads", threaded, floor_facts, 3.0, "floor of facts")
    bench.table.value("CPU per message, facts + threads", cpu, 25, "us")
    _measure_meanwhile(bench, user, small)


def _all_threads(gateway: Gateway, user: User) -> None:
    http = Http("127.0.0.1", gateway.port)
    http.call(target(gateway.session_url, user, http), ("Email/query", {"limit": 1, "collapseThreads": True}))


def _measure_meanwhile(bench: Bench, user: User, small: User) -> None:
    """What others notice while a large account is indexed."""
    blocks, slower, idle_times = [], [], []
    for _ in range(3):
        with gateway_process(bench.dovecot) as gateway:
            side = Side.of(target(gateway.session_url, small))
            request = side.target.request(*list_view(side.inbox))
            idle_times.extend(times(side.http, [request] * 50))
            work = threading.Thread(target=_all_threads, args=(gateway, user))
            work.start()
            slower.extend(_while(work, lambda: times(side.http, [request])[0]))  # noqa: B023 - run at once
            work.join()
        with gateway_process(bench.dovecot) as gateway:
            _open_cold(gateway, small)
            work = threading.Thread(target=_all_threads, args=(gateway, user))
            work.start()
            blocks.extend(_blocks(work, gateway))
            work.join()
    blocks.sort()
    bench.table.value("loop meanwhile: an answer without work, p99", [1e3 * blocks[len(blocks) * 99 // 100]], 25, "ms")
    bench.table.value("loop meanwhile: the longest", [1e3 * blocks[-1]], None, "ms")
    bench.table.ratio("another account's list view meanwhile", slower, idle_times, 3, "idle")


def _while(work: threading.Thread, measure: Callable[[], float]) -> list[float]:
    found = []
    while work.is_alive():
        found.append(measure())
        time.sleep(0.005)
    return found


def _blocks(work: threading.Thread, gateway: Gateway) -> list[float]:
    """How long /healthz takes, asked every 5 ms whether or not the last answer was late."""
    http, found = Http("127.0.0.1", gateway.port), []
    request = get(f"http://127.0.0.1:{gateway.port}/healthz", User("", ""))
    due = time.perf_counter()
    while work.is_alive():
        http.send(request)
        now = time.perf_counter()
        while due <= now:  # those that should have been asked meanwhile waited as well
            found.append(now - due)
            due += 0.005
        time.sleep(max(0.0, due - time.perf_counter()))
    http.close()
    return found


def measure_memory(bench: Bench, small: User) -> None:
    """An idle gateway, and one with a warm account of twice the messages.

    The first login to a new store makes its VAPID key, which loads a library of 7 MB once and for all.
    """
    half = bench.messages
    user = bench.user("huge", ("", 0, half), ("Archive", half, half))
    idle, first, above = [], [], []
    for _ in range(3):
        with gateway_process(bench.dovecot) as gateway:
            time.sleep(0.5)
            idle.append(gateway.rss())
            target(gateway.session_url, small)
            before = gateway.rss()
            first.append(before - idle[-1])
            http = Http("127.0.0.1", gateway.port)
            one = target(gateway.session_url, user, http)
            http.call(one, ("Mailbox/get", {"ids": None}))
            for _ in range(10):
                http.call(one, *list_view(inbox(http, one)))
            _all_threads(gateway, user)  # the page was shown before the account was indexed
            time.sleep(0.5)
            above.append(gateway.rss() - before)
    bench.table.value("idle gateway", idle, 65, "MB")
    bench.table.value("the first login to a new store, above that", first, None, "MB")
    bench.table.value(f"memory of a warm account of {2 * half:,}, above both", above, 20, "MB")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=50_000, help="messages of the large inbox")
    parser.add_argument("--quick", action="store_true", help="fewer rounds and 5,000 messages")
    parser.add_argument("--only", choices=["warm", "cold", "large", "memory"], help="only these rows")
    args = parser.parse_args()
    rounds, messages = (10, min(args.messages, 5_000)) if args.quick else (30, args.messages)
    with contextlib.ExitStack() as stack:
        dovecot = stack.enter_context(running_dovecot())
        beside = args.only in (None, "warm") and cyrus_available()
        cyrus = stack.enter_context(running_cyrus()) if beside else None
        bench = Bench(Table(), dovecot, cyrus, rounds, messages)
        write_large(dovecot.home("small") / "Maildir" / ".Archive" / "cur", with_attachment(LARGE_OCTETS))
        small = bench.user("small", ("", 0, SMALL))
        if cyrus is not None:
            append(cyrus, small, "INBOX", (message(number) for number in range(SMALL)))
        rows: dict[str, Callable[[], None]] = {
            "warm": lambda: measure_warm(bench, small),
            "cold": lambda: measure_cold(bench),
            "large": lambda: measure_large(bench, small),
            "memory": lambda: measure_memory(bench, small),
        }
        for name, measure in rows.items():
            if args.only in (None, name):
                measure()
        bench.table.print()


if __name__ == "__main__":
    main()
