"""AddressBook (RFC 9610 §2) on a model server: what the server keeps, what the store keeps, who may do what."""

from dataclasses import replace
from typing import Any

import pytest

from adapters.errors import Forbidden, Unavailable
from adapters.ports.contacts import AddressBookProperties, ContactsFacts
from tests.objects.contacts.harness import Client
from tests.sync.contacts.model import Home

DEFAULTS = {"isSubscribed": True, "description": None, "shareWith": None}
ALL = {"mayRead": True, "mayWrite": True, "mayShare": False, "mayDelete": True}


async def update(client: Client, book_id: str, **patch: Any) -> dict[str, Any] | None:
    answer = await client.call("AddressBook/set", update={book_id: patch})
    assert answer["notUpdated"] is None, answer
    told: dict[str, Any] | None = answer["updated"][book_id]
    return told


async def refused(client: Client, **arguments: Any) -> dict[str, Any]:
    answer = await client.call("AddressBook/set", **arguments)
    (errors,) = [answer[name] for name in ("notCreated", "notUpdated", "notDestroyed") if answer[name]]
    (error,) = errors.values()
    found: dict[str, Any] = error
    return found


async def test_an_address_book_as_the_server_has_it(client: Client, home: Home) -> None:
    shelf = home.shelves["work/"]
    shelf.info = replace(shelf.info, properties=AddressBookProperties("Work", "Who I know there", 3))
    (shown,) = (await client.call("AddressBook/get"))["list"]
    assert shown == {
        "id": client.book_id("work/"),
        "name": "Work",
        "description": "Who I know there",
        "sortOrder": 3,
        "isDefault": True,
        "isSubscribed": True,
        "shareWith": None,
        "myRights": ALL,
    }


async def test_one_without_a_name_is_called_by_its_path(client: Client, home: Home) -> None:
    home.add_book("old%20friends/")
    assert (await client.book("old%20friends/"))["name"] == "old friends"


async def test_what_is_set_is_shown(client: Client) -> None:
    work = client.book_id("work/")
    state = (await client.call("AddressBook/get", ids=[]))["state"]
    values = {"name": "Büro", "description": "D", "sortOrder": 7, "isSubscribed": False}
    assert await update(client, work, **values) is None
    shown = await client.book("work/")
    assert {name: shown[name] for name in values} == values
    assert (await client.call("AddressBook/changes", sinceState=state))["updated"] == [work]
    assert await update(client, work, description=None, sortOrder=0, isSubscribed=True) is None
    shown = await client.book("work/")
    assert (shown["description"], shown["sortOrder"], shown["isSubscribed"]) == (None, 0, True)


async def test_what_the_server_does_not_store_is_kept_here() -> None:
    home = Home(stores=frozenset({"name"}))
    home.add_book("work/", "Work")
    client = Client(home)
    assert await update(client, client.book_id("work/"), name="Büro", description="D", sortOrder=7) is None
    shown = await client.book("work/")
    assert (shown["name"], shown["description"], shown["sortOrder"]) == ("Büro", "D", 7)
    home.stores = frozenset({"name", "description", "order"})  # an update of the server
    await update(client, client.book_id("work/"), description="E", sortOrder=8)
    shown = await client.book("work/")
    assert (shown["description"], shown["sortOrder"]) == ("E", 8)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("name", value) for value in ("", " ", "x" * 256, "ü" * 128, None)],  # §2: 1 to 255 octets
        *[("sortOrder", value) for value in (-1, 2**31, 1.5, "1")],
        ("isSubscribed", "yes"),
        ("description", 1),
        ("isDefault", False),
        ("myRights", {}),
        ("shareWith", {"p": {"mayBurn": True}}),
        ("color", "#ff0000"),
    ],
)
async def test_what_no_address_book_can_have(client: Client, name: str, value: Any) -> None:
    error = await refused(client, update={client.book_id("work/"): {name: value}})
    assert (error["type"], error["properties"]) == ("invalidProperties", [name])


async def test_sharing_is_not_offered(client: Client) -> None:
    """§2: shareWith may be modified only with mayShare, which nobody has."""
    rights = {"p1": {"mayRead": True, "mayWrite": False, "mayShare": False, "mayDelete": False}}
    assert (await refused(client, update={client.book_id("work/"): {"shareWith": rights}}))["type"] == "forbidden"
    assert (await refused(client, create={"k": {"name": "N", "shareWith": rights}}))["type"] == "forbidden"


async def test_one_is_made_and_destroyed(client: Client, home: Home) -> None:
    state = (await client.call("AddressBook/get", ids=[]))["state"]
    answer = await client.call("AddressBook/set", create={"k": {"name": "Friends", "sortOrder": 2}})
    made = answer["created"]["k"]
    assert made == {**DEFAULTS, "id": made["id"], "isDefault": False, "myRights": ALL}
    assert (await client.call("AddressBook/changes", sinceState=state))["created"] == [made["id"]]
    answer = await client.call("AddressBook/set", destroy=[made["id"]])
    assert answer["destroyed"] == [made["id"]]
    assert len(home.shelves) == 1


async def test_one_that_is_made_unsubscribed(client: Client) -> None:
    answer = await client.call("AddressBook/set", create={"k": {"name": "N", "isSubscribed": False}})
    (shown,) = (await client.call("AddressBook/get", ids=[answer["created"]["k"]["id"]]))["list"]
    assert shown["isSubscribed"] is False


async def test_none_is_made_where_the_server_makes_none() -> None:
    facts = ContactsFacts("model", "/alice/", "/alice/", "/alice/", None, creates=False)
    client = Client(Home(facts))
    assert (await refused(client, create={"k": {"name": "N"}}))["type"] == "forbidden"


async def test_contents_are_not_lost_by_accident(client: Client, home: Home) -> None:
    home.write("work/", "x.vcf", "this cannot be read")  # would be lost as well
    work = client.book_id("work/")
    assert (await refused(client, destroy=[work]))["type"] == "addressBookHasContents"  # §2.3
    answer = await client.call("AddressBook/set", destroy=[work], onDestroyRemoveContents=True)
    assert answer["destroyed"] == [work]


async def test_a_card_in_two_address_books_survives_one(client: Client, home: Home) -> None:
    """§2.3: only a card that belongs to no other AddressBook is destroyed."""
    home.add_book("home/", "Home")
    await client.hold("work/", {"uid": "both"}, {"uid": "one"})
    await client.hold("home/", {"uid": "both"})
    state = (await client.call("ContactCard/get", ids=[]))["state"]
    await client.call("AddressBook/set", destroy=[client.book_id("work/")], onDestroyRemoveContents=True)
    changes = await client.call("ContactCard/changes", sinceState=state)
    assert (changes["destroyed"], changes["updated"]) == ([client.card_id("one")], [client.card_id("both")])
    assert (await client.card(client.card_id("both")))["addressBookIds"] == {client.book_id("home/"): True}


async def test_one_of_others(client: Client, home: Home) -> None:
    """§2: isSubscribed SHOULD default to false; §6: the ACL of the server counts."""
    home.add_book("/bob/shared/", "Bob's", owner="/bob/", privileges=frozenset({"read"}))
    bobs = client.book_id("/bob/shared/")
    shown = await client.book("/bob/shared/")
    assert (shown["isSubscribed"], shown["isDefault"]) == (False, False)
    assert shown["myRights"] == {"mayRead": True, "mayWrite": False, "mayShare": False, "mayDelete": False}
    assert await update(client, bobs, isSubscribed=True, sortOrder=4) is None
    shown = await client.book("/bob/shared/")
    assert (shown["isSubscribed"], shown["sortOrder"]) == (True, 4)
    assert (await refused(client, update={bobs: {"name": "Mine"}}))["type"] == "forbidden"
    assert (await refused(client, destroy=[bobs]))["type"] == "forbidden"
    await client.hold("/bob/shared/", {"uid": "x"})
    assert (await client.refused("destroy", [client.card_id("x")]))["type"] == "forbidden"
    card = {"addressBookIds": {bobs: True}, "name": {"full": "X"}}
    assert (await client.refused("create", {"k": card}))["type"] == "forbidden"
    assert not [call for call in home.calls if call.startswith(("create", "delete", "replace"))]


async def test_the_default(client: Client, home: Home) -> None:
    home.add_book("home/", "Home")
    work, private = client.book_id("work/"), client.book_id("home/")
    assert (await client.book("home/"))["isDefault"] is True  # the first by path
    state = (await client.call("AddressBook/get", ids=[]))["state"]
    answer = await client.call("AddressBook/set", onSuccessSetIsDefault=work)
    assert answer["updated"] == {work: {"isDefault": True}, private: {"isDefault": False}}  # §2.3, §4.2
    assert answer["newState"] != answer["oldState"] == state
    books = (await client.call("AddressBook/get"))["list"]
    assert [book["id"] for book in books if book["isDefault"]] == [work]  # §2: MUST NOT be true for more than one


async def test_a_new_one_becomes_the_default(client: Client) -> None:
    answer = await client.call("AddressBook/set", create={"k": {"name": "N"}}, onSuccessSetIsDefault="#k")
    assert answer["created"]["k"]["isDefault"] is True
    assert answer["updated"] == {client.book_id("work/"): {"isDefault": False}}


async def test_the_default_stays_where_others_are_put_first(client: Client, home: Home) -> None:
    home.add_book("home/", "Home")
    work, private = client.book_id("work/"), client.book_id("home/")
    assert (await client.book("home/"))["isDefault"] is True
    await update(client, private, sortOrder=9)
    assert [(await client.book(path))["isDefault"] for path in ("home/", "work/")] == [True, False]
    assert (await client.call("AddressBook/set", onSuccessSetIsDefault=work))["updated"][work] == {"isDefault": True}


async def test_one_that_nothing_can_be_taken_out_of_is_no_default(client: Client, home: Home) -> None:
    home.add_book("a/", "A", privileges=frozenset({"read", "bind", "write-content"}))
    shown = await client.book("a/")
    assert (shown["isDefault"], shown["myRights"]["mayWrite"]) == (False, False)


@pytest.mark.parametrize("wanted", ["dnowhere", "#nobody"])
async def test_a_default_that_cannot_be_is_ignored(client: Client, wanted: str) -> None:
    answer = await client.call("AddressBook/set", onSuccessSetIsDefault=wanted)
    assert answer["updated"] is None
    assert (await client.book("work/"))["isDefault"] is True


async def test_one_that_cannot_be_written_to_is_no_default(client: Client, home: Home) -> None:
    home.add_book("/bob/shared/", "Bob's", owner="/bob/", privileges=frozenset({"read"}))
    answer = await client.call("AddressBook/set", onSuccessSetIsDefault=client.book_id("/bob/shared/"))
    assert answer["updated"] is None


async def test_no_default_is_set_where_something_failed(client: Client, home: Home) -> None:
    home.add_book("home/", "Home")
    answer = await client.call("AddressBook/set", destroy=["dnowhere"], onSuccessSetIsDefault=client.book_id("work/"))
    assert answer["notDestroyed"]["dnowhere"]["type"] == "notFound"
    assert (await client.book("home/"))["isDefault"] is True


@pytest.mark.parametrize(("error", "kind"), [(Forbidden(), "forbidden"), (Unavailable(), "serverUnavailable")])
async def test_what_the_server_refuses(client: Client, home: Home, error: Any, kind: str) -> None:
    work = client.book_id("work/")
    await client.book("work/")
    for verb in ("create_address_book", "update_address_book", "delete_address_book"):
        home.failing[verb] = error
    assert (await refused(client, create={"k": {"name": "N"}}))["type"] == kind
    assert (await refused(client, update={work: {"name": "N"}}))["type"] == kind
    assert (await refused(client, destroy=[work]))["type"] == kind
