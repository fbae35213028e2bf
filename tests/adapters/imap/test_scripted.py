"""What real servers do not do on demand: refusals, garbage, lost connections, other dialects."""

import asyncio
from array import array
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from adapters.errors import Unavailable, Unsupported
from adapters.imap import deltas
from adapters.imap.backend import ImapMail
from adapters.imap.connection import Credentials, Endpoint
from adapters.ports.mail import ThreadHeaders
from adapters.ports.mail_search import Text
from tests.adapters.imap.mailboxes import Index
from tests.wire.scripted import ScriptedServer, serving


def script(capabilities: str, dialogue: str) -> str:
    """A login that finds these capabilities, the dialogue (tags begin at A2), and LOGOUT unless the server hangs up."""
    login = "S: * OK ready\nC: *\nS: * CAPABILITY IMAP4rev1\nS: A1 OK x\n"
    login += f"C: A2 LOGIN u p\nS: A2 OK [CAPABILITY IMAP4rev1 {capabilities}] x\n"
    return login + dialogue + ("" if dialogue.endswith("CLOSE") else "\nC: *\nS: * BYE x\nCLOSE")


NO_GUID = "C: A3 STATUS INBOX (X-GUID)\nS: A3 BAD what\n"
INBOX = "S: * OK [UIDVALIDITY 7] x\nS: * 2 EXISTS\n"


@asynccontextmanager
async def playing(*scripts: str) -> AsyncIterator[ImapMail]:
    """A mail backend, opened, on a server that plays the scripts."""
    async with ScriptedServer(*scripts) as server:
        mail = ImapMail(Endpoint("127.0.0.1", server.port, tls="none"), Credentials("u", "p"))
        try:
            await mail.open()
            yield mail
        finally:
            await mail.close()


async def test_a_server_that_knows_no_utf8() -> None:
    asked = (
        "C: A4 EXAMINE INBOX\n" + INBOX + "S: A4 OK [READ-ONLY] x\n"
        "C: A5 NOOP\nS: A5 OK x\n"
        "C: A6 UID SEARCH CHARSET UTF-8 UNDELETED TO {2+}\nC: *\nS: A6 NO [BADCHARSET (ISO-8859-1)] x\n"
    )
    again = (
        "C: A7 NOOP\nS: A7 OK x\n"
        "C: A8 UID SEARCH CHARSET ISO-8859-1 UNDELETED TO {1+}\nC: *\nS: * SEARCH 9 4\nS: A8 OK x"
    )
    async with playing(script("LITERAL+", NO_GUID + asked + again)) as mail:
        assert list(await mail.search("INBOX", 7, Text("to", "é"))) == [4, 9]
    async with playing(script("LITERAL+", NO_GUID + asked.replace("{2+}", "{3+}"))) as mail:
        with pytest.raises(Unsupported):
            await mail.search("INBOX", 7, Text("to", "\u20ac"))


async def test_a_folder_that_cannot_be_opened_costs_only_itself() -> None:
    listing = (
        "C: A4 EXAMINE INBOX\n" + INBOX + "S: A4 OK [READ-ONLY] x\n"
        "C: A5 NOOP\nC: *\nC: *\n"
        'S: A5 OK x\nS: * LIST () "/" INBOX\nS: * LIST () "/" Ghost\nS: * LIST (\\\\Noselect) "/" Top\nS: A6 OK x\n'
        'S: * LSUB () "/" Ghost\nS: A7 OK x\n'
        "C: *\nC: *\nC: *\nC: *\n"
        "S: * STATUS INBOX (MESSAGES 2 UNSEEN 1 UIDNEXT 5 UIDVALIDITY 7)\nS: A8 OK x\nS: A9 NO no such mailbox\n"
        "S: * MYRIGHTS INBOX lrs\nS: A10 OK x\nS: A11 NO no such mailbox\n"
        "C: A12 STATUS Top (MESSAGES)\nS: A12 NO no such mailbox"
    )
    async with playing(script("ACL", NO_GUID + listing)) as mail:
        folders = {folder.path: folder for folder in await mail.folders()}
        assert folders["INBOX"].status is not None
        assert folders["INBOX"].rights == frozenset("lrs")
        assert (folders["Ghost"].status, folders["Ghost"].subscribed) == (None, True)
        assert folders["Ghost"].rights == frozenset()
        assert not folders["Ghost"].selectable
        assert not folders["Top"].selectable


async def test_a_status_that_is_left_out_is_no_denial() -> None:
    """RFC 5819 §2: a server may drop it for trouble of its own, and the messages must not be forgotten for that."""
    items = "RETURN (SUBSCRIBED CHILDREN"
    listed = 'S: * LIST () "/" INBOX\nS: * LIST () "/" Busy\nS: * LIST () "/" Ghost\n'
    status = "S: * STATUS INBOX (MESSAGES 2 UNSEEN 1 UIDNEXT 5 UIDVALIDITY 7)\n"
    listing = (
        "C: A4 EXAMINE INBOX\n" + INBOX + "S: A4 OK [READ-ONLY] x\n"
        f'C: A5 NOOP\nC: A6 LIST "" "*" {items})\nS: A5 OK x\n{listed}S: A6 OK x\n'
        f"C: *\n{listed}{status}S: A7 OK x\n"
        "C: A8 STATUS Busy (MESSAGES)\nC: A9 STATUS Ghost (MESSAGES)\n"
        "S: A8 NO [INUSE] x\nS: A9 NO [NONEXISTENT] x"
    )
    async with playing(script("LIST-EXTENDED LIST-STATUS", NO_GUID + listing)) as mail:
        folders = {folder.path: folder for folder in await mail.folders()}
    assert [folders[name].selectable for name in ("INBOX", "Busy", "Ghost")] == [True, True, False]
    assert folders["Busy"].status is None


async def test_a_refused_listing_is_no_empty_one() -> None:
    """Or every Mailbox and every Email would be told to be destroyed."""
    listing = (
        "C: A4 EXAMINE INBOX\n" + INBOX + "S: A4 OK [READ-ONLY] x\n"
        "C: A5 NOOP\nC: *\nC: *\nS: A5 OK x\nS: A6 NO not now\nS: A7 NO not now"
    )
    async with playing(script("", NO_GUID + listing)) as mail:
        with pytest.raises(Unavailable):
            await mail.folders()


async def test_a_mailbox_id_that_is_garbage() -> None:
    """Cyrus 3.6 in STATUS after RENAME: the answer to EXAMINE is right."""
    opening = (
        "C: A3 EXAMINE INBOX\n" + INBOX + "S: A3 OK [READ-ONLY] x\n"
        "C: A4 UID FETCH * (UID THREADID)\nS: * 2 FETCH (UID 4 THREADID NIL)\nS: A4 OK x\n"
    )
    listing = (
        "C: A5 NOOP\nC: *\nC: *\n"
        'S: A5 OK x\nS: * LIST () "/" INBOX\nS: A6 OK x\nS: A7 OK x\n'
        "C: A8 STATUS INBOX (MESSAGES UNSEEN UIDNEXT UIDVALIDITY MAILBOXID)\n"
        "S: * STATUS INBOX (MESSAGES 2 UNSEEN 1 UIDNEXT 5 UIDVALIDITY 7 MAILBOXID (M\\x16.:.V))\nS: A8 OK x\n"
        "C: A9 STATUS INBOX (MAILBOXID)\nS: * STATUS INBOX (MAILBOXID (M\\x16.:.V))\nS: A9 OK x\n"
        "C: A10 EXAMINE INBOX\n" + INBOX + "S: * OK [MAILBOXID (F1-a)] x\nS: A10 OK [READ-ONLY] x"
    )
    async with playing(script("OBJECTID", opening + listing)) as mail:
        (inbox,) = await mail.folders()
        assert inbox.native_id == "F1-a"


FACTS = '(FLAGS () UID {uid} X-GM-MSGID 127{uid} X-GM-THRID 99 INTERNALDATE "17-Jul-2026 02:44:25 +0000" RFC822.SIZE 9)'


async def test_a_connection_lost_half_way() -> None:
    """Reading is begun again on a fresh connection; nothing is lost or doubled. The dialect is Gmail's."""
    begin = (
        "C: A{0} EXAMINE INBOX\n" + INBOX + "S: A{0} OK [READ-ONLY] x\n"
        "C: A{1} NOOP\nS: A{1} OK x\n"
        "C: *\nC: *\n"
        "S: * STATUS INBOX (MESSAGES 2 UNSEEN 1 UIDNEXT 5 UIDVALIDITY 7)\nS: A{2} OK x\nS: A{3} OK x\n"
        "C: *\nS: * 1 FETCH " + FACTS.format(uid=3) + "\n"
    )
    first = begin.format("4", "5", "6", "7") + "CLOSE"
    second = begin.format("3", "4", "5", "6") + "S: * 2 FETCH " + FACTS.format(uid=4) + "\nS: A7 OK x"
    async with playing(script("X-GM-EXT-1", NO_GUID + first), script("X-GM-EXT-1", second)) as mail:
        inbox = Index()
        delta = await inbox.update(mail, "INBOX")
        assert list(delta.arrivals.uids) == [3, 4]
        assert delta.arrivals.native_ids == [b"1273", b"1274"]
        assert delta.arrivals.thread_ids == [b"99", b"99"]


async def test_a_part_that_cannot_be_decoded() -> None:
    asked = (
        "C: A4 EXAMINE INBOX\n" + INBOX + "S: A4 OK [READ-ONLY] x\n"
        "C: A5 UID FETCH 3 (UID BINARY.SIZE[1] BINARY.SIZE[2])\nS: A5 NO [UNKNOWN-CTE] x\n"
        "C: A6 UID FETCH 3 (UID BINARY.SIZE[1])\nS: * 1 FETCH (UID 3 BINARY.SIZE[1] 5)\nS: A6 OK x\n"
        "C: A7 UID FETCH 3 (UID BINARY.SIZE[2])\nS: A7 NO [UNKNOWN-CTE] x"
    )
    async with playing(script("BINARY", NO_GUID + asked)) as mail:
        assert await mail.decoded_sizes("INBOX", 7, 3, ["1", "2"]) == {"1": 5}


FACTS_OF_9 = '* 3 FETCH (UID 9 FLAGS () INTERNALDATE "17-Nov-2026 10:00:00 +0000" RFC822.SIZE 5 EMAILID (M9)'
THREAD_FIELDS = "HEADER.FIELDS (IN-REPLY-TO MESSAGE-ID REFERENCES SUBJECT)"
PAGE_OF_9 = (
    f"C: A8 UID FETCH 9 (UID FLAGS INTERNALDATE RFC822.SIZE EMAILID BODY.PEEK[{THREAD_FIELDS}])\n"
    f"S: {FACTS_OF_9} BODY[{THREAD_FIELDS}] {{17}}\nS: Subject: plan\nS: \nS: )\nS: A8 OK x"
)


@pytest.mark.parametrize(
    "answer",
    ["S: A5 BAD no PARTIAL", "S: * ESEARCH UID ALL 9\nS: A5 OK x"],
    ids=["refused", "without a total"],
)
async def test_a_server_that_cannot_cut_pages_though_it_says_so(answer: str) -> None:
    asked = (
        "C: A3 EXAMINE INBOX\n" + INBOX + "S: A3 OK [READ-ONLY] x\n"
        "C: A4 UID FETCH * (UID THREADID)\nS: * 3 FETCH (UID 9 THREADID NIL)\nS: A4 OK x\n"
        "C: A5 UID SORT RETURN (COUNT PARTIAL 1:2) (REVERSE ARRIVAL) UTF-8 UNDELETED\nC: A6 NOOP\n" + answer + "\n"
        "S: A6 OK x\n"
        "C: A7 UID SORT (REVERSE ARRIVAL) UTF-8 UNDELETED\nS: * SORT 9\nS: A7 OK x\n"
    ) + PAGE_OF_9
    async with playing(script("OBJECTID SORT ESORT CONTEXT=SORT", asked)) as mail:
        found = await mail.newest("INBOX", 7, 1)
        assert found is not None
        assert (list(found.arrivals.uids), found.arrivals.native_ids, found.total) == ([9], [b"M9"], 1)


async def test_the_newest_are_asked_for_again_where_something_came() -> None:
    sort = "UID SORT RETURN (COUNT PARTIAL 1:2) (REVERSE ARRIVAL) UTF-8 UNDELETED"
    asked = (
        "C: A3 EXAMINE INBOX\n" + INBOX + "S: A3 OK [READ-ONLY] x\n"
        "C: A4 UID FETCH * (UID THREADID)\nS: * 3 FETCH (UID 9 THREADID NIL)\nS: A4 OK x\n"
        f"C: A5 {sort}\nC: A6 NOOP\nS: * ESEARCH UID COUNT 0 PARTIAL (1:2 NIL)\nS: A5 OK x\n"
        "S: * 3 EXISTS\nS: A6 OK x\n"
        f"C: A7 {sort}\nS: * ESEARCH UID COUNT 1 PARTIAL (1:2 9)\nS: A7 OK x\n"
    ) + PAGE_OF_9
    async with playing(script("OBJECTID SORT ESORT CONTEXT=SORT", asked)) as mail:
        found = await mail.newest("INBOX", 7, 1)
        assert found is not None
        assert (list(found.arrivals.uids), found.total) == ([9], 1)
        assert found.headers == ThreadHeaders(array("I", [9]), [b""], [b""], [b""], [b"plan"])


async def test_what_the_first_listing_needs_is_there_when_it_is_asked_for() -> None:
    """The mailbox to hold and the names are learnt before; then one round trip tells all."""
    named = 'LIST "" "*" RETURN (SUBSCRIBED CHILDREN'
    listed = 'S: * LIST () "/" INBOX\n'
    ahead = "C: A4 EXAMINE INBOX\n" + INBOX + f"S: A4 OK [READ-ONLY] x\nC: A5 {named})\n{listed}S: A5 OK x\n"
    listing = (
        f"C: A6 {named} STATUS (MESSAGES UNSEEN UIDNEXT UIDVALIDITY))\nC: A7 NOOP\n{listed}"
        "S: * STATUS INBOX (MESSAGES 2 UNSEEN 1 UIDNEXT 5 UIDVALIDITY 7)\nS: A6 OK x\nS: A7 OK x"
    )
    async with playing(script("LIST-EXTENDED LIST-STATUS", NO_GUID + ahead + listing)) as mail:
        await mail.prepare()
        (folder,) = await mail.folders()
        assert folder.status is not None
        assert folder.status.messages == 2


async def test_a_mailbox_that_cannot_be_held_is_no_fault_of_who_prepares() -> None:
    ahead = "C: A4 EXAMINE INBOX\nS: A4 NO [NONEXISTENT] x\nC: A5 EXAMINE INBOX\nS: A5 NO [NONEXISTENT] x\n"
    listing = (
        'C: A6 NOOP\nC: *\nC: *\nS: A6 OK x\nS: * LIST () "/" Work\nS: A7 OK x\nS: A8 OK x\n'
        "C: *\nS: * STATUS Work (MESSAGES 2 UNSEEN 1 UIDNEXT 5 UIDVALIDITY 7)\nS: A9 OK x\n"
        "C: A10 EXAMINE Work\n" + INBOX + "S: A10 OK [READ-ONLY] x"
    )
    async with playing(script("", NO_GUID + ahead + listing)) as mail:
        await mail.prepare()
        (folder,) = await mail.folders()
        assert folder.path == "Work"


@pytest.mark.parametrize("goes_on", [True, False])
async def test_a_stream_is_given_up_for_silence_not_for_length(goes_on: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Row 55: the answer as a whole takes several time-outs; where nothing more comes one is enough."""
    monkeypatch.setattr(deltas, "SILENT_SECONDS", 0.4)
    pieces, many = 12, b'* 3 FETCH (UID 9 FLAGS () INTERNALDATE "17-Nov-2026 10:00:00 +0000" RFC822.SIZE 5 %b)\r\n'
    header = b"BODY[HEADER.FIELDS (DATE FROM MESSAGE-ID REFERENCES SUBJECT)] {2000}\r\n" + b"x" * 2000

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"* OK [CAPABILITY IMAP4rev1] x\r\n")
        while line := await reader.readline():
            tag, command = line.split(b" ", 1)
            if command.startswith(b"STATUS"):
                writer.write(tag + b" BAD x\r\n")
                continue
            if command.startswith(b"EXAMINE"):
                writer.write(b"* OK [UIDVALIDITY 7] x\r\n")
            elif command.startswith(b"UID SEARCH"):
                writer.write(b"* SEARCH 9\r\n")
            elif command.startswith(b"UID FETCH"):
                for _ in range(pieces):
                    writer.write(many % header)
                    await asyncio.sleep(0.1)
                if not goes_on:
                    await reader.read()
                    return
            writer.write(tag + b" OK [CAPABILITY IMAP4rev1] x\r\n")

    async with serving(behave) as port, asyncio.timeout(30):
        mail = ImapMail(Endpoint("127.0.0.1", port, tls="none"), Credentials("u", "p"))
        await mail.open()
        if goes_on:
            assert sum([len(batch.uids) async for batch in mail.facts("INBOX", 7)]) == pieces
        else:
            with pytest.raises(Unavailable):
                async for _ in mail.facts("INBOX", 7):
                    pass
        await mail.close()
