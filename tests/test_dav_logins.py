"""Logins of one owner at a DAV server: how often it is asked, and who waits for the answer."""

import asyncio
from dataclasses import replace

from adapters.dav.connection import Credentials
from adapters.errors import Unavailable
from gateway.dav_logins import DavLogin

ONE = Credentials("alice", password="one")
TWO = Credentials("alice", password="two")


async def _connect(credentials: Credentials) -> None:
    raise AssertionError(credentials)  # those that are in use were proven just now


async def test_who_comes_while_the_server_is_asked_has_its_answer() -> None:
    login, answers = DavLogin("CardDAV", ONE, 60), asyncio.Event()
    asked = []

    async def learn() -> None:
        asked.append(login.answered)
        await answers.wait()

    async def prove(credentials: Credentials) -> tuple[bool, bool]:
        return await login.prove(credentials, _connect, learn), login.answered

    first, second = asyncio.create_task(prove(ONE)), asyncio.create_task(prove(TWO))
    await asyncio.sleep(0)
    answers.set()
    assert [await first, await second] == [(True, True), (False, True)]
    assert asked == [False]


async def test_silence_is_believed_for_a_while() -> None:
    login = DavLogin("CardDAV", ONE, 60)
    asked = []

    async def learn() -> None:
        asked.append(1)
        raise Unavailable

    assert await login.prove(ONE, _connect, learn)
    assert not await login.prove(ONE, _connect, learn)
    assert (login.answered, asked) == (False, [1])


async def test_a_login_that_is_cancelled_says_nothing_of_the_server() -> None:
    login = DavLogin("CardDAV", ONE, 60)
    asked = []

    async def learn() -> None:
        asked.append(1)
        if len(asked) == 1:
            await asyncio.Event().wait()

    first = asyncio.create_task(login.prove(ONE, _connect, learn))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait([first])
    assert await login.prove(ONE, _connect, learn)
    assert (login.answered, asked) == (True, [1, 1])


async def test_equal_credentials_of_another_login_are_another_hold() -> None:
    login = DavLogin("CardDAV", ONE, 60)
    mine, equal = replace(ONE), replace(ONE)
    login.holders.append(mine)
    assert not login.let_go(equal)
    assert login.holders == [mine]
    login.holders.append(equal)
    assert not login.let_go(equal)
    assert not login.let_go(equal)
    assert login.let_go(mine)
