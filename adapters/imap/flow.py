"""Large literals: down to a sink with back-pressure, up from memory or a stream."""

import asyncio
import inspect
import re
from collections.abc import Awaitable, Callable
from typing import Final

from adapters.errors import InvalidData
from adapters.imap.encoder import Literal
from adapters.imap.responses import Completion, fetch_items
from adapters.imap.streams import BUFFER, Wire

Sink = Callable[[bytes], Awaitable[object] | object]

PROGRESS: Final = 1024  # octets that a stream must bring within one time-out
_WINDOW: Final = 4 * BUFFER  # octets that may wait for the sink
_BODY_FOLLOWS: Final = re.compile(
    rb"\* \d+ FETCH \(.{0,4096}?\b(?:(?:BODY|BINARY)\[[^]]*\](?:<\d+>)?|RFC822(?:\.\w+)?) ?\Z", re.I | re.S
)
_BODY_ITEMS: Final = (b"BODY[", b"BINARY[", b"RFC822")


class Flow:
    """Carries one literal of a response to a sink; holds at most about 256 KiB."""

    def __init__(self) -> None:
        self.taken = False  # a literal goes or went to the sink
        self._wire: Wire | None = None
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._waiting = 0

    def wants(self, pieces: list[bytes]) -> bool:
        """Whether the literal behind these pieces is the body that is waited for (the first one)."""
        if self.taken or len(pieces) != 1 or not _BODY_FOLLOWS.match(pieces[0]):
            return False
        self.taken = True
        return True

    def put(self, raw: bytes, wire: Wire) -> None:
        """Octets have come; the socket is left alone while too many wait."""
        self._wire = wire
        self._queue.put_nowait(raw)
        self._waiting += len(raw)
        if self._waiting >= _WINDOW:
            wire.pause_reading()

    def end(self) -> None:
        """The command has completed, or the connection has ended."""
        self._queue.put_nowait(None)

    def release(self) -> None:
        """Nothing is waited for any more: let the connection read."""
        if self._wire is not None:
            self._wire.resume_reading()

    async def pump(self, sink: Sink, seconds: float) -> None:
        """Carry until the end. TimeoutError when the server is silent or dripping; time in the sink is free."""
        loop = asyncio.get_running_loop()
        waited, brought = 0.0, 0
        while True:
            begun = loop.time()
            async with asyncio.timeout(seconds):
                piece = await self._queue.get()
            if piece is None:
                return
            waited += loop.time() - begun
            brought += len(piece)
            if waited > seconds:
                if brought < PROGRESS:
                    raise TimeoutError
                waited, brought = 0.0, 0
            await give(sink, piece)
            self._waiting -= len(piece)
            if self._waiting < _WINDOW // 2:
                self.release()


async def give(sink: Sink, piece: bytes) -> None:
    """One piece for a sink, synchronous or not."""
    result = sink(piece)
    if inspect.isawaitable(result):
        await result


def quoted_body(completion: Completion) -> bytes:
    """The body of a FETCH that came as a quoted string, else nothing."""
    for response in completion.of(b"FETCH"):
        for name, value in fetch_items(response).items():
            if name.startswith(_BODY_ITEMS) and isinstance(value, bytes):
                return value
    return b""


async def send_literal(wire: Wire, literal: Literal, seconds: float) -> None:
    """The octets of a literal, at the pace of the server. InvalidData when a stream is not what was announced."""
    if isinstance(literal.content, bytes):
        for start in range(0, literal.size, BUFFER):
            await _paced(wire, literal.content[start : start + BUFFER], seconds)
        return
    left = literal.size
    async for piece in literal.content:
        left -= len(piece)
        if left < 0 or (not literal.binary and b"\x00" in piece):
            raise InvalidData("streamed literal has NUL or more octets than announced")
        await _paced(wire, piece, seconds)
    if left:
        raise InvalidData("streamed literal has fewer octets than announced")


async def _paced(wire: Wire, piece: bytes, seconds: float) -> None:
    wire.write(piece)
    async with asyncio.timeout(seconds):
        await wire.drain()
