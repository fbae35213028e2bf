"""ContactCard/get and /set (RFC 9610 §3) on a model server."""

from base64 import b64encode
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import replace
from typing import Any

import pytest

from adapters.errors import (
    AdapterError,
    Conflict,
    Forbidden,
    InvalidData,
    NotFound,
    OverQuota,
    Unavailable,
    Unsupported,
)
from adapters.ports.collections import Stored
from adapters.ports.contacts import CardResource
from tests.objects.contacts.harness import Client
from tests.sync.contacts.model import FACTS, Home, ModelPort

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(200))


def vcard(*lines: str, version: str = "4.0") -> str:
    return "".join(f"{line}\r\n" for line in ("BEGIN:VCARD", f"VERSION:{version}", *lines, "END:VCARD"))


def record(client: Client, **card: Any) -> dict[str, Any]:
    return {"addressBookIds": {client.book_id("work/"): True}, "name": {"full": "Jane"}, **card}


# create


async def test_what_the_server_sets(client: Client, home: Home) -> None:
    told = await client.create(record(client))
    assert told.keys() == {"id", "@type", "version", "uid", "created", "updated"}
    assert (told["@type"], told["version"]) == ("Card", "1.0")
    assert told["uid"].startswith("urn:uuid:")
    assert told["id"] == client.card_id(told["uid"])
    shown = await client.card(told["id"])
    assert shown == record(client) | told
    assert list(home.shelves["work/"].resources) == [client.name(told["uid"])]


async def test_what_the_client_sets_stays(client: Client) -> None:
    card = record(
        client,
        **{"@type": "Card", "version": "1.0", "uid": "mine@example.org"},
        created="2020-01-01T00:00:00Z",
        updated="2021-01-01T00:00:00Z",
    )
    assert await client.create(card) == {"id": client.card_id("mine@example.org")}
    assert await client.card(client.card_id("mine@example.org")) == card | {"id": client.card_id("mine@example.org")}


async def test_what_is_not_known_is_preserved(client: Client) -> None:
    """RFC 9553 §1.7.4, §1.8.1."""
    odd = {"example.com:foo": {"bar": [1, None, {"x y": 0.5}]}, "notYetRegistered": "x"}
    emails = {"e": {"address": "a@example.org", "example.com:seen": True}}
    told = await client.create(record(client, **odd, emails=emails))
    shown = await client.card(told["id"], properties=["example.com:foo", "notYetRegistered", "emails"])
    assert shown == {"id": told["id"], **odd, "emails": emails}


@pytest.mark.parametrize(
    ("card", "properties"),
    [
        ({"emails": {"e": {"address": "nobody"}}, "keywords": ["x"]}, ["emails", "keywords"]),
        ({"version": "9.9"}, ["version"]),
        ({"@type": "Event"}, ["@type"]),
        ({"uid": "a\nb"}, ["uid"]),
        ({"members": {"x": True}}, ["members"]),
        ({"id": "x"}, ["id"]),
        ({"Emails": {}}, ["Emails"]),
        ({"extra": 1}, ["extra"]),
        ({"localizations": {"de": {"titles/t/name": "x"}}}, ["localizations/de"]),
    ],
    ids=str,
)
async def test_the_error_names_the_properties(client: Client, card: dict[str, Any], properties: list[str]) -> None:
    error = await client.refused("create", {"k": record(client, **card)})
    assert error["type"] == "invalidProperties"
    assert sorted(error["properties"]) == properties


async def test_no_second_uid_by_the_back_door(client: Client, home: Home) -> None:
    told = await client.create(record(client, vCardProps=[["x-own", {}, "unknown", "1"]]))
    props = [["x-own", {}, "unknown", "2"], ["uid", {"x-p": "1"}, "unknown", told["uid"]]]
    await client.update(told["id"], {"vCardProps": props})
    props[1][3] = "another"
    error = await client.refused("update", {told["id"]: {"vCardProps": props}})
    assert (error["type"], error["properties"]) == ("invalidProperties", ["vCardProps"])
    home.write("work/", "y.vcf", vcard("UID:y", "UID:z", "FN:Y"))  # what others wrote need not be mended
    await client.update(client.card_id("y"), {"name/full": "New"})


async def test_a_uid_is_there_once(client: Client, home: Home) -> None:
    told = await client.create(record(client, uid="one@example.org"))
    home.add_book("home/", "Home")
    other = record(client, uid="one@example.org") | {"addressBookIds": {client.book_id("home/"): True}}
    error = await client.refused("create", {"k": other})
    assert (error["type"], error["properties"], error["existingId"]) == ("invalidProperties", ["uid"], told["id"])
    error = await client.refused("update", {told["id"]: {"uid": "two@example.org"}})
    assert (error["type"], error["properties"]) == ("invalidProperties", ["uid"])
    assert await client.update(told["id"], {"uid": "one@example.org"}) == {}  # as it is


@pytest.mark.parametrize("books", [{}, None, {"dnowhere": True}, {"WORK": False}, ["WORK"]])
async def test_a_card_is_in_an_address_book(client: Client, books: Any) -> None:
    work = client.book_id("work/")
    if isinstance(books, dict):
        books = {key.replace("WORK", work): value for key, value in books.items()}
    error = await client.refused("create", {"k": record(client) | {"addressBookIds": books}})
    assert (error["type"], error["properties"]) == ("invalidProperties", ["addressBookIds"])
    told = await client.create(record(client))
    error = await client.refused("update", {told["id"]: {"addressBookIds": books}})
    assert (error["type"], error["properties"]) == ("invalidProperties", ["addressBookIds"])
    error = await client.refused("update", {told["id"]: {f"addressBookIds/{work}": None}})
    assert (error["type"], error["properties"]) == ("invalidProperties", ["addressBookIds"])


async def test_in_an_address_book_that_is_made_before(client: Client) -> None:
    ((_, made), (_, answer)) = await client.said(
        ("AddressBook/set", {"create": {"b": {"name": "New"}}}),
        ("ContactCard/set", {"create": {"k": record(client) | {"addressBookIds": {"#b": True}}}}),
    )
    shown = await client.card(answer["created"]["k"]["id"])
    assert shown["addressBookIds"] == {made["created"]["b"]["id"]: True}


@pytest.mark.parametrize(("versions", "version"), [(("3.0", "4.0"), "4.0"), (("3.0",), "3.0"), ((), "3.0")])
async def test_in_the_version_that_the_server_takes(versions: tuple[str, ...], version: str) -> None:
    home = Home()
    home.add_book("work/", versions=versions)
    client = Client(home)
    told = await client.create(record(client))
    assert f"VERSION:{version}\r\n" in home.text("work/", client.name(told["uid"]))


# get


async def test_only_what_is_asked_for(client: Client) -> None:
    told = await client.create(record(client, notes={"n": {"note": "x"}}))
    shown = await client.card(told["id"], properties=["name", "emails", "addressBookIds"])
    assert shown.keys() == {"id", "name", "addressBookIds"}
    assert await client.error("ContactCard/get", ids=[told["id"]], properties=["colour!"]) == "invalidArguments"
    answer = await client.call("ContactCard/get", ids=[told["id"], "rnowhere"])
    assert (len(answer["list"]), answer["notFound"]) == (1, ["rnowhere"])


# update


async def test_patches(client: Client) -> None:
    emails = {"e1": {"address": "a@example.org"}, "e2": {"address": "b@example.org"}}
    told = await client.create(record(client, emails=emails, keywords={"x": True}, updated="2020-01-01T00:00:00Z"))
    patch = {"emails/e1/pref": 1, "emails/e2": None, "keywords/y": True, "name/full": "Joe"}
    changed = await client.update(told["id"], patch)
    assert changed.keys() == {"updated"}
    assert changed["updated"] > "2026"
    shown = await client.card(told["id"])
    assert shown["emails"] == {"e1": {"address": "a@example.org", "pref": 1}}
    assert (shown["keywords"], shown["name"]["full"]) == ({"x": True, "y": True}, "Joe")
    assert await client.update(told["id"], {"emails": None, "updated": "2021-01-01T00:00:00Z"}) == {}
    shown = await client.card(told["id"])
    assert (shown["updated"], "emails" in shown) == ("2021-01-01T00:00:00Z", False)


@pytest.mark.parametrize(
    ("patch", "kind", "properties"),
    [
        ({"emails/e1/address": "nobody"}, "invalidProperties", ["emails"]),
        ({"emails/e9/label": "x"}, "invalidPatch", None),
        ({"emails/e1/label": "x", "emails/e1": None}, "invalidPatch", None),
        ({"name/components/0/value": "x"}, "invalidPatch", None),
        ({"id": "x"}, "invalidProperties", ["id"]),
        ({"members": {"x": True}}, "invalidProperties", ["members"]),
        ({"version": "1.1"}, "invalidProperties", ["version"]),
        ({"name": {}}, "invalidProperties", ["name"]),
    ],
    ids=str,
)
async def test_wrong_patches(client: Client, patch: dict[str, Any], kind: str, properties: list[str] | None) -> None:
    emails = {"e1": {"address": "a@example.org"}}
    name = {"components": [{"kind": "given", "value": "J"}]}
    told = await client.create(record(client, emails=emails, name=name))
    error = await client.refused("update", {told["id"]: patch})
    assert (error["type"], error.get("properties")) == (kind, properties)
    assert (await client.card(told["id"]))["emails"] == emails


async def test_what_others_wrote_wrong_need_not_be_mended(client: Client, home: Home) -> None:
    home.write("work/", "x.vcf", vcard("UID:x", "FN:X", "EMAIL;PROP-ID=e1:nobody", "EMAIL;PROP-ID=e2:me@example.org"))
    await client.update(client.card_id("x"), {"emails/e2/address": "you@example.org"})
    text = home.text("work/", "x.vcf")
    assert "nobody" in text
    assert "you@example.org" in text


async def test_a_vcard_without_uid(client: Client, home: Home) -> None:
    home.write("work/", "x.vcf", vcard("FN:Nameless", "N:Nameless;;;;", version="3.0"))
    (card_id,) = await client.ids()
    await client.update(card_id, {"name/full": "Named"})
    assert "FN:Named" in home.text("work/", "x.vcf")
    assert list(await client.ids()) == [card_id]


async def test_copies_that_differ(client: Client, home: Home) -> None:
    """The latest is shown; a change makes equal only what was changed."""
    home.add_book("home/", "Home")
    home.write("work/", "x.vcf", vcard("UID:x", "FN:Old", "NOTE:first", "REV:20200101T000000Z"))
    home.write("home/", "x.vcf", vcard("UID:x", "FN:New", "NOTE:second", "REV:20210101T000000Z"))
    shown = await client.card(client.card_id("x"))
    assert shown["name"]["full"] == "New"
    assert shown["addressBookIds"] == {client.book_id("work/"): True, client.book_id("home/"): True}
    await client.update(client.card_id("x"), {"name/full": "Same"})
    for path, note in (("work/", "first"), ("home/", "second")):
        text = home.text(path, "x.vcf")
        assert "FN:Same" in text
        assert f"NOTE:{note}" in text


class _Meddled(ModelPort):
    """Somebody else writes right before each replacement, as often as there are texts."""

    def __init__(self, home: Home, *texts: str) -> None:
        super().__init__(home)
        self.texts = list(texts)

    async def replace(self, path: str, name: str, data: bytes, etag: str) -> Stored:
        if self.texts:
            self.home.write(path, name, self.texts.pop(0))
        return await super().replace(path, name, data, etag)


async def test_both_win_where_two_change_different_things(client: Client, home: Home) -> None:
    home.write("work/", "x.vcf", vcard("UID:x", "FN:X", "NOTE:one"))
    client.contacts.port = _Meddled(home, vcard("UID:x", "FN:X", "NOTE:theirs"))
    await client.update(client.card_id("x"), {"name/full": "Y"})
    text = home.text("work/", "x.vcf")
    assert "FN:Y" in text
    assert "NOTE:theirs" in text


async def test_a_second_change_in_between_is_told(client: Client, home: Home) -> None:
    home.write("work/", "x.vcf", vcard("UID:x", "FN:X"))
    client.contacts.port = _Meddled(home, vcard("UID:x", "FN:A"), vcard("UID:x", "FN:B"))
    error = await client.refused("update", {client.card_id("x"): {"notes": {"n": {"note": "mine"}}}})
    assert error["type"] == "stateMismatch"
    assert "mine" not in home.text("work/", "x.vcf")


async def test_a_change_of_what_is_gone_is_told(client: Client, home: Home) -> None:
    home.write("work/", "x.vcf", vcard("UID:x", "FN:X", "EMAIL;PROP-ID=e1:a@example.org"))
    client.contacts.port = _Meddled(home, vcard("UID:x", "FN:X"))
    error = await client.refused("update", {client.card_id("x"): {"emails/e1/label": "Office"}})
    assert error["type"] == "stateMismatch"


# address books


async def test_in_and_out_of_address_books(client: Client, home: Home) -> None:
    home.add_book("home/", "Home")
    work, private = client.book_id("work/"), client.book_id("home/")
    told = await client.create(record(client))
    await client.update(told["id"], {f"addressBookIds/{private}": True})
    assert home.text("home/", client.name(told["uid"])) == home.text("work/", client.name(told["uid"]))
    await client.update(told["id"], {f"addressBookIds/{work}": None})
    assert not home.shelves["work/"].resources
    state = (await client.call("ContactCard/get", ids=[]))["state"]
    await client.update(told["id"], {"addressBookIds": {work: True}, "name/full": "Moved"})
    assert not home.shelves["home/"].resources
    assert "FN:Moved" in home.text("work/", client.name(told["uid"]))
    changes = await client.call("ContactCard/changes", sinceState=state)
    assert (changes["created"], changes["updated"], changes["destroyed"]) == ([], [told["id"]], [])


@pytest.mark.parametrize("moves", [True, False])
async def test_a_card_without_uid_stays_itself_elsewhere(client: Client, home: Home, moves: bool) -> None:
    home.add_book("home/", "Home")
    home.write("work/", "1.vcf", "BEGIN:VCARD\r\nVERSION:3.0\r\nFN:No uid\r\nN:uid;No;;;\r\nEND:VCARD\r\n")
    got = await client.call("ContactCard/get", ids=None)
    (shown,) = got["list"]
    private = client.book_id("home/")
    await client.update(shown["id"], {"addressBookIds": {private: True, **({} if moves else shown["addressBookIds"])}})
    assert f"UID:{shown['uid']}" in home.text("home/", "1.vcf").replace("\r\n ", "")
    changes = await client.call("ContactCard/changes", sinceState=got["state"])
    assert (changes["created"], changes["updated"], changes["destroyed"]) == ([], [shown["id"]], [])
    assert len((await client.card(shown["id"]))["addressBookIds"]) == (1 if moves else 2)


async def test_a_move_where_the_server_has_none(client: Client, home: Home) -> None:
    home.add_book("home/", "Home")
    told = await client.create(record(client))
    home.failing["move"] = Unsupported()
    await client.update(told["id"], {"addressBookIds": {client.book_id("home/"): True}})
    assert (list(home.shelves["work/"].resources), len(home.shelves["home/"].resources)) == ([], 1)
    order = [call.split()[0] for call in home.calls if call.startswith(("create h", "delete"))]
    assert order == ["create", "delete"]  # it is never in none


@pytest.mark.parametrize("moves", [True, False])
async def test_another_card_has_the_name_where_it_goes(client: Client, home: Home, moves: bool) -> None:
    home.add_book("home/", "Home")
    home.write("work/", "1.vcf", vcard("UID:x", "FN:X"))
    home.write("home/", "1.vcf", vcard("UID:y", "FN:Y"))
    work, private = client.book_id("work/"), client.book_id("home/")
    books = {private: True} if moves else {private: True, work: True}
    await client.update(client.card_id("x"), {"addressBookIds": books})
    assert (await client.card(client.card_id("x")))["addressBookIds"] == books
    assert (await client.card(client.card_id("y")))["addressBookIds"] == {private: True}
    assert (len(home.shelves["home/"].resources), len(home.shelves["work/"].resources)) == (2, 0 if moves else 1)


async def test_from_an_address_book_that_is_read_only(client: Client, home: Home) -> None:
    """§2: mayWrite counts where a card is put in, changed or taken out."""
    home.add_book("/bob/shared/", "Bob's", owner="/bob/", privileges=frozenset({"read"}))
    home.write("/bob/shared/", "1.vcf", vcard("UID:x", "FN:X"))
    card_id, work, bobs = client.card_id("x"), client.book_id("work/"), client.book_id("/bob/shared/")
    await client.update(card_id, {f"addressBookIds/{work}": True})
    assert "FN:X" in home.text("work/", "1.vcf")
    for patch in ({"name/full": "Y"}, {f"addressBookIds/{bobs}": None}, {"addressBookIds": {work: True}}):
        assert (await client.refused("update", {card_id: patch}))["type"] == "forbidden"
    await client.update(card_id, {f"addressBookIds/{work}": None})
    assert (await client.card(card_id))["addressBookIds"] == {bobs: True}


async def test_a_second_address_book_without_room(client: Client, home: Home) -> None:
    home.add_book("home/", "Home")
    home.failing["create home/"] = OverQuota()
    both = {client.book_id("work/"): True, client.book_id("home/"): True}
    assert (await client.refused("create", {"k": record(client) | {"addressBookIds": both}}))["type"] == "overQuota"
    assert not home.shelves["work/"].resources


async def test_a_server_that_takes_a_uid_once(client: Client, home: Home) -> None:
    home.add_book("home/", "Home")
    home.failing["create home/"] = Conflict()
    both = {client.book_id("work/"): True, client.book_id("home/"): True}
    error = await client.refused("create", {"k": record(client) | {"addressBookIds": both}})
    assert (error["type"], error["properties"]) == ("invalidProperties", ["addressBookIds"])
    assert not home.shelves["work/"].resources  # in all of them or in none
    told = await client.create(record(client))
    error = await client.refused("update", {told["id"]: {"addressBookIds": both}})
    assert (error["type"], error["properties"]) == ("invalidProperties", ["addressBookIds"])


async def test_one_address_book_where_the_server_says_so() -> None:
    home = Home(replace(FACTS, several=False))
    home.add_book("work/")
    home.add_book("home/")
    client = Client(home)
    both = {client.book_id("work/"): True, client.book_id("home/"): True}
    told = await client.create(record(client))
    for verb, value in (("create", {"k": record(client) | {"addressBookIds": both}}), ("update", None)):
        error = await client.refused(verb, value or {told["id"]: {"addressBookIds": both, "name/full": "Joe"}})
        assert (error["type"], error["properties"]) == ("invalidProperties", ["addressBookIds"])
    assert (await client.card(told["id"]))["name"]["full"] == "Jane"


async def test_an_update_is_whole_or_not_at_all(client: Client, home: Home) -> None:
    home.add_book("/bob/shared/", "Bob's", owner="/bob/", privileges=frozenset({"read"}))
    told = await client.create(record(client))
    patch = {"name/full": "Joe", f"addressBookIds/{client.book_id('/bob/shared/')}": True}
    assert (await client.refused("update", {told["id"]: patch}))["type"] == "forbidden"
    assert (await client.card(told["id"]))["name"]["full"] == "Jane"


# destroy, and what the server does


async def test_destroyed_everywhere(client: Client, home: Home) -> None:
    home.add_book("home/", "Home")
    told = await client.create(
        record(client) | {"addressBookIds": {client.book_id("work/"): True, client.book_id("home/"): True}}
    )
    answer = await client.call("ContactCard/set", destroy=[told["id"], "rnowhere"])
    assert answer["destroyed"] == [told["id"]]
    assert answer["notDestroyed"]["rnowhere"]["type"] == "notFound"
    assert not home.shelves["work/"].resources
    assert not home.shelves["home/"].resources


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (Unavailable(), "serverUnavailable"),
        (Forbidden(), "forbidden"),
        (InvalidData(), "invalidProperties"),
        (NotFound(), "notFound"),
    ],
)
async def test_what_the_server_refuses(client: Client, home: Home, error: AdapterError, kind: str) -> None:
    told = await client.create(record(client))
    for verb in ("create", "replace", "delete"):
        home.failing[verb] = error
    assert (await client.refused("create", {"k": record(client)}))["type"] == kind
    assert (await client.refused("update", {told["id"]: {"name/full": "Y"}}))["type"] == kind
    if kind != "notFound":
        assert (await client.refused("destroy", [told["id"]]))["type"] == kind
    home.failing.clear()
    assert (await client.card(told["id"]))["name"]["full"] == "Jane"


async def test_a_server_that_vanishes(client: Client, home: Home) -> None:
    told = await client.create(record(client))
    home.failing["address_books"] = Unavailable()
    assert await client.error("ContactCard/get", ids=[told["id"]]) == "serverUnavailable"
    assert await client.error("ContactCard/query") == "serverUnavailable"
    assert await client.error("AddressBook/get") == "serverUnavailable"
    home.failing.clear()
    assert (await client.card(told["id"]))["name"]["full"] == "Jane"


async def test_what_cannot_be_read_costs_only_itself(client: Client, home: Home) -> None:
    home.write("work/", "bad.vcf", b"\0\xff no vCard")
    home.write("work/", "x.vcf", vcard("UID:x", "FN:X"))
    answer = await client.call("ContactCard/get")
    assert [card["uid"] for card in answer["list"]] == ["x"]


# pictures


def with_photo(octets: bytes, *, kind: str = "image/png") -> str:
    uri = f"data:{kind};base64,{b64encode(octets).decode()}"
    return vcard("UID:x", "FN:X", f"PHOTO;PROP-ID=p:{uri}")


async def test_pictures_are_blobs(client: Client, home: Home) -> None:
    """§3: a blobId in place of a data: URI, with the mediaType."""
    home.write("work/", "x.vcf", with_photo(PNG))
    photo = (await client.card(client.card_id("x")))["media"]["p"]
    assert photo.keys() == {"kind", "mediaType", "blobId"}
    assert photo["mediaType"] == "image/png"
    assert photo["blobId"] == await client.upload(PNG, "text/plain")  # the same octets have the same id
    fetched = Client(home)  # where nothing was uploaded
    answer = await fetched.call("Blob/get", ids=[photo["blobId"]], properties=["data:asBase64"])
    assert answer["list"][0]["data:asBase64"] == b64encode(PNG).decode()


async def test_a_picture_survives_a_change_beside_it(client: Client, home: Home) -> None:
    home.write("work/", "x.vcf", with_photo(PNG))
    line = next(line for line in home.text("work/", "x.vcf").split("\r\n") if line.startswith("PHOTO"))
    await client.update(client.card_id("x"), {"media/p/label": "Me", "name/full": "Y"})
    text = home.text("work/", "x.vcf").replace("\r\n ", "")
    assert line.partition("base64,")[2] in text
    photo = (await client.card(client.card_id("x")))["media"]["p"]
    assert (photo["label"], photo["mediaType"]) == ("Me", "image/png")


async def test_a_blob_becomes_a_picture(client: Client, home: Home) -> None:
    blob = await client.upload(PNG, "image/png")
    told = await client.create(record(client, media={"p": {"kind": "photo", "blobId": blob}}))
    assert told["media"] == {"p": {"kind": "photo", "blobId": blob, "mediaType": "image/png"}}
    assert b64encode(PNG)[:40].decode() in home.text("work/", client.name(told["uid"])).replace("\r\n ", "")
    home.write("work/", "y.vcf", vcard("UID:y", "FN:Y"))
    later = Client(home)  # the upload is gone; the other card has the octets
    media = {"p": {"kind": "photo", "blobId": blob, "mediaType": "image/png"}}
    assert (await later.update(client.card_id("y"), {"media": media})).keys() == {"updated"}
    assert (await later.card(client.card_id("y")))["media"] == media


@pytest.mark.parametrize(
    ("octets", "fits"),
    [
        (PNG, True),
        (b"\xff\xd8\xff\xe0" + bytes(20), True),
        (b"GIF89a" + bytes(20), True),
        (b"RIFF\0\0\0\0WEBPVP8 ", True),
        (b"\0\0\0\x1cftypavif" + bytes(20), True),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", False),
        (b"RIFF\0\0\0\0WAVEfmt ", False),
        (b"", False),
        (b"%PDF-1.7", False),
    ],
)
async def test_a_photo_is_an_image(client: Client, octets: bytes, fits: bool) -> None:
    """§3.5: MUST reject; what the client calls it counts for nothing."""
    blob = await client.upload(octets, "image/png")
    media = {"p": {"kind": "photo", "blobId": blob, "mediaType": "image/png"}}
    uri = {"p": {"kind": "photo", "uri": f"data:image/png;base64,{b64encode(octets).decode()}"}}
    if fits:
        assert (await client.create(record(client, media=media)))["id"]
        return
    for value in (media, uri):
        error = await client.refused("create", {"k": record(client, media=value)})
        assert (error["type"], error["properties"]) == ("invalidProperties", ["media"])
    told = await client.create(record(client))
    error = await client.refused("update", {told["id"]: {"media": media}})
    assert (error["type"], error["properties"]) == ("invalidProperties", ["media"])
    sound = {"s": {"kind": "sound", "blobId": blob, "mediaType": "audio/wav"}}
    if octets:
        assert await client.create(record(client, media=sound))


@pytest.mark.parametrize("uri", ["data:image/png;base64,A", "DATA:image/png"])
async def test_a_photo_that_cannot_be_read_is_no_image(client: Client, uri: str) -> None:
    media = {"p": {"kind": "photo", "uri": uri}}
    assert (await client.refused("create", {"k": record(client, media=media)}))["properties"] == ["media"]


async def test_one_blob_many_times(client: Client, home: Home) -> None:
    """An id is short, what it stands for is not."""
    blob = await client.upload(bytes(500_000), "audio/ogg")
    media = {f"m{number}": {"kind": "sound", "blobId": blob} for number in range(11)}
    error = await client.refused("create", {"k": record(client, media=media)})
    assert (error["type"], error["maxSize"]) == ("tooLarge", 5_000_000)
    assert not home.shelves["work/"].resources


async def test_blobs_that_are_not_there(client: Client) -> None:
    media = {"p": {"kind": "photo", "blobId": "unothing"}, "q": {"kind": "logo", "blobId": "uneither"}}
    error = await client.refused("create", {"k": record(client, media=media)})
    assert (error["type"], sorted(error["notFound"])) == ("blobNotFound", ["uneither", "unothing"])


async def test_a_picture_elsewhere_is_a_link(client: Client) -> None:
    media = {"p": {"kind": "photo", "uri": "https://example.org/me.jpg"}}
    told = await client.create(record(client, media=media))
    assert (await client.card(told["id"]))["media"] == media


# copy


async def test_a_copy_in_another_account(client: Client, home: Home) -> None:
    """§3.6: with everything that the vCard has, also what JSContact does not know."""
    there = Home()
    there.add_book("team/", "Team")
    other = Client(there, "aother")
    client.others = {"aother": other.account}
    home.write("work/", "x.vcf", with_photo(PNG).replace("FN:X", "FN:X\r\nX-OWN:kept"))
    create = {"k": {"id": client.card_id("x"), "addressBookIds": {other.book_id("team/"): True}, "kind": "org"}}
    arguments = {"accountId": "aother", "fromAccountId": client.account.id, "create": create}
    answer = await client.call("ContactCard/copy", **arguments)
    copied = answer["created"]["k"]["id"]
    text = there.text("team/", f"{copied}.vcf")
    assert "X-OWN:kept" in text
    assert "KIND:org" in text
    again = await client.call("ContactCard/copy", **arguments)
    error = again["notCreated"]["k"]
    assert (error["type"], error["existingId"]) == ("alreadyExists", copied)  # RFC 8620 §5.4
    create["k"].pop("addressBookIds")
    create["n"] = {"id": "rnowhere", "addressBookIds": {other.book_id("team/"): True}}
    answer = await client.call("ContactCard/copy", **arguments)
    assert answer["notCreated"]["k"]["properties"] == ["addressBookIds"]
    assert answer["notCreated"]["n"]["type"] == "notFound"
    home.write("work/", "z.vcf", vcard("UID:z", "FN:Z"))
    create["z"] = {"id": client.card_id("z"), "addressBookIds": {other.book_id("team/"): True}}
    await client.card(client.card_id("z"))
    client.contacts.port = _Vanishing(home, "x.vcf")
    create["k"]["addressBookIds"] = {other.book_id("team/"): True}
    answer = await client.call("ContactCard/copy", **arguments)
    assert answer["notCreated"]["k"]["type"] == "notFound"  # and costs only itself
    assert answer["created"].keys() == {"z"}


class _Vanishing(ModelPort):
    """A resource that is listed, and gone when it is fetched."""

    def __init__(self, home: Home, name: str) -> None:
        super().__init__(home)
        self.name = name

    async def fetch(self, path: str, names: Collection[str]) -> AsyncIterator[Mapping[str, CardResource]]:
        async for batch in super().fetch(path, [name for name in names if name != self.name]):
            yield batch
