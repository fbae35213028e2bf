"""A command that is asked again and again: an answer that is what it was is taken for what it was, and no other."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from adapters.errors import NotFound
from adapters.imap import encoder as e
from adapters.imap.commands import Said
from adapters.imap.connection import Connection, Credentials, Endpoint
from adapters.imap.responses import Untagged
from tests.wire.scripted import ScriptedServer

HELLO = "S: * OK [CAPABILITY IMAP4rev1] hi\nC: A1 LOGIN u p\nS: A1 OK [CAPABILITY IMAP4rev1] in\n"
ALL = e.string(""), e.mailbox("*")
LISTED = (
    'S: * LIST () "/" one\nS: * STATUS one (MESSAGES 1)\nS: * LIST () "/" {3}\nS: t"o\nS: * STATUS x (MESSAGES 2)\n'
)
FIRST = f'C: A2 LIST "" "*"\n{LISTED}S: A2 OK x\n'


@asynccontextmanager
async def asked_once(script: str) -> AsyncIterator[tuple[Connection, Said, ScriptedServer]]:
    """A connection on which LIST was answered with `LISTED` as A2, and what is known of that."""
    async with ScriptedServer(HELLO + FIRST + script) as server:
        connection = await Connection.open(
            Endpoint("127.0.0.1", server.port, "none", command_timeout=5), Credentials("u", "p")
        )
        said = Said()
        await _list(connection, said)
        assert len(said.responses) == 4
        yield connection, said, server
        connection.abort()


async def _list(connection: Connection, said: Said) -> list[Untagged]:
    return (await connection.outcome(connection.ask("LIST", ALL, said=said), None)).untagged


async def test_the_same_answer_has_the_same_responses() -> None:
    again = f'C: A3 LIST "" "*"\n{LISTED}S: A3 OK x\nC: A4 LIST "" "*"\n{LISTED}S: A4 OK x'
    async with asked_once(again) as (connection, said, _):
        before = said.responses
        for _ in range(2):
            answer = await _list(connection, said)
            assert len(answer) == 4
            assert all(one is other for one, other in zip(answer, before, strict=True))


@pytest.mark.parametrize(
    ("answer", "names"),
    [
        ('S: * LIST () "/" one\nS: * STATUS one (MESSAGES 1)\n', ["one"]),
        (LISTED + 'S: * LIST () "/" three\n', ["one", 't"o', "three"]),
        ('S: * LIST () "/" zero\n' + LISTED, ["zero", "one", 't"o']),
        (LISTED.replace("MESSAGES 2", "MESSAGES 22"), ["one", 't"o']),
        (LISTED.replace('t"o', "two"), ["one", "two"]),
        ("", []),
    ],
    ids=["shorter", "longer", "behind another", "other numbers", "another literal", "none"],
)
async def test_another_answer_is_read(answer: str, names: list[str]) -> None:
    last = f'C: A3 LIST "" "*"\n{answer}S: A3 OK x\nC: A4 LIST "" "*"\n{answer}S: A4 OK x'
    async with asked_once(last) as (connection, said, _):
        first, second = await _list(connection, said), await _list(connection, said)
        assert [one.values[2] for one in first if one.name == b"LIST"] == [name.encode() for name in names]
        assert first == second


async def test_news_in_the_middle_are_told() -> None:
    one, two = LISTED.splitlines()[:2], LISTED.splitlines()[2:]
    async with asked_once("\n".join(['C: A3 LIST "" "*"', *one, "S: * 9 EXISTS", *two, "S: A3 OK x"])) as found:
        connection, said, _ = found
        news: list[Untagged] = []
        connection.on_unsolicited(news.append)
        assert await _list(connection, said) == said.responses
        assert len(said.responses) == 4
        assert [(one.number, one.name) for one in news] == [(9, b"EXISTS")]


async def test_the_answer_of_an_abandoned_command_is_not_the_next_ones() -> None:
    script = f'C: A3 LIST "" "*"\nC: A4 LIST "" "*"\n{LISTED}S: A3 OK x\nS: * LIST () "/" two\nS: A4 OK x'
    async with asked_once(script) as (connection, said, _):
        abandoned = asyncio.ensure_future(_list(connection, said))
        await asyncio.sleep(0)
        abandoned.cancel()
        answer = await _list(connection, said)
        assert [one.values[2] for one in answer] == [b"two"]


async def test_a_refusal_is_no_answer() -> None:
    script = f'C: A3 LIST "" "*"\n{LISTED}S: A3 NO [NONEXISTENT] x\nC: A4 LIST "" "*"\n{LISTED}S: A4 OK x'
    async with asked_once(script) as (connection, said, _):
        with pytest.raises(NotFound):
            await _list(connection, said)
        assert len(await _list(connection, said)) == 4
