"""Calendar.shareWith on a model server (-29 §4, §4.3, RFC 9670 §4)."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from adapters.errors import InvalidData, NotFound
from adapters.ports.calendar_people import CalendarPrincipal
from adapters.ports.collections import Privilege
from tests.objects.calendars.harness import Client
from tests.objects.calendars.test_availability import BOB, PeoplePort
from tests.sync.calendars.model import FACTS, Home

READ: frozenset[Privilege] = frozenset({"read", "read-free-busy"})
WRITE: frozenset[Privilege] = frozenset({"write-content", "bind", "unbind"})
ADMIN: frozenset[Privilege] = frozenset({"read-acl", "write-acl", "share"})
RIGHTS = ["mayReadFreeBusy", "mayReadItems", "mayWriteAll", "mayWriteOwn", "mayUpdatePrivate", "mayRSVP"]
RIGHTS += ["mayShare", "mayDelete"]
CAROL = "/carol/"


class SharingHome(Home):
    """A home whose calendars can be shared. deaf: the server says yes, and does nothing."""

    deaf = False

    def add_calendar(self, path: str, name: str | None = None, **more: Any) -> Any:
        shelf = super().add_calendar(path, name, **more)
        shelf.info = replace(shelf.info, privileges=READ | WRITE | ADMIN | {"write-properties"}, grants={})
        return shelf


class SharingModel(PeoplePort):
    """Its port."""

    home: SharingHome

    async def share(self, path: str, access: Mapping[CalendarPrincipal, frozenset[Privilege]]) -> None:
        self._enter("share", path)
        if any("read" not in given and given for given in access.values()):
            raise InvalidData("not without reading")
        shelf = self._shelf(path)
        grants = dict(shelf.info.grants or {}) | {person.path: given for person, given in access.items()}
        if not self.home.deaf:
            shelf.info = replace(shelf.info, grants={who: given for who, given in grants.items() if given})

    async def accept(self, path: str) -> None:
        self._enter("accept", path)
        shelf = self._shelf(path)
        if not shelf.info.offered:
            raise NotFound("nobody offers it")
        shelf.info = replace(shelf.info, offered=False)


@pytest.fixture
def home() -> SharingHome:
    home = SharingHome(replace(FACTS, sharing=True))
    home.add_calendar("work/", "Work")
    return home


@pytest.fixture
async def client(home: SharingHome) -> Client:
    client = Client(home)
    client.calendars.port = client.port = SharingModel(home)
    await client.calendars.learn()
    return client


def rights(*held: str) -> dict[str, bool]:
    return {name: name in held for name in RIGHTS}


async def shared(client: Client, path: str = "work/") -> Any:
    (found,) = (await client.call("Calendar/get", ids=[client.calendar_id(path)]))["list"]
    return found["shareWith"]


async def update(client: Client, patch: dict[str, Any], path: str = "work/") -> dict[str, Any]:
    """What the server told of an update, or the SetError."""
    calendar = client.calendar_id(path)
    answer = await client.call("Calendar/set", update={calendar: patch})
    found = (answer["updated"] or answer["notUpdated"])[calendar]
    return found or {}


def who(client: Client, path: str = BOB.path) -> str:
    return client.calendars.ids.principal(path)


READER = rights("mayReadFreeBusy", "mayReadItems", "mayUpdatePrivate")
WRITER = rights(*RIGHTS[:6])


async def test_a_calendar_is_shared_and_no_longer(client: Client, home: SharingHome) -> None:
    bob = who(client)
    state = (await client.call("Calendar/get"))["state"]
    assert await shared(client) is None
    assert await update(client, {"shareWith": {bob: READER}}) == {}
    assert home.shelves["work/"].info.grants == {"/bob/": READ | {"read-current-user-privilege-set"}}
    assert await shared(client) == {bob: READER}
    changes = await client.call("Calendar/changes", sinceState=state)
    assert changes["updated"] == [client.calendar_id("work/")]
    assert await update(client, {"shareWith": None}) == {}
    assert home.shelves["work/"].info.grants == {}
    assert await shared(client) is None


async def test_patches_reach_into_it(client: Client, home: SharingHome) -> None:
    """RFC 8620 §5.3."""
    bob = who(client)
    assert (await update(client, {f"shareWith/{bob}": READER}))["type"] == "invalidPatch"  # it is null so far
    await update(client, {"shareWith": {bob: READER}})
    assert (await update(client, {f"shareWith/{bob}/mayWriteAll": True}))["type"] == "invalidProperties"  # -29 §4
    patch = {f"shareWith/{bob}/{name}": True for name in RIGHTS[2:6]}
    assert await update(client, patch) == {}
    assert await shared(client) == {bob: WRITER}
    assert (home.shelves["work/"].info.grants or {})["/bob/"] >= WRITE
    assert await update(client, {f"shareWith/{bob}/mayShare": True}) == {}
    assert (await shared(client))[bob]["mayShare"]
    assert await update(client, {f"shareWith/{bob}": None}) == {"shareWith": None}
    assert await shared(client) is None


async def test_what_came_out_otherwise_is_told(client: Client) -> None:
    bob = who(client)
    told = await update(client, {"shareWith": {bob: {"mayReadItems": True, "mayDelete": True}}})
    assert told == {"shareWith": {bob: READER}}
    assert await update(client, {"shareWith": {bob: {"mayReadItems": True, "mayWriteAll": True}}}) == {
        "shareWith": {bob: WRITER}
    }


async def test_those_who_have_it_already_are_left_alone(client: Client, home: SharingHome) -> None:
    """Also such as the server does not list: they are Principals all the same."""
    shelf = home.shelves["work/"]
    shelf.info = replace(shelf.info, grants={CAROL: READ | WRITE})
    carol, bob = who(client, CAROL), who(client)
    assert await shared(client) == {carol: WRITER}
    (found,) = (await client.call("Principal/get", ids=[carol]))["list"]
    assert (found["name"], found["email"], found["accounts"]) == ("carol", None, None)
    await update(client, {f"shareWith/{bob}": READER})
    assert await shared(client) == {carol: WRITER, bob: READER}
    assert home.calls.count("share work/") == 1
    await update(client, {f"shareWith/{carol}": None})
    assert await shared(client) == {bob: READER}


async def test_who_may_be_shared_with(client: Client, home: SharingHome) -> None:
    bob, own = who(client), who(client, "/alice/")
    for wrong in (
        {own: READER},  # -29 §4: the owner is not in the map
        {"pnobody": READER},
        {bob: READER, "pnobody": READER},
        {bob: {"mayFly": True}},
        {bob: {"mayReadItems": 1}},
        {bob: None},
        {bob: rights("mayRSVP")},  # not by itself
        {bob: rights("mayReadFreeBusy")},  # this server
        {bob: {"mayReadItems": True, "mayWriteAll": True, "mayRSVP": False}},
        {"not an id!": READER},
        [bob],
    ):
        assert (await update(client, {"shareWith": wrong}))["type"] == "invalidProperties", wrong
    assert home.shelves["work/"].info.grants == {}
    principals = (await client.call("Principal/get", ids=None))["list"]
    calendaring = {one["id"]: one["capabilities"]["urn:ietf:params:jmap:calendars"] for one in principals}
    assert {key: one["mayShareWith"] for key, one in calendaring.items()} == {own: False, bob: True}


async def test_a_server_that_does_nothing_is_no_success(client: Client, home: SharingHome) -> None:
    home.deaf = True
    assert (await update(client, {"shareWith": {who(client): READER}}))["type"] == "invalidProperties"
    answer = await client.call("Calendar/set", create={"k": {"name": "K", "shareWith": {who(client): READER}}})
    assert answer["notCreated"]["k"]["type"] == "invalidProperties"
    assert list(home.shelves) == ["work/"]


async def test_a_new_calendar_is_shared(client: Client, home: SharingHome) -> None:
    bob = who(client)
    answer = await client.call("Calendar/set", create={"k": {"name": "K", "shareWith": {bob: READER}}})
    told = answer["created"]["k"]
    assert "shareWith" not in told
    assert told["myRights"] == rights(*RIGHTS)
    (path,) = home.shelves.keys() - {"work/"}
    assert await shared(client, path) == {bob: READER}
    answer = await client.call("Calendar/set", create={"k": {"name": "L", "shareWith": {"pnobody": READER}}})
    assert answer["notCreated"]["k"]["type"] == "invalidProperties"
    home.failing["share"] = InvalidData("no")
    answer = await client.call("Calendar/set", create={"k": {"name": "L", "shareWith": {bob: READER}}})
    assert answer["notCreated"]["k"]["type"] == "invalidProperties"
    assert home.shelves.keys() == {"work/", path}
    answer = await client.call("Calendar/set", create={"k": {"name": "M", "shareWith": {}}})
    assert answer["created"]["k"]["shareWith"] is None


async def test_only_those_who_may_share_see_and_write_it(client: Client, home: SharingHome) -> None:
    """-29 §4.3, and nobody gives what he does not have."""
    bob, carol = who(client), who(client, CAROL)
    shelf = home.shelves["work/"]
    shelf.info = replace(shelf.info, owner="/dave/", privileges=READ | WRITE, grants={CAROL: READ})
    assert await shared(client) is None
    assert (await update(client, {"shareWith": {bob: READER}}))["type"] == "forbidden"
    shelf.info = replace(shelf.info, privileges=READ | {"share"})
    assert await shared(client) == {carol: READER}
    assert (await update(client, {f"shareWith/{bob}": WRITER}))["type"] == "forbidden"
    assert (await update(client, {f"shareWith/{carol}/mayDelete": True}))["type"] == "forbidden"
    assert await update(client, {f"shareWith/{bob}": READER}) == {}
    shelf.info = replace(shelf.info, owner="/bob/")
    assert (await update(client, {f"shareWith/{bob}/mayShare": True}))["type"] == "invalidProperties"


async def test_a_server_that_shares_nothing() -> None:
    home = Home()
    home.add_calendar("work/", "Work")
    client = Client(home)
    (found,) = (await client.call("Calendar/get"))["list"]
    assert (found["shareWith"], found["myRights"]["mayShare"]) == (None, False)
    own = who(client, "/alice/")
    for wanted in ({own: READER}, {"pnobody": READER}):
        assert (await update(client, {"shareWith": wanted}))["type"] == "forbidden"
    answer = await client.call("Calendar/set", create={"k": {"name": "K", "shareWith": {own: READER}}})
    assert answer["notCreated"]["k"]["type"] == "forbidden"
    assert list(home.shelves) == ["work/"]


async def test_it_survives_a_restart(client: Client, home: SharingHome) -> None:
    bob = who(client)
    await update(client, {"shareWith": {bob: READER}})
    state = (await client.call("Calendar/get"))["state"]
    again = Client(home, store=client.store)
    await again.calendars.learn()
    answer = await again.call("Calendar/get")
    assert answer["state"] == state
    assert answer["list"][0]["shareWith"] == {bob: READER}


async def test_what_is_offered_is_taken_up_by_subscribing(client: Client, home: SharingHome) -> None:
    await client.call("ShareNotification/get", ids=None)
    shelf = home.add_calendar("bobs/", "Bob's")
    shelf.info = replace(shelf.info, owner="/bob/", privileges=READ, offered=True)
    (notice,) = (await client.call("ShareNotification/get", ids=None))["list"]
    assert notice["newRights"] == READER
    bobs = client.calendar_id("bobs/")
    (found,) = (await client.call("Calendar/get", ids=[bobs]))["list"]
    assert not found["isSubscribed"]
    assert await update(client, {"color": "red"}, "bobs/") == {}
    assert shelf.info.offered
    assert await update(client, {"isSubscribed": True}, "bobs/") == {}
    assert not shelf.info.offered
    (found,) = (await client.call("Calendar/get", ids=[bobs]))["list"]
    assert (found["isSubscribed"], found["color"]) == (True, "red")
    await update(client, {"isSubscribed": False}, "bobs/")
    await update(client, {"isSubscribed": True}, "bobs/")
    assert home.calls.count("accept bobs/") == 1
