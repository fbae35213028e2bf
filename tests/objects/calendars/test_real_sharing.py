"""Sharing calendars through a whole gateway: on Cyrus, and on servers that share nothing."""

import imaplib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from gateway.objects.calendars.capability import CALENDARS
from gateway.objects.principals.capability import PRINCIPALS
from tests.client import CORE, jmap_client
from tests.gateway import running_gateway
from tests.objects.calendars.conftest import Place, keys, path_of
from tests.objects.calendars.test_sharing import READER, WRITER
from tests.servers.cyrus import ADMIN, Cyrus
from tests.servers.dav import DavServer, wake
from tests.servers.users import User, fresh_user
from tests.sync.calendars.model import event

USING = (CORE, CALENDARS, PRINCIPALS)


@dataclass
class Person:
    """A user of Cyrus with JMAP and with CalDAV. place: the default calendar."""

    name: str
    place: Place

    async def call(self, name: str, **arguments: Any) -> dict[str, Any]:
        """The answer to a call that must succeed."""
        ((answered, answer, _),) = await self.place.jmap.sentences((name, arguments), using=USING)
        assert answered == name, answer
        found: dict[str, Any] = answer
        return found

    async def principal(self, email: str) -> str:
        """The id of somebody's Principal."""
        (found,) = (await self.call("Principal/query", filter={"email": email}))["ids"]
        found_id: str = found
        return found_id

    async def calendars(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.call("Calendar/get"))["list"]
        return found

    async def of_others(self) -> dict[str, Any]:
        """The only calendar that somebody else shares."""
        (found,) = [one for one in await self.calendars() if not one["myRights"]["mayDelete"]]
        return found

    async def update(self, patch: dict[str, Any], calendar_id: str | None = None) -> dict[str, Any]:
        """What was told of an update of a calendar, or its SetError."""
        key = calendar_id or self.place.id
        answer = await self.call("Calendar/set", update={key: patch})
        return (answer["updated"] or answer["notUpdated"])[key] or {}


@pytest.fixture(scope="module")
async def url(cyrus: Cyrus) -> AsyncIterator[str]:
    async with running_gateway(cyrus, **keys(f"http://{cyrus.host}:{cyrus.http}")) as found:
        yield found


async def person(cyrus: Cyrus, url: str, user: User) -> AsyncIterator[Person]:
    wake(cyrus.host, cyrus.imap, *user)
    server = DavServer("cyrus", f"http://{cyrus.host}:{cyrus.http}", *user)
    async with jmap_client(url, *user) as jmap:
        found = Person(user.name, Place(jmap, server, "", ""))
        (calendar,) = await found.calendars()
        found.place.id = calendar["id"]
        found.place.path = await path_of(server, jmap.account, calendar["id"])
        be_seen(cyrus, user.name)
        yield found


def be_seen(cyrus: Cyrus, name: str) -> None:
    """Cyrus shows a principal to those who may look into his calendar home."""
    imap = imaplib.IMAP4(cyrus.host, cyrus.imap)
    imap.login(ADMIN, cyrus.password(ADMIN))
    assert imap.setacl(f"user/{name}/#calendars", "anyone", "lr9")[0] == "OK"
    imap.logout()


@pytest.fixture
async def alice(cyrus: Cyrus, url: str) -> AsyncIterator[Person]:
    async for found in person(cyrus, url, fresh_user(cyrus)):
        yield found


@pytest.fixture
async def bob(cyrus: Cyrus, url: str) -> AsyncIterator[Person]:
    async for found in person(cyrus, url, fresh_user(cyrus)):
        yield found


async def test_a_calendar_is_shared_seen_and_taken_back(alice: Person, bob: Person) -> None:
    """-29 §4, §4.3, RFC 9670 §3, §4; what the server holds is read by `caldav`."""
    await alice.place.server.put(alice.place.path, "m.ics", event("m"))
    theirs = f"/dav/calendars/user/{bob.name}/{alice.name}.Default/"
    principal = await alice.principal(f"{bob.name}@internal")
    await bob.call("ShareNotification/get", ids=None)

    assert await alice.update({"shareWith": {principal: READER}}) == {}
    (mine,) = await alice.calendars()
    assert mine["shareWith"] == {principal: READER}
    assert mine["myRights"]["mayShare"]
    assert list(await bob.place.server.resources(theirs)) == ["m.ics"]
    (notice,) = (await bob.call("ShareNotification/get", ids=None))["list"]
    assert (notice["oldRights"], notice["newRights"]["mayReadItems"]) == (None, True)
    assert notice["changedBy"]["email"] == f"{alice.name}@internal"

    shared = await bob.of_others()
    assert (shared["id"], shared["isSubscribed"], shared["shareWith"]) == (notice["objectId"], False, None)
    (found,) = (await bob.call("CalendarEvent/get"))["list"]
    assert (found["uid"], found["calendarIds"]) == ("m", {shared["id"]: True})
    assert (await bob.update({"shareWith": {}}, shared["id"])) == {"shareWith": None}
    refused = await bob.update({"shareWith": {principal: READER}}, shared["id"])
    assert refused["type"] == "forbidden"
    await bob.update({"isSubscribed": True}, shared["id"])
    assert (await bob.of_others())["isSubscribed"]

    patch = {f"shareWith/{principal}/{name}": held for name, held in WRITER.items()}
    assert await alice.update(patch) == {}
    record = {"calendarIds": {shared["id"]: True}, "title": "Bob's", "start": "2026-12-02T12:00:00"}
    answer = await bob.call("CalendarEvent/set", create={"k": {**record, "duration": "PT1H", "timeZone": "Etc/UTC"}})
    assert answer["notCreated"] is None
    assert any("SUMMARY:Bob's" in text for text in (await alice.place.stored()).values())

    assert await alice.update({f"shareWith/{principal}": None}) == {"shareWith": None}
    notices = (await bob.call("ShareNotification/get", ids=None))["list"]
    assert [one["newRights"] for one in notices].count(None) == 1
    assert len(await bob.calendars()) == 1
    with pytest.raises(AssertionError):
        await bob.place.server.resources(theirs)


async def test_a_calendar_that_goes_is_told_to_those_who_had_it(alice: Person, bob: Person) -> None:
    """-29 §4.3: one ShareNotification."""
    principal = await alice.principal(f"{bob.name}@internal")
    rights = {principal: {"mayReadItems": True}}
    answer = await alice.call("Calendar/set", create={"k": {"name": "Plans", "shareWith": rights}})
    plans = answer["created"]["k"]
    assert plans["shareWith"] == {principal: READER}
    await bob.call("ShareNotification/get", ids=None)
    await alice.call("Calendar/set", destroy=[plans["id"]])
    gone = [one for one in (await bob.call("ShareNotification/get", ids=None))["list"] if one["newRights"] is None]
    assert [one["name"] for one in gone] == ["Plans"]


async def test_servers_without_access_control(place: Place, backend: str) -> None:
    """Radicale and Xandikos have no access control lists: nothing is offered that does not work."""
    (found,) = (await place.call("Calendar/get", ids=[place.id]))["list"]
    assert (found["shareWith"], found["myRights"]["mayShare"]) == (None, backend == "cyrus")
    if backend != "cyrus":
        own = place.jmap.session["accounts"][place.jmap.account]["accountCapabilities"]
        rights = {own[PRINCIPALS]["currentUserPrincipalId"]: READER}
        answer = await place.call("Calendar/set", update={place.id: {"shareWith": rights}})
        assert answer["notUpdated"][place.id]["type"] == "forbidden"


async def test_each_user_has_per_user_properties_of_his_own(alice: Person, bob: Person) -> None:
    """-29 §5.4: Cyrus keeps alerts and freeBusyStatus apart by itself, also of those who may only read."""
    alarm = "BEGIN:VALARM\r\nUID:a\r\nACTION:DISPLAY\r\nDESCRIPTION:x\r\nTRIGGER:-PT5M\r\nEND:VALARM\r\n"
    data = event("m", start="20361201T100000Z", more=f"COLOR:red\r\nCATEGORIES:hers\r\nTRANSP:TRANSPARENT\r\n{alarm}")
    await alice.place.server.put(alice.place.path, "m.ics", data)
    await alice.update({"shareWith": {await alice.principal(f"{bob.name}@internal"): READER}})
    await bob.of_others()
    (found,) = (await bob.call("CalendarEvent/get"))["list"]
    assert not {"color", "keywords", "alerts", "freeBusyStatus"} & found.keys()
    alert = {"a": {"trigger": {"offset": "-PT15M"}}}
    patch = {"color": "blue", "keywords": {"his": True}, "alerts": alert, "useDefaultAlerts": True}
    answer = await bob.call("CalendarEvent/set", update={found["id"]: patch})
    assert answer["notUpdated"] is None, answer
    (found,) = (await bob.call("CalendarEvent/get"))["list"]
    assert (found["color"], found["keywords"], found["useDefaultAlerts"]) == ("blue", {"his": True}, True)
    assert found["alerts"]["a"]["trigger"]["offset"] == "-PT15M"
    answer = await bob.call("CalendarEvent/set", update={found["id"]: {"title": "His"}})
    assert answer["notUpdated"][found["id"]]["type"] == "forbidden"

    text = (await alice.place.stored())["m.ics"]
    assert all(line in text for line in ("COLOR:red", "CATEGORIES:hers", "TRANSP:TRANSPARENT", "TRIGGER:-PT5M"))
    (hers,) = (await alice.call("CalendarEvent/get"))["list"]
    assert (hers["color"], hers["freeBusyStatus"], hers["keywords"]) == ("red", "free", {"hers": True})
    theirs = f"/dav/calendars/user/{bob.name}/{alice.name}.Default/"
    assert "TRIGGER:-PT15M" in (await bob.place.server.resources(theirs))["m.ics"]
