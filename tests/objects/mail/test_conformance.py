"""Rules of RFC 8620 and RFC 8621 that a client can observe by reading, on every tier of server; docs/conformance.txt
says which rule is tested where."""

import re
from typing import Any

import aiohttp
import pytest

from tests.client import JmapClient
from tests.objects.mail.messages import message, with_attachment
from tests.objects.mail.test_email_query import subjects
from tests.servers.imap_client import ImapClient

ID = re.compile(r"[A-Za-z0-9_-]{1,255}")
UTC_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d*[1-9])?Z")
DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d*[1-9])?(Z|[+-]\d\d:\d\d)")
ROLES = {"all", "archive", "drafts", "flagged", "important", "inbox", "junk", "sent", "subscribed", "trash"}
TYPES = ("Email", "Mailbox", "Thread")
BROKEN = b"From: a@example.org\r\nTo: b@example.org\r\nSubject: caf\xe9 \xff!\r\n\r\ntext\r\n"


async def emails(jmap: JmapClient, *properties: str, **arguments: Any) -> list[dict[str, Any]]:
    """All Emails, oldest first."""
    ids = (await jmap.call("Email/query", sort=[{"property": "receivedAt"}]))["ids"]
    if properties:
        arguments["properties"] = list(properties)
    found: list[dict[str, Any]] = (await jmap.call("Email/get", ids=ids, **arguments))["list"]
    return found


def dated(day: int) -> str:
    """A moment of arrival in November 2026, in IMAP's form."""
    return f'"{day:2}-Nov-2026 10:00:00 +0000"'


# RFC 8620 §1, RFC 8621 §1.3: the account and its values


async def test_the_mail_capability_is_complete_and_true(jmap: JmapClient, imap: ImapClient) -> None:
    account = jmap.session["accounts"][jmap.account]
    capability = account["accountCapabilities"]["urn:ietf:params:jmap:mail"]
    assert jmap.session["capabilities"]["urn:ietf:params:jmap:mail"] == {}  # RFC 8621 §1.3.1
    for limit in ("maxMailboxesPerEmail", "maxMailboxDepth"):
        assert capability[limit] is None or capability[limit] >= 1
    assert capability["maxSizeMailboxName"] >= 100
    assert capability["maxSizeAttachmentsPerEmail"] > 0
    assert isinstance(capability["mayCreateTopLevelMailbox"], bool)
    imap.append("INBOX", message())
    assert "receivedAt" in capability["emailQuerySortOptions"]  # §4.4.2
    for option in capability["emailQuerySortOptions"]:
        keyword = {"keyword": "$seen"} if option.endswith("Keyword") else {}
        assert len((await jmap.call("Email/query", sort=[{"property": option} | keyword]))["ids"]) == 1


async def test_ids_and_dates_have_their_form(jmap: JmapClient, imap: ImapClient) -> None:
    imap.append("INBOX", with_attachment())
    imap.append("INBOX", message(date="Tue, 17 Nov 2026 09:00:00 GMT"))
    found = await emails(jmap)
    ids = {jmap.account, *(await jmap.mailbox_ids()).values()}
    for email in found:
        ids |= {email["id"], email["threadId"], email["blobId"], *email["mailboxIds"]}
        ids |= {part["blobId"] for name in ("textBody", "htmlBody", "attachments") for part in email[name]}
        assert UTC_DATE.fullmatch(email["receivedAt"])  # RFC 8620 §1.4
        assert DATE.fullmatch(email["sentAt"])
    assert all(ID.fullmatch(found_id) for found_id in ids)  # RFC 8620 §1.2
    assert all(found_id[0].isalpha() for found_id in ids)
    assert len({email["id"] for email in found}) == 2


# RFC 8621 §2: Mailboxes


async def test_mailboxes_form_a_tree_with_one_of_each_name_and_role(jmap: JmapClient, imap: ImapClient) -> None:
    for path in ("Projects", "Projects/Inner", "Other", "Other/Inner"):
        imap.create(path)
    boxes = {box["id"]: box for box in (await jmap.call("Mailbox/get", ids=None))["list"]}
    assert len({(box["parentId"], box["name"]) for box in boxes.values()}) == len(boxes)
    for box in boxes.values():
        above = [box["id"]]
        while (parent := boxes[above[-1]]["parentId"]) is not None:
            assert parent not in above
            above.append(parent)
        assert box["name"]
        assert 0 <= box["sortOrder"] < 2**31
        assert box["role"] is None or box["role"] in ROLES
        assert isinstance(box["isSubscribed"], bool)
        assert set(box["myRights"]) == {
            *("mayReadItems", "mayAddItems", "mayRemoveItems", "maySetSeen", "maySetKeywords"),
            *("mayCreateChild", "mayRename", "mayDelete", "maySubmit"),
        }
    roles = [box["role"] for box in boxes.values() if box["role"]]
    assert len(roles) == len(set(roles))


async def test_names_are_net_unicode(jmap: JmapClient, imap: ImapClient) -> None:
    imap.create("&AOQ- &- &ZeU-")  # modified UTF-7, RFC 3501 §5.1.3
    imap.create("Cafe&AwE-")  # a combining accent
    assert {"ä & 日", "Caf\u00e9"} <= set(await jmap.mailbox_ids())  # RFC 5198: in normalization form C


async def test_deleted_messages_count_nowhere(jmap: JmapClient, imap: ImapClient) -> None:
    imap.append("INBOX", message("kept"))
    imap.append("INBOX", message("going"), ["\\Deleted"])  # RFC 8621 §4.1.1
    (inbox,) = (await jmap.call("Mailbox/get", ids=[(await jmap.mailbox_ids())["Inbox"]]))["list"]
    counts = [inbox[name] for name in ("totalEmails", "unreadEmails", "totalThreads", "unreadThreads")]
    assert counts == [1, 1, 1, 1]
    assert [email["subject"] for email in await emails(jmap, "subject")] == ["kept"]
    assert (await jmap.call("Email/query", filter={"subject": "going"}))["ids"] == []
    assert len((await jmap.call("Thread/get", ids=None))["list"]) == 1


async def test_drafts_are_not_unread_and_the_trash_has_threads_of_its_own(jmap: JmapClient, imap: ImapClient) -> None:
    imap.append("INBOX", message("Talk", message_id="<talk@x>"), ["\\Seen"])
    imap.append("INBOX", message("Draft"), ["\\Draft"])
    imap.append("Trash", message("Re: Talk", headers={"References": "<talk@x>"}))
    boxes = {box["role"]: box for box in (await jmap.call("Mailbox/get", ids=None))["list"]}
    # RFC 8621 §2: the unread reply in the Trash makes the Thread unread there, and nowhere else
    assert (boxes["inbox"]["unreadEmails"], boxes["inbox"]["unreadThreads"]) == (0, 0)
    assert (boxes["trash"]["unreadEmails"], boxes["trash"]["unreadThreads"]) == (1, 1)


async def test_mailbox_query_sorts_and_filters_as_it_must(jmap: JmapClient, imap: ImapClient) -> None:
    imap.create("A")
    for name in ("sortOrder", "name", "parentId"):
        everything = await jmap.call("Mailbox/query", sort=[{"property": name}])  # RFC 8621 §2.3
        assert set(everything["ids"]) == set((await jmap.mailbox_ids()).values())
    plain = {"filter": {"role": None, "parentId": None}}
    before = await jmap.call("Mailbox/query", **plain)
    assert before["ids"] == [(await jmap.mailbox_ids())["A"]]
    imap.create("B")
    assert (await jmap.call("Mailbox/query", **plain))["queryState"] != before["queryState"]  # RFC 8620 §5.5
    changes = await jmap.call("Mailbox/queryChanges", sinceQueryState=before["queryState"], **plain)
    new = [{"id": (await jmap.mailbox_ids())["B"], "index": 1}]
    assert [item for item in changes["added"] if item["id"] not in before["ids"]] == new
    assert "total" not in changes  # RFC 8620 §5.6


# RFC 8620 §5.1, §5.2: /get and /changes


async def test_get_tells_states_and_missing_ids(jmap: JmapClient, imap: ImapClient) -> None:
    imap.append("INBOX", message())
    (email,) = await emails(jmap, "id")
    answer = await jmap.call("Email/get", ids=[email["id"], "none", email["id"], "none"], properties=["subject"])
    assert [item["id"] for item in answer["list"]] == [email["id"]]  # each once, and the id always
    assert answer["notFound"] == ["none"]
    states = {}
    for name in TYPES:
        first, second = [(await jmap.call(f"{name}/get", ids=[]))["state"] for _ in range(2)]
        assert first == second
        error = await jmap.error(f"{name}/get", ids=[], properties=["nonsense"])
        assert error["type"] == "invalidArguments"
        assert (await jmap.error(f"{name}/changes", sinceState=first, maxChanges=0))["type"] == "invalidArguments"
        nothing = await jmap.call(f"{name}/changes", sinceState=first)
        assert (nothing["oldState"], nothing["newState"], nothing["hasMoreChanges"]) == (first, first, False)
        states[name] = first
    imap.append("INBOX", message())
    for name in TYPES:
        assert (await jmap.call(f"{name}/get", ids=[]))["state"] != states[name]


async def test_what_was_created_and_updated_is_created(jmap: JmapClient, imap: ImapClient) -> None:
    imap.append("INBOX", message("old"))
    (old,) = await emails(jmap, "id")
    state = (await jmap.call("Email/get", ids=[]))["state"]
    imap.append("INBOX", message("new"))
    await jmap.call("Email/get", ids=[])
    uids = imap.uids("INBOX")
    for uid in uids:
        imap.flag("INBOX", uid, "+FLAGS", "\\Flagged")
    await jmap.call("Email/get", ids=[])
    imap.delete("INBOX", uids[0])
    changes = await jmap.call("Email/changes", sinceState=state)
    assert (len(changes["created"]), changes["updated"], changes["destroyed"]) == (1, [], [old["id"]])


# RFC 8621 §3: Threads


async def test_every_email_is_in_one_thread_oldest_first(jmap: JmapClient, imap: ImapClient) -> None:
    reply = {"References": "<talk@x>"}
    imap.append("INBOX", message("Talk", message_id="<talk@x>"), [], dated(10))
    imap.append("INBOX", message("Re: Talk", headers=reply), [], dated(12))
    imap.append("INBOX", message("Re: Talk", headers=reply), [], dated(11))
    imap.append("INBOX", message("Alone"), [], dated(9))
    found = await emails(jmap, "threadId", "receivedAt")
    threads = {thread["id"]: thread["emailIds"] for thread in (await jmap.call("Thread/get", ids=None))["list"]}
    assert sorted(member for members in threads.values() for member in members) == sorted(item["id"] for item in found)
    assert all(email["id"] in threads[email["threadId"]] for email in found)
    received = {email["id"]: email["receivedAt"] for email in found}
    assert all(members == sorted(members, key=received.__getitem__) for members in threads.values())
    assert sorted(map(len, threads.values())) == [1, 3]


# RFC 8621 §4.1, §4.2: Email properties


async def test_the_default_properties(jmap: JmapClient, imap: ImapClient) -> None:
    imap.append("INBOX", with_attachment())
    (email,) = await emails(jmap)
    assert set(email) == {  # RFC 8621 §4.2
        *("id", "blobId", "threadId", "mailboxIds", "keywords", "size", "receivedAt", "messageId", "inReplyTo"),
        *("references", "sender", "from", "to", "cc", "bcc", "replyTo", "subject", "sentAt", "hasAttachment"),
        *("preview", "bodyValues", "textBody", "htmlBody", "attachments"),
    }
    parts = {"partId", "blobId", "size", "name", "type", "charset", "disposition", "cid", "language", "location"}
    assert set(email["textBody"][0]) == parts
    assert email["bodyValues"] == {}
    assert set(email["mailboxIds"].values()) == {True}  # §4.1.1: in one at least


async def test_keywords_are_lower_case_and_true(jmap: JmapClient, imap: ImapClient) -> None:
    imap.append("INBOX", message(), ["\\Seen", "\\Answered", "$Forwarded", "MyLabel"])
    (email,) = await emails(jmap, "keywords")
    assert email["keywords"] == {"$seen": True, "$answered": True, "$forwarded": True, "mylabel": True}


async def test_broken_header_octets_are_replaced(jmap: JmapClient, imap: ImapClient) -> None:
    blob = await jmap.upload(BROKEN.replace(b"caf", b"c\x00af"))
    answer = await jmap.call("Email/parse", blobIds=[blob["blobId"]], properties=["header:Subject"])
    raw = answer["parsed"][blob["blobId"]]["header:Subject"]
    assert raw == " caf\ufffd \ufffd!"  # RFC 8621 §4.1.2.1: NUL is dropped, what is no UTF-8 replaced
    imap.append("INBOX", BROKEN)
    (email,) = await emails(jmap, "header:Subject")
    assert email["header:Subject"] in (raw, " cafX X!")  # Cyrus has written an X into the message itself


async def test_international_headers(jmap: JmapClient) -> None:
    blob = await jmap.upload(message("Grüße", sender="Jörg <jörg@bücher.example>"))  # RFC 6532
    answer = await jmap.call("Email/parse", blobIds=[blob["blobId"]], properties=["from", "subject"])
    expected = {"from": [{"name": "Jörg", "email": "jörg@bücher.example"}], "subject": "Grüße"}
    assert answer["parsed"][blob["blobId"]] == expected  # RFC 8621 §4.9


async def test_encoded_words_only_where_they_may_be(jmap: JmapClient, imap: ImapClient) -> None:
    headers = {"Comments": "a=?utf-8?q?b?= =?utf-8?q?c?="}
    imap.append("INBOX", message("=?utf-8?q?caf=C3=A9?= =?utf-8?q?_au_lait?=", headers=headers))
    (email,) = await emails(jmap, "subject", "header:Comments:asText")
    assert email["subject"] == "café au lait"  # RFC 8621 §4.1.2.2
    assert email["header:Comments:asText"] == "a=?utf-8?q?b?= c"


async def test_html_is_not_cut_inside_of_a_tag(jmap: JmapClient, imap: ImapClient) -> None:
    body = 'ab<a href="https://example.com">text</a>\r\n'
    imap.append("INBOX", message(headers={"Content-Type": "text/html; charset=utf-8"}, body=body))
    for most in range(3, 30, 5):
        (email,) = await emails(jmap, "bodyValues", fetchHTMLBodyValues=True, maxBodyValueBytes=most)
        (value,) = email["bodyValues"].values()
        assert value == {"value": "ab", "isTruncated": True, "isEncodingProblem": False}  # RFC 8621 §4.2


async def test_undecodable_text_is_told(jmap: JmapClient, imap: ImapClient) -> None:
    wrong = {"Content-Type": "text/plain; charset=utf-8", "Content-Transfer-Encoding": "quoted-printable"}
    imap.append("INBOX", message("broken", headers=wrong, body="caf=E9\r\n"))
    (email,) = await emails(jmap, "bodyValues", fetchTextBodyValues=True)
    (value,) = email["bodyValues"].values()
    assert value == {"value": "caf\ufffd\n", "isEncodingProblem": True, "isTruncated": False}  # RFC 8621 §4.1.4


# RFC 8620 §5.5, §5.6, RFC 8621 §4.4, §4.5: queries


async def test_windows_of_a_query(jmap: JmapClient, imap: ImapClient) -> None:
    for number in range(3):
        imap.append("INBOX", message(f"{number}"), [], dated(10 + number))
    whole = await jmap.call("Email/query")
    ids = whole["ids"]
    assert "total" not in whole
    assert (await jmap.call("Email/query", position=-9))["ids"] == ids
    assert (await jmap.call("Email/query", position=3))["ids"] == []
    assert (await jmap.call("Email/query", anchor=ids[1], position=7))["ids"] == ids[1:]
    assert (await jmap.call("Email/query", anchorOffset=2))["ids"] == ids
    assert (await jmap.error("Email/query", limit=-1))["type"] == "invalidArguments"
    assert (await jmap.call("Email/query"))["queryState"] == whole["queryState"]
    imap.append("INBOX", message("newest"))
    assert (await jmap.call("Email/query"))["queryState"] != whole["queryState"]


async def test_errors_of_filters_and_sorts(jmap: JmapClient) -> None:
    assert (await jmap.error("Email/query", filter={"nonsense": 1}))["type"] == "unsupportedFilter"
    for sort in ({"property": "nonsense"}, {"property": "subject", "collation": "i;nonsense"}):
        assert (await jmap.error("Email/query", sort=[sort]))["type"] == "unsupportedSort"
    for header in ([], ["a", "b", "c"], "a"):
        assert (await jmap.error("Email/query", filter={"header": header}))["type"] == "invalidArguments"  # §4.4.1
    without_keyword = await jmap.error("Email/query", sort=[{"property": "hasKeyword"}])  # §4.4.2
    assert without_keyword["type"] in ("invalidArguments", "unsupportedSort")


FOUND = [
    *("alice", "bob", "carol", "dave", "café", "today", "needle"),
    *("NEEDLE two", "today needle", '"one needle"', r'"a \"quoted\" word"'),
]


async def test_text_is_looked_for_in_every_place(jmap: JmapClient, imap: ImapClient) -> None:
    headers = {"Cc": "carol@example.org", "Bcc": "dave@example.org"}
    body = 'one needle, two, a "quoted" word\r\n'
    imap.append("INBOX", message("=?utf-8?q?Caf=C3=A9?= today", headers=headers, body=body))
    imap.append("INBOX", message("other", sender="eve@example.com", to="frank@example.com", body="nothing\r\n"))
    for text in FOUND:
        assert await subjects(jmap, filter={"text": text}) == ["Café today"], text  # RFC 8621 §4.4.1
    for text in ('"two needle"', "needle absent", "'needle one'"):
        assert await subjects(jmap, filter={"text": text}) == [], text
    for name, text in (("from", "alice"), ("to", "bob"), ("cc", "carol"), ("bcc", "dave"), ("subject", "CAFÉ")):
        assert await subjects(jmap, filter={name: text}) == ["Café today"], name
    for name, text in (("from", "bob"), ("to", "alice"), ("subject", "needle"), ("body", "alice")):
        assert await subjects(jmap, filter={name: text}) == [], name


async def test_query_changes_are_sorted_and_cut(jmap: JmapClient, imap: ImapClient) -> None:
    for number in range(4):
        imap.append("INBOX", message(f"{number}"), [], dated(10 + number))
    before = await jmap.call("Email/query")
    imap.append("INBOX", message("oldest"), [], dated(1))
    imap.append("INBOX", message("newest"), [], dated(20))
    since = {"sinceQueryState": before["queryState"]}
    changes = await jmap.call("Email/queryChanges", **since)
    assert [item["index"] for item in changes["added"]] == [0, 5]  # RFC 8620 §5.6
    assert "total" not in changes
    assert (await jmap.call("Email/queryChanges", calculateTotal=True, **since))["total"] == 6
    visible = await jmap.call("Email/queryChanges", upToId=before["ids"][0], **since)
    assert [item["index"] for item in visible["added"]] == [0]  # sort and filter are on what never changes
    assert (await jmap.error("Email/queryChanges", maxChanges=1, **since))["type"] == "tooManyChanges"
    unknown = await jmap.error("Email/queryChanges", sinceQueryState="nonsense")
    assert unknown["type"] == "cannotCalculateChanges"


# RFC 8621 §4.9, §5: Email/parse and search snippets


async def test_parse_refuses_what_get_refuses(jmap: JmapClient) -> None:
    error = await jmap.error("Email/parse", blobIds=[], properties=["header:From:asDate"])
    assert error["type"] == "invalidArguments"
    blob = await jmap.upload(message("Case", body="äöü" * 20 + "\r\n"))
    answer = await jmap.call(
        "Email/parse",
        blobIds=[blob["blobId"]],
        properties=["header:sUBJECT:asText", "bodyValues"],
        fetchTextBodyValues=True,
        maxBodyValueBytes=3,
    )
    parsed = answer["parsed"][blob["blobId"]]
    assert parsed["header:sUBJECT:asText"] == "Case"
    assert [value["value"] for value in parsed["bodyValues"].values()] == ["ä"]


@pytest.mark.parametrize("condition", [{"hasKeyword": "$seen"}, {"from": "alice"}, None])
async def test_no_snippet_is_null(jmap: JmapClient, imap: ImapClient, condition: dict[str, str] | None) -> None:
    imap.append("INBOX", message())
    (email,) = await emails(jmap, "id")
    answer = await jmap.call("SearchSnippet/get", filter=condition, emailIds=[email["id"]])
    assert answer["list"] == [{"emailId": email["id"], "subject": None, "preview": None}]
    assert answer["notFound"] is None


# RFC 8620 §6: blobs


async def test_blobs_are_uploaded_and_downloaded(jmap: JmapClient) -> None:
    upload = await jmap.upload(b"data", "text/plain")
    assert (upload["accountId"], upload["type"], upload["size"]) == (jmap.account, "text/plain", 4)
    async with jmap.http.get(jmap.download_url(upload["blobId"], "text/plain", "name.txt")) as answer:
        assert await answer.read() == b"data"
        assert answer.headers["Content-Type"].startswith("text/plain")
        assert "name.txt" in answer.headers["Content-Disposition"]
    async with jmap.http.get(jmap.download_url("unone")) as answer:
        assert (answer.status, answer.content_type) == (404, "application/problem+json")


async def test_a_part_is_downloaded_decoded(jmap: JmapClient, imap: ImapClient) -> None:
    imap.append("INBOX", with_attachment(data=bytes(range(256))))
    (email,) = await emails(jmap, "blobId", "attachments")
    (part,) = email["attachments"]
    assert await jmap.download(part["blobId"], part["type"]) == bytes(range(256))  # RFC 8621 §4.1.4
    octets = await jmap.download(email["blobId"], "message/rfc822")
    assert octets.startswith(b"From: ")


# RFC 8620 §3: requests


async def test_errors_of_one_call_leave_the_others(jmap: JmapClient, imap: ImapClient) -> None:
    imap.append("INBOX", message())
    reference = {"resultOf": "c0", "name": "Email/query", "path": "/ids"}
    answers = await jmap.sentences(
        ("Email/query", {}),
        ("Nonsense/get", {}),
        ("Email/get", {"#ids": reference | {"path": "/nothing"}}),
        ("Email/get", {"ids": [], "#ids": reference}),
        ("Email/get", {"#ids": reference, "properties": ["subject"]}),
    )
    kinds = [given["type"] if name == "error" else name for name, given, _ in answers]
    assert kinds == ["Email/query", "unknownMethod", "invalidResultReference", "invalidArguments", "Email/get"]
    assert [call_id for _, _, call_id in answers] == ["c0", "c1", "c2", "c3", "c4"]
    assert len(answers[4][1]["list"]) == 1


async def test_only_what_is_used_is_there(jmap: JmapClient) -> None:
    answers = await jmap.sentences(("Email/query", {}), using=["urn:ietf:params:jmap:core"])
    assert answers[0][1]["type"] == "unknownMethod"  # RFC 8620 §1.8
    jmap.account = "nobody"
    assert (await jmap.error("Email/query"))["type"] == "accountNotFound"


async def test_nothing_without_credentials(jmap: JmapClient) -> None:
    async with aiohttp.ClientSession() as http:
        async with http.post(jmap.session["apiUrl"], json={}) as answer:
            assert answer.status == 401  # RFC 8620 §1.7
        async with http.get(jmap.download_url("unone")) as answer:
            assert answer.status == 401
