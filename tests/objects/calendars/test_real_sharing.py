"""Sharing calendars through a whole gateway: on Cyrus, and on servers that share nothing."""

import asyncio
import imaplib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from gateway.objects.calendars.capability import AVAILABILITY, CALENDARS
from gateway.objects.principals.capability import OWNER, PRINCIPALS
from tests.client import CORE, jmap_client
from tests.gateway import running_gateway
from tests.objects.calendars.conftest import Place, keys, path_of
from tests.objects.calendars.listening import alerts_until, event_source
from tests.objects.calendars.test_alerts import absolute, soon
from tests.objects.calendars.test_sharing import READER, WRITER
from tests.servers.cyrus import ADMIN, Cyrus
from tests.servers.dav import DavServer, wake
from tests.servers.users import User, fresh_user
from tests.sync.calendars.model import event

USING = (CORE, CALENDARS, PRINCIPALS, AVAILABILITY)


@dataclass
class Person:
    """A user of Cyrus with JMAP and with CalDAV. place: the default calendar."""

    name: str
    place: Place
    url: str

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

    async def calendars(self, **arguments: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.call("Calendar/get", **arguments))["list"]
        return found

    async def of(self, other: "Person") -> dict[str, Any]:
        """The only calendar that somebody else shares, in his account."""
        (found,) = await self.calendars(accountId=other.account)
        return found

    async def update(self, patch: dict[str, Any], **arguments: Any) -> dict[str, Any]:
        """What was told of an update of a calendar, or its SetError. id: another one than the own."""
        key = arguments.pop("id", self.place.id)
        answer = await self.call("Calendar/set", update={key: patch}, **arguments)
        return (answer["updated"] or answer["notUpdated"])[key] or {}

    @property
    def account(self) -> str:
        """The id of the own account."""
        return self.place.jmap.account

    async def accounts(self) -> dict[str, Any]:
        """The accounts of the session as it is now."""
        async with self.place.jmap.http.get(f"{self.url}/.well-known/jmap") as answer:
            found: dict[str, Any] = (await answer.json())["accounts"]
            return found


@pytest.fixture(scope="module")
async def url(cyrus: Cyrus) -> AsyncIterator[str]:
    async with running_gateway(
        cyrus, auth__cache_seconds="0", push__poll_seconds="1", **keys(f"http://{cyrus.host}:{cyrus.http}")
    ) as found:
        yield found


async def person(cyrus: Cyrus, url: str, user: User) -> AsyncIterator[Person]:
    wake(cyrus.host, cyrus.imap, *user)
    server = DavServer("cyrus", f"http://{cyrus.host}:{cyrus.http}", *user)
    async with jmap_client(url, *user) as jmap:
        found = Person(user.name, Place(jmap, server, "", ""), url)
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

    assert notice["objectAccountId"] == alice.account
    assert list(await bob.accounts()) == [bob.account]  # RFC 9670 §1.4: he has not subscribed yet
    shared = await bob.of(alice)
    assert (shared["id"], shared["isSubscribed"], shared["shareWith"]) == (notice["objectId"], False, None)
    assert len(await bob.calendars()) == 1
    (found,) = (await bob.call("CalendarEvent/get", accountId=alice.account))["list"]
    assert (found["uid"], found["calendarIds"]) == ("m", {shared["id"]: True})
    theirs_too: dict[str, Any] = {"id": shared["id"], "accountId": alice.account}
    assert (await bob.update({"shareWith": {}}, **theirs_too)) == {"shareWith": None}
    assert (await bob.update({"shareWith": {principal: READER}}, **theirs_too))["type"] == "forbidden"
    await bob.update({"isSubscribed": True}, **theirs_too)
    assert (await bob.of(alice))["isSubscribed"]

    patch = {f"shareWith/{principal}/{name}": held for name, held in WRITER.items()}
    assert await alice.update(patch) == {}
    record = {"calendarIds": {shared["id"]: True}, "title": "Bob's", "start": "2026-12-02T12:00:00"}
    record |= {"duration": "PT1H", "timeZone": "Etc/UTC"}
    answer = await bob.call("CalendarEvent/set", accountId=alice.account, create={"k": record})
    assert answer["notCreated"] is None
    assert any("SUMMARY:Bob's" in text for text in (await alice.place.stored()).values())

    assert await alice.update({f"shareWith/{principal}": None}) == {"shareWith": None}
    notices = (await bob.call("ShareNotification/get", ids=None))["list"]
    assert [one["newRights"] for one in notices].count(None) == 1
    assert list(await bob.accounts()) == [bob.account]
    with pytest.raises(AssertionError):
        await bob.place.server.resources(theirs)


async def test_an_owner_who_shares_is_an_account(alice: Person, bob: Person) -> None:
    """RFC 8620 §1.6.2, RFC 9670 §1.5.2, §2: the same id as the owner's own."""
    await alice.update({"shareWith": {await alice.principal(f"{bob.name}@internal"): WRITER}})
    shared = await bob.of(alice)
    await bob.update({"isSubscribed": True}, id=shared["id"], accountId=alice.account)
    accounts = await bob.accounts()
    theirs = accounts[alice.account]
    assert (theirs["name"], theirs["isPersonal"], theirs["isReadOnly"]) == (alice.name, False, False)
    assert theirs["accountCapabilities"][CALENDARS]["mayCreateCalendar"] is False
    assert not {PRINCIPALS, AVAILABILITY} & theirs["accountCapabilities"].keys()
    owner = theirs["accountCapabilities"][OWNER]
    assert owner == {"accountIdForPrincipal": bob.account, "principalId": await bob.principal(f"{alice.name}@internal")}
    (principal,) = (await bob.call("Principal/get", ids=[owner["principalId"]]))["list"]
    assert principal["accounts"] == {alice.account: theirs}
    assert principal["capabilities"][CALENDARS]["accountId"] == alice.account
    answer = await bob.call("Calendar/set", accountId=alice.account, create={"k": {"name": "No"}})
    assert answer["notCreated"]["k"]["type"] == "forbidden"
    found = await bob.call("ShareNotification/query", filter={"objectAccountId": bob.account})
    assert found["ids"] == []

    record: dict[str, Any] = {"calendarIds": {bob.place.id: True}, "title": "Copied", "uid": "copied"}
    record |= {"start": "2026-12-02T12:00:00", "duration": "PT1H", "timeZone": "Etc/UTC"}
    told = (await bob.call("CalendarEvent/set", create={"k": record}))["created"]["k"]
    copy = {"id": told["id"], "calendarIds": {shared["id"]: True}}
    arguments = {"fromAccountId": bob.account, "accountId": alice.account, "create": {"k": copy}}
    answer = await bob.call("CalendarEvent/copy", **arguments)
    assert answer["notCreated"] is None, answer
    assert any("SUMMARY:Copied" in text for text in (await alice.place.stored()).values())

    await bob.update({"isSubscribed": False}, id=shared["id"], accountId=alice.account)
    assert list(await bob.accounts()) == [bob.account]


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
    theirs_too: dict[str, Any] = {"accountId": alice.account}
    (found,) = (await bob.call("CalendarEvent/get", **theirs_too))["list"]
    assert not {"color", "keywords", "alerts", "freeBusyStatus"} & found.keys()
    alert = {"a": {"trigger": {"offset": "-PT15M"}}}
    patch = {"color": "blue", "keywords": {"his": True}, "alerts": alert, "useDefaultAlerts": True}
    answer = await bob.call("CalendarEvent/set", **theirs_too, update={found["id"]: patch})
    assert answer["notUpdated"] is None, answer
    (found,) = (await bob.call("CalendarEvent/get", **theirs_too))["list"]
    assert (found["color"], found["keywords"], found["useDefaultAlerts"]) == ("blue", {"his": True}, True)
    assert found["alerts"]["a"]["trigger"]["offset"] == "-PT15M"
    answer = await bob.call("CalendarEvent/set", **theirs_too, update={found["id"]: {"title": "His"}})
    assert answer["notUpdated"][found["id"]]["type"] == "forbidden"

    text = (await alice.place.stored())["m.ics"]
    assert all(line in text for line in ("COLOR:red", "CATEGORIES:hers", "TRANSP:TRANSPARENT", "TRIGGER:-PT5M"))
    (hers,) = (await alice.call("CalendarEvent/get"))["list"]
    assert (hers["color"], hers["freeBusyStatus"], hers["keywords"]) == ("red", "free", {"hers": True})
    theirs = f"/dav/calendars/user/{bob.name}/{alice.name}.Default/"
    assert "TRIGGER:-PT15M" in (await bob.place.server.resources(theirs))["m.ics"]


async def test_who_may_change_what_is_there_may_answer(cyrus: Cyrus, alice: Person, bob: Person) -> None:
    """-29 §4, mayRSVP: by DAV:write-content without DAV:bind, which lets him do no more than that here."""
    people = f"ORGANIZER:mailto:x@else.example\r\nATTENDEE;PARTSTAT=NEEDS-ACTION:mailto:{bob.name}@internal\r\n"
    await alice.place.server.put(alice.place.path, "m.ics", event("m", start="20361201T100000Z", more=people))
    await alice.update({"shareWith": {await alice.principal(f"{bob.name}@internal"): READER}})
    imap = imaplib.IMAP4(cyrus.host, cyrus.imap)
    imap.login(ADMIN, cyrus.password(ADMIN))
    assert imap.setacl(f"user/{alice.name}/#calendars/Default", bob.name, "lr9i")[0] == "OK"
    imap.logout()
    rights = (await bob.of(alice))["myRights"]
    assert rights["mayRSVP"]
    assert not any(rights[name] for name in ("mayWriteAll", "mayWriteOwn", "mayDelete", "mayShare"))
    (found,) = (await bob.call("CalendarEvent/get", accountId=alice.account))["list"]
    (key,) = [key for key, one in found["participants"].items() if bob.name in one["calendarAddress"]]

    async def refusal(**patch: Any) -> str | None:
        answer = await bob.call("CalendarEvent/set", accountId=alice.account, update={found["id"]: patch})
        return None if answer["notUpdated"] is None else str(answer["notUpdated"][found["id"]]["type"])

    assert await refusal(title="His") == "forbidden"
    assert await refusal(**{f"participants/{key}/participationStatus": "accepted"}) is None
    assert "PARTSTAT=ACCEPTED" in (await alice.place.stored())["m.ics"]


async def test_each_user_is_told_of_alerts_of_his_own(alice: Person, bob: Person) -> None:
    """-29 §5.4, §6: in the account of the owner; and not before the user has subscribed."""
    await alice.place.server.put(alice.place.path, "m.ics", event("m", start="20361201T100000Z"))
    await alice.update({"shareWith": {await alice.principal(f"{bob.name}@internal"): READER}})
    theirs: dict[str, Any] = {"accountId": alice.account}
    shared = await bob.of(alice)
    assert await bob.update({"isSubscribed": True}, id=shared["id"], **theirs) == {}
    (found,) = (await bob.call("CalendarEvent/get", **theirs))["list"]
    async with (
        event_source(bob.place.jmap, "CalendarAlert") as his,
        event_source(alice.place.jmap, "CalendarAlert") as hers,
    ):
        patch = {"alerts": {"b": absolute(soon(3))}}
        answer = await bob.call("CalendarEvent/set", **theirs, update={found["id"]: patch})
        assert answer["notUpdated"] is None, answer
        (told,) = await alerts_until(his, found["id"])
        assert (told["accountId"], told["uid"], told["alertId"]) == (alice.account, "m", "b")
        own = (await alice.place.create(alerts={"a": absolute(soon())}))["id"]
        assert [alert["calendarEventId"] for alert in await alerts_until(hers, own)] == [own]


async def test_availability_of_an_owner_who_shares(alice: Person, bob: Person) -> None:
    """-29 §2.2: events that the user may see, and times of the rest; what is busy is for the owner to say."""
    put = alice.place.server.put
    await put(alice.place.path, "a.ics", event("a", "Open", start="20361201T100000Z"))
    await put(alice.place.path, "f.ics", event("f", "Free", start="20361201T120000Z", more="TRANSP:TRANSPARENT\r\n"))
    await put(alice.place.path, "p.ics", event("p", "Plans", start="20361201T140000Z", more="CLASS:PRIVATE\r\n"))
    email = f"{alice.name}@internal"
    arguments: dict[str, Any] = {
        "id": await bob.principal(email),
        "utcStart": "2036-12-01T00:00:00Z",
        "utcEnd": "2036-12-02T00:00:00Z",
    }
    arguments |= {"showDetails": True, "eventProperties": ["title"]}
    bare = (await bob.call("Principal/getAvailability", **arguments))["list"]
    assert [(one["utcStart"][11:13], one["event"], one["accountId"]) for one in bare] == [
        ("10", None, None),
        ("14", None, None),
    ]
    await alice.update({"shareWith": {await alice.principal(f"{bob.name}@internal"): READER}})
    found = (await bob.call("Principal/getAvailability", **arguments))["list"]
    assert [one for one in found if one["event"] is None] == bare
    (detailed,) = [one for one in found if one["event"] is not None]
    assert (detailed["event"], detailed["accountId"]) == ({"title": "Open"}, alice.account)
    assert detailed["utcStart"] == "2036-12-01T10:00:00Z"


async def test_what_happens_on_calendars_of_others_is_told(alice: Person, bob: Person) -> None:
    """RFC 8620 §7, RFC 9670 §1.4: of the account that the user has subscribed to."""
    await alice.update({"shareWith": {await alice.principal(f"{bob.name}@internal"): READER}})
    shared = await bob.of(alice)
    await bob.update({"isSubscribed": True}, id=shared["id"], accountId=alice.account)
    async with event_source(bob.place.jmap, "CalendarEvent") as told, asyncio.timeout(60):
        await alice.place.server.put(alice.place.path, "m.ics", event("m"))
        changed, _ = await anext(told)
    assert {account: [*states] for account, states in changed["changed"].items()} == {alice.account: ["CalendarEvent"]}
    (found,) = (await bob.call("CalendarEvent/get", accountId=alice.account))["list"]
    assert found["uid"] == "m"
