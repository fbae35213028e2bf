"""Alerts by mail where gateways share a store, and are killed: each is sent once (-29 §6; trust model, row 76)."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.demo.radicale import Radicale
from tests.bench.processes import Gateway
from tests.client import JmapClient
from tests.faults.proxy import After, FaultProxy, Rule, Stall
from tests.objects.calendars.conftest import keys as calendar_keys
from tests.objects.calendars.test_alerts import local, offset, soon
from tests.objects.calendars.test_scheduling import call as calendar_call
from tests.objects.submission.sending import eventually
from tests.replicas.test_killed_sending import BEFORE, TAKEN, Scene, client_of
from tests.replicas.test_killed_sending import scene as scene  # noqa: PLC0414 - a fixture
from tests.waiting import until

LOOKING = "the calendars are looked at"
PROPFIND = rb"PROPFIND "


@pytest.fixture
async def dav(scene: Scene, radicale: Radicale) -> AsyncIterator[FaultProxy]:
    """What the gateways go through to the calendars of the scene's user."""
    radicale.create_user(*scene.user)
    async with FaultProxy(radicale.host, radicale.port) as proxy:
        scene.keys.update(calendar_keys(f"http://{proxy.host}:{proxy.port}/"))
        yield proxy


async def remind(client: JmapClient, seconds: float, *titles: str) -> None:
    """Events that start so many seconds from now, each with an alert then."""
    calendar = (await calendar_call(client, "Calendar/set", create={"k": {"name": "Own"}}))["created"]["k"]["id"]
    event: dict[str, Any] = {"calendarIds": {calendar: True}, "timeZone": "Etc/UTC", "start": local(soon(seconds))}
    event["alerts"] = {"a": offset(action="email")}
    create = {f"k{number}": event | {"title": title} for number, title in enumerate(titles)}
    answer = await calendar_call(client, "CalendarEvent/set", create=create)
    assert answer["notCreated"] is None


@pytest.mark.parametrize("point", [LOOKING, BEFORE, TAKEN])
async def test_an_alert_is_sent_once(scene: Scene, dav: FaultProxy, point: str) -> None:
    """Whatever it was at when it was killed, the gateway that comes after it does the rest, with no client there."""
    if point != LOOKING:
        scene.stop_at(point)
    async with scene.gateway() as gateway:
        async with client_of(gateway, scene.user) as client:
            await remind(client, 2, "Tea")
            account = client.account
        if point == LOOKING:
            dav.add(Rule("client", After.match(PROPFIND), Stall()))
            seen = dav.count(PROPFIND)
            await until(lambda: dav.count(PROPFIND) > seen)
        else:
            await scene.arrived(point)
        os.kill(gateway.server.pid, signal.SIGKILL)
    assert len(scene.script.data) == (1 if point == TAKEN else 0)
    await scene.time_passes(account, 600)
    async with scene.gateway():
        await until(lambda: len(scene.script.data) == 1)
        await eventually(lambda: scene.settled(account))
    assert len(scene.script.data) == 1
    assert b"Subject: Reminder: Tea" in scene.script.data[0]


async def test_of_several_gateways_one_sends(scene: Scene, dav: FaultProxy) -> None:
    """All of them know when it is time."""
    titles = [f"Tea {number}" for number in range(5)]

    async def last_is_sent() -> bool:
        await asyncio.sleep(0.2)  # three gateways at once take their time
        return any(b"Reminder: last" in data for data in scene.script.data)

    async with scene.gateway() as one:
        async with client_of(one, scene.user) as client:
            await remind(client, 6, *titles)
            account = client.account
        gateways: list[Gateway] = [one]
        async with scene.gateway() as two, scene.gateway() as three:
            gateways += [two, three]
            await until(lambda: len(scene.script.data) >= len(titles))
            async with client_of(three, scene.user) as client:
                await remind(client, 1, "last")
            await eventually(last_is_sent)
            await eventually(lambda: scene.settled(account))
    subjects = [line for data in scene.script.data for line in data.split(b"\r\n") if line.startswith(b"Subject:")]
    assert sorted(subjects) == sorted(b"Subject: Reminder: " + title.encode() for title in [*titles, "last"])
