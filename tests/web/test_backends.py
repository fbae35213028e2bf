"""Opening logins at a mail server: who may share what (gateway/backends.py)."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from adapters.errors import AuthFailed, Unavailable
from gateway.backends import MailBackends
from gateway.config import Config
from gateway.objects.mail.capability import MAIL
from gateway.store.sqlite import SqliteStore
from gateway.web.credentials import Credentials, from_authorization
from gateway.web.logins import Opened
from gateway.web.metrics import Meters
from tests.waiting import until
from tests.web.gateway import basic, configuration
from tests.web.imap import Imap, imap_server


@contextlib.asynccontextmanager
async def backends(**keys: str) -> AsyncIterator[tuple[MailBackends, Imap, Config]]:
    async with imap_server("one") as imap:
        here = {
            "backends__default__imap__host": "127.0.0.1",
            "backends__default__imap__port": str(imap.port),
            "backends__default__imap__tls": "none",
        }
        config = configuration(**(here | keys))
        store = SqliteStore()
        try:
            yield MailBackends(config, store, Meters()), imap, config
        finally:
            await store.close()


def credentials(config: Config, word: str = "one", name: str = "alice") -> Credentials:
    return from_authorization(basic(name, word), config.auth)


def mail(opened: Opened) -> Any:
    (account,) = opened.login.accounts.values()
    return account.mail


async def test_two_passwords_of_one_user_share_the_mail_once_both_are_proven() -> None:
    async with backends() as (found, imap, config):
        first = await found.open(credentials(config))
        with pytest.raises(AuthFailed):
            await found.open(credentials(config, "guess"))
        imap.passwords.add("two")
        second = await found.open(credentials(config, "two"))
        assert mail(first) is mail(second)
        assert imap.logins == 2
        port = mail(first).port
        imap.passwords.remove("one")
        await first.close()  # the connections that were made with it go, the other password's stay
        assert mail(second).port is not port
        await second.close()
        await until(lambda: imap.open == 0)


async def test_a_refused_password_closes_its_connections() -> None:
    async with backends() as (found, imap, config):
        opened = await found.open(credentials(config))
        assert imap.open == 1
        await opened.close()
        await until(lambda: imap.open == 0)


async def test_a_login_that_is_given_up_half_way_holds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async with backends() as (found, _, config):

        async def given_up(*_: Any) -> None:
            raise asyncio.CancelledError

        with monkeypatch.context() as patched:
            patched.setattr(found, "_scripts", given_up)
            with pytest.raises(asyncio.CancelledError):
                await found.open(credentials(config))
        assert found._owners._owners == {}
        opened = await found.open(credentials(config))
        await opened.close()
        assert found._owners._owners == {}


@contextlib.asynccontextmanager
async def dav_server(*, silent: bool) -> AsyncIterator[tuple[str, set[asyncio.StreamWriter]]]:
    """The URL of a server that has nothing, or never answers, and the connections to it that are open."""
    connections: set[asyncio.StreamWriter] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.add(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = re.search(rb"(?i)content-length: *(\d+)", head)
                await reader.readexactly(int(length[1]) if length else 0)
                if not silent:
                    writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        connections.discard(writer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", connections


def dav_keys(url: str) -> dict[str, str]:
    return {f"backends__default__{kind}__url": url for kind in ("caldav", "carddav")}


def dav_held(found: MailBackends) -> list[int]:
    """How many logins hold each owner's calendars, and contacts."""
    calendars, contacts = found._calendars._shared.values(), found._contacts._shared.values()
    return [*(len(one.login.holders) for one in calendars), *(len(one.login.holders) for one in contacts)]


async def test_a_login_that_is_given_up_while_dav_servers_are_asked_ends_their_connections() -> None:
    async with dav_server(silent=True) as (url, connections), backends(**dav_keys(url)) as (found, imap, config):
        opening = asyncio.create_task(found.open(credentials(config)))
        await until(lambda: len(connections) == 2)
        assert dav_held(found) == [1, 1]
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        assert dav_held(found) == []
        await until(lambda: not connections and imap.open == 0)


@pytest.mark.parametrize("step", ["_scripts", "_account"], ids=["before", "after"])
async def test_a_login_that_fails_beside_the_dav_servers_ends_its_own_hold(
    monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    async with dav_server(silent=False) as (url, connections), backends(**dav_keys(url)) as (found, _, config):

        def fail(*_: Any) -> None:
            raise ZeroDivisionError

        async def open_in_vain() -> None:
            with monkeypatch.context() as patched, pytest.raises(ZeroDivisionError):
                patched.setattr(found, step, fail)
                await found.open(credentials(config))

        await open_in_vain()
        assert dav_held(found) == []
        await until(lambda: not connections)
        opened = await found.open(credentials(config))
        await open_in_vain()  # by equal credentials
        assert dav_held(found) == [1, 1]
        await opened.close()
        assert dav_held(found) == []
        await until(lambda: not connections)


async def test_a_dav_server_that_fails_waits_for_the_other_one(monkeypatch: pytest.MonkeyPatch) -> None:
    async with dav_server(silent=True) as (url, connections), backends(**dav_keys(url)) as (found, _, config):

        async def fail(*_: Any) -> None:
            await until(lambda: len(connections) == 1)
            raise ZeroDivisionError

        monkeypatch.setattr(found._contacts, "open", fail)
        with pytest.raises(ExceptionGroup):
            await found.open(credentials(config))
        assert dav_held(found) == []
        await until(lambda: not connections)


async def test_proving_again_keeps_the_mail() -> None:
    async with backends() as (found, _, config):
        first = await found.open(credentials(config))
        again = await found.open(credentials(config))
        assert mail(first) is mail(again)
        port = mail(first).port
        await first.close()
        assert mail(again).port is port
        await again.close()


async def test_newer_credentials_replace_those_that_nobody_proves_any_more() -> None:
    async with backends(auth__cache_seconds="0") as (found, imap, config):
        imap.passwords.add("two")
        first = await found.open(credentials(config))
        port = mail(first).port
        second = await found.open(credentials(config, "two"))
        assert mail(second).port is not port
        await first.close()
        await second.close()
        await until(lambda: imap.open == 0)


async def test_users_do_not_share() -> None:
    async with backends() as (found, _, config):
        alice = await found.open(credentials(config))
        bob = await found.open(credentials(config, name="bob"))
        assert mail(alice) is not mail(bob)
        assert alice.login.primary[MAIL] != bob.login.primary[MAIL]
        await alice.close()
        await bob.close()


async def test_account_ids_are_the_same_for_ever() -> None:
    ids = set()
    for _ in range(2):
        async with backends() as (found, _, config):
            opened = await found.open(credentials(config))
            ids.add(opened.login.primary[MAIL])
            await opened.close()
    assert len(ids) == 1


async def test_no_backend_for_a_domain_is_no_login() -> None:
    async with backends(**{"domains__example.org": "default"}) as (found, imap, config):
        with pytest.raises(AuthFailed):
            await found.open(credentials(config, name="alice@example.net"))
        assert imap.waiting == 0


async def test_an_outage_is_not_a_refusal() -> None:
    async with backends(backends__default__imap__port="1") as (found, _, config):
        with pytest.raises(Unavailable):
            await found.open(credentials(config))
