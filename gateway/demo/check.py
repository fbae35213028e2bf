"""The demo's self-check: what a first JMAP client would do, step by step, each with a PASS or FAIL."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from gateway.demo.client import CORE, MAIL, CheckError, JmapClient, Json
from gateway.demo.sample_dav import address_book
from gateway.demo.sample_mail import DOMAIN
from gateway.demo.servers import USERS, Demo

ARRIVAL_SECONDS = 20.0
SUBJECT = "Sent by the check"


def check(demo: Demo, say: Callable[[str], None]) -> bool:
    """Run all steps and say how each went; whether all passed."""
    try:
        client = JmapClient(demo.url, "alice", USERS["alice"])
    except (CheckError, OSError, ValueError) as error:
        say(f"FAIL  session: {error}")
        return False
    passed = True
    for name, step in STEPS.items():
        try:
            say(f"PASS  {name}: {step(demo, client)}")
        except (CheckError, OSError, ValueError, LookupError, TypeError) as error:
            say(f"FAIL  {name}: {type(error).__name__}: {error}")
            passed = False
    return passed


def _session(_demo: Demo, client: JmapClient) -> str:
    capabilities = client.session["capabilities"]
    _expect(isinstance(capabilities, dict) and {CORE, MAIL} <= capabilities.keys(), "capabilities are missing")
    return f"account {client.account}"


def _mailboxes(demo: Demo, client: JmapClient) -> str:
    boxes = _objects(client.call(("Mailbox/get", {"ids": None}))[0], "list")
    roles = {box["role"] for box in boxes}
    _expect({"inbox", "drafts", "sent", "junk", "trash", "archive"} <= roles, f"roles are {roles}")
    total = sum(int(str(box["totalEmails"])) for box in boxes)
    _expect(
        total == demo.messages["alice"],
        f"{total} emails in all mailboxes, {demo.messages['alice']} were stored",
    )
    return f"{len(boxes)} mailboxes, {total} emails"


def _newest(_demo: Demo, client: JmapClient) -> str:
    emails = _inbox(client, 20)
    dates = [str(email["receivedAt"]) for email in emails]
    _expect(dates == sorted(dates, reverse=True), "not newest first")
    return f"{len(emails)} emails, newest {emails[0]['subject']!r}"


def _threads(_demo: Demo, client: JmapClient) -> str:
    emails = _inbox(client, 20)
    wanted = list(dict.fromkeys(str(email["threadId"]) for email in emails))
    threads = _objects(client.call(("Thread/get", {"ids": wanted}))[0], "list")
    of = {str(thread["id"]): list(_strings(thread["emailIds"])) for thread in threads}
    _expect(all(email["id"] in of[str(email["threadId"])] for email in emails), "an email is not in its thread")
    longest = max(len(ids) for ids in of.values())
    _expect(longest > 1, "no thread has more than one email")
    return f"{len(threads)} threads, the longest of {longest} emails"


def _download(_demo: Demo, client: JmapClient) -> str:
    email = _inbox(client, 1)[0]
    content = client.download(str(email["blobId"]), "message.eml")
    _expect(len(content) == email["size"], f"{len(content)} octets, size is {email['size']}")
    return f"{len(content)} octets"


def _arrival(demo: Demo, client: JmapClient) -> str:
    identity = _objects(client.call(("Identity/get", {"ids": None}))[0], "list")[0]
    drafts = _strings(client.call(("Mailbox/query", {"filter": {"role": "drafts"}}))[0]["ids"])[0]
    draft: Json = {
        "mailboxIds": {drafts: True},
        "keywords": {"$draft": True},
        "from": [{"name": "Alice", "email": identity["email"]}],
        "to": [{"name": "Bob", "email": f"bob@{DOMAIN}"}],
        "subject": SUBJECT,
        "textBody": [{"partId": "text", "type": "text/plain"}],
        "bodyValues": {"text": {"value": "Hello."}},
    }
    submission: Json = {"emailId": "#draft", "identityId": identity["id"]}
    answers = client.call(
        ("Email/set", {"create": {"draft": draft}}), ("EmailSubmission/set", {"create": {"sent": submission}})
    )
    for answer in answers:
        _expect(not answer["notCreated"], f"not created: {answer['notCreated']}")
    bob = JmapClient(demo.url, "bob", USERS["bob"])
    deadline = time.monotonic() + ARRIVAL_SECONDS
    while time.monotonic() < deadline:
        if any(email["subject"] == SUBJECT for email in _inbox(bob, 5)):
            return "bob has the new email"
        time.sleep(0.2)
    raise CheckError("bob's inbox does not show the new email")


def _calendars(_demo: Demo, client: JmapClient) -> str:
    calendars = {str(one["name"]): str(one["id"]) for one in _objects(client.call(("Calendar/get", {}))[0], "list")}
    _expect({"Work", "Personal"} <= calendars.keys(), f"calendars are {sorted(calendars)}")
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    query: Json = {
        "filter": {"after": today.isoformat(), "before": (today + timedelta(days=28)).isoformat()},
        "expandRecurrences": True,
    }
    get: Json = {
        "#ids": {"resultOf": "0", "name": "CalendarEvent/query", "path": "/ids"},
        "properties": ["title", "utcStart"],
    }
    events = _objects(client.call(("CalendarEvent/query", query), ("CalendarEvent/get", get))[1], "list")
    starts = [str(event["utcStart"]) for event in events]
    _expect(starts == sorted(starts), "not in order of the start")
    _expect(sum(event["title"] == "Stand-up" for event in events) in range(18, 22), "not the stand-ups of four weeks")
    return f"{len(calendars)} calendars, {len(events)} events within four weeks"


def _event(_demo: Demo, client: JmapClient) -> str:
    calendars = _objects(client.call(("Calendar/get", {}))[0], "list")
    chosen = next(str(one["id"]) for one in calendars if one["isDefault"])
    event: Json = {
        "calendarIds": {chosen: True},
        "title": SUBJECT,
        "start": "2027-01-04T10:00:00",
        "timeZone": "Europe/Berlin",
        "duration": "PT1H",
    }
    created = client.call(("CalendarEvent/set", {"create": {"k": event}}))[0]
    _expect(not created["notCreated"], f"not created: {created['notCreated']}")
    found = client.call(("CalendarEvent/query", {"filter": {"title": f'"{SUBJECT}"'}}))[0]
    destroyed = client.call(("CalendarEvent/set", {"destroy": _strings(found["ids"])}))[0]
    _expect(len(_strings(destroyed["destroyed"])) == 1, f"not destroyed: {destroyed['notDestroyed']}")
    return "created, found and destroyed"


def _contacts(_demo: Demo, client: JmapClient) -> str:
    books = {str(one["name"]): str(one["id"]) for one in _objects(client.call(("AddressBook/get", {}))[0], "list")}
    query: Json = {"filter": {"inAddressBook": books["Contacts"]}, "sort": [{"property": "name/surname"}]}
    get: Json = {
        "#ids": {"resultOf": "0", "name": "ContactCard/query", "path": "/ids"},
        "properties": ["name", "emails", "phones"],
    }
    cards = _objects(client.call(("ContactCard/query", query), ("ContactCard/get", get))[1], "list")
    _expect(len(cards) == len(address_book()), f"{len(cards)} cards, {len(address_book())} were stored")
    _expect(all(card["name"] and card["emails"] and card["phones"] for card in cards), "a card is not complete")
    return f"{len(books)} address book, {len(cards)} cards"


def _card(_demo: Demo, client: JmapClient) -> str:
    books = _objects(client.call(("AddressBook/get", {}))[0], "list")
    chosen = next(str(one["id"]) for one in books if one["isDefault"])
    card: Json = {"addressBookIds": {chosen: True}, "name": {"full": SUBJECT}}
    created = client.call(("ContactCard/set", {"create": {"k": card}}))[0]
    _expect(not created["notCreated"], f"not created: {created['notCreated']}")
    found = client.call(("ContactCard/query", {"filter": {"name": f'"{SUBJECT}"'}}))[0]
    destroyed = client.call(("ContactCard/set", {"destroy": _strings(found["ids"])}))[0]
    _expect(len(_strings(destroyed["destroyed"])) == 1, f"not destroyed: {destroyed['notDestroyed']}")
    return "created, found and destroyed"


STEPS: dict[str, Callable[[Demo, JmapClient], str]] = {
    "session": _session,
    "Mailbox/get": _mailboxes,
    "Email/query, Email/get": _newest,
    "Thread/get": _threads,
    "download": _download,
    "Email/set, EmailSubmission/set": _arrival,
    "Calendar/get, CalendarEvent/query": _calendars,
    "CalendarEvent/set": _event,
    "AddressBook/get, ContactCard/query": _contacts,
    "ContactCard/set": _card,
}


def _inbox(client: JmapClient, limit: int) -> list[Json]:
    """The inbox's newest emails, found and fetched in one request by a back reference (RFC 8620 §3.7)."""
    found = client.call(("Mailbox/query", {"filter": {"role": "inbox"}}))[0]
    query: Json = {
        "filter": {"inMailbox": _strings(found["ids"])[0]},
        "sort": [{"property": "receivedAt", "isAscending": False}],
        "limit": limit,
    }
    get: Json = {
        "#ids": {"resultOf": "0", "name": "Email/query", "path": "/ids"},
        "properties": ["threadId", "blobId", "size", "subject", "receivedAt"],
    }
    emails = _objects(client.call(("Email/query", query), ("Email/get", get))[1], "list")
    _expect(bool(emails), "the inbox is empty")
    return emails


def _objects(arguments: Json, member: str) -> list[Json]:
    value = arguments[member]
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise CheckError(f"{member} is not a list of objects")
    return value


def _strings(value: object) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise CheckError(f"not a list of strings: {value!r}")
    return value


def _expect(condition: bool, otherwise: str) -> None:
    if not condition:
        raise CheckError(otherwise)
