"""A JMAP client that costs next to nothing: prepared octets out, octets back, no parsing but of the length."""

import base64
import json
import re
import selectors
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from tests.bench.imap_floor import fast_socket, quick_acknowledge
from tests.client import CORE, MAIL
from tests.servers.users import User

_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)

Call = tuple[str, dict[str, Any]]


@dataclass(frozen=True)
class Target:
    """A JMAP server and one user of it. `path` is the API's, `using` the capabilities of its requests."""

    host: str
    port: int
    path: str
    user: User
    account: str
    using: tuple[str, ...] = (CORE, MAIL)

    def request(self, *calls: Call) -> bytes:
        """The octets of an API request; `accountId` is added."""
        numbered = [[name, {"accountId": self.account} | given, f"c{i}"] for i, (name, given) in enumerate(calls)]
        body = json.dumps({"using": self.using, "methodCalls": numbered}).encode()
        return _head("POST", self.path, self.host, self.user, len(body)) + body


class Http:
    """One connection that is kept alive."""

    def __init__(self, host: str, port: int) -> None:
        self.socket = fast_socket(host, port)

    def close(self) -> None:
        """Hang up."""
        self.socket.close()

    def send(self, request: bytes) -> bytes:
        """The body of the answer. Raises AssertionError unless it is a 200."""
        self.socket.sendall(request)
        received = bytearray()
        while (body := complete(received)) is None:
            piece = self.socket.recv(262_144)
            if not piece:
                raise ConnectionError("the server hung up")
            quick_acknowledge(self.socket)
            received += piece
        return body

    def call(self, target: Target, *calls: Call) -> list[dict[str, Any]]:
        """The arguments of the answers. Raises AssertionError where one is an error."""
        answers = json.loads(self.send(target.request(*calls)))["methodResponses"]
        assert all(name != "error" for name, _, _ in answers), answers
        return [given for _, given, _ in answers]


def complete(received: bytes | bytearray) -> bytes | None:
    """The body, once all of it is there. Raises AssertionError unless the status is 200."""
    end = received.find(b"\r\n\r\n")
    if end < 0:
        return None
    assert received.startswith(b"HTTP/1.1 200"), bytes(received)
    found = _LENGTH.search(received, 0, end + 2)
    assert found, "an answer without a length"
    stop = end + 4 + int(found[1])
    return bytes(received[end + 4 : stop]) if len(received) >= stop else None


def get(url: str, user: User) -> bytes:
    """The octets of a GET."""
    parts = urlsplit(url)
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    return _head("GET", path, parts.hostname or "", user, 0)


def target(session_url: str, user: User, http: Http | None = None) -> Target:
    """Fetch the session."""
    parts = urlsplit(session_url)
    assert parts.hostname
    assert parts.port
    http = http or Http(parts.hostname, parts.port)
    session = json.loads(http.send(get(session_url, user)))
    api = urlsplit(session["apiUrl"]).path
    return Target(parts.hostname, parts.port, api, user, session["primaryAccounts"][MAIL])


def per_second(target: Target, request: bytes, connections: int, seconds: float) -> float:
    """Answers per second on so many connections, each of which sends again when it was answered."""
    selector = selectors.DefaultSelector()
    received: dict[socket.socket, bytearray] = {}
    for _ in range(connections):
        one = fast_socket(target.host, target.port)
        received[one] = bytearray()
        selector.register(one, selectors.EVENT_READ, one)
        one.sendall(request)
    done, started = 0, time.perf_counter()
    while (now := time.perf_counter()) < started + seconds:
        for key, _ in selector.select(1.0):
            one = key.data
            received[one] += one.recv(262_144)
            quick_acknowledge(one)
            if complete(received[one]) is not None:
                done += 1
                received[one].clear()
                one.sendall(request)
    for one in received:
        one.close()
    return done / (now - started)


def times(http: Http, requests: Sequence[bytes]) -> list[float]:
    """Seconds per request, one after the other."""
    taken = []
    for request in requests:
        started = time.perf_counter()
        http.send(request)
        taken.append(time.perf_counter() - started)
    return taken


def _head(method: str, path: str, host: str, user: User, length: int) -> bytes:
    credentials = base64.b64encode(f"{user.name}:{user.password}".encode()).decode()
    return (
        f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Basic {credentials}\r\n"
        f"Content-Type: application/json\r\nAccept: application/json\r\nContent-Length: {length}\r\n\r\n"
    ).encode()
