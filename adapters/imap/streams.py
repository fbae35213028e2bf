"""One TCP connection: buffered reading into the framer, ordered writing, TLS, DEFLATE, back-pressure."""

import asyncio
import contextlib
import ssl
import zlib
from collections.abc import Callable, Iterator
from typing import Final, cast

from adapters.errors import AdapterError, Unavailable
from adapters.imap.errors import ConnectionLost, ProtocolError
from adapters.imap.framer import Caps, Framer, Receiver

BUFFER: Final = 64 * 1024
BULK: Final = 16 * 1024  # of many small responses, so that reading them does not hold up others in the loop
PAUSE: Final = 0.0005  # seconds for which no more of them are read where others wait, and looked again
PAUSES: Final = 20


class Wire(asyncio.BufferedProtocol):
    """Octets in and out. What arrives goes through the framer to the receiver; `lost` is called once at the end.

    hurried: whether there is something in the loop that a modest bulk answer, one that nobody waits for, should wait
    for.
    """

    def __init__(
        self,
        receiver: Receiver,
        lost: Callable[[AdapterError], None],
        caps: Caps,
        hurried: Callable[[], bool] = lambda: False,
    ) -> None:
        self.framer = Framer(receiver, caps)
        self.modest = False
        self._hurried = hurried
        self.received = 0
        self.paused = False
        self._lost = lost
        self._transport: asyncio.Transport | None = None
        self._input = memoryview(bytearray(BUFFER))  # asyncio's TLS slices it: a bytearray would be copied
        self._output: list[bytes] = []
        self._flushing = False
        self._writable = asyncio.Event()
        self._writable.set()
        self._inflate: zlib._Decompress | None = None
        self._deflate: zlib._Compress | None = None
        self._leftover = b""
        self.closed = asyncio.Event()

    @classmethod
    async def connect(
        cls,
        address: tuple[str, int],
        tls: ssl.SSLContext | None,
        receiver: Receiver,
        lost: Callable[[AdapterError], None],
        caps: Caps,
        hurried: Callable[[], bool] = lambda: False,
    ) -> "Wire":
        """Open a connection, with implicit TLS where a context is given. Raises Unavailable."""
        loop = asyncio.get_running_loop()
        try:
            _, wire = await loop.create_connection(
                lambda: cls(receiver, lost, caps, hurried),
                *address,
                ssl=tls,
                server_hostname=address[0] if tls else None,
            )
        except (OSError, ssl.SSLError) as error:
            raise Unavailable(f"cannot connect to {address[0]}:{address[1]}: {error}") from error
        return wire

    async def start_tls(self, context: ssl.SSLContext, host: str) -> None:
        """Turn the connection into TLS after the OK of STARTTLS, at which the receiver halted the framer.

        Octets that came in clear after that OK end the connection: they would be taken as said under TLS.
        """
        transport = self._open()
        if self._leftover or not self.framer.between_responses:
            raise ProtocolError("octets in clear behind the OK of STARTTLS")
        try:
            upgraded = await asyncio.get_running_loop().start_tls(transport, self, context, server_hostname=host)
        except (OSError, ssl.SSLError) as error:
            raise Unavailable(f"TLS with {host} failed: {error}") from error
        if upgraded is None:
            raise ConnectionLost("connection ended during the TLS handshake")
        self._transport = upgraded
        if self.paused:
            self.resume_reading()

    def start_compression(self) -> None:
        """Raw DEFLATE both ways from here on (RFC 4978 §3)."""
        self._flush()
        self._inflate = zlib.decompressobj(wbits=-15)
        self._deflate = zlib.compressobj(wbits=-15)

    def write(self, data: bytes) -> None:
        """Queue octets; all that is written in one turn of the loop leaves in one go."""
        self._output.append(data)
        if not self._flushing:
            self._flushing = True
            asyncio.get_running_loop().call_soon(self._flush)

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """What is written in the block leaves at its end, without waiting for the next turn of the loop."""
        self._flushing = True
        try:
            yield
        finally:
            self._flush()

    async def drain(self) -> None:
        """Wait until the transport takes more. Raises ConnectionLost."""
        self._flush()
        await self._writable.wait()
        self._open()

    def pause_reading(self) -> None:
        """Stop taking octets from the socket (back-pressure)."""
        if not self.paused and self._transport is not None:
            self.paused = True
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Take octets again."""
        if self.paused and self._transport is not None:
            self.paused = False
            self._transport.resume_reading()

    def close(self) -> None:
        """Close after what is queued has been written."""
        if self._transport is not None:
            self._flush()
            self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()

    # asyncio.BufferedProtocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def get_buffer(self, sizehint: int) -> memoryview:
        """The one input buffer, for every read."""
        return self._input[:BULK] if self.framer.in_bulk else self._input

    def buffer_updated(self, nbytes: int) -> None:
        """Feed what was read."""
        self.received += nbytes
        try:
            self._take(self._input[:nbytes])
        except (ProtocolError, zlib.error) as error:
            self._broken(error if isinstance(error, ProtocolError) else ProtocolError(f"DEFLATE: {error}"))
        if self.modest and self.framer.in_bulk and self._hurried():
            self._stand_back(PAUSES)

    def eof_received(self) -> bool:
        """The server closed its side: so do we."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the owner, once."""
        self._transport = None
        self._output.clear()
        self._writable.set()
        self._lost(ConnectionLost(f"connection lost: {exc or 'end of stream'}"))
        self.closed.set()

    def pause_writing(self) -> None:
        """The transport's buffer is full."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """The transport's buffer has room again."""
        self._writable.set()

    def _stand_back(self, pauses: int) -> None:
        """Leave what comes next where it is while others are in a hurry, but not for ever."""
        if pauses and self._hurried():
            self.pause_reading()
            asyncio.get_running_loop().call_later(PAUSE, self._stand_back, pauses - 1)
        else:
            self.resume_reading()

    def _take(self, data: memoryview | bytes) -> None:
        if self._inflate is None:
            self._leftover = self.framer.feed(data)
            if self._leftover and self._inflating():  # the OK of COMPRESS was in there: the rest is compressed
                data, self._leftover = self._leftover, b""
                self._take_compressed(data)
        else:
            self._take_compressed(data)

    def _inflating(self) -> bool:
        return self._inflate is not None

    def _take_compressed(self, data: memoryview | bytes) -> None:
        if self._inflate is None:
            return
        while True:
            plain = self._inflate.decompress(data, BUFFER)  # bounded: a bomb meets the caps piecemeal
            self.framer.feed(plain)
            data = self._inflate.unconsumed_tail
            if not data and len(plain) < BUFFER:
                return

    def _broken(self, error: ProtocolError) -> None:
        self._lost(error)
        self.abort()

    def _flush(self) -> None:
        self._flushing = False
        if not self._output or self._transport is None:
            return
        data = b"".join(self._output)
        self._output.clear()
        if self._deflate is not None:
            data = self._deflate.compress(data) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
        self._transport.write(data)

    def _open(self) -> asyncio.Transport:
        if self._transport is None or self._transport.is_closing():
            raise ConnectionLost("connection is closed")
        return self._transport


async def closed(wire: Wire, seconds: float) -> None:
    """Wait for the end of a closing connection, then cut it."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(wire.closed.wait(), seconds)
    wire.abort()
