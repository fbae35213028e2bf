"""A borrowed connection and the folder that it is to work in."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from adapters.errors import Conflict, NotFound
from adapters.imap.connection import Connection
from adapters.imap.responses import Untagged

Result = TypeVar("Result")

SLOW_SECONDS: Final = 120.0  # a server may read every message before it answers a SEARCH
SILENT_SECONDS: Final = 30.0  # messages that were asked for come one by one


async def in_folder(
    connection: Connection,
    path: str,
    uid_validity: int | None,
    work: Callable[[Connection], Awaitable[Result]],
    *,
    strict: bool = False,
) -> Result:
    """`work` with the folder EXAMINEd. Raises Conflict where `strict` and the UIDVALIDITY is another, NotFound.

    A folder that the connection has held for long may have been replaced or deleted under it, so what does not fit is
    looked at again after a fresh EXAMINE.
    """
    if connection.selected == path and uid_validity in (None, connection.uid_validity):
        try:
            return await work(connection)
        except (Conflict, NotFound):
            pass
    await connection.select(path)
    if strict and connection.uid_validity != uid_validity:
        raise Conflict("UIDVALIDITY has changed")
    return await work(connection)


async def refresh(connection: Connection, *, same: bool = True) -> None:
    """Bring the selected mailbox up to date: NOOP (RFC 9051 §6.1.2), which must be answered before what relies on it.

    Dovecot only warns (`* NO`) where the mailbox was deleted, and goes on to show what it was: so EXAMINE it again.
    Raises NotFound; Conflict where another mailbox has taken its place and it was to be the `same`.
    """
    warnings: list[Untagged] = []
    undo = connection.on_unsolicited(lambda response: warnings.append(response) if response.name == b"NO" else None)
    try:
        await connection.command("NOOP")
    finally:
        undo()
    if not warnings or connection.selected is None:
        return
    before = connection.uid_validity
    await connection.select(connection.selected)
    if same and connection.uid_validity != before:
        raise Conflict("UIDVALIDITY has changed")


async def settled(connection: Connection, ask: Callable[[], Awaitable[Result]]) -> Result:
    """What `ask` tells of the selected mailbox, true as of this call, mostly in its own round trip.

    NOOP leaves together with it: if that brings no news, what was told stands; else it is asked again. For what costs
    the server little. Raises as `refresh` and `ask`.
    """
    news: list[Untagged] = []
    undo = connection.on_unsolicited(news.append)
    try:
        told, noop = await asyncio.gather(ask(), connection.command("NOOP"))
    finally:
        undo()
    if not news and not noop.untagged and noop.code is None:
        return told
    if any(response.name == b"NO" for response in news):
        await refresh(connection)
    return await ask()


async def pipelined(*commands: Awaitable[Result]) -> list[Result]:
    """Run commands in one write; raises the first error after all have been answered."""
    results = await asyncio.gather(*commands, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return [result for result in results if not isinstance(result, BaseException)]
