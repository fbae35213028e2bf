"""Email/parse, SearchSnippet/get, blobs of messages (RFC 8621 §4.9, §5; RFC 8620 §6)."""

from tests.client import JmapClient
from tests.objects.mail.messages import message, with_attachment
from tests.servers.imap_client import ImapClient


async def test_an_uploaded_message_is_parsed(jmap: JmapClient) -> None:
    blob = await jmap.upload(with_attachment("Uploaded"))  # whatever type was given at upload
    answer = await jmap.call("Email/parse", blobIds=[blob["blobId"], "unone"], fetchTextBodyValues=True)
    email = answer["parsed"][blob["blobId"]]
    assert email["subject"] == "Uploaded"
    assert email["bodyValues"]["1.1"]["value"] == "plain version"
    assert answer["notFound"] == ["unone"]
    (attachment,) = email["attachments"]
    assert await jmap.download(attachment["blobId"]) == b"\x00\x01binary"


async def test_metadata_of_a_parsed_message_is_null(jmap: JmapClient) -> None:
    octets = message()
    blob = await jmap.upload(octets)
    names = ["id", "mailboxIds", "keywords", "receivedAt", "threadId", "blobId", "size"]
    answer = await jmap.call("Email/parse", blobIds=[blob["blobId"]], properties=names)
    known = {"blobId": blob["blobId"], "size": len(octets)}
    assert answer["parsed"][blob["blobId"]] == dict.fromkeys(names) | known  # §4.9


async def test_what_is_no_message_is_not_parsable(jmap: JmapClient) -> None:
    blob = await jmap.upload(b"\x89PNG\r\n\x1a\n\x00\x00")
    answer = await jmap.call("Email/parse", blobIds=[blob["blobId"]])
    assert (answer["parsed"], answer["notParsable"]) == (None, [blob["blobId"]])


async def test_an_attached_message_is_parsed_and_its_attachment_downloaded(jmap: JmapClient, imap: ImapClient) -> None:
    inner = with_attachment("Inner").decode("latin-1")
    body = f"--b\r\n\r\nsee attached\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n{inner}\r\n--b--\r\n"
    imap.append("INBOX", message("Outer", headers={"Content-Type": "multipart/mixed; boundary=b"}, body=body))
    ids = (await jmap.call("Email/query"))["ids"]
    (outer,) = (await jmap.call("Email/get", ids=ids, properties=["attachments"]))["list"]
    (attached,) = outer["attachments"]
    assert attached["type"] == "message/rfc822"
    answer = await jmap.call("Email/parse", blobIds=[attached["blobId"]])
    parsed = answer["parsed"][attached["blobId"]]
    assert parsed["subject"] == "Inner"
    assert await jmap.download(parsed["attachments"][0]["blobId"]) == b"\x00\x01binary"


async def test_snippets_mark_and_escape(jmap: JmapClient, imap: ImapClient) -> None:
    body = "once upon a time, " * 40 + "the <b>needle</b> & thread, " + "and so on, " * 40
    imap.append("INBOX", message("A needle <in> a haystack", body=body + "\r\n"))
    ids = (await jmap.call("Email/query"))["ids"]
    answer = await jmap.call("SearchSnippet/get", filter={"text": "NEEDLE"}, emailIds=[*ids, "nonsense"])
    (snippet,) = answer["list"]
    assert snippet["emailId"] == ids[0]
    assert snippet["subject"] == "A <mark>needle</mark> &lt;in&gt; a haystack"  # §5
    assert "the &lt;b&gt;<mark>needle</mark>&lt;/b&gt; &amp; thread" in snippet["preview"]
    assert len(snippet["preview"].encode()) <= 255
    assert answer["notFound"] == ["nonsense"]
    (nothing,) = (await jmap.call("SearchSnippet/get", filter={"hasKeyword": "$seen"}, emailIds=ids))["list"]
    assert (nothing["subject"], nothing["preview"]) == (None, None)


async def test_a_blob_is_copied(jmap: JmapClient, imap: ImapClient) -> None:
    imap.append("INBOX", with_attachment())
    ids = (await jmap.call("Email/query"))["ids"]
    (email,) = (await jmap.call("Email/get", ids=ids, properties=["attachments"]))["list"]
    blob_id = email["attachments"][0]["blobId"]
    answer = await jmap.call("Blob/copy", fromAccountId=jmap.account, blobIds=[blob_id, "unone"])  # RFC 8620 §6.3
    assert await jmap.download(answer["copied"][blob_id]) == b"\x00\x01binary"
    assert answer["notCopied"]["unone"]["type"] == "notFound"
