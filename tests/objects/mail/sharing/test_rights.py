"""Shared mailboxes are used with exactly the rights that the ACL gives (RFC 4314, RFC 8621 §2)."""

from typing import Any

from tests.objects.mail.sharing.conftest import Owner, Place, Visitor, letter, visitors
from tests.servers.imap_client import imap_client
from tests.servers.users import User


def may(box: dict[str, Any]) -> set[str]:
    return {name for name, given in box["myRights"].items() if given}


async def set_emails(visitor: Visitor, **arguments: Any) -> dict[str, Any]:
    return await visitor.jmap.call("Email/set", **arguments)


async def test_my_rights_are_those_of_the_acl(bob: Owner, visitor: Visitor) -> None:
    shared = {"Team": "lrswi", "Team/Plans": "lrswikxte", "News": "lr", "Names": "l"}
    for mailbox, rights in shared.items():
        bob.keep(mailbox, mailbox.lower().replace("/", "-"))
        bob.imap.share(mailbox, visitor.user.name, rights)
    bob.keep("Diary", "secret")
    await visitor.shared()
    boxes = await visitor.boxes()
    assert boxes.keys() == {"Team", "Plans", "News", "Names"}
    assert boxes["Plans"]["parentId"] == boxes["Team"]["id"]
    assert may(boxes["Team"]) == {"mayReadItems", "mayAddItems", "maySetSeen", "maySetKeywords"}
    assert may(boxes["Plans"]) == {*boxes["Plans"]["myRights"]} - {"maySubmit"}
    assert may(boxes["News"]) == {"mayReadItems"}
    assert may(boxes["Names"]) == set()
    assert (boxes["Names"]["totalEmails"], boxes["News"]["totalEmails"]) == (0, 1)
    assert (await visitor.emails()).keys() == {"team", "team-plans", "news"}


async def test_the_owners_inbox_is_the_inbox_of_the_account(bob: Owner, visitor: Visitor) -> None:
    bob.keep("INBOX", "hello")
    bob.keep("Letters/inbox", "not it")
    for mailbox in ("INBOX", "Letters/inbox"):
        bob.imap.share(mailbox, visitor.user.name, "lrkx")
    await visitor.shared()
    boxes = await visitor.boxes()
    assert {name: box["role"] for name, box in boxes.items()} == {"Inbox": "inbox", "Letters/inbox": None}
    # what is made below it would show beside it, and it cannot be renamed
    assert may(boxes["Inbox"]) == {"mayReadItems"}
    assert set(await visitor.emails()) == {"hello", "not it"}


async def test_search_get_and_download(bob: Owner, visitor: Visitor) -> None:
    bob.keep("Team", "budget")
    bob.keep("Team", "holidays")
    bob.keep("Names", "secret")
    bob.imap.share("Team", visitor.user.name, "lr")
    bob.imap.share("Names", visitor.user.name, "l")
    await visitor.shared()
    emails = await visitor.emails()
    assert emails.keys() == {"budget", "holidays"}
    found = await visitor.jmap.call("Email/query", filter={"body": "text of"})
    assert set(found["ids"]) == {email["id"] for email in emails.values()}
    assert await visitor.jmap.download(emails["budget"]["blobId"]) == letter("budget")
    values = await visitor.jmap.call(
        "Email/get", ids=[emails["budget"]["id"]], properties=["bodyValues"], fetchAllBodyValues=True
    )
    assert "The text of budget." in str(values["list"])


async def test_keywords_need_their_rights(place: Place, bob: Owner, alice: User, carol: User) -> None:
    bob.keep("Team", "budget")
    bob.imap.share("Team", alice.name, "lrs")
    bob.imap.share("Team", carol.name, "lrsw")
    async with visitors(place, bob.user, alice, carol) as (seer, marker):
        for one, may_flag in ((seer, False), (marker, True)):
            await one.shared()
            email_id = (await one.emails())["budget"]["id"]
            seen = await set_emails(one, update={email_id: {"keywords/$seen": True}})
            assert seen["updated"] == {email_id: None}
            flagged = await set_emails(one, update={email_id: {"keywords/$flagged": True}})
            if may_flag:
                assert flagged["updated"] == {email_id: None}
            else:
                assert flagged["notUpdated"][email_id]["type"] == "forbidden"
            assert (await one.emails())["budget"]["keywords"].get("$seen") is True
        assert (await seer.emails())["budget"]["keywords"].get("$flagged") is True
    assert "\\Flagged" in bob.imap.flags("Team", bob.uids["budget"])


async def test_adding_moving_and_removing_need_their_rights(bob: Owner, visitor: Visitor) -> None:
    shared = {"From": "lrte", "To": "lri", "Read": "lr"}
    for mailbox, rights in shared.items():
        bob.keep(mailbox, mailbox.lower())
        bob.imap.share(mailbox, visitor.user.name, rights)
    await visitor.shared()
    boxes, emails = await visitor.boxes(), await visitor.emails()
    moved, kept = emails["from"]["id"], emails["read"]["id"]
    answer = await set_emails(
        visitor,
        update={
            moved: {"mailboxIds": {boxes["To"]["id"]: True}},
            kept: {"mailboxIds": {boxes["To"]["id"]: True}},
        },
        destroy=[emails["to"]["id"]],
        create={
            "into": {"mailboxIds": {boxes["Read"]["id"]: True}, "subject": "no"},
            "made": {"mailboxIds": {boxes["To"]["id"]: True}, "subject": "made"},
        },
    )
    assert answer["updated"].keys() == {moved}
    assert answer["notUpdated"][kept]["type"] == "forbidden"
    assert answer["notDestroyed"][emails["to"]["id"]]["type"] == "forbidden"
    assert answer["created"].keys() == {"made"}
    assert answer["notCreated"]["into"]["type"] == "forbidden"
    assert {name: len(bob.imap.uids(name)) for name in shared} == {"From": 0, "To": 3, "Read": 1}


async def test_what_cannot_be_read_afterwards_is_not_put_anywhere(bob: Owner, visitor: Visitor) -> None:
    """RFC 8621 §2, mayReadItems: only then may a Mailbox be in the mailboxIds of an Email."""
    for mailbox, rights in (("Team", "lrte"), ("Drop", "lis")):
        bob.keep(mailbox, mailbox.lower())
        bob.imap.share(mailbox, visitor.user.name, rights)
    await visitor.shared()
    boxes, emails = await visitor.boxes(), await visitor.emails()
    assert may(boxes["Drop"]) == {"mayAddItems", "maySetSeen"}
    into, moved = {boxes["Drop"]["id"]: True}, emails["team"]["id"]
    answer = await set_emails(
        visitor, create={"new": {"mailboxIds": into, "subject": "x"}}, update={moved: {"mailboxIds": into}}
    )
    assert answer["notCreated"]["new"]["type"] == "forbidden"
    assert answer["notUpdated"][moved]["type"] == "forbidden"
    assert [len(bob.imap.uids(mailbox)) for mailbox in ("Team", "Drop")] == [1, 1]


async def test_mailboxes_are_made_renamed_and_removed_where_that_is_allowed(bob: Owner, visitor: Visitor) -> None:
    for mailbox, rights in (("Team", "lrswikte"), ("Team/Old", "lrswikxte"), ("News", "lrs")):
        bob.keep(mailbox)
        bob.imap.share(mailbox, visitor.user.name, rights)
    await visitor.shared()
    boxes = await visitor.boxes()
    answer = await visitor.jmap.call(
        "Mailbox/set",
        create={
            "below": {"name": "New", "parentId": boxes["Team"]["id"]},
            "beside": {"name": "Top", "parentId": None},
            "under": {"name": "No", "parentId": boxes["News"]["id"]},
        },
        update={boxes["Team"]["id"]: {"name": "Crew"}, boxes["Old"]["id"]: {"name": "Older"}},
        destroy=[boxes["News"]["id"]],
    )
    assert answer["created"].keys() == {"below"}
    assert {key: error["type"] for key, error in answer["notCreated"].items()} == {
        "beside": "forbidden",
        "under": "forbidden",
    }
    assert answer["updated"].keys() == {boxes["Old"]["id"]}
    assert answer["notUpdated"][boxes["Team"]["id"]]["type"] == "forbidden"
    assert answer["notDestroyed"][boxes["News"]["id"]]["type"] == "forbidden"
    assert {"Team", "Team/New", "Team/Older", "News"} <= bob.imap.mailboxes()
    assert (await visitor.boxes()).keys() == {"Team", "New", "Older", "News"}


async def test_emails_are_copied_between_the_accounts(place: Place, bob: Owner, visitor: Visitor) -> None:
    """RFC 8621 §4.7, in both directions; Blob/copy (RFC 8620 §6.3)."""
    with imap_client(place.server, visitor.user) as own:
        own.append("INBOX", letter("mine"))
    bob.keep("Team", "budget")
    bob.keep("News", "news")
    bob.imap.share("Team", visitor.user.name, "lrswi")
    bob.imap.share("News", visitor.user.name, "lr")
    shared = await visitor.shared()
    boxes, emails = await visitor.boxes(), await visitor.emails()
    visitor.jmap.account = visitor.own
    inbox = (await visitor.boxes())["Inbox"]["id"]
    fetched = await visitor.jmap.call(
        "Email/copy",
        fromAccountId=shared,
        create={"mine": {"id": emails["news"]["id"], "mailboxIds": {inbox: True}}},
    )
    assert fetched["notCreated"] is None
    mine = await visitor.emails()
    assert mine.keys() == {"news", "mine"}
    assert await visitor.jmap.download(fetched["created"]["mine"]["blobId"]) == letter("news")
    create = {name: {"id": mine["mine"]["id"], "mailboxIds": {boxes[name]["id"]: True}} for name in ("Team", "News")}
    given = await visitor.jmap.call("Email/copy", accountId=shared, fromAccountId=visitor.own, create=create)
    assert given["created"].keys() == {"Team"}
    assert given["notCreated"]["News"]["type"] == "forbidden"
    assert len(bob.imap.uids("Team")) == 2
    blob_id = emails["budget"]["blobId"]
    copied = (await visitor.jmap.call("Blob/copy", fromAccountId=shared, blobIds=[blob_id]))["copied"][blob_id]
    assert await visitor.jmap.download(copied) == letter("budget")
