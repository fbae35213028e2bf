"""What is answered before the account is indexed, and what becomes of it: it must be what the whole index says."""

from typing import Any

import pytest

from gateway.sync import opening
from gateway.sync.first_sight import FirstSight
from tests.client import JmapClient
from tests.objects.mail.conftest import Tier
from tests.objects.mail.messages import message
from tests.servers.imap_client import ImapClient

NEWEST = [{"property": "receivedAt", "isAscending": False}]
COUNTS = ["id", "role", "totalEmails", "unreadEmails"]


@pytest.fixture(autouse=True)
def not_indexed_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FirstSight, "_due", lambda _: None)
    monkeypatch.setattr(opening, "PAGE", 6)


@pytest.fixture
def partial(tier: Tier) -> bool:
    """Whether the tier can show anything before it is indexed."""
    return tier.name != "plain"


async def fill(imap: ImapClient) -> None:
    for number in range(9):
        references = {"References": f"<{number - 1}@x>"} if number % 3 else {}
        one = message(f"{'Re: ' * bool(references)}{number // 3}", message_id=f"<{number}@x>", headers=references)
        imap.append("INBOX", one, ["\\Seen"] if number % 2 else [], f'"1{number}-Mar-2026 10:00:00 +0000"')


async def inbox(jmap: JmapClient) -> dict[str, Any]:
    found = await jmap.call("Mailbox/get", ids=None, properties=COUNTS)
    return next(box for box in found["list"] if box["role"] == "inbox")


async def first_page(jmap: JmapClient, mailbox: str, **more: Any) -> dict[str, Any]:
    return await jmap.call("Email/query", **{"filter": {"inMailbox": mailbox}, "sort": NEWEST, "limit": 3, **more})


async def whole(jmap: JmapClient) -> None:
    """Have the index made."""
    await jmap.call("Thread/get", ids=[])


async def test_the_first_page_is_that_of_the_whole_index(jmap: JmapClient, imap: ImapClient, partial: bool) -> None:
    await fill(imap)
    box = await inbox(jmap)
    assert (box["totalEmails"], box["unreadEmails"]) == (9, 5)
    page = await first_page(jmap, box["id"], calculateTotal=True)
    assert page["canCalculateChanges"] is not partial
    assert (page["total"], page["position"], len(page["ids"])) == (9, 0, 3)
    shown = await jmap.call("Email/get", ids=page["ids"])
    assert len(shown["list"]) == 3
    await whole(jmap)
    again = await first_page(jmap, box["id"], calculateTotal=True)
    assert again["canCalculateChanges"]
    assert (again["ids"], again["total"]) == (page["ids"], page["total"])
    assert (await jmap.call("Email/get", ids=page["ids"]))["list"] == shown["list"]
    assert await inbox(jmap) == box
    changes = await jmap.call("Email/changes", sinceState=shown["state"])
    assert [changes["created"], changes["updated"], changes["destroyed"]] == [[], [], []]


async def test_no_page_is_read_for_what_needs_the_whole(
    jmap: JmapClient, imap: ImapClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def look(_: opening.Opening) -> None:
        raise AssertionError

    monkeypatch.setattr(opening.Opening, "look", look)
    await fill(imap)
    assert len((await jmap.call("Email/query"))["ids"]) == 9


async def test_positions_and_threads(jmap: JmapClient, imap: ImapClient, partial: bool) -> None:
    await fill(imap)
    box = (await inbox(jmap))["id"]
    asked: list[dict[str, Any]] = [
        {"position": 2, "limit": 4},
        {"collapseThreads": True, "limit": 2},
        {"limit": 0},
        {"limit": 0, "calculateTotal": True},
    ]
    before = [await first_page(jmap, box, **more) for more in asked]
    assert {page["canCalculateChanges"] for page in before} == {not partial}
    await whole(jmap)
    after = [await first_page(jmap, box, **more) for more in asked]
    assert [page["ids"] for page in before] == [page["ids"] for page in after]
    assert before[3]["total"] == after[3]["total"] == 9


@pytest.mark.parametrize(
    "more",
    [
        {"limit": 7},
        {"position": 5, "limit": 2},
        {"position": -1},
        {"limit": None},
        {"collapseThreads": True, "limit": 3},
        {"collapseThreads": True, "limit": 1, "calculateTotal": True},
        {"sort": [{"property": "receivedAt"}]},
        {"sort": [{"property": "size", "isAscending": False}]},
        {"filter": {"notKeyword": "$seen"}},
        {"filter": None},
    ],
    ids=str,
)
async def test_what_needs_more_waits(jmap: JmapClient, imap: ImapClient, more: dict[str, Any]) -> None:
    await fill(imap)
    box = (await inbox(jmap))["id"]
    page = await first_page(jmap, box, **more)
    assert page["canCalculateChanges"]
    await whole(jmap)
    assert await first_page(jmap, box, **more) == page


async def test_an_email_that_is_not_on_the_page(jmap: JmapClient, imap: ImapClient) -> None:
    await fill(imap)
    box = (await inbox(jmap))["id"]
    oldest = await jmap.call("Email/query", filter={"inMailbox": box}, sort=[{"property": "receivedAt"}])
    assert len(oldest["ids"]) == 9
    found = await jmap.call("Email/get", ids=[*oldest["ids"], "nonsense"], properties=["mailboxIds"])
    assert (len(found["list"]), found["notFound"]) == (9, ["nonsense"])


async def test_a_state_is_that_of_what_was_given(jmap: JmapClient, imap: ImapClient, partial: bool) -> None:
    """What had to wait for the whole index has the state of the whole."""
    await fill(imap)
    box = (await inbox(jmap))["id"]
    page = await first_page(jmap, box)
    assert page["canCalculateChanges"] is not partial
    imap.append("INBOX", message("new"), [], '"20-Mar-2026 10:00:00 +0000"')
    emails = await jmap.call("Email/get", ids=None, properties=["id"])
    assert len(emails["list"]) == 10
    boxes = await jmap.call("Mailbox/get", ids=None)
    assert max(box["totalThreads"] for box in boxes["list"]) == 4
    for name, state in (("Email", emails["state"]), ("Mailbox", boxes["state"])):
        changes = await jmap.call(f"{name}/changes", sinceState=state)
        assert [changes["created"], changes["updated"], changes["destroyed"]] == [[], [], []]


async def test_an_unknown_id_is_looked_for_everywhere(jmap: JmapClient, imap: ImapClient, partial: bool) -> None:
    await fill(imap)
    box = (await inbox(jmap))["id"]
    page = await first_page(jmap, box)
    assert page["canCalculateChanges"] is not partial
    found = await jmap.call("Email/get", ids=[*page["ids"], "nonsense"], properties=["mailboxIds"])
    assert (len(found["list"]), found["notFound"]) == (3, ["nonsense"])
    assert (await first_page(jmap, box))["canCalculateChanges"]  # it had to be indexed


async def test_a_copy_elsewhere_and_what_others_do_are_told(jmap: JmapClient, imap: ImapClient, partial: bool) -> None:
    await fill(imap)
    imap.create("Work")
    uids = imap.uids("INBOX")
    imap.copy("INBOX", uids[-1], "Work")
    box = (await inbox(jmap))["id"]
    page = await first_page(jmap, box)
    shown = await jmap.call("Email/get", ids=page["ids"], properties=["keywords", "mailboxIds"])
    imap.flag("INBOX", uids[-2], "+FLAGS", "\\Flagged")
    imap.delete("INBOX", uids[-3])
    imap.append("INBOX", message("new"), [], '"20-Mar-2026 10:00:00 +0000"')
    await whole(jmap)
    changes = await jmap.call("Email/changes", sinceState=shown["state"])
    newest, second, third = page["ids"]
    assert set(changes["updated"]) == ({newest, second} if partial else {second})
    assert changes["destroyed"] == [third]
    assert len(changes["created"]) == 1


async def test_another_state_where_something_happened(jmap: JmapClient, imap: ImapClient, partial: bool) -> None:
    await fill(imap)
    box = (await inbox(jmap))["id"]
    page = await first_page(jmap, box)
    boxes = await jmap.call("Mailbox/get", ids=[box], properties=COUNTS)
    imap.flag("INBOX", imap.uids("INBOX")[-1], "+FLAGS", "\\Seen")
    again = await first_page(jmap, box)
    assert again["ids"] == page["ids"]
    assert again["queryState"] != page["queryState"]
    seen = await jmap.call("Email/get", ids=page["ids"][:1], properties=["keywords"])
    assert seen["list"][0]["keywords"] == {"$seen": True}
    changed = await jmap.call("Mailbox/changes", sinceState=boxes["state"])
    assert changed["updated"] == [box]
    if partial:
        refused = await jmap.error("Email/queryChanges", filter={"inMailbox": box}, sinceQueryState=page["queryState"])
        assert refused["type"] == "cannotCalculateChanges"


async def test_a_change_by_the_client_waits(jmap: JmapClient, imap: ImapClient) -> None:
    await fill(imap)
    page = await first_page(jmap, (await inbox(jmap))["id"])
    state = (await jmap.call("Email/get", ids=page["ids"], properties=["id"]))["state"]
    answer = await jmap.call("Email/set", ifInState=state, update={page["ids"][0]: {"keywords/$flagged": True}})
    assert list(answer["updated"]) == page["ids"][:1]
    shown = await jmap.call("Email/get", ids=page["ids"][:1], properties=["keywords"])
    assert shown["list"][0]["keywords"] == {"$flagged": True}
