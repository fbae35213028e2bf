"""Contacts through a whole gateway on Radicale, Xandikos and Cyrus; each change is read back by another client."""

import pytest

from adapters.carddav.backend import CardDav
from adapters.ports.collections import Stored
from gateway.objects.calendars.capability import CALENDARS
from gateway.objects.contacts.capability import CONTACTS
from tests.client import jmap_client
from tests.gateway import running_gateway
from tests.objects.contacts.conftest import Book
from tests.objects.contacts.test_types import VALID
from tests.servers.dovecot import Dovecot
from tests.servers.users import fresh_user

SERVER_SET = {"id", "@type", "version", "uid", "created", "updated"}
STORABLE = [card for card in VALID if not any("blobId" in medium for medium in card.get("media", {}).values())]
APPLE = """\
BEGIN:VCARD
VERSION:3.0
PRODID:-//Apple Inc.//Address Book 6.1//EN
UID:theirs@example.org
N:Doe;Jane;;;
FN:Jane Doe
ORG:Example\\, Inc.;
EMAIL;type=INTERNET;type=HOME;type=pref:jane@example.org
item1.TEL;type=pref:+49 30 1234
item1.X-ABLABEL:Desk
X-OWN;x-param=1:kept
REV:2020-01-01T00:00:00Z
END:VCARD
"""


def crlf(text: str) -> bytes:
    return text.replace("\n", "\r\n").encode()


async def test_the_session_says_so(book: Book, backend: str) -> None:
    session = book.jmap.session
    assert session["capabilities"][CONTACTS] == {}  # RFC 9610 §1.4.1
    own = session["accounts"][book.jmap.account]["accountCapabilities"]
    assert own[CONTACTS] == {"maxAddressBooksPerCard": None, "mayCreateAddressBook": True}
    assert session["primaryAccounts"][CONTACTS] == book.jmap.account
    assert CALENDARS not in session["capabilities"]


async def test_nothing_is_said_where_no_server_is_configured(dovecot: Dovecot) -> None:
    async with running_gateway(dovecot) as url, jmap_client(url, *fresh_user(dovecot)) as jmap:
        assert CONTACTS not in jmap.session["capabilities"]
        assert CONTACTS not in jmap.session["accounts"][jmap.account]["accountCapabilities"]
        response = await jmap.request([["AddressBook/get", {"accountId": jmap.account}, "0"]], [])
        assert response["methodResponses"][0][1]["type"] == "unknownMethod"


async def test_address_books(book: Book) -> None:
    (shown,) = (await book.call("AddressBook/get", ids=[book.id]))["list"]
    assert (shown["name"], shown["isSubscribed"], shown["shareWith"]) == ("Fresh", True, None)
    assert shown["myRights"] == {"mayRead": True, "mayWrite": True, "mayShare": False, "mayDelete": True}
    values = {"name": "Büro & <x>", "description": "D\nE", "sortOrder": 4, "isSubscribed": False}
    state = (await book.call("AddressBook/get", ids=[]))["state"]
    answer = await book.call("AddressBook/set", update={book.id: values})
    assert answer["updated"] == {book.id: None}, answer
    (shown,) = (await book.call("AddressBook/get", ids=[book.id]))["list"]
    assert {name: shown[name] for name in values} == values
    assert (await book.call("AddressBook/changes", sinceState=state))["updated"] == [book.id]


async def test_a_card_lives(book: Book) -> None:
    state = await book.state()
    told = await book.create(
        name={
            "components": [{"kind": "given", "value": "Jané"}, {"kind": "surname", "value": "Doe"}],
            "isOrdered": True,
        },
        emails={"e1": {"address": "jane@example.org", "contexts": {"work": True}, "pref": 1}},
        phones={"p1": {"number": "tel:+49-30-1234", "features": {"mobile": True}}},
        notes={"n1": {"note": "With ünïcode, commas; and\nlines"}},
        keywords={"vip": True},
    )
    assert told["uid"].startswith("urn:uuid:")  # RFC 9553 §2.1.9
    assert told.keys() >= {"id", "created", "updated"}
    text = book.stored(f"{told['id']}.vcf")
    for part in ("jane@example.org", "Doe;Jané", f"UID:{told['uid']}", "CATEGORIES:vip"):
        assert part in text
    changes = await book.call("ContactCard/changes", sinceState=state)
    assert changes["created"] == [told["id"]]
    shown = await book.card(told["id"])
    assert shown["addressBookIds"] == {book.id: True}
    assert shown["emails"]["e1"]["address"] == "jane@example.org"
    assert shown["notes"]["n1"]["note"] == "With ünïcode, commas; and\nlines"

    told = {**told, **await book.update(told["id"], **{"emails/e1/address": "jd@example.org", "keywords": None})}
    text = book.stored(f"{told['id']}.vcf")
    assert "jd@example.org" in text
    assert "CATEGORIES" not in text
    query = {"inAddressBook": book.id, "email": "jd@"}
    assert (await book.call("ContactCard/query", filter=query))["ids"] == [told["id"]]

    state = await book.state()
    answer = await book.call("ContactCard/set", destroy=[told["id"]])
    assert answer["destroyed"] == [told["id"]]
    assert (await book.call("ContactCard/changes", sinceState=state))["destroyed"] == [told["id"]]


async def test_what_another_client_does_is_seen(book: Book) -> None:
    state = await book.state()
    book.other.put("x.vcf", crlf(APPLE))
    (one,) = (await book.call("ContactCard/changes", sinceState=state))["created"]
    shown = await book.card(one)
    assert (shown["name"]["full"], shown["uid"]) == ("Jane Doe", "theirs@example.org")
    (phone,) = shown["phones"].values()
    assert (phone["number"], phone["label"]) == ("+49 30 1234", "Desk")
    state = await book.state()
    book.other.put("x.vcf", crlf(APPLE.replace("Jane Doe", "Jane Roe")))
    assert (await book.call("ContactCard/changes", sinceState=state))["updated"] == [one]
    state = await book.state()
    book.other.ask("DELETE", "x.vcf")
    assert (await book.call("ContactCard/changes", sinceState=state))["destroyed"] == [one]


async def test_a_change_leaves_the_rest_as_it_is(book: Book) -> None:
    """A stored 3.0 card stays 3.0, with the lines that the change is not about."""
    state = await book.state()
    book.other.put("x.vcf", crlf(APPLE))
    before = book.stored("x.vcf")
    (one,) = (await book.call("ContactCard/changes", sinceState=state))["created"]
    (key,) = (await book.card(one))["emails"]
    await book.update(one, **{f"emails/{key}/address": "roe@example.org"})
    text = book.stored("x.vcf")
    assert "roe@example.org" in text
    kept = [line.lower() for line in before.splitlines() if not line.startswith(("EMAIL", "REV"))]
    assert [line for line in kept if line not in text.lower().splitlines()] == []


async def test_another_client_writes_in_between(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the look and the write: after one 412 both changes are there, after two the client is told."""
    state = await book.state()
    book.other.put("x.vcf", crlf(APPLE))
    (one,) = (await book.call("ContactCard/changes", sinceState=state))["created"]
    replace, theirs = CardDav.replace, ["Lobby"]

    async def late(port: CardDav, path: str, name: str, data: bytes, etag: str) -> Stored:
        if theirs:
            book.other.put("x.vcf", crlf(APPLE.replace("Desk", theirs.pop(0))))
        return await replace(port, path, name, data, etag)

    monkeypatch.setattr(CardDav, "replace", late)
    await book.update(one, **{"name/full": "Jane Roe"})
    text = book.stored("x.vcf")
    assert "FN:Jane Roe" in text
    assert "Lobby" in text
    theirs += ["Roof", "Cellar"]
    answer = await book.call("ContactCard/set", update={one: {"name/full": "Jane Poe"}})
    assert answer["notUpdated"][one]["type"] == "stateMismatch"
    assert "Jane Poe" not in book.stored("x.vcf")


async def test_a_card_in_several_address_books(book: Book) -> None:
    second = await book.new_book("Second")
    told = await book.create(name={"full": "Both"}, addressBookIds={book.id: True, second: True})
    assert (await book.card(told["id"]))["addressBookIds"] == {book.id: True, second: True}
    await book.update(told["id"], **{"name/full": "Renamed"})
    assert "Renamed" in book.stored(f"{told['id']}.vcf")
    await book.update(told["id"], **{f"addressBookIds/{book.id}": None})
    shown = await book.card(told["id"])
    assert (shown["addressBookIds"], shown["name"]["full"]) == ({second: True}, "Renamed")
    answer = await book.call("AddressBook/set", destroy=[second])
    assert answer["notDestroyed"][second]["type"] == "addressBookHasContents"
    answer = await book.call("AddressBook/set", destroy=[second], onDestroyRemoveContents=True)
    assert answer["destroyed"] == [second]
    assert (await book.call("ContactCard/get", ids=[told["id"]]))["notFound"] == [told["id"]]


async def test_a_card_moves(book: Book) -> None:
    second = await book.new_book("Second")
    told = await book.create(name={"full": "Mover"})
    state = await book.state()
    await book.update(told["id"], addressBookIds={second: True})
    assert (await book.call("ContactCard/changes", sinceState=state))["updated"] == [told["id"]]
    assert (await book.card(told["id"]))["addressBookIds"] == {second: True}
    await book.update(told["id"], **{f"addressBookIds/{book.id}": True})
    assert (await book.card(told["id"]))["addressBookIds"] == {book.id: True, second: True}
    await book.call("AddressBook/set", destroy=[second], onDestroyRemoveContents=True)
    assert (await book.card(told["id"]))["addressBookIds"] == {book.id: True}


async def test_one_uid_is_one_card(book: Book) -> None:
    told = await book.create(name={"full": "First"}, uid="same@example.org")
    record = {"addressBookIds": {book.id: True}, "uid": "same@example.org", "name": {"full": "Second"}}
    answer = await book.call("ContactCard/set", create={"k": record})
    error = answer["notCreated"]["k"]
    assert (error["type"], error["properties"], error["existingId"]) == ("invalidProperties", ["uid"], told["id"])


async def test_a_group(book: Book) -> None:
    """§3: members that cannot be found are preserved."""
    jane = await book.create(name={"full": "Jane"})
    members = {jane["uid"]: True, "urn:uuid:0bad0000-0000-4000-8000-000000000000": True}
    group = await book.create(kind="group", name={"full": "The Band"}, members=members)
    assert (await book.card(group["id"]))["members"] == members
    query = {"hasMember": jane["uid"], "kind": "group"}
    assert (await book.call("ContactCard/query", filter=query))["ids"] == [group["id"]]
    await book.update(group["id"], **{f"members/{jane['uid']}": None})
    assert jane["uid"] not in (await book.card(group["id"]))["members"]
    assert (await book.call("ContactCard/query", filter=query))["ids"] == []


PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360000000000400017f2f"
    "2a0a0000000049454e44ae426082"
)


async def test_a_photo(book: Book) -> None:
    """RFC 9610 §3, §3.5: blobId both ways, the octets only by download."""
    blob = await book.jmap.upload(PNG, "image/png")
    media = {"m": {"kind": "photo", "blobId": blob["blobId"], "mediaType": "image/png"}}
    told = await book.create(name={"full": "Face"}, media=media)
    (photo,) = (await book.card(told["id"]))["media"].values()
    assert (photo["kind"], photo["mediaType"], photo["blobId"]) == ("photo", "image/png", blob["blobId"])
    assert "uri" not in photo
    assert await book.jmap.download(photo["blobId"]) == PNG
    assert "iVBORw0KGgo" in book.stored(f"{told['id']}.vcf")
    await book.update(told["id"], **{"name/full": "Face 2"})
    assert "iVBORw0KGgo" in book.stored(f"{told['id']}.vcf")
    await book.update(told["id"], media=None)
    assert "PHOTO" not in book.stored(f"{told['id']}.vcf")


@pytest.mark.parametrize("octets", [b"<html>", b"MZ", b"%PDF-1.7", b""], ids=str)
async def test_a_photo_that_is_no_image_is_refused(book: Book, octets: bytes) -> None:
    """RFC 9610 §3.5: MUST reject, whatever the client calls it."""
    blob = await book.jmap.upload(octets, "image/png")
    media = {"m": {"kind": "photo", "blobId": blob["blobId"], "mediaType": "image/png"}}
    record = {"addressBookIds": {book.id: True}, "name": {"full": "X"}, "media": media}
    answer = await book.call("ContactCard/set", create={"k": record})
    error = answer["notCreated"]["k"]
    assert (error["type"], error["properties"]) == ("invalidProperties", ["media"])


async def test_every_property_is_stored_or_the_client_is_told(book: Book, backend: str) -> None:
    """The examples of RFC 9553 and more: what a server does not keep is told (RFC 8620 §5.3)."""
    records = {f"k{number}": {"addressBookIds": {book.id: True}, **card} for number, card in enumerate(STORABLE)}
    answer = await book.call("ContactCard/set", create=records)
    assert answer["notCreated"] is None, answer
    told = answer["created"]
    ids = [one["id"] for one in told.values()]
    shown = {card["id"]: card for card in (await book.call("ContactCard/get", ids=ids))["list"]}
    for key, record in records.items():
        known = {name: value for name, value in {**record, **told[key]}.items() if value is not None}
        assert shown[told[key]["id"]] == known
        if backend == "xandikos":
            implied = {"media", "name", "organizations", "emails"}  # what is the default, the only type, the only name
            assert told[key].keys() - SERVER_SET <= implied


async def test_other_languages(book: Book) -> None:
    """RFC 9553 §2.7.1."""
    card = {
        "language": "en",
        "name": {"components": [{"kind": "given", "value": "Ivan"}], "full": "Ivan"},
        "titles": {"t1": {"name": "novelist", "kind": "title"}},
        "localizations": {
            "es": {"titles/t1/name": "escritor"},
            "uk-Cyrl": {"name": {"components": [{"kind": "given", "value": "Іван"}], "full": "Іван"}},
        },
    }
    told = await book.create(**card)
    shown = await book.card(told["id"])
    assert shown == {**card, **told, "addressBookIds": {book.id: True}}
    assert shown["localizations"]["es"] == {"titles/t1/name": "escritor"}
    await book.update(told["id"], **{"localizations/es": None})
    assert "escritor" not in book.stored(f"{told['id']}.vcf")
