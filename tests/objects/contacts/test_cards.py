"""ContactCard/get and /set (RFC 9610 §3) on a model server."""

from typing import Any

import pytest

from adapters.errors import (
    AdapterError,
    Forbidden,
    InvalidData,
    NotFound,
    Unavailable,
)
from adapters.ports.collections import Stored
from tests.objects.contacts.harness import Client, record, vcard
from tests.sync.contacts.model import Home, ModelPort

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


async def test_what_no_vcard_can_hold(client: Client, home: Home) -> None:
    error = await client.refused("create", {"k": record(client, notes={"n": {"note": "a\x0cb"}})})
    assert error.keys() == {"type", "description"}  # which property it is, the writer tells in words
    assert "NOTE" in error["description"]
    assert not home.shelves["work/"].resources


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


class _Silent(ModelPort):
    """Says no ETags, and goes away after each write."""

    async def create(self, path: str, name: str, data: bytes) -> Stored:
        await super().create(path, name, data)
        self.home.failing["fetch"] = Unavailable()
        return Stored(None)


async def test_what_is_stored_is_never_said_not_to_be(client: Client, home: Home) -> None:
    client.contacts.port = _Silent(home)
    told = await client.create(record(client))
    home.failing.clear()
    assert (await client.card(told["id"]))["name"]["full"] == "Jane"
    await client.update(told["id"], {"name/full": "Joe"})
    assert (await client.card(told["id"]))["name"]["full"] == "Joe"
    assert len(home.shelves["work/"].resources) == 1


async def test_what_cannot_be_read_costs_only_itself(client: Client, home: Home) -> None:
    home.write("work/", "bad.vcf", b"\0\xff no vCard")
    home.write("work/", "x.vcf", vcard("UID:x", "FN:X"))
    answer = await client.call("ContactCard/get")
    assert [card["uid"] for card in answer["list"]] == ["x"]
