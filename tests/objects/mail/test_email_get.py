"""Email/get (RFC 8621 §4.1, §4.2)."""

from typing import Any

import orjson

from tests.client import JmapClient
from tests.objects.mail.messages import message, with_attachment
from tests.servers.imap_client import ImapClient


async def only(jmap: JmapClient, **arguments: Any) -> dict[str, Any]:
    """The one Email of the account."""
    (email_id,) = (await jmap.call("Email/query"))["ids"]
    (email,) = (await jmap.call("Email/get", ids=[email_id], **arguments))["list"]
    found: dict[str, Any] = email
    return found


async def test_metadata(jmap: JmapClient, imap: ImapClient) -> None:
    octets = message("Metadata")
    imap.append("INBOX", octets, ["\\Seen", "\\Flagged", "Project"], '"17-Jul-2026 02:44:25 +0200"')
    email = await only(jmap, properties=["id", "blobId", "threadId", "mailboxIds", "keywords", "size", "receivedAt"])
    assert email["mailboxIds"] == {(await jmap.mailbox_ids())["Inbox"]: True}
    assert email["keywords"] == {"$seen": True, "$flagged": True, "project": True}  # §4.1.1
    assert email["size"] == len(octets)
    assert email["receivedAt"] == "2026-07-17T00:44:25Z"
    assert await jmap.download(str(email["blobId"])) == octets


async def test_a_message_is_opened_as_of_the_request(jmap: JmapClient, imap: ImapClient) -> None:
    """What never changes may come along with the look at the account; everything else is what that look found."""
    imap.create("Elsewhere")
    for number in range(3):
        imap.append("INBOX", message(f"Message {number}", body=f"text {number}\r\n"))
    sort = [{"property": "receivedAt"}, {"property": "subject"}]
    flagged, moved, removed = (await jmap.call("Email/query", sort=sort))["ids"]
    opened = {"properties": ["bodyValues", "keywords", "mailboxIds", "subject"], "fetchTextBodyValues": True}
    first, second, third = imap.uids("INBOX")
    imap.flag("INBOX", first, "+FLAGS", "\\Flagged")
    (email,) = (await jmap.call("Email/get", ids=[flagged], **opened))["list"]
    assert email["keywords"] == {"$flagged": True}
    assert [part["value"] for part in email["bodyValues"].values()] == ["text 0\n"]
    imap.move("INBOX", second, "Elsewhere")
    (email,) = (await jmap.call("Email/get", ids=[moved], **opened))["list"]
    assert email["mailboxIds"] == {(await jmap.mailbox_ids())["Elsewhere"]: True}
    assert email["subject"] == "Message 1"
    imap.delete("INBOX", third)
    assert (await jmap.call("Email/get", ids=[removed], **opened))["notFound"] == [removed]


async def test_a_preview_of_html_beside_plain_text_that_is_blank(jmap: JmapClient, imap: ImapClient) -> None:
    """However much of the message is fetched for other properties."""
    head = {"MIME-Version": "1.0", "Content-Type": "multipart/alternative; boundary=b"}
    plain, html = "Content-Type: text/plain\r\n\r\n \r\n", "Content-Type: text/html\r\n\r\n<p>What it says</p>\r\n"
    imap.append("INBOX", message(headers=head, body=f"--b\r\n{plain}\r\n--b\r\n{html}--b--\r\n"))
    for others in (["subject"], ["bodyValues"]):
        assert (await only(jmap, properties=["preview", *others]))["preview"] == "What it says"


async def test_an_attachment_has_no_preview(jmap: JmapClient, imap: ImapClient) -> None:
    head = {"MIME-Version": "1.0", "Content-Type": "text/calendar; method=REQUEST"}
    imap.append("INBOX", message(headers=head, body="BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n"))
    for others in (["subject"], ["bodyValues"]):
        assert (await only(jmap, properties=["preview", *others]))["preview"] == ""


async def test_header_properties_and_forms(jmap: JmapClient, imap: ImapClient) -> None:
    headers = {
        "Reply-To": "=?utf-8?q?J=C3=B6rg?= <joerg@example.org>",
        "List-Post": "<mailto:list@example.org>",
        "X-Twice": "one\r\nX-Twice: two",
    }
    imap.append("INBOX", message("=?utf-8?b?R3LDvMOfZQ==?=", message_id="<m1@example.org>", headers=headers))
    asked = ["from", "replyTo", "subject", "messageId", "sentAt", "cc", "header:List-Post:asURLs"]
    email = await only(jmap, properties=[*asked, "header:x-TWICE:all", "header:X-Twice", "header:X-None:asText"])
    assert email["from"] == [{"name": "Alice Example", "email": "alice@example.org"}]
    assert email["replyTo"] == [{"name": "Jörg", "email": "joerg@example.org"}]
    assert email["subject"] == "Grüße"
    assert email["messageId"] == ["m1@example.org"]
    assert email["sentAt"] == "2026-11-17T09:00:00+01:00"
    assert email["cc"] is None
    assert email["header:List-Post:asURLs"] == ["mailto:list@example.org"]
    assert email["header:x-TWICE:all"] == [" one", " two"]  # §4.1.3: named as asked
    assert email["header:X-Twice"] == " two"
    assert email["header:X-None:asText"] is None


async def test_a_forbidden_form_refuses_the_call(jmap: JmapClient) -> None:
    error = await jmap.error("Email/get", ids=[], properties=["header:From:asDate"])  # §4.2
    assert error["type"] == "invalidArguments"
    assert (await jmap.error("Email/get", ids=[], bodyProperties=["nonsense"]))["type"] == "invalidArguments"


async def test_bodies_of_a_message_with_alternatives_and_attachment(jmap: JmapClient, imap: ImapClient) -> None:
    imap.append("INBOX", with_attachment(data=b"\x00\x01binary"))
    email = await only(jmap, fetchTextBodyValues=True, fetchHTMLBodyValues=True)
    parts = {name: [part["partId"] for part in email[name]] for name in ("textBody", "htmlBody", "attachments")}
    assert parts == {"textBody": ["1.1"], "htmlBody": ["1.2"], "attachments": ["2"]}
    values = email["bodyValues"]
    assert values["1.1"]["value"] == "plain version"
    assert values["1.2"]["value"] == "<p>html <b>version</b></p>"
    (attachment,) = email["attachments"]
    assert (attachment["name"], attachment["size"], attachment["type"]) == ("data.bin", 8, "application/octet-stream")
    assert email["hasAttachment"] is True
    assert "plain version" in str(email["preview"])
    assert await jmap.download(attachment["blobId"]) == b"\x00\x01binary"


async def test_a_large_message_gives_the_same_as_a_small_one(jmap: JmapClient, imap: ImapClient) -> None:
    """Above the limit up to which messages are fetched whole, the structure and single parts are asked for."""
    data = bytes(range(256)) * 2000
    imap.append("INBOX", with_attachment("Large", data))
    email = await only(
        jmap,
        properties=["bodyStructure", "textBody", "attachments", "bodyValues", "preview", "hasAttachment", "subject"],
        bodyProperties=["partId", "blobId", "size", "type", "name", "header:Content-Type"],
        fetchAllBodyValues=True,
    )
    assert email["subject"] == "Large"
    assert email["hasAttachment"] is True
    assert [part["partId"] for part in email["textBody"]] == ["1.1"]
    assert {key: value["value"] for key, value in email["bodyValues"].items()} == {
        "1.1": "plain version",
        "1.2": "<p>html <b>version</b></p>",
    }
    (attachment,) = email["attachments"]
    assert attachment["header:Content-Type"] == " application/octet-stream; name=data.bin"
    assert abs(attachment["size"] - len(data)) <= 2  # exact where the server has BINARY
    assert email["bodyStructure"]["type"] == "multipart/mixed"
    assert await jmap.download(attachment["blobId"]) == data


async def test_body_values_are_truncated_at_a_character(jmap: JmapClient, imap: ImapClient) -> None:
    imap.append("INBOX", message(body="äöü" * 100 + "\r\n"))
    email = await only(jmap, properties=["bodyValues"], fetchTextBodyValues=True, maxBodyValueBytes=5)
    (value,) = email["bodyValues"].values()
    assert value == {"value": "äö", "isTruncated": True, "isEncodingProblem": False}  # §4.2


async def test_two_copies_are_one_email(jmap: JmapClient, imap: ImapClient) -> None:
    imap.create("Copies")
    uid = imap.append("INBOX", message("Copied"), ["\\Seen"])
    imap.copy("INBOX", uid or imap.uids("INBOX")[0], "Copies")
    imap.flag("Copies", imap.uids("Copies")[0], "-FLAGS", "\\Seen")
    imap.flag("Copies", imap.uids("Copies")[0], "+FLAGS", "\\Flagged")
    ids = await jmap.mailbox_ids()
    email = await only(jmap, properties=["mailboxIds", "keywords"])
    assert email["mailboxIds"] == {ids["Inbox"]: True, ids["Copies"]: True}
    assert email["keywords"] == {"$flagged": True}  # $seen only where every copy is seen


async def test_what_was_answered_from_memory_is_what_was_fetched(jmap: JmapClient, imap: ImapClient) -> None:
    imap.append("INBOX", message("Twice"))
    first = await only(jmap)
    imap.flag("INBOX", imap.uids("INBOX")[0], "+FLAGS", "\\Answered")
    second = await only(jmap)
    assert second.pop("keywords") == {"$answered": True}
    assert first.pop("keywords") == {}
    assert orjson.dumps(first, option=orjson.OPT_SORT_KEYS) == orjson.dumps(second, option=orjson.OPT_SORT_KEYS)


async def test_deleted_messages_are_not_there(jmap: JmapClient, imap: ImapClient) -> None:
    uid = imap.append("INBOX", message("Going")) or imap.uids("INBOX")[0]
    email = await only(jmap, properties=["id"])
    state = (await jmap.call("Email/get", ids=[]))["state"]
    imap.flag("INBOX", uid, "+FLAGS", "\\Deleted")
    answer = await jmap.call("Email/get", ids=[email["id"]])
    assert answer["notFound"] == [email["id"]]  # §4.1.1: \Deleted is no keyword, the message must not show
    assert (await jmap.call("Email/changes", sinceState=state))["destroyed"] == [email["id"]]
