"""The newest messages of a folder on every kind of server."""

import asyncio

import pytest

from adapters.errors import Conflict, NotFound
from tests.adapters.imap.mailboxes import Tier, folder_named, opened, simple
from tests.servers.imap_client import ImapClient, imap_client
from tests.servers.users import fresh_user

SORTING = {"dovecot", "without-qresync", "cyrus"}
MINUTES = (9, 8, 7, 7, 6, 5, 4)
"""When the messages came: UIDs and dates run in opposite directions, two are of one second."""


def fill(client: ImapClient) -> list[int]:
    """The UIDs; the first message is marked as deleted."""
    for number, minute in enumerate(MINUTES):
        client.append("INBOX", simple(number), [], f'"17-Nov-2026 10:0{minute}:00 +0100"')
    uids = client.uids("INBOX")
    client.flag("INBOX", uids[0], "+FLAGS", "\\Deleted")
    return uids


async def test_the_newest_by_date(tier: Tier) -> None:
    user = fresh_user(tier.server)
    with imap_client(tier.server, user) as client:
        uids = fill(client)
        async with opened(tier, user) as mail:
            status = (await folder_named(mail, "INBOX")).status
            assert status is not None
            found = {count: await mail.newest("INBOX", status.uid_validity, count) for count in (1, 2, 3, 6)}
            if tier.name not in SORTING:
                assert found == dict.fromkeys(found)
                return
            shown = {count: list(one.arrivals.uids) for count, one in found.items() if one is not None}
            # two of one second: where only one of them is wanted neither is given
            assert shown == {1: uids[1:2], 2: uids[1:2], 3: uids[1:4], 6: uids[1:]}
            assert {one.total for one in found.values() if one is not None} == {6}
            with pytest.raises(Conflict):
                await mail.newest("INBOX", status.uid_validity + 1, 2)
            with pytest.raises(NotFound):
                await mail.newest("Nowhere", status.uid_validity, 2)


async def test_what_another_client_does_is_seen(dovecot_tier: Tier) -> None:
    user = fresh_user(dovecot_tier.server)
    with imap_client(dovecot_tier.server, user) as client:
        async with opened(dovecot_tier, user) as mail:
            status = (await folder_named(mail, "INBOX")).status
            assert status is not None
            for total in range(3):
                found = await mail.newest("INBOX", status.uid_validity, 10)
                assert found is not None
                assert (found.total, len(found.arrivals.uids)) == (total, total)
                client.append("INBOX", simple(total))


async def test_a_listing_meanwhile_needs_no_connection_of_its_own(dovecot_tier: Tier) -> None:
    """The page is read beside whoever has the connection that is kept for the folder."""
    user = fresh_user(dovecot_tier.server)
    with imap_client(dovecot_tier.server, user) as client:
        client.append("INBOX", simple(1))
    async with opened(dovecot_tier, user) as mail:
        inbox = await folder_named(mail, "INBOX")
        assert inbox.status is not None
        page, listed = await asyncio.gather(mail.newest("INBOX", inbox.status.uid_validity, 5), mail.folders())
        assert page is not None
        assert page.headers is not None
        assert list(page.arrivals.uids) == list(page.headers.uids) == [1]
        assert inbox in listed
        assert mail._pool.size == 1
