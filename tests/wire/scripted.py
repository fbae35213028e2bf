"""ScriptedServer: plays `C:`/`S:` transcripts on loopback, for what real servers do not do on demand.

    S: * OK ready
    C: A1 LOGIN u p
    S: A1 OK done
    S~ * 1 FETCH (BODY[] {10}      the line without a CRLF behind it
    S! hello                       these octets and nothing more
    CLOSE                          the server hangs up (also at the end of a script with `hold=False`)
    TLS                            the server turns on TLS
    WAIT                           until the test calls `go()`

One connection per script, in the order they are given. `C:` lines are compared exactly; `C: *` takes any line, and
`C! <n>` takes n octets. A mismatch, unplayed lines or octets left over fail the test at the end of the block.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from textwrap import dedent
from types import TracebackType
from typing import Self

_PATIENCE = 5.0


class Whole:
    """A bulk consumer that wants everything in whole responses."""

    def __init__(self, take: Callable[[bytes], object]) -> None:
        self._take = take

    def feed(self, raw: bytes) -> None:
        self._take(raw)

    def skim(self, data: bytes, position: int) -> int:
        return position


class ScriptedServer:
    """`async with ScriptedServer(script, …) as server:` listens at `server.port`."""

    def __init__(self, *scripts: str, tls: ssl.SSLContext | None = None, hold: bool = True) -> None:
        self._scripts = [_lines(script) for script in scripts]
        self._tls = tls
        self._hold = hold
        self._played = 0
        self._faults: list[str] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._proceed = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._forgiven = False
        self.received: list[bytes] = []
        self.port = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=1 << 26)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._proceed.set()
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            if kind is not None:
                task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if kind is None and not self._forgiven:
            if self._played < len(self._scripts):
                self._faults.append(f"{len(self._scripts) - self._played} scripts were not played")
            assert not self._faults, "\n".join(self._faults)

    def go(self) -> None:
        """Let a script go on at its WAIT."""
        self._proceed.set()

    def forgive(self) -> None:
        """Whatever went wrong so far was meant to."""
        self._forgiven = True

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        number = self._played
        self._played += 1
        try:
            if number >= len(self._scripts):
                self._faults.append("a connection more than scripts")
                return
            async with asyncio.timeout(_PATIENCE):
                await self._play(self._scripts[number], reader, writer)
        except TimeoutError:
            self._faults.append("the client said nothing more, or more than the script")
        except (ConnectionError, ssl.SSLError, asyncio.IncompleteReadError) as error:
            self._faults.append(f"client went away: {error!r}")
        finally:
            writer.transport.abort()

    async def _play(self, script: list[str], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for line in script:
            verb, _, rest = line.partition(" ")
            text = rest.encode("utf-8", "surrogateescape").decode("unicode_escape").encode("latin-1")
            match verb:
                case "S:" | "S~" | "S!":
                    writer.write(text + (b"" if verb == "S!" else b"" if verb == "S~" else b"\r\n"))
                    await writer.drain()
                case "C:":
                    self._expect(text, (await reader.readuntil(b"\n")).removesuffix(b"\r\n"))
                case "C!":
                    self.received.append(await reader.readexactly(int(rest)))
                case "TLS":
                    assert self._tls is not None
                    await writer.start_tls(self._tls)
                case "WAIT":
                    await self._proceed.wait()
                    self._proceed.clear()
                case "CLOSE":
                    writer.close()
                    return
                case _:
                    raise AssertionError(f"no verb of a script: {line}")
        if self._hold:
            left = await reader.read()
            if left and not left.endswith(b" LOGOUT\r\n"):
                self._faults.append(f"octets left over: {left!r}")

    def _expect(self, wanted: bytes, got: bytes) -> None:
        self.received.append(got)
        if wanted not in (b"*", got):
            self._faults.append(f"wanted {wanted!r}, got {got!r}")


@asynccontextmanager
async def serving(
    behave: Callable[[asyncio.StreamReader, asyncio.StreamWriter], object],
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[int]:
    """A server that behaves as a coroutine says; yields its port."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            result = behave(reader, writer)
            if asyncio.iscoroutine(result):
                await result
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def _lines(script: str) -> list[str]:
    return [line for line in dedent(script).strip("\n").split("\n") if line.strip()]
