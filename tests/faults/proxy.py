"""A proxy that misbehaves on demand, between the gateway and a backend.

    async with FaultProxy("127.0.0.1", server.imap) as proxy:
        proxy.add(Rule("server", After.match(rb"A3 OK"), Cut()))
        ...                                          # connect to proxy.host, proxy.port
        assert proxy.count(rb"^\\S+ APPEND ") == 1

Rules watch one direction of each connection. A test controls the proxy from the event loop that it runs in.
"""

import asyncio
import contextlib
import re
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Self

from tests.faults.masking import mask

Sender = Literal["client", "server"]
Span = tuple[int, int]

CHUNK = 65536


@dataclass(frozen=True)
class After:
    """When a rule fires: finds a span of what one side has sent on a connection, at or after an offset."""

    find: Callable[[bytes, int], Span | None]

    @classmethod
    def octets(cls, number: int) -> Self:
        """After that many octets."""
        return cls(lambda sent, start: (number, number) if start <= number <= len(sent) else None)

    @classmethod
    def match(cls, pattern: bytes) -> Self:
        """After the regular expression (multi-line mode) has matched; the span is the match."""
        compiled = re.compile(pattern, re.MULTILINE)

        def find(sent: bytes, start: int) -> Span | None:
            found = compiled.search(sent, start)
            return found.span() if found else None

        return cls(find)

    @classmethod
    def command(cls, number: int) -> Self:
        """After that many lines, counted from 1; the span is the line with its CRLF."""

        def find(sent: bytes, start: int) -> Span | None:
            ends = [found.end() for found in re.finditer(rb"\r\n", sent)]
            if len(ends) < number or ends[number - 1] <= start:
                return None
            return (ends[number - 2] if number > 1 else 0, ends[number - 1])

        return cls(find)


@dataclass(frozen=True)
class Cut:
    """Close both connections in order (FIN), after the span was passed on."""


@dataclass(frozen=True)
class Reset:
    """Abort the client's connection (RST), and the server's."""


@dataclass(frozen=True)
class Stall:
    """Pass on nothing more in this direction; the connections stay open."""


@dataclass(frozen=True)
class HalfOpen:
    """Close the server's connection and say nothing to the client."""


@dataclass(frozen=True)
class Drip:
    """Pass on one octet at a time from now on, that many per second."""

    rate: float


@dataclass(frozen=True)
class Delay:
    """Wait once before passing on what follows the span."""

    seconds: float


@dataclass(frozen=True)
class Replace:
    """Pass on these octets instead of the span."""

    octets: bytes


@dataclass(frozen=True)
class Inject:
    """Pass on these octets after the span, as if the sender had sent them."""

    octets: bytes


Action = Cut | Reset | Stall | HalfOpen | Drip | Delay | Replace | Inject


@dataclass
class Rule:
    """What happens when one side has sent something.

    Args:
        sender: whose octets are watched.
        when: what they are watched for.
        action: what is done then.
        times: how often in all; after that, connections are left alone. None: always.
    """

    sender: Sender
    when: After
    action: Action
    times: int | None = 1


class FaultProxy:
    """Listens on a port of loopback and passes connections on to `host`:`port`, subject to its rules."""

    def __init__(self, host: str, port: int) -> None:
        self.upstream = (host, port)
        self.host = "127.0.0.1"
        self.port = 0
        self.rules: list[Rule] = []
        self.connections: list[Connection] = []
        self._listener: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        await self.accept()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.refuse()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def add(self, *rules: Rule) -> None:
        """Add rules; they also hold for connections that are open."""
        self.rules.extend(rules)

    async def accept(self) -> None:
        """Listen (again), always on the same port."""
        self._listener = await asyncio.start_server(self._accepted, self.host, self.port)
        self.port = self._listener.sockets[0].getsockname()[1]

    async def refuse(self) -> None:
        """Listen no more: new connections are refused, those that are open go on."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    def cut_all(self) -> None:
        """Close every open connection."""
        for connection in self.connections:
            connection.close()

    def transcript(self, sender: Sender) -> bytes:
        """What was received from one side, all connections one after the other, with credentials masked."""
        return b"".join(mask(connection.sent[sender]) for connection in self.connections)

    @property
    def turns(self) -> int:
        """Round trips so far, of all connections."""
        return sum(connection.turns for connection in self.connections)

    def count(self, pattern: bytes, sender: Sender = "client") -> int:
        """How often the regular expression (multi-line mode) matches in the transcript."""
        return len(re.findall(pattern, self.transcript(sender), re.MULTILINE))

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        try:
            server_reader, server_writer = await asyncio.open_connection(*self.upstream)
        except OSError:
            writer.close()
            return
        connection = Connection(self.rules, writer, server_writer)
        self.connections.append(connection)
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(connection.pump("client", reader, server_writer))
                both.create_task(connection.pump("server", server_reader, writer))
        except* OSError:
            pass  # the other side is gone, which is what this proxy is for
        finally:
            connection.close()


class Connection:
    """One connection through the proxy: two streams, and what each side has sent so far.

    turns: how often the client began to speak after the server.
    """

    def __init__(self, rules: list[Rule], client: asyncio.StreamWriter, server: asyncio.StreamWriter) -> None:
        self.rules = rules
        self.client = client
        self.server = server
        self.sent: dict[Sender, bytes] = {"client": b"", "server": b""}
        self.turns = 0
        self._spoke: Sender = "server"
        self._octet_seconds: dict[Sender, float] = {}

    async def pump(self, sender: Sender, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass on what one side sends until it ends, with the rules applied."""
        done = 0  # offset up to which the octets were passed on or replaced
        watched = 0  # offset from which the rules look
        while chunk := await reader.read(CHUNK):
            self.sent[sender] += chunk
            self.turns += sender == "client" != self._spoke
            self._spoke = sender
            while (fired := self._fired(sender, watched)) is not None:
                rule, (start, end) = fired
                upto = start if isinstance(rule.action, Replace) else end
                await self._pass_on(sender, writer, self.sent[sender][done:upto])
                done = watched = max(done, end)
                await self._perform(rule.action, sender, writer)
            await self._pass_on(sender, writer, self.sent[sender][done:])
            done = len(self.sent[sender])
        with contextlib.suppress(OSError):
            writer.write_eof()

    def close(self) -> None:
        """Close both sides in order."""
        self.client.close()
        self.server.close()

    def _fired(self, sender: Sender, start: int) -> tuple[Rule, Span] | None:
        """The rule that fires first, with its span; it is used up by that."""
        found = [
            (span, number)
            for number, rule in enumerate(self.rules)
            if rule.sender == sender and rule.times != 0 and (span := rule.when.find(self.sent[sender], start))
        ]
        if not found:
            return None
        span, number = min(found, key=lambda item: item[0][1])
        rule = self.rules[number]
        if rule.times is not None:
            rule.times -= 1
        return rule, span

    async def _pass_on(self, sender: Sender, writer: asyncio.StreamWriter, octets: bytes) -> None:
        seconds = self._octet_seconds.get(sender)
        if seconds is None:
            writer.write(octets)
            await writer.drain()
            return
        for octet in octets:
            await asyncio.sleep(seconds)
            writer.write(bytes([octet]))
            await writer.drain()

    async def _perform(self, action: Action, sender: Sender, writer: asyncio.StreamWriter) -> None:
        match action:
            case Cut():
                self.close()
            case Reset():
                _abort(self.client)
                _abort(self.server)
            case Stall():
                await _forever()
            case HalfOpen():
                self.server.close()
                await _forever()
            case Drip(rate):
                self._octet_seconds[sender] = 1 / rate
            case Delay(seconds):
                await asyncio.sleep(seconds)
            case Replace(octets) | Inject(octets):
                await self._pass_on(sender, writer, octets)


def _abort(writer: asyncio.StreamWriter) -> None:
    """End a connection with RST instead of FIN."""
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def _forever() -> Awaitable[object]:
    """Never done; ends by cancellation when the proxy is closed."""
    return asyncio.get_running_loop().create_future()
