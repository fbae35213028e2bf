"""addressBookIds (RFC 9610 §3) on a model server: into address books, out of them, from one to another."""

from dataclasses import replace

import pytest

from adapters.errors import Conflict, OverQuota, Unsupported
from tests.objects.contacts.harness import Client, record, vcard
from tests.sync.contacts.model import FACTS, Home


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
