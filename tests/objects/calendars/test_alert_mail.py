"""Alerts with the action "email" (-29 §6): the user gets a mail, through real servers, and no client is there."""

import asyncio
import email
import email.policy
import math
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from gateway.demo.radicale import Radicale
from gateway.store.sqlite import SqliteStore
from gateway.sync.calendars import mail_alerts
from gateway.sync.held import Entry, HeldMessages
from tests.client import jmap_client
from tests.gateway import running_gateway
from tests.objects.calendars.conftest import Place, keys, path_of
from tests.objects.calendars.test_alerts import DAILY, DAY, HOUR, absolute, local, offset, soon
from tests.objects.submission.conftest import submission_keys
from tests.objects.submission.sending import eventually
from tests.servers.dav import DavServer
from tests.servers.imap_client import imap_client
from tests.servers.postfix import Postfix
from tests.servers.users import User, fresh_user
from tests.sync.calendars.model import event


def by_mail(text: str = "PT0S", relative_to: str = "start", **more: Any) -> dict[str, Any]:
    return offset(text, relative_to, action="email", **more)


@pytest.fixture
def user(postfix: Postfix, radicale: Radicale) -> User:
    found = fresh_user(postfix.dovecot)
    radicale.create_user(*found)
    return found


@pytest.fixture
def configuration(postfix: Postfix, radicale: Radicale, tmp_path: Path) -> dict[str, str]:
    """Of a gateway that goes on alone."""
    kept = {"store__kind": "sqlite", "store__path": str(tmp_path / "store"), "auth__credentials_key": "k" * 32}
    return submission_keys(postfix.submission) | keys(radicale.url) | kept


@asynccontextmanager
async def place_at(url: str, user: User, radicale: Radicale) -> AsyncIterator[Place]:
    """A fresh calendar of the user."""
    async with jmap_client(url, *user) as jmap:
        place = Place(jmap, DavServer("radicale", radicale.url, *user), "", "")
        place.id = (await place.call("Calendar/set", create={"k": {"name": "Fresh"}}))["created"]["k"]["id"]
        place.path = await path_of(place.server, jmap.account, place.id)
        yield place


def inbox(postfix: Postfix, user: User) -> list[EmailMessage]:
    """The mail of a user."""
    found = []
    with imap_client(postfix.dovecot, user) as imap:
        imap.select("INBOX")
        for uid in imap.uids("INBOX"):
            row = imap.uid("FETCH", str(uid), "(BODY.PEEK[])")[0]
            assert isinstance(row, tuple)
            message = email.message_from_bytes(row[1], policy=email.policy.default)
            assert isinstance(message, EmailMessage)
            found.append(message)
    return found


async def mails(postfix: Postfix, user: User, last: str) -> list[EmailMessage]:
    """All mail, when one with this title has come."""
    for _ in range(400):
        found = inbox(postfix, user)
        if any(last in title_of(message) for message in found):
            return found
        await asyncio.sleep(0.1)
    raise AssertionError("no mail came")


def title_of(message: EmailMessage) -> str:
    return str(message["Subject"]).removeprefix("Reminder: ")


async def test_the_user_is_reminded_by_mail(
    postfix: Postfix, radicale: Radicale, user: User, configuration: dict[str, str]
) -> None:
    """At the time of the alert, readable, with nobody listening; it is said that nothing is to answer it."""
    at = soon(2)
    about = {
        "locations": {"l": {"@type": "Location", "name": "Kitchen <1>"}},
        "virtualLocations": {"v": {"@type": "VirtualLocation", "uri": "https://meet.example.org/x"}},
        "links": {"k": {"@type": "Link", "href": "https://wiki.example.org/lunch"}},
        "description": "Bring\nplates & cups",
    }
    async with running_gateway(postfix.dovecot, **configuration) as url:
        async with place_at(url, user, radicale) as place:
            await place.call("Calendar/set", update={place.id: {"timeZone": "Asia/Tokyo"}})
            start = local(at + HOUR)
            await place.create(title="Lunch", start=start, timeZone="Etc/UTC", alerts={"a": by_mail("-PT1H")}, **about)
        (message,) = await mails(postfix, user, "Lunch")
    assert time.time() >= at.timestamp()
    address = f"{user.name}@example.org"
    assert message["To"] == address
    assert address in message["From"]
    assert message["Auto-Submitted"] == "auto-generated"  # RFC 3834 §5
    assert [part.get_content_type() for part in message.walk()] == ["multipart/alternative", "text/plain", "text/html"]
    text, html = (part.get_content() for part in message.iter_parts())
    there = at + 10 * HOUR
    assert f"{there:%A, %d %B %Y, %H:%M}" in text
    assert "(Asia/Tokyo)" in text
    for shown in ("Kitchen <1>", "https://meet.example.org/x", "https://wiki.example.org/lunch", "plates & cups"):
        assert shown in text
    assert "Kitchen &lt;1&gt;" in html
    assert '<a href="https://wiki.example.org/lunch">' in html


async def test_which_alerts_are_sent(
    postfix: Postfix, radicale: Radicale, user: User, configuration: dict[str, str]
) -> None:
    """Of series and instances, snoozed, by default; not those to be displayed, acknowledged, of drafts, cancelled."""
    at = soon(2)
    base: dict[str, Any] = {"timeZone": "Etc/UTC", "start": local(at), "alerts": {"a": by_mail()}}
    daily = {**base, "recurrenceRule": DAILY, "start": local(at - 3 * DAY)}
    moved = {local(at - DAY + 2 * HOUR): {"start": local(at), "title": "moved instance"}}
    snooze = {"@type": "Relation", "relation": {"snooze": True}}
    snoozed = {
        "a": by_mail("-PT1H", acknowledged=local(at - HOUR) + "Z"),
        "s": absolute(at, action="email", relatedTo={"a": snooze}),
    }
    by_default = {"start": local(at + timedelta(minutes=5)), "alerts": None, "useDefaultAlerts": True}
    wanted = {
        "daily": daily,
        "moved": {**daily, "start": local(at - 3 * DAY + 2 * HOUR), "recurrenceOverrides": moved},
        "snoozed": {**base, "alerts": snoozed},
        "by default": {**base, **by_default},
    }
    others = {
        "displayed": {**base, "alerts": {"a": offset()}},
        "cancelled": {**base, "status": "cancelled"},
        "draft": {**base, "isDraft": True},
        "excluded": {**daily, "recurrenceOverrides": {local(at): {"excluded": True}}},
        "acknowledged": {**base, "alerts": {"a": by_mail(acknowledged=local(at) + "Z")}},
        "last": {**base, "start": local(at + timedelta(seconds=1))},
    }
    async with running_gateway(postfix.dovecot, **configuration) as url:
        async with place_at(url, user, radicale) as place:
            defaults = {"defaultAlertsWithTime": {"d": by_mail("-PT5M")}}
            await place.call("Calendar/set", update={place.id: defaults})
            where = {"calendarIds": {place.id: True}}
            create = {f"k{n}": {"title": one[0], **one[1], **where} for n, one in enumerate((wanted | others).items())}
            answer = await place.call("CalendarEvent/set", create=create)
            assert answer["notCreated"] is None
        found = await mails(postfix, user, "last")
    assert sorted(map(title_of, found)) == sorted(["last", "moved instance", *wanted.keys() - {"moved"}])


ALARM = "BEGIN:VALARM\r\nACTION:EMAIL\r\nUID:v\r\nTRIGGER:PT0S\r\nSUMMARY:x\r\nDESCRIPTION:x\r\nEND:VALARM\r\n"


async def test_what_other_clients_do_is_seen(
    postfix: Postfix, radicale: Radicale, user: User, configuration: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Made and deleted behind the gateway's back, with no client of it there, after a restart."""
    monkeypatch.setattr(mail_alerts, "LOOK_SECONDS", 0.5)
    server = DavServer("radicale", radicale.url, *user)

    async def put(name: str, at: datetime) -> None:
        await server.put(path, f"{name}.ics", event(name, name, start=f"{at:%Y%m%dT%H%M%SZ}", more=ALARM))

    async with running_gateway(postfix.dovecot, **configuration) as url, place_at(url, user, radicale) as place:
        far = local(datetime.now(UTC) + 300 * DAY)
        await place.create(title="far", start=far, timeZone="Etc/UTC", alerts={"a": by_mail()})
        path = place.path
    async with running_gateway(postfix.dovecot, **configuration):
        at = soon(2)
        for name, start in {"made": at, "deleted": at, "late": at + DAY}.items():
            await put(name, start)
        await server.remove(path, "deleted.ics")
        is_in_time = time.time() < at.timestamp()
        await mails(postfix, user, "made")
        await put("last", soon(0))
        found = await mails(postfix, user, "last")
    assert [one for one in map(title_of, found) if is_in_time or one != "deleted"] == ["made", "last"]


@pytest.mark.parametrize(
    ("changes", "is_planned"),
    [
        ({}, True),
        ({"backends__default__caldav__email_alerts": "off"}, False),
        ({"auth__credentials_key": "", "auth__master_user": "m", "auth__master_password": "p"}, False),
        ({"auth__credentials_key": ""}, False),
    ],
    ids=["on", "off", "only a master user, whom calendar servers do not know", "nobody can log in later"],
)
async def test_only_what_can_be_sent_is_planned(
    postfix: Postfix,
    radicale: Radicale,
    user: User,
    configuration: dict[str, str],
    changes: dict[str, str],
    is_planned: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And nothing of an account without such alerts; when the last one is gone, nothing of this one."""
    monkeypatch.setattr(mail_alerts, "LOOK_SECONDS", 0.5)
    wanted = {name: value for name, value in (configuration | changes).items() if value}
    path = Path(configuration["store__path"])
    async with running_gateway(postfix.dovecot, **wanted) as url, place_at(url, user, radicale) as place:
        far = {"start": local(datetime.now(UTC) + DAY), "timeZone": "Etc/UTC"}
        await place.create(title="displayed", **far, alerts={"a": offset()})
        assert await planned(path) == []
        event_id = (await place.create(title="sent", **far, alerts={"a": by_mail()}))["id"]
        expected = {place.jmap.account} if is_planned else set()
        assert {entry.account for entry in await planned(path)} == expected
        await place.call("CalendarEvent/set", destroy=[event_id])

        async def none() -> bool:
            return await planned(path) == []

        await eventually(none)


async def planned(path: Path) -> list[Entry]:
    """What waits in a store."""
    store = SqliteStore(path)
    found = await HeldMessages(store).entries(math.inf, 100)
    await store.close()
    return found
