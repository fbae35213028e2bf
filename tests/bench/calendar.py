"""Calendars: the gateway in front of Cyrus, beside bare CalDAV ("floor") and beside Cyrus's own JMAP ("native").

Run: python -m tests.bench.calendar [--events 2000] [--rounds 30]. Prints each figure beside its bar; asserts no time.
Needs Cyrus, which keeps the calendar and answers all three.
"""

import argparse
import base64
import contextlib
import datetime
import http.client
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

from adapters.caldav.bodies import DATA, ETAG, MULTIGET, query
from adapters.dav.bodies import multiget, propfind, sync_collection
from adapters.dav.names import dav
from adapters.ports.calendars import TimeRange
from tests.bench.http_load import Call, Http, Target, target
from tests.bench.imap_floor import quick_acknowledge
from tests.bench.processes import Gateway, gateway_process
from tests.bench.table import Table
from tests.client import CORE
from tests.servers.cyrus import Cyrus, running_cyrus
from tests.servers.dav import wake
from tests.servers.users import User

CALENDARS: Final = "urn:ietf:params:jmap:calendars"
NATIVE: Final = "https://cyrusimap.org/ns/jmap/calendars"
CALENDAR: Final = "/dav/calendars/user/alice/Default/"
HOME: Final = "/dav/calendars/user/alice/"
MONTH: Final = TimeRange(
    datetime.datetime(2026, 6, 1, tzinfo=datetime.UTC), datetime.datetime(2026, 7, 1, tzinfo=datetime.UTC)
)
PROPERTIES: Final = ["id", "calendarIds", "title", "start", "duration", "timeZone", "showWithoutTime", "status"]

_ZONED: Final = "DTSTART;TZID=Europe/Berlin:{day}T{hour:02}0000\r\nDTEND;TZID=Europe/Berlin:{day}T{hour:02}3000"
_SHAPES: Final = (
    _ZONED,
    _ZONED + "\r\nORGANIZER;CN=Alice:mailto:alice@example.org\r\n"
    "ATTENDEE;CN=Bob;PARTSTAT=ACCEPTED;SCHEDULE-AGENT=NONE:mailto:bob@example.org\r\n"
    "ATTENDEE;CN=Carol;PARTSTAT=NEEDS-ACTION;SCHEDULE-AGENT=NONE:mailto:carol@example.org",
    _ZONED,
    "DTSTART;VALUE=DATE:{day}\r\nDTEND;VALUE=DATE:{after}",
    _ZONED + "\r\nRRULE:FREQ=WEEKLY;COUNT=8",
)
"""What the calendar is made of: zoned meetings, some with guests, some all day, some for eight weeks."""


def event(number: int, room: str = "Room 3") -> bytes:
    """One event of a calendar that is spread over two years."""
    day = datetime.date(2025, 6, 15) + datetime.timedelta(days=number * 7 % 730)
    timing = _SHAPES[number % len(_SHAPES)].format(
        day=f"{day:%Y%m%d}", after=f"{day + datetime.timedelta(days=1):%Y%m%d}", hour=8 + number % 9
    )
    return (
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Example//Bench//EN\r\nBEGIN:VEVENT\r\n"
        f"UID:event-{number}@example.org\r\nDTSTAMP:20260101T000000Z\r\n{timing}\r\nSUMMARY:Meeting {number}\r\n"
        f"DESCRIPTION:What is to be talked about\\, in a few words\r\nLOCATION:{room}\r\n"
        "END:VEVENT\r\nEND:VCALENDAR\r\n"
    ).encode()


MONTH_ROW: Final = "month with data (time-range REPORT)"


class PromptReader(socket.socket):
    """Acknowledges at once, as the gateway's own sockets do; otherwise Cyrus waits 40 ms within an answer."""

    def recv_into(self, *args: Any) -> int:
        """See socket.recv_into; what http.client reads with."""
        count = super().recv_into(*args)
        quick_acknowledge(self)
        return count


class Dav:
    """Bare CalDAV over one kept connection; reads answers and looks at nothing."""

    def __init__(self, host: str, port: int, user: User) -> None:
        self._connection = http.client.HTTPConnection(host, port)
        self._connection.sock = PromptReader(socket.AF_INET, socket.SOCK_STREAM)
        self._connection.sock.connect((host, port))
        self._connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        login = base64.b64encode(f"{user.name}:{user.password}".encode()).decode()
        self._headers = {"Authorization": f"Basic {login}", "Content-Type": "application/xml"}

    def send(self, method: str, path: str, body: bytes = b"", **headers: str) -> bytes:
        """The body of an answer below 300."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self._connection.request(method, path, body, {**self._headers, **named})
        response = self._connection.getresponse()
        answer = response.read()
        assert response.status < 300, (response.status, answer[:500])
        return answer

    def put(self, number: int, room: str = "Room 3") -> None:
        """Store one event."""
        self.send("PUT", f"{CALENDAR}event-{number}.ics", event(number, room), Content_Type="text/calendar")

    def close(self) -> None:
        """Hang up."""
        self._connection.close()


@dataclass(frozen=True)
class Bench:
    """What the rows need."""

    table: Table
    cyrus: Cyrus
    user: User
    events: int
    rounds: int

    @contextlib.contextmanager
    def dav(self) -> Iterator[Dav]:
        """A bare connection."""
        one = Dav(self.cyrus.host, self.cyrus.http, self.user)
        try:
            yield one
        finally:
            one.close()

    def native(self) -> Target:
        """Cyrus's own JMAP."""
        found = target(f"http://{self.cyrus.host}:{self.cyrus.http}/jmap/", self.user)
        return replace(found, using=(CORE, NATIVE))

    def gateway(self) -> contextlib.AbstractContextManager[Gateway]:
        """A gateway in front of Cyrus for mail and calendars; it logs in and keeps nothing from others."""
        url = f"http://{self.cyrus.host}:{self.cyrus.http}/"
        return gateway_process(self.cyrus, backends__default__caldav__url=url)

    def ours(self, gateway: Gateway) -> Target:
        """The gateway's JMAP."""
        return replace(target(gateway.session_url, self.user), using=(CORE, CALENDARS))

    def clocked(self, work: Callable[[], object]) -> list[float]:
        """Seconds of each round."""
        taken = []
        for _ in range(self.rounds):
            started = time.perf_counter()
            work()
            taken.append(time.perf_counter() - started)
        return taken


def month_of_native() -> list[Call]:
    """The events of a month, as Cyrus 3.6 wants to be asked."""
    limits = {"after": "2026-06-01T00:00:00Z", "before": "2026-07-01T00:00:00Z"}
    ids = {"resultOf": "c0", "name": "CalendarEvent/query", "path": "/ids"}
    return [
        ("CalendarEvent/query", {"filter": limits}),
        ("CalendarEvent/get", {"#ids": ids, "properties": [name for name in PROPERTIES if name != "calendarIds"]}),
    ]


def month() -> list[Call]:
    """The events of a month, each instance by itself, as -29 has it."""
    limits = {"after": "2026-06-01T00:00:00", "before": "2026-07-01T00:00:00"}
    ids = {"resultOf": "c0", "name": "CalendarEvent/query", "path": "/ids"}
    return [
        ("CalendarEvent/query", {"filter": limits, "expandRecurrences": True, "timeZone": "Europe/Berlin"}),
        ("CalendarEvent/get", {"#ids": ids, "properties": PROPERTIES}),
    ]


def measure_floor(bench: Bench) -> dict[str, list[float]]:
    """Bare CalDAV: what the work costs if nothing is done with the answer. Seconds by row."""
    names = [f"{CALENDAR}event-{number}.ics" for number in range(50)]
    requests = {
        "calendars of the home (PROPFIND)": ("PROPFIND", HOME, propfind([dav("displayname"), dav("sync-token")]), "1"),
        MONTH_ROW: ("REPORT", CALENDAR, query("VEVENT", MONTH, [ETAG, DATA]), "1"),
        "names of a month (time-range REPORT)": ("REPORT", CALENDAR, query("VEVENT", MONTH, [ETAG]), "1"),
        "50 events (multiget)": ("REPORT", CALENDAR, multiget(MULTIGET, [ETAG, DATA], names), "1"),
        "all ETags (PROPFIND)": ("PROPFIND", CALENDAR, propfind([dav("getetag")]), "1"),
        "all ETags (initial sync-collection)": ("REPORT", CALENDAR, sync_collection(None, [dav("getetag")]), "0"),
    }
    taken = {}
    with bench.dav() as one:
        for what, (method, path, body, depth) in requests.items():
            taken[what] = bench.clocked(
                lambda method=method, path=path, body=body, depth=depth: one.send(method, path, body, Depth=depth)  # type: ignore[misc]
            )
            bench.table.value(f"floor: {what}", [seconds * 1e3 for seconds in taken[what]], None, "ms")
    return taken


def measure_native(bench: Bench) -> list[float]:
    """Cyrus's JMAP, warm."""
    one = bench.native()
    http_connection = Http(one.host, one.port)
    request = one.request(*month_of_native())
    http_connection.send(request)
    taken = bench.clocked(lambda: http_connection.send(request))
    found = http_connection.call(one, *month_of_native())
    http_connection.close()
    bench.table.value(f"native: month of {len(found[1]['list'])} events", [s * 1e3 for s in taken], None, "ms")
    return taken


def measure_cold(bench: Bench, floor: list[float]) -> None:
    """The first month of gateways that never saw the calendar, and the login before it."""
    logins, taken = [], []
    for _ in range(5):
        with bench.gateway() as gateway:
            started = time.perf_counter()
            one = bench.ours(gateway)
            logins.append(time.perf_counter() - started)
            http_connection = Http(one.host, one.port)
            started = time.perf_counter()
            http_connection.send(one.request(*month()))
            taken.append(time.perf_counter() - started)
            http_connection.close()
    bench.table.value("the first login (IMAP and CalDAV)", [seconds * 1e3 for seconds in logins], None, "ms")
    bench.table.ratio("first month after it, cold", taken, floor, 1.3, "floor")


def measure_warm(bench: Bench, gateway: Gateway, native: list[float]) -> None:
    """The month view again, freshness check included."""
    one = bench.ours(gateway)
    http_connection = Http(one.host, one.port)
    request = one.request(*month())
    whole: Call = ("CalendarEvent/query", {"filter": None, "limit": 1})
    http_connection.call(one, whole)  # answered once all of the calendar is read
    found = http_connection.call(one, *month())
    taken = bench.clocked(lambda: http_connection.send(request))
    http_connection.close()
    bench.table.ratio(f"month of {len(found[1]['list'])} instances, warm", taken, native, 0.3, "native")


def measure_changes(bench: Bench, gateway: Gateway) -> None:
    """Somebody else edits one event; then CalendarEvent/changes, here and there."""
    sides = {"ours": bench.ours(gateway), "native": bench.native()}
    taken: dict[str, list[float]] = {name: [] for name in sides}
    with bench.dav() as other:
        for name, one in sides.items():
            http_connection = Http(one.host, one.port)
            for number in range(bench.rounds):
                state = http_connection.call(one, ("CalendarEvent/get", {"ids": []}))[0]["state"]
                other.put(number, f"Room {time.monotonic_ns()}")
                started = time.perf_counter()
                (found,) = http_connection.call(one, ("CalendarEvent/changes", {"sinceState": state}))
                taken[name].append(time.perf_counter() - started)
                assert len(found["updated"]) == 1, found
            http_connection.close()
    for name, seconds in taken.items():
        what = f"{name}: one edit by others, then CalendarEvent/changes"
        bench.table.value(what, [second * 1e3 for second in seconds], None, "ms")


def main() -> None:
    """Load the calendar, print the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=30)
    arguments = parser.parse_args()
    with running_cyrus() as cyrus:
        user = User("alice", cyrus.password("alice"))
        wake(cyrus.host, cyrus.imap, *user)
        bench = Bench(Table(), cyrus, user, arguments.events, arguments.rounds)
        with bench.dav() as one:
            for number in range(bench.events):
                one.put(number)
        floor = measure_floor(bench)
        native = measure_native(bench)
        measure_cold(bench, floor[MONTH_ROW])
        with bench.gateway() as gateway:
            measure_warm(bench, gateway, native)
            measure_changes(bench, gateway)
        bench.table.print()


if __name__ == "__main__":
    main()
