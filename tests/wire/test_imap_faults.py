"""Dialogues with servers that err, pipelining rules, cancellation, caps; row numbers are those of the threat model."""

import asyncio
import resource
import zlib
from collections.abc import AsyncIterator

import pytest

from adapters.errors import InvalidData, NotFound, OverQuota, Unavailable, Unsupported
from adapters.imap import encoder as e
from adapters.imap.connection import Connection, Credentials, Endpoint
from adapters.imap.errors import ConnectionLost, ProtocolError, Refusal
from adapters.imap.framer import Caps
from adapters.imap.responses import Untagged, fetch_items
from adapters.imap.streams import PAUSES
from tests.wire.scripted import ScriptedServer, Whole, serving

HELLO = """S: * OK [CAPABILITY IMAP4rev1 UNSELECT] hi
C: A1 LOGIN u p
S: A1 OK [CAPABILITY IMAP4rev1 UNSELECT {more}] in
"""
FLAGS = e.paren(e.fetch_item("UID"), e.fetch_item("FLAGS"))
BODY = e.fetch_item("BODY.PEEK[]")


def script(text: str, more: str = "") -> str:
    return HELLO.format(more=more) + "\n".join(line.strip() for line in text.strip().splitlines())


async def connect(port: int, seconds: float = 2, caps: Caps | None = None, compress: bool = False) -> Connection:
    endpoint = Endpoint("127.0.0.1", port, "none", None, 5, seconds, caps or Caps(), compress)
    return await Connection.open(endpoint, Credentials("u", "p"))


async def fetch(connection: Connection, uid: int) -> list[bytes]:
    """UIDs in the completion of a UID FETCH."""
    completion = await connection.command("UID FETCH", e.seqset([uid]), FLAGS)
    found = [fetch_items(response)[b"UID"] for response in completion.of(b"FETCH")]
    return [uid for uid in found if isinstance(uid, bytes)]


async def test_pipelined_commands_are_written_in_one_go_and_keep_their_data_apart() -> None:
    """Row 57: answers out of order, foreign data between; each caller sees only its own."""
    text = """
    C: A2 UID FETCH 1 (UID FLAGS)
    C: A3 UID FETCH 2 (UID FLAGS)
    C: A4 NOOP
    S: * 9 EXISTS
    S: * 2 FETCH (UID 2 FLAGS (two))
    S: * 5 FETCH (UID 55 FLAGS (other))
    S: * 6 FETCH (FLAGS (seen))
    S: A3 OK x
    S: A4 OK x
    S: * 1 FETCH (UID 1 FLAGS (one))
    S: A2 OK x
    """
    async with ScriptedServer(script(text)) as server:
        connection = await connect(server.port)
        seen: list[Untagged] = []
        connection.on_unsolicited(seen.append)
        one, two, _ = await asyncio.gather(fetch(connection, 1), fetch(connection, 2), connection.command("NOOP"))
        assert (one, two) == ([b"1"], [b"2"])
        assert [(r.name, r.number) for r in seen] == [(b"EXISTS", 9), (b"FETCH", 5), (b"FETCH", 6)]
        connection.abort()


async def test_sequence_numbers_wait_for_commands_that_may_expunge() -> None:
    """RFC 9051 §5.5: FETCH + STORE + NOOP may go together; a FETCH behind NOOP must wait; SELECT is alone."""
    text = """
    C: A2 FETCH 1 (UID FLAGS)
    C: A3 STORE 1 +FLAGS x
    C: A4 NOOP
    S: A2 OK x
    S: A3 OK x
    WAIT
    S: A4 OK x
    C: A5 FETCH 1 (UID FLAGS)
    S: A5 OK x
    C: A6 EXAMINE INBOX
    S: A6 OK x
    C: A7 NOOP
    S: A7 OK x
    """
    async with ScriptedServer(script(text)) as server:
        connection = await connect(server.port)
        one = e.seqset([1])
        work = [
            connection.command("FETCH", one, FLAGS),
            connection.command("STORE", one, e.atom("+FLAGS"), e.flag("x")),
            connection.command("NOOP"),
            connection.command("FETCH", one, FLAGS),
            connection.select("INBOX"),
            connection.command("NOOP"),
        ]
        tasks = [asyncio.create_task(w) for w in work]
        await asyncio.wait(tasks[:2])
        assert len(server.received) == 4  # LOGIN and three commands: the second FETCH has not been sent
        server.go()
        await asyncio.gather(*tasks)
        connection.abort()


async def test_status_and_esearch_find_their_command_by_name_and_tag() -> None:
    text = """
    C: A2 STATUS A (MESSAGES)
    C: A3 STATUS "&AOk-" (MESSAGES)
    C: A4 UID SEARCH RETURN () ALL
    S: * ESEARCH (TAG "A4") UID ALL 1:3
    S: * ESEARCH (TAG "old") UID ALL 9
    S: * STATUS "&AOk-" (MESSAGES 2)
    S: * STATUS A (MESSAGES 1)
    S: A2 OK x
    S: A3 OK x
    S: A4 OK x
    """
    async with ScriptedServer(script(text)) as server:
        connection = await connect(server.port)
        items = e.paren(e.atom("MESSAGES"))
        a, b, found = await asyncio.gather(
            connection.command("STATUS", e.mailbox("A"), items),
            connection.command("STATUS", e.mailbox("é"), items),
            connection.command("UID SEARCH", e.atom("RETURN"), e.paren(), e.atom("ALL")),
        )
        assert a.of(b"STATUS")[0].values[1] == [b"MESSAGES", b"1"]
        assert b.of(b"STATUS")[0].values[1] == [b"MESSAGES", b"2"]
        assert [r.values[-1] for r in found.of(b"ESEARCH")] == [b"1:3"]
        connection.abort()


async def test_refusals_are_typed_and_keep_the_servers_words() -> None:
    text = """
    C: A2 EXAMINE x
    S: A2 NO [NONEXISTENT] no x
    C: A3 FROB
    S: * BAD Invalid tag
    S: A3 BAD what
    C: A4 NOOP
    S: * BAD Invalid tag
    S: A4 OK [X "a]b"] y
    """
    async with ScriptedServer(script(text)) as server:
        connection = await connect(server.port)
        with pytest.raises(NotFound) as caught:
            await connection.select("x")
        assert isinstance(caught.value.__cause__, Refusal)
        assert caught.value.__cause__.code == b"NONEXISTENT"
        assert connection.selected is None
        with pytest.raises(Unsupported):
            await connection.command("FROB")
        assert (await connection.command("NOOP")).code_values(b"X") == [b"a]b"]
        connection.abort()


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("S! * 1 FETCH (UID 1 BODY[] {100}\\r\\nhalf of it\nCLOSE", ConnectionLost),
        ("S: * BYE going down\nCLOSE", ConnectionLost),
        ("S: A9 OK whose", ProtocolError),
        ("S: * 1 FETCH (UID 1 X {4294967296}", ProtocolError),
        ("S: * 1 FETCH " + "(" * 500, ProtocolError),
        ("S: + what", ProtocolError),
        ("S: * 1 FETCH (UID", ProtocolError),
        ("S: nonsense", ProtocolError),
        ("CLOSE", ConnectionLost),
        ("WAIT", ConnectionLost),
    ],
    ids=["cut in a literal", "BYE", "unknown tag", "4 GB", "deep", "stray +", "half", "nonsense", "closed", "silent"],
)
@pytest.mark.parametrize("way", ["command", "stream", "literal_to"])
async def test_faults_end_the_connection_as_unavailable(fault: str, kind: type[Unavailable], way: str) -> None:
    """Rows 54 to 57."""
    if way != "command":
        kind = Unavailable
    async with ScriptedServer(script(f"C: *\n{fault}\n"), hold=False) as server:
        connection = await connect(server.port, seconds=0.2)
        work = {
            "command": connection.command("UID FETCH", e.seqset([1]), BODY),
            "stream": connection.stream("UID FETCH", e.seqset([1]), BODY, consumer=Whole(connection.hand_back)),
            "literal_to": connection.literal_to("UID FETCH", e.seqset([1]), BODY, sink=lambda _: None),
        }
        with pytest.raises(kind):
            await work.pop(way)
        for unused in work.values():
            unused.close()
        assert connection.closed
        with pytest.raises(ConnectionLost):
            await connection.command("NOOP")


async def test_a_million_untagged_lines_cost_no_memory() -> None:
    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"* OK [CAPABILITY IMAP4rev1] x\r\n")
        await reader.readline()
        writer.write(b"A1 OK [CAPABILITY IMAP4rev1] x\r\n")
        await reader.readline()
        for _ in range(100):
            writer.write(b"* 1 FETCH (UID 1 FLAGS ())\r\n" * 10_000)
            await writer.drain()

    async with serving(behave) as port:
        connection = await connect(port, seconds=30, caps=Caps(collected=1 << 20))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with pytest.raises(ProtocolError, match="too much"):
            await connection.command("UID FETCH", e.seqset([1]), FLAGS)
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 30_000  # KiB


async def test_a_cancelled_caller_leaves_the_connection_usable() -> None:
    text = """
    C: A2 UID FETCH 1 (UID FLAGS)
    WAIT
    S: * 1 FETCH (UID 1 FLAGS ())
    S: A2 OK x
    C: A3 UID FETCH 2 (UID FLAGS)
    S: * 2 FETCH (UID 2 FLAGS ())
    S: A3 OK x
    """
    async with ScriptedServer(script(text)) as server:
        connection = await connect(server.port)
        task = asyncio.create_task(fetch(connection, 1))
        await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        busy = [connection.busy]
        server.go()
        assert await fetch(connection, 2) == [b"2"]
        assert [*busy, connection.busy] == [True, False]
        connection.abort()


async def test_a_cancelled_stream_ends_the_connection() -> None:
    async with ScriptedServer(script("C: *\nS: * 1 FETCH (UID 1)\n")) as server:
        connection = await connect(server.port)
        came = asyncio.Event()
        work = connection.stream("UID FETCH", e.seqset([1]), FLAGS, consumer=Whole(lambda _: came.set()))
        task = asyncio.create_task(work)
        async with asyncio.timeout(5):
            await came.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert connection.closed


async def test_what_a_consumer_raises_reaches_the_caller() -> None:
    def consumer(chunk: bytes) -> None:
        raise KeyError(len(chunk))

    async with ScriptedServer(script("C: *\nS: * 1 FETCH (UID 1)\nWAIT"), hold=False) as server:
        connection = await connect(server.port)
        with pytest.raises(KeyError):
            await connection.stream("UID FETCH", e.seqset([1]), FLAGS, consumer=Whole(consumer))
        assert connection.closed


async def test_a_consumer_hands_back_what_is_not_its_own() -> None:
    text = """
    C: *
    S: * 1 FETCH (UID 1)
    S: * 5 EXISTS
    S: A2 OK [X y] done
    """
    async with ScriptedServer(script(text)) as server:
        connection = await connect(server.port)
        seen: list[Untagged] = []
        connection.on_unsolicited(seen.append)
        completion = await connection.stream("UID FETCH", e.seqset([1]), FLAGS, consumer=Whole(connection.hand_back))
        assert [r.name for r in seen] == [b"FETCH", b"EXISTS"]
        assert completion.code_values(b"X") == [b"y"]
        connection.abort()


@pytest.mark.parametrize("modest", [True, False])
async def test_a_stream_that_nobody_waits_for_stands_back_for_others_but_not_for_ever(modest: bool) -> None:
    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"* OK [CAPABILITY IMAP4rev1] x\r\n")
        await reader.readline()
        writer.write(b"A1 OK [CAPABILITY IMAP4rev1] x\r\n")
        await reader.readline()
        writer.write(b"* 1 FETCH (UID 1 FLAGS ())\r\n" * 3000 + b"A2 OK x\r\n")

    held_up: list[bool] = []

    def hurried() -> bool:
        held_up.append(connection.live_wire().paused)
        return True

    chunks: list[bytes] = []
    async with serving(behave) as port:
        endpoint = Endpoint("127.0.0.1", port, "none", hurried=hurried)
        connection = await Connection.open(endpoint, Credentials("u", "p"))
        await connection.stream("UID FETCH", e.seqset([1]), FLAGS, consumer=Whole(chunks.append), modest=modest)
        assert b"".join(chunks).count(b"FETCH") == 3000
        assert (held_up.count(False) > 1) is modest  # it was looked at after each piece
        assert (held_up.count(True) >= PAUSES) is modest
        connection.abort()


async def test_a_body_that_comes_quoted_reaches_the_sink() -> None:
    text = """
    C: *
    S: * 1 FETCH (UID 1 BODY[] "abc")
    S: A2 OK done
    C: *
    S: * 1 FETCH (UID 1 BODY[1] {3}
    S~ def
    S: )
    S: A3 OK done
    """
    async with ScriptedServer(script(text)) as server:
        connection = await connect(server.port)
        got: list[bytes] = []

        async def slow(piece: bytes) -> None:
            await asyncio.sleep(0)
            got.append(piece)

        await connection.literal_to("UID FETCH", e.seqset([1]), BODY, sink=slow)
        await connection.literal_to("UID FETCH", e.seqset([1]), e.fetch_item("BODY.PEEK[1]"), sink=slow)
        assert b"".join(got) == b"abcdef"
        connection.abort()


async def test_append_waits_for_the_server_and_nobody_writes_into_the_literal() -> None:
    text = """
    C: A2 APPEND x (\\\\Seen) {5}
    WAIT
    S: + go
    C! 5
    C:
    C: A3 NOOP
    S: A2 OK [APPENDUID 1 2] x
    S: A3 OK x
    C: A4 APPEND x {5}
    S: A4 NO [OVERQUOTA] full
    C: A5 NOOP
    S: A5 OK x
    """
    async with ScriptedServer(script(text)) as server:
        connection = await connect(server.port)
        append = asyncio.create_task(connection.append("x", ["\\Seen"], None, b"a\r\nb\n"))
        await asyncio.sleep(0.02)
        noop = asyncio.create_task(connection.command("NOOP"))
        await asyncio.sleep(0.02)
        server.go()
        assert (await append).code_values(b"APPENDUID") == [b"1", b"2"]
        await noop
        with pytest.raises(OverQuota):
            await connection.append("x", [], None, b"12345")
        await connection.command("NOOP")
        connection.abort()


async def test_a_stream_of_the_wrong_size_never_becomes_a_message() -> None:
    async def short() -> AsyncIterator[bytes]:
        yield b"abc"

    async with ScriptedServer(script("C: A2 APPEND x {5}\nS: + go\nC! 3"), hold=False) as server:
        connection = await connect(server.port)
        with pytest.raises(InvalidData):
            await connection.append("x", [], None, short(), 5)
        assert connection.closed


async def test_qresync_data_before_closed_belongs_to_the_mailbox_that_is_left() -> None:
    text = """
    C: A2 ENABLE QRESYNC
    S: * ENABLED QRESYNC
    S: A2 OK x
    C: A3 EXAMINE b (QRESYNC (1 2))
    S: * 3 FETCH (UID 3 FLAGS ())
    S: * OK [CLOSED] x
    S: * OK [UIDVALIDITY 1] x
    S: * VANISHED (EARLIER) 4:5
    S: A3 OK [READ-ONLY] x
    C: A4 UNSELECT
    S: A4 OK x
    """
    async with ScriptedServer(script(text, "ENABLE QRESYNC")) as server:
        connection = await connect(server.port)
        seen: list[Untagged] = []
        connection.on_unsolicited(seen.append)
        completion = await connection.select("b", qresync=(1, 2))
        assert [r.name for r in seen] == [b"FETCH"]
        assert completion.of(b"VANISHED")[0].values == [[b"EARLIER"], b"4:5"]
        assert (connection.selected, connection.selected_readonly, connection.uid_validity) == ("b", True, 1)
        await connection.unselect()
        assert connection.selected is None
        connection.abort()


async def test_idle_and_a_second_notify() -> None:
    text = """
    C: A2 IDLE
    S: + idling
    S: * 4 EXISTS
    C: DONE
    S: A2 OK x
    C: A3 NOTIFY SET (personal (MessageNew))
    S: A3 OK x
    C: A4 NOTIFY NONE
    S: A4 OK x
    C: A5 NOTIFY SET (personal (MessageNew))
    S: A5 OK x
    C: A6 IDLE
    S: A6 BAD no
    """
    async with ScriptedServer(script(text)) as server:
        connection = await connect(server.port)
        async with connection.idle() as hints:
            async for hint in hints:
                assert hint.number == 4
                break
        group = e.paren(e.atom("personal"), e.paren(e.atom("MessageNew")))
        await connection.notify(group)
        await connection.notify(group)
        with pytest.raises(Unsupported):
            async with connection.idle():
                pass
        connection.abort()


async def test_idle_is_renewed() -> None:
    text = """
    C: A2 IDLE
    S: + idling
    C: DONE
    S: A2 OK x
    C: A3 IDLE
    S: + idling
    S: * 4 EXISTS
    C: DONE
    S: A3 OK x
    """
    async with ScriptedServer(script(text)) as server:
        connection = await connect(server.port)
        async with connection.idle(renew=0.05) as hints:
            assert (await anext(hints)).number == 4
        connection.abort()


async def test_idle_reports_the_end_of_the_connection() -> None:
    async with ScriptedServer(script("C: A2 IDLE\nS: + idling\nS: * BYE\nCLOSE")) as server:
        connection = await connect(server.port)
        with pytest.raises(ConnectionLost):
            async with connection.idle() as hints:
                async for _ in hints:
                    pass


@pytest.mark.parametrize("way", ["command", "stream", "literal_to"])
async def test_a_server_that_drips_is_given_up(way: str) -> None:
    """Row 56: octets keep coming, the answer never does."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"* OK [CAPABILITY IMAP4rev1] x\r\n")
        await reader.readline()
        writer.write(b"A1 OK [CAPABILITY IMAP4rev1] x\r\n")
        await reader.readline()
        writer.write(b"* 1 FETCH (UID 1 BODY[] {100000}\r\n")
        while not writer.is_closing():
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.02)

    async with serving(behave) as port:
        connection = await connect(port, seconds=0.5)
        item = e.seqset([1])
        with pytest.raises(Unavailable):
            match way:
                case "command":
                    await connection.command("UID FETCH", item, BODY)
                case "stream":
                    await connection.stream("UID FETCH", item, BODY, consumer=Whole(lambda _: None))
                case _:
                    await connection.literal_to("UID FETCH", item, BODY, sink=lambda _: None)
        assert connection.closed


async def test_a_slow_sink_stops_the_reading() -> None:
    size = 8 << 20

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"* OK [CAPABILITY IMAP4rev1] x\r\n")
        await reader.readline()
        writer.write(b"A1 OK [CAPABILITY IMAP4rev1] x\r\n")
        await reader.readline()
        writer.write(b"* 1 FETCH (UID 1 BODY[] {%d}\r\n" % size + bytes(size) + b")\r\nA2 OK x\r\n")
        await reader.read()

    async with serving(behave) as port:
        connection = await connect(port)
        gate, first, got, most = asyncio.Event(), asyncio.Event(), 0, 0

        async def sink(piece: bytes) -> None:
            nonlocal got, most
            first.set()
            await gate.wait()
            got += len(piece)
            most = max(most, connection.received - got)

        task = asyncio.create_task(connection.literal_to("UID FETCH", e.seqset([1]), BODY, sink=sink))
        await first.wait()
        await asyncio.sleep(0.05)
        assert connection.received < 1 << 20
        gate.set()
        await task
        assert got == size
        assert most < 1 << 20
        connection.abort()


async def test_compression_begins_right_behind_its_ok() -> None:
    """RFC 4978 §3: what follows the OK in the same segment is compressed already."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        deflate, inflate = zlib.compressobj(wbits=-15), zlib.decompressobj(wbits=-15)
        capabilities = b"[CAPABILITY IMAP4rev1 COMPRESS=DEFLATE]"

        def squeezed(data: bytes) -> bytes:
            return deflate.compress(data) + deflate.flush(zlib.Z_SYNC_FLUSH)

        writer.write(b"* OK %b x\r\n" % capabilities)
        await reader.readline()
        writer.write(b"A1 OK %b x\r\n" % capabilities)
        assert await reader.readline() == b"A2 COMPRESS DEFLATE\r\n"
        writer.write(b"A2 OK x\r\n" + squeezed(b"* 3 EXISTS\r\n"))
        got = b""
        while not got.endswith(b"\r\n"):
            got += inflate.decompress(await reader.read(100))
        assert got == b"A3 NOOP\r\n"
        writer.write(squeezed(b"* SEARCH" + b" 12345" * 100_000 + b"\r\nA3 OK x\r\n"))
        await reader.read()

    async with serving(behave) as port:
        connection = await connect(port, compress=True)
        seen: list[Untagged] = []
        connection.on_unsolicited(seen.append)
        await connection.command("NOOP")
        assert [r.name for r in seen] == [b"SEARCH"]
        assert len(seen[0].values) == 100_000
        connection.abort()
        assert isinstance(await connection.wait_closed(), ConnectionLost)
