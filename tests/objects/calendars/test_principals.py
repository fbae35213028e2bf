"""Principal and ShareNotification on a model server (RFC 9670)."""

from dataclasses import replace
from typing import Any

import pytest

from adapters.ports.collections import Privilege
from tests.objects.calendars.harness import Client
from tests.objects.calendars.test_availability import PeoplePort
from tests.sync.calendars.model import Home

READ: frozenset[Privilege] = frozenset({"read", "read-free-busy"})
WRITE: frozenset[Privilege] = READ | {"write-content", "bind", "unbind", "write-properties"}
CALENDARS = "urn:ietf:params:jmap:calendars"


@pytest.fixture
def home() -> Home:
    home = Home()
    home.add_calendar("work/", "Work")
    return home


@pytest.fixture
async def client(home: Home) -> Client:
    client = Client(home)
    client.calendars.port = client.port = PeoplePort(home)
    await client.calendars.learn()
    return client


def share(home: Home, path: str, privileges: frozenset[Privilege] | None) -> None:
    """Bob shares a calendar with alice, or not any more."""
    if privileges is None:
        del home.shelves[path]
        return
    shelf = home.shelves.get(path) or home.add_calendar(path, f"Bob's {path}")
    shelf.info = replace(shelf.info, owner="/bob/", privileges=privileges)


async def test_the_owner_comes_first(client: Client) -> None:
    own, bob = (await client.call("Principal/get", ids=None))["list"]
    assert (own["name"], own["type"], own["email"]) == ("Alice", "resource", "alice@example.org")
    assert list(own["accounts"]) == [client.account.id]
    assert own["capabilities"][CALENDARS] == {
        "accountId": client.account.id,
        "mayGetAvailability": True,
        "mayShareWith": False,
        "calendarAddress": "mailto:alice@example.org",
    }
    assert (bob["name"], bob["accounts"], bob["capabilities"][CALENDARS]["accountId"]) == ("Bob", None, None)


async def test_a_server_without_principals_still_has_the_owner(home: Home) -> None:
    client = Client(home)
    await client.calendars.learn()
    (own,) = (await client.call("Principal/get", ids=None))["list"]
    assert own["email"] == "alice@example.org"


async def test_get_by_id(client: Client) -> None:
    own, _ = (await client.call("Principal/get", ids=None, properties=["id"]))["list"]
    answer = await client.call("Principal/get", ids=[own["id"], "pnobody"], properties=["name"])
    assert answer["list"] == [{"id": own["id"], "name": "Alice"}]
    assert answer["notFound"] == ["pnobody"]


async def test_changes_are_known_since_now_only(client: Client, home: Home) -> None:
    state = (await client.call("Principal/get", ids=[]))["state"]
    answer = await client.call("Principal/changes", sinceState=state)
    assert (answer["created"], answer["updated"], answer["destroyed"]) == ([], [], [])
    home.facts = replace(home.facts, display_name="Alicia")
    await client.calendars.learn()
    assert await client.error("Principal/changes", sinceState=state) == "cannotCalculateChanges"


async def test_nobody_changes_principals_here(client: Client) -> None:
    """RFC 9670 §2.3."""
    own = (await client.call("Principal/get", ids=None))["list"][0]["id"]
    answer = await client.call(
        "Principal/set",
        create={"k": {"name": "Eve", "type": "individual"}},
        destroy=[own, "pnobody"],
    )
    assert answer["notCreated"]["k"]["type"] == "forbidden"
    assert {key: error["type"] for key, error in answer["notDestroyed"].items()} == {
        own: "forbidden",
        "pnobody": "notFound",
    }
    answer = await client.call("Principal/set", update={own: {"name": "Eve"}, "pnobody": {"name": "Eve"}})
    assert {key: error["type"] for key, error in answer["notUpdated"].items()} == {
        own: "forbidden",
        "pnobody": "notFound",
    }


QUERIES: list[tuple[dict[str, Any] | None, list[str]]] = [
    (None, ["Alice", "Bob"]),
    ({"name": "o"}, ["Bob"]),
    ({"email": "EXAMPLE"}, ["Alice", "Bob"]),
    ({"text": "alice"}, ["Alice"]),
    ({"type": "individual"}, ["Bob"]),
    ({"timeZone": "Europe/Berlin"}, []),
    ({"accountIds": ["acal"]}, ["Alice"]),
    ({"accountIds": ["other"]}, []),
    ({"calendarAddress": "mailto:BOB@example.org"}, ["Bob"]),
    ({"name": "Bob", "type": "group"}, []),
    ({"operator": "NOT", "conditions": [{"name": "Bob"}]}, ["Alice"]),
]


@pytest.mark.parametrize(("condition", "wanted"), QUERIES)
async def test_query(client: Client, condition: dict[str, Any] | None, wanted: list[str]) -> None:
    """RFC 9670 §2.4.1, -29 §2.3."""
    found = await client.call("Principal/query", filter=condition, sort=[{"property": "name"}])
    names = (await client.call("Principal/get", ids=found["ids"], properties=["name"]))["list"]
    assert [one["name"] for one in names] == wanted
    down = await client.call("Principal/query", filter=condition, sort=[{"property": "name", "isAscending": False}])
    assert down["ids"] == found["ids"][::-1]


async def test_query_changes(client: Client) -> None:
    state = (await client.call("Principal/query"))["queryState"]
    answer = await client.call("Principal/queryChanges", sinceQueryState=state)
    assert (answer["removed"], answer["added"]) == ([], [])
    assert await client.error("Principal/queryChanges", sinceQueryState="old") == "cannotCalculateChanges"


# ------------------------------------------------------------------------------------------------ ShareNotification


async def notices(client: Client) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await client.call("ShareNotification/get", ids=None))["list"]
    return found


def newest(found: list[dict[str, Any]], *others: dict[str, Any]) -> dict[str, Any]:
    (one,) = [notice for notice in found if notice["id"] not in {other["id"] for other in others}]
    return one


async def test_what_was_shared_before_is_no_news(client: Client, home: Home) -> None:
    share(home, "bob-work/", READ)
    assert await notices(client) == []


async def test_rights_that_come_change_and_go(client: Client, home: Home) -> None:
    state = (await client.call("ShareNotification/get", ids=[]))["state"]
    share(home, "bob-work/", READ)
    (first,) = await notices(client)
    assert first["objectType"] == "Calendar"
    assert first["objectId"] == client.calendar_id("bob-work/")
    assert first["objectAccountId"] == client.account.id
    assert first["name"] == "Bob's bob-work/"
    assert first["changedBy"]["name"] == "Bob"
    assert first["changedBy"]["email"] == "bob@example.org"
    assert (first["oldRights"], first["newRights"]["mayReadItems"]) == (None, True)
    assert first["newRights"]["mayWriteAll"] is False
    share(home, "bob-work/", WRITE)
    second = newest(await notices(client), first)
    assert second["oldRights"] == first["newRights"]
    assert second["newRights"]["mayWriteAll"] is True
    share(home, "bob-work/", None)
    third = newest(await notices(client), first, second)
    assert (third["oldRights"], third["newRights"]) == (second["newRights"], None)
    answer = await client.call("ShareNotification/changes", sinceState=state)
    assert answer["created"] == [first["id"], second["id"], third["id"]]
    part = await client.call("ShareNotification/changes", sinceState=state, maxChanges=2)
    rest = await client.call("ShareNotification/changes", sinceState=part["newState"])
    assert part["hasMoreChanges"]
    assert part["created"] + rest["created"] == answer["created"]


async def test_dismissing(client: Client, home: Home) -> None:
    """RFC 9670 §3.3."""
    await notices(client)
    share(home, "bob-work/", READ)
    before = await client.call("ShareNotification/get", ids=None)
    notice = before["list"][0]["id"]
    answer = await client.call(
        "ShareNotification/set", create={"k": {}}, update={notice: {"name": "x"}}, destroy=["nnone"]
    )
    assert answer["notCreated"]["k"]["type"] == "forbidden"
    assert answer["notUpdated"][notice]["type"] == "forbidden"
    assert answer["notDestroyed"]["nnone"]["type"] == "notFound"
    answer = await client.call("ShareNotification/set", destroy=[notice])
    assert answer["destroyed"] == [notice]
    assert await notices(client) == []
    changes = await client.call("ShareNotification/changes", sinceState=before["state"])
    assert changes["destroyed"] == [notice]


async def test_what_came_and_went_between_two_states(client: Client, home: Home) -> None:
    state = (await client.call("ShareNotification/get", ids=[]))["state"]
    share(home, "bob-work/", READ)
    await client.call("ShareNotification/set", destroy=[(await notices(client))[0]["id"]])
    changes = await client.call("ShareNotification/changes", sinceState=state)
    assert (changes["created"], changes["destroyed"]) == ([], [])
    assert await client.error("ShareNotification/changes", sinceState="x-1") == "cannotCalculateChanges"


async def test_they_survive_a_restart(client: Client, home: Home) -> None:
    await notices(client)
    share(home, "bob-work/", READ)
    kept = await client.call("ShareNotification/get", ids=None)
    again = Client(home, store=client.store)
    await again.calendars.learn()
    answer = await again.call("ShareNotification/get", ids=None)
    assert [one["id"] for one in answer["list"]] == [one["id"] for one in kept["list"]]
    assert answer["list"][0]["newRights"] == kept["list"][0]["newRights"]
    assert answer["state"] == kept["state"]


async def test_the_oldest_go(client: Client, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.sync.calendars.notices.MOST_SHARES", 2)
    await notices(client)
    for number in range(3):
        share(home, f"b{number}/", READ)
        await notices(client)
    assert len(await notices(client)) == 2


async def test_query_of_notifications(client: Client, home: Home) -> None:
    """RFC 9670 §3.4."""
    first = (await client.call("ShareNotification/query"))["queryState"]
    share(home, "bob-work/", READ)
    (notice,) = await notices(client)
    for condition, matches in (
        ({"after": notice["created"]}, True),
        ({"before": notice["created"]}, False),
        ({"objectType": "Calendar", "objectAccountId": client.account.id}, True),
        ({"objectType": "Mailbox"}, False),
        ({"objectAccountId": "other"}, False),
        ({"after": None, "before": None}, True),
    ):
        found = await client.call("ShareNotification/query", filter=condition, sort=[{"property": "created"}])
        assert found["ids"] == ([notice["id"]] if matches else []), condition
    answer = await client.call("ShareNotification/queryChanges", sinceQueryState=first)
    assert [one["id"] for one in answer["added"]] == [notice["id"]]
