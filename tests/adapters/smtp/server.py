"""An SMTP server that follows a script: what it answers to which command, and where it hangs up."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

HANG_UP = "hang up"
EHLO = (
    "250-test\r\n250-SIZE 1000\r\n250-DSN\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 AUTH PLAIN LOGIN XOAUTH2 OAUTHBEARER"
)


@dataclass
class ScriptedSmtp:
    """answers: beginning of a command (upper case) -> the reply, or HANG_UP; "." is the end of the message."""

    answers: Mapping[str, str]
    tls: ssl.SSLContext | None = None
    port: int = 0
    commands: list[str] = field(default_factory=list)
    data: list[bytes] = field(default_factory=list)
    rest: bytes = b""

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._converse(reader, writer)
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 test\r\n")
        while line := (await reader.readline()).decode():
            command = line.removesuffix("\r\n")
            self.commands.append(command)
            reply = self._reply(command)
            if reply == HANG_UP:
                return
            writer.write(f"{reply}\r\n".encode())
            if reply.startswith("354"):
                reply = self._reply(".")
                if reply.startswith("mid"):  # in the middle of the message
                    await reader.readline()
                    writer.write(f"{reply[4:]}\r\n".encode() if len(reply) > 4 else b"")
                    await writer.drain()
                    self.rest = await reader.read() if len(reply) > 4 else b""
                    return
                self.data.append(await reader.readuntil(b"\r\n.\r\n"))
                if reply == HANG_UP:
                    return
                writer.write(f"{reply}\r\n".encode())
            if command == "STARTTLS" and self.tls is not None:
                await writer.drain()
                await writer.start_tls(self.tls)
            if command == "QUIT":
                return

    def _reply(self, command: str) -> str:
        known = {"EHLO": EHLO, "AUTH": "235 2.7.0 ok", "DATA": "354 go on", ".": "250 2.0.0 queued", "QUIT": "221 bye"}
        for beginning, reply in reversed(list((known | dict(self.answers)).items())):
            if command.upper().startswith(beginning):
                return reply
        return "250 2.1.0 ok"


@asynccontextmanager
async def scripted_smtp(
    answers: Mapping[str, str] | None = None, tls: ssl.SSLContext | None = None, *, implicit: bool = False
) -> AsyncIterator[ScriptedSmtp]:
    """The server while it runs. tls: for STARTTLS, or from the start."""
    script = ScriptedSmtp(answers or {}, tls)
    server = await asyncio.start_server(script.handle, "127.0.0.1", 0, ssl=tls if implicit else None)
    script.port = server.sockets[0].getsockname()[1]
    try:
        yield script
    finally:
        server.close()
