"""The whole gateway with a proxy that misbehaves between it and the calendar server: no fault deletes anything."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from gateway.demo.radicale import Radicale
from gateway.objects.calendars.capability import CALENDARS
from tests.client import CORE, JmapClient, jmap_client
from tests.faults.proxy import Action, After, Cut, FaultProxy, Replace, Reset, Rule, Stall
from tests.gateway import running_gateway
from tests.servers.dav import DavServer
from tests.servers.dovecot import Dovecot
from tests.servers.users import fresh_user
from tests.sync.calendars.model import event

Answer = tuple[str, dict[str, Any]]


@dataclass
class Scene:
    """A user with a calendar of two events, as JMAP and as another client see it."""

    jmap: JmapClient
    server: DavServer
    proxy: FaultProxy
    path: str

    async def ask(self, name: str, **arguments: Any) -> Answer:
        """One answer, which may be an error."""
        ((answered, answer, _),) = await self.jmap.sentences((name, arguments), using=(CORE, CALENDARS))
        return answered, answer

    async def call(self, name: str, **arguments: Any) -> dict[str, Any]:
        """One answer that is none."""
        answered, answer = await self.ask(name, **arguments)
        assert answered == name, answer
        return answer

    async def uids(self) -> set[str]:
        """Everything that is there."""
        return {one["uid"] for one in (await self.call("CalendarEvent/get", ids=None, properties=["uid"]))["list"]}


@pytest.fixture
async def proxy(radicale: Radicale) -> AsyncIterator[FaultProxy]:
    async with FaultProxy(radicale.host, radicale.port) as found:
        yield found


@pytest.fixture
async def scene(proxy: FaultProxy, radicale: Radicale, dovecot: Dovecot) -> AsyncIterator[Scene]:
    user = fresh_user(dovecot)
    radicale.create_user(*user)
    keys = {"url": f"http://{proxy.host}:{proxy.port}", "read_seconds": "1"}
    configuration = {f"backends__default__caldav__{name}": value for name, value in keys.items()}
    async with running_gateway(dovecot, **configuration) as url, jmap_client(url, *user) as jmap:
        made = Scene(jmap, DavServer("radicale", radicale.url, *user), proxy, "")
        await made.call("Calendar/set", create={"k": {"name": "Work"}})
        (folder,) = (radicale.directory / "collections" / "collection-root" / user.name).glob("*-*")
        made.path = f"/{user.name}/{folder.name}/"
        for name in ("a", "b"):
            await made.server.put(made.path, f"{name}.ics", event(name))
        assert await made.uids() == {"a", "b"}
        yield made
        proxy.rules.clear()


# After these octets of an answer of Radicale (HTTP/1.0: the end of the connection is the end of the answer).
MOMENTS: dict[str, bytes] = {
    "before any answer": rb"HTTP/1",
    "within a multistatus": rb"<response><href>",
    "within the second half": rb"<status>HTTP/1.1 200 OK</status>",
}
ACTIONS: list[Action] = [Cut(), Reset(), Stall()]


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: type(action).__name__)
@pytest.mark.parametrize("moment", MOMENTS)
async def test_an_answer_that_breaks_off_deletes_nothing(scene: Scene, moment: str, action: Action) -> None:
    state = (await scene.call("CalendarEvent/get", ids=[]))["state"]
    await scene.server.put(scene.path, "c.ics", event("c"))
    scene.proxy.cut_all()
    scene.proxy.add(Rule("server", After.match(MOMENTS[moment]), action, times=None))
    for name in ("CalendarEvent/changes", "CalendarEvent/changes"):
        answered, answer = await scene.ask(name, sinceState=state)
        assert (answered, answer.get("type")) == ("error", "serverUnavailable"), answer
    scene.proxy.rules.clear()
    scene.proxy.cut_all()
    changes = await scene.call("CalendarEvent/changes", sinceState=state)
    assert (len(changes["created"]), changes["updated"], changes["destroyed"]) == (1, [], [])
    assert await scene.uids() == {"a", "b", "c"}


REFUSALS = [b"500 Internal Server Error", b"503 Service Unavailable", b"404 Not Found", b"423 Locked"]


@pytest.mark.parametrize("status", REFUSALS)
async def test_a_refusal_deletes_nothing(scene: Scene, status: bytes) -> None:
    """Not even a 404 for the home: a server that lost its disk must not make clients forget everything."""
    state = (await scene.call("CalendarEvent/get", ids=[]))["state"]
    rule = Rule("server", After.match(rb"207 Multi-Status"), Replace(status), times=None)
    scene.proxy.add(rule)
    answered, answer = await scene.ask("CalendarEvent/changes", sinceState=state)
    assert answered == "error", answer
    scene.proxy.rules.clear()
    changes = await scene.call("CalendarEvent/changes", sinceState=state)
    assert (changes["created"], changes["updated"], changes["destroyed"]) == ([], [], [])
    assert await scene.uids() == {"a", "b"}


async def test_a_server_that_is_away_comes_back(scene: Scene) -> None:
    state = (await scene.call("CalendarEvent/get", ids=[]))["state"]
    await scene.proxy.refuse()
    answered, answer = await scene.ask("CalendarEvent/get", ids=None)
    assert (answered, answer["type"]) == ("error", "serverUnavailable")
    assert (await scene.jmap.call("Mailbox/get"))["list"]  # mail goes on
    await scene.proxy.accept()
    assert (await scene.call("CalendarEvent/changes", sinceState=state))["destroyed"] == []
    assert await scene.uids() == {"a", "b"}


async def test_a_write_whose_answer_is_lost_is_done_at_most_once(scene: Scene) -> None:
    (calendar,) = (await scene.call("Calendar/get", properties=["id"]))["list"]
    record = {"calendarIds": {calendar["id"]: True}, "uid": "new", "title": "N", "start": "2036-01-01T10:00:00"}
    scene.proxy.add(Rule("server", After.match(rb"HTTP/1.0 20[14] "), Cut()))
    await scene.call("CalendarEvent/set", create={"k": record})
    scene.proxy.rules.clear()
    assert await scene.uids() == {"a", "b", "new"}
    stored = await scene.server.resources(scene.path)
    assert sum("UID:new" in text for text in stored.values()) == 1
