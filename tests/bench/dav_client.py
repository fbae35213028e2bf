"""What a WebDAV client costs: our layer and the library `caldav` beside bare aiohttp and lxml, on 2,000 events.

    .venv/bin/python -m tests.bench.dav_client [--rounds N]

The answers are canned, so that no server's mood is measured. CPU seconds of the client's process. `caldav` runs in
an environment of its own (`.venvs/caldav`, made by `bin/test`). docs/decisions/0007-dav-layer.md has the result.
"""

import argparse
import asyncio
import json
import multiprocessing
import subprocess
import time
from collections.abc import Awaitable, Callable
from typing import Final

import aiohttp
from lxml import etree

from adapters.caldav.bodies import DATA, ETAG, MULTIGET
from adapters.caldav.reading import WANTED, reader
from adapters.dav.bodies import multiget, propfind, sync_collection
from adapters.dav.connection import Credentials, DavConnection, Endpoint
from adapters.dav.multiget import Multiget
from adapters.dav.names import dav
from adapters.dav.quirks import OTHER
from adapters.dav.sync import delta
from gateway.demo.process import LOOPBACK, free_port
from tests.bench.table import Table
from tests.servers.dav import CLIENT
from tests.wire.dav import etag, found, multistatus, token

EVENTS: Final = 2000
NAMES: Final = [f"event-{number}@example.org.ics" for number in range(EVENTS)]
BAR: Final = 2.5
COST: Final = CLIENT.parents[3] / "tests" / "clients" / "caldav_cost.py"

ITSELF: Final = found("/c/", "<D:resourcetype><D:collection/></D:resourcetype>")
EVENT: Final = "".join(
    f"{line}\n"
    for line in (
        "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//Example//Bench//EN\nBEGIN:VEVENT\nUID:{}\nDTSTAMP:20260101T000000Z",
        "DTSTART;TZID=Europe/Berlin:20260301T100000\nDTEND;TZID=Europe/Berlin:20260301T110000\nSUMMARY:A meeting",
        "DESCRIPTION:Something to read before the meeting\\, and something more\nLOCATION:Room 3",
        "ORGANIZER;CN=Alice:mailto:alice@example.org\nATTENDEE;CN=Bob;PARTSTAT=ACCEPTED:mailto:bob@example.org",
        "END:VEVENT\nEND:VCALENDAR",
    )
)


def answers() -> dict[str, bytes]:
    """The body of each kind of request."""
    rows = [etag(f"/c/{name}", f"{number:040x}") for number, name in enumerate(NAMES)]
    resources = [
        found(f"/c/{name}", f'<D:getetag>"1"</D:getetag><C:calendar-data>{EVENT.format(name)}</C:calendar-data>')
        for name in NAMES
    ]
    return {
        "listing": multistatus(ITSELF, *rows).encode(),
        "sync": multistatus(*rows, extra=token("new")).encode(),
        "multiget": multistatus(*resources).encode(),
    }


def serve(port: int) -> None:
    """The canned server, a process of its own. A multiget of some names is answered with as many events."""
    said = answers()
    head, _, rest = said["multiget"].partition(b"<D:response>")
    events = [b"<D:response>" + event for event in rest.removesuffix(b"</D:multistatus>").split(b"<D:response>")]

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                header = (await reader.readuntil(b"\r\n\r\n")).lower()
            except asyncio.IncompleteReadError:
                return
            length = int(header.partition(b"content-length: ")[2].partition(b"\r\n")[0] or b"0")
            body = await reader.readexactly(length)
            if b"multiget" in body:
                wanted = [
                    events[int(name.partition(b"@")[0])] for name in body.replace(b"%40", b"@").split(b"/event-")[1:]
                ]
                answer = head + b"".join(wanted) + b"</D:multistatus>"
            else:
                answer = said["sync" if b"sync-collection" in body else "listing"]
            writer.write(
                b"HTTP/1.1 207 Multi-Status\r\nContent-Type: application/xml; charset=utf-8\r\n"
                b"Content-Length: %d\r\n\r\n" % len(answer)
            )
            writer.write(answer)
            await writer.drain()

    async def main() -> None:
        server = await asyncio.start_server(connected, LOOPBACK, port)
        await server.serve_forever()

    asyncio.run(main())


async def bare(url: str, what: str, body: bytes) -> int:
    """Ten lines of aiohttp and lxml: the whole answer, every property found, and nothing looked after."""
    method = "PROPFIND" if what == "listing" else "REPORT"
    async with aiohttp.ClientSession() as session, session.request(method, url, data=body) as response:
        root = etree.fromstring(await response.read())
    properties = {}
    for entry in root.iterfind(dav("response")):
        href = entry.findtext(dav("href"))
        for propstat in entry.iterfind(dav("propstat")):
            if " 200 " in (propstat.findtext(dav("status")) or ""):
                properties[href] = {value.tag: value.text for value in propstat[0]}
    return len(properties)


async def cost(work: Callable[[], Awaitable[int]], wanted: int) -> float:
    """CPU seconds of this process."""
    started = time.process_time()
    assert await work() == wanted
    return time.process_time() - started


async def measure(url: str, rounds: int) -> dict[str, tuple[list[float], list[float]]]:
    """(ours, bare) by operation, interleaved."""
    connection = DavConnection(Endpoint(url), Credentials("alice", password="secret"))

    async def listing() -> int:
        return len((await delta(connection, "/c/", None, {}, reports=False)).changed)

    async def sync() -> int:
        return len((await delta(connection, "/c/", None, {}, reports=True)).changed)

    async def fetching() -> int:
        events = Multiget(MULTIGET, WANTED, reader(OTHER))
        return sum([len(batch) async for batch in events.by_name(connection, "/c/", NAMES)])

    ours = {"listing": listing, "sync": sync, "multiget": fetching}
    bodies = {
        "listing": propfind([dav("getetag"), dav("resourcetype")]),
        "sync": sync_collection(None, [dav("getetag")]),
        "multiget": multiget(MULTIGET, [ETAG, DATA], [f"/c/{name}" for name in NAMES]),
    }
    taken: dict[str, tuple[list[float], list[float]]] = {what: ([], []) for what in ours}
    for _ in range(rounds):
        for what, work in ours.items():
            taken[what][0].append(await cost(work, EVENTS))
            rows = EVENTS + (what == "listing")
            taken[what][1].append(await cost(lambda what=what: bare(url, what, bodies[what]), rows))  # type: ignore[misc]
    await connection.close()
    return taken


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    port = free_port()
    server = multiprocessing.Process(target=serve, args=(port,), daemon=True)
    server.start()
    time.sleep(1)
    url = f"http://{LOOPBACK}:{port}/c/"
    table = Table()
    taken = asyncio.run(measure(url, rounds))
    for what, (ours, base) in taken.items():
        table.ratio(f"{what}, {EVENTS} events: adapters.dav", ours, base, BAR, "bare aiohttp + lxml")
    if CLIENT.exists():
        command = [str(CLIENT), str(COST), url, str(rounds)]
        done = subprocess.run(command, input=json.dumps(NAMES), capture_output=True, text=True, check=True)
        for what, seconds in json.loads(done.stdout).items():
            table.ratio(f"{what}, {EVENTS} events: caldav", seconds, taken[what][1], BAR, "bare aiohttp + lxml")
    table.print()
    server.kill()


if __name__ == "__main__":
    main()
