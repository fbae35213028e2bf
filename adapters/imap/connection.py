"""One IMAP connection of one login: opening, selecting, idling, appending. RFC 9051, RFC 3501."""

import asyncio
import functools
import ssl
from collections.abc import AsyncIterable, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, Literal

from adapters.errors import Unavailable
from adapters.formats.sasl import Credentials
from adapters.imap import encoder
from adapters.imap.commands import Consumer
from adapters.imap.dialogue import Dialogue
from adapters.imap.encoder import Part
from adapters.imap.errors import ConnectionLost, ProtocolError
from adapters.imap.flow import Flow, Sink, give, quoted_body
from adapters.imap.framer import Caps
from adapters.imap.idle import RENEW, Hints
from adapters.imap.login import log_in
from adapters.imap.responses import Completion
from adapters.imap.streams import Wire, closed
from adapters.imap.tokens import Value

__all__ = ["Connection", "Credentials", "Endpoint", "Hints"]

_LOGOUT_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where and how to connect. Times in seconds; `connect_timeout` covers everything up to logging in, which may
    take `command_timeout` (Dovecot delays refusals by up to 15 s).

    `enable` names extensions that are enabled on each new connection where offered (before any mailbox is
    selected, RFC 5161 §3.1). `compress` uses COMPRESS=DEFLATE where offered. hurried: see `Wire`.
    """

    host: str
    port: int
    tls: Literal["implicit", "starttls", "none"] = "implicit"
    ssl_context: ssl.SSLContext | None = None
    connect_timeout: float = 10.0
    command_timeout: float = 30.0
    caps: Caps = field(default_factory=Caps)
    compress: bool = False
    enable: tuple[str, ...] = ("CONDSTORE", "QRESYNC")
    hurried: Callable[[], bool] = lambda: False


class Connection(Dialogue):
    """A logged-in connection. Commands raise `adapters.errors`; after Unavailable look at `closed`."""

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__(endpoint.caps, endpoint.command_timeout)
        self.endpoint = endpoint
        self.capabilities: frozenset[bytes] = frozenset()
        self.enabled: set[bytes] = set()
        self.selected: str | None = None
        self.selected_readonly = False
        self.uid_validity: int | None = None
        self._notifying = False

    @classmethod
    async def open(cls, endpoint: Endpoint, credentials: Credentials) -> "Connection":
        """Connect, secure, log in. Raises AuthFailed, ConnectionLimit, Unavailable, Unsupported."""
        connection = cls(endpoint)
        try:
            async with asyncio.timeout(endpoint.connect_timeout):
                await connection._connect()
            await connection._log_in(credentials)
        except TimeoutError:
            connection.abort()
            raise Unavailable(f"{endpoint.host}:{endpoint.port} took too long to greet") from None
        except BaseException:
            connection.abort()
            raise
        return connection

    async def enable(self, *names: str) -> set[bytes]:
        """ENABLE extensions (RFC 5161); returns those that are now on, which may be fewer."""
        completion = await self.command("ENABLE", *map(encoder.atom, names))
        for response in completion.of(b"ENABLED"):
            self.enabled |= {value.upper() for value in response.values if isinstance(value, bytes)}
        if b"QRESYNC" in self.enabled:
            self.enabled.add(b"CONDSTORE")  # RFC 7162 §3.2.3
        self._negotiate()
        return self.enabled

    async def select(self, path: str, readonly: bool = True, qresync: tuple[int, int] | None = None) -> Completion:
        """EXAMINE or SELECT; `qresync` (uidvalidity, modseq) brings VANISHED and FETCH (RFC 7162 §3.2.5).

        `uid_validity` is set from the answer; compare it before trusting a UID, or the QRESYNC data.
        """
        parts: list[Part] = [encoder.mailbox(path)]
        if qresync is not None and b"QRESYNC" in self.enabled:
            known = encoder.paren(*map(encoder.number, qresync))
            parts.append(encoder.paren(encoder.atom("QRESYNC"), known))
        elif b"CONDSTORE" in self.capabilities:
            parts.append(encoder.paren(encoder.atom("CONDSTORE")))
        self.selected = self.uid_validity = None  # also where it is refused, RFC 9051 §6.3.2
        completion = await self.command("EXAMINE" if readonly else "SELECT", *parts)
        self.selected = path
        self.selected_readonly = completion.code is not None and completion.code.name == b"READ-ONLY"
        self.uid_validity = _single_number(completion.code_values(b"UIDVALIDITY"))
        return completion

    async def unselect(self) -> None:
        """Leave the mailbox without expunging it (RFC 9051 §6.4.2)."""
        path = self.selected
        if path is None:
            return
        if b"UNSELECT" in self.capabilities or b"IMAP4REV2" in self.capabilities:
            await self.command("UNSELECT")
        else:
            if not self.selected_readonly:
                await self.select(path)  # CLOSE of an EXAMINEd mailbox removes nothing, RFC 3501 §6.4.2
            await self.command("CLOSE")
        self.selected = self.uid_validity = None

    @asynccontextmanager
    async def idle(self, renew: float = RENEW) -> AsyncIterator[Hints]:
        """IDLE (RFC 2177): inside the block, iterate over untagged data as it comes. No other command may run.

        It is renewed every `renew` seconds. Leaving by an exception (also cancellation) ends the connection.
        """
        hints = Hints(self, renew)
        undo = self.on_unsolicited(hints.put)
        try:
            await hints.begin()
            yield hints
            await hints.end()
        finally:
            undo()
            hints.give_up()

    async def notify(self, *events: Part) -> Completion:
        """NOTIFY SET with these groups, or NOTIFY NONE without (RFC 5465 §3); the data comes unsolicited.

        Dovecot 2.3 goes silent after a second SET, so that NONE is always said between two.
        """
        if self._notifying or not events:
            self._notifying = False
            completion = await self.command("NOTIFY", encoder.atom("NONE"))
            if not events:
                return completion
        completion = await self.command("NOTIFY", encoder.atom("SET"), *events)
        self._notifying = True
        return completion

    async def stream(
        self,
        name: str,
        *parts: Part,
        consumer: Consumer,
        timeout: float | None = None,  # noqa: ASYNC109 - see `command`
        modest: bool = False,
    ) -> Completion:
        """Run a command alone, its raw untagged responses going to `consumer` in pieces of about 64 KiB.

        What the consumer does not know it returns by `hand_back`. `timeout` is for silence. modest: see `Wire`.
        An exception of the consumer ends the connection and is raised here.
        """
        pending, wire = self.ask(name, parts, consumer=consumer), self.live_wire()
        wire.modest = modest
        try:
            return await self.outcome(pending, timeout, patient=True)
        finally:
            wire.modest = False

    async def literal_to(
        self,
        name: str,
        *parts: Part,
        sink: Sink,
        timeout: float | None = None,  # noqa: ASYNC109 - see `command`
    ) -> Completion:
        """Run a FETCH alone, the body literal of its first response going to `sink` in pieces of <= 64 KiB.

        Reading stops while the sink is behind. A body that came quoted is handed over whole. In the completion
        the literal is `b""`. When anything is raised the body that the sink saw may be truncated.
        """
        flow = Flow()
        pending = self.ask(name, parts, flow=flow)
        try:
            await pending.started
            await flow.pump(sink, timeout or self._timeout)
            completion = await pending.future
        except TimeoutError:
            raise self._silent(name) from None
        finally:
            if pending in self._waiting:
                self._abandon(pending, self._timeout)
            elif not pending.future.done():
                self.fail(ConnectionLost("streamed literal abandoned"))
            flow.release()
        if not flow.taken:
            await give(sink, quoted_body(completion))
        return completion

    async def append(
        self,
        path: str,
        flags: Sequence[str],
        date: datetime | None,
        message: bytes | AsyncIterable[bytes],
        size: int | None = None,
    ) -> Completion:
        """APPEND a message (RFC 9051 §6.3.12); `size` in octets is needed for a stream. Code: APPENDUID.

        Raises NotFound (no mailbox), OverQuota, TooLarge, InvalidData (NUL without BINARY, wrong size).
        """
        parts = [encoder.mailbox(path)]
        if flags:
            parts.append(encoder.paren(*map(encoder.flag, flags)))
        if date is not None:
            parts.append(encoder.date_time(date))
        return await self.command("APPEND", *parts, encoder.literal(message, size))

    async def logout(self) -> None:
        """Say LOGOUT and close, within two seconds."""
        if self.closed or self._wire is None:
            return
        self._leaving = True
        try:
            async with asyncio.timeout(_LOGOUT_SECONDS):
                await self.command("LOGOUT")
        except (Unavailable, TimeoutError):
            pass  # the server hung up first
        self._wire.close()
        await closed(self._wire, _LOGOUT_SECONDS)
        self.abort()

    # opening

    async def _connect(self) -> None:
        """Connection, greeting, TLS."""
        endpoint = self.endpoint
        context = None if endpoint.tls == "none" else endpoint.ssl_context or _default_context()
        implicit = context if endpoint.tls == "implicit" else None
        address = endpoint.host, endpoint.port
        self._wire = await Wire.connect(address, implicit, self, self.fail, endpoint.caps, endpoint.hurried)
        greeting = await self._greeting
        if greeting.name != b"OK":  # BYE came as an error; PREAUTH would let any password in (and strips TLS)
            raise ProtocolError("greeting is not OK")
        self._learn(greeting.code.values if greeting.code and greeting.code.name == b"CAPABILITY" else None)
        if context is not None and implicit is None:
            await self._start_tls(self._wire, context)

    async def _log_in(self, credentials: Credentials) -> None:
        endpoint = self.endpoint
        if not self.capabilities:
            await self._ask_capabilities()
        address = (endpoint.host, endpoint.port)
        completion = await log_in(self, self.capabilities, credentials, address, encrypted=endpoint.tls != "none")
        told = completion.code_values(b"CAPABILITY")
        untagged = completion.of(b"CAPABILITY")
        self._learn(told or (untagged[-1].values if untagged else None))  # RFC 9051 §6.2: those from before are void
        if not self.capabilities:
            await self._ask_capabilities()
        if endpoint.compress and b"COMPRESS=DEFLATE" in self.capabilities:
            await self._compress(self.live_wire())
        wanted = [name for name in endpoint.enable if name.upper().encode() in self.capabilities]
        if wanted and b"ENABLE" in self.capabilities:
            await self.enable(*wanted)

    async def _start_tls(self, wire: Wire, context: ssl.SSLContext) -> None:
        """Strict STARTTLS: never on in clear, nothing believed from before (RFC 9051 §6.2.1)."""
        if not self.capabilities:
            await self._ask_capabilities()
        if b"STARTTLS" not in self.capabilities:
            raise Unavailable("the server offers no STARTTLS")

        def secure() -> None:
            wire.framer.halt()
            wire.pause_reading()

        await self.outcome(self.ask("STARTTLS", (), on_ok=secure), None)
        self.capabilities = frozenset()
        await wire.start_tls(context, self.endpoint.host)

    async def _compress(self, wire: Wire) -> None:
        def squeeze() -> None:
            wire.framer.halt()
            wire.start_compression()

        await self.outcome(self.ask("COMPRESS", (encoder.atom("DEFLATE"),), on_ok=squeeze), None)

    async def _ask_capabilities(self) -> None:
        completion = await self.command("CAPABILITY")
        for response in completion.of(b"CAPABILITY"):
            self._learn(response.values)

    def _learn(self, values: list[Value] | None) -> None:
        self.capabilities = frozenset(v.upper() for v in values or () if isinstance(v, bytes))
        self._negotiate()

    def _negotiate(self) -> None:
        offered = self.capabilities
        minus = b"LITERAL-" in offered or b"IMAP4REV2" in offered
        self.negotiated = replace(
            self.negotiated,
            literals="+" if b"LITERAL+" in offered else "-" if minus else "",
            binary=b"BINARY" in offered,
            utf8=b"UTF8=ACCEPT" in self.enabled or b"IMAP4REV2" in self.enabled,
        )


@functools.cache
def _default_context() -> ssl.SSLContext:
    """The system's certificate authorities, loaded once."""
    return ssl.create_default_context()


def _single_number(values: list[Value] | None) -> int | None:
    match values:
        case [bytes(raw)] if raw.isdigit() and len(raw) <= 20:
            return int(raw)
    return None
