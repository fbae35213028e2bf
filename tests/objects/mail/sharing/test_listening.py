"""Who listens hears of what others share with him meanwhile, by WebSocket and by push (RFC 8620 §7)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from gateway.demo.dovecot_config import TlsFiles
from gateway.push import pusher
from gateway.web import event_source, websocket
from tests.client import jmap_client
from tests.gateway import running_gateway
from tests.objects.mail.sharing.conftest import Owner, Visitor
from tests.objects.mail.test_push import state_event
from tests.push.conftest import read, subscribe
from tests.servers.dovecot import Dovecot
from tests.servers.imap_client import imap_client
from tests.servers.push_service import push_service
from tests.servers.users import fresh_user


async def test_a_websocket_hears_of_new_accounts(bob: Owner, visitor: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "PROOF_SECONDS", 0.2)
    bob.keep("Team", "first")
    url = visitor.jmap.session["capabilities"]["urn:ietf:params:jmap:websocket"]["url"]
    async with visitor.jmap.http.ws_connect(url, protocols=("jmap",)) as socket, asyncio.timeout(30):
        await socket.send_json({"@type": "WebSocketPushEnable", "dataTypes": ["Email"]})
        await socket.send_json({"@type": "Request", "using": [], "methodCalls": []})
        assert (await socket.receive_json())["@type"] == "Response"
        bob.imap.share("Team", visitor.user.name, "lr")
        shared = await visitor.shared()
        async with writing(bob):
            while (told := await socket.receive_json())["changed"].keys() != {shared}:
                pass
        assert set(told["changed"][shared]) == {"Email"}


async def test_an_event_stream_ends_when_there_are_other_accounts(
    bob: Owner, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client comes again, and hears of all of them."""
    monkeypatch.setattr(event_source, "PROOF_SECONDS", 0.2)
    bob.keep("Team", "first")
    url = visitor.jmap.session["eventSourceUrl"]
    for name, value in {"types": "Email", "closeafter": "no", "ping": "0"}.items():
        url = url.replace(f"{{{name}}}", value)
    async with asyncio.timeout(30):
        async with visitor.jmap.http.get(url) as response:
            assert b"connected" in await response.content.readline()
            bob.imap.share("Team", visitor.user.name, "lr")
            await response.content.read()
        shared = await visitor.shared()
        async with visitor.jmap.http.get(url) as response, writing(bob):
            while shared not in (await state_event(response))["changed"]:
                pass


async def test_pushes_are_of_new_accounts_too(
    dovecot_shared: Dovecot, tls_files: TlsFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pusher, "PROOF_SECONDS", 0.2)
    alice, bob = fresh_user(dovecot_shared), fresh_user(dovecot_shared)
    keys = {
        "push__ca_file": str(tls_files.authority),
        "push__poll_seconds": "1",
        "push__contact": "mailto:postmaster@example.org",
        "egress__networks": "127.0.0.0/8",
        "auth__cache_seconds": "0",
    }
    async with (
        push_service(tls_files) as service,
        running_gateway(dovecot_shared, **keys) as url,
        jmap_client(url, *alice) as jmap,
        asyncio.timeout(30),
    ):
        await subscribe(jmap, service, types=["Email"])
        with imap_client(dovecot_shared, bob) as client:
            owner = Owner(bob, client)
            owner.keep("Team", "first")
            client.share("Team", alice.name, "lr")
            async with writing(owner):
                while (changed := read(await service.next())["changed"]).keys() <= {jmap.account}:
                    pass
    assert all(set(states) == {"Email"} for states in changed.values())


@asynccontextmanager
async def writing(owner: Owner) -> AsyncIterator[None]:
    """Messages arrive in the Team: only what changes from some moment on is told."""
    enough = asyncio.Event()

    async def write() -> None:
        number = 0
        while not enough.is_set():
            number += 1
            await asyncio.to_thread(owner.keep, "Team", f"more {number}")
            await asyncio.sleep(0.2)

    task = asyncio.create_task(write())
    try:
        yield
    finally:  # a thread cannot be cancelled: the next one to use the connection waits for it
        enough.set()
        await task
