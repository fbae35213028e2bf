"""One authenticated connection to a ManageSieve server: capabilities, STARTTLS, SASL, one command at a time."""

import asyncio
import base64
import binascii
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from adapters.errors import (
    AdapterError,
    AuthFailed,
    Conflict,
    Forbidden,
    NotFound,
    OverQuota,
    TooLarge,
    Unavailable,
    Unsupported,
)
from adapters.formats.sasl import Credentials, Mechanism, choices, mechanism
from adapters.managesieve.syntax import Atom, Completion, Data, command, read_response, string
from adapters.managesieve.wire import MAX_LITERAL, Wire

_MAX_LINES: Final = 10_000
_MAX_ROUNDS: Final = 10  # of a SASL exchange


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the server listens and how it is spoken to. Times in seconds.

    ssl_context: what its certificate is checked with; None for the system's authorities.
    """

    host: str
    port: int = 4190
    tls: Literal["implicit", "starttls", "none"] = "starttls"
    ssl_context: ssl.SSLContext | None = None
    connect_timeout: float = 10.0
    command_timeout: float = 60.0


# Response codes (RFC 5804 §1.3) of a NO or BYE -> error.
_CODES: Final[Mapping[str, type[AdapterError]]] = {
    "AUTH-TOO-WEAK": Unsupported,
    "ENCRYPT-NEEDED": Unsupported,
    "TRANSITION-NEEDED": AuthFailed,
    "QUOTA": OverQuota,
    "QUOTA/MAXSCRIPTS": OverQuota,
    "QUOTA/MAXSIZE": TooLarge,
    "REFERRAL": Unavailable,
    "TRYLATER": Unavailable,
    "ACTIVE": Conflict,
    "ALREADYEXISTS": Conflict,
    "NONEXISTENT": NotFound,
}


class Refused(Forbidden):
    """A NO without a response code that says why. `text`: the server's words."""

    def __init__(self, text: str) -> None:
        super().__init__(f"the server refused: {text}")
        self.text = text


class Connection:
    """A connection that has logged in. After any error but a NO it is closed and must be replaced."""

    def __init__(self, wire: Wire, endpoint: Endpoint) -> None:
        self._wire = wire
        self._endpoint = endpoint
        self.capabilities: Mapping[str, str] = {}

    @classmethod
    async def open(cls, endpoint: Endpoint, credentials: Credentials) -> "Connection":
        """Connect, secure and log in. Raises AuthFailed, Unavailable, Unsupported (no mechanism in common)."""
        return await cls._opened(endpoint, credentials)

    @classmethod
    async def offer(cls, endpoint: Endpoint) -> Mapping[str, str]:
        """The capabilities (RFC 5804 §1.7) that strangers are told. Raises Unavailable."""
        connection = await cls._opened(endpoint, None)
        await connection.close()
        return connection.capabilities

    @classmethod
    async def _opened(cls, endpoint: Endpoint, credentials: Credentials | None) -> "Connection":
        try:
            async with asyncio.timeout(endpoint.connect_timeout):
                implicit = _context(endpoint) if endpoint.tls == "implicit" else None
                wire = await Wire.connect(endpoint.host, endpoint.port, implicit)
                connection = cls(wire, endpoint)
                try:
                    await connection._begin(credentials)
                except BaseException:
                    wire.abort()
                    raise
        except TimeoutError as error:
            raise Unavailable(f"{endpoint.host}:{endpoint.port} did not answer in time") from error
        return connection

    @property
    def usable(self) -> bool:
        """Whether commands can still be sent."""
        return not self._wire.lost

    async def run(self, *octets: bytes) -> list[Data]:
        """Send a command and read all that is said until its OK.

        Raises Refused and the errors of the response codes, which leave the connection usable; Unavailable.
        """
        try:
            async with asyncio.timeout(self._endpoint.command_timeout):
                for piece in octets:
                    self._wire.write(piece)
                data, completion = await self._read()
        except TimeoutError as error:
            self._wire.abort()
            raise Unavailable("the server did not answer in time") from error
        except BaseException:  # cancelled or broken half-way: what comes next would answer something else
            self._wire.abort()
            raise
        _raise_for(completion)
        return data

    async def close(self) -> None:
        """Log out without waiting for the answer."""
        if not self._wire.lost:
            try:
                self._wire.write(command("LOGOUT"))
            except Unavailable:
                return
            self._wire.close()

    async def _begin(self, credentials: Credentials | None) -> None:
        await self._learn()
        if self._endpoint.tls == "starttls":
            await self._start_tls(_context(self._endpoint))
        if credentials is None:
            return
        await self._authenticate(credentials)
        # RFC 5804 §1.7: OWNER, MAXREDIRECTS and more may be known only now.
        self._wire.write(command("CAPABILITY"))
        await self._learn()

    async def _start_tls(self, context: ssl.SSLContext) -> None:
        if "STARTTLS" not in self.capabilities:
            raise Unavailable("the server does not offer STARTTLS")
        self._wire.write(command("STARTTLS"))
        _, completion = await self._read()
        _raise_for(completion)
        self.capabilities = {}  # RFC 5804 §2.2: what was said in clear is forgotten
        await self._wire.start_tls(context, self._endpoint.host)
        await self._learn()  # RFC 5804 §2.2: sent without being asked for

    async def _learn(self) -> None:
        """Read a capability response (RFC 5804 §1.7)."""
        data, completion = await self._read()
        _raise_for(completion)
        found: dict[str, str] = {}
        for line in data:
            value = line.rest[0] if line.rest else b""
            found[_text(line.value).upper()] = _text(value) if isinstance(value, bytes) else ""
        self.capabilities = found

    async def _authenticate(self, credentials: Credentials) -> None:
        offered = self.capabilities.get("SASL", "").upper().split()
        address = (self._endpoint.host, self._endpoint.port)
        for name in choices(credentials, encrypted=self._endpoint.tls != "none"):
            if name != "LOGIN" and name in offered:
                await self._exchange(mechanism(name, credentials, address))
                return
        raise Unsupported("no authentication mechanism in common with the server")

    async def _exchange(self, exchange: Mechanism) -> None:
        initial = string(base64.b64encode(exchange.initial()))
        self._wire.write(command("AUTHENTICATE", string(exchange.name.encode()), initial))
        for _ in range(_MAX_ROUNDS):
            said = await read_response(self._wire)
            if isinstance(said, Data):
                answer = await asyncio.to_thread(exchange.respond, _challenge(said.value))
                self._wire.write(string(base64.b64encode(answer)) + b"\r\n")
                continue
            if said.status == "NO" and said.code not in _CODES:
                raise AuthFailed("the server refused the credentials")
            _raise_for(said)
            if said.code == "SASL":  # RFC 5804 §2.1: the last challenge may come with the OK
                await asyncio.to_thread(exchange.respond, _challenge(said.argument))
            exchange.finish()
            return
        raise Unavailable("the server does not end the SASL exchange")

    async def _read(self) -> tuple[list[Data], Completion]:
        data: list[Data] = []
        octets = 0
        while True:
            said = await read_response(self._wire)
            if isinstance(said, Completion):
                return data, said
            data.append(said)
            octets += len(said.value)
            if len(data) > _MAX_LINES or octets > 2 * MAX_LITERAL:
                raise Unavailable("the server's answer has no end")


def _context(endpoint: Endpoint) -> ssl.SSLContext:
    return endpoint.ssl_context or ssl.create_default_context()


def _raise_for(completion: Completion) -> None:
    if completion.status == "OK":
        return
    error = _CODES.get(completion.code)
    if error is not None:
        raise error(f"{completion.status} ({completion.code})")
    if completion.status == "BYE":
        raise Unavailable("the server said goodbye")
    raise Refused(completion.text)


def _challenge(value: bytes) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise Unavailable("a challenge that is not base64") from None


def _text(value: bytes) -> str:
    return value.decode(errors="replace")


def is_active(line: Data) -> bool:
    """Whether a line of LISTSCRIPTS names the active script (RFC 5804 §2.7)."""
    return any(isinstance(token, Atom) and token.text.upper() == "ACTIVE" for token in line.rest)
