"""Writing mail: the gateway in front of Dovecot, beside bare IMAP ("floor") and beside Cyrus's own JMAP ("native").

Run: python -m tests.bench.mail_write [--rounds 30]. Prints each figure beside its bar; asserts no time.
Needs Dovecot; without Cyrus the rows beside it are left out.
"""

import argparse
import asyncio
import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.bench.http_load import Http, Target, target
from tests.bench.imap_floor import FOLDERS, Imap
from tests.bench.mail_read import Side
from tests.bench.mailboxes import append, cached_maildir, give_folder
from tests.bench.messages import message
from tests.bench.processes import Gateway, Peak, gateway_process
from tests.bench.table import Table
from tests.faults.conftest import Behind
from tests.faults.proxy import FaultProxy
from tests.servers.cyrus import Cyrus, cyrus_available, running_cyrus
from tests.servers.dovecot import PASSWORD, Dovecot, DovecotOptions, running_dovecot
from tests.servers.users import User

MESSAGES = 5_000
IMPORTS = 1_000
LARGE = 40_000_000
UPLOAD = 20_000_000


@dataclass
class Bench:
    """What the rows need."""

    table: Table
    dovecot: Dovecot
    cyrus: Cyrus | None
    rounds: int
    user: User = field(default_factory=lambda: User("writer", PASSWORD))


def flags(ids: list[str], keyword: str, value: bool | None) -> tuple[str, dict[str, Any]]:
    """Email/set of one keyword on some Emails."""
    return "Email/set", {"update": {one: {f"keywords/{keyword}": value} for one in ids}}


def timed(side: Side, calls: list[tuple[str, dict[str, Any]]]) -> float:
    """Seconds of calls, each a request of its own."""
    started = time.perf_counter()
    for call in calls:
        (answer,) = side.http.call(side.target, call)
        assert not answer.get("notUpdated"), answer
    return time.perf_counter() - started


@dataclass
class Flagging:
    """A Dovecot of one mail format: the gateway in front of it, and a bare connection of a user with the same mail."""

    name: str
    ours: Side
    bare: Imap

    def floor(self, wanted: tuple[str, dict[str, Any]], store: str, *, look: bool) -> tuple[float, float]:
        """Seconds of what must happen in any gateway, one after the other, and those of the STORE alone.

        A look at all mailboxes, the STORE, the octets of the request there and back by HTTP; with `look` a second
        request, that looks again.
        """
        started = time.perf_counter()
        self.bare.run(FOLDERS, "NOOP")
        stored = time.perf_counter()
        self.bare.run(store)
        alone = time.perf_counter() - stored
        if look:
            self.bare.run(FOLDERS, "NOOP")
        for _ in range(2 if look else 1):
            self.ours.http.call(self.ours.target, ("Core/echo", wanted[1]))
        return time.perf_counter() - started, alone


FLAG_ROWS: list[tuple[str, int, float | None, bool]] = [
    ("flag one message, then Email/changes", 1, 0.4, True),
    ("flag 50 messages", 50, 0.25, False),
    ("flag 500 messages", 500, None, False),
]
"""What, how many, the bar beside native, whether Email/changes follows."""
FLOOR_BAR = 1.5


def measure_flags(bench: Bench, formats: list[Flagging], native: Side | None) -> None:
    """One flag and a look, 50 flags, 500 flags, beside native and beside the floor; all in turn."""
    ids = {id(side): side.ids(500) for side in (*(one.ours for one in formats), *([native] if native else []))}
    for what, count, bar, look in FLAG_ROWS:
        rounds = bench.rounds if count < 500 else max(4, bench.rounds // 5)
        base: list[float] = []
        taken: dict[str, list[float]] = {one.name: [] for one in formats}
        floors: dict[str, list[tuple[float, float]]] = {one.name: [] for one in formats}
        for number in range(rounds):
            chosen = slice(number // 2 % 100, number // 2 % 100 + 1) if count == 1 else slice(count)
            adding = number % 2 == 0
            for found, side in ((base, native), *((taken[one.name], one.ours) for one in formats)):
                if side is not None:
                    wanted = flags(ids[id(side)][chosen], "$flagged", True if adding else None)
                    calls = [wanted, ("Email/changes", {"sinceState": side.state()})] if look else [wanted]
                    found.append(timed(side, calls))
            uids = f"{(chosen.start or 0) + 1}:{chosen.stop}"
            store = f"UID STORE {uids} {'+' if adding else '-'}FLAGS.SILENT (\\Flagged)"
            for one in formats:
                floors[one.name].append(one.floor(wanted, store, look=look))
        for one in formats:
            row, alone = f"{what}, {one.name}", [of_store for _, of_store in floors[one.name]]
            if base and bar is not None:
                bench.table.ratio(row, taken[one.name], base, bar, "native")
                bench.table.ratio(f"{row}: a bare STORE", alone, base, bar, "native")
            bench.table.ratio(
                f"{row}: floor", taken[one.name], [whole for whole, _ in floors[one.name]], FLOOR_BAR, "floor"
            )


def measure_commands(bench: Bench) -> None:
    """How many round trips to the mail server one flag and a look cost: the first of a session, and a later one."""
    with counting_proxy(bench.dovecot) as proxy, gateway_process(Behind(bench.dovecot, proxy)) as gateway:
        side = Side.of(target(gateway.session_url, bench.user))
        for which, email_id in zip(("first", "next"), side.ids(2), strict=True):
            state, turns = side.state(), proxy.turns
            before = [len(connection.sent["client"]) for connection in proxy.connections]
            timed(side, [flags([email_id], "$answered", True), ("Email/changes", {"sinceState": state})])
            before += [0] * (len(proxy.connections) - len(before))
            said = b"".join(one.sent["client"][at:] for one, at in zip(proxy.connections, before, strict=True))
            names = ", ".join(b" ".join(line.split(b" ")[1:3]).decode() for line in said.splitlines())
            what = f"flag one, then Email/changes: round trips, the {which}"
            bench.table.value(what, [proxy.turns - turns], 3, names)


@contextlib.contextmanager
def counting_proxy(server: Dovecot) -> Iterator[FaultProxy]:
    """A proxy to the server, on a loop of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    proxy = FaultProxy(server.host, server.imap)
    try:
        asyncio.run_coroutine_threadsafe(proxy.__aenter__(), loop).result()
        yield proxy
        asyncio.run_coroutine_threadsafe(proxy.__aexit__(None, None, None), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


def upload(side: Target, octets: bytes, pieces: int = 65_536) -> str:
    """The blob id of what was uploaded."""
    http = Http(side.host, side.port)
    request = side.request(("Core/echo", {}))
    fields = dict(line.split(b": ", 1) for line in request.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:])
    head = b"POST /jmap/upload/%b/ HTTP/1.1\r\nHost: %b\r\nAuthorization: %b\r\nContent-Type: message/rfc822\r\n" % (
        side.account.encode(),
        fields[b"Host"],
        fields[b"Authorization"],
    )
    http.socket.sendall(head + b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(octets))
    for start in range(0, len(octets), pieces):
        http.socket.sendall(octets[start : start + pieces])
    received = b""
    while piece := http.socket.recv(65_536):
        received += piece
    http.close()
    return str(json.loads(received.partition(b"\r\n\r\n")[2])["blobId"])


def measure_imports(bench: Bench, gateway: Gateway, side: Side) -> None:
    """1,000 small messages by Email/import beside as many APPENDs; one of 40 MB and an upload of 20 MB: memory."""
    texts = [message(10_000 + number).text.replace(b"\n", b"\r\n") for number in range(IMPORTS)]
    blobs = [upload(side.target, text) for text in texts[:IMPORTS]]
    started = time.perf_counter()
    for start in range(0, IMPORTS, 100):
        wanted = {
            f"k{number}": {"blobId": blobs[number], "mailboxIds": {side.inbox: True}}
            for number in range(start, start + 100)
        }
        (answer,) = side.http.call(side.target, ("Email/import", {"emails": wanted}))
        assert answer["notCreated"] is None, answer
    ours = time.perf_counter() - started
    with Imap(bench.dovecot.host, bench.dovecot.imap) as imap:
        imap.log_in(bench.user)
        imap.run("CREATE Floor")
        started = time.perf_counter()
        for text in texts:
            imap.send(b"APPEND Floor {%d+}\r\n%b" % (len(text), text))
            imap.finish()
        floor = time.perf_counter() - started
    bench.table.value(f"{IMPORTS:,} imports", [IMPORTS / ours], None, f"/s; {IMPORTS / floor:.0f}/s by bare APPEND")

    idle = gateway.rss()
    with Peak(gateway) as peak:
        upload(side.target, b"x" * UPLOAD)
    bench.table.value("upload of 20 MB, memory above idle", [peak.highest - idle], 2, "MB")
    line = b"y" * 76 + b"\r\n"
    blob = upload(side.target, b"Subject: large\r\n\r\n" + line * (LARGE // len(line)))
    idle = gateway.rss()
    with Peak(gateway) as peak:
        wanted = {"k": {"blobId": blob, "mailboxIds": {side.inbox: True}}}
        (answer,) = side.http.call(side.target, ("Email/import", {"emails": wanted}))
        assert answer["notCreated"] is None, answer
    bench.table.value("import of 40 MB, memory above idle", [peak.highest - idle], None, "MB")


@contextlib.contextmanager
def flagging(bench: Bench, mail_format: str, ours: Side | None = None) -> Iterator[Flagging]:
    """A Dovecot that keeps mail in this format, behind a gateway; `ours` is the side of bench.dovecot."""
    bare = User("bare", PASSWORD)
    with contextlib.ExitStack() as stack:
        dovecot = bench.dovecot
        if ours is None:
            dovecot = stack.enter_context(running_dovecot(DovecotOptions(mail_format=mail_format)))
            for user in (bench.user, bare):
                append(dovecot, user, "INBOX", (message(number) for number in range(MESSAGES)))
            ours = Side.of(target(stack.enter_context(gateway_process(dovecot)).session_url, bench.user))
        else:
            give_folder(dovecot, bare.name, "", cached_maildir(0, MESSAGES))
        imap = stack.enter_context(Imap(dovecot.host, dovecot.imap))
        imap.log_in(bare)
        imap.run("ENABLE QRESYNC")
        imap.run("SELECT INBOX (CONDSTORE)")
        yield Flagging(mail_format, ours, imap)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=30)
    args = parser.parse_args()
    with contextlib.ExitStack() as stack:
        dovecot = stack.enter_context(running_dovecot())
        cyrus = stack.enter_context(running_cyrus()) if cyrus_available() else None
        bench = Bench(Table(), dovecot, cyrus, args.rounds)
        give_folder(dovecot, bench.user.name, "", cached_maildir(0, MESSAGES))
        if cyrus is not None:
            append(cyrus, bench.user, "INBOX", (message(number) for number in range(MESSAGES)))
        limits = {"limits__max_size_upload": "50000000"}
        gateway = stack.enter_context(gateway_process(dovecot, **limits))
        ours = Side.of(target(gateway.session_url, bench.user))
        native = None
        if cyrus is not None:
            native = Side.of(target(f"http://{cyrus.host}:{cyrus.http}/jmap/", bench.user))
        formats = [
            stack.enter_context(flagging(bench, "maildir", ours)),
            stack.enter_context(flagging(bench, "mdbox")),
        ]
        rows: list[Callable[[], None]] = [
            lambda: measure_flags(bench, formats, native),
            lambda: measure_commands(bench),
            lambda: measure_imports(bench, gateway, ours),
        ]
        for measure in rows:
            measure()
        bench.table.print()


if __name__ == "__main__":
    main()
