"""The filtering port over ManageSieve: one connection per login, opened when needed, closed when idle."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from adapters.errors import InvalidData, Unavailable
from adapters.formats.sasl import Credentials
from adapters.managesieve.connection import Connection, Endpoint, Refused, is_active
from adapters.managesieve.syntax import command, is_name, script_name, string
from adapters.ports.filtering import FilteringFacts, InvalidScript, ScriptInfo

Result = TypeVar("Result")
Work = Callable[[Connection], Awaitable[Result]]

_CYRUS_IDLE: Final = 0.2
"""Cyrus 3.6 locks a user without scripts while a connection is open: other logins of the user hang."""
_CYRUS_NAME: Final = re.compile(r"[!#-\[\]-~][ !#-\[\]-~]*")  # ASCII without quotes and backslash, no space first


class SieveFilters:
    """Implements adapters.ports.filtering.FilteringPort. Commands of one login run one after the other."""

    def __init__(self, endpoint: Endpoint, credentials: Credentials, *, idle: float = 60.0) -> None:
        self._endpoint = endpoint
        self._credentials = credentials
        self._idle = idle
        self._lock = asyncio.Lock()
        self._connection: Connection | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._closing: asyncio.Task[None] | None = None

    async def facts(self) -> FilteringFacts:
        """What the server can do. Raises AuthFailed, Unavailable, Unsupported."""

        async def work(connection: Connection) -> FilteringFacts:
            return FilteringFacts(connection.capabilities)

        return await self._run(work)

    async def scripts(self) -> list[ScriptInfo]:
        """All scripts that can be named (LISTSCRIPTS)."""
        lines = await self._run(lambda connection: connection.run(command("LISTSCRIPTS")))
        listed = [ScriptInfo(line.value.decode(errors="replace"), is_active(line)) for line in lines]
        return [info for info in listed if is_name(info.name)]

    async def get(self, name: str) -> bytes:
        """A script's octets (GETSCRIPT). Raises NotFound."""
        sent = command("GETSCRIPT", script_name(name))
        try:
            lines = await self._run(lambda connection: connection.run(sent))
        except Refused:  # Cyrus 3.6: what somebody else replaced meanwhile only a new connection can read
            await self.close()
            lines = await self._run(lambda connection: connection.run(sent))
        if len(lines) != 1:
            raise Unavailable("GETSCRIPT was not answered by one script")
        return lines[0].value

    async def put(self, name: str, content: bytes) -> None:
        """Store a script (PUTSCRIPT). Raises InvalidScript, OverQuota, TooLarge, InvalidData (the name)."""
        sent = command("PUTSCRIPT", script_name(name), string(content))

        async def work(connection: Connection) -> object:
            _check_kept(connection, name)
            return await connection.run(sent)

        try:
            await self._run(work)
        except Refused as error:
            await self.check(content)  # the same NO means the name or the content
            raise InvalidData(f"the server does not take this script: {error.text}") from error

    async def check(self, content: bytes) -> None:
        """Have a script checked (CHECKSCRIPT, RFC 5804 §2.12). Raises InvalidScript."""
        sent = command("CHECKSCRIPT", string(content))
        try:
            await self._run(lambda connection: connection.run(sent))
        except Refused as error:
            raise InvalidScript(error.text) from error

    async def activate(self, name: str | None) -> None:
        """Make a script the active one, None for none (SETACTIVE). Raises NotFound."""
        sent = command("SETACTIVE", string(b"") if name is None else script_name(name))
        await self._run(lambda connection: connection.run(sent))

    async def rename(self, name: str, new: str) -> None:
        """Rename a script (RENAMESCRIPT). Raises NotFound, Conflict (exists), InvalidData (the new name)."""
        sent = command("RENAMESCRIPT", script_name(name), script_name(new))

        async def work(connection: Connection) -> object:
            _check_kept(connection, new)
            return await connection.run(sent)

        try:
            await self._run(work, again=False)
        except Refused as error:
            raise InvalidData(f"the server does not take this name: {error.text}") from error

    async def delete(self, name: str) -> None:
        """Delete a script (DELETESCRIPT). Raises NotFound, Conflict (it is active)."""
        sent = command("DELETESCRIPT", script_name(name))
        await self._run(lambda connection: connection.run(sent), again=False)

    async def close(self) -> None:
        """Log out."""
        async with self._lock:
            await self._drop()

    async def _run(self, work: Work[Result], *, again: bool = True) -> Result:
        """Do it on the connection; on a new one where the kept one broke, if doing it twice does no harm."""
        async with self._lock:
            self._stop_timer()
            try:
                connection = self._connection
                if connection is not None and connection.usable:
                    try:
                        return await work(connection)
                    except Unavailable:
                        if not again:
                            raise
                        await self._drop()
                self._connection = connection = await Connection.open(self._endpoint, self._credentials)
                return await work(connection)
            finally:
                self._start_timer()

    def _start_timer(self) -> None:
        if self._connection is not None:
            idle = min(self._idle, _CYRUS_IDLE) if _is_cyrus(self._connection) else self._idle
            self._timer = asyncio.get_running_loop().call_later(idle, self._expire)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _expire(self) -> None:
        self._closing = asyncio.create_task(self.close())

    async def _drop(self) -> None:
        self._stop_timer()
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()


def _is_cyrus(connection: Connection) -> bool:
    return connection.capabilities.get("IMPLEMENTATION", "").startswith("Cyrus")


def _check_kept(connection: Connection, name: str) -> None:
    """Cyrus 3.6 stores scripts under names that it cannot find or list, or under others. Raises InvalidData."""
    if _is_cyrus(connection) and not _CYRUS_NAME.fullmatch(name):
        raise InvalidData("Cyrus loses scripts of such a name")
