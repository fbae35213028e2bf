"""Invitations, answers and cancellations (draft-ietf-jmap-calendars-29 §5.9.2): by mail where the calendar server sends
nothing by itself, by Cyrus where it does."""

import asyncio
import email
import email.policy
from collections.abc import AsyncIterator
from typing import Any

import icalendar
import pytest

from gateway.demo.radicale import Radicale
from gateway.objects.calendars.capability import CALENDARS, PARSE
from tests.client import CORE, JmapClient, jmap_client
from tests.gateway import running_gateway
from tests.objects.calendars.conftest import keys
from tests.objects.submission.conftest import submission_keys
from tests.servers.cyrus import Cyrus
from tests.servers.dav import wake
from tests.servers.imap_client import imap_client
from tests.servers.postfix import Postfix
from tests.servers.users import User, fresh_user

USING = (CORE, CALENDARS, PARSE)


async def call(jmap: JmapClient, name: str, **arguments: Any) -> dict[str, Any]:
    ((answered, answer, _),) = await jmap.sentences((name, arguments), using=USING)
    assert answered == name, answer
    found: dict[str, Any] = answer
    return found


@pytest.fixture(scope="session")
async def url(postfix: Postfix, radicale: Radicale) -> AsyncIterator[str]:
    settings = submission_keys(postfix.submission) | keys(radicale.url)
    async with running_gateway(postfix.dovecot, **settings) as found:
        yield found


class Person:
    """A user with mail and a calendar."""

    def __init__(self, jmap: JmapClient, user: User, postfix: Postfix) -> None:
        self.jmap = jmap
        self.user = user
        self.address = f"mailto:{user.name}@example.org"
        self.calendar = ""
        self._postfix = postfix
        self._read = 0

    async def prepare(self) -> None:
        answer = await call(self.jmap, "Calendar/set", create={"k": {"name": "Own"}})
        self.calendar = answer["created"]["k"]["id"]

    async def set(self, **arguments: Any) -> dict[str, Any]:
        answer = await call(self.jmap, "CalendarEvent/set", sendSchedulingMessages=True, **arguments)
        assert not answer["notCreated"], answer
        assert not answer["notUpdated"], answer
        assert not answer["notDestroyed"], answer
        return answer

    async def mail(self) -> tuple[Any, bytes]:
        """The next scheduling message: its calendar object, and the whole mail's calendar part."""
        for _ in range(200):
            with imap_client(self._postfix.dovecot, self.user) as imap:
                uids = imap.uids("INBOX")
                if len(uids) > self._read:
                    imap.select("INBOX")
                    row = imap.uid("FETCH", str(uids[self._read]), "(BODY.PEEK[])")[0]
                    assert isinstance(row, tuple)
                    self._read += 1
                    return _calendar_part(row[1])
            await asyncio.sleep(0.05)
        raise AssertionError("no mail came")

    def count(self) -> int:
        with imap_client(self._postfix.dovecot, self.user) as imap:
            return len(imap.uids("INBOX"))


def _calendar_part(raw: bytes) -> tuple[Any, bytes]:
    message = email.message_from_bytes(raw, policy=email.policy.default)
    (part,) = [one for one in message.walk() if one.get_content_type() == "text/calendar"]
    octets = part.get_payload(decode=True)
    assert isinstance(octets, bytes)
    calendar = icalendar.Calendar.from_ical(octets)
    assert part.get_param("method") == calendar["METHOD"]  # RFC 6047 §2.4
    kinds = [one.get_content_type() for one in message.walk()]
    assert kinds == ["multipart/alternative", "text/plain", "text/html", "text/calendar"]
    return calendar, octets


@pytest.fixture
async def people(url: str, postfix: Postfix, radicale: Radicale) -> AsyncIterator[tuple[Person, Person]]:
    users = [fresh_user(postfix.dovecot) for _ in range(2)]
    for user in users:
        radicale.create_user(*user)
    async with jmap_client(url, *users[0]) as one, jmap_client(url, *users[1]) as other:
        found = Person(one, users[0], postfix), Person(other, users[1], postfix)
        for person in found:
            await person.prepare()
        yield found


def lunch(host: Person, guest: Person, **more: Any) -> dict[str, Any]:
    return {
        "calendarIds": {host.calendar: True},
        "title": "Lunch",
        "start": "2026-12-01T12:00:00",
        "timeZone": "Europe/Berlin",
        "duration": "PT1H",
        "organizerCalendarAddress": host.address,
        "participants": {
            "h": {"@type": "Participant", "calendarAddress": host.address, "roles": {"owner": True, "required": True}},
            "g": {"@type": "Participant", "calendarAddress": guest.address, "roles": {"required": True}, "name": "G"},
        },
    } | more


async def test_an_invitation_there_and_back_by_mail(people: tuple[Person, Person]) -> None:
    alice, bob = people
    created = (await alice.set(create={"k": lunch(alice, bob)}))["created"]["k"]
    invitation, octets = await bob.mail()
    assert invitation["METHOD"] == "REQUEST"
    (entry,) = invitation.walk("VEVENT")
    assert entry["UID"] == created["uid"]
    # bob takes it into his calendar and accepts (§5.9.2.3)
    blob = (await bob.jmap.upload(octets, "text/calendar"))["blobId"]
    parsed = (await call(bob.jmap, "CalendarEvent/parse", blobIds=[blob]))["parsed"][blob][0]
    (key,) = [key for key, one in parsed["participants"].items() if one["calendarAddress"] == bob.address]
    own = {name: value for name, value in parsed.items() if name not in {"method", "id", "calendarIds", "isOrigin"}}
    own["participants"][key]["participationStatus"] = "accepted"
    mine = (await bob.set(create={"k": own | {"calendarIds": {bob.calendar: True}}}))["created"]["k"]
    assert mine["isOrigin"] is False
    reply, octets = await alice.mail()
    assert reply["METHOD"] == "REPLY"
    (entry,) = reply.walk("VEVENT")
    assert entry["ATTENDEE"].params["PARTSTAT"] == "ACCEPTED"
    # alice applies it, which tells nobody anything
    blob = (await alice.jmap.upload(octets, "text/calendar"))["blobId"]
    (answer,) = (await call(alice.jmap, "CalendarEvent/parse", blobIds=[blob]))["parsed"][blob]
    (said,) = [one for one in answer["participants"].values() if one["calendarAddress"] == bob.address]
    patch = {"participants/g/participationStatus": said["participationStatus"]}
    await call(alice.jmap, "CalendarEvent/set", update={created["id"]: patch})
    # a change is told with a higher sequence, and the end as a cancellation
    await alice.set(update={created["id"]: {"title": "Late lunch"}})
    update, _ = await bob.mail()
    (entry,) = update.walk("VEVENT")
    assert (update["METHOD"], str(entry["SUMMARY"])) == ("REQUEST", "Late lunch")
    assert entry["SEQUENCE"] > 0
    await alice.set(destroy=[created["id"]])
    end, _ = await bob.mail()
    (entry,) = end.walk("VEVENT")
    assert (end["METHOD"], entry["STATUS"]) == ("CANCEL", "CANCELLED")
    assert (alice.count(), bob.count()) == (1, 3)


async def test_an_instance_that_is_taken_out(people: tuple[Person, Person]) -> None:
    alice, bob = people
    series = lunch(alice, bob, recurrenceRule={"@type": "RecurrenceRule", "frequency": "weekly", "count": 4})
    created = (await alice.set(create={"k": series}))["created"]["k"]
    await bob.mail()
    await alice.set(update={created["id"]: {"recurrenceOverrides": {"2026-12-08T12:00:00": {"excluded": True}}}})
    cancelled, _ = await bob.mail()
    (entry,) = cancelled.walk("VEVENT")
    assert cancelled["METHOD"] == "CANCEL"
    assert entry["RECURRENCE-ID"].dt.isoformat() == "2026-12-08T12:00:00+01:00"


async def test_nothing_leaves_unless_it_is_asked_for(people: tuple[Person, Person]) -> None:
    alice, bob = people
    answer = await call(alice.jmap, "CalendarEvent/set", create={"k": lunch(alice, bob)})
    event_id = answer["created"]["k"]["id"]
    await call(alice.jmap, "CalendarEvent/set", update={event_id: {"title": "Dinner"}})
    await call(alice.jmap, "CalendarEvent/set", destroy=[event_id])
    draft = (await alice.set(create={"k": lunch(alice, bob, isDraft=True)}))["created"]["k"]
    assert bob.count() == 0
    await alice.set(update={draft["id"]: {"isDraft": False}})  # now it is one
    invitation, _ = await bob.mail()
    assert invitation["METHOD"] == "REQUEST"
    assert bob.count() == 1


async def test_whom_no_message_reaches(people: tuple[Person, Person]) -> None:
    alice, bob = people
    event = lunch(alice, bob)
    event["participants"]["g"]["calendarAddress"] = "https://example.net/principals/bob"
    answer = await call(alice.jmap, "CalendarEvent/set", sendSchedulingMessages=True, create={"k": event})
    assert answer["notCreated"]["k"]["type"] == "noSupportedScheduleMethods"  # §5.9.2
    assert (await call(alice.jmap, "CalendarEvent/query"))["ids"] == []


async def test_cyrus_sends_by_itself(cyrus: Cyrus) -> None:
    users = [fresh_user(cyrus) for _ in range(2)]
    for user in users:
        wake(cyrus.host, cyrus.imap, *user)
    async with (
        running_gateway(cyrus, **keys(f"http://{cyrus.host}:{cyrus.http}")) as url,
        jmap_client(url, *users[0]) as alice,
        jmap_client(url, *users[1]) as bob,
    ):
        boxes = (await call(alice, "Calendar/get", ids=None))["list"]
        shown = (await call(bob, "CalendarEvent/query"))["ids"]
        addresses = [f"mailto:{user.name}@internal" for user in users]
        assert shown == []
        host, guest = addresses
        event = {
            "calendarIds": {boxes[0]["id"]: True},
            "title": "Lunch",
            "start": "2026-12-01T12:00:00",
            "timeZone": "Europe/Berlin",
            "duration": "PT1H",
            "organizerCalendarAddress": host,
            "participants": {
                "h": {"@type": "Participant", "calendarAddress": host, "roles": {"owner": True}},
                "g": {"@type": "Participant", "calendarAddress": guest, "roles": {"required": True}},
            },
        }
        answer = await call(alice, "CalendarEvent/set", sendSchedulingMessages=True, create={"k": event})
        assert answer["notCreated"] is None, answer
        for _ in range(100):
            if shown := (await call(bob, "CalendarEvent/query"))["ids"]:
                break
            await asyncio.sleep(0.05)
        (received,) = (await call(bob, "CalendarEvent/get", ids=shown, properties=["title", "uid", "isOrigin"]))["list"]
        assert (received["title"], received["isOrigin"]) == ("Lunch", False)
