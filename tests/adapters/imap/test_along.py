"""A message that is read in the round trip of the listing, and what must not get lost in it."""

import pytest

from adapters.imap.streams import Wire
from adapters.ports.mail import FetchPlan
from tests.adapters.imap.mailboxes import Tier, folder_named, opened, simple
from tests.adapters.imap.test_scripted import INBOX, NO_GUID, playing, script
from tests.servers.imap_client import imap_client
from tests.servers.users import fresh_user

WHOLE = FetchPlan(whole=True)


async def test_a_message_comes_with_the_listing(tier: Tier, monkeypatch: pytest.MonkeyPatch) -> None:
    user = fresh_user(tier.server)
    writes: list[Wire] = []
    flush = Wire._flush

    def counted(wire: Wire) -> None:
        writes.append(wire)
        flush(wire)

    with imap_client(tier.server, user) as client:
        client.append("INBOX", simple(1))
        async with opened(tier, user) as mail:
            for _ in range(3):
                status = (await folder_named(mail, "INBOX")).status
            assert status is not None
            uid, validity = client.uids("INBOX")[0], status.uid_validity
            monkeypatch.setattr(Wire, "_flush", counted)
            with mail.expecting("INBOX", validity, uid, WHOLE):
                before = await mail.folders()
                found = await mail.fetch("INBOX", validity, [uid], WHOLE)
            assert found[uid].message == tier.stored(simple(1))
            if tier.name in ("dovecot", "cyrus"):
                assert len(writes) == 1
            with mail.expecting("INBOX", validity, uid + 7, WHOLE):  # there is none
                assert await mail.folders() == before
                assert await mail.fetch("INBOX", validity, [uid + 7], WHOLE) == {}


async def test_what_happens_to_the_message_is_told(tier: Tier) -> None:
    """The server may tell of it in the answer to the FETCH: what LIST said is then no longer true."""
    user = fresh_user(tier.server)
    with imap_client(tier.server, user) as client:
        for number in range(3):
            client.append("INBOX", simple(number))
        async with opened(tier, user) as mail:
            for _ in range(3):
                status = (await folder_named(mail, "INBOX")).status
            assert status is not None
            uid, before = client.uids("INBOX")[1], status
            for change in ("+FLAGS", "-FLAGS", "+FLAGS"):
                client.flag("INBOX", uid, change, "\\Flagged")
                with mail.expecting("INBOX", status.uid_validity, uid, WHOLE):
                    now = (await folder_named(mail, "INBOX")).status
                assert now is not None
                assert not now.highest_modseq or now.highest_modseq > before.highest_modseq
                assert now == (await folder_named(mail, "INBOX")).status
                before = now
            client.delete("INBOX", uid)
            with mail.expecting("INBOX", status.uid_validity, uid, WHOLE):
                now = (await folder_named(mail, "INBOX")).status
            assert now is not None
            assert now.messages == 2


LISTS = "LIST-EXTENDED LIST-STATUS CONDSTORE"
ALL = 'LIST "" "*" RETURN (SUBSCRIBED CHILDREN STATUS (MESSAGES UNSEEN UIDNEXT UIDVALIDITY HIGHESTMODSEQ))'


def status(modseq: int) -> str:
    return f"S: * STATUS INBOX (MESSAGES 2 UNSEEN 2 UIDNEXT 10 UIDVALIDITY 7 HIGHESTMODSEQ {modseq})\n"


OPENED = (
    NO_GUID + "C: A4 EXAMINE INBOX (CONDSTORE)\n" + INBOX + "S: A4 OK [READ-ONLY] x\n"
    'C: A5 NOOP\nC: A6 LIST "" "*" RETURN (SUBSCRIBED CHILDREN)\nS: A5 OK x\nS: * LIST () "/" INBOX\nS: A6 OK x\n'
    'C: A7 LIST "" (INBOX) RETURN (STATUS (MESSAGES UNSEEN UIDNEXT UIDVALIDITY HIGHESTMODSEQ))\n'
    + status(5)
    + "S: A7 OK x\n"
)
ALONG = f"C: A8 UID FETCH 9 (UID BODY.PEEK[])\nC: A9 {ALL}\nC: A10 NOOP\n"
BODY = "S: * 2 FETCH (UID 9 BODY[] {2}\nS: hi)\n"
SAID = 'S: * LIST () "/" INBOX\n' + status(5) + "S: A9 OK x\n"


@pytest.mark.parametrize(
    "told",
    [
        BODY + "S: A8 OK x\n" + SAID + "S: * 1 FETCH (UID 8 FLAGS () MODSEQ (6))\nS: A10 OK x\n",
        BODY + SAID + "S: * 2 FETCH (UID 9 FLAGS () MODSEQ (6))\nS: A8 OK x\nS: A10 OK x\n",
        "S: * 2 FETCH (UID 9 FLAGS () MODSEQ (6) BODY[] {2}\nS: hi)\nS: A8 OK x\n" + SAID + "S: A10 OK x\n",
        BODY + SAID + "S: * OK [HIGHESTMODSEQ 6] x\nS: A8 OK x\nS: A10 OK x\n",
        BODY + SAID + "S: A8 OK [HIGHESTMODSEQ 6] x\nS: A10 OK x\n",
        BODY + SAID + "S: A10 OK [HIGHESTMODSEQ 6] x\nS: A8 OK x\n",
        BODY + "S: * 3 EXISTS\nS: A8 OK x\n" + SAID + "S: A10 OK x\n",
    ],
)
async def test_news_are_news_wherever_they_stand(told: str) -> None:
    again = f'C: A11 {ALL}\nS: * LIST () "/" INBOX\n' + status(6) + "S: A11 OK x"
    async with playing(script(LISTS, OPENED + ALONG + told + again)) as mail:
        await mail.folders()
        with mail.expecting("INBOX", 7, 9, WHOLE):
            (inbox,) = await mail.folders()
            assert inbox.status is not None
            assert inbox.status.highest_modseq == 6
            assert (await mail.fetch("INBOX", 7, [9], WHOLE))[9].message == b"hi"


async def test_a_message_that_cannot_be_read_costs_only_itself() -> None:
    refused = "S: A8 NO [SERVERBUG] x\n" + SAID + "S: A10 OK x\n"
    login = script(
        LISTS,
        f"C: A3 EXAMINE INBOX (CONDSTORE)\n{INBOX}S: A3 OK [READ-ONLY] x\n"
        "C: A4 UID FETCH 9 (UID BODY.PEEK[])\n" + BODY + "S: A4 OK x",
    )
    async with playing(script(LISTS, OPENED + ALONG + refused + "CLOSE"), login) as mail:
        before = await mail.folders()
        with mail.expecting("INBOX", 7, 9, WHOLE):
            assert await mail.folders() == before
            assert (await mail.fetch("INBOX", 7, [9], WHOLE))[9].message == b"hi"
