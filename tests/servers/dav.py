"""The CalDAV servers of the tests under one roof, and another client to look behind the gateway's back."""

import asyncio
import imaplib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.servers.fixtures import require

CLIENT = Path(__file__).parents[2] / ".venvs" / "caldav" / "bin" / "python"
SCRIPT = Path(__file__).parents[1] / "clients" / "caldav_client.py"


@dataclass(frozen=True)
class DavServer:
    """A CalDAV server as one login sees it."""

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
        argv = [str(CLIENT), str(SCRIPT), self.url, self.user, self.password, *words]
        process = await asyncio.create_subprocess_exec(*argv, stdout=-1, stderr=-1)
        output, errors = await asyncio.wait_for(process.communicate(), 60)
        assert process.returncode == 0, errors.decode()
        return json.loads(output)


def wake(host: str, port: int, user: str, password: str) -> None:
    """A first login by IMAP: only that brings a user of Cyrus into being."""
    imap = imaplib.IMAP4(host, port)
    imap.login(user, password)
    imap.logout()
