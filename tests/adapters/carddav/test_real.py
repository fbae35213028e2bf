"""The contacts port on Radicale, Xandikos and Cyrus."""

import re
from collections.abc import AsyncIterator, Mapping

import pytest

from adapters.carddav.backend import CardDav
from adapters.dav.connection import Credentials, Endpoint
from adapters.errors import AuthFailed, Conflict, InvalidData, NotFound, Unsupported
from adapters.ports.collections import Cursor
from adapters.ports.contacts import AddressBook, AddressBookChanges, CardResource, ContactsFacts, ContactsPort
from tests.adapters.carddav.conftest import Other, card
from tests.servers.dav import DavServer


async def gathered(batches: AsyncIterator[Mapping[str, CardResource]]) -> dict[str, CardResource]:
    return {name: resource async for batch in batches for name, resource in batch.items()}


async def fetched(port: CardDav, path: str, name: str) -> CardResource:
    return (await gathered(port.fetch(path, [name])))[name]


async def listed(port: CardDav, path: str) -> AddressBook:
    return next(book for book in await port.address_books() if book.path == path)


async def test_facts(server: DavServer, port: CardDav, facts: ContactsFacts) -> None:
    typed: ContactsPort = port
    assert typed is port
    assert facts.server == server.name
    assert facts.owner == facts.principal
    assert facts.home.startswith("/")
    assert facts.creates  # RFC 5689 §3.1
    assert facts.several


async def test_wrong_password_is_no_outage(server: DavServer) -> None:
    port = CardDav(Endpoint(server.url), Credentials(server.user, password="wrong"))
    if server.name == "xandikos":
        assert (await port.open()).principal == f"/{server.user}/"  # it asks for none
    else:
        with pytest.raises(AuthFailed):
            await port.open()
    await port.close()


async def test_properties_of_an_address_book(port: CardDav, book: str, server: DavServer) -> None:
    changes = AddressBookChanges(name="Tést & <1>", description="two\nlines", order=3)
    kept = server.name != "xandikos"
    assert await port.update_address_book(book, changes) == (frozenset() if kept else frozenset({"order"}))
    found = (await listed(port, book)).properties
    assert (found.name, found.description, found.order) == ("Tést & <1>", "two\nlines", 3 if kept else None)
    await port.update_address_book(book, AddressBookChanges(description=None, order=None))
    found = (await listed(port, book)).properties
    assert (found.name, found.description, found.order) == ("Tést & <1>", None, None)


async def test_an_address_book_of_the_listing(port: CardDav, book: str, server: DavServer) -> None:
    found = await listed(port, book)
    # RFC 6352 §6.2.2: Cyrus converts between the two
    assert found.versions == ({"3.0", "4.0"} if server.name == "cyrus" else {"3.0"})
    assert found.privileges is not None
    assert {"read", "write-content", "write-properties", "bind", "unbind"} <= found.privileges
    assert found.owner is None
    assert found.max_size == (2**31 - 1 if server.name == "cyrus" else None)
    assert not found.cursor.moved_from(found.cursor)


async def test_made_with_all_its_properties(port: CardDav, facts: ContactsFacts) -> None:
    """Also where the server refuses a description with the MKCOL, as Xandikos does."""
    path, refused = await port.create_address_book("made", AddressBookChanges(name="Mäde", description="With & all"))
    try:
        assert (path, refused) == ("made/", frozenset())
        found = (await listed(port, path)).properties
        assert (found.name, found.description) == ("Mäde", "With & all")
        with pytest.raises(Conflict):
            await port.create_address_book("made", AddressBookChanges(name="Again"))
    finally:
        await port.delete_address_book(path)


async def test_what_is_stored_is_read_by_others(port: CardDav, book: str, other: Other) -> None:
    stored = await port.create(book, "a.vcf", card("a", version="3.0"))
    found = await fetched(port, book, "a.vcf")
    assert found.etag == (stored.etag or found.etag)
    assert "FN:Tëst & <a>" in other.ask("GET", "a.vcf")


async def test_what_may_be_altered_has_no_etag(port: CardDav, book: str, server: DavServer) -> None:
    """RFC 6352 §6.3.2.3 forbids an ETag there; two give one all the same."""
    data = card("a", 'TEL;TYPE="cell,voice":+1', "ADR:;;c;d;;f;g;h;i;j;k;l;m;n;o;p;q;r")
    stored = await port.create(book, "a.vcf", data)
    found = await fetched(port, book, "a.vcf")
    assert (stored.etag is None) == (found.data.splitlines() != data.splitlines()) == (server.name != "xandikos")


async def test_values_that_are_no_text_survive(port: CardDav, book: str) -> None:
    """Radicale would end them at a comma, and escapes what it keeps; of Cyrus most clients would get no octets."""
    lines = {"PHOTO:data:image/png;base64,AAAA", "URL:http://example.org/a,b;c"}
    await port.create(book, "a.vcf", card("a", *lines))
    found = re.sub("\r?\n ", "", (await fetched(port, book, "a.vcf")).data.decode()).replace("\\", "")
    assert lines <= {re.sub(";[A-Z-]+=[^:]*", "", line, count=1) for line in found.splitlines()}


async def test_version_4_is_given_where_it_can_be(port: CardDav, book: str, other: Other, server: DavServer) -> None:
    """RFC 6352 §5.1.1: who asks for nothing gets 3.0 of Cyrus."""
    other.put("g.vcf", card("g", "KIND:group", "MEMBER:urn:uuid:1"))
    found = await fetched(port, book, "g.vcf")
    assert b"VERSION:4.0" in found.data
    assert b"KIND:group" in found.data
    assert ("VERSION:3.0" in other.ask("GET", "g.vcf")) == (server.name == "cyrus")
    before = await port.changes(await listed(port, book), None, {})
    other.put("g.vcf", card("g", "KIND:group", "NOTE:changed"))
    after = await port.changes(await listed(port, book), before.cursor, before.changed)
    for resource in after.resources.values() or [await fetched(port, book, "g.vcf")]:
        assert b"VERSION:4.0" in resource.data


async def test_preconditions(port: CardDav, book: str) -> None:
    await port.create(book, "a.vcf", card("a"))
    with pytest.raises(Conflict):  # RFC 9110 §13.1.2
        await port.create(book, "a.vcf", card("a"))
    with pytest.raises(Conflict):  # RFC 9110 §13.1.1
        await port.replace(book, "a.vcf", card("a"), '"stale"')
    with pytest.raises(Conflict):
        await port.delete(book, "a.vcf", '"stale"')
    etag = (await fetched(port, book, "a.vcf")).etag
    after = await port.replace(book, "a.vcf", card("a", "NOTE:Here"), etag)
    found = await fetched(port, book, "a.vcf")
    assert b"NOTE:Here" in found.data
    assert after.etag in {None, found.etag}
    await port.delete(book, "a.vcf", found.etag)
    with pytest.raises(NotFound):
        await port.delete(book, "a.vcf", None)


async def test_one_uid_under_two_names(port: CardDav, book: str, server: DavServer) -> None:
    """RFC 6352 §6.3.2.1 forbids it (no-uid-conflict); two servers take it."""
    await port.create(book, "a.vcf", card("a"))
    if server.name == "radicale":
        with pytest.raises(Conflict):
            await port.create(book, "b.vcf", card("a"))
    else:
        await port.create(book, "b.vcf", card("a"))


async def test_one_uid_in_two_address_books(port: CardDav, book: str) -> None:
    second, _ = await port.create_address_book("second", AddressBookChanges(name="Second"))
    try:
        await port.create(book, "a.vcf", card("a"))
        await port.create(second, "a.vcf", card("a"))
        assert set(await gathered(port.fetch(second, ["a.vcf"]))) == {"a.vcf"}
    finally:
        await port.delete_address_book(second)


@pytest.mark.parametrize("data", [b"rubbish", b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nEND:VCALENDAR\r\n"])
async def test_content_that_is_no_vcard(port: CardDav, book: str, data: bytes) -> None:
    with pytest.raises(InvalidData):  # RFC 6352 §6.3.2.1, valid-address-data
        await port.create(book, "a.vcf", data)


@pytest.mark.parametrize("name", ["", "..", "../a.vcf", "a b.vcf", "%2e%2e", "a.vcf?x", "ä.vcf"])
async def test_names_that_are_no_segment(port: CardDav, book: str, name: str) -> None:
    with pytest.raises(InvalidData):
        await port.create(book, name, card("a"))


async def test_changes_by_others(port: CardDav, book: str, other: Other, server: DavServer) -> None:
    first = await port.changes(await listed(port, book), None, {})
    assert not first.changed
    for name in ("a", "b", "c"):
        other.put(f"{name}.vcf", card(name))
    now = await listed(port, book)
    assert now.cursor.moved_from(first.cursor)
    second = await port.changes(now, first.cursor, {})
    assert set(second.changed) == {"a.vcf", "b.vcf", "c.vcf"}
    assert not second.removed
    other.put("a.vcf", card("a", "NOTE:There"))
    other.ask("DELETE", "c.vcf")
    third = await port.changes(await listed(port, book), second.cursor, second.changed)
    assert set(third.changed) == {"a.vcf"}
    assert third.removed == {"c.vcf"}
    came = third.resources.get("a.vcf") or await fetched(port, book, "a.vcf")
    assert b"NOTE:There" in came.data
    assert came.etag == third.changed["a.vcf"]
    assert bool(third.resources) == (server.name != "xandikos")
    assert not (await listed(port, book)).cursor.moved_from(third.cursor)


async def test_a_token_that_is_not_honoured(port: CardDav, book: str) -> None:
    await port.create(book, "a.vcf", card("a"))
    found = await port.changes(await listed(port, book), Cursor("data:,junk", None), {"ghost.vcf": '"1"'})
    assert set(found.changed) == {"a.vcf"}
    assert found.removed == {"ghost.vcf"}


async def test_an_address_book_that_is_gone(port: CardDav, facts: ContactsFacts) -> None:
    gone, _ = await port.create_address_book("gone", AddressBookChanges(name="Gone"))
    known = await listed(port, gone)
    await port.delete_address_book(gone)
    with pytest.raises(NotFound):
        await port.changes(known, None, {})
    with pytest.raises(NotFound):
        await gathered(port.fetch(gone, ["a.vcf"]))
    with pytest.raises(NotFound):
        await port.delete_address_book(gone)
    assert gone not in {found.path for found in await port.address_books()}


async def test_fetching_what_is_gone(port: CardDav, book: str) -> None:
    await port.create(book, "a.vcf", card("a"))
    assert set(await gathered(port.fetch(book, ["a.vcf", "gone.vcf"]))) == {"a.vcf"}


async def test_move(port: CardDav, book: str, server: DavServer) -> None:
    await port.create(book, "a.vcf", card("a"))
    etag = (await fetched(port, book, "a.vcf")).etag
    target, _ = await port.create_address_book("target", AddressBookChanges(name="Target"))
    try:
        if server.name == "xandikos":
            with pytest.raises(Unsupported):
                await port.move(book, "a.vcf", target, etag)
            return
        with pytest.raises(Conflict):
            await port.move(book, "a.vcf", target, '"stale"')
        await port.move(book, "a.vcf", target, etag)
        assert set(await gathered(port.fetch(target, ["a.vcf"]))) == {"a.vcf"}
        assert not await gathered(port.fetch(book, ["a.vcf"]))
    finally:
        await port.delete_address_book(target)
