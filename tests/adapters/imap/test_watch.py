"""Hints of changes: NOTIFY on Dovecot, IDLE on the others."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from adapters.errors import Unavailable, Unsupported
from tests.adapters.imap.mailboxes import Tier, opened, simple
from tests.servers.imap_client import imap_client
from tests.servers.users import fresh_user


async def hinted(hints: AsyncIterator[None]) -> None:
    async with asyncio.timeout(20):
        await anext(hints)


async def test_what_others_do_is_hinted(tier: Tier) -> None:
    user = fresh_user(tier.server)
    with imap_client(tier.server, user) as client:
        client.append("INBOX", simple(1))
        client.create("Work")
        async with opened(tier, user) as mail:
            await mail.folders()
            if mail.watched == "nothing":
                assert tier.name == "plain"
                with pytest.raises(Unsupported):
                    await hinted(mail.hints())
                return
            everything = mail.watched == "everything"
            async with aclosing(mail.hints()) as hints:
                await hinted(hints)
                client.append("INBOX", simple(2))
                await hinted(hints)
                client.select("INBOX")
                client.flag("INBOX", client.uids("INBOX")[0], "+FLAGS", "\\Flagged")
                await hinted(hints)
                if everything:
                    client.append("Work", simple(3))
                    await hinted(hints)
                    client.create("Play")
                    await hinted(hints)
            # nothing of the watch is left on the connections that work goes on with
            assert len(await mail.folders()) >= 2


async def test_a_burst_is_one_hint(dovecot_tier: Tier) -> None:
    user = fresh_user(dovecot_tier.server)
    with imap_client(dovecot_tier.server, user) as client:
        async with opened(dovecot_tier, user) as mail, aclosing(mail.hints()) as hints:
            await hinted(hints)
            for number in range(20):
                client.append("INBOX", simple(number))
            await asyncio.sleep(2)  # for the server to tell
            count = 0
            with pytest.raises(TimeoutError):
                while True:
                    async with asyncio.timeout(2):
                        await anext(hints)
                    count += 1
            assert 1 <= count < 20


async def test_closing_the_port_ends_the_watch(dovecot_tier: Tier) -> None:
    user = fresh_user(dovecot_tier.server)
    async with opened(dovecot_tier, user) as mail, aclosing(mail.hints()) as hints:
        await hinted(hints)
        waiting = asyncio.ensure_future(hinted(hints))
        await asyncio.sleep(0)
        await mail.close()
        with pytest.raises(Unavailable):
            await waiting
