"""Deltas of a folder that other clients change: nothing lost, nothing invented, on every kind of server."""

import random
import re
from dataclasses import replace

import pytest

from adapters.errors import NotFound
from adapters.imap.deltas import join, only
from adapters.imap.keywords import keywords_of
from adapters.ports.mail import Arrivals, FolderDelta
from tests.adapters.imap.mailboxes import Index, Tier, opened, simple
from tests.servers.imap_client import ImapClient, imap_client
from tests.servers.users import fresh_user


def moved(delta: FolderDelta) -> tuple[list[int], list[int], list[int]]:
    """UIDs that arrived, changed flags, vanished."""
    return list(delta.arrivals.uids), [uid for uid, _ in delta.flags], delta.vanished


def visible(client: ImapClient, mailbox: str) -> dict[int, object]:
    r"""UIDs and keywords of all messages that are not \Deleted, by another client."""
    client.select(mailbox)
    if not client.uids(mailbox):
        return {}
    found: dict[int, object] = {}
    for row in client.uid("FETCH", "1:*", "(UID FLAGS)"):
        assert isinstance(row, bytes)
        uid, flags = re.search(rb"UID (\d+)", row), re.search(rb"FLAGS \(([^()]*)\)", row)
        if not uid or not flags:  # a change that the server tells by itself
            continue
        keywords = keywords_of(flags[1].split())
        if keywords is not None:
            found[int(uid[1])] = keywords
    return found


async def test_what_another_client_does(tier: Tier) -> None:
    user = fresh_user(tier.server)
    with imap_client(tier.server, user) as client:
        for number in range(4):
            client.append("INBOX", simple(number), ["\\Seen"] if number % 2 else [])
        client.create("Work")
        async with opened(tier, user) as mail:
            inbox, work = Index(), Index()
            first = await inbox.update(mail, "INBOX")
            assert first.reset
            one, two, three, four = first.arrivals.uids
            assert [sorted(keywords) for keywords in first.arrivals.keywords] == [[], ["$seen"], [], ["$seen"]]
            await work.update(mail, "Work")
            assert moved(await inbox.update(mail, "INBOX")) == ([], [], [])

            client.flag("INBOX", one, "+FLAGS", "\\Flagged")
            delta = await inbox.update(mail, "INBOX")
            assert moved(delta) == ([], [one], [])
            assert inbox.keywords(one) == {"$flagged"}
            assert not delta.reset

            native = inbox.ids[two]
            client.move("INBOX", two, "Work")
            client.append("INBOX", simple(9), ["\\Draft"])
            arrived, changed, vanished = moved(await inbox.update(mail, "INBOX"))
            assert (len(arrived), changed, vanished) == (1, [], [two])
            assert inbox.keywords(arrived[0]) == {"$draft"}
            assert len((await work.update(mail, "Work")).arrivals.uids) == 1
            assert list(work.ids.values()) == [native]  # one Email, now in another folder

            client.copy("INBOX", three, "Work")
            await work.update(mail, "Work")
            assert inbox.ids[three] in work.ids.values()

            client.delete("INBOX", four)
            assert moved(await inbox.update(mail, "INBOX")) == ([], [], [four])
            assert moved(await inbox.update(mail, "INBOX")) == ([], [], [])


async def test_a_deleted_message_vanishes_and_may_come_back(tier: Tier) -> None:
    user = fresh_user(tier.server)
    with imap_client(tier.server, user) as client:
        client.append("INBOX", simple(1))
        client.append("INBOX", simple(2), ["\\Deleted"])
        client.append("INBOX", simple(3))
        one, two, three = client.uids("INBOX")
        async with opened(tier, user) as mail:
            inbox = Index()
            assert list((await inbox.update(mail, "INBOX")).arrivals.uids) == [one, three]
            client.flag("INBOX", one, "+FLAGS", "\\Deleted")
            assert moved(await inbox.update(mail, "INBOX")) == ([], [], [one])
            client.append("INBOX", simple(4), ["\\Deleted"])
            assert moved(await inbox.update(mail, "INBOX")) == ([], [], [])
            client.flag("INBOX", one, "-FLAGS", "\\Deleted")
            client.flag("INBOX", two, "-FLAGS", "\\Deleted")
            assert moved(await inbox.update(mail, "INBOX")) == ([one, two], [], [])
            assert len({*inbox.ids.values()}) == 3
            assert [list(batch.uids) async for batch in mail.facts("INBOX", inbox.status.uid_validity)] == [  # type: ignore[union-attr]
                [one, two, three]
            ]


async def test_changes_of_messages_that_are_known_beyond_the_cursor(tier: Tier) -> None:
    """A folder that is read while mail comes is known further than the cursor that was taken before."""
    user = fresh_user(tier.server)
    with imap_client(tier.server, user) as client:
        client.append("INBOX", simple(1))
        async with opened(tier, user) as mail:
            inbox = Index()
            await inbox.update(mail, "INBOX")
            before = inbox.status
            client.append("INBOX", simple(2))
            client.append("INBOX", simple(3))
            await inbox.update(mail, "INBOX")
            _, two, three = inbox.uids
            inbox.status = before
            client.flag("INBOX", two, "+FLAGS", "\\Flagged")
            client.delete("INBOX", three)
            assert moved(await inbox.update(mail, "INBOX")) == ([], [two], [three])


async def test_a_folder_that_was_made_anew(tier: Tier) -> None:
    user = fresh_user(tier.server)
    with imap_client(tier.server, user) as client:
        client.create("Work")
        client.append("Work", simple(1))
        async with opened(tier, user) as mail:
            work = Index()
            await work.update(mail, "Work")
            client.remove("Work")
            with pytest.raises(NotFound):
                await mail.changes("Work", work.status, work)
            client.create("Work")
            client.append("Work", simple(2))
            client.append("Work", simple(3))
            delta = await work.update(mail, "Work")
            assert delta.reset
            assert len(delta.arrivals.uids) == len(work.uids) == 2
            client.rename("Work", "Play")
            play = Index()
            await play.update(mail, "Play")
            assert sorted(play.ids.values()) == sorted(work.ids.values())


async def test_modification_sequences_that_sank(tier: Tier) -> None:
    """A server restored from a backup counts anew: flags are compared one by one."""
    user = fresh_user(tier.server)
    with imap_client(tier.server, user) as client:
        client.append("INBOX", simple(1))
        client.append("INBOX", simple(2))
        async with opened(tier, user) as mail:
            inbox = Index()
            one, two = (await inbox.update(mail, "INBOX")).arrivals.uids
            client.flag("INBOX", two, "+FLAGS", "\\Flagged")
            client.delete("INBOX", one)
            assert inbox.status is not None
            inbox.status = replace(inbox.status, highest_modseq=1 << 60)
            assert moved(await inbox.update(mail, "INBOX")) == ([], [two], [one])


async def test_a_server_that_forgets_departures(tier: Tier) -> None:
    """The count shows it, and a search says which."""
    user = fresh_user(tier.server)
    with imap_client(tier.server, user) as client:
        for number in range(3):
            client.append("INBOX", simple(number))
        one, two, three = client.uids("INBOX")
        client.delete("INBOX", two)
        async with opened(tier, user) as mail:
            inbox = Index()
            await inbox.update(mail, "INBOX")
            inbox.flags[two], inbox.ids[two] = frozenset(), b"stale"
            client.append("INBOX", simple(4))
            arrived, changed, vanished = moved(await inbox.update(mail, "INBOX"))
            assert (len(arrived), changed, vanished) == (1, [], [two])
            del inbox.flags[one], inbox.ids[one]
            assert moved(await inbox.update(mail, "INBOX")) == ([one], [], [])
            assert three in inbox.flags


@pytest.mark.parametrize("seed", range(2))
async def test_any_series_of_changes(tier: Tier, seed: int) -> None:
    choose = random.Random(seed)  # noqa: S311 - a repeatable test
    user = fresh_user(tier.server)
    with imap_client(tier.server, user) as client:
        client.create("Work")
        async with opened(tier, user) as mail:
            known = {"INBOX": Index(), "Work": Index()}
            for step in range(15):
                change(client, choose, seed * 1000 + step)
                if choose.random() < 0.5:
                    continue
                for path, index in known.items():
                    await index.update(mail, path)
                    assert index.flags == visible(client, path)


def change(client: ImapClient, choose: random.Random, number: int) -> None:
    """One change by another client."""
    mailbox, other = choose.choice([("INBOX", "Work"), ("Work", "INBOX")])
    uids = client.uids(mailbox)
    verb = choose.choice(["append", "append", "flag", "delete", "move", "copy"]) if uids else "append"
    uid = choose.choice(uids) if uids else 0
    match verb:
        case "append":
            client.append(mailbox, simple(number), choose.choice([[], ["\\Seen"], ["\\Deleted"]]))
        case "flag":
            flag = choose.choice(["\\Seen", "\\Flagged", "\\Deleted"])
            client.flag(mailbox, uid, choose.choice(["+FLAGS", "-FLAGS"]), flag)
        case "delete":
            client.delete(mailbox, uid)
        case "move":
            client.move(mailbox, uid, other)
        case "copy":
            client.copy(mailbox, uid, other)


def columns(*uids: int) -> Arrivals:
    found = Arrivals(thread_ids=[])
    for uid in uids:
        found.uids.append(uid)
        found.native_ids.append(b"%d" % uid)
        found.received.append(uid)
        found.sizes.append(uid)
        found.keywords.append(frozenset({str(uid)}))
        assert found.thread_ids is not None
        found.thread_ids.append(b"t%d" % uid)
    return found


def test_rows_are_chosen_together() -> None:
    assert only(columns(1, 5, 9), None) == columns(1, 5, 9)
    assert only(columns(9, 1, 5, 1), {5}) == columns(1, 9)
    both = columns(3)
    join(both, columns(1, 2))
    assert only(both, set()) == columns(1, 2, 3)
