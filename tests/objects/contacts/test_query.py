"""ContactCard/query and /queryChanges (RFC 9610 §3.3, §3.4) on a model server."""

from typing import Any

import pytest

from gateway.objects.contacts import card_query
from tests.objects.contacts.harness import Client
from tests.sync.contacts.model import Home

CARDS: list[dict[str, Any]] = [
    {
        "uid": "jane",
        "created": "2024-01-01T00:00:00Z",
        "updated": "2024-06-01T00:00:00.5Z",
        "name": {
            "components": [
                {"kind": "given", "value": "Jane"},
                {"kind": "surname", "value": "van der Berg"},
                {"kind": "surname2", "value": "Núñez"},
            ],
            "isOrdered": True,
        },
        "nicknames": {"n": {"name": "Janey"}},
        "organizations": {"o": {"name": "ACME Inc.", "units": [{"name": "Rockets"}]}},
        "emails": {"e": {"address": "jane@acme.example", "label": "Office"}},
        "phones": {"p": {"number": "tel:+49-30-1234", "label": "Desk"}},
        "onlineServices": {"s": {"service": "Mastodon", "user": "@jane", "uri": "https://social.example/@jane"}},
        "addresses": {
            "a": {"components": [{"kind": "name", "value": "Oak St"}, {"kind": "locality", "value": "Reston"}]}
        },
        "notes": {"n": {"note": 'Likes "green tea" and back\\slashes, isn\'t late'}},
        "keywords": {"vip": True},
        "titles": {"t": {"name": "Engineer"}},
    },
    {
        "uid": "joe",
        "created": "2023-01-01T00:00:00Z",
        "updated": "2024-06-01T00:00:00Z",
        "kind": "individual",
        "name": {"full": "Joe ÅNGSTRÖM", "components": [{"kind": "given", "value": "Joe"}]},
        "addresses": {"a": {"full": "1 Elm Street\nSpringfield"}},
    },
    {"uid": "band", "kind": "group", "name": {"full": "The Band"}, "members": {"jane": True, "urn:x": True}},
]


@pytest.fixture
async def held(client: Client) -> Client:
    await client.hold("work/", *CARDS)
    return client


async def found(client: Client, **condition: Any) -> list[str]:
    names = {client.card_id(card["uid"]): card["uid"] for card in CARDS}
    return sorted(names[card_id] for card_id in await client.ids(filter=condition))


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"uid": "jane"}, ["jane"]),
        ({"uid": "JANE"}, []),  # exactly
        ({"hasMember": "urn:x"}, ["band"]),
        ({"hasMember": "joe"}, []),
        ({"kind": "group"}, ["band"]),
        ({"kind": "individual"}, ["jane", "joe"]),  # RFC 9553 §2.1.4: the default
        ({"kind": "Group"}, []),
        ({"createdBefore": "2024-01-01T00:00:00Z"}, ["joe"]),
        ({"createdBefore": "2024-01-01T00:00:00.1Z"}, ["jane", "joe"]),
        ({"createdAfter": "2024-01-01T00:00:00Z"}, ["jane"]),  # the same or after
        ({"updatedBefore": "2024-06-01T00:00:00.5Z"}, ["joe"]),
        ({"updatedAfter": "2024-06-01T00:00:00.1Z"}, ["jane"]),
        ({"updatedAfter": "2024-06-01T00:00:00Z"}, ["jane", "joe"]),
        ({"name": "joe"}, ["joe"]),
        ({"name": "ångström"}, ["joe"]),  # without case
        ({"name": "Berg Jane"}, ["jane"]),  # tokens, in any order, in different components
        ({"name": "jane joe"}, []),  # all must be there
        ({"name": '"Jane van"'}, ["jane"]),  # a phrase over components
        ({"name": '"Berg Jane"'}, []),
        ({"name": "'van  der   berg'"}, ["jane"]),
        ({"name/given": "jane"}, ["jane"]),
        ({"name/given": "berg"}, []),
        ({"name/surname": '"van der"'}, ["jane"]),
        ({"name/surname2": "NÚÑEZ"}, ["jane"]),
        ({"nickname": "janey"}, ["jane"]),
        ({"organization": "acme"}, ["jane"]),
        ({"email": "@acme.example"}, ["jane"]),
        ({"email": "office"}, ["jane"]),  # the label
        ({"phone": "1234 desk"}, ["jane"]),
        ({"onlineService": "mastodon @jane"}, ["jane"]),
        ({"address": "reston"}, ["jane"]),
        ({"address": '"elm street springfield"'}, ["joe"]),
        ({"note": r'"\"green tea\""'}, ["jane"]),  # escapes in a phrase
        ({"note": r"'isn\'t late'"}, ["jane"]),
        ({"note": r'"back\\slashes"'}, ["jane"]),
        ({"note": '"tea green"'}, []),
        ({"text": "rockets vip engineer"}, ["jane"]),
        ({"text": "band"}, ["band"]),
        ({"text": ""}, ["band", "jane", "joe"]),
        ({}, ["band", "jane", "joe"]),  # MUST always evaluate to true
        ({"name": "jane", "kind": "group"}, []),  # ALL must apply
        ({"operator": "NOT", "conditions": [{"kind": "group"}, {"uid": "joe"}]}, ["jane"]),
        ({"operator": "OR", "conditions": [{"kind": "group"}, {"uid": "joe"}]}, ["band", "joe"]),
    ],
    ids=str,
)
async def test_conditions(held: Client, condition: dict[str, Any], expected: list[str]) -> None:
    assert await found(held, **condition) == expected


async def test_every_condition_of_the_rfc_is_there() -> None:
    assert set(card_query.FILTER_CONDITIONS) == {  # §3.3.1
        *("inAddressBook", "uid", "hasMember", "kind", "createdBefore", "createdAfter", "updatedBefore"),
        *("updatedAfter", "text", "name", "name/given", "name/surname", "name/surname2", "nickname", "organization"),
        *("email", "phone", "onlineService", "address", "note"),
    }


async def test_in_an_address_book(held: Client, home: Home) -> None:
    home.add_book("home/", "Home")
    await held.hold("home/", {"uid": "joe", "name": {"full": "Joe"}})
    assert await found(held, inAddressBook=held.book_id("work/")) == ["band", "jane", "joe"]
    assert await found(held, inAddressBook=held.book_id("home/")) == ["joe"]
    assert await found(held, inAddressBook="nowhere") == []


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ([{"property": "created"}], ["band", "joe", "jane"]),
        ([{"property": "created", "isAscending": False}], ["jane", "joe", "band"]),
        ([{"property": "updated"}], ["band", "joe", "jane"]),
        ([{"property": "name/given"}], ["band", "jane", "joe"]),
        ([{"property": "name/surname", "isAscending": False}, {"property": "created"}], ["jane", "band", "joe"]),
        ([{"property": "name/surname2", "isAscending": False}, {"property": "name/given"}], ["jane", "band", "joe"]),
    ],
    ids=str,
)
async def test_sorts(held: Client, sort: list[dict[str, Any]], expected: list[str]) -> None:
    assert list(await held.ids(sort=sort)) == [held.card_id(uid) for uid in expected]


async def test_what_cannot_be_asked(held: Client) -> None:
    assert await held.error("ContactCard/query", filter={"colour": "red"}) == "unsupportedFilter"
    assert await held.error("ContactCard/query", filter={"uid": 1}) == "invalidArguments"
    assert await held.error("ContactCard/query", filter={"createdAfter": "2024-01-01"}) == "invalidArguments"
    assert await held.error("ContactCard/query", sort=[{"property": "name"}]) == "unsupportedSort"


async def test_long_queries_are_not_kept(held: Client) -> None:
    assert await held.ids(filter={"text": "jane " * 200}) is not None
    assert await held.error("ContactCard/query", filter={"text": "jane " * 201}) == "invalidArguments"
    many = {"operator": "OR", "conditions": [{"uid": "jane"}, {"uid": "x" * 100_000}]}
    assert await held.ids(filter=many) == [held.card_id("jane")]
    assert not [key for key in held.contacts.index.derived if len(str(key)) > 100_000]


async def test_changes_of_a_query(held: Client) -> None:
    query = {"filter": {"kind": "individual"}, "sort": [{"property": "created"}]}
    answer = await held.call("ContactCard/query", **query)
    assert answer["canCalculateChanges"] is True
    await held.hold("work/", {"uid": "new", "created": "2020-01-01T00:00:00Z"}, {**CARDS[1], "kind": "org"})
    changes = await held.call("ContactCard/queryChanges", sinceQueryState=answer["queryState"], **query)
    new, joe = held.card_id("new"), held.card_id("joe")
    assert set(changes["removed"]) >= {joe, new}
    assert changes["added"] == [{"id": new, "index": 0}]
    assert list(await held.ids(**query)) == [new, held.card_id("jane")]
