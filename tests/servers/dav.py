"""The DAV servers of the tests under one roof, and another client to look behind the gateway's back."""

import asyncio
import atexit
import imaplib
import json
import subprocess
import tempfile
import threading
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, Any

import pytest

from gateway.demo.radicale import Radicale
from tests.servers.cyrus import Cyrus
from tests.servers.fixtures import require
from tests.servers.users import fresh_user
from tests.servers.xandikos import USER, Xandikos

SERVERS = ("radicale", "xandikos", "cyrus")

CLIENT = Path(__file__).parents[2] / ".venvs" / "caldav" / "bin" / "python"
SCRIPT = Path(__file__).parents[1] / "clients" / "caldav_client.py"


@dataclass(frozen=True)
class DavServer:
    """A CalDAV and CardDAV server as one login sees it."""

    name: str
    url: str
    user: str
    password: str

    async def resources(self, calendar: str) -> dict[str, str]:
        """What the library `caldav` finds in a calendar (path from the root): name of a resource -> iCalendar."""
        found: dict[str, str] = await self._run("read", calendar)
        return found

    async def put(self, calendar: str, name: str, data: str) -> None:
        """Store a resource with `caldav`, whatever was there."""
        await self._run("put", calendar, name, data)

    async def remove(self, calendar: str, name: str) -> None:
        """Delete a resource with `caldav`."""
        await self._run("remove", calendar, name)

    async def properties(self, calendar: str) -> dict[str, str | None]:
        """Display name and colour of a calendar, as `caldav` reads them."""
        found: dict[str, str | None] = await self._run("properties", calendar)
        return found

    async def _run(self, *words: str) -> Any:
        require("caldav", CLIENT.exists(), "is not in .venvs/caldav (bin/test)")
        return await asyncio.to_thread(_client().ask, self.url, self.user, self.password, *words)


class _Client:
    """The process of `caldav`: one for all, for to start it takes longer than what it is asked for."""

    def __init__(self, errors: IO[str]) -> None:
        self._errors = errors
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [CLIENT, SCRIPT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True
        )

    def ask(self, *words: str) -> Any:
        """The answer to one line."""
        asked, answers = self._process.stdin, self._process.stdout
        assert asked is not None
        assert answers is not None
        with self._lock:
            asked.write(json.dumps(words) + "\n")
            asked.flush()
            answer = json.loads(answers.readline() or "null")
        assert answer is not None, self._told()
        return answer

    def close(self) -> None:
        """End it."""
        self._process.communicate()
        self._errors.close()

    def _told(self) -> str:
        self._errors.seek(0)
        return self._errors.read()


@cache
def _client() -> _Client:
    client = _Client(tempfile.TemporaryFile("w+"))  # noqa: SIM115 - it is closed by its client
    atexit.register(client.close)
    return client


def wake(host: str, port: int, user: str, password: str) -> None:
    """A first login by IMAP: only that brings a user of Cyrus into being."""
    imap = imaplib.IMAP4(host, port)
    imap.login(user, password)
    imap.logout()


def login(request: pytest.FixtureRequest, name: str) -> DavServer:
    """A server by name, started if need be, and a user of its."""
    server = request.getfixturevalue(name)
    if isinstance(server, Cyrus):
        user = fresh_user(server)
        wake(server.host, server.imap, *user)
        return DavServer(name, f"http://{server.host}:{server.http}", *user)
    if isinstance(server, Xandikos):
        return DavServer(name, server.url, USER, "unused")
    assert isinstance(server, Radicale)
    return DavServer(name, server.url, "alice", _password(server))


def _password(server: Radicale) -> str:
    """alice's, as the file of users has it."""
    lines = (server.directory / "users").read_text().splitlines()
    return dict(line.split(":", 1) for line in lines)["alice"]
