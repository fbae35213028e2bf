"""A gateway that is killed while it sends what is no EmailSubmission: receipts (RFC 9007) and scheduling messages by
mail (RFC 6047). None is lost, none is sent twice (trust model, row 76)."""

import email
from typing import Any

import pytest

from gateway.demo.radicale import Radicale
from tests.client import JmapClient, jmap_client
from tests.faults.proxy import After, FaultProxy, Rule, Sender, Stall
from tests.gateway import running_gateway
from tests.objects.calendars.conftest import keys as calendar_keys
from tests.objects.calendars.test_scheduling import call as calendar_call
from tests.objects.submission.sending import eventually
from tests.objects.submission.test_mdn import call as mdn_call
from tests.objects.submission.test_mdn import receipt
from tests.replicas.test_killed_sending import BEFORE, TAKEN, Scene, client_of, killed_when, killed_while
from tests.replicas.test_killed_sending import scene as scene  # noqa: PLC0414 - a fixture
from tests.servers.imap_client import imap_client
from tests.servers.users import User

ASKING = b"From: a@example.net\r\nDisposition-Notification-To: a@example.net\r\nSubject: Tea\r\n\r\nx\r\n"


async def asked(client: JmapClient) -> dict[str, Any]:
    """The arguments of MDN/send for the one message of the account."""
    (email_id,) = (await client.call("Email/query"))["ids"]
    return await receipt(client, email_id)


@pytest.mark.parametrize("at_once", [False, True])
async def test_a_receipt_is_sent_once(scene: Scene, at_once: bool) -> None:
    """Whether its client asks again at once, or the gateway that follows marks the Email by itself."""
    with imap_client(scene.dovecot, scene.user) as imap:
        uid = imap.append("INBOX", ASKING)
    assert uid is not None
    async with scene.gateway() as gateway, client_of(gateway, scene.user) as client:
        arguments, account = await asked(client), client.account
        await killed_while(scene, gateway, TAKEN, mdn_call(client, "MDN/send", **arguments))
    if not at_once:
        await scene.time_passes(account, 600)
    async with scene.gateway() as gateway:

        async def marked() -> bool:
            with imap_client(scene.dovecot, scene.user) as imap:
                return any(flag.lower() == "$mdnsent" for flag in imap.flags("INBOX", uid))

        if not at_once:
            await eventually(marked)
        async with client_of(gateway, scene.user) as client:
            (_, answer), *implicit = await mdn_call(client, "MDN/send", **arguments)
            if at_once:
                assert answer["sent"]["k"]["finalRecipient"]
                assert implicit[0][1]["updated"]
            else:
                assert answer["notSent"]["k"]["type"] == "mdnAlreadySent"
            (_, again), *_ = await mdn_call(client, "MDN/send", **arguments)
            assert again["notSent"]["k"]["type"] == "mdnAlreadySent"
    assert await marked()
    assert len(scene.script.data) == 1


@pytest.mark.parametrize("point", [BEFORE, TAKEN])
async def test_an_invitation_is_sent_once(scene: Scene, radicale: Radicale, point: str) -> None:
    """The event is written by then, so nobody would ask for it again; nobody has to log in for it either."""
    radicale.create_user(*scene.user)
    scene.keys.update(calendar_keys(radicale.url))
    async with scene.gateway() as gateway, client_of(gateway, scene.user) as client:
        made = await calendar_call(client, "Calendar/set", create={"k": {"name": "Own"}})
        event, account = lunch(scene.user, made["created"]["k"]["id"]), client.account
        inviting = calendar_call(client, "CalendarEvent/set", sendSchedulingMessages=True, create={"k": event})
        await killed_while(scene, gateway, point, inviting)
    assert len(scene.script.data) == (0 if point == BEFORE else 1)
    await scene.time_passes(account, 600)
    async with scene.gateway() as gateway:
        await eventually(lambda: scene.settled(account))
        async with client_of(gateway, scene.user) as client:
            (found,) = (await calendar_call(client, "CalendarEvent/get", ids=None))["list"]
            assert found["title"] == "Lunch"
    assert len(scene.script.data) == 1
    message = email.message_from_bytes(scene.script.data[0])
    assert message["To"] == "guest@example.net"
    assert "text/calendar" in [part.get_content_type() for part in message.walk()]


async def silently(scene: Scene, radicale: Radicale, *, event: bool) -> tuple[str, str]:
    """Ids of a calendar, and of the event in it (if there is to be one), of which nobody was told."""
    async with (
        running_gateway(scene.dovecot, **calendar_keys(radicale.url)) as url,
        jmap_client(url, *scene.user) as client,
    ):
        made = await calendar_call(client, "Calendar/set", create={"k": {"name": "Own"}})
        calendar = made["created"]["k"]["id"]
        if not event:
            return calendar, ""
        answer = await calendar_call(client, "CalendarEvent/set", create={"k": lunch(scene.user, calendar)})
        return calendar, answer["created"]["k"]["id"]


@pytest.mark.parametrize("is_written", [False, True], ids=["not written", "written"])
@pytest.mark.parametrize("operation", ["create", "update", "destroy"])
async def test_people_are_told_of_what_was_written(
    scene: Scene, radicale: Radicale, operation: str, is_written: bool
) -> None:
    """Row 76: of a gateway that is killed while the calendar server writes, nobody knows whether it did."""
    radicale.create_user(*scene.user)
    calendar, event_id = await silently(scene, radicale, event=operation != "create")
    arguments: dict[str, Any] = {
        "create": {"k": lunch(scene.user, calendar)},
        "update": {event_id: {"title": "Late lunch"}},
        "destroy": [event_id],
    }
    async with FaultProxy(radicale.host, radicale.port) as dav:
        scene.keys.update(calendar_keys(f"http://{dav.host}:{dav.port}/"))
        sender: Sender = "server" if is_written else "client"
        answered = rb"201 Created|204 No Content|</(\w+:)?href>\s*<(\w+:)?status>HTTP/1.1 200"
        pattern = answered if is_written else rb"(PUT|DELETE) /"
        dav.add(Rule(sender, After.match(pattern), Stall()))
        async with scene.gateway() as gateway, client_of(gateway, scene.user) as client:
            account, wanted = client.account, {operation: arguments[operation]}
            writing = calendar_call(client, "CalendarEvent/set", sendSchedulingMessages=True, **wanted)
            await killed_when(lambda: dav.count(pattern, sender) == 1, gateway, writing)
        assert scene.script.data == []
        await scene.time_passes(account, 600)
        async with scene.gateway() as gateway:
            await eventually(lambda: scene.settled(account))
            async with client_of(gateway, scene.user) as client:
                found = (await calendar_call(client, "CalendarEvent/get", ids=None))["list"]
    before, after = {"create": ([], ["Lunch"]), "update": (["Lunch"], ["Late lunch"]), "destroy": (["Lunch"], [])}[
        operation
    ]
    assert [one["title"] for one in found] == (after if is_written else before)
    assert len(scene.script.data) == (1 if is_written else 0)
    for data in scene.script.data:
        method = "CANCEL" if operation == "destroy" else "REQUEST"
        assert f"method={method}".encode() in data


def lunch(user: User, calendar: str) -> dict[str, Any]:
    host, guest = f"mailto:{user.name}@example.org", "mailto:guest@example.net"
    return {
        "calendarIds": {calendar: True},
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
