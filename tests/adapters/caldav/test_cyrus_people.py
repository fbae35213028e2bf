"""Scheduling, free/busy and sharing on Cyrus, which does them by itself."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime

import pytest

from adapters.caldav.people import CalDav
from adapters.dav.connection import Credentials, Endpoint
from adapters.dav.sync import delta
from adapters.errors import InvalidData, NotFound
from adapters.ports.calendar_people import CalendarPrincipal
from adapters.ports.calendars import TimeRange
from adapters.ports.collections import Privilege
from tests.servers.dav import DavServer, login

Event = Callable[..., bytes]
READ: frozenset[Privilege] = frozenset({"read", "read-free-busy"})
WRITE: frozenset[Privilege] = frozenset({"write-content", "bind", "unbind"})
CALENDAR = "Default/"
MARCH = TimeRange(datetime(2036, 3, 1, tzinfo=UTC), datetime(2036, 4, 1, tzinfo=UTC))
"""Cyrus tells nobody of what is past."""


async def opened(request: pytest.FixtureRequest) -> tuple[DavServer, CalDav]:
    server = login(request, "cyrus")
    port = CalDav(Endpoint(server.url), Credentials(server.user, password=server.password))
    await port.open()
    return server, port


@pytest.fixture
async def alice(request: pytest.FixtureRequest) -> AsyncIterator[CalDav]:
    _, port = await opened(request)
    yield port
    await port.close()


@pytest.fixture
async def bob(request: pytest.FixtureRequest) -> AsyncIterator[CalDav]:
    _, port = await opened(request)
    yield port
    await port.close()


def address(port: CalDav) -> str:
    assert port.principal is not None
    return f"mailto:{port.principal.rstrip('/').rpartition('/')[2]}@internal"


def meeting(event: Event, organizer: CalDav, *attendees: CalDav) -> bytes:
    lines = [f"ATTENDEE;PARTSTAT=NEEDS-ACTION;RSVP=TRUE:{address(attendee)}" for attendee in attendees]
    times = {"start": "20360301T100000Z", "end": "20360301T110000Z"}
    return event("meeting", f"ORGANIZER:{address(organizer)}", *lines, **times)


async def received(port: CalDav) -> int:
    """How many scheduling messages lie in the inbox, and copies in the calendar."""
    inbox = await delta(port.connection, port.home + "Inbox/", None, {}, reports=False)
    return len(inbox.changed) + len(await meetings(port))


async def meetings(port: CalDav) -> dict[str, str]:
    """Name -> ETag of what lies in the calendar."""
    batches = port.find(CALENDAR, MARCH, "VEVENT")
    return {name: resource.etag async for batch in batches for name, resource in batch.items()}


async def stored(port: CalDav) -> bytes:
    """The meeting as the organizer has it."""
    return b"".join([found.data async for batch in port.fetch(CALENDAR, ["m.ics"]) for found in batch.values()])


async def etag(port: CalDav) -> str:
    return next(iter((await meetings(port)).values()))


async def test_nothing_leaves_unless_asked(alice: CalDav, bob: CalDav, event: Event) -> None:
    """An organizer stores, changes and deletes a meeting; bob hears nothing."""
    invited = meeting(event, alice, bob)
    await alice.create(CALENDAR, "m.ics", invited, schedule=False)
    later = invited.replace(b"T100000Z", b"T103000Z").replace(b"DTSTAMP", b"SEQUENCE:1\r\nDTSTAMP")
    await alice.replace(CALENDAR, "m.ics", later, await etag(alice), schedule=False)
    await alice.delete(CALENDAR, "m.ics", await etag(alice), schedule=False)
    await asyncio.sleep(0.3)  # delivery would be done before the answer
    assert await received(bob) == 0


async def test_the_server_invites_when_asked(alice: CalDav, bob: CalDav, event: Event) -> None:
    """The same without `schedule=False`: what shows that the test above can fail."""
    await alice.create(CALENDAR, "m.ics", meeting(event, alice, bob))
    assert await received(bob) == 2
    assert any(
        [
            b"SCHEDULE-STATUS" in found.data
            async for batch in alice.fetch(CALENDAR, ["m.ics"])
            for found in batch.values()
        ]
    )


@pytest.mark.parametrize("schedule", [False, True])
async def test_an_attendee_declines_in_silence(alice: CalDav, bob: CalDav, event: Event, schedule: bool) -> None:
    """RFC 6638 §8.1."""
    await alice.create(CALENDAR, "m.ics", meeting(event, alice, bob))
    name, known = next(iter((await meetings(bob)).items()))
    await bob.delete(CALENDAR, name, known, schedule=schedule)
    assert (b"DECLINED" in await stored(alice)) == schedule


async def test_free_busy_of_others(alice: CalDav, bob: CalDav, event: Event) -> None:
    """RFC 6638 §5."""
    await bob.create(CALENDAR, "b.ics", event("busy"))
    lines = [
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Example//Test//EN\r\nMETHOD:REQUEST\r\nBEGIN:VFREEBUSY",
        f"UID:f\r\nDTSTAMP:20260101T000000Z\r\nORGANIZER:{address(alice)}\r\nATTENDEE:{address(bob)}",
        "ATTENDEE:mailto:nobody@elsewhere.example\r\nDTSTART:20260301T000000Z\r\nDTEND:20260302T000000Z",
        "END:VFREEBUSY\r\nEND:VCALENDAR\r\n",
    ]
    replies = {reply.recipient: reply for reply in await alice.ask_free_busy("\r\n".join(lines).encode())}
    assert replies[address(bob)].request_status.startswith("2.0")
    assert b"20260301T100000Z/20260301T110000Z" in (replies[address(bob)].data or b"")
    assert not replies["mailto:nobody@elsewhere.example"].request_status.startswith("2.")


def named(port: CalDav) -> CalendarPrincipal:
    """Whom the server hides: it says nothing of him but his path."""
    assert port.principal is not None
    return CalendarPrincipal(port.principal, "Somebody", "individual", (), None)


async def shared_with(port: CalDav) -> Mapping[str, frozenset[Privilege]]:
    return next(found.grants for found in await port.calendars() if found.path == CALENDAR) or {}


async def test_sharing(alice: CalDav, bob: CalDav) -> None:
    assert bob.principal is not None
    assert await shared_with(alice) == {}
    await alice.share(CALENDAR, {named(bob): READ | WRITE})
    assert (await shared_with(alice))[bob.principal] >= READ | WRITE
    await alice.share(CALENDAR, {named(bob): READ})
    assert not (await shared_with(alice))[bob.principal] & WRITE
    with pytest.raises(InvalidData):
        await alice.share(CALENDAR, {named(bob): WRITE})
    await alice.share(CALENDAR, {named(bob): frozenset()})
    assert await shared_with(alice) == {}


async def offers(port: CalDav) -> dict[str, bool]:
    """Path -> whether it has still to be taken up, of the calendars of others."""
    return {found.path: found.offered for found in await port.calendars() if found.owner is not None}


async def test_what_is_shared_is_offered_and_taken_up(alice: CalDav, bob: CalDav, event: Event) -> None:
    """Cyrus lists it in bob's home once he took it up; he may read it before."""
    await alice.create(CALENDAR, "m.ics", event("m"))
    await alice.share(CALENDAR, {named(bob): READ})
    assert alice.principal is not None
    theirs = f"{alice.principal.rstrip('/').rpartition('/')[2]}.{CALENDAR}"
    assert await offers(bob) == {theirs: True}
    assert theirs in await bob.cursors()
    assert [name async for batch in bob.fetch(theirs, ["m.ics"]) for name in batch] == ["m.ics"]
    await bob.accept(theirs)
    assert await offers(bob) == {theirs: False}
    assert theirs in await bob.cursors()
    with pytest.raises(NotFound):
        await bob.accept(theirs)
    await alice.share(CALENDAR, {named(bob): frozenset()})
    assert await offers(bob) == {}
    assert theirs not in await bob.cursors()


async def test_an_offer_that_is_taken_back(alice: CalDav, bob: CalDav) -> None:
    await alice.share(CALENDAR, {named(bob): READ})
    (theirs,) = await offers(bob)
    await alice.share(CALENDAR, {named(bob): frozenset()})
    assert theirs not in await bob.cursors()
    assert await offers(bob) == {}


async def test_principals(alice: CalDav) -> None:
    found = await alice.principals()
    assert found[0].path == alice.principal
    assert found[0].home == alice.home
