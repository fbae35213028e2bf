"""Writing to servers that lack something or fail on the way: what goes over the wire, and that it goes once."""

import pytest

from adapters.errors import Forbidden, NotFound, Unavailable
from adapters.imap.backend import ImapMail
from adapters.imap.connection import Credentials, Endpoint
from adapters.imap.stores import STREAMED
from adapters.ports.mail_write import FlagDelta
from tests.wire.scripted import ScriptedServer

SEEN = frozenset({"$seen"})
NOTHING = frozenset[str]()


def script(text: str, more: str = "") -> str:
    hello = f"""S: * OK [CAPABILITY IMAP4rev1] hi
    C: A1 LOGIN u p
    S: A1 OK [CAPABILITY IMAP4rev1 UNSELECT {more}] in
    """
    lines = [line.strip() for line in (hello + text).strip().splitlines()]
    return "\n".join(lines if lines[-1] == "CLOSE" else [*lines, "C: *", "S: * BYE x", "CLOSE"])


def mail_at(port: int) -> ImapMail:
    return ImapMail(Endpoint("127.0.0.1", port, tls="none", command_timeout=2), Credentials("u", "p"))


SELECT = """
    C: A2 SELECT Box
    S: * OK [UIDVALIDITY 7] x
    S: * OK [PERMANENTFLAGS (\\\\Deleted \\\\Seen work)] x
    S: A2 OK [READ-WRITE] x
"""


async def test_a_copy_whose_answer_is_lost_is_not_made_again() -> None:
    """The server may have acted: the caller looks and decides."""
    text = SELECT + "C: A3 UID COPY 5 Other\nCLOSE"
    async with ScriptedServer(script(text)) as server:
        mail = mail_at(server.port)
        with pytest.raises(Unavailable):
            await mail.copy("Box", 7, [5], "Other")
        await mail.close()


async def test_a_connection_that_had_died_before_is_replaced() -> None:
    """SELECT may be tried again; what follows it may not."""
    first = script("C: A2 CREATE New\nS: A2 OK x\nCLOSE")
    second = script(SELECT + "C: A3 UID STORE 6 +FLAGS.SILENT (\\\\Seen)\nS: A3 OK x")
    async with ScriptedServer(first, second) as server:
        mail = mail_at(server.port)
        await mail.create_folder("New", None)
        await mail.change_flags("Box", 7, [FlagDelta((6,), SEEN, NOTHING)])
        await mail.close()


async def test_without_move_a_copy_comes_first() -> None:
    text = """
    C: A3 UID COPY 5,7:8 "New Box"
    S: A3 OK [COPYUID 9 5,7:8 11:13] x
    C: A4 UID STORE 5,7:8 +FLAGS.SILENT (\\\\Deleted)
    S: A4 OK x
    C: A5 UID EXPUNGE 5,7:8
    S: * 1 EXPUNGE
    S: A5 OK x
    """
    async with ScriptedServer(script(SELECT + text, "UIDPLUS")) as server:
        mail = mail_at(server.port)
        assert await mail.move("Box", 7, [8, 5, 7], "New Box") == {5: 11, 7: 12, 8: 13}
        await mail.close()


async def test_nothing_is_removed_where_the_copy_failed() -> None:
    text = "C: A3 UID COPY 5 Gone\nS: A3 NO [TRYCREATE] x"
    async with ScriptedServer(script(SELECT + text, "UIDPLUS")) as server:
        mail = mail_at(server.port)
        with pytest.raises(NotFound):
            await mail.move("Box", 7, [5], "Gone")
        await mail.close()


async def test_a_mailbox_that_can_only_be_read() -> None:
    text = "C: A2 SELECT Box\nS: * OK [UIDVALIDITY 7] x\nS: A2 OK [READ-ONLY] x"
    async with ScriptedServer(script(text)) as server:
        mail = mail_at(server.port)
        with pytest.raises(Forbidden):
            await mail.change_flags("Box", 7, [FlagDelta((5,), SEEN, NOTHING)])
        await mail.close()


async def test_what_can_be_stored_is_asked_once_and_follows_what_the_server_says() -> None:
    text = """
    C: A3 UID STORE 1:2 +FLAGS.SILENT (\\\\Seen)
    C: A4 UID STORE 2 -FLAGS.SILENT (work)
    S: * 1 FETCH (UID 1 MODSEQ (12))
    S: * 2 FETCH (UID 2 MODSEQ (12))
    S: A3 OK x
    S: * OK [PERMANENTFLAGS (\\\\Seen)] no room for more
    S: * 2 FETCH (UID 2 MODSEQ (13))
    S: A4 OK x
    """
    async with ScriptedServer(script(SELECT + text)) as server:
        mail = mail_at(server.port)
        assert await mail.permanent_keywords("Box") == frozenset({"$seen", "work"})
        deltas = [FlagDelta((1,), SEEN, NOTHING), FlagDelta((2,), SEEN, frozenset({"work"}))]
        assert await mail.change_flags("Box", 7, deltas) == {}  # nothing says whose the numbers are
        assert await mail.permanent_keywords("Box") == SEEN
        await mail.close()


CONDSTORE = SELECT.replace("SELECT Box", "SELECT Box (CONDSTORE)")


async def test_what_others_have_changed_since_is_changed_all_the_same_and_not_told() -> None:
    """RFC 7162 §3.1.3: MODIFIED comes with OK, or with NO where messages are gone as well."""
    text = """
    C: A3 UID STORE 1:3 (UNCHANGEDSINCE 11) +FLAGS.SILENT (\\\\Seen)
    C: A4 UID STORE 4:5 (UNCHANGEDSINCE 11) +FLAGS.SILENT (work)
    S: * 1 FETCH (UID 1 MODSEQ (13))
    S: * 2 FETCH (UID 2 MODSEQ (12) FLAGS (\\\\Seen work))
    S: * 3 FETCH (UID 3 MODSEQ (13))
    S: A3 OK [MODIFIED 2] x
    S: A4 NO [MODIFIED 4] some are gone
    C: A5 UID STORE 2 +FLAGS.SILENT (\\\\Seen)
    C: A6 UID STORE 4:5 +FLAGS.SILENT (work)
    S: * 2 FETCH (UID 2 MODSEQ (12))
    S: A5 OK x
    S: A6 OK x
    """
    async with ScriptedServer(script(CONDSTORE + text, "CONDSTORE")) as server:
        mail = mail_at(server.port)
        deltas = [FlagDelta((1, 2, 3), SEEN, NOTHING), FlagDelta((4, 5), frozenset({"work"}), NOTHING)]
        assert await mail.change_flags("Box", 7, deltas, 11) == {1: 13, 3: 13}
        await mail.close()


async def test_the_answer_about_many_messages_is_read_as_a_stream_and_means_the_same() -> None:
    """Also where something else is told within it: of messages that were not stored, of keywords, of expunged ones."""
    lines = "".join(f"    S: * {uid} FETCH (UID {uid} MODSEQ ({12 + uid % 2}))\n" for uid in range(4, STREAMED + 1))
    text = f"""
    C: A3 UID STORE 1:{STREAMED} (UNCHANGEDSINCE 11) +FLAGS.SILENT (\\\\Seen)
    S: * 1 FETCH (UID 1 MODSEQ (12))
    S: * OK [PERMANENTFLAGS (\\\\Seen)] no room for more
    S: * 90 FETCH (UID 99 MODSEQ (14) FLAGS ())
    S: * 3 FETCH (MODSEQ (13) FLAGS (\\\\Seen work) UID 3)
    S: * VANISHED 98
{lines}    S: A3 OK [MODIFIED 2] x
    C: A4 UID STORE 2 +FLAGS.SILENT (\\\\Seen)
    S: * 2 FETCH (UID 2 MODSEQ (15))
    S: A4 OK x
    """
    async with ScriptedServer(script(CONDSTORE + text, "CONDSTORE")) as server:
        mail = mail_at(server.port)
        told = await mail.change_flags("Box", 7, [FlagDelta(tuple(range(1, STREAMED + 1)), SEEN, NOTHING)], 11)
        assert told == {1: 12, 3: 13} | {uid: 12 + uid % 2 for uid in range(4, STREAMED + 1)}
        assert await mail.permanent_keywords("Box") == SEEN
        await mail.close()


async def test_many_messages_of_which_some_are_gone_and_some_changed_are_stored_again() -> None:
    text = f"""
    C: A3 UID STORE 1:{STREAMED} (UNCHANGEDSINCE 11) +FLAGS.SILENT (\\\\Seen)
    S: A3 NO [MODIFIED 4] some are gone
    C: A4 UID STORE 1:{STREAMED} +FLAGS.SILENT (\\\\Seen)
    S: * 1 FETCH (UID 1 MODSEQ (12))
    S: A4 OK x
    """
    async with ScriptedServer(script(CONDSTORE + text, "CONDSTORE")) as server:
        mail = mail_at(server.port)
        deltas = [FlagDelta(tuple(range(1, STREAMED + 1)), SEEN, NOTHING)]
        assert await mail.change_flags("Box", 7, deltas, 11) == {}
        await mail.close()


async def test_a_message_that_is_stored_twice_is_stored_without_condition() -> None:
    text = """
    C: A3 UID STORE 1 +FLAGS.SILENT (\\\\Seen)
    C: A4 UID STORE 1 -FLAGS.SILENT (work)
    S: * 1 FETCH (UID 1 MODSEQ (12))
    S: A3 OK x
    S: A4 OK x
    """
    async with ScriptedServer(script(CONDSTORE + text, "CONDSTORE")) as server:
        mail = mail_at(server.port)
        assert await mail.change_flags("Box", 7, [FlagDelta((1,), SEEN, frozenset({"work"}))], 11) == {}
        await mail.close()
