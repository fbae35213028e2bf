"""Scheduling messages are stored before the write that they tell of, and sent if it was done (decision 12).

Gateways that are killed in between: tests/replicas/test_killed_errands.py.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from adapters.errors import AdapterError, Forbidden, Unavailable
from adapters.ports.mail_write import Octets
from adapters.ports.submission import BeforeData, Outcome, SmtpEnvelope
from gateway.objects.calendars.written import is_written
from gateway.objects.submission import intents
from gateway.objects.submission.errands import catch_up
from gateway.sync.outbox import INTENT, Outbox, Senders
from tests.objects.calendars.harness import Client
from tests.objects.submission.test_faults import Port, box_over
from tests.sync.calendars.model import Home

ME, GUEST, HOST = "mailto:alice@example.org", "mailto:guest@example.net", "mailto:host@example.net"
Json = dict[str, Any]


class Sending(Port):
    """Takes everything. methods: of the messages."""

    def __init__(self) -> None:
        super().__init__()
        self.go.set()
        self.methods: list[str] = []

    async def submit(self, envelope: SmtpEnvelope, message: Octets, before_data: BeforeData | None = None) -> Outcome:
        outcome = await super().submit(envelope, message, before_data)
        text = b"".join([piece async for piece in message.read()]).decode()
        self.methods.append(text.partition("method=")[2].partition(";")[0])
        return outcome


class Scene:
    """A client whose messages go by mail; its gateway may die while the calendar server writes."""

    def __init__(self, path: Path) -> None:
        self.home = Home()
        self.home.add_calendar("work/", "Work")
        self.client = Client(self.home)
        self.port = Sending()
        self.box: Outbox = replace(
            box_over(path, self.port),
            senders=Senders("alice@example.org"),
            written=partial(is_written, self.client.calendars),
        )
        self.client.account = replace(self.client.account, outbox=self.box)

    async def set(self, **arguments: Any) -> Json:
        return await self.client.call("CalendarEvent/set", sendSchedulingMessages=True, **arguments)

    async def event(self, **more: Any) -> tuple[str, Json]:
        """The id of an event that nobody was told of, and the event."""
        (calendar,) = (await self.client.call("Calendar/get", ids=None))["list"]
        event = lunch(calendar["id"]) | more
        answer = await self.client.call("CalendarEvent/set", create={"k": event})
        return answer["created"]["k"]["id"], event

    async def left(self) -> int:
        return len(await self.box.ledger.read(INTENT))


def lunch(calendar: str, organizer: str = ME) -> Json:
    addresses = [organizer, ME if organizer != ME else GUEST]
    people = {f"p{number}": {"@type": "Participant", "calendarAddress": one} for number, one in enumerate(addresses)}
    return {
        "calendarIds": {calendar: True},
        "title": "Lunch",
        "start": "2026-12-01T12:00:00",
        "timeZone": "Europe/Berlin",
        "organizerCalendarAddress": organizer,
        "participants": people,
    }


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    monkeypatch.setattr(intents, "ABANDONED_SECONDS", -1.0)  # who is silent is gone
    return Scene(tmp_path / "store")


class Broken:
    """A verb of the calendar server whose answer is lost; done: it is carried out all the same."""

    def __init__(self, scene: Scene, verb: str, *, done: bool) -> None:
        whole: Callable[..., Any] = getattr(scene.client.port, verb)

        async def broken(*arguments: Any, **more: Any) -> Any:
            assert await scene.left() == 1  # stored by now
            assert scene.port.methods == []
            if done:
                await whole(*arguments, **more)
            raise Unavailable("the answer is lost")

        self._scene, self._verb, self._whole = scene, verb, whole
        setattr(scene.client.port, verb, broken)

    def mend(self) -> None:
        setattr(self._scene.client.port, self._verb, self._whole)


@pytest.mark.parametrize("done", [False, True], ids=["not done", "done"])
@pytest.mark.parametrize("verb", ["create", "replace", "delete", "answer"])
async def test_whether_it_was_done_decides(scene: Scene, verb: str, done: bool) -> None:
    """Of whom nobody knows, and whatever others did to the event meanwhile."""
    (calendar,) = (await scene.client.call("Calendar/get", ids=None))["list"]
    event = lunch(calendar["id"], HOST if verb == "answer" else ME)
    event_id = ""
    if verb != "create":
        event_id, event = await scene.event(**event)
    broken = Broken(scene, "replace" if verb == "answer" else verb, done=done)
    all_wanted: dict[str, Json] = {
        "create": {"create": {"k": event}},
        "replace": {"update": {event_id: {"title": "Late lunch"}}},
        "delete": {"destroy": [event_id]},
        "answer": {"update": {event_id: {"participants/p1/participationStatus": "accepted"}}},
    }
    answer = await scene.set(**all_wanted[verb])
    refused = {**(answer["notCreated"] or {}), **(answer["notUpdated"] or {}), **(answer["notDestroyed"] or {})}
    assert [error["type"] for error in refused.values()] == ["serverUnavailable"]
    broken.mend()
    await catch_up(scene.box)
    method = {"create": "REQUEST", "replace": "REQUEST", "delete": "CANCEL", "answer": "REPLY"}[verb]
    assert scene.port.methods == ([method] if done else [])
    assert await scene.left() == 0


async def test_what_others_did_meanwhile_is_no_sign(scene: Scene) -> None:
    event_id, _ = await scene.event()
    broken = Broken(scene, "replace", done=False)
    await scene.set(update={event_id: {"title": "Late lunch"}})
    broken.mend()
    (name,) = scene.home.shelves["work/"].resources
    text = scene.home.text("work/", name)
    scene.home.write("work/", name, text.replace("SUMMARY:Lunch", "SUMMARY:Lunch\r\nCOLOR:red"))
    await catch_up(scene.box)
    assert scene.port.methods == []
    assert await scene.left() == 0


async def test_a_server_that_is_away_is_asked_again(scene: Scene) -> None:
    event_id, _ = await scene.event()
    broken = Broken(scene, "replace", done=True)
    await scene.set(update={event_id: {"title": "Late lunch"}})
    broken.mend()
    scene.home.failing["cursors"] = Unavailable("away")
    await catch_up(scene.box)
    assert (scene.port.methods, await scene.left()) == ([], 1)
    scene.home.failing.clear()
    await catch_up(scene.box)
    assert (scene.port.methods, await scene.left()) == (["REQUEST"], 0)


@pytest.mark.parametrize("error", [Forbidden("no"), Unavailable("away")], ids=str)
async def test_what_is_refused_is_told_to_nobody(scene: Scene, error: AdapterError) -> None:
    event_id, _ = await scene.event()
    scene.home.failing["replace"] = error
    answer = await scene.set(update={event_id: {"title": "Late lunch"}})
    assert answer["notUpdated"]
    assert await scene.left() == (1 if isinstance(error, Unavailable) else 0)
    scene.home.failing.clear()
    answer = await scene.set(update={event_id: {"title": "Late lunch"}})
    assert answer["updated"]
    assert scene.port.methods == ["REQUEST"]


async def test_a_change_is_done_again_to_what_others_wrote(scene: Scene) -> None:
    """A 412 between the two: the messages of the first attempt are replaced."""
    event_id, _ = await scene.event()
    whole = scene.client.port.replace
    (name,) = scene.home.shelves["work/"].resources

    async def overtaken(*arguments: Any, **more: Any) -> Any:
        scene.client.port.replace = whole  # type: ignore[method-assign]
        text = scene.home.text("work/", name)
        scene.home.write("work/", name, text.replace("SUMMARY:Lunch", "SUMMARY:Lunch\r\nCOLOR:red"))
        return await whole(*arguments, **more)

    scene.client.port.replace = overtaken  # type: ignore[method-assign]
    assert (await scene.set(update={event_id: {"title": "Late lunch"}}))["updated"]
    assert (scene.port.methods, await scene.left()) == (["REQUEST"], 0)
    assert "COLOR:red" in scene.home.text("work/", name)


async def test_without_a_place_for_the_messages_nothing_is_written(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    event_id, _ = await scene.event()

    async def away(*_: Any) -> None:
        raise Unavailable("the store does not answer")

    monkeypatch.setattr(scene.box.ledger, "commit", away)
    answer = await scene.set(update={event_id: {"title": "Late lunch"}})
    assert answer["notUpdated"][event_id]["type"] == "serverUnavailable"
    assert (await scene.client.event(event_id))["title"] == "Lunch"
