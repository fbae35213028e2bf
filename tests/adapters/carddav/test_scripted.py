"""Servers that are not at hand, by what was recorded of them; and what no server does on demand."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial

import pytest

from adapters.carddav.backend import CardDav
from adapters.dav.connection import Credentials, Endpoint
from adapters.errors import (
    AdapterError,
    Conflict,
    Forbidden,
    InvalidData,
    NotFound,
    OverQuota,
    TooLarge,
    Unavailable,
    Unsupported,
)
from adapters.ports.collections import Cursor, Stored
from adapters.ports.contacts import AddressBook, AddressBookChanges
from tests.wire.dav import (
    Reply,
    ScriptedDav,
    error,
    etag,
    found,
    home_server,
    multistatus,
    scripted_dav,
    status,
    token,
)

Table = Mapping[tuple[str, str], Reply | list[Reply]]
server = partial(home_server, "carddav")

BOOK = "<D:resourcetype><D:collection/><A:addressbook/></D:resourcetype>"


def supported(*types: str) -> str:
    return f"<A:supported-address-data>{''.join(f'<A:{kind}/>' for kind in types)}</A:supported-address-data>"


BOTH = supported(*(f'address-data-type content-type="text/vcard" version="{version}"' for version in ("3.0", "4.0")))
SYNCS = (
    "<D:supported-report-set><D:supported-report><D:report><D:sync-collection/></D:report></D:supported-report>"
    "</D:supported-report-set>"
)
MKCOL = {"DAV": "1, 3, extended-mkcol, addressbook"}
PLAIN = server(listing=found("/h/w/", BOOK + SYNCS), **MKCOL)
SABRE = server(listing=found("/h/w/", BOOK + SYNCS + BOTH), **MKCOL, X_Sabre_Version="4.7.1")


@asynccontextmanager
async def opened(table: Table, path: str = "/") -> AsyncIterator[tuple[CardDav, ScriptedDav]]:
    async with scripted_dav(table) as script:
        port = CardDav(Endpoint(script.url + path, read_timeout=0.5), Credentials("a", password="b"))
        await port.open()
        script.heard.clear()
        yield port, script
        await port.close()


async def only(port: CardDav) -> AddressBook:
    (book,) = await port.address_books()
    return book


def data(name: str, text: str = "BEGIN:VCARD") -> str:
    return found(name, f'<D:getetag>"1"</D:getetag><A:address-data>{text}</A:address-data>')


async def test_discovery_by_the_well_known_url() -> None:
    """RFC 6764 §6: a redirect to where the principal is told."""
    async with opened(PLAIN) as (port, _):
        assert (port.principal, port.home) == ("/p/", "/h/")
        assert [book.path for book in await port.address_books()] == ["w/"]


async def test_a_server_without_address_books() -> None:
    async with scripted_dav(home_server("caldav")) as script:
        port = CardDav(Endpoint(script.url), Credentials("a", password="b"))
        with pytest.raises(NotFound):
            await port.open()
        await port.close()


async def test_two_homes() -> None:
    """RFC 6352 §7.1.1: address books of the second one are known by their whole path."""
    homes = "<A:addressbook-home-set><D:href>/h/</D:href><D:href>/other/</D:href></A:addressbook-home-set>"
    table: Table = {
        **PLAIN,
        ("PROPFIND", "/p/"): Reply(body=multistatus(found("/p/", homes))),
        ("PROPFIND", "/other/"): Reply(body=multistatus(found("/other/x/", BOOK))),
        ("DELETE", "/other/x/a.vcf"): Reply(204),
    }
    async with opened(table) as (port, _):
        assert [book.path for book in await port.address_books()] == ["w/", "/other/x/"]
        await port.delete("/other/x/", "a.vcf", None)


async def test_a_server_that_reads_all_for_a_cursor_is_asked_of_address_books_alone() -> None:
    """Radicale has calendars in the same home. What is gone since the listing is left out."""
    calendar = found("/h/c/", "<D:resourcetype><D:collection/><C:calendar/></D:resourcetype>")
    books = found("/h/w/", BOOK) + found("/h/gone/", BOOK)
    radicale = server(listing=calendar + books, DAV="1, 2, 3, calendar-access, addressbook, extended-mkcol")
    stands = Reply(body=multistatus(found("/h/w/", "<CS:getctag>7</CS:getctag>")))
    async with opened({**radicale, ("PROPFIND", "/h/w/"): stands}) as (port, script):
        assert (await only(port)).cursor == Cursor(None, "7")
        assert await port.cursors() == {"w/": Cursor(None, "7")}
        asked = {request.path for request in script.heard if b"getctag" in request.body}
        assert asked == {"/h/w/", "/h/gone/"}


@pytest.mark.parametrize(
    ("shown", "versions"),
    [
        ("", set()),
        (BOTH, {"3.0", "4.0"}),
        (supported('content-type content-type="text/vcard" version="3.0"'), {"3.0"}),  # Xandikos
        (supported('address-data-type content-type="application/vcard+json" version="4.0"'), set()),
        (supported("address-data-type"), {"3.0"}),
    ],
)
async def test_versions(shown: str, versions: set[str]) -> None:
    """RFC 6352 §6.2.2."""
    async with opened(server(listing=found("/h/w/", BOOK + shown))) as (port, _):
        assert (await only(port)).versions == versions


@pytest.mark.parametrize(("table", "wanted"), [(PLAIN, b"<A:address-data/>"), (SABRE, b'version="4.0"')])
async def test_version_4_is_asked_for_where_the_address_book_has_it(table: Table, wanted: bytes) -> None:
    """RFC 6352 §10.4: sabre/dav gives 3.0 unless it is; who does not have it would refuse."""
    synced = Reply(body=multistatus(data("/h/w/a.vcf"), extra=token("2")))
    place = ("REPORT", "/h/w/")
    async with opened({**table, place: [Reply(body=multistatus(data("/h/w/a.vcf"))), synced]}) as (port, script):
        book = await only(port)
        assert [set(batch) async for batch in port.fetch("w/", ["a.vcf"])] == [{"a.vcf"}]
        moved = await port.changes(book, Cursor("1", None), {})
        assert moved.resources["a.vcf"].data == b"BEGIN:VCARD"
        assert [wanted in request.body for request in script.said("REPORT")] == [True, True]


async def test_large_vcards_come_in_small_batches() -> None:
    """Nor is what came before an answer got too large asked for again."""
    answer = multistatus(*(data(f"/h/w/{name}.vcf", "x" * (3 << 20)) for name in "abc"))
    rest = multistatus(data("/h/w/c.vcf"))
    async with opened({**PLAIN, ("REPORT", "/h/w/"): [Reply(body=answer), Reply(body=rest)]}) as (port, script):
        port.connection.endpoint = replace(port.connection.endpoint, max_answer=7 << 20)
        batches = [set(batch) async for batch in port.fetch("w/", ["a.vcf", "b.vcf", "c.vcf"])]
        assert batches == [{"a.vcf", "b.vcf"}, {"c.vcf"}]
        assert b"a.vcf" not in script.said("REPORT")[1].body


async def test_a_version_is_asked_for_also_before_a_listing() -> None:
    """RFC 6352 §10.4: 3.0 is the default, and would be written back over 4.0."""
    async with opened({**SABRE, ("REPORT", "/h/w/"): Reply(body=multistatus(data("/h/w/a.vcf")))}) as (port, script):
        assert [set(batch) async for batch in port.fetch("w/", ["a.vcf"])] == [{"a.vcf"}]
        assert b'version="4.0"' in script.said("REPORT")[0].body


async def test_a_sync_that_is_truncated_is_read_on() -> None:
    """RFC 6578 §3.6."""
    pages = [
        Reply(body=multistatus(data("/h/w/a.vcf"), status("/h/w/", 507), extra=token("2"))),
        Reply(body=multistatus(data("/h/w/b.vcf"), status("/h/w/c.vcf", 404), extra=token("3"))),
    ]
    async with opened({**PLAIN, ("REPORT", "/h/w/"): pages}) as (port, _):
        moved = await port.changes(await only(port), Cursor("1", None), {"c.vcf": '"1"'})
        assert (moved.changed, moved.removed) == ({"a.vcf": '"1"', "b.vcf": '"1"'}, frozenset({"c.vcf"}))
        assert moved.cursor == Cursor("3", None)


async def test_a_token_that_is_refused_costs_a_listing() -> None:
    """RFC 6578 §3.2."""
    replies = [
        Reply(403, error("D:valid-sync-token")),
        Reply(body=multistatus(etag("/h/w/a.vcf", "1"), extra=token("9"))),
    ]
    async with opened({**PLAIN, ("REPORT", "/h/w/"): replies}) as (port, _):
        moved = await port.changes(await only(port), Cursor("old", None), {"b.vcf": '"1"'})
        assert (moved.cursor.token, set(moved.changed), moved.removed) == ("9", {"a.vcf"}, frozenset({"b.vcf"}))


async def test_a_listing_that_breaks_off_removes_nothing() -> None:
    """Neither address books nor what is in them."""
    whole = PLAIN["PROPFIND", "/h/"]
    cut = replace(whole, cut=len(whole.body) - 20)
    resources = multistatus(etag("/h/w/a.vcf", "1"))
    table: Table = {
        **PLAIN,
        ("PROPFIND", "/h/"): [whole, cut, Reply(body=multistatus())],
        ("REPORT", "/h/w/"): Reply(501),
        ("PROPFIND", "/h/w/"): Reply(body=resources, cut=len(resources) - 20),
    }
    async with opened(table) as (port, _):
        book = await only(port)
        for _ in range(2):
            with pytest.raises(Unavailable):
                await port.address_books()
        with pytest.raises(Unavailable):
            await port.changes(book, None, {"b.vcf": '"1"'})


REFUSALS: list[tuple[int, str, type[AdapterError]]] = [
    (412, "", Conflict),  # RFC 9110 §13.1.1
    (409, error("A:no-uid-conflict"), Conflict),  # RFC 6352 §6.3.2.1, and so the next three
    (403, error("A:supported-address-data"), InvalidData),
    (403, error("A:valid-address-data"), InvalidData),
    (403, error("A:max-resource-size"), TooLarge),
    (413, "", TooLarge),
    (403, error("D:need-privileges"), Forbidden),  # RFC 3744 §7.1.1
    (403, "", Forbidden),
    (507, "", OverQuota),
    (403, error("D:quota-not-exceeded"), OverQuota),  # RFC 4331 §6
    (415, "", InvalidData),
    (404, "", NotFound),
    (503, "", Unavailable),
]


@pytest.mark.parametrize(("code", "body", "kind"), REFUSALS)
async def test_refusals_of_a_write(code: int, body: str, kind: type[AdapterError]) -> None:
    async with opened({**PLAIN, ("PUT", "/h/w/a.vcf"): Reply(code, body)}) as (port, script):
        with pytest.raises(kind):
            await port.create("w/", "a.vcf", b"x")
        with pytest.raises(kind):
            await port.replace("w/", "a.vcf", b"x", '"1"')
        created, replaced = (request.headers for request in script.heard)
        assert (created["if-none-match"], replaced["if-match"]) == ("*", '"1"')


async def test_an_etag_is_believed_where_nothing_is_altered() -> None:
    """RFC 6352 §6.3.2.3: DAViCal adds REV, and gives none."""
    replies = [Reply(201, headers={"ETag": '"1"'}), Reply(201)]
    async with opened({**SABRE, ("PUT", "/h/w/a.vcf"): replies}) as (port, _):
        assert await port.create("w/", "a.vcf", b"x") == Stored('"1"')
        assert await port.create("w/", "a.vcf", b"x") == Stored(None)


@pytest.mark.parametrize(
    ("code", "body", "kind"),
    [
        (405, "", Conflict),  # RFC 4918 §9.3.1
        (403, error("D:resource-must-be-null"), Conflict),  # Cyrus
        (403, error("D:valid-resourcetype"), Unsupported),  # RFC 5689 §3.3
        (403, error("A:addressbook-collection-location-ok"), Forbidden),
        (507, "", OverQuota),
    ],
)
async def test_an_address_book_that_is_not_made(code: int, body: str, kind: type[AdapterError]) -> None:
    there = Reply(body=multistatus(found("/h/w/", BOOK)))
    async with opened({**PLAIN, ("MKCOL", "/h/w/"): Reply(code, body), ("PROPFIND", "/h/w/"): there}) as (port, _):
        with pytest.raises(kind):
            await port.create_address_book("w", AddressBookChanges(name="W"))


async def test_a_server_that_makes_no_address_books() -> None:
    """RFC 5689 §3.1: it would make an ordinary collection, or refuse."""
    async with scripted_dav(server()) as script:
        port = CardDav(Endpoint(script.url), Credentials("a", password="b"))
        assert not (await port.open()).creates
        with pytest.raises(Unsupported):
            await port.create_address_book("w", AddressBookChanges(name="W"))
        assert not script.said("MKCOL")
        await port.close()


async def test_an_address_book_is_made_with_its_name_alone() -> None:
    """What the server does not keep then spoils nothing, and is told."""
    refused = (
        "<D:response><D:href>/h/w/</D:href><D:propstat><D:prop><A:addressbook-description/></D:prop>"
        "<D:status>HTTP/1.1 403 Forbidden</D:status></D:propstat></D:response>"
    )
    patched = Reply(body=multistatus(refused))
    async with opened({**PLAIN, ("MKCOL", "/h/w/"): Reply(201), ("PROPPATCH", "/h/w/"): patched}) as (port, script):
        changes = AddressBookChanges(name="W", description="D", order=None)
        assert await port.create_address_book("w", changes) == ("w/", frozenset({"description"}))
        (made,) = script.said("MKCOL")
        assert b"<A:addressbook/>" in made.body
        assert b"<D:displayname>W<" in made.body
        assert b"description" not in made.body


async def test_an_outage_is_no_absence() -> None:
    async with scripted_dav({("PROPFIND", "/.well-known/carddav"): Reply(503)}) as script:
        port = CardDav(Endpoint(script.url), Credentials("a", password="b"))
        with pytest.raises(Unavailable):
            await port.open()
        await port.close()
