"""Cuts off clients that hold a connection without using it: aiohttp waits for a request's header for ever.

Stands between the transport and aiohttp's protocol and hands everything through.
"""

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Final, cast

from aiohttp import web

_BUFFER: Final = memoryview(bytearray(64 * 1024))
"""What every connection reads into before it hands a copy on. Left to itself asyncio takes memory of 256 KiB for every
read, from the system and back again, which costs more than the read."""

_WAITING: Final = 1024
"""How many connections may wait to be accepted."""


class Guard(asyncio.BufferedProtocol):
    """One connection. header_seconds: from its opening, or from a request's first octet, to the header's end.

    stall_seconds: how long the client may read nothing of what waits for it.
    """

    __slots__ = (
        "_deadline",
        "_header_seconds",
        "_inner",
        "_serving",
        "_stall_seconds",
        "_timer",
        "_transport",
        "_unread",
    )

    def __init__(self, inner: asyncio.Protocol, header_seconds: float, stall_seconds: float) -> None:
        self._inner = inner
        self._header_seconds = header_seconds
        self._stall_seconds = stall_seconds
        self._transport: asyncio.Transport | None = None
        self._deadline: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None
        self._serving = False

    @contextlib.contextmanager
    def serving(self) -> Iterator[None]:
        """A request's header has arrived; its handler runs."""
        self._deadline = None
        self._serving = True
        try:
            yield
        finally:
            self._serving = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client that says nothing at all is too slow as well."""
        self._transport = cast("asyncio.Transport", transport)
        self._arm()
        self._inner.connection_made(transport)

    def get_buffer(self, sizehint: int) -> memoryview:
        """One buffer for all: what was read is handed on before anything else is."""
        return _BUFFER

    def buffer_updated(self, nbytes: int) -> None:
        """The first octets of a request start the clock."""
        if self._deadline is None and not self._serving:
            self._arm()
        self._inner.data_received(bytes(_BUFFER[:nbytes]))

    def eof_received(self) -> bool | None:
        """Handed through."""
        return self._inner.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """No timer outlives its connection."""
        if self._timer is not None:
            self._timer.cancel()
        self._read_on()
        self._transport = None
        self._inner.connection_lost(exc)

    def pause_writing(self) -> None:
        """The client reads slower than it is sent to."""
        self._watch_unread(self._waiting())
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """The client has caught up."""
        self._read_on()
        self._inner.resume_writing()

    def _read_on(self) -> None:
        """Stop watching how much is unread."""
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _arm(self) -> None:
        loop = asyncio.get_running_loop()
        self._deadline = loop.time() + self._header_seconds
        if self._timer is None:
            self._timer = loop.call_at(self._deadline, self._check_header)

    def _check_header(self) -> None:
        """One timer serves many requests: where the deadline has moved on, it moves after it."""
        self._timer = None
        if self._deadline is None:
            return
        loop = asyncio.get_running_loop()
        if loop.time() >= self._deadline:
            self._cut()
        else:
            self._timer = loop.call_at(self._deadline, self._check_header)

    def _waiting(self) -> int:
        return 0 if self._transport is None else self._transport.get_write_buffer_size()

    def _watch_unread(self, before: int) -> None:
        self._unread = asyncio.get_running_loop().call_later(self._stall_seconds, self._check_unread, before)

    def _check_unread(self, before: int) -> None:
        now = self._waiting()
        if now >= before:
            self._cut()
        else:
            self._watch_unread(now)

    def _cut(self) -> None:
        if self._transport is not None:
            self._transport.abort()


class GuardedSite(web.BaseSite):
    """A listening socket whose connections have a Guard."""

    __slots__ = ("_header_seconds", "_host", "_port", "_stall_seconds")

    def __init__(
        self, runner: web.AppRunner, host: str, port: int, *, header_seconds: float, stall_seconds: float
    ) -> None:
        super().__init__(runner, backlog=_WAITING)
        self._host = host
        self._port = port
        self._header_seconds = header_seconds
        self._stall_seconds = stall_seconds

    @property
    def name(self) -> str:
        """Where it listens."""
        return f"http://{self._host}:{self._port}"

    async def start(self) -> None:
        """Listen.

        asyncio accepts as many connections at a time as may wait. Without a file descriptor left each of these attempts
        fails, is logged and plans the same again, which in a moment is all that the loop does; so it is told of one.
        """
        await super().start()
        self._server = await asyncio.get_running_loop().create_server(
            self._protocol, self._host or None, self._port, backlog=1
        )
        for listening in self._server.sockets:
            with listening.dup() as same:
                same.listen(self._backlog)

    def _protocol(self) -> Guard:
        server = cast("web.Server", self._runner.server)
        return Guard(server(), self._header_seconds, self._stall_seconds)
