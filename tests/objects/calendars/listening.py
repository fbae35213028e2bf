"""Those who are told of alerts: a stream of events, a WebSocket."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp

from tests.client import JmapClient
from tests.objects.calendars.conftest import Place

Json = dict[str, Any]
Told = AsyncIterator[tuple[Json, str]]
"""What a listener is told, and the id of the event."""

NAMES = {"state": "StateChange", "calendarAlert": "CalendarAlert"}


@contextlib.asynccontextmanager
async def event_source(jmap: JmapClient, types: str, last: str = "") -> AsyncIterator[Told]:
    """A stream that is open."""
    url = jmap.session["eventSourceUrl"]
    for name, value in {"types": types, "closeafter": "no", "ping": "0"}.items():
        url = url.replace(f"{{{name}}}", value)
    async with jmap.http.get(url, headers={"Last-Event-ID": last} if last else {}) as response:
        while not (await response.content.readline()).startswith(b"retry:"):
            pass
        yield _events(response)


async def _events(response: aiohttp.ClientResponse) -> Told:
    fields: dict[str, str] = {}
    while line := (await response.content.readline()).decode():
        name, _, value = line.rstrip("\n").partition(": ")
        if name:
            fields[name] = value
        elif "data" in fields:
            data = json.loads(fields["data"])
            assert data["@type"] == NAMES[fields["event"]]  # -29 §6.4
            yield data, fields.get("id", "")
            fields = {}


@contextlib.asynccontextmanager
async def web_socket(place: Place) -> AsyncIterator[Told]:
    """A WebSocket that is told of alerts, as is known by the states that it is told of."""
    url = place.jmap.session["capabilities"]["urn:ietf:params:jmap:websocket"]["url"]
    async with place.jmap.http.ws_connect(url, protocols=("jmap",)) as socket:
        await socket.send_json({"@type": "WebSocketPushEnable", "dataTypes": ["CalendarAlert", "CalendarEvent"]})
        messages = _messages(socket)
        first = asyncio.ensure_future(anext(messages))
        while not first.done():
            await place.create()
            await asyncio.wait([first], timeout=0.2)
        assert first.result()[0]["@type"] == "StateChange"
        yield messages


async def _messages(socket: aiohttp.ClientWebSocketResponse) -> Told:
    async for message in socket:
        yield message.json(), ""


async def alerts_until(told: Told, last: str) -> list[Json]:
    """All alerts up to that of an event."""
    found: list[Json] = []
    async with asyncio.timeout(40):
        async for data, _ in told:
            if data["@type"] == "CalendarAlert":
                found.append(data)
                if data["calendarEventId"] == last:
                    break
    return found
