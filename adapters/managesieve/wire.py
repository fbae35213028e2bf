"""One TCP connection to a ManageSieve server: lines and literals in, octets out, TLS."""

import asyncio
import ssl
from typing import Final, cast

from adapters.errors import Unavailable

MAX_LINE: Final = 16 * 1024
MAX_LITERAL: Final = 4 * 1024 * 1024
_HIGH: Final = 256 * 1024
"""With so much unread the socket is left alone (back-pressure)."""


class Wire(asyncio.Protocol):
    """Octets that arrived and were not read yet, and the way out. Broken for good once `lost`."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._arrived = asyncio.Event()
        self._transport: asyncio.Transport | None = None
        self._paused = False
        self.lost = False

    @classmethod
    async def connect(cls, host: str, port: int, tls: ssl.SSLContext | None) -> "Wire":
        """Open a connection, with implicit TLS where a context is given. Raises Unavailable."""
        loop = asyncio.get_running_loop()
        try:
            _, wire = await loop.create_connection(cls, host, port, ssl=tls, server_hostname=host if tls else None)
        except OSError as error:  # ssl.SSLError is one
            raise Unavailable(f"cannot connect to {host}:{port}: {error}") from error
        return wire

    async def start_tls(self, context: ssl.SSLContext, host: str) -> None:
        """Turn the connection into TLS after the OK of STARTTLS.

        Octets that came in clear behind that OK end the connection: they would be taken as said under TLS.
        """
        if self._buffer:
            raise Unavailable("octets in clear behind the OK of STARTTLS")
        loop = asyncio.get_running_loop()
        try:
            upgraded = await loop.start_tls(self._open(), self, context, server_hostname=host)
        except OSError as error:
            raise Unavailable(f"TLS with {host} failed: {error}") from error
        if upgraded is None:
            raise Unavailable("the connection ended during the TLS handshake")
        self._transport = upgraded

    def write(self, data: bytes) -> None:
        """Send octets. Raises Unavailable."""
        self._open().write(data)

    async def line(self) -> bytes:
        """The next line without its CRLF. Raises Unavailable."""
        while (end := self._buffer.find(b"\r\n")) < 0:
            if len(self._buffer) > MAX_LINE:
                raise Unavailable("the server sent an endless line")
            await self._more()
        if end > MAX_LINE:
            raise Unavailable("the server sent an endless line")
        line = self._take(end + 2)
        return line[:-2]

    async def exactly(self, size: int) -> bytes:
        """The next octets, as many as a literal announced. Raises Unavailable."""
        if size > MAX_LITERAL:
            raise Unavailable(f"the server sent a literal of {size} octets")
        pieces, missing = [], size
        while missing:
            if not self._buffer:
                await self._more()
            piece = self._take(min(missing, len(self._buffer)))
            pieces.append(piece)
            missing -= len(piece)
        return b"".join(pieces)

    def close(self) -> None:
        """Close after what is queued has been written."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Keep the octets for whoever reads."""
        self._buffer += data
        self._arrived.set()
        if len(self._buffer) > _HIGH and self._transport is not None and not self._paused:
            self._paused = True
            self._transport.pause_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wake the reader."""
        self.lost = True
        self._transport = None
        self._arrived.set()

    async def _more(self) -> None:
        if self.lost:
            raise Unavailable("the server closed the connection")
        self._arrived.clear()
        await self._arrived.wait()

    def _take(self, size: int) -> bytes:
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        if self._paused and len(self._buffer) <= _HIGH and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()
        return taken

    def _open(self) -> asyncio.Transport:
        if self._transport is None or self._transport.is_closing():
            raise Unavailable("the connection is closed")
        return self._transport
