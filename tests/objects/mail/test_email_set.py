"""Email/set: update and destroy (RFC 8621 §4.6) on every tier of server."""

import asyncio
from typing import Any

import pytest

from tests.client import JmapClient, jmap_client
from tests.objects.mail.conftest import Tier
from tests.objects.mail.messages import message
from tests.servers.imap_client import ImapClient, imap_client
from tests.servers.users import User

UIDPLUS_TIERS = ["dovecot", "cyrus"]
"""Where one message can be moved or removed without touching others."""


async def emails(jmap: JmapClient) -> dict[str, dict[str, Any]]:
    """Subject -> Email with what can change."""
    query = await jmap.call("Email/query", filter=None)
    names = ["id", "subject", "keywords", "mailboxIds"]
    found = await jmap.call("Email/get", ids=query["ids"], properties=names)
    return {email["subject"]: email for email in found["list"]}


async def one(jmap: JmapClient, imap: ImapClient, mailbox: str = "INBOX", flags: tuple[str, ...] = ()) -> str:
    """The id of a message that was put into a mailbox just now."""
    state = (await jmap.call("Email/get", ids=[]))["state"]
    imap.append(mailbox, message(), flags)
    (email_id,) = (await jmap.call("Email/changes", sinceState=state))["created"]
    return str(email_id)


async def shown(jmap: JmapClient, email_id: str) -> dict[str, Any]:
    answer = await jmap.call("Email/get", ids=[email_id], properties=["keywords", "mailboxIds"])
    email: dict[str, Any] = answer["list"][0]
    return email


async def update(jmap: JmapClient, email_id: str, **patch: Any) -> dict[str, Any]:
    return await jmap.call("Email/set", update={email_id: patch})


async def test_keywords_whole_and_by_patch(jmap: JmapClient, imap: ImapClient) -> None:
    email_id = await one(jmap, imap, flags=("\\Flagged", "kept"))
    (uid,) = imap.uids("INBOX")
    answer = await jmap.call("Email/set", update={email_id: {"keywords/$seen": True, "keywords/Work": True}})
    assert answer["notUpdated"] is None
    assert answer["updated"][email_id] in (
        None,
        {"keywords": {"$flagged": True, "$seen": True, "kept": True, "work": True}},
    )
    assert {flag.lower() for flag in imap.flags("INBOX", uid)} == {"\\flagged", "\\seen", "kept", "work"}
    changes = await jmap.call("Email/changes", sinceState=answer["oldState"])
    assert (changes["updated"], changes["newState"]) == ([email_id], answer["newState"])
    await jmap.call("Email/set", update={email_id: {"keywords/WORK": None, "keywords/$flagged": None}})
    assert {flag.lower() for flag in imap.flags("INBOX", uid)} == {"\\seen", "kept"}
    await update(jmap, email_id, keywords={"$draft": True, "$answered": True, "$forwarded": True, "$notjunk": True})
    keywords = (await shown(jmap, email_id))["keywords"]
    assert keywords == {"$draft": True, "$answered": True, "$forwarded": True, "$notjunk": True}
    assert {flag.lower() for flag in imap.flags("INBOX", uid)} == {"\\draft", "\\answered", "$forwarded", "$notjunk"}


async def test_flags_reach_every_copy(jmap: JmapClient, imap: ImapClient) -> None:
    imap.create("Second")
    email_id = await one(jmap, imap)
    (uid,) = imap.uids("INBOX")
    imap.copy("INBOX", uid, "Second")
    imap.flag("INBOX", uid, "+FLAGS", "only-here")
    (second,) = imap.uids("Second")
    assert (await shown(jmap, email_id))["keywords"] == {"only-here": True}
    await update(jmap, email_id, **{"keywords/$seen": True, "keywords/only-here": None})
    assert (imap.flags("INBOX", uid), imap.flags("Second", second)) == ({"\\Seen"}, {"\\Seen"})
    assert (await shown(jmap, email_id))["keywords"] == {"$seen": True}


async def test_moving_adding_and_removing(tier: Tier, jmap: JmapClient, imap: ImapClient) -> None:
    for name in ("One", "Two", "Three"):
        imap.create(name)
    email_id = await one(jmap, imap, flags=("\\Flagged",))
    ids = await jmap.mailbox_ids()
    inbox, first, second, third = (ids[name] for name in ("Inbox", "One", "Two", "Three"))
    answer = await update(jmap, email_id, **{f"mailboxIds/{first}": True, f"mailboxIds/{second}": True})
    assert answer["updated"] == {email_id: None}
    expected = {inbox: True, first: True, second: True}
    assert await shown(jmap, email_id) == {"id": email_id, "mailboxIds": expected, "keywords": {"$flagged": True}}
    answer = await update(jmap, email_id, mailboxIds={third: True})
    if tier.name == "plain":  # no way to remove a single message
        assert answer["notUpdated"][email_id]["type"] == "forbidden"
        assert [len(imap.uids(name)) for name in ("INBOX", "One", "Two")] == [1, 1, 1]
        return
    assert answer["updated"] == {email_id: None}
    expected = {third: True}
    assert await shown(jmap, email_id) == {"id": email_id, "mailboxIds": expected, "keywords": {"$flagged": True}}
    assert [len(imap.uids(name)) for name in ("INBOX", "One", "Two", "Three")] == [0, 0, 0, 1]
    changes = await jmap.call("Email/changes", sinceState=answer["oldState"])
    assert (changes["created"], changes["updated"], changes["destroyed"]) == ([], [email_id], [])


async def test_a_move_and_a_flag_in_one_update(tier: Tier, jmap: JmapClient, imap: ImapClient) -> None:
    email_id = await one(jmap, imap)
    trash = (await jmap.mailbox_ids())["Trash"]
    answer = await update(jmap, email_id, mailboxIds={trash: True}, **{"keywords/$seen": True})
    if tier.name == "plain":
        assert answer["notUpdated"][email_id]["type"] == "forbidden"
        (uid,) = imap.uids("INBOX")
        assert imap.flags("INBOX", uid) == set()  # RFC 8620 §5.3: never a part of an update
        return
    assert answer["updated"] == {email_id: None}
    (uid,) = imap.uids("Trash")
    assert imap.flags("Trash", uid) == {"\\Seen"}


@pytest.mark.parametrize("tier", UIDPLUS_TIERS, indirect=True, scope="session")
async def test_what_only_one_copy_had_survives_its_removal(tier: Tier, jmap: JmapClient, imap: ImapClient) -> None:
    imap.create("Second")
    email_id = await one(jmap, imap)
    (uid,) = imap.uids("INBOX")
    imap.copy("INBOX", uid, "Second")
    imap.flag("INBOX", uid, "+FLAGS", "\\Flagged", "\\Seen")
    second = (await jmap.mailbox_ids())["Second"]
    assert (await shown(jmap, email_id))["keywords"] == {"$flagged": True}
    await update(jmap, email_id, mailboxIds={second: True})
    assert await shown(jmap, email_id) == {"id": email_id, "keywords": {"$flagged": True}, "mailboxIds": {second: True}}


async def test_destroy_removes_all_copies_and_nothing_else(tier: Tier, jmap: JmapClient, imap: ImapClient) -> None:
    imap.create("Second")
    email_id = await one(jmap, imap)
    (uid,) = imap.uids("INBOX")
    imap.copy("INBOX", uid, "Second")
    other = await one(jmap, imap)
    imap.flag("INBOX", imap.uids("INBOX")[1], "+FLAGS", "\\Deleted")
    answer = await jmap.call("Email/set", destroy=[email_id, "m" + "0" * 26, other])
    assert answer["notDestroyed"].pop("m" + "0" * 26)["type"] == "notFound"
    assert answer["notDestroyed"].pop(other)["type"] == "notFound"  # RFC 8621 §4.1.1: \\Deleted is not there
    if tier.name == "plain":
        assert answer["notDestroyed"][email_id]["type"] == "forbidden"
        return
    assert (answer["destroyed"], answer["notDestroyed"]) == ([email_id], {})
    assert (len(imap.uids("INBOX")), imap.uids("Second")) == (1, [])


async def test_what_is_refused(jmap: JmapClient, imap: ImapClient) -> None:
    email_id = await one(jmap, imap)
    inbox = (await jmap.mailbox_ids())["Inbox"]
    refused: dict[str, list[dict[str, Any]]] = {
        "invalidProperties": [
            {"mailboxIds": {}},
            {f"mailboxIds/{inbox}": None},
            {"mailboxIds": {"f" + "0" * 26: True}},
            {"mailboxIds/#nothing": True},
            {"mailboxIds": {inbox: False}},
            {"keywords": {"\\Deleted": True}},
            {"keywords": {"a b": True}},
            {"keywords": {"{3}": True}},
            {"keywords": {"": True}},
            {"keywords/x\r\ny": True},
            {"keywords/$seen": False},
            {"subject": "new"},
            {"size": 1},
        ],
        "tooManyKeywords": [{"keywords": {f"k{number}": True for number in range(101)}}],
    }
    for kind, patches in refused.items():
        for patch in patches:
            answer = await jmap.call("Email/set", update={email_id: patch})
            assert answer["notUpdated"][email_id]["type"] == kind, patch
    answer = await update(jmap, "m" + "0" * 26, keywords={})
    assert answer["notUpdated"]["m" + "0" * 26]["type"] == "notFound"
    (uid,) = imap.uids("INBOX")
    assert imap.flags("INBOX", uid) == set()
    error = await jmap.error("Email/set", ifInState="nonsense", update={email_id: {"keywords": {"$seen": True}}})
    assert error["type"] == "stateMismatch"


async def test_some_of_a_batch_fail(jmap: JmapClient, imap: ImapClient) -> None:
    good = await one(jmap, imap)
    bad = await one(jmap, imap)
    answer = await jmap.call(
        "Email/set", update={good: {"keywords/$seen": True}, bad: {"keywords/$seen": True, "mailboxIds/nowhere": True}}
    )
    assert (list(answer["updated"]), list(answer["notUpdated"])) == ([good], [bad])
    first, second = imap.uids("INBOX")
    assert (imap.flags("INBOX", first), imap.flags("INBOX", second)) == ({"\\Seen"}, set())


async def test_many_at_once(jmap: JmapClient, imap: ImapClient) -> None:
    for number in range(50):
        imap.append("INBOX", message(f"Message {number}"))
    found = await emails(jmap)
    ids = {email["id"] for email in found.values()}
    answer = await jmap.call("Email/set", update={email_id: {"keywords/$seen": True} for email_id in ids})
    assert (set(answer["updated"]), answer["notUpdated"]) == (ids, None)
    assert all(imap.flags("INBOX", uid) == {"\\Seen"} for uid in imap.uids("INBOX"))
    (inbox,) = (await jmap.call("Mailbox/get", ids=[next(iter(found.values()))["mailboxIds"].popitem()[0]]))["list"]
    assert (inbox["totalEmails"], inbox["unreadEmails"]) == (50, 0)


@pytest.mark.parametrize("tier", UIDPLUS_TIERS, indirect=True, scope="session")
async def test_nothing_that_several_clients_do_at_once_is_lost(
    tier: Tier, user: User, jmap: JmapClient, imap: ImapClient
) -> None:
    """Row 70 of the threat model: two JMAP clients and an IMAP client flag and move the same messages."""
    count = 12
    for name in ("Left", "Right"):
        imap.create(name)
    for number in range(count):
        imap.append("INBOX", message(f"Message {number}"))
    ids = sorted(email["id"] for email in (await emails(jmap)).values())
    boxes = await jmap.mailbox_ids()
    uids = imap.uids("INBOX")

    async def flag_all(client: JmapClient, keyword: str) -> None:
        for start in range(0, count, 3):
            patches = {email_id: {f"keywords/{keyword}": True} for email_id in ids[start : start + 3]}
            answer = await client.call("Email/set", update=patches)
            assert answer["notUpdated"] is None

    async def move_all(client: JmapClient) -> None:
        for email_id in ids:
            answer = await client.call("Email/set", update={email_id: {"mailboxIds": {boxes["Left"]: True}}})
            assert answer["notUpdated"] is None

    def by_imap() -> None:
        with imap_client(tier.server, user) as third:
            third.select("INBOX")
            for uid in uids[::2]:
                third.uid("STORE", str(uid), "+FLAGS", "(imap)")
            for uid in uids[1::2]:
                third.uid("MOVE", str(uid), "Right")

    async with jmap_client(tier.url, user.name, user.password) as other:
        await asyncio.gather(flag_all(jmap, "one"), flag_all(other, "two"), move_all(other), asyncio.to_thread(by_imap))
    found = await emails(jmap)
    assert sorted(email["id"] for email in found.values()) == ids
    for number in range(0, count, 2):  # Dovecot loses what is set in the middle of a MOVE by IMAP
        assert {"one", "two"} <= found[f"Message {number}"]["keywords"].keys()
    for email in found.values():
        assert boxes["Left"] in email["mailboxIds"]
        assert boxes["Inbox"] not in email["mailboxIds"]
    copies = [len(imap.uids(name)) for name in ("INBOX", "Left", "Right")]
    assert (copies[0], copies[1]) == (0, count)
