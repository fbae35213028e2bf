"""Email/import and Email/copy (RFC 8621 §4.7, §4.8), end to end."""

import io
from pathlib import Path
from typing import Any

from tests.client import JmapClient
from tests.objects.mail.conftest import Tier
from tests.objects.mail.messages import message
from tests.servers.imap_client import ImapClient


async def import_(jmap: JmapClient, octets: bytes, content_type: str = "image/png", **members: Any) -> dict[str, Any]:
    """The answer for one blob that is imported into the inbox, or where `mailboxIds` says."""
    blob = await jmap.upload(octets, content_type)  # whatever type was given at upload
    members = {"mailboxIds": {(await jmap.mailbox_ids())["Inbox"]: True}, "blobId": blob["blobId"]} | members
    answer = await jmap.call("Email/import", emails={"k": members})
    found: dict[str, Any] = (answer["created"] or answer["notCreated"])["k"]
    return found


async def get(jmap: JmapClient, email_id: str, *names: str) -> dict[str, Any]:
    (found,) = (await jmap.call("Email/get", ids=[email_id], properties=list(names)))["list"]
    return dict(found)


RECEIVED = {
    "Received": "from c by d; Tue, 17 Nov 2026 10:00:00 +0100\r\nReceived: from a by b; Mon, 16 Nov 2026 10:00:00 +0100"
}


async def test_a_message_is_imported_as_it_is(jmap: JmapClient) -> None:
    octets = message("Imported", headers=RECEIVED)
    state = (await jmap.call("Email/get", ids=[]))["state"]
    created = await import_(jmap, octets, keywords={"$Flagged": True, "$seen": True})
    assert created.keys() == {"id", "blobId", "threadId", "size"}
    email = await get(jmap, created["id"], "subject", "keywords", "receivedAt", "size", "blobId")
    assert (email["subject"], email["keywords"]) == ("Imported", {"$flagged": True, "$seen": True})
    assert email["receivedAt"] == "2026-11-17T09:00:00Z"  # of the most recent Received field
    assert email["size"] == created["size"] == len(octets)
    assert await jmap.download(created["blobId"]) == octets
    assert (await jmap.call("Email/changes", sinceState=state))["created"] == [created["id"]]


async def test_received_at_is_kept(jmap: JmapClient) -> None:
    created = await import_(jmap, message(headers=RECEIVED), receivedAt="1999-12-31T23:59:59Z")
    assert (await get(jmap, created["id"], "receivedAt"))["receivedAt"] == "1999-12-31T23:59:59Z"


async def test_a_time_that_no_server_keeps(jmap: JmapClient) -> None:
    """Dovecot takes 1969 for 2038. What a Received field says is passed over then."""
    for date in ("1969-12-31T23:59:59Z", "2106-02-07T06:28:16Z"):
        error = await import_(jmap, message(), receivedAt=date)
        assert (error["type"], error["properties"]) == ("invalidProperties", ["receivedAt"])
    for year in ("1904", "0000"):
        received = (
            "from c by d; Mon, 01 Feb {} 10:00:00 +0100\r\nReceived: from a by b; Mon, 16 Nov 2026 10:00:00 +0100"
        )
        created = await import_(jmap, message(headers={"Received": received.format(year)}))
        assert (await get(jmap, created["id"], "receivedAt"))["receivedAt"] == "2026-11-16T09:00:00Z"


async def test_a_message_that_the_server_refuses(jmap: JmapClient, tier: Tier) -> None:
    answer = await import_(jmap, b"Subject: no line end")
    if tier.name == "cyrus":
        assert answer["type"] == "invalidEmail"
    else:
        assert answer["size"] == 20


async def test_international_headers_are_imported(jmap: JmapClient, tier: Tier) -> None:
    octets = message("Grüße", sender="Jürgen <jürgen@bücher.example>")  # RFC 6532
    created = await import_(jmap, octets)
    email = await get(jmap, created["id"], "subject", "from")
    if tier.name == "cyrus":  # its setting munge8bit, on by default, replaces the octets
        assert email["subject"] == "GrXXXXe"
        return
    assert email["subject"] == "Grüße"
    assert email["from"] == [{"name": "Jürgen", "email": "jürgen@bücher.example"}]
    assert await jmap.download(created["blobId"]) == octets


async def test_bare_line_feeds_and_nul_are_repaired(jmap: JmapClient) -> None:
    octets = message("Broken", body="one\r\ntwo\r\n").replace(b"\r\n", b"\n") + b"a\0b\r\n"
    created = await import_(jmap, octets)
    assert await jmap.download(created["blobId"]) == message_repaired(octets)
    assert created["size"] == len(message_repaired(octets))


def message_repaired(octets: bytes) -> bytes:
    return octets.replace(b"\0", b"").replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


async def test_what_cannot_be_imported(jmap: JmapClient) -> None:
    inbox = (await jmap.mailbox_ids())["Inbox"]
    blob = (await jmap.upload(message()))["blobId"]
    picture = (await jmap.upload(b"\x89PNG\r\n\x1a\n\0\0"))["blobId"]
    empty = (await jmap.upload(b""))["blobId"]
    good = {"blobId": blob, "mailboxIds": {inbox: True}}
    emails = {
        "good": good,
        "picture": good | {"blobId": picture},
        "empty": good | {"blobId": empty},
        "no-blob": good | {"blobId": "unone"},
        "no-id": good | {"blobId": 3},
        "no-box": good | {"mailboxIds": {}},
        "unknown-box": good | {"mailboxIds": {"mnone": True}},
        "false-box": good | {"mailboxIds": {inbox: False}},
        "keyword": good | {"keywords": {"a b": True}},
        "date": good | {"receivedAt": "2026-02-30T00:00:00Z"},
        "unknown": good | {"subject": "x"},
        "missing": {"blobId": blob},
        "reference": good | {"mailboxIds": {"#none": True}},
    }
    answer = await jmap.call("Email/import", emails=emails)
    assert answer["created"].keys() == {"good"}
    types = {key: error["type"] for key, error in answer["notCreated"].items()}
    assert types.pop("picture") == types.pop("empty") == "invalidEmail"
    assert set(types.values()) == {"invalidProperties"}
    error = await jmap.error("Email/import", ifInState="nonsense", emails={})
    assert error["type"] == "stateMismatch"


async def test_the_same_message_twice_is_two_emails_or_refused(jmap: JmapClient, tier: Tier, imap: ImapClient) -> None:
    imap.create("Second")
    octets = message("Twice", headers=RECEIVED)
    boxes = await jmap.mailbox_ids()
    first = await import_(jmap, octets)
    again = await import_(jmap, octets)
    if "type" in again:  # a server whose ids come from the content
        assert (again["type"], again["existingId"]) == ("alreadyExists", first["id"])  # §4.8
    else:
        assert again["id"] != first["id"]
    elsewhere = await import_(jmap, octets, mailboxIds={boxes["Second"]: True})
    if "type" in elsewhere:
        assert elsewhere["type"] == "alreadyExists"
        if tier.name != "plain":  # where nothing can be taken back
            found = (await get(jmap, first["id"], "mailboxIds"))["mailboxIds"]
            assert found == {boxes["Inbox"]: True}
    else:
        assert elsewhere["id"] not in (first["id"], again["id"])


async def test_many_at_once_keep_their_order(jmap: JmapClient) -> None:
    inbox = (await jmap.mailbox_ids())["Inbox"]
    emails = {}
    for n in range(60):
        blob = await jmap.upload(message(f"Number {n:02}", message_id="<all-the-same@example.org>"))
        emails[f"k{n}"] = {
            "blobId": blob["blobId"],
            "mailboxIds": {inbox: True},
            "receivedAt": f"2026-01-01T00:00:{n:02}Z",
        }
    created = (await jmap.call("Email/import", emails=emails))["created"]
    assert len({email["id"] for email in created.values()}) == 60
    for n in (0, 31, 59):
        assert (await get(jmap, created[f"k{n}"]["id"], "subject"))["subject"] == f"Number {n:02}"


async def test_a_large_import_is_not_held_in_memory(jmap: JmapClient, tier: Tier) -> None:
    line = b"0123456789abcdef" * 4 + b"\r\n"
    octets = message("Large") + line * (24_000_000 // len(line))
    blob = await jmap.upload(io.BytesIO(octets))
    inbox = (await jmap.mailbox_ids())["Inbox"]
    before = peak(reset=True)
    answer = await jmap.call("Email/import", emails={"k": {"blobId": blob["blobId"], "mailboxIds": {inbox: True}}})
    assert answer["created"]["k"]["size"] == len(octets)
    attach = {"mailboxIds": {inbox: True}, "attachments": [{"blobId": blob["blobId"]}]}
    assert (await jmap.call("Email/set", create={"k": attach}))["created"]
    assert peak() - before < len(octets) // 3


def peak(*, reset: bool = False) -> int:
    """The most memory that this process, gateway and test in one, has held, or from now on holds; in octets."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5")  # proc(5)
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024
