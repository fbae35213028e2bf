"""Email/set create (RFC 8621 §4.6), end to end."""

import asyncio
import hashlib
import io
from email import message_from_bytes
from typing import Any

import pytest

from adapters.formats.mime import parse_message, part_body
from tests.client import JmapClient
from tests.objects.mail.conftest import Tier
from tests.objects.mail.messages import message, with_attachment
from tests.servers.imap_client import ImapClient

TEXT = {"textBody": [{"partId": "t", "type": "text/plain"}], "bodyValues": {"t": {"value": "Grüße\n"}}}


async def create(jmap: JmapClient, **members: Any) -> dict[str, Any]:
    """The answer for one Email that is created in the inbox, or where `mailboxIds` says."""
    if "mailboxIds" not in members:
        members["mailboxIds"] = {(await jmap.mailbox_ids())["Inbox"]: True}
    answer = await jmap.call("Email/set", create={"k": members})
    found: dict[str, Any] = (answer["created"] or answer["notCreated"])["k"]
    return found


async def get(jmap: JmapClient, email_id: str, *names: str, **arguments: Any) -> dict[str, Any]:
    answer = await jmap.call("Email/get", ids=[email_id], properties=list(names), **arguments)
    (found,) = answer["list"]
    return dict(found)


async def test_a_draft_with_an_attachment_is_stored_and_read_back(jmap: JmapClient, imap: ImapClient) -> None:
    data = hashlib.shake_128(b"attachment").digest(300_000)
    blob = await jmap.upload(data, "application/pdf")
    before = (await jmap.call("Email/get", ids=[]))["state"]
    created = await create(
        jmap,
        **TEXT,
        keywords={"$draft": True, "$Seen": True},
        receivedAt="2026-11-17T08:00:00Z",
        subject="Ein Entwurf für Bob",
        to=[{"name": "Müller, Bob", "email": "bob@example.org"}],
        **{"from": [{"email": "alice@example.org"}]},
        attachments=[{"blobId": blob["blobId"], "name": "Bericht.pdf"}],
    )
    assert created.keys() == {"id", "blobId", "threadId", "size"}  # §4.6
    names = ["subject", "to", "keywords", "receivedAt", "attachments", "size", "threadId", "blobId", "textBody"]
    email = await get(jmap, created["id"], *names, "bodyValues", "messageId", "sentAt", fetchTextBodyValues=True)
    assert (email["subject"], email["keywords"]) == ("Ein Entwurf für Bob", {"$draft": True, "$seen": True})
    assert email["to"] == [{"name": "Müller, Bob", "email": "bob@example.org"}]
    assert email["receivedAt"] == "2026-11-17T08:00:00Z"
    assert {name: email[name] for name in ("blobId", "size", "threadId")} == {
        name: created[name] for name in ("blobId", "size", "threadId")
    }
    assert email["bodyValues"][email["textBody"][0]["partId"]]["value"] == "Grüße\n"
    (attachment,) = email["attachments"]
    assert (attachment["name"], attachment["type"]) == ("Bericht.pdf", "application/pdf")
    assert abs(attachment["size"] - len(data)) <= 2  # without BINARY a good guess
    assert await jmap.download(attachment["blobId"]) == data
    octets = await jmap.download(email["blobId"])
    assert len(octets) == email["size"]
    assert message_from_bytes(octets)["Message-ID"] == f"<{email['messageId'][0]}>"
    assert email["messageId"][0].endswith("@example.org")
    assert email["sentAt"]
    changes = await jmap.call("Email/changes", sinceState=before)
    assert changes["created"] == [created["id"]]


async def test_one_call_makes_several_and_refuses_others(jmap: JmapClient) -> None:
    inbox = {(await jmap.mailbox_ids())["Inbox"]: True}
    records = {
        "good": {"mailboxIds": inbox, **TEXT, "subject": "good"},
        "twin": {"mailboxIds": inbox, **TEXT, "subject": "good"},
        "headers": {"mailboxIds": inbox, "headers": [{"name": "X", "value": "y"}]},
        "injection": {"mailboxIds": inbox, "subject": "a\r\nBcc: b@c.d"},
        "nowhere": {"mailboxIds": {"none": True}},
        "no box": {"mailboxIds": {}},
        "keyword": {"mailboxIds": inbox, "keywords": {"a b": True}},
        "blobs": {"mailboxIds": inbox, "attachments": [{"blobId": "unone"}, {"blobId": "bnone"}, {"blobId": "unone"}]},
        "paths": {"mailboxIds": inbox, "to": [{"email": "a\0"}], "bodyStructure": {"partId": "1", "charset": "x"}},
    }
    answer = await jmap.call("Email/set", create={key.replace(" ", "-"): value for key, value in records.items()})
    assert answer["created"].keys() == {"good", "twin"}
    assert answer["created"]["good"]["id"] != answer["created"]["twin"]["id"]
    refused = answer["notCreated"]
    assert refused["blobs"]["type"] == "blobNotFound"
    assert refused["blobs"]["notFound"] == ["unone", "bnone"]
    assert {error["type"] for key, error in refused.items() if key != "blobs"} == {"invalidProperties"}
    assert refused["headers"]["properties"] == ["headers"]
    assert refused["no-box"]["properties"] == ["mailboxIds"]
    assert set(refused["paths"]["properties"]) >= {"to/0/email", "bodyStructure/charset", "bodyStructure/partId"}
    subjects = await jmap.call("Email/query", filter={"subject": "good"})
    assert sorted(subjects["ids"]) == sorted(email["id"] for email in answer["created"].values())


async def test_an_email_in_two_mailboxes_is_one(jmap: JmapClient, imap: ImapClient) -> None:
    imap.create("Second")
    boxes = await jmap.mailbox_ids()
    wanted = {boxes["Inbox"]: True, boxes["Second"]: True}
    created = await create(jmap, **TEXT, mailboxIds=wanted, keywords={"$flagged": True})
    email = await get(jmap, created["id"], "mailboxIds", "keywords")
    assert (email["mailboxIds"], email["keywords"]) == (wanted, {"$flagged": True})
    assert len((await jmap.call("Email/query"))["ids"]) == 1


async def test_parts_and_messages_of_the_store_are_attached(jmap: JmapClient, imap: ImapClient) -> None:
    data = hashlib.shake_128(b"large").digest(400_000)
    imap.append("INBOX", with_attachment("Large", data))
    imap.append("INBOX", message("Small"))
    ids = (await jmap.call("Email/query"))["ids"]
    emails = {
        email["subject"]: email
        for email in (await jmap.call("Email/get", ids=ids, properties=["subject", "blobId", "attachments"]))["list"]
    }
    parts = [
        {"blobId": emails["Large"]["attachments"][0]["blobId"], "name": "again.bin"},
        {"blobId": emails["Large"]["blobId"], "type": "message/rfc822"},
        {"blobId": emails["Small"]["blobId"], "type": "message/rfc822"},
    ]
    # Together they would wait for each other if each held a connection and wanted another.
    several = await asyncio.gather(*(create(jmap, **TEXT, attachments=parts) for _ in range(6)))
    assert len({created["id"] for created in several}) == 6
    stored = parse_message(await jmap.download(several[0]["blobId"]))
    contents = [part_body(stored, part) for part in stored.root.sub_parts[1:]]
    assert contents[0] == data
    assert contents[1] == await jmap.download(emails["Large"]["blobId"])
    assert contents[2] == await jmap.download(emails["Small"]["blobId"])


async def test_what_is_destroyed_in_the_same_call_can_be_attached(
    jmap: JmapClient, imap: ImapClient, tier: Tier
) -> None:
    """RFC 8620 §6: a blob is not deleted during the call that removes the last reference to it."""
    octets = message("Attached")
    imap.append("INBOX", octets)
    (old,) = (await jmap.call("Email/get", ids=None, properties=["id", "blobId", "mailboxIds"]))["list"]
    create = {
        "mailboxIds": old["mailboxIds"],
        "subject": "Around it",
        "attachments": [{"blobId": old["blobId"], "type": "message/rfc822"}],
    }
    answer = await jmap.call("Email/set", create={"new": create}, destroy=[old["id"]])
    assert answer["notCreated"] is None
    assert answer["destroyed"] == (None if tier.name == "plain" else [old["id"]])  # it can't remove single messages
    new = answer["created"]["new"]["id"]
    (found,) = (await jmap.call("Email/get", ids=[new], properties=["attachments"]))["list"]
    assert await jmap.download(found["attachments"][0]["blobId"]) == octets


async def test_creation_ids_are_known_to_later_calls(jmap: JmapClient) -> None:
    inbox = (await jmap.mailbox_ids())["Inbox"]
    answers = await jmap.sentences(
        ("Email/set", {"create": {"k": {**TEXT, "mailboxIds": {inbox: True}, "keywords": {"$draft": True}}}}),
        ("Email/set", {"update": {"#k": {"keywords/$draft": None}}}),
        ("Email/get", {"#ids": {"resultOf": "c0", "name": "Email/set", "path": "/created/k/id"}}),
    )
    assert answers[1][1]["updated"], answers
    assert answers[2][0] == "error"  # an Id is no Id[]


async def test_too_large_attachments_are_refused(jmap: JmapClient) -> None:
    blob = await jmap.upload(io.BytesIO(bytes(10_000_000)))
    part = {"blobId": blob["blobId"]}
    refused = await create(jmap, **TEXT, attachments=[part] * 6)
    assert refused["type"] == "tooLarge"


async def test_a_server_without_keywords_of_its_own_still_takes_system_keywords(
    jmap: JmapClient, tier: Tier, imap: ImapClient
) -> None:
    created = await create(jmap, **TEXT, keywords={"$answered": True, "$forwarded": True})
    assert (await get(jmap, created["id"], "keywords"))["keywords"] == {"$answered": True, "$forwarded": True}


@pytest.mark.parametrize("name", ["header:X-Custom:asText", "header:List-Id:asText"])
async def test_header_forms_come_back(jmap: JmapClient, name: str) -> None:
    created = await create(jmap, **TEXT, **{name: "Größe <x>"})
    assert (await get(jmap, created["id"], name))[name] == "Größe <x>"
