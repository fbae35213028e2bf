"""HTTP to one DAV server for one login: the only place of this room that touches the network."""

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import urljoin, urlsplit

import aiohttp
from yarl import URL

from adapters.dav.acknowledge import prompt_socket
from adapters.dav.bodies import MEDIA_TYPE
from adapters.dav.errors import refused
from adapters.dav.hrefs import canonical
from adapters.dav.multistatus import Entry, Multistatus, conditions_of, entries
from adapters.errors import InvalidData, TooLarge, Unavailable

MOST_HOPS: Final = 5
_PIECE: Final = 65_536
_SMALL: Final = 1 << 20
_READING: Final = frozenset({"OPTIONS", "GET", "HEAD", "PROPFIND", "REPORT"})
"""Methods that change nothing (RFC 9110 §9.2.1): may be sent again after the server closed an idle connection."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where and how to connect. url: origin and path where discovery starts. Times in seconds, sizes in octets.

    read_timeout: how long the server may stay silent; total_timeout: how long a whole answer may take.
    """

    url: str
    ssl_context: ssl.SSLContext | None = None
    connect_timeout: float = 10.0
    read_timeout: float = 60.0
    total_timeout: float = 300.0
    max_answer: int = 64 << 20
    connections: int = 4


@dataclass(frozen=True, slots=True)
class Credentials:
    """Either a password (Basic, RFC 7617) or a token (Bearer, RFC 6750)."""

    username: str
    password: str | None = None
    token: str | None = None

    def header(self) -> str:
        """The Authorization field. Raises InvalidData for a name with a colon or controls (RFC 7617 §2)."""
        if self.token is not None:
            if not self.token.isascii() or not self.token.isprintable() or " " in self.token:
                raise InvalidData("a token that no header field can hold")
            return f"Bearer {self.token}"
        pair = f"{self.username}:{self.password or ''}"
        if ":" in self.username or any(ord(char) < 32 or ord(char) == 127 for char in pair):
            raise InvalidData("a user name or password that Basic authentication cannot carry")
        return "Basic " + base64.b64encode(pair.encode()).decode()


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole small answer. path: canonical, after redirects. headers: names in lower case."""

    status: int
    path: str
    headers: Mapping[str, str]
    body: bytes


class DavConnection:
    """Requests to one origin with one login's credentials, over at most `Endpoint.connections` kept connections."""

    def __init__(self, endpoint: Endpoint, credentials: Credentials | None) -> None:
        """credentials: None for a look at what a server says to strangers."""
        self.endpoint = endpoint
        self._credentials = credentials
        self._origin = URL(endpoint.url).origin()
        self._session: aiohttp.ClientSession | None = None

    async def request(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Answer:
        """An answer read whole, at most 16 MB. Raises as `refused` says for status 300 and above, and Unavailable."""
        async with self._answer(method, path, body, headers or {}) as (response, final):
            content = b"".join(
                [piece async for piece in self._pieces(response, min(self.endpoint.max_answer, 16 << 20))]
            )
            return Answer(response.status, final, _headers(response), content)

    async def look(self, path: str) -> Answer:
        """What an OPTIONS is answered with, also if that is a refusal. Raises Unavailable."""
        async with self._response("OPTIONS", path, b"", {}) as (response, final):
            return Answer(response.status, final, _headers(response), b"")

    async def multistatus(
        self, method: str, path: str, body: bytes, depth: str | None = None, about: Multistatus | None = None
    ) -> AsyncIterator[Entry]:
        """The responses of a 207 as they arrive; RFC 4918 §13. Raises as `request`, also after the first entries."""
        headers = {} if depth is None else {"Depth": depth}
        async with self._answer(method, path, body, headers) as (response, _):
            if response.status != 207:
                raise Unavailable(f"{method}: status {response.status} instead of a multistatus")
            async for entry in entries(self._pieces(response, self.endpoint.max_answer), about):
                yield entry

    def url(self, path: str) -> str:
        """A canonical path as a full URL, as Destination wants it (RFC 4918 §10.3)."""
        return str(self._origin.with_path(path, encoded=True))

    async def close(self) -> None:
        """Drop all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    @asynccontextmanager
    async def _answer(
        self, method: str, path: str, body: bytes, headers: Mapping[str, str]
    ) -> AsyncIterator[tuple[aiohttp.ClientResponse, str]]:
        """A response below 300 whose body is still to be read, and the path that gave it."""
        async with self._response(method, path, body, headers) as (response, final):
            if response.status >= 300:
                raise refused(method, response.status, await self._conditions(response))
            yield response, final

    @asynccontextmanager
    async def _response(
        self, method: str, path: str, body: bytes, headers: Mapping[str, str]
    ) -> AsyncIterator[tuple[aiohttp.ClientResponse, str]]:
        """A response, whatever it says. What the network does becomes Unavailable."""
        try:
            response, final = await self._followed(method, path, body, headers)
            try:
                yield response, final
            finally:
                response.release()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unavailable(f"{method} {self._origin}: {type(error).__name__}") from error

    async def _followed(
        self, method: str, path: str, body: bytes, headers: Mapping[str, str]
    ) -> tuple[aiohttp.ClientResponse, str]:
        """Redirects are followed on this origin only: credentials and data go nowhere else."""
        for _ in range(MOST_HOPS + 1):
            response = await self._send(method, path, body, headers)
            location = response.headers.get("Location")
            if response.status not in {301, 302, 307, 308} or location is None:
                return response, path
            response.release()
            path = self._own_path(path, location)
        raise Unavailable(f"{method}: more than {MOST_HOPS} redirects")

    def _own_path(self, path: str, location: str) -> str:
        """The path of a redirect. A server behind a proxy may not know its own scheme and port: only the host counts.

        Raises Unavailable for another host.
        """
        target = urlsplit(urljoin(str(self._origin) + path, location))
        if (target.hostname or "").lower() != (self._origin.host or "").lower():
            raise Unavailable("the server redirects to another host")
        return canonical(target.path or "/")

    async def _send(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> aiohttp.ClientResponse:
        sent = {"Accept-Encoding": "identity"}
        if self._credentials is not None:
            sent["Authorization"] = self._credentials.header()
        if body and "Content-Type" not in headers:
            sent["Content-Type"] = MEDIA_TYPE
        url = self._origin.with_path(path, encoded=True)
        for attempt in (0, 1):
            try:
                return await self._open().request(
                    method, url, data=body or None, headers={**sent, **headers}, allow_redirects=False
                )
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
                if attempt or method not in _READING or isinstance(error, aiohttp.ClientConnectorError):
                    raise
        raise AssertionError  # the second attempt returns or raises

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            end = self.endpoint
            connector = aiohttp.TCPConnector(
                limit=end.connections,
                ssl=end.ssl_context if end.ssl_context is not None else True,
                socket_factory=prompt_socket,
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),  # a session of the server's would outlive the credentials
                auto_decompress=False,
                timeout=aiohttp.ClientTimeout(
                    total=end.total_timeout, sock_connect=end.connect_timeout, sock_read=end.read_timeout
                ),
            )
        return self._session

    @staticmethod
    async def _pieces(response: aiohttp.ClientResponse, most: int) -> AsyncIterator[bytes]:
        """The body in pieces. Raises TooLarge beyond `most` octets; Unavailable for an encoding nobody asked for."""
        if response.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise Unavailable("the server compresses although it was asked not to")
        size = 0
        async for piece in response.content.iter_chunked(_PIECE):
            size += len(piece)
            if size > most:
                response.close()
                raise TooLarge("the server's answer is larger than allowed")
            yield piece
            await asyncio.sleep(0)

    async def _conditions(self, response: aiohttp.ClientResponse) -> frozenset[str]:
        if "xml" not in response.headers.get("Content-Type", ""):
            return frozenset()
        try:
            return conditions_of(b"".join([piece async for piece in self._pieces(response, _SMALL)]))
        except (TooLarge, Unavailable):
            return frozenset()


def _headers(response: aiohttp.ClientResponse) -> dict[str, str]:
    """Names in lower case; fields that come several times are joined (RFC 9110 §5.3)."""
    return {name.lower(): ", ".join(response.headers.getall(name)) for name in response.headers}


def clock(date: str | None) -> float | None:
    """Seconds since 1970 of a Date field (RFC 9110 §6.6.1)."""
    try:
        return None if date is None else parsedate_to_datetime(date).timestamp()
    except ValueError:
        return None
