"""What others do to a calendar is told while somebody listens (RFC 8620 §7.3)."""

import asyncio
import json

import pytest

from gateway.demo.radicale import Radicale
from tests.client import jmap_client
from tests.gateway import running_gateway
from tests.objects.calendars.conftest import Place, keys, path_of, user_of
from tests.servers.dovecot import Dovecot
from tests.sync.calendars.model import event


async def test_an_event_of_another_client_is_told(
    request: pytest.FixtureRequest, dovecot: Dovecot, radicale: Radicale
) -> None:
    configuration = keys(radicale.url) | {"push__poll_seconds": "1"}
    async with running_gateway(dovecot, **configuration) as url:
        user, server = user_of(request, "radicale")
        async with jmap_client(url, *user) as jmap:
            place = Place(jmap, server, "", "")
            answer = await place.call("Calendar/set", create={"k": {"name": "Fresh"}})
            place.id = answer["created"]["k"]["id"]
            place.path = await path_of(server, jmap.account, place.id)
            state = (await place.call("CalendarEvent/get", ids=[]))["state"]
            source = f"{url}/jmap/eventsource?types=CalendarEvent,Calendar&closeafter=state&ping=0"
            async with jmap.http.get(source) as stream, asyncio.timeout(30):
                await server.put(place.path, "x.ics", event("x@example.org"))
                told = await stream.text()
            data = next(line for line in told.splitlines() if line.startswith("data: "))
            changed = json.loads(data.removeprefix("data: "))["changed"][jmap.account]
            assert changed.keys() == {"CalendarEvent"}
            changes = await place.call("CalendarEvent/changes", sinceState=state)
            assert (len(changes["created"]), changes["newState"]) == (1, changed["CalendarEvent"])
