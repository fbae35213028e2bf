"""Servers that are not at hand, by what was recorded of them; and what no server does on demand."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from typing import cast

import pytest

from adapters.caldav.people import CalDav
from adapters.caldav.reading import by_time
from adapters.dav.connection import Credentials, DavConnection, Endpoint
from adapters.dav.multistatus import Entry
from adapters.dav.multistatus import multistatus as entries_of
from adapters.dav.quirks import OTHER
from adapters.errors import Conflict, Forbidden, NotFound, Unavailable, Unsupported
from adapters.ports.calendar_people import (
    CalendarPrincipal,
    FreeBusyReply,
    PrincipalsPort,
    SchedulingPort,
    SharingPort,
)
from adapters.ports.calendars import CalendarChanges, CalendarPort, TimeRange
from tests.wire.dav import (
    Heard,
    Reply,
    ScriptedDav,
    error,
    etag,
    found,
    home_server,
    multistatus,
    scripted_dav,
    status,
)

SCALES = ("<C:supported-rscale-set><C:supported-rscale>", "</C:supported-rscale></C:supported-rscale-set>")
CALENDAR = "<D:resourcetype><D:collection/><C:calendar/></D:resourcetype>"
WINDOW = TimeRange(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC))
Table = Mapping[tuple[str, str], Reply | list[Reply]]


def data(name: str, text: str = "BEGIN:VCALENDAR") -> str:
    return found(name, f'<D:getetag>"1"</D:getetag><C:calendar-data>{text}</C:calendar-data>')


server = partial(home_server, "caldav")


@asynccontextmanager
async def opened(table: Table, path: str = "/") -> AsyncIterator[tuple[CalDav, ScriptedDav]]:
    async with scripted_dav(table) as script:
        port = CalDav(Endpoint(script.url + path, read_timeout=0.5), Credentials("a", password="b"))
        await port.open()
        script.heard.clear()
        yield port, script
        await port.close()


SOGO = server("/SOGo/dav/a/Calendar/", DAV="1, 2, access-control, calendar-access")
SABRE = server(DAV="1, 3, calendar-access", X_Sabre_Version="4.7.1")
DAVICAL = server(DAV="1, 2, 3, calendar-access", X_DAViCal_Version="DAViCal/1.1.12")
PLAIN = server(DAV="1, 2, calendar-access")


def test_ports_are_what_they_say() -> None:
    port = CalDav(Endpoint("http://127.0.0.1"), Credentials("a", password="b"))
    assert isinstance(port, SchedulingPort)
    assert isinstance(port, PrincipalsPort)
    assert isinstance(port, SharingPort)
    typed: CalendarPort = port
    assert typed is port


@pytest.mark.parametrize(
    ("table", "name"),
    [(SOGO, "sogo"), (SABRE, "sabre"), (DAVICAL, "davical"), (PLAIN, "other")],
)
async def test_facts_come_from_the_row(table: Table, name: str) -> None:
    async with scripted_dav(table) as script:
        port = CalDav(Endpoint(script.url), Credentials("a", password="b"))
        facts = await port.open()
        assert (facts.server, facts.principal) == (name, "/p/")
        await port.close()


@pytest.mark.parametrize(
    ("shown", "scales"),
    [
        ("<D:displayname/>", None),
        ("<C:supported-rscale-set/>", ()),
        (f"{SCALES[0]}gregorian{SCALES[1]}", ("GREGORIAN",)),
        (f"{SCALES[0]}SUMMARY:Meeting{SCALES[1]}", ()),
        (f"{SCALES[0]}{SCALES[1]}", ()),
        (f"{SCALES[0]}\udc83\udcd2{SCALES[1]}", ()),
    ],
)
async def test_what_is_no_calendar_system_says_that_any_may_be_tried(
    shown: str, scales: tuple[str, ...] | None
) -> None:
    body = multistatus(found("/h/", shown)).encode("utf-8", "surrogateescape")
    listing = PLAIN["PROPFIND", "/h/"]
    async with scripted_dav({**PLAIN, ("PROPFIND", "/h/"): [Reply(body=body), listing]}) as script:
        port = CalDav(Endpoint(script.url), Credentials("a", password="b"))
        assert (await port.open()).scales == scales
        await port.close()


async def test_discovery_from_a_path() -> None:
    table: Table = {**PLAIN, ("PROPFIND", "/dav/"): PLAIN["PROPFIND", "/"]}
    async with opened(table, "/dav") as (port, _):
        assert port.home == "/h/"


async def test_discovery_goes_on_where_the_path_leads_nowhere() -> None:
    async with opened(PLAIN, "/wrong/") as (port, _):
        assert port.home == "/h/"


async def test_a_server_without_calendars() -> None:
    nobody = Reply(body=multistatus(found("/", "<D:resourcetype/>")))
    async with scripted_dav({("PROPFIND", "/"): nobody}) as script:
        port = CalDav(Endpoint(script.url), Credentials("a", password="b"))
        with pytest.raises(NotFound):
            await port.open()
        await port.close()


async def test_an_outage_is_no_absence() -> None:
    async with scripted_dav({("PROPFIND", "/.well-known/caldav"): Reply(503)}) as script:
        port = CalDav(Endpoint(script.url), Credentials("a", password="b"))
        with pytest.raises(Unavailable):
            await port.open()
        await port.close()


async def test_two_homes() -> None:
    """RFC 4791 §6.2.1: calendars of the second one are known by their whole path."""
    second = "<D:href>/other/</D:href>"
    table: dict[tuple[str, str], Reply] = server("/h/", listing=found("/h/w/", CALENDAR))
    homes = f"<C:calendar-home-set><D:href>/h/</D:href>{second}</C:calendar-home-set>"
    current = "<D:current-user-principal><D:href>/p/</D:href></D:current-user-principal>"
    table["PROPFIND", "/p/"] = Reply(body=multistatus(found("/p/", homes + current)))
    table["PROPFIND", "/other/"] = Reply(body=multistatus(found("/other/x/", CALENDAR)))
    table["DELETE", "/other/x/a.ics"] = Reply(204)
    async with opened(table) as (port, _):
        assert [calendar.path for calendar in await port.calendars()] == ["w/", "/other/x/"]
        await port.delete("/other/x/", "a.ics", None)


async def test_sogo_overwrites_so_it_is_asked_before() -> None:
    place = "/SOGo/dav/a/Calendar/w/a.ics"
    table: Table = {
        **SOGO,
        ("PROPFIND", place): [Reply(body=multistatus(etag(place, "1"))), Reply(404)],
        ("PUT", place): Reply(201, headers={"ETag": '"gcs00000001"'}),
    }
    async with opened(table) as (port, script):
        with pytest.raises(Conflict):
            await port.create("w/", "a.ics", b"x")
        assert not script.said("PUT")
        stored = await port.create("w/", "a.ics", b"x")
        assert stored.etag is None  # it stores something else than it was given


async def test_sogo_deletes_what_is_stale_so_it_is_asked_before() -> None:
    place = "/SOGo/dav/a/Calendar/w/a.ics"
    table: Table = {
        **SOGO,
        ("PROPFIND", place): [
            Reply(body=multistatus(etag(place, "2"))),
            Reply(404),
            Reply(body=multistatus(etag(place, "1"))),
        ],
        ("DELETE", place): Reply(204),
    }
    async with opened(table) as (port, script):
        with pytest.raises(Conflict):
            await port.delete("w/", "a.ics", '"1"')
        with pytest.raises(NotFound):
            await port.delete("w/", "a.ics", '"1"')
        assert not script.said("DELETE")
        await port.delete("w/", "a.ics", '"1"')
        assert len(script.said("DELETE")) == 1


async def test_sogo_refuses_all_for_one_so_each_goes_alone() -> None:
    """Its answers also lack the colon of the namespace."""
    place = "/SOGo/dav/a/Calendar/w/"
    refused = (
        f'<D:response xmlns:X="DAV"><D:href>{place}</D:href><D:propstat><D:prop><X:displayname/></D:prop>'
        "<D:status>HTTP/1.1 403 Forbidden</D:status></D:propstat></D:response>"
    )
    stored = found(place, '<calendar-color xmlns="http://apple.com/ns/ical/"/>')
    table: Table = {**SOGO, ("PROPPATCH", place): [Reply(body=multistatus(stored)), Reply(body=multistatus(refused))]}
    async with opened(table) as (port, script):
        assert await port.update_calendar("w/", CalendarChanges(name="N", color="#fff")) == {"name"}
        assert len(script.said("PROPPATCH")) == 2


async def test_what_was_listed_last_is_remembered() -> None:
    async with opened(server(listing=found("/h/w/", CALENDAR))) as (port, script):
        assert [info.path for info in port.heard()] == ["w/"]
        assert not script.heard
        assert port.heard() == tuple(await port.calendars())


async def test_a_listing_of_cursors_is_read_again_when_it_says_something_else() -> None:
    def listing(token: str) -> Reply:
        return Reply(body=multistatus(found("/h/w/", f"{CALENDAR}<D:sync-token>{token}</D:sync-token>")))

    home = ("PROPFIND", "/h/")
    async with opened({**PLAIN, home: [*[listing("1")] * 4, listing("2")]}) as (port, _):
        assert [(await port.cursors())["w/"].token for _ in range(3)] == ["1", "1", "2"]


async def test_sogo_counts_seconds_so_a_young_ctag_says_nothing() -> None:
    def listing(ctag: int) -> Reply:
        about = f"{CALENDAR}<CS:getctag>{ctag}</CS:getctag>"
        return Reply(
            body=multistatus(found("/SOGo/dav/a/Calendar/w/", about)), headers={"Date": "Sat, 28 Nov 2026 05:00:00 GMT"}
        )

    now = int(datetime(2026, 11, 28, 5, tzinfo=UTC).timestamp())
    home = ("PROPFIND", "/SOGo/dav/a/Calendar/")
    async with opened({**SOGO, home: [*[listing(now - 9)] * 4, listing(now)]}) as (
        port,
        _,
    ):
        old, again, young = [(await port.calendars())[0].cursor for _ in range(3)]
        assert not again.moved_from(old)
        assert young.moved_from(young)


async def test_a_refused_property_does_not_spoil_the_others() -> None:
    """RFC 4918 §9.2.1: what is answered with 424 is sent again without the culprit."""
    place = "/h/w/"
    spoiled = (
        f"<D:response><D:href>{place}</D:href><D:propstat><D:prop><D:displayname/></D:prop>"
        "<D:status>HTTP/1.1 424 Failed Dependency</D:status></D:propstat><D:propstat><D:prop>"
        '<calendar-order xmlns="http://apple.com/ns/ical/"/></D:prop><D:status>HTTP/1.1 403 Forbidden</D:status>'
        "</D:propstat></D:response>"
    )
    good = found(place, "<D:displayname/>")
    table: Table = {**PLAIN, ("PROPPATCH", place): [Reply(body=multistatus(spoiled)), Reply(body=multistatus(good))]}
    async with opened(table) as (port, script):
        assert await port.update_calendar("w/", CalendarChanges(name="N", order=1)) == {"order"}
        assert b"calendar-order" not in script.said("PROPPATCH")[1].body


async def test_properties_that_may_not_be_written() -> None:
    async with opened({**PLAIN, ("PROPPATCH", "/h/w/"): Reply(403)}) as (port, _):
        with pytest.raises(Forbidden):
            await port.update_calendar("w/", CalendarChanges(name="N"))


async def test_servers_that_do_not_move() -> None:
    async with opened(SABRE) as (port, script):
        with pytest.raises(Unsupported):
            await port.move("w/", "a.ics", "x/", '"1"')
        assert not script.heard


async def test_a_move_never_overwrites() -> None:
    async with opened({**PLAIN, ("MOVE", "/h/w/a.ics"): Reply(201)}) as (port, script):
        await port.move("w/", "a.ics", "x/", '"1"')
        sent = script.said("MOVE")[0].headers
        assert (sent["overwrite"], sent["if-match"]) == ("F", '"1"')
        assert sent["destination"] == f"{script.url}/h/x/a.ics"


async def test_what_no_listing_shows_is_not_written() -> None:
    """DAViCal takes both with 200; the gateway keeps them."""
    async with opened({**DAVICAL, ("PROPPATCH", "/h/w/"): Reply(body=multistatus(found("/h/w/", "")))}) as (
        port,
        script,
    ):
        changes = CalendarChanges(name="New", transparent=True, time_zone="BEGIN:VCALENDAR")
        assert await port.update_calendar("w/", changes) == {"transparent", "time_zone"}
        (sent,) = script.said("PROPPATCH")
        assert b"displayname" in sent.body
        assert b"calendar-timezone" not in sent.body


async def test_missing_resources_are_asked_for_twice_and_then_gone() -> None:
    """DAViCal and sabre/dav say nothing of an href that they don't have."""
    place = ("REPORT", "/h/w/")
    answers = [Reply(body=multistatus(data("/h/w/a.ics"))), Reply(body=multistatus(data("/h/w/b.ics")))]
    async with opened({**DAVICAL, place: answers}) as (port, script):
        batches = [set(batch) async for batch in port.fetch("w/", ["a.ics", "b.ics", "c.ics"])]
        assert batches == [{"a.ics"}, {"b.ics"}]
        assert b"a.ics" not in script.heard[1].body


async def test_one_monster_does_not_hide_the_others() -> None:
    """A text beyond what the parser takes, and octets that are no XML: the others come."""
    for bad in ("x" * 10_100_000, "BEGIN:\x0bVCALENDAR"):
        monster = Reply(body=multistatus(data("/h/w/a.ics"), data("/h/w/b.ics", bad)))
        rest = [Reply(body=multistatus(data(f"/h/w/{name}"))) for name in ("a.ics", "c.ics")]
        async with opened({**PLAIN, ("REPORT", "/h/w/"): [monster, monster, rest[0], monster, rest[1]]}) as (port, _):
            names = [name async for batch in port.fetch("w/", ["a.ics", "b.ics", "c.ics"]) for name in batch]
            assert names == ["a.ics", "c.ics"]


@pytest.mark.parametrize("headers", [{}, {"Content-Length": "", "Connection": "close"}])
async def test_an_answer_that_breaks_off_hides_nothing(headers: dict[str, str]) -> None:
    body = multistatus(data("/h/w/a.ics"))
    async with opened({**PLAIN, ("REPORT", "/h/w/"): Reply(body=body, headers=headers, cut=len(body) - 30)}) as (
        port,
        _,
    ):
        with pytest.raises(Unavailable):
            [batch async for batch in port.fetch("w/", ["a.ics", "b.ics"])]
        with pytest.raises(Unavailable):
            [batch async for batch in port.find("w/", WINDOW, "VEVENT")]


SILENT = {"schedule-reply": "F"}


def silent(request: Heard) -> dict[str, str]:
    return {name: value for name, value in request.headers.items() if name.startswith("schedul")}


async def test_writes_that_tell_nobody() -> None:
    """RFC 6638 §8.1; Cyrus has a field of its own that holds for every write."""
    cyrus = server(Server="Cyrus-HTTP/3.6.1", DAV="1, calendar-auto-schedule")
    for table, wanted in ((PLAIN, SILENT), (cyrus, {**SILENT, "scheduling-enabled": "F"})):
        writes = {(method, "/h/w/a.ics"): Reply(204) for method in ("PUT", "DELETE")}
        async with opened({**table, **writes}) as (port, script):
            await port.create("w/", "a.ics", b"x", schedule=False)
            await port.replace("w/", "a.ics", b"x", '"1"', schedule=False)
            await port.delete("w/", "a.ics", '"1"', schedule=False)
            assert [silent(request) for request in script.heard] == [wanted] * 3
            script.heard.clear()
            await port.create("w/", "a.ics", b"x")
            await port.delete("w/", "a.ics", '"1"')
            assert [silent(request) for request in script.heard] == [{}, {}]


async def test_free_busy_of_others() -> None:
    """RFC 6638 §5 and its example in appendix B.5."""
    answer = (
        '<C:schedule-response xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><C:response><C:recipient>'
        "<D:href>mailto:bob@example.org</D:href></C:recipient><C:request-status>2.0;Success</C:request-status>"
        "<C:calendar-data>BEGIN:VCALENDAR</C:calendar-data></C:response><C:response><C:recipient>"
        "<D:href>mailto:x@example.org</D:href></C:recipient><C:request-status>3.7;Unknown</C:request-status>"
        "</C:response></C:schedule-response>"
    )
    outbox = "<C:schedule-outbox-URL><D:href>/out/</D:href></C:schedule-outbox-URL>"
    async with opened({**server(about=outbox), ("POST", "/out/"): Reply(200, answer)}) as (port, script):
        assert await port.ask_free_busy(b"BEGIN:VCALENDAR") == [
            FreeBusyReply("mailto:bob@example.org", "2.0;Success", b"BEGIN:VCALENDAR"),
            FreeBusyReply("mailto:x@example.org", "3.7;Unknown", None),
        ]
        assert script.heard[0].headers["content-type"].startswith("text/calendar")
    async with opened(PLAIN) as (port, _):
        with pytest.raises(Unsupported):
            await port.ask_free_busy(b"BEGIN:VCALENDAR")


BOB = CalendarPrincipal("/q/", "Bob", "location", ("mailto:bob@example.org",), "/hq/")
ABOUT_BOB = (
    "<D:displayname>Bob</D:displayname><C:calendar-user-type>ROOM</C:calendar-user-type>"
    "<C:calendar-home-set><D:href>/hq/</D:href></C:calendar-home-set><D:resourcetype><D:principal/></D:resourcetype>"
    "<C:calendar-user-address-set><D:href>/q/</D:href><D:href>MAILTO:bob@example.org</D:href></C:calendar-user-address-set>"
)


async def test_principals() -> None:
    about = "<D:principal-collection-set><D:href>/all</D:href></D:principal-collection-set>"
    about += "<D:displayname>Al</D:displayname>"
    everybody = Reply(body=multistatus(found("/all/", "<D:resourcetype/>"), found("/q/", ABOUT_BOB)))
    async with opened({**server(about=about), ("PROPFIND", "/all/"): everybody}) as (port, _):
        assert list(await port.principals()) == [CalendarPrincipal("/p/", "Al", "individual", (), "/h/"), BOB]
    async with opened({**server(about=about), ("PROPFIND", "/all/"): Reply(403)}) as (port, _):
        assert [principal.path for principal in await port.principals()] == ["/p/"]


async def test_the_default_calendar() -> None:
    """RFC 6638 §9.2."""
    inbox = "<C:schedule-inbox-URL><D:href>/h/in</D:href></C:schedule-inbox-URL>"
    default = "<C:schedule-default-calendar-URL><D:href>/h/w</D:href></C:schedule-default-calendar-URL>"
    listing = found("/h/w/", CALENDAR) + found("/h/x/", CALENDAR)
    table: Table = {
        **server(about=inbox, listing=listing),
        ("PROPFIND", "/h/in"): Reply(body=multistatus(found("/h/in", default))),
        ("PROPPATCH", "/h/in"): [
            Reply(body=multistatus(found("/h/in", "<C:schedule-default-calendar-URL/>"))),
            Reply(body=multistatus(status("/h/in", 403))),
        ],
    }
    async with opened(table) as (port, _):
        assert [(found.path, found.default) for found in await port.calendars()] == [("w/", True), ("x/", False)]
        await port.set_default_calendar("x/")
        assert [(found.path, found.default) for found in await port.calendars()] == [("w/", False), ("x/", True)]
        with pytest.raises(Unsupported):
            await port.set_default_calendar("w/")


@pytest.mark.parametrize(("status_code", "body"), [(405, ""), (403, error("D:resource-must-be-null"))])
async def test_a_calendar_that_exists_already(status_code: int, body: str) -> None:
    table: Table = {
        **PLAIN,
        ("MKCALENDAR", "/h/w/"): Reply(status_code, body),
        ("PROPFIND", "/h/w/"): Reply(body=multistatus(found("/h/w/", CALENDAR))),
    }
    async with opened(table) as (port, _):
        with pytest.raises(Conflict):
            await port.create_calendar("w", CalendarChanges(name="W"))


async def test_a_server_that_lets_nobody_make_calendars() -> None:
    async with opened({**PLAIN, ("MKCALENDAR", "/h/w/"): Reply(405)}) as (port, _):
        with pytest.raises(Unsupported):
            await port.create_calendar("w", CalendarChanges(name="W"))


async def test_a_listing_that_is_none() -> None:
    home = ("PROPFIND", "/h/")
    async with opened({**PLAIN, home: [PLAIN[home], PLAIN[home], Reply(body=multistatus())]}) as (port, _):
        with pytest.raises(Unavailable):
            await port.calendars()


class Halting:
    """Instead of a connection: an answer of which some has come."""

    async def multistatus(self, *_: object, **__: object) -> AsyncIterator[Entry]:
        """So many entries, and nothing more."""
        body = multistatus(*(data(f"/c/{number}.ics") for number in range(15)))
        for entry in entries_of(body.encode()):
            yield entry
        await asyncio.Event().wait()


async def test_what_was_found_is_handed_over_while_the_answer_goes_on() -> None:
    batches = by_time(cast("DavConnection", Halting()), "/c/", WINDOW, "VEVENT", OTHER)
    assert len(await asyncio.wait_for(anext(batches), 10)) == 10
