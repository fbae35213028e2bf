"""Push: how long after its delivery new mail is told, and what many listeners cost.

Run: python -m tests.bench.push [--deliveries 20] [--listeners 1000]. Prints figures beside bars; asserts no time.
The floor is the server's own notification on a bare connection that watches the same way: NOTIFY, or IDLE.
"""

import argparse
import asyncio
import contextlib
import resource
import statistics
import time
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import aiohttp

from tests.bench.messages import message
from tests.bench.processes import Gateway, gateway_process
from tests.bench.table import Table
from tests.client import JmapClient, jmap_client
from tests.servers.cyrus import Cyrus, cyrus_available, running_cyrus
from tests.servers.dovecot import Dovecot, running_dovecot
from tests.servers.users import User, fresh_user

NOTIFY = b"NOTIFY SET (personal (MessageNew MessageExpunge FlagChange))"
LATENCY_BAR = 100.0  # ms beyond the backend's own notification
MEMORY_BAR = 30.0  # MB for 1,000 connections


class Watcher:
    """A bare connection that is told of new mail. told: when, of everything so far."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.told: list[float] = []
        self._reader, self._writer = reader, writer
        self._reading: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, server: Dovecot | Cyrus, user: User) -> "Watcher":
        """Logged in and watching."""
        watcher = cls(*await asyncio.open_connection(server.host, server.imap))
        await watcher._reader.readline()
        commands = [f"LOGIN {user.name} {user.password}".encode()]
        commands += [NOTIFY] if isinstance(server, Dovecot) else [b"EXAMINE INBOX"]
        for command in commands:
            watcher._writer.write(b"a " + command + b"\r\n")
            while not (await watcher._reader.readline()).startswith(b"a "):
                pass
        watcher._writer.write(b"b IDLE\r\n")
        await watcher._reader.readline()
        watcher._reading = asyncio.create_task(watcher._read())
        return watcher

    async def _read(self) -> None:
        while line := await self._reader.readline():
            if b" STATUS " in line or b" EXISTS" in line:
                self.told.append(time.perf_counter())

    async def first_after(self, moment: float) -> float:
        """When the server told of what came after a moment."""
        while True:
            if found := [told for told in self.told if told > moment]:
                return found[0]
            await asyncio.sleep(0.001)

    def close(self) -> None:
        """Hang up."""
        if self._reading is not None:
            self._reading.cancel()
        self._writer.close()


async def events(http: aiohttp.ClientSession, jmap: JmapClient) -> AsyncGenerator[float, None]:
    """When each state event came; the first item says that the stream is open."""
    async with http.get(_events_url(jmap), timeout=aiohttp.ClientTimeout(None)) as response:
        while line := await response.content.readline():
            if line.startswith((b"retry:", b"data:")):
                yield time.perf_counter()


async def socket_events(http: aiohttp.ClientSession, jmap: JmapClient) -> AsyncGenerator[float, None]:
    """The same over a WebSocket."""
    url = jmap.session["capabilities"]["urn:ietf:params:jmap:websocket"]["url"]
    async with http.ws_connect(url, protocols=("jmap",)) as socket:
        await socket.send_json({"@type": "WebSocketPushEnable", "dataTypes": ["Email"]})
        await socket.send_json({"@type": "Request", "using": [], "methodCalls": []})
        async for _ in socket:
            yield time.perf_counter()


async def measure_latency(table: Table, name: str, server: Dovecot | Cyrus, gateway: Gateway, deliveries: int) -> None:
    """From the end of LMTP to the event at the client, beside the server's own notification of the same message."""
    user = fresh_user(server)
    server.deliver(user.name, message(0).text)
    floor: list[float] = []
    ours: list[float] = []
    async with jmap_client(_url(gateway), user.name, user.password) as jmap:
        watcher = await Watcher.open(server, user)
        stream = events(jmap.http, jmap)
        await anext(stream)
        await asyncio.sleep(2)  # the watch begins, and what it found at its beginning is told
        for number in range(1, deliveries + 1):
            event = asyncio.ensure_future(anext(stream))
            began = time.perf_counter()
            await asyncio.to_thread(server.deliver, user.name, message(number).text)
            delivered = time.perf_counter()
            floor.append((await watcher.first_after(began) - delivered) * 1e3)
            ours.append((await event - delivered) * 1e3)
            await asyncio.sleep(1)  # nothing is under way when the next one is delivered
        watcher.close()
        with contextlib.suppress(RuntimeError):
            await stream.aclose()
    beyond = [max(0.0, one - other) for one, other in zip(ours, floor, strict=True)]
    table.value(f"{name}: LMTP OK to the server's own notification", floor, None, _spread(floor))
    table.value(f"{name}: LMTP OK to the event at the client", ours, None, _spread(ours))
    table.value(f"{name}: the event after the server's notification", beyond, LATENCY_BAR, _spread(beyond))


async def measure_listeners(table: Table, kind: str, server: Dovecot, gateway: Gateway, count: int) -> None:
    """Memory of many listeners of one account, and how long it takes until all are told."""
    user = fresh_user(server)
    listen = events if kind == "EventSource" else socket_events
    async with (
        jmap_client(_url(gateway), user.name, user.password) as jmap,
        aiohttp.ClientSession(
            headers={"Authorization": aiohttp.encode_basic_auth(*user)}, connector=aiohttp.TCPConnector(limit=0)
        ) as http,
    ):
        await jmap.call("Mailbox/get", ids=None)
        before = gateway.rss()
        streams = [listen(http, jmap) for _ in range(count)]
        for start in range(0, count, 50):
            await asyncio.gather(*map(anext, streams[start : start + 50]))
        await asyncio.sleep(2)
        table.value(f"{count:,} {kind} connections: memory", [gateway.rss() - before], MEMORY_BAR * count / 1000, "MB")
        spreads = []
        for number in range(3):
            waiting = [asyncio.ensure_future(anext(stream)) for stream in streams]
            await asyncio.to_thread(server.deliver, user.name, message(number).text)
            told = sorted(await asyncio.gather(*waiting))
            spreads.append((told[-1] - told[0]) * 1e3)
        table.value(f"{count:,} {kind} connections: first to last told", spreads, None, "ms")


def _events_url(jmap: JmapClient) -> str:
    url: str = jmap.session["eventSourceUrl"]
    for name, value in {"types": "Email", "closeafter": "no", "ping": "0"}.items():
        url = url.replace(f"{{{name}}}", value)
    return url


def _url(gateway: Gateway) -> str:
    return gateway.session_url.removesuffix("/jmap/session")


def _spread(values: Sequence[float]) -> str:
    return f"ms; p95 {statistics.quantiles(values, n=20)[-1]:.0f}"


async def measure(table: Table, deliveries: int, listeners: int) -> None:
    """All rows."""
    servers: dict[str, Any] = {"Dovecot": running_dovecot}
    if cyrus_available():
        servers["Cyrus"] = running_cyrus
    for name, running in servers.items():
        with running() as server, gateway_process(server, limits__max_event_streams="10000") as gateway:
            await measure_latency(table, name, server, gateway, deliveries)
            if name == "Dovecot":
                for kind in ("EventSource", "WebSocket"):
                    await measure_listeners(table, kind, server, gateway, listeners)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--deliveries", type=int, default=20)
    parser.add_argument("--listeners", type=int, default=1000)
    args = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65_536), hard))
    table = Table()
    asyncio.run(measure(table, args.deliveries, args.listeners))
    table.print()


if __name__ == "__main__":
    main()
