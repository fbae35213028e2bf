"""Alerts are told when their time has come (-29 §6), on real servers: by EventSource, WebSocket and Web Push."""

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from adapters.formats.values import Span, format_duration
from gateway.demo.dovecot_config import TlsFiles
from gateway.demo.radicale import Radicale
from gateway.push import courier
from tests.client import jmap_client
from tests.gateway import running_gateway
from tests.objects.calendars.conftest import Place, keys, path_of, user_of
from tests.objects.calendars.listening import alerts_until, event_source, web_socket
from tests.push.conftest import read, subscribe
from tests.servers.dovecot import Dovecot
from tests.servers.push_service import PushService, Subscriber, push_service
from tests.servers.redis import Redis
from tests.sync.calendars.model import event

Json = dict[str, Any]
Key = tuple[str, str | None, str]
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
DAILY = {"@type": "RecurrenceRule", "frequency": "daily"}


def soon(seconds: float = 1.0) -> datetime:
    """A whole second, so far ahead at least."""
    return datetime.fromtimestamp(int(time.time() + seconds) + 1, UTC)


def local(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}"


def offset(text: str = "PT0S", relative_to: str = "start", **more: Any) -> Json:
    return {"@type": "Alert", "trigger": {"@type": "OffsetTrigger", "offset": text, "relativeTo": relative_to}, **more}


def absolute(moment: datetime, **more: Any) -> Json:
    return {"@type": "Alert", "trigger": {"@type": "AbsoluteTrigger", "when": local(moment) + "Z"}, **more}


async def create(place: Place, start: datetime, **more: Any) -> str:
    """The id of a new event; unless `more` says otherwise it has one alert, at its start."""
    told = await place.create(start=local(start), **{"alerts": {"a": offset()}, "timeZone": "Etc/UTC", **more})
    return str(told["id"])


def key_of(alert: Json) -> Key:
    return alert["calendarEventId"], alert["recurrenceId"], alert["alertId"]


async def test_each_kind_of_alert_is_told(place: Place) -> None:
    """And nothing of what is cancelled, a draft, excluded, deleted or acknowledged."""
    defaults = {"defaultAlertsWithTime": {"d": offset("-PT5M")}, "timeZone": "Asia/Tokyo"}
    await place.call("Calendar/set", update={place.id: defaults})
    snooze = {"@type": "Relation", "relation": {"snooze": True}}
    at = soon(4)
    there = at.astimezone(ZoneInfo("Asia/Tokyo"))
    midnight = datetime.combine(there.date() + DAY, datetime.min.time(), ZoneInfo("Asia/Tokyo"))
    to_midnight = format_duration(Span(0, int((at - midnight).total_seconds())))
    wanted: set[Key] = set()
    async with event_source(place.jmap, "CalendarAlert") as stream:

        async def make(alert: str, instance: datetime | None, start: datetime, **more: Any) -> None:
            event_id = await create(place, start, **more)
            wanted.add((event_id, None if instance is None else local(instance), alert))

        await make("a", None, at + 2 * HOUR, alerts={"a": offset("-PT2H"), "b": offset("PT5H")})
        await make("e", None, at - HOUR, alerts={"e": offset("PT0S", "end")})
        await make("x", None, at + 9 * DAY, alerts={"x": absolute(at)})
        acknowledged = offset("-PT1H", acknowledged=local(at - HOUR) + "Z")
        await make("s", None, at, alerts={"a": acknowledged, "s": absolute(at, relatedTo={"a": snooze})})
        await make("d", None, at + timedelta(minutes=5), useDefaultAlerts=True, alerts={"o": offset("-PT5M")})
        await make("a", at, at - 3 * DAY, recurrenceRule=DAILY)
        moved = {local(at - DAY + 2 * HOUR): {"start": local(at)}}
        await make("a", at - DAY + 2 * HOUR, at - 3 * DAY + 2 * HOUR, recurrenceRule=DAILY, recurrenceOverrides=moved)
        await make("a", None, there, timeZone=None)
        whole_day = {"showWithoutTime": True, "duration": "P1D", "timeZone": None}
        await make("w", None, midnight, alerts={"w": offset(to_midnight)}, **whole_day)

        await create(place, at, status="cancelled")
        await create(place, at, isDraft=True)
        await create(place, at - 3 * DAY, recurrenceRule=DAILY, recurrenceOverrides={local(at): {"excluded": True}})
        await create(place, at, alerts={"a": offset(acknowledged=local(at) + "Z")})
        deleted = await create(place, at + timedelta(seconds=1))
        await place.call("CalendarEvent/set", destroy=[deleted])
        is_in_time = time.time() < at.timestamp()
        last = await create(place, at + timedelta(seconds=2))
        told = await alerts_until(stream, last)
    assert time.time() >= at.timestamp() + 2  # never early
    found = [key_of(alert) for alert in told[:-1] if is_in_time or alert["calendarEventId"] != deleted]
    assert len(found) == len(set(found))
    assert set(found) == wanted
    assert {alert["accountId"] for alert in told} == {place.jmap.account}
    uids = {shown["id"]: shown["uid"] for shown in (await place.call("CalendarEvent/get", ids=None))["list"]}
    assert all(alert["uid"] == uids[alert["calendarEventId"]] for alert in told if alert["calendarEventId"] in uids)


async def test_each_listener_is_told_once(place: Place) -> None:
    async with AsyncExitStack() as stack:
        listeners = [
            await stack.enter_async_context(listener)
            for listener in (
                event_source(place.jmap, "CalendarAlert"),
                event_source(place.jmap, "*"),
                web_socket(place),
            )
        ]
        one, two = await create(place, soon()), await create(place, soon(2))
        for told in listeners:
            assert [key_of(alert) for alert in await alerts_until(told, two)] == [(one, None, "a"), (two, None, "a")]


async def test_a_stream_that_comes_again_is_told_what_it_missed(place: Place) -> None:
    async with event_source(place.jmap, "CalendarAlert") as told:
        first = await create(place, soon(0))
        alert, last_id = await anext(told)
        assert alert["calendarEventId"] == first
    at = soon(0)
    missed = await create(place, at)
    while time.time() < at.timestamp() + 0.1:
        await place.call("CalendarEvent/get", ids=[])
    async with event_source(place.jmap, "CalendarAlert", last_id) as told:
        last = await create(place, soon(0))
        assert [alert["calendarEventId"] for alert in await alerts_until(told, last)] == [missed, last]


# ------------------------------------------------------------------------------------------------------------ Web Push


@pytest.fixture
async def service(tls_files: TlsFiles) -> AsyncIterator[PushService]:
    async with push_service(tls_files) as found:
        yield found


@pytest.fixture
def configuration(tls_files: TlsFiles, radicale: Radicale, tmp_path: Path) -> dict[str, str]:
    """Of a gateway that pushes to the service, and goes on alone after a restart."""
    pushing = {"push__ca_file": str(tls_files.authority), "push__poll_seconds": "1", "egress__networks": "127.0.0.0/8"}
    kept = {"store__kind": "sqlite", "store__path": str(tmp_path / "store"), "auth__credentials_key": "k" * 32}
    return keys(radicale.url) | pushing | kept


@asynccontextmanager
async def place_at(request: pytest.FixtureRequest, url: str, user: Any = None) -> AsyncIterator[Place]:
    """A fresh calendar of a user, who may be known."""
    user, server = user or user_of(request, "radicale")
    async with jmap_client(url, *user) as jmap:
        place = Place(jmap, server, "", "")
        place.id = (await place.call("Calendar/set", create={"k": {"name": "Fresh"}}))["created"]["k"]["id"]
        place.path = await path_of(server, jmap.account, place.id)
        yield place


async def test_an_alert_is_pushed_to_a_client_that_is_closed(
    request: pytest.FixtureRequest, dovecot: Dovecot, service: PushService, configuration: dict[str, str]
) -> None:
    """Encrypted, to the subscriptions that ask for it, also of an event that another client made; and once."""
    subscriber = Subscriber()
    user = user_of(request, "radicale")
    async with running_gateway(dovecot, **configuration) as url:
        async with place_at(request, url, user) as place:
            await subscribe(place.jmap, service, subscriber, types=["CalendarAlert"])
            await subscribe(place.jmap, service, url=service.url("/else"), types=["Mailbox"])
            at = soon()
            alarm = "BEGIN:VALARM\r\nACTION:DISPLAY\r\nUID:v\r\nTRIGGER:PT0S\r\nDESCRIPTION:x\r\nEND:VALARM\r\n"
            await place.server.put(place.path, "x.ics", event("x", start=f"{at:%Y%m%dT%H%M%SZ}", more=alarm))
        taken = await service.next()
        assert time.time() >= at.timestamp()
        pushed = subscriber.read(taken)
        assert taken.headers["Urgency"] == "high"
        async with place_at(request, url, user) as place:
            ids = (await place.call("CalendarEvent/query", filter={"uid": "x"}))["ids"]
            assert pushed == {
                "@type": "CalendarAlert",
                "accountId": place.jmap.account,
                "calendarEventId": ids[0],
                "uid": "x",
                "recurrenceId": None,
                "alertId": "v",
            }
            last = await create(place, soon(3))
    async with running_gateway(dovecot, **configuration):
        assert subscriber.read(await service.next())["calendarEventId"] == last
        assert service.taken == []


async def test_a_push_that_is_not_taken_is_tried_again(
    request: pytest.FixtureRequest,
    dovecot: Dovecot,
    service: PushService,
    configuration: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(courier, "FIRST_PAUSE", 0.5)
    async with running_gateway(dovecot, **configuration) as url, place_at(request, url) as place:
        await subscribe(place.jmap, service, types=["CalendarAlert"])
        service.answers.append((503, {"Retry-After": "1"}))
        wanted = await create(place, soon())
        found = [read(await service.next()) for _ in range(2)]
        assert [key_of(alert) for alert in found] == [(wanted, None, "a")] * 2


async def test_all_types_are_alerts_too(
    request: pytest.FixtureRequest, dovecot: Dovecot, service: PushService, configuration: dict[str, str]
) -> None:
    """RFC 8620 §7.2: types null."""
    async with running_gateway(dovecot, **configuration) as url, place_at(request, url) as place:
        await subscribe(place.jmap, service, types=None)
        wanted = await create(place, soon())
        while (message := read(await service.next()))["@type"] != "CalendarAlert":
            pass
        assert key_of(message) == (wanted, None, "a")


async def test_two_gateways_tell_and_push_once(
    request: pytest.FixtureRequest,
    dovecot: Dovecot,
    service: PushService,
    configuration: dict[str, str],
    redis_server: Redis,
) -> None:
    """Each tells its own listeners, also of what was changed at the other, and one of them pushes."""
    shared = configuration | {"store__kind": "redis", "push__poll_seconds": "3600"}
    shared["store__url"] = f"redis://{redis_server.host}:{redis_server.port}/0"
    user = user_of(request, "radicale")
    async with AsyncExitStack() as stack:
        urls = [await stack.enter_async_context(running_gateway(dovecot, **shared)) for _ in range(2)]
        place = await stack.enter_async_context(place_at(request, urls[0], user))
        other = await stack.enter_async_context(jmap_client(urls[1], *user[0]))
        await subscribe(place.jmap, service, types=["CalendarAlert"])
        streams = [await stack.enter_async_context(event_source(jmap, "CalendarAlert")) for jmap in (place.jmap, other)]
        at = soon(2)
        later = at + timedelta(seconds=3)
        one = await create(place, at + HOUR, useDefaultAlerts=True, alerts={})
        gone = await create(place, later)
        there = Place(other, place.server, place.id, place.path)
        defaults = {"defaultAlertsWithTime": {"d": offset("-PT1H")}}
        await there.call("Calendar/set", update={place.id: defaults})
        (shown,) = (await place.call("Calendar/get", ids=[place.id]))["list"]
        assert shown["defaultAlertsWithTime"] == defaults["defaultAlertsWithTime"]
        await there.call("CalendarEvent/set", destroy=[gone])
        assert (await place.call("CalendarEvent/get", ids=[gone]))["notFound"] == [gone]
        is_in_time = time.time() < later.timestamp() - 1
        last = await create(there, later + timedelta(seconds=1))
        for stream in streams:
            told = [key_of(alert) for alert in await alerts_until(stream, last)]
            assert [key for key in told if is_in_time or key[0] != gone] == [(one, None, "d"), (last, None, "a")]
        pushed: list[Key] = []
        while not pushed or pushed[-1][0] != last:
            pushed.append(key_of(read(await service.next())))
        assert [key for key in pushed if is_in_time or key[0] != gone] == [(one, None, "d"), (last, None, "a")]
        assert service.taken == []
