"""Email/query and Email/queryChanges (RFC 8621 §4.4, §4.5)."""

import asyncio
from array import array
from collections.abc import Mapping, Sequence
from typing import Any, cast

import pytest

from gateway.jmap.filters import Comparator
from gateway.objects.mail import order
from gateway.sync.account import MailAccount
from tests.client import JmapClient
from tests.objects.mail.messages import message, with_attachment
from tests.servers.imap_client import ImapClient

FILTERS: list[tuple[Mapping[str, Any], set[str]]] = [
    ({}, {"apple", "banana", "Re: banana", "cherry"}),
    ({"hasKeyword": "$seen"}, {"banana"}),
    ({"notKeyword": "$SEEN"}, {"apple", "Re: banana", "cherry"}),
    ({"before": "2026-03-01T00:00:00Z"}, {"banana"}),
    ({"after": "2026-03-01T00:00:00Z"}, {"apple", "Re: banana", "cherry"}),
    ({"after": "2026-03-01T10:00:00Z"}, {"apple", "Re: banana", "cherry"}),
    ({"minSize": 3000}, {"cherry"}),
    ({"maxSize": 3000}, {"apple", "banana", "Re: banana"}),
    ({"hasAttachment": True}, {"cherry"}),
    ({"hasAttachment": False, "from": "alice"}, {"apple", "banana"}),
    ({"from": "carol"}, {"Re: banana", "cherry"}),
    ({"to": "BOB@example.org"}, {"apple", "banana", "Re: banana", "cherry"}),
    ({"subject": "banana"}, {"banana", "Re: banana"}),
    ({"subject": '"re: banana"'}, {"Re: banana"}),
    ({"body": "yellow fruit"}, {"banana"}),
    ({"body": '"yellow fruit"'}, set()),
    ({"text": "fruit"}, {"apple", "banana"}),
    ({"text": "größer"}, {"apple"}),
    ({"header": ["X-Fruit"]}, {"apple"}),
    ({"header": ["X-Fruit", "pome"]}, {"apple"}),
    ({"header": ["X-Fruit", "berry"]}, set()),
    ({"someInThreadHaveKeyword": "$seen"}, {"banana", "Re: banana"}),
    ({"allInThreadHaveKeyword": "$seen"}, set()),
    ({"noneInThreadHaveKeyword": "$seen"}, {"apple", "cherry"}),
    ({"operator": "OR", "conditions": [{"subject": "apple"}, {"hasKeyword": "$seen"}]}, {"apple", "banana"}),
    ({"operator": "NOT", "conditions": [{"text": "fruit"}, {"minSize": 3000}]}, {"Re: banana"}),
    ({"operator": "AND", "conditions": [{"text": "fruit"}, {"hasAttachment": False}]}, {"apple", "banana"}),
    ({"operator": "OR", "conditions": []}, set()),
    ({"operator": "AND", "conditions": []}, {"apple", "banana", "Re: banana", "cherry"}),
    ({"inMailbox": "nonsense"}, set()),
    ({"inMailboxOtherThan": []}, {"apple", "banana", "Re: banana", "cherry"}),
]


async def fill(imap: ImapClient) -> None:
    fruit = {"X-Fruit": "pome"}
    imap.append("INBOX", message("apple", headers=fruit, body="größer fruit\r\n"), [], '" 1-Mar-2026 10:00:00 +0000"')
    banana = message("banana", message_id="<banana@x>", body="yellow\r\nand a fruit\r\n")
    imap.append("INBOX", banana, ["\\Seen"], '" 1-Feb-2026 10:00:00 +0000"')
    reply = message("Re: banana", sender="carol@example.org", headers={"References": "<banana@x>"}, body="yes\r\n")
    imap.append("INBOX", reply, [], '" 2-Mar-2026 10:00:00 +0000"')
    cherry = with_attachment("cherry", b"x" * 3000).replace(b"Alice Example <alice@example.org>", b"carol@example.org")
    imap.append("INBOX", cherry, [], '" 3-Mar-2026 10:00:00 +0000"')


async def subjects(jmap: JmapClient, **query: Any) -> list[str]:
    ids = (await jmap.call("Email/query", **query))["ids"]
    emails = await jmap.call("Email/get", ids=ids, properties=["subject"])
    by_id = {email["id"]: email["subject"] for email in emails["list"]}
    return [by_id[email_id] for email_id in ids]


async def test_every_filter(jmap: JmapClient, imap: ImapClient) -> None:
    await fill(imap)
    for condition, expected in FILTERS:
        assert set(await subjects(jmap, filter=condition)) == expected, condition


@pytest.mark.parametrize("field", ["from", "to", "text"])
async def test_apostrophes_in_names(jmap: JmapClient, imap: ImapClient, field: str) -> None:
    """ "Last, First" is how many address books write it, and has to be quoted (RFC 5322 §3.2.4)."""
    names = ['"O\'Brien, Pat"', "Pat O'Brien", "=?utf-8?q?O=27Brien=2C_P=C3=A1t?=", '"Pat \\"Q\\" O\'Brien"']
    for number, name in enumerate([*names, '"OBrien, Pat"']):
        octets = message(f"{number}", sender=f"{name} <p@example.org>", to=f"{name} <q@example.org>")
        imap.append("INBOX", octets)
    assert set(await subjects(jmap, filter={field: "o'brien"})) == {"0", "1", "2", "3"}
    assert "0" in await subjects(jmap, filter={field: '"O\'Brien, P"'})
    nobody = {"operator": "NOT", "conditions": [{field: "O'Brien"}]}
    assert await subjects(jmap, filter=nobody) == ["4"]


async def test_mailboxes_as_filters(jmap: JmapClient, imap: ImapClient) -> None:
    await fill(imap)
    imap.create("Basket")
    imap.copy("INBOX", imap.uids("INBOX")[0], "Basket")
    ids = await jmap.mailbox_ids()
    assert await subjects(jmap, filter={"inMailbox": ids["Basket"]}) == ["apple"]
    assert await subjects(jmap, filter={"inMailboxOtherThan": [ids["Inbox"]]}) == ["apple"]
    assert len(await subjects(jmap, filter={"inMailboxOtherThan": [ids["Basket"]]})) == 4


SORTS: list[tuple[list[dict[str, Any]], list[str]]] = [
    ([], ["cherry", "Re: banana", "apple", "banana"]),
    ([{"property": "receivedAt"}], ["banana", "apple", "Re: banana", "cherry"]),
    ([{"property": "receivedAt", "isAscending": False}], ["cherry", "Re: banana", "apple", "banana"]),
    (
        [{"property": "subject"}, {"property": "receivedAt", "isAscending": False}],
        ["apple", "Re: banana", "banana", "cherry"],
    ),
    ([{"property": "from"}, {"property": "receivedAt"}], ["banana", "apple", "Re: banana", "cherry"]),
    (
        [{"property": "hasKeyword", "keyword": "$seen", "isAscending": False}, {"property": "receivedAt"}],
        ["banana", "apple", "Re: banana", "cherry"],
    ),
    (
        [{"property": "someInThreadHaveKeyword", "keyword": "$seen"}, {"property": "receivedAt"}],
        ["apple", "cherry", "banana", "Re: banana"],
    ),
    ([{"property": "size", "isAscending": False}], ["cherry"]),
    ([{"property": "sentAt"}, {"property": "receivedAt"}], ["banana", "apple", "Re: banana", "cherry"]),
    ([{"property": "to", "collation": "i;octet"}, {"property": "receivedAt"}], ["banana"]),
]


async def test_every_sort(jmap: JmapClient, imap: ImapClient) -> None:
    await fill(imap)
    for sort, expected in SORTS:
        found = await subjects(jmap, sort=sort)
        assert found[: len(expected)] == expected, sort


async def test_odd_dates(jmap: JmapClient, imap: ImapClient) -> None:
    """RFC 8620 §1.4 allows a second 60, of which senders may make use, and the year 0 is nobody's."""
    for subject, date in [
        ("after", "Sun, 01 Jan 2017 00:00:01 +0000"),
        ("leap", "Sat, 31 Dec 2016 23:59:60 +0000"),
        ("never", "Sat, 01 Jan 0000 00:00:00 +0000"),
    ]:
        imap.append("INBOX", message(subject, date=date), [], '"01-Jan-2017 00:00:00 +0000"')
    assert await subjects(jmap, sort=[{"property": "sentAt"}]) == ["never", "leap", "after"]
    assert await subjects(jmap, filter={"before": "2016-12-31T23:59:60Z"}) == []
    assert len(await subjects(jmap, filter={"after": "2016-12-31T23:59:60Z"})) == 3
    assert len(await subjects(jmap, filter={"before": "2017-01-01T00:00:01.000Z"})) == 3  # as JavaScript writes it
    for wrong in ("2017-01-01T00:00:01.Z", "2017-01-01T00:00:01.000+00:00"):
        assert (await jmap.error("Email/query", filter={"before": wrong}))["type"] == "invalidArguments"


async def test_collapsing_threads(jmap: JmapClient, imap: ImapClient) -> None:
    await fill(imap)
    collapsed = await jmap.call("Email/query", collapseThreads=True, calculateTotal=True)
    assert collapsed["total"] == 3
    assert await subjects(jmap, collapseThreads=True) == ["cherry", "Re: banana", "apple"]


async def test_paging(jmap: JmapClient, imap: ImapClient) -> None:
    await fill(imap)
    everything = (await jmap.call("Email/query"))["ids"]
    assert (await jmap.call("Email/query", position=1, limit=2))["ids"] == everything[1:3]
    assert (await jmap.call("Email/query", position=-2))["ids"] == everything[2:]
    anchored = await jmap.call("Email/query", anchor=everything[2], anchorOffset=-1, limit=2, calculateTotal=True)
    assert (anchored["ids"], anchored["position"], anchored["total"]) == (everything[1:3], 1, 4)
    assert (await jmap.error("Email/query", anchor="nonsense"))["type"] == "anchorNotFound"


@pytest.mark.parametrize("collapse", [False, True])
async def test_query_changes_bring_an_old_result_up_to_date(jmap: JmapClient, imap: ImapClient, collapse: bool) -> None:
    await fill(imap)
    query: dict[str, Any] = {"filter": {"notKeyword": "$flagged"}, "collapseThreads": collapse}
    before = await jmap.call("Email/query", **query)
    assert before["canCalculateChanges"] is True
    imap.append("INBOX", message("date"), [], '" 4-Mar-2026 10:00:00 +0000"')
    uids = imap.uids("INBOX")
    imap.flag("INBOX", uids[0], "+FLAGS", "\\Flagged")
    imap.delete("INBOX", uids[2])
    changes = await jmap.call("Email/queryChanges", sinceQueryState=before["queryState"], **query)
    after = await jmap.call("Email/query", **query)
    result = [email_id for email_id in before["ids"] if email_id not in changes["removed"]]
    for added in sorted(changes["added"], key=lambda item: item["index"]):  # RFC 8620 §5.6
        result.insert(added["index"], added["id"])
    assert result == after["ids"]
    assert changes["newQueryState"] == after["queryState"]


async def test_sort_keys_of_many_messages_leave_turns_to_others() -> None:
    turns = 0

    async def somebody_else() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    async def subjects(rows: Sequence[int], name: str) -> dict[int, str]:
        return {row: f"Re: {name} {row:05}" for row in rows}

    other = asyncio.create_task(somebody_else())
    rows = array("I", range(5 * order.SLICE))
    order_of = await order.prepare(cast("MailAccount", None), rows, [Comparator("subject")], subjects)
    other.cancel()
    assert turns >= 4  # one per slice; in the first it begins
    assert order_of.sorted(array("I", reversed(rows))) == rows
