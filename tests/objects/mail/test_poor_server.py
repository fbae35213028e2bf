"""Reading from pymap: no CONDSTORE, SORT, ESEARCH, NAMESPACE, SPECIAL-USE, LIST-STATUS, and wrong BODYSTRUCTUREs."""

from collections.abc import AsyncIterator

import pytest

from tests.client import JmapClient, jmap_client
from tests.gateway import running_gateway
from tests.objects.mail.messages import message, with_attachment
from tests.servers.imap_client import ImapClient, imap_client
from tests.servers.pymap import Pymap
from tests.servers.users import User, fresh_user


@pytest.fixture
def user(pymap_server: Pymap) -> User:
    return fresh_user(pymap_server)


@pytest.fixture
async def jmap(pymap_server: Pymap, user: User) -> AsyncIterator[JmapClient]:
    async with running_gateway(pymap_server) as url, jmap_client(url, *user) as client:
        yield client


async def test_mailboxes_list_messages_and_changes(pymap_server: Pymap, user: User, jmap: JmapClient) -> None:
    with imap_client(pymap_server, user) as imap:
        imap.create("Work")
        imap.append("INBOX", message("first", message_id="<first@x>"), ["\\Seen"], '"10-Nov-2026 10:00:00 +0000"')
        imap.append("INBOX", with_attachment("second"), [], '"11-Nov-2026 10:00:00 +0000"')
        reply = message("Re: first", headers={"In-Reply-To": "<first@x>"})
        imap.append("Work", reply, [], '"12-Nov-2026 10:00:00 +0000"')
        boxes = {box["name"]: box for box in (await jmap.call("Mailbox/get", ids=None))["list"]}
        inbox = boxes["Inbox"]
        assert (inbox["role"], inbox["totalEmails"], inbox["unreadEmails"]) == ("inbox", 2, 1)
        assert boxes["Work"]["totalEmails"] == 1
        query = await jmap.call("Email/query", filter={"inMailbox": inbox["id"]}, calculateTotal=True)
        answer = await jmap.call("Email/get", ids=query["ids"], fetchTextBodyValues=True)
        second, first = answer["list"]
        assert (second["subject"], first["subject"], query["total"]) == ("second", "first", 2)
        assert (first["keywords"], second["keywords"]) == ({"$seen": True}, {})
        assert first["bodyValues"]["1"]["value"].startswith("Hello Bob")
        (attachment,) = second["attachments"]
        assert (attachment["name"], attachment["size"]) == ("data.bin", 8)
        assert await jmap.download(attachment["blobId"]) == b"\x00\x01binary"
        await follow(imap, jmap, first["id"], boxes["Work"]["id"])


async def follow(imap: ImapClient, jmap: JmapClient, first: str, work: str) -> None:
    """A flag, a move and an expunge by another client, as Email/changes tells them."""
    state = (await jmap.call("Email/get", ids=[]))["state"]
    uids = imap.uids("INBOX")
    imap.flag("INBOX", uids[0], "+FLAGS", "\\Flagged")
    flagged = await jmap.call("Email/changes", sinceState=state)
    assert (flagged["created"], flagged["updated"], flagged["destroyed"]) == ([], [first], [])
    imap.move("INBOX", uids[0], "Work")
    moved = await jmap.call("Email/changes", sinceState=flagged["newState"])
    assert (moved["created"], moved["updated"], moved["destroyed"]) == ([], [first], [])
    (email,) = (await jmap.call("Email/get", ids=[first], properties=["mailboxIds"]))["list"]
    assert email["mailboxIds"] == {work: True}
    imap.delete("INBOX", uids[1])
    gone = await jmap.call("Email/changes", sinceState=moved["newState"])
    assert (gone["created"], gone["updated"], len(gone["destroyed"])) == ([], [], 1)
