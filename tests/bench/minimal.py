"""What no gateway in Python can do without, beside ours and beside the servers' own: which bars lie below that.

Run: python -m tests.bench.minimal [--rounds 60]. Prints for each work ours and a minimal gateway beside the bar of the
other benches, and ours beside the minimal one. Needs Dovecot and Cyrus; asserts no time.

The minimal gateway is one handler of aiohttp that asks the server, over a connection that is open already, what has to
be asked, and makes JSON of what comes: no login, index, validation, limits, log or store. Its ids are UIDs.
"""

import argparse
import asyncio
import base64
import contextlib
import multiprocessing
import re
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import orjson
from aiohttp import web

from adapters.caldav.bodies import DATA, ETAG, query
from adapters.dav.acknowledge import prompt_socket
from adapters.dav.bodies import propfind
from adapters.dav.names import dav
from gateway.demo.process import LOOPBACK, free_port, listening
from tests.bench import calendar
from tests.bench.http_load import Call, Http, Target, target, times
from tests.bench.imap_floor import FOLDERS
from tests.bench.mail_read import SETTLING, SMALL, Bench, Side, body
from tests.bench.mail_write import flags
from tests.bench.mailboxes import append
from tests.bench.messages import message
from tests.bench.processes import gateway_process
from tests.bench.table import Table
from tests.servers.cyrus import Cyrus, running_cyrus
from tests.servers.dav import wake
from tests.servers.dovecot import PASSWORD, Dovecot, DovecotOptions, running_dovecot
from tests.servers.users import User

WORTH_IT: Final = 1.5
"""Times the minimal gateway: what is slower than that is our own doing."""
LOOK: Final = (FOLDERS.encode(), b"NOOP")
COLD, WARM = "/cold", "/warm"
_STATUS: Final = re.compile(rb'STATUS "?([^"\r\n]*?)"? \(MESSAGES (\d+) [^)]*UNSEEN (\d+)')
_EVENT: Final = re.compile(rb"BEGIN:VCALENDAR.*?END:VCALENDAR", re.DOTALL)


@dataclass
class Minimal:
    """The minimal gateway of one user. dav: the port of the calendar's server."""

    user: User
    imap: int | None = None
    dav: int | None = None
    month: bytes = b""

    async def connect(self) -> None:
        """Log in, and open the mailbox."""
        if self.imap is not None:
            self._imap = await asyncio.open_connection(LOOPBACK, self.imap)
            await self._imap[0].readline()
            await self._ask(f"LOGIN {self.user.name} {self.user.password}".encode())
            await self._ask(b"ENABLE QRESYNC")
            await self._ask(b"SELECT INBOX (CONDSTORE)")
        if self.dav is not None:
            connection = prompt_socket((socket.AF_INET, socket.SOCK_STREAM, 0))
            connection.connect((LOOPBACK, self.dav))
            self._dav = await asyncio.open_connection(sock=connection)

    async def answer(self, request: web.Request) -> web.Response:
        """A request of one or two calls; the path says whether a month was never seen before."""
        calls = orjson.loads(await request.read())["methodCalls"]
        answers = [(name, await self._method(name, given, request.path), key) for name, given, key in calls]
        made = orjson.dumps({"methodResponses": answers, "sessionState": "0"})
        return web.Response(body=made, content_type="application/json")

    async def _method(self, name: str, given: dict[str, Any], path: str) -> object:
        match name:
            case "Mailbox/get":
                found = _STATUS.findall(await self._ask(*LOOK))
                return {"list": [{"name": n.decode(), "totalEmails": int(a), "unread": int(u)} for n, a, u in found]}
            case "Email/get":
                told = await self._ask(b"UID FETCH %b BODY.PEEK[]" % ",".join(given["ids"]).encode(), *LOOK)
                return {"list": [told.decode("utf-8", "replace")]}
            case "Email/set":
                await self._ask(*LOOK)
                uids, patch = ",".join(given["update"]).encode(), next(iter(given["update"].values()))
                sign = b"+" if patch["keywords/$flagged"] else b"-"
                await self._ask(b"UID STORE %b %bFLAGS (\\Flagged)" % (uids, sign))
                return {"updated": dict.fromkeys(given["update"])}
            case "Email/changes":
                await self._ask(*LOOK)
                return {"updated": []}
            case "CalendarEvent/query":
                await self._look_at_calendar(path)
        return {"list": orjson.Fragment(self.month or b"[]")}

    async def _look_at_calendar(self, path: str) -> None:
        if path == WARM:
            await self._send("PROPFIND", calendar.HOME, propfind([dav("displayname"), dav("sync-token")]))
        else:
            report = query("VEVENT", calendar.MONTH, [ETAG, DATA])
            told = await self._send("REPORT", calendar.CALENDAR, report)
            self.month = orjson.dumps([event.decode() for event in _EVENT.findall(told)])

    async def _ask(self, *commands: bytes) -> bytes:
        """All that is answered to commands that are sent together."""
        reader, writer = self._imap
        writer.write(b"".join(b"zq%d %b\r\n" % numbered for numbered in enumerate(commands)))
        last, told = b"zq%d OK" % (len(commands) - 1), b""
        while told.rfind(last) < 0 or not told.endswith(b"\r\n"):
            if not (piece := await reader.read(1 << 20)):
                raise ConnectionError(told)
            told += piece
        return told

    async def _send(self, method: str, path: str, content: bytes) -> bytes:
        """The body of an HTTP answer."""
        reader, writer = self._dav
        login = base64.b64encode(":".join(self.user).encode()).decode()
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: {LOOPBACK}\r\nAuthorization: Basic {login}\r\nDepth: 1\r\n"
            f"Content-Type: application/xml\r\nContent-Length: {len(content)}\r\n\r\n"
        )
        writer.write(head.encode() + content)
        header = (await reader.readuntil(b"\r\n\r\n")).lower()
        if length := re.search(rb"content-length: (\d+)", header):
            return await reader.readexactly(int(length[1]))
        told = b""
        while size := int(await reader.readline(), 16):
            told += (await reader.readexactly(size + 2))[:-2]
        await reader.readline()
        return told

    async def serve(self, port: int) -> None:
        """Until the process ends."""
        await self.connect()
        application = web.Application()
        application.add_routes([web.post(path, self.answer) for path in (COLD, WARM)])
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, LOOPBACK, port).start()
        await asyncio.Event().wait()


@contextlib.contextmanager
def minimal_gateway(of: Minimal) -> Iterator[Side]:
    """It as a process of its own, and a connection to it."""
    port = free_port()
    process = multiprocessing.Process(target=lambda: asyncio.run(of.serve(port)), daemon=True)
    process.start()
    try:
        while not listening(port):
            time.sleep(0.02)
        yield Side(Target(LOOPBACK, port, WARM, of.user, "mine"), Http(LOOPBACK, port), "inbox")
    finally:
        process.kill()
        process.join()


Requests = Callable[[int], list[bytes]]
"""Of the round with this number."""


@dataclass(frozen=True)
class Work:
    """What one row is about: connections and requests by name of the side."""

    what: str
    bar: float
    sides: dict[str, tuple[Http, Requests]]

    def measure(self, table: Table, rounds: int) -> None:
        """All sides in turn, none of them always first."""
        taken: dict[str, list[float]] = {name: [] for name in self.sides}
        for number in range(rounds):
            order = list(self.sides.items())
            for name, (http, requests) in order if number % 2 else order[::-1]:
                taken[name].append(sum(times(http, requests(number))))
        show(table, self.what, self.bar, "native", taken)


def show(table: Table, what: str, bar: float, base: str, taken: dict[str, list[float]]) -> None:
    """The three rows of one work."""
    table.ratio(f"{what}: ours", taken["ours"], taken[base], bar, base)
    table.ratio(f"{what}: minimal", taken["minimal"], taken[base], bar, base)
    table.ratio(f"{what}: ours", taken["ours"], taken["minimal"], WORTH_IT, "minimal")


def sides(
    ours: Side, minimal: Side, native: Side, calls: Callable[[Side, list[str], int], list[Call]], count: int
) -> dict[str, tuple[Http, Requests]]:
    """Each side with its requests. Ids of the minimal gateway are of the oldest messages, which the others leave be."""

    def requests(side: Side, ids: list[str]) -> Requests:
        return lambda number: [side.target.request(call) for call in calls(side, ids, number)]

    known = {"ours": ours.ids(count), "native": native.ids(count), "minimal": [str(n + 1) for n in range(count)]}
    named = {"ours": ours, "native": native, "minimal": minimal}
    return {name: (side.http, requests(side, known[name])) for name, side in named.items()}


def measure_reading(table: Table, dovecot: Dovecot, native: Side, rounds: int) -> None:
    """Mailbox/get, and a message opened, on a Maildir."""
    user = Bench(table, dovecot, None, rounds, SMALL).user("small", ("", 0, SMALL))
    with gateway_process(dovecot) as gateway, minimal_gateway(Minimal(user, dovecot.imap)) as minimal:
        ours = Side.of(target(gateway.session_url, user))
        time.sleep(SETTLING)

        def all_mailboxes(_: Side, __: list[str], ___: int) -> list[Call]:
            return [("Mailbox/get", {"ids": None})]

        def opened(_: Side, ids: list[str], number: int) -> list[Call]:
            return body(ids[number])

        Work("Mailbox/get, warm", 0.4, sides(ours, minimal, native, all_mailboxes, 1)).measure(table, rounds)
        Work("Email/get of one body", 0.6, sides(ours, minimal, native, opened, rounds)).measure(table, rounds)


def measure_flags(table: Table, native: Side, rounds: int) -> None:
    """One flag and a look, 50 flags, on mdbox."""
    user, other = User("writer", PASSWORD), User("other", PASSWORD)
    with running_dovecot(DovecotOptions(mail_format="mdbox")) as dovecot:
        for one in (user, other):
            append(dovecot, one, "INBOX", (message(number) for number in range(SMALL)))
        with gateway_process(dovecot) as gateway, minimal_gateway(Minimal(other, dovecot.imap)) as minimal:
            ours = Side.of(target(gateway.session_url, user))

            def one_flag(side: Side, ids: list[str], number: int) -> list[Call]:
                state = "0" if side is minimal else side.state()
                changed = flags([ids[number // 2]], "$flagged", None if number % 2 else True)
                return [changed, ("Email/changes", {"sinceState": state})]

            def fifty(_: Side, ids: list[str], number: int) -> list[Call]:
                return [flags(ids, "$flagged", None if number % 2 else True)]

            Work("one flag, mdbox", 0.4, sides(ours, minimal, native, one_flag, rounds)).measure(table, rounds)
            Work("50 flags, mdbox", 0.25, sides(ours, minimal, native, fifty, 50)).measure(table, rounds)


def measure_calendar(table: Table, cyrus: Cyrus, rounds: int) -> None:
    """The first month of a calendar, and the same again."""
    user = User("alice", cyrus.password("alice"))
    wake(cyrus.host, cyrus.imap, *user)
    bench = calendar.Bench(table, cyrus, user, 2000, rounds)
    with bench.dav() as floor, minimal_gateway(Minimal(user, dav=cyrus.http)) as minimal:
        for number in range(bench.events):
            floor.put(number)
        measure_first_month(bench, floor, minimal)
        with bench.gateway() as gateway:
            one, native = bench.ours(gateway), bench.native()
            http = Http(one.host, one.port)
            http.call(one, ("CalendarEvent/query", {"filter": None, "limit": 1}))  # answered once all is read
            http.call(one, *calendar.month())
            ours, least = one.request(*calendar.month()), minimal.target.request(*calendar.month())
            theirs = native.request(*calendar.month_of_native())
            named: dict[str, tuple[Http, Requests]] = {
                "ours": (http, lambda _: [ours]),
                "native": (Http(native.host, native.port), lambda _: [theirs]),
                "minimal": (minimal.http, lambda _: [least]),
            }
            Work("month of a calendar, warm", 0.3, named).measure(table, rounds)


def measure_first_month(bench: calendar.Bench, floor: calendar.Dav, minimal: Side) -> None:
    """Of gateways that never saw the calendar, beside the bare REPORT."""
    report = query("VEVENT", calendar.MONTH, [ETAG, DATA])
    cold = replace(minimal.target, path=COLD).request(*calendar.month())
    taken: dict[str, list[float]] = {"REPORT": [], "minimal": [], "ours": []}
    for _ in range(max(5, bench.rounds // 5)):
        started = time.perf_counter()
        floor.send("REPORT", calendar.CALENDAR, report, Depth="1")
        taken["REPORT"].append(time.perf_counter() - started)
        taken["minimal"] += times(minimal.http, [cold])
        with bench.gateway() as gateway:
            one = bench.ours(gateway)
            taken["ours"] += times(Http(one.host, one.port), [one.request(*calendar.month())])
    show(bench.table, "first month of a calendar", 1.3, "REPORT", taken)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=60)
    rounds, table = parser.parse_args().rounds, Table()
    with running_dovecot() as dovecot, running_cyrus() as cyrus:
        user = User("small", PASSWORD)
        append(cyrus, user, "INBOX", (message(number) for number in range(SMALL)))
        native = Side.of(target(f"http://{cyrus.host}:{cyrus.http}/jmap/", user))
        measure_reading(table, dovecot, native, rounds)
        measure_flags(table, native, rounds)
        measure_calendar(table, cyrus, rounds)
        table.print()


if __name__ == "__main__":
    main()
