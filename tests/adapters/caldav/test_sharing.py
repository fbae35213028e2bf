"""How calendars are shared with servers that are not at hand, and what others offer."""

import asyncio
from dataclasses import replace

import pytest

from adapters.dav.multistatus import document
from adapters.dav.privileges import ALL, grants
from adapters.errors import InvalidData, NotFound, Unsupported
from adapters.ports.collections import Privilege
from tests.adapters.caldav.test_scripted import BOB, CALENDAR, PLAIN, Table, opened, server
from tests.wire.dav import Reply, error, found, multistatus

READ: frozenset[Privilege] = frozenset({"read", "read-free-busy"})
WRITE: frozenset[Privilege] = frozenset({"write-content", "bind", "unbind"})


def ace(who: str, privilege: str) -> str:
    granted = f"<D:grant><D:privilege><D:{privilege}/></D:privilege></D:grant>"
    return f"<D:ace><D:principal><D:href>{who}</D:href></D:principal>{granted}</D:ace>"


ACL = f"<D:acl>{ace('/p/', 'all')}{ace('/q/', 'read')}{ace('/q/', 'bind')}{ace('/r/', 'all')}</D:acl>"
LISTED = found("/h/w/", CALENDAR + ACL)


async def test_sharing_by_the_access_control_list() -> None:
    """RFC 3744 §5.5, §8.1."""
    table: Table = {
        **server(DAV="1, access-control, calendar-access", listing=LISTED),
        ("PROPFIND", "/h/w/"): Reply(body=multistatus(LISTED)),
        ("ACL", "/h/w/"): [Reply(200), Reply(403, body=error("D:recognized-principal"))],
    }
    async with opened(table) as (port, script):
        assert (await port.open()).sharing
        (calendar,) = await port.calendars()
        assert b":acl/>" in script.heard[-1].body
        assert calendar.grants is not None
        assert {path: set(held) for path, held in calendar.grants.items()} == {
            "/q/": {"read", "read-free-busy", "bind"},
            "/r/": set(ALL),
        }
        script.heard.clear()
        await port.share("w/", {BOB: READ | WRITE})
        told = dict(grants(document(script.heard[-1].body)))
        assert told == {"/p/": ALL, "/r/": ALL, "/q/": READ | WRITE}
        with pytest.raises(InvalidData):
            await port.share("w/", {BOB: READ})
        with pytest.raises(NotFound):
            await port.accept("w/")


async def test_davical_keeps_what_nobody_names() -> None:
    """Whom an ACL request does not name keeps what he had, and an empty grant is shown for ever."""
    rest = "<D:ace><D:principal><D:href>/r/</D:href></D:principal><D:grant/></D:ace>"
    listed = found("/h/w/", CALENDAR + f"<D:acl>{ace('/q/', 'read')}{rest}</D:acl>")
    table: Table = {
        **server(DAV="1, access-control, calendar-access", X_DAViCal_Version="DAViCal/1.1.12", listing=listed),
        ("PROPFIND", "/h/w/"): Reply(body=multistatus(listed)),
        ("ACL", "/h/w/"): Reply(200),
    }
    async with opened(table) as (port, script):
        (calendar,) = await port.calendars()
        assert calendar.grants is not None
        assert set(calendar.grants) == {"/q/"}
        await port.share("w/", {BOB: frozenset()})
        sent = document(script.said("ACL")[0].body)
        given = {one.findtext("{DAV:}principal/{DAV:}href"): one.find("{DAV:}grant") for one in sent}
        assert given["/q/"] is not None
        assert len(given["/q/"]) == 0


async def test_davical_finds_principals_that_it_does_not_list() -> None:
    """RFC 3744 §9.4."""
    table = server(DAV="1, access-control, calendar-access", X_DAViCal_Version="DAViCal/1.1.12")
    everybody = "<D:principal-collection-set><D:href>/all/</D:href></D:principal-collection-set>"
    bob = "<D:displayname>Bob</D:displayname><D:resourcetype><D:principal/></D:resourcetype>"
    async with opened({**table, ("REPORT", "/all/"): Reply(body=multistatus(found("/b/", bob)))}) as (port, script):
        script.table["PROPFIND", "/p/"] = [
            Reply(body=multistatus(found("/p/", f"<D:displayname>A</D:displayname>{everybody}")))
        ]
        assert [principal.name for principal in await port.principals()] == ["A", "Bob"]
        assert b"principal-property-search" in script.said("REPORT")[0].body


async def test_sharing_by_invitation() -> None:
    """draft-pot-webdav-resource-sharing §5.1; sabre/dav knows people by their addresses."""
    sabre = server(DAV="1, access-control, calendar-access, resource-sharing", X_Sabre_Version="4.7.1", listing=LISTED)
    async with opened({**sabre, ("POST", "/h/w/"): Reply(200)}) as (port, script):
        assert (await port.open()).sharing
        carol = replace(BOB, path="/c/", addresses=("mailto:carol@example.org",))
        dan = replace(BOB, path="/d/", addresses=())
        await port.share("w/", {BOB: READ | WRITE, carol: READ | {"bind"}, dan: frozenset()})
        body = document(script.heard[-1].body)
        levels = [
            (sharee.findtext("{DAV:}href"), level.tag)
            for sharee in body.iterfind("{DAV:}sharee")
            for level in sharee.iterfind("{DAV:}share-access/*")
        ]
        assert script.heard[-1].headers["content-type"].startswith("application/davsharing+xml")
        assert levels == [
            ("mailto:bob@example.org", "{DAV:}read-write"),
            ("mailto:carol@example.org", "{DAV:}read"),
            ("/d/", "{DAV:}no-access"),
        ]


@pytest.mark.parametrize(
    "table",
    [
        PLAIN,
        server(DAV="1, access-control, calendar-access, nc-calendar-search", listing=LISTED),
        server("/SOGo/dav/a/Calendar/", DAV="1, 2, access-control, calendar-access"),
    ],
)
async def test_servers_that_share_nothing_by_dav(table: Table) -> None:
    async with opened(table) as (port, script):
        assert not (await port.open()).sharing
        await port.calendars()
        assert not any(b":acl/>" in request.body for request in script.heard)
        with pytest.raises(Unsupported):
            await port.share("w/", {BOB: READ})


NOTE = """<CS:notification xmlns:CS="http://calendarserver.org/ns/" xmlns:D="DAV:"><CS:invite-notification>
<CS:access><CS:{access}/></CS:access><CS:hosturl><D:href>{url}</D:href></CS:hosturl></CS:invite-notification>
</CS:notification>"""
KIND = '<CS:notificationtype><CS:{}/></CS:notificationtype><D:getetag>"1"</D:getetag>'


async def test_offers_of_calendars_that_cannot_be_read_are_passed_over() -> None:
    about = "<CS:notification-URL><D:href>/n/</D:href></CS:notification-URL>"
    names = ("mine", "gone", "broken", "unreadable", "nowhere", "no-calendar", "good")
    notes = "".join(found(f"/n/{name}", KIND.format("invite-notification")) for name in names)
    notes += found("/n/", "<D:resourcetype/>") + found("/n/reply", KIND.format("invite-reply"))
    table: Table = {
        **server(Server="Cyrus-HTTP/3.6.1", DAV="1, access-control", about=about, listing=LISTED),
        ("PROPFIND", "/n/"): Reply(body=multistatus(notes)),
        ("GET", "/n/mine"): Reply(200, body=NOTE.format(access="read", url="/h/w/")),
        ("PROPFIND", "/h/w/"): Reply(body=multistatus(LISTED)),
        ("GET", "/n/gone"): Reply(200, body=NOTE.format(access="no-access", url="/x/gone/")),
        ("GET", "/n/broken"): Reply(200, body="<CS:"),
        ("GET", "/n/unreadable"): Reply(403),
        ("GET", "/n/nowhere"): Reply(200, body=NOTE.format(access="read", url="/x/nowhere/")),
        ("GET", "/n/no-calendar"): Reply(200, body=NOTE.format(access="read", url="/x/book/")),
        ("PROPFIND", "/x/book/"): Reply(body=multistatus(found("/x/book/", "<D:resourcetype/>"))),
        ("GET", "/n/good"): Reply(200, body=NOTE.format(access="read", url="http://other.example/x/good/")),
        ("PROPFIND", "/x/good/"): Reply(body=multistatus(found("/x/good/", CALENDAR))),
    }
    async with opened(table) as (port, script):
        assert {one.path: one.offered for one in await port.calendars()} == {"w/": False, "/x/good/": True}
        assert set(await port.cursors()) == {"w/", "/x/good/"}
        assert [request.path for request in script.heard if request.method == "GET"] == []  # each is read once
        seen = await asyncio.gather(*(port.calendars() for _ in range(3)))
        assert [len(found) for found in seen] == [2, 2, 2]  # who looks at the same time sees the same
