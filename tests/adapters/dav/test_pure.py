"""Paths, bodies, privileges and multistatus, without a server."""

import contextlib
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from adapters.dav import bodies, hrefs
from adapters.dav.connection import Credentials
from adapters.dav.errors import refusal, refused
from adapters.dav.listing import order_row, size_of
from adapters.dav.multistatus import (
    Entry,
    Malformed,
    Multistatus,
    Truncated,
    conditions_of,
    document,
    entries,
    status_code,
)
from adapters.dav.names import dav
from adapters.dav.privileges import ALL, WRITE, grants, privileges, regranted
from adapters.dav.quirks import recognise
from adapters.errors import AuthFailed, Conflict, Forbidden, InvalidData, NotFound, OverQuota, TooLarge, Unavailable
from tests.wire.dav import error, etag, found, multistatus, status, token

# RFC 3986 §3.3 and §6.2.2: several ways to write one path.
SAME = [
    ("/a/b@c/", "/a/b%40c/"),
    ("/%C3%A9/", "/%c3%a9/"),
    ("/%C3%A9/", "/é/"),
    ("/a/x%20y.ics", "/a/x y.ics"),
    ("/a/b", "http://dav.example.org:8443/a/b"),
    ("/a/b", "//a///b"),
    ("/a/b", "/a/b?query"),
    ("/a/~b", "/a/%7Eb"),
    ("/", "http://dav.example.org"),
]


@pytest.mark.parametrize(("wanted", "written"), SAME)
def test_paths_have_one_form(wanted: str, written: str) -> None:
    assert hrefs.canonical(written) == wanted


@given(st.text(max_size=30))
def test_the_canonical_form_is_stable(text: str) -> None:
    try:
        path = hrefs.canonical("/" + text.replace("?", "").replace("://", ""))
    except (InvalidData, UnicodeEncodeError, ValueError):
        return
    assert hrefs.canonical(path) == path
    assert path.isascii()
    assert not set(path) & set(' "<>\\^`{|}\r\n\0')


@pytest.mark.parametrize("path", ["/a/../b", "/a/./b", "/a/%2E%2E/b"])
def test_dot_segments_are_refused(path: str) -> None:
    with pytest.raises(InvalidData):
        hrefs.canonical(path)


def test_members_of_a_collection() -> None:
    assert hrefs.member("/c/a%40b.ics", "/c/") == "a@b.ics"
    assert hrefs.member("/c/%2F.ics", "/c/") == "%2F.ics"
    for other in ("/c/", "/c", "/d/a.ics", "/c/below/", "/c/below/a.ics"):
        assert hrefs.member(other, "/c/") is None


def test_joining_takes_canonical_paths_only() -> None:
    assert hrefs.join("/home/", "work/") == "/home/work/"
    assert hrefs.join("/home/", "/elsewhere/") == "/elsewhere/"
    for path in ("../other/", "a b/", "%2e%2e/"):
        with pytest.raises(InvalidData):
            hrefs.join("/home/", path)


@given(st.text())
def test_no_text_breaks_out_of_a_body(text: str) -> None:
    try:
        body = bodies.proppatch({dav("displayname"): bodies.element(dav("displayname"), text)})
    except InvalidData:
        assert any(ord(char) < 32 or 0xD800 <= ord(char) <= 0xDFFF or ord(char) in {0xFFFE, 0xFFFF} for char in text)
        return
    root = etree.fromstring(body)
    assert [child.tag for child in root] == [dav("set")]
    assert (root[0][0][0].text or "").replace("\r", "") == text.replace("\r", "")


@pytest.mark.parametrize("name", ["a:b", "a\r\nX: y", "a\0"])
def test_credentials_that_break_a_header(name: str) -> None:
    with pytest.raises(InvalidData):
        Credentials(name, password="x").header()
    with pytest.raises(InvalidData):
        Credentials("a", token="x\r\nY: z").header()


def test_credentials() -> None:
    assert Credentials("é", password="ü:").header() == "Basic w6k6w7w6"  # RFC 7617 §2.1
    assert Credentials("a", token="abc.d").header() == "Bearer abc.d"


REFUSALS = [
    (401, (), AuthFailed),
    (403, (), Forbidden),
    (404, (), NotFound),
    (409, (), NotFound),
    (409, ("no-uid-conflict",), Conflict),
    (403, ("no-uid-conflict",), Conflict),
    (412, (), Conflict),
    (412, ("valid-calendar-data",), InvalidData),
    (413, (), TooLarge),
    (403, ("max-resource-size",), TooLarge),
    (403, ("quota-not-exceeded",), OverQuota),
    (415, (), InvalidData),
    (400, (), InvalidData),
    (423, (), Unavailable),
    (429, (), Unavailable),
    (500, (), Unavailable),
    (500, ("valid-calendar-data",), Unavailable),
    (503, (), Unavailable),
    (507, (), OverQuota),
    (302, (), Unavailable),
]


@pytest.mark.parametrize(("code", "conditions", "kind"), REFUSALS)
def test_refusals(code: int, conditions: tuple[str, ...], kind: type[Exception]) -> None:
    made = refused("PUT", code, frozenset(conditions))
    assert type(made) is kind
    assert (refusal(made).status, refusal(made).conditions) == (code, frozenset(conditions))
    assert refusal(ValueError()).status == 0


def test_conditions_in_an_error_body() -> None:
    assert conditions_of(error("valid-calendar-data", "D:x").encode()) == {"valid-calendar-data", "x"}
    assert conditions_of(b"<html/>") == frozenset()
    assert conditions_of(b"no XML") == frozenset()


@pytest.mark.parametrize("text", ["\u00b2", "9" * 5000, "-", "", "x"])
def test_what_is_no_number_is_passed_over(text: str) -> None:
    about = Entry("/a/", 200, {dav("quota"): bodies.element(dav("quota"), text)}, {})
    assert size_of(about, dav("quota")) is None
    order = order_row(dav("order"))
    assert order.read(bodies.element(order.name, text)) is None
    assert status_code(f"HTTP/1.1 {text} OK") == 500


def test_status_lines() -> None:
    assert status_code("HTTP/1.1 404 Not Found") == 404
    assert status_code("HTTP/1.1 200") == 200
    assert {status_code(line) for line in (None, "", "HTTP/1.1", "404")} == {500}


async def pieces(body: str | bytes, size: int) -> AsyncIterator[bytes]:
    octets = body.encode() if isinstance(body, str) else body
    for start in range(0, len(octets), size):
        yield octets[start : start + size]


async def read(body: str | bytes, size: int = 1000, about: Multistatus | None = None) -> list[Entry]:
    return [entry async for entry in entries(pieces(body, size), about)]


BODY = multistatus(
    etag("/c/a.ics", "1"),
    status("/c/b.ics", 404),
    found("/c/", "<CS:getctag>x</CS:getctag><D:sync-token>inner</D:sync-token>"),
    extra=token("after"),
)


@pytest.mark.parametrize("size", [1, 7, 64, 100_000])
async def test_any_split_says_the_same(size: int) -> None:
    about = Multistatus()
    first, second, third = await read(BODY, size, about)
    assert (first.href, first.text(dav("getetag")), first.status) == ("/c/a.ics", '"1"', 0)
    assert (second.href, second.status) == ("/c/b.ics", 404)
    assert third.text(dav("sync-token")) == "inner"  # of the collection, not of the answer
    assert about.sync_token == "after"


async def test_an_answer_that_ends_early_is_no_answer() -> None:
    for length in range(1, len(BODY) - 1, 5):
        with pytest.raises(Truncated):
            await read(BODY[:length])
    for other in ("", "<html><body>hello</body></html>"):
        with pytest.raises(Truncated):
            await read(other)


@pytest.mark.parametrize(
    "hostile",
    [
        (
            '<!DOCTYPE x [<!ENTITY a "boo">]><D:multistatus xmlns:D="DAV:"><D:response><D:href>&a;</D:href>'
            "</D:response></D:multistatus>"
        ),
        '<!DOCTYPE x SYSTEM "http://127.0.0.1:1/x.dtd"><D:multistatus xmlns:D="DAV:"/>',
        (
            '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><D:multistatus xmlns:D="DAV:"><D:response>'
            "<D:href>&e;</D:href></D:response></D:multistatus>"
        ),
        '<D:multistatus xmlns:D="DAV:"><D:response>' + "<a>" * 5000,
        '<D:multistatus xmlns:D="DAV:"><D:response><D:href>&undefined;</D:href></D:response></D:multistatus>',
        "\x00" * 100,
    ],
)
async def test_hostile_xml_is_refused(hostile: str) -> None:
    with pytest.raises(Malformed):
        await read(hostile)
    with pytest.raises(Malformed):
        document(hostile.encode())


async def test_entities_that_double_stay_small() -> None:
    """Billion laughs: nothing is expanded before it is refused."""
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))
    bomb = f'<!DOCTYPE x [<!ENTITY l0 "ha">{laughs}]><D:multistatus xmlns:D="DAV:"><D:response><D:href>&l11;</D:href>'
    with pytest.raises(Malformed):
        await read(bomb + "</D:response></D:multistatus>")


@given(st.binary(max_size=200))
async def test_any_octets_are_malformed_or_read(octets: bytes) -> None:
    with contextlib.suppress(Malformed, Truncated):
        await read(octets)


def element(text: str) -> etree._Element:
    return etree.fromstring(f'<x xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav">{text}</x>')


def test_privileges_contain_privileges() -> None:
    """RFC 3744 §3.2, RFC 4791 §6.1.1."""
    held = "".join(f"<D:privilege><{name}/></D:privilege>" for name in ("D:read", "D:write", "C:unheard-of"))
    assert privileges(element(held)) == WRITE | {"read", "read-free-busy"}
    assert privileges(element("<D:privilege><D:all/></D:privilege>")) == ALL
    assert privileges(element("<D:privilege><C:read-free-busy/></D:privilege>")) == {"read-free-busy"}
    assert privileges(None) == frozenset()


def test_grants_of_an_access_control_list() -> None:
    """RFC 3744 §5.5; only entries that name a principal, and grant something."""
    principal = "<D:principal><D:href>/p/bob/</D:href></D:principal>"
    grant = "<D:grant><D:privilege><D:read/></D:privilege></D:grant>"
    everybody = f"<D:ace><D:principal><D:all/></D:principal>{grant}</D:ace>"
    denied = f"<D:ace>{principal}<D:deny><D:privilege><D:write/></D:privilege></D:deny></D:ace>"
    acl = element(f"<D:ace>{principal}{grant}</D:ace>{everybody}{denied}")
    assert list(grants(acl)) == [("/p/bob/", frozenset({"read", "read-free-busy"}))]


def test_an_access_control_list_with_other_grants() -> None:
    """RFC 3744 §8.1: the request is the whole list, but for what is inherited or protected."""

    def ace(who: str, name: str, more: str = "") -> str:
        given = f"<D:grant><D:privilege><D:{name}/></D:privilege></D:grant>"
        return f"<D:ace><D:principal>{who}</D:principal>{given}{more}</D:ace>"

    def person(name: str) -> str:
        return f"<D:href>/p/{name}</D:href>"

    inherited = "<D:inherited><D:href>/h/</D:href></D:inherited>"
    lines = [ace("<D:all/>", "read-acl"), ace(person("eve/"), "all"), ace(person("b%6fb/"), "read")]
    lines += [ace("<D:self/>", "all", "<D:protected/>"), ace(person("al/"), "read", inherited)]
    made = regranted(
        element("".join(lines)),
        {
            "/p/bob/": frozenset({"read", "read-free-busy", "bind"}),
            "/p/carol/": frozenset({"read-free-busy"}),
            "/p/dan/": frozenset(),
        },
    )
    told = etree.tostring(made).decode()
    assert told.count("ace>") == 2 * 4
    assert "protected" not in told
    assert "inherited" not in told
    assert "<D:all/></D:principal>" in told
    assert dict(grants(made)) == {
        "/p/eve/": ALL,
        "/p/bob/": {"read", "read-free-busy", "bind"},
        "/p/carol/": {"read-free-busy"},
    }
    assert told.count("read-free-busy") == 1
    assert "urn:ietf:params:xml:ns:caldav" in told


@pytest.mark.parametrize(
    ("headers", "path", "server"),
    [
        ({"server": "Cyrus-HTTP/3.6.1"}, "/dav/calendars/user/alice/", "cyrus"),
        ({"dav": "1, 2, 3, calendar-access, addressbook, extended-mkcol"}, "/alice/", "radicale"),
        (
            {"dav": "1, 2, 3, calendar-access, addressbook, extended-mkcol, add-member, sync-collection, quota"},
            "/a/",
            "xandikos",
        ),
        ({"x-davical-version": "DAViCal/1.1.12; DB/1.3.5"}, "/caldav.php/alice/", "davical"),
        ({"dav": "1, 3, extended-mkcol, access-control, calendar-access, nc-calendar-search"}, "/x/", "nextcloud"),
        ({"dav": "1, 3", "x-sabre-version": "4.7.1"}, "/remote.php/dav/calendars/alice/", "nextcloud"),
        ({"dav": "1, 3, calendar-access", "x-sabre-version": "4.7.1"}, "/dav.php/calendars/alice/", "sabre"),
        ({"dav": "1, 2, access-control, calendar-access"}, "/SOGo/dav/alice/Calendar/", "sogo"),
        ({"dav": "1, 2, calendar-access", "server": "nginx"}, "/alice/", "other"),
    ],
)
def test_servers_are_recognised(headers: dict[str, str], path: str, server: str) -> None:
    assert recognise(headers, path).server == server
