"""Just enough of an IMAP server to log in: for tests of the process as a whole."""

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator


class Imap:
    """One user. `hold` makes log-ins wait until `go` is set; counts connections and successful log-ins."""

    def __init__(self, password: str) -> None:
        self.passwords = {password}
        self.go = asyncio.Event()
        self.go.set()
        self.waiting = 0
        self.logins = 0
        self.open = 0
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        writer.write(b"* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] ready\r\n")
        with contextlib.suppress(ConnectionError, ValueError):
            while line := (await reader.readline()).decode():
                tag, verb, *rest = line.split()
                writer.write(await self._answer(tag, verb.upper(), rest))
                await writer.drain()
                if verb.upper() == "LOGOUT":
                    break
        self.open -= 1
        writer.close()

    async def _answer(self, tag: str, verb: str, rest: list[str]) -> bytes:
        if verb == "AUTHENTICATE":
            self.waiting += 1
            await self.go.wait()
            password = base64.b64decode(rest[1]).split(b"\0")[2].decode()
            if password not in self.passwords:
                return f"{tag} NO [AUTHENTICATIONFAILED] no\r\n".encode()
            self.logins += 1
            return f"{tag} OK [CAPABILITY IMAP4rev1] in\r\n".encode()
        if verb == "LOGOUT":
            return f"* BYE\r\n{tag} OK out\r\n".encode()
        if verb == "STATUS":
            return f"{tag} BAD what\r\n".encode()
        return f"{tag} OK done\r\n".encode()


@contextlib.asynccontextmanager
async def imap_server(password: str) -> AsyncIterator[Imap]:
    """A server on loopback."""
    imap = Imap(password)
    listener = await asyncio.start_server(imap.serve, "127.0.0.1", 0)
    imap.port = listener.sockets[0].getsockname()[1]
    try:
        yield imap
    finally:
        imap.go.set()
        listener.close()
