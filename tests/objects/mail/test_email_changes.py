"""Email/changes and Thread/changes when other clients act (RFC 8621 §3.2, §4.3)."""

from tests.client import JmapClient
from tests.objects.mail.messages import message
from tests.servers.imap_client import ImapClient


async def test_arrival_flag_and_departure(jmap: JmapClient, imap: ImapClient) -> None:
    state = (await jmap.call("Email/get", ids=[]))["state"]
    uid = imap.append("INBOX", message()) or imap.uids("INBOX")[0]
    changes = await jmap.call("Email/changes", sinceState=state)
    (email_id,) = changes["created"]
    imap.flag("INBOX", uid, "+FLAGS", "\\Seen")
    flagged = await jmap.call("Email/changes", sinceState=changes["newState"])
    assert (flagged["created"], flagged["updated"], flagged["destroyed"]) == ([], [email_id], [])
    imap.delete("INBOX", uid)
    gone = await jmap.call("Email/changes", sinceState=flagged["newState"])
    assert (gone["created"], gone["updated"], gone["destroyed"]) == ([], [], [email_id])
    whole = await jmap.call("Email/changes", sinceState=state)
    assert (whole["created"], whole["updated"], whole["destroyed"]) == ([], [], [])  # came and went


async def test_a_move_is_an_update(jmap: JmapClient, imap: ImapClient) -> None:
    imap.create("Elsewhere")
    uid = imap.append("INBOX", message("Moving"), ["\\Seen"]) or imap.uids("INBOX")[0]
    (email_id,) = (await jmap.call("Email/query"))["ids"]
    state = (await jmap.call("Email/get", ids=[]))["state"]
    imap.move("INBOX", uid, "Elsewhere")
    changes = await jmap.call("Email/changes", sinceState=state)
    assert (changes["created"], changes["updated"], changes["destroyed"]) == ([], [email_id], [])
    (email,) = (await jmap.call("Email/get", ids=[email_id], properties=["mailboxIds", "keywords"]))["list"]
    assert email["mailboxIds"] == {(await jmap.mailbox_ids())["Elsewhere"]: True}
    assert email["keywords"] == {"$seen": True}


async def test_a_folder_that_is_replaced_takes_its_emails_along(jmap: JmapClient, imap: ImapClient) -> None:
    """Another UIDVALIDITY: the same UIDs mean other messages, and no id may ever point to a different one."""
    imap.create("Volatile")
    imap.append("Volatile", message("old"))
    (old,) = (await jmap.call("Email/query"))["ids"]
    state = (await jmap.call("Email/get", ids=[]))["state"]
    imap.remove("Volatile")
    imap.create("Volatile")
    imap.append("Volatile", message("new"))
    changes = await jmap.call("Email/changes", sinceState=state)
    assert changes["destroyed"] == [old]
    (new,) = changes["created"]
    (email,) = (await jmap.call("Email/get", ids=[new], properties=["subject"]))["list"]
    assert email["subject"] == "new"


async def test_a_folder_that_leaves_its_children_behind_takes_its_emails_along(
    jmap: JmapClient, imap: ImapClient
) -> None:
    imap.create("Above")
    imap.create("Above/Below")
    imap.append("Above", message("old"))
    imap.append("Above/Below", message("stays"))
    emails = (await jmap.call("Email/get", ids=None, properties=["subject"]))["list"]
    ids = {email["subject"]: email["id"] for email in emails}
    state = (await jmap.call("Email/get", ids=[]))["state"]
    if not imap.remove("Above"):
        imap.delete("Above", imap.uids("Above")[0])
    changes = await jmap.call("Email/changes", sinceState=state)
    assert (changes["created"], changes["destroyed"]) == ([], [ids["old"]])
    boxes = await jmap.call("Mailbox/get", ids=None, properties=["name", "totalEmails", "totalThreads"])
    counts = {box["name"]: (box["totalEmails"], box["totalThreads"]) for box in boxes["list"]}
    assert counts.get("Above", (0, 0)) == (0, 0)
    assert sum(count[0] for count in counts.values()) == 1
    answer = await jmap.call("Email/get", ids=[ids["old"], ids["stays"]], fetchAllBodyValues=True)
    assert (answer["notFound"], [email["id"] for email in answer["list"]]) == ([ids["old"]], [ids["stays"]])


async def test_paging_through_changes(jmap: JmapClient, imap: ImapClient) -> None:
    state = (await jmap.call("Email/get", ids=[]))["state"]
    for number in range(5):
        imap.append("INBOX", message(f"Message {number}"))
    seen: list[str] = []
    more = True
    while more:
        changes = await jmap.call("Email/changes", sinceState=state, maxChanges=2)
        assert len(changes["created"]) <= 2  # RFC 8620 §5.2
        seen += changes["created"]
        state, more = changes["newState"], changes["hasMoreChanges"]
    assert set(seen) == set((await jmap.call("Email/query"))["ids"])
    assert len(seen) == 5


async def test_threads_change_with_their_emails(jmap: JmapClient, imap: ImapClient) -> None:
    imap.append("INBOX", message("Talk", message_id="<talk@x>"), [], '"31-Oct-2025 00:00:00 +0000"')
    (first,) = (await jmap.call("Email/query"))["ids"]
    (email,) = (await jmap.call("Email/get", ids=[first], properties=["threadId"]))["list"]
    state = (await jmap.call("Thread/get", ids=[]))["state"]
    headers = {"In-Reply-To": "<talk@x>", "References": "<talk@x>"}
    imap.append("INBOX", message("Re: Talk", headers=headers))
    changes = await jmap.call("Thread/changes", sinceState=state)
    assert changes["updated"] == [email["threadId"]]
    (thread,) = (await jmap.call("Thread/get", ids=[email["threadId"]]))["list"]
    assert len(thread["emailIds"]) == 2
    assert thread["emailIds"][0] == first  # §3: oldest first
    assert (await jmap.call("Thread/get", ids=["nonsense"]))["notFound"] == ["nonsense"]
