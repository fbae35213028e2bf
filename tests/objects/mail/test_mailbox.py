"""Mailbox (RFC 8621 §2)."""

from tests.client import JmapClient
from tests.objects.mail.messages import message
from tests.servers.imap_client import ImapClient


async def test_an_account_has_its_special_folders_by_role(jmap: JmapClient) -> None:
    boxes = (await jmap.call("Mailbox/get", ids=None))["list"]
    roles = [box["role"] for box in boxes if box["role"]]
    assert {"inbox", "sent", "drafts", "trash"} <= set(roles)
    assert len(roles) == len(set(roles))  # RFC 8621 §2: not two of one role
    assert all(box["myRights"]["mayReadItems"] for box in boxes)


async def test_counts_are_of_emails_and_threads(jmap: JmapClient, imap: ImapClient) -> None:
    first = message("Lunch", message_id="<lunch@example.org>")
    imap.append("INBOX", first)
    imap.append("INBOX", message("Re: Lunch", headers={"In-Reply-To": "<lunch@example.org>"}), ["\\Seen"])
    imap.append("INBOX", message("Other"), ["\\Seen"])
    boxes = (await jmap.call("Mailbox/get", ids=None))["list"]
    (inbox,) = (box for box in boxes if box["role"] == "inbox")
    counts = {name: inbox[name] for name in ("totalEmails", "unreadEmails", "totalThreads", "unreadThreads")}
    assert counts == {"totalEmails": 3, "unreadEmails": 1, "totalThreads": 2, "unreadThreads": 1}


async def test_only_counts_changed_is_told(jmap: JmapClient, imap: ImapClient) -> None:
    state = (await jmap.call("Mailbox/get", ids=None))["state"]
    imap.append("INBOX", message())
    changes = await jmap.call("Mailbox/changes", sinceState=state)
    inbox = (await jmap.mailbox_ids())["Inbox"]
    assert changes["updated"] == [inbox]
    assert set(changes["updatedProperties"]) == {"totalEmails", "unreadEmails", "totalThreads", "unreadThreads"}  # §2.2
    imap.create("New")
    changes = await jmap.call("Mailbox/changes", sinceState=changes["newState"])
    assert len(changes["created"]) == 1
    assert changes["updatedProperties"] is None


async def test_each_call_gets_the_properties_that_it_asked_for(jmap: JmapClient, imap: ImapClient) -> None:
    everything = {box["id"]: box for box in (await jmap.call("Mailbox/get", ids=None))["list"]}
    inbox = (await jmap.mailbox_ids())["Inbox"]
    for names in (["id", "role"], ["id", "unreadThreads", "name"]):
        for ids in ([inbox], None, [inbox, "Mnone"]):
            found = await jmap.call("Mailbox/get", ids=ids, properties=names)
            wanted = list(everything) if ids is None else [inbox]
            assert found["list"] == [{name: everything[one][name] for name in names} for one in wanted]
            assert found["notFound"] == [one for one in ids or () if one not in everything]
    imap.append("INBOX", message())
    (found,) = (await jmap.call("Mailbox/get", ids=[inbox], properties=["unreadThreads"]))["list"]
    assert found == {"id": inbox, "unreadThreads": 1}


async def test_a_renamed_folder_keeps_its_id(jmap: JmapClient, imap: ImapClient) -> None:
    imap.create("Before")
    imap.append("Before", message())
    before = await jmap.mailbox_ids()
    state = (await jmap.call("Mailbox/get", ids=[]))["state"]
    imap.rename("Before", "After")
    after = await jmap.mailbox_ids()
    assert after["After"] == before["Before"]
    changes = await jmap.call("Mailbox/changes", sinceState=state)
    assert (changes["created"], changes["updated"], changes["destroyed"]) == ([], [before["Before"]], [])


async def test_a_folder_deleted_and_made_again_is_another(jmap: JmapClient, imap: ImapClient) -> None:
    imap.create("Again")
    before = await jmap.mailbox_ids()
    imap.remove("Again")
    imap.create("Again")
    imap.append("Again", message())
    assert (await jmap.mailbox_ids())["Again"] != before["Again"]


async def test_query_filters_and_sorts(jmap: JmapClient, imap: ImapClient) -> None:
    imap.create("Projects")
    imap.create("Projects/beta")
    imap.create("Projects/Alpha")
    ids = await jmap.mailbox_ids()
    by_name = [{"property": "name"}]
    children = await jmap.call("Mailbox/query", filter={"parentId": ids["Projects"]}, sort=by_name)
    assert children["ids"] == [ids["Alpha"], ids["beta"]]
    inbox = await jmap.call("Mailbox/query", filter={"role": "inbox"}, calculateTotal=True)
    assert (inbox["ids"], inbox["total"]) == ([ids["Inbox"]], 1)
    named = await jmap.call("Mailbox/query", filter={"name": "ALPH"})
    assert named["ids"] == [ids["Alpha"]]
    plain = await jmap.call("Mailbox/query", filter={"operator": "NOT", "conditions": [{"hasAnyRole": True}]})
    assert set(plain["ids"]) == {ids[name] for name in ("Projects", "Alpha", "beta")}


async def test_sort_as_tree_puts_parents_first(jmap: JmapClient, imap: ImapClient) -> None:
    imap.create("Z")
    imap.create("Z/a")
    imap.create("B")
    ids = await jmap.mailbox_ids()
    no_role = {"hasAnyRole": False}
    flat = await jmap.call("Mailbox/query", filter=no_role, sort=[{"property": "name"}])
    assert flat["ids"] == [ids["a"], ids["B"], ids["Z"]]
    tree = await jmap.call("Mailbox/query", filter=no_role, sort=[{"property": "name"}], sortAsTree=True)
    assert tree["ids"] == [ids["B"], ids["Z"], ids["a"]]
    rooted = await jmap.call("Mailbox/query", filter={"name": "a"}, filterAsTree=True)
    assert ids["a"] not in rooted["ids"]  # its parent does not match


async def test_unknown_ids_and_properties(jmap: JmapClient) -> None:
    answer = await jmap.call("Mailbox/get", ids=["nonsense"])
    assert answer["notFound"] == ["nonsense"]
    assert (await jmap.error("Mailbox/get", ids=None, properties=["nonsense"]))["type"] == "invalidArguments"
    assert (await jmap.error("Mailbox/query", filter={"nonsense": 1}))["type"] == "unsupportedFilter"
    assert (await jmap.error("Mailbox/query", sort=[{"property": "nonsense"}]))["type"] == "unsupportedSort"
    assert (await jmap.error("Mailbox/changes", sinceState="nonsense"))["type"] == "cannotCalculateChanges"
