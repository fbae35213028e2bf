"""The event source resource (RFC 8620 §7.3)."""

import asyncio
import base64
import json
import logging
import secrets
import zlib

import aiohttp
import pytest

from gateway.push import feed
from gateway.store.base import MISSED
from gateway.web import event_source
from tests.waiting import until
from tests.web.gateway import Running, running


async def event(response: aiohttp.ClientResponse) -> dict[str, str]:
    """The next event: its fields."""
    fields: dict[str, str] = {}
    async with asyncio.timeout(5):
        while line := (await response.content.readline()).decode().rstrip("\n") or fields:
            if not isinstance(line, str):
                return fields
            name, _, value = line.partition(": ")
            if name in {"event", "data", "id"}:
                fields[name] = value
            elif name == "retry":
                assert await response.content.readline() == b"\n"
                return {"retry": value}
    return fields


def url(gateway: Running, types: str = "*", closeafter: str = "no", ping: str = "0") -> str:
    return f"{gateway.url}/jmap/eventsource?types={types}&closeafter={closeafter}&ping={ping}"


async def publish(gateway: Running, **states: str) -> None:
    await gateway.services.store.publish("account/Aalice", json.dumps(states).encode())


async def test_state_events() -> None:
    async with running() as gateway:
        async with gateway.http.get(url(gateway, "Email,Mailbox"), headers=gateway.auth()) as response:
            assert response.headers["Content-Type"] == "text/event-stream"
            assert response.headers["X-Accel-Buffering"] == "no"
            assert response.headers["Cache-Control"] == "no-store"
            assert "retry" in await event(response)
            await publish(gateway, Thread="e-1")
            await publish(gateway, Email="e-2", Thread="e-2")
            found = await event(response)
            assert found["event"] == "state"
            assert json.loads(found["data"]) == {"@type": "StateChange", "changed": {"Aalice": {"Email": "e-2"}}}
            first = found["id"]
            await publish(gateway, Mailbox="e-3")
            assert (await event(response))["id"] != first
        # what nobody shares is not told
        async with gateway.http.get(url(gateway, closeafter="state"), headers=gateway.auth("bob")) as response:
            await event(response)
            await publish(gateway, Email="e-9")
            await gateway.services.store.publish("account/Abob", b'{"Email":"b-1"}')
            assert json.loads((await event(response))["data"])["changed"] == {"Abob": {"Email": "b-1"}}
            assert await response.content.read() == b""  # closeafter=state


async def test_a_client_that_is_gone_is_no_fault(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with running() as gateway:
        async with gateway.http.get(url(gateway), headers=gateway.auth()) as response:
            await event(response)
            assert gateway.runner.server is not None
            (connection,) = gateway.runner.server.connections
            response.close()
        await until(lambda: connection.transport is None)
        await publish(gateway, Email="e-1")
        await until(lambda: any(record.name == "gateway.access" for record in caplog.records))
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


async def test_the_event_id_carries_what_was_seen() -> None:
    seen = {"Aalice": {"Email": "e-1", "Mailbox": "e-2"}}
    assert feed.decode(feed.encode(seen)) == seen
    for text in ("", "x", "W10=", "bnVsbA==", "\udcff", "é" * 9):
        assert feed.decode(text) == {}


async def test_an_event_id_is_never_too_long_for_a_header_field() -> None:
    seen = {f"A{secrets.token_hex(13)}": dict.fromkeys(("Email", "Mailbox"), secrets.token_hex(6)) for _ in range(300)}
    token = feed.encode(seen)
    assert len(token) <= feed.LONGEST_TOKEN
    kept = feed.decode(token)
    assert 50 < len(kept) < 300
    assert list(kept.items()) == list(seen.items())[: len(kept)]  # the own account comes first
    bomb = base64.urlsafe_b64encode(zlib.compress(b'{"A":{' + b" " * 10_000_000 + b"}}")).decode()
    assert feed.decode(bomb) == {}


async def test_nothing_is_told_twice() -> None:
    async with running() as gateway, gateway.http.get(url(gateway), headers=gateway.auth()) as response:
        await event(response)
        for told in ({"Email": "e-1"}, {"Email": "e-1"}, {"Thread": "e-1"}):
            await publish(gateway, **told)
        heard: dict[str, str] = {}
        while "Thread" not in heard:
            changed = json.loads((await event(response))["data"])["changed"]["Aalice"]
            assert not changed.items() & heard.items()
            heard |= changed
        await publish(gateway, Email="e-2")
        assert json.loads((await event(response))["data"])["changed"] == {"Aalice": {"Email": "e-2"}}


class Mail:
    """As much of a MailAccount as the event source asks for."""

    def __init__(self) -> None:
        self.refreshed = 0
        self.states = {"Email": "e-5", "Mailbox": "e-5", "Thread": "e-2", "EmailDelivery": "e-2"}

    async def refresh(self) -> None:
        self.refreshed += 1

    def state(self, name: str) -> str:
        return self.states[name]


async def test_a_returning_client_is_told_what_it_missed() -> None:
    async with running() as gateway:
        mail = Mail()
        gateway.backend.mail = mail
        last = feed.encode({"Aalice": {"Email": "e-1", "Thread": "e-2", "EmailDelivery": "e-2"}})
        headers = gateway.auth() | {"Last-Event-ID": last}
        async with gateway.http.get(url(gateway, closeafter="state"), headers=headers) as response:
            await event(response)
            found = await event(response)
            changed = json.loads(found["data"])["changed"]
            assert changed == {"Aalice": {"Email": "e-5", "Mailbox": "e-5"}}
            assert feed.decode(found["id"]) == {"Aalice": mail.states}
        async with gateway.http.get(url(gateway), headers=gateway.auth()) as response:
            await event(response)
        assert mail.refreshed == 1  # a client that comes for the first time causes no work


async def test_what_was_lost_on_the_way_is_told() -> None:
    async with running() as gateway:
        mail = gateway.backend.mail = Mail()
        async with gateway.http.get(url(gateway), headers=gateway.auth()) as response:
            await event(response)
            mail.states["Email"] = "e-6"
            await gateway.services.store.publish("account/Aalice", MISSED)
            assert json.loads((await event(response))["data"])["changed"] == {"Aalice": {"Email": "e-6"}}
            assert mail.refreshed == 1


async def test_pings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_source, "PING_SECONDS", (1, 900))
    async with (
        running() as gateway,
        gateway.http.get(url(gateway, ping="0"), headers=gateway.auth()) as silent,
        gateway.http.get(url(gateway, ping="1"), headers=gateway.auth()) as response,
    ):
        await event(silent)
        await event(response)
        for _ in range(2):  # RFC 8620 §7.3: without an event id
            assert await event(response) == {"event": "ping", "data": '{"interval":1}'}
        await publish(gateway, Email="e-1")
        assert (await event(silent))["event"] == "state"


def test_ping_bounds_are_those_of_the_standard() -> None:
    low, high = event_source.PING_SECONDS
    assert low <= 30
    assert high >= 300


@pytest.mark.parametrize(
    "query",
    [
        "", "types=*", "types=*&closeafter=no", "types=*&ping=0", "closeafter=no&ping=0", "types=&closeafter=no&ping=0",
        "types=*,Email&closeafter=no&ping=0", "types=Em%20ail&closeafter=no&ping=0", "types=a%0ab&closeafter=no&ping=0",
        "types=*&closeafter=yes&ping=0", "types=*&closeafter=no&ping=-1", "types=*&closeafter=no&ping=1.5",
        "types=*&closeafter=no&ping=x", "types=*&closeafter=no&ping=", "types=*&closeafter=no&ping=%D9%A1",
    ],
)  # fmt: skip
async def test_wrong_parameters(query: str) -> None:
    async with (
        running() as gateway,
        gateway.http.get(f"{gateway.url}/jmap/eventsource?{query}", headers=gateway.auth()) as response,
    ):
        assert response.status == 400


async def test_streams_are_limited_and_given_back() -> None:
    async with running(limits__max_event_streams="1") as gateway:
        async with gateway.http.get(url(gateway, closeafter="state"), headers=gateway.auth()) as response:
            await event(response)
            async with gateway.http.get(url(gateway), headers=gateway.auth()) as second:
                assert second.status == 429
            await publish(gateway, Email="e-1")
            await response.read()
        async with asyncio.timeout(5):
            while (found := await status(gateway)) == 429:  # the client may see the end a moment before
                pass
        assert found == 200


async def status(gateway: Running) -> int:
    """Of an attempt to listen."""
    async with gateway.http.get(url(gateway), headers=gateway.auth()) as response:
        return response.status


async def test_streams_end_when_the_gateway_goes_down() -> None:
    async with running() as gateway, gateway.http.get(url(gateway), headers=gateway.auth()) as response:
        await event(response)
        gateway.services.drain.begin()
        async with asyncio.timeout(5):
            assert await response.content.read() == b""
