"""Which scheduling messages a change asks for, and what stands in them (draft-ietf-jmap-calendars-29 §5.9.2)."""

import copy
from typing import Any

import icalendar
import pytest

from adapters.formats import imip, itip
from adapters.formats.itip import Message

NOW = "2026-11-28T12:00:00Z"
ME, BOB, CAROL = "mailto:me@example.org", "mailto:bob@example.net", "mailto:carol@example.net"


def is_own(address: str) -> bool:
    return address.lower() == ME


def person(address: str, **more: Any) -> dict[str, Any]:
    return {"@type": "Participant", "calendarAddress": address, "roles": {"required": True}, **more}


def event(*guests: str, organizer: str = ME, **more: Any) -> dict[str, Any]:
    people = {address.split(":")[1].split("@")[0]: person(address) for address in guests}
    host = {"host": person(organizer, roles={"owner": True, "required": True})}
    return {
        "@type": "Event",
        "uid": "u1",
        "title": "Lunch",
        "start": "2026-12-01T12:00:00",
        "duration": "PT1H",
        "timeZone": "Europe/Berlin",
        "organizerCalendarAddress": organizer,
        "participants": host | people,
        **more,
    }


def weekly(*guests: str, **more: Any) -> dict[str, Any]:
    return event(*guests, recurrenceRule={"@type": "RecurrenceRule", "frequency": "weekly"}, **more)


def changed(before: dict[str, Any], **more: Any) -> dict[str, Any]:
    return copy.deepcopy(before) | {"sequence": before.get("sequence", 0) + 1} | more


def sent(before: dict[str, Any] | None, after: dict[str, Any] | None) -> list[tuple[str, tuple[str, ...], str | None]]:
    """Method, recipients, recurrence id of each message."""
    found = itip.messages(before, after, is_own, NOW)
    assert all(message.event["method"] == message.method and message.event["updated"] == NOW for message in found)
    return [(one.method, one.recipients, one.event.get("recurrenceId")) for one in found]


WEEK = "2026-12-08T12:00:00"
LATER = "2026-12-15T12:00:00"


def test_creating_and_destroying() -> None:
    lunch = event(BOB, CAROL)
    assert sent(None, lunch) == [("request", (BOB, CAROL), None)]
    assert sent(lunch, None) == [("cancel", (BOB,), None), ("cancel", (CAROL,), None)]
    assert sent(None, {**lunch, "isDraft": True}) == []
    assert sent({**lunch, "isDraft": True}, lunch) == [("request", (BOB, CAROL), None)]
    alone = {name: value for name, value in event().items() if name != "organizerCalendarAddress"}
    assert sent(None, alone) == []
    assert sent(None, event()) == []


def test_updates_of_an_event() -> None:
    lunch = event(BOB, CAROL)
    assert sent(lunch, changed(lunch, title="Dinner")) == [("request", (BOB, CAROL), None)]
    # nothing per-user is anybody else's business (§5.4)
    private: list[dict[str, Any]] = [{"alerts": {}}, {"color": "red"}, {"keywords": {}}, {"freeBusyStatus": "free"}]
    for own in private:
        assert sent(lunch, changed(lunch, **own)) == []
    guests = {key: value for key, value in lunch["participants"].items() if key != "bob"}
    without = changed(lunch, participants=guests)
    assert sent(lunch, without) == [("cancel", (BOB,), None), ("request", (CAROL,), None)]
    assert sent(without, lunch) == [("request", (BOB, CAROL), None)]


def test_instances() -> None:
    series = weekly(BOB, CAROL)
    gone = changed(series, recurrenceOverrides={WEEK: {"excluded": True}})
    assert sent(series, gone) == [("cancel", (BOB,), WEEK), ("cancel", (CAROL,), WEEK)]
    moved = changed(series, recurrenceOverrides={WEEK: {"start": "2026-12-08T13:00:00"}})
    assert sent(series, moved) == [("request", (BOB, CAROL), None)]
    assert sent(moved, gone) == [("cancel", (BOB,), WEEK), ("cancel", (CAROL,), WEEK)]
    less = changed(series, recurrenceOverrides={WEEK: {"participants/bob": None}})
    found = itip.messages(series, less, is_own, NOW)
    assert [(one.method, one.recipients) for one in found] == [
        ("cancel", (BOB,)),
        ("request", (BOB,)),
        ("request", (CAROL,)),
    ]
    # who is not at an instance is not told of it
    assert found[1].event["recurrenceOverrides"] == {WEEK: {"excluded": True}}
    assert found[2].event["recurrenceOverrides"] == {WEEK: {"participants/bob": None}}
    assert "status" not in found[0].event


def test_guests_of_single_instances() -> None:
    series = weekly(BOB)
    guest = person(CAROL)
    invited = changed(series, recurrenceOverrides={WEEK: {"participants/carol": guest}, LATER: {"title": "Supper"}})
    assert sent(series, invited) == [("request", (BOB,), None), ("request", (CAROL,), WEEK)]
    (alone,) = [one for one in itip.messages(series, invited, is_own, NOW) if CAROL in one.recipients]
    assert "recurrenceRule" not in alone.event
    assert alone.event["start"] == WEEK
    assert sent(invited, changed(invited, recurrenceOverrides={LATER: {"title": "Supper"}})) == [
        ("cancel", (CAROL,), WEEK)
    ]
    assert sent(invited, None) == [("cancel", (BOB,), None), ("cancel", (CAROL,), WEEK)]


def test_hidden_attendees() -> None:
    party = event(BOB, CAROL, hideAttendees=True)
    for message in itip.messages(None, party, is_own, NOW):
        (recipient,) = message.recipients
        assert {one["calendarAddress"] for one in message.event["participants"].values()} == {ME, recipient}


def answered(before: dict[str, Any], status: str) -> dict[str, Any]:
    after = copy.deepcopy(before)
    after["participants"]["me"]["participationStatus"] = status
    return after


def test_replies() -> None:
    lunch = event(ME, CAROL, organizer=BOB)
    accepted = answered(lunch, "accepted")
    assert sent(lunch, accepted) == [("reply", (BOB,), None)]
    assert sent(accepted, answered(lunch, "needs-action")) == []
    assert sent(accepted, accepted | {"alerts": {}}) == []
    assert sent(None, lunch) == []
    assert sent(None, accepted) == [("reply", (BOB,), None)]
    assert sent(lunch, None) == []
    assert sent(accepted, None) == [("reply", (BOB,), None)]
    (reply,) = itip.messages(lunch, accepted, is_own, NOW)
    assert [one["calendarAddress"] for one in reply.event["participants"].values()] == [ME]
    assert reply.sender == ME
    (declined,) = itip.messages(accepted, None, is_own, NOW)
    assert declined.event["participants"]["me"]["participationStatus"] == "declined"


def test_replies_for_an_instance() -> None:
    series = weekly(ME, organizer=BOB)
    status = "participants/me/participationStatus"
    once = copy.deepcopy(series) | {"recurrenceOverrides": {WEEK: {status: "declined"}}}
    assert sent(series, once) == [("reply", (BOB,), WEEK)]
    # an answer for the whole series is one for instances that differ in something else
    titled = copy.deepcopy(series) | {"recurrenceOverrides": {WEEK: {"title": "Supper"}}}
    assert sent(titled, answered(titled, "accepted")) == [("reply", (BOB,), None)]
    assert sent(answered(once, "accepted"), answered(series, "accepted") | {"recurrenceOverrides": {WEEK: {}}}) == [
        ("reply", (BOB,), WEEK)
    ]
    assert sent(series, copy.deepcopy(series) | {"recurrenceOverrides": {WEEK: {"excluded": True}}}) == [
        ("reply", (BOB,), WEEK)
    ]


@pytest.mark.parametrize(
    ("before", "after", "method", "subject"),
    [
        (None, event(BOB), "REQUEST", "Invitation: Lunch"),
        (event(BOB), changed(event(BOB), title="Dinner"), "REQUEST", "Updated invitation: Dinner"),
        (event(BOB), None, "CANCEL", "Cancelled: Lunch"),
        (None, answered(event(ME, organizer=BOB), "accepted"), "REPLY", "Accepted: Lunch"),
    ],
)
def test_the_mail(before: Any, after: Any, method: str, subject: str) -> None:
    (message,) = itip.messages(before, after, is_own, NOW)
    email = imip.email(message)
    assert email["subject"] == subject
    assert [one["email"] for one in email["to"]] == ["bob@example.net"]
    assert email["from"][0]["email"] == "me@example.org"
    # RFC 6047 §2.4
    kind = email["bodyStructure"]["subParts"][2]["header:Content-Type:asRaw"]
    assert f"method={method};" in kind
    calendar = icalendar.Calendar.from_ical(email["bodyValues"]["calendar"]["value"])
    assert calendar["METHOD"] == method
    (entry,) = calendar.walk("VEVENT")
    assert entry["UID"] == "u1"
    assert entry["ORGANIZER"] == message.event["organizerCalendarAddress"]
    assert {"VTIMEZONE"} == {one.name for one in calendar.walk("VTIMEZONE")}
    # RFC 5546 §3.2.3, §3.2.5
    if method == "REPLY":
        assert entry["ATTENDEE"].params["PARTSTAT"] == "ACCEPTED"
    assert (entry.get("STATUS") == "CANCELLED") is (method == "CANCEL")
    assert "Tuesday, 01 December 2026, 12:00 to 13:00 (Europe/Berlin)" in email["bodyValues"]["text"]["value"]


def test_nothing_of_an_event_is_markup() -> None:
    message = Message("request", ME, (BOB,), event(BOB, title="<script>", description="a & b") | {"method": "request"})
    html = imip.email(message)["bodyValues"]["html"]["value"]
    assert "<script>" not in html
    assert "a &amp; b" in html


@pytest.mark.parametrize(
    ("address", "mail"),
    [
        ("mailto:a@b.c", "a@b.c"),
        ("MAILTO:a@b.c?x=y", "a@b.c"),
        ("mailto:a", None),
        ("https://a@b.c", None),
        ("a@b", None),
    ],
)
def test_addresses_of_mail(address: str, mail: str | None) -> None:
    assert imip.mail_address(address) == mail
