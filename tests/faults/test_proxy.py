"""The fault proxy itself, in front of an echo server and of Dovecot."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.faults.masking import mask
from tests.faults.proxy import (
    Action,
    After,
    Cut,
    Delay,
    Drip,
    FaultProxy,
    HalfOpen,
    Inject,
    Replace,
    Reset,
    Rule,
    Stall,
)
from tests.servers.dovecot import Dovecot
from tests.servers.users import fresh_user

LINES = b"one\r\ntwo\r\nthree\r\n"
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture
async def proxy() -> AsyncIterator[FaultProxy]:
    """A proxy in front of a server that sends back what it gets."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while octets := await reader.read(1000):
            writer.write(octets)
        writer.close()

    async with (
        await asyncio.start_server(echo, "127.0.0.1", 0) as server,
        FaultProxy(*server.sockets[0].getsockname()) as running,
    ):
        yield running


@asynccontextmanager
async def connected(proxy: FaultProxy) -> AsyncIterator[Streams]:
    reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def exchange(proxy: FaultProxy, octets: bytes = LINES) -> bytes:
    """What comes back until the connection ends, which the client's own end causes."""
    async with connected(proxy) as (reader, writer):
        writer.write(octets)
        writer.write_eof()
        return await reader.read()


async def test_passes_everything_on(proxy: FaultProxy) -> None:
    octets = bytes(range(256)) * 5000
    assert await exchange(proxy, octets) == octets
    assert proxy.transcript("client") == proxy.transcript("server") == octets


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        (After.octets(4), b"one\r"),
        (After.match(rb"^two"), b"one\r\ntwo"),
        (After.command(2), b"one\r\ntwo\r\n"),
    ],
)
async def test_cut(proxy: FaultProxy, when: After, expected: bytes) -> None:
    proxy.add(Rule("server", when, Cut()))
    assert await exchange(proxy) == expected
    assert await exchange(proxy) == LINES  # once only


async def test_cut_while_the_client_sends(proxy: FaultProxy) -> None:
    proxy.add(Rule("client", After.command(2), Cut(), times=None))
    for _ in range(2):
        assert b"three" not in await exchange(proxy)


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        (Replace(b"2\r\n"), b"one\r\n2\r\nthree\r\n"),
        (Inject(b"* BYE\r\n"), b"one\r\ntwo\r\n* BYE\r\nthree\r\n"),
        (Delay(0.01), LINES),
        (Drip(2000), LINES),
    ],
)
@pytest.mark.parametrize("sender", ["client", "server"])
async def test_changed_or_slow(proxy: FaultProxy, sender: str, action: Action, expected: bytes) -> None:
    proxy.add(Rule("client" if sender == "client" else "server", After.command(2), action))
    assert await exchange(proxy) == expected


async def test_reset(proxy: FaultProxy) -> None:
    proxy.add(Rule("server", After.command(1), Reset()))
    with pytest.raises(ConnectionResetError):
        await exchange(proxy)


@pytest.mark.parametrize("action", [Stall(), HalfOpen()])
async def test_silence(proxy: FaultProxy, action: Action) -> None:
    proxy.add(Rule("server", After.command(1), action))
    async with connected(proxy) as (reader, writer):
        writer.write(LINES)
        assert await reader.readexactly(5) == b"one\r\n"
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), 0.05)


async def test_refuse_and_accept_again(proxy: FaultProxy) -> None:
    await proxy.refuse()
    with pytest.raises(ConnectionRefusedError):
        await exchange(proxy)
    await proxy.accept()
    assert await exchange(proxy) == LINES


async def test_cut_all(proxy: FaultProxy) -> None:
    async with connected(proxy) as (reader, writer):
        writer.write(b"one\r\n")
        assert await reader.readexactly(5) == b"one\r\n"
        proxy.cut_all()
        assert await reader.read() == b""


async def test_rules_in_the_order_of_what_is_sent(proxy: FaultProxy) -> None:
    proxy.add(
        Rule("server", After.match(rb"three"), Replace(b"3")),
        Rule("server", After.match(rb"one"), Replace(b"1")),
    )
    assert await exchange(proxy) == b"1\r\ntwo\r\n3\r\n"


async def test_upstream_is_down() -> None:
    async with FaultProxy("127.0.0.1", 1) as proxy:
        assert await exchange(proxy, b"") == b""


async def test_dovecot_cut_within_an_append(dovecot: Dovecot) -> None:
    user = fresh_user(dovecot)
    async with FaultProxy(dovecot.host, dovecot.imap) as proxy, connected(proxy) as (reader, writer):
        proxy.add(Rule("client", After.match(rb"^Subject: lo"), Cut()))
        await reader.readline()
        writer.write(f"a LOGIN {user.name} {user.password}\r\n".encode())
        assert (await reader.readline()).startswith(b"a OK")
        writer.write(b"b APPEND INBOX {100+}\r\nSubject: lost\r\n\r\n")
        assert b"b OK" not in await reader.read()
        assert proxy.count(rb"^\S+ APPEND ") == 1
        assert user.password.encode() not in proxy.transcript("client")
        assert user.name.encode() in proxy.transcript("client")


@pytest.mark.parametrize(
    ("sent", "masked"),
    [
        (b"a LOGIN alice secret\r\nb NOOP\r\n", b"a LOGIN alice ***\r\nb NOOP\r\n"),
        (b'a login "al ice" "sec ret"\r\n', b'a login "al ice" ***\r\n'),
        (b"a LOGIN {5}\r\nalice {6+}\r\nsecret\r\n", b"a LOGIN {5}\r\nalice {6+}\r\n***\r\n"),
        (b"a AUTHENTICATE PLAIN c2VjcmV0\r\nb NOOP\r\n", b"a AUTHENTICATE PLAIN ***\r\nb NOOP\r\n"),
        (b"a AUTHENTICATE PLAIN\r\nc2VjcmV0\r\nb NOOP\r\n", b"a AUTHENTICATE PLAIN\r\n***\r\nb NOOP\r\n"),
        (b"AUTH PLAIN c2VjcmV0\r\nQUIT\r\n", b"AUTH PLAIN ***\r\nQUIT\r\n"),
        (b'AUTHENTICATE "PLAIN" "c2VjcmV0"\r\n', b'AUTHENTICATE "PLAIN" ***\r\n'),
        (b"Authorization: Basic c2VjcmV0\r\nHost: a\r\n", b"Authorization: Basic ***\r\nHost: a\r\n"),
        (b"Subject: please log in\r\n", b"Subject: please log in\r\n"),
    ],
)
def test_masking(sent: bytes, masked: bytes) -> None:
    assert mask(sent) == masked
