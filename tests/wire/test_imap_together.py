"""Commands that leave in one write and are waited for as one."""

import asyncio

import pytest

from adapters.errors import NotFound
from adapters.imap import encoder as e
from adapters.imap.commands import Pending
from adapters.imap.connection import Connection
from adapters.imap.errors import ConnectionLost
from tests.wire.scripted import ScriptedServer
from tests.wire.test_imap_faults import connect, script


def ask(connection: Connection) -> tuple[Pending, Pending]:
    with connection.together():
        return connection.ask("STATUS", (e.mailbox("a"), e.paren(e.atom("UNSEEN")))), connection.ask("NOOP", ())


ASKED = "C: A2 STATUS a (UNSEEN)\nC: A3 NOOP\n"


@pytest.mark.parametrize("turned", [False, True])
async def test_they_may_be_answered_in_any_order(turned: bool) -> None:
    answers = ["S: * STATUS a (UNSEEN 3)\nS: A2 OK first\n", "S: A3 OK second\n"]
    async with ScriptedServer(script(ASKED + "".join(answers[::-1] if turned else answers))) as server:
        connection = await connect(server.port)
        first, second = await connection.outcomes(*ask(connection))
        assert (first.text, second.text) == ("first", "second")
        assert [response.name for response in first.untagged] == [b"STATUS"]
        connection.abort()


async def test_the_first_error_is_raised_once_all_are_answered() -> None:
    """So that whoever goes on with the connection has nothing to do with them any more."""
    async with ScriptedServer(script(ASKED + "S: A2 NO [NONEXISTENT] x\nS: A3 OK x\nC: A4 NOOP\nS: A4 OK x")) as server:
        connection = await connect(server.port)
        with pytest.raises(NotFound):
            await connection.outcomes(*ask(connection))
        assert not connection.busy
        await connection.command("NOOP")
        connection.abort()


async def test_silence_ends_the_connection() -> None:
    async with ScriptedServer(script(ASKED + "S: A2 OK x\nWAIT")) as server:
        connection = await connect(server.port)
        connection._timeout = 0.05
        with pytest.raises(ConnectionLost):
            await connection.outcomes(*ask(connection))
        assert connection.closed


async def test_who_is_cancelled_leaves_the_connection_usable() -> None:
    text = ASKED + "WAIT\nS: A2 OK x\nS: A3 OK x\nC: A4 NOOP\nS: A4 OK still"
    async with ScriptedServer(script(text)) as server:
        connection = await connect(server.port)
        task = asyncio.ensure_future(connection.outcomes(*ask(connection)))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        server.go()
        assert (await connection.command("NOOP")).text == "still"
        connection.abort()


async def test_an_abandoned_command_that_is_never_answered_ends_the_connection() -> None:
    async with ScriptedServer(script(ASKED + "S: A2 OK x\nWAIT")) as server:
        connection = await connect(server.port)
        connection._timeout = 0.05
        task = asyncio.ensure_future(connection.outcomes(*ask(connection)))
        await asyncio.sleep(0)
        task.cancel()
        assert isinstance(await connection.wait_closed(), ConnectionLost)
