"""Dialogues that real servers do not play on demand (RFC 5804)."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from adapters.errors import (
    AdapterError,
    AuthFailed,
    Conflict,
    InvalidData,
    NotFound,
    OverQuota,
    TooLarge,
    Unavailable,
    Unsupported,
)
from adapters.formats.sasl import Credentials
from adapters.managesieve.connection import Endpoint
from adapters.managesieve.filters import SieveFilters
from adapters.ports.filtering import InvalidScript, ScriptInfo
from gateway.demo.dovecot_config import TlsFiles
from tests.wire.scripted import ScriptedServer

GREETING = """
S: "IMPLEMENTATION" "scripted"
S: "SASL" "PLAIN"
S: "SIEVE" "fileinto vacation"
S: OK
"""
LOGIN = """
C: AUTHENTICATE "PLAIN" "AHVzZXIAcGFzcw=="
S: OK
C: CAPABILITY
S: "IMPLEMENTATION" {8}
S: scripted
S: "SIEVE" "fileinto vacation include"
S: "MAXREDIRECTS" "4"
S: OK "hello"
"""
USER = Credentials("user", password="pass")


@asynccontextmanager
async def filters(
    *scripts: str, credentials: Credentials = USER, seconds: float = 5.0
) -> AsyncIterator[tuple[SieveFilters, ScriptedServer]]:
    async with ScriptedServer(*scripts, hold=False) as server:
        endpoint = Endpoint("127.0.0.1", server.port, "none", None, 5.0, seconds)
        port = SieveFilters(endpoint, credentials)
        try:
            yield port, server
        finally:
            await port.close()


async def test_capabilities_are_those_after_the_login() -> None:
    async with filters(GREETING + LOGIN) as (port, _):
        facts = await port.facts()
        assert facts.extensions == ["fileinto", "vacation", "include"]
        assert facts.capabilities["MAXREDIRECTS"] == "4"
        assert facts.capabilities["IMPLEMENTATION"] == "scripted"


async def test_names_come_as_quoted_strings_and_literals() -> None:
    script = GREETING + LOGIN + 'C: LISTSCRIPTS\nS: "a \\\\"b\\\\" \\\\\\\\" ACTIVE\nS: {4}\nS! l"i)\nS:\nS: OK\n'
    async with filters(script) as (port, _):
        assert await port.scripts() == [ScriptInfo('a "b" \\', True), ScriptInfo('l"i)', False)]


async def test_content_goes_out_as_a_literal_that_waits_for_nothing() -> None:
    script = GREETING + LOGIN + 'C: PUTSCRIPT "n\\\\"" {7+}\nC: keep;\nC:\nS: OK (WARNINGS) "line 1: hm"\n'
    async with filters(script) as (port, _):
        await port.put('n"', b"keep;\r\n")


@pytest.mark.parametrize("name", ["", "a\r\nLOGOUT", "a\x00", "\x85", "\u2028", "\ud800"])
async def test_no_name_can_hold_a_line_break(name: str) -> None:
    async with filters(GREETING + LOGIN) as (port, server):
        await port.facts()
        for refused in (port.put(name, b"keep;"), port.get(name), port.delete(name), port.rename("a", name)):
            with pytest.raises(InvalidData):
                await refused
        assert len(server.received) == 2


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ('NO (QUOTA) "full"', OverQuota),
        ("NO (QUOTA/MAXSCRIPTS)", OverQuota),
        ("NO (quota/maxsize) {4}\nS: long", TooLarge),
        ("NO (NONEXISTENT)", NotFound),
        ("NO (ALREADYEXISTS)", Conflict),
        ("NO (ACTIVE)", Conflict),
        ('BYE (REFERRAL "sieve://other") "go away"', Unavailable),
        ("BYE", Unavailable),
        ('NO (X-ODD (1 "a" (b))) "no"', InvalidData),
        ("* OK", Unavailable),
        ('"data" (', Unavailable),
        ("OK)", Unavailable),
        ("((((((((((((((((((((((((((((", Unavailable),
        ('"data" {99999999}', Unavailable),
    ],
)
async def test_every_refusal_has_its_error(answer: str, error: type[AdapterError]) -> None:
    script = GREETING + LOGIN + f'C: RENAMESCRIPT "a" "b"\nS: {answer}\n'
    async with filters(script) as (port, _):
        with pytest.raises(error):
            await port.rename("a", "b")


async def test_a_refused_script_is_told_in_the_words_of_the_server() -> None:
    refusal = 'C: CHECKSCRIPT "nonsense;"\nS: NO {16}\nS: line 1: nonsense\n'
    async with filters(GREETING + LOGIN + refusal) as (port, _):
        with pytest.raises(InvalidScript, match="line 1: nonsense"):
            await port.check(b"nonsense;")


async def test_wrong_password_and_outage_are_told_apart() -> None:
    begin = GREETING + 'C: AUTHENTICATE "PLAIN" "AHVzZXIAcGFzcw=="\n'
    for answer, error in (("NO", AuthFailed), ('NO (TRYLATER) "busy"', Unavailable), ("CLOSE", Unavailable)):
        ending = answer if answer == "CLOSE" else f"S: {answer}"
        async with filters(begin + ending) as (port, _):
            with pytest.raises(error):
                await port.facts()


async def test_no_mechanism_in_common() -> None:
    async with filters(GREETING, credentials=Credentials("user", token="t")) as (port, _):
        with pytest.raises(Unsupported):
            await port.facts()


async def test_an_oauth_error_is_answered_before_the_refusal() -> None:
    script = """
    S: "SASL" "OAUTHBEARER XOAUTH2"
    S: OK
    C: *
    S: "eyJzdGF0dXMiOiI0MDEifQ=="
    C: "AQ=="
    S: NO
    """
    async with filters(script, credentials=Credentials("user", token="t")) as (port, server):
        with pytest.raises(AuthFailed):
            await port.facts()
        assert server.received[0].startswith(b'AUTHENTICATE "OAUTHBEARER" "')


async def test_a_server_that_does_not_prove_itself_is_not_believed() -> None:
    script = '\nS: "SASL" "SCRAM-SHA-256 PLAIN"\nS: OK\nC: *\nS: OK\n'
    async with filters(script) as (port, _):
        with pytest.raises(Unavailable):
            await port.facts()


async def test_a_connection_that_went_away_is_replaced() -> None:
    once = GREETING + LOGIN + "C: LISTSCRIPTS\nS: OK\nCLOSE\n"
    async with filters(once, once) as (port, _):
        assert await port.scripts() == []
        assert await port.scripts() == []


async def test_what_may_have_been_done_is_not_done_twice() -> None:
    script = GREETING + LOGIN + 'C: LISTSCRIPTS\nS: OK\nC: DELETESCRIPT "a"\nCLOSE\n'
    async with filters(script) as (port, _):
        await port.scripts()
        with pytest.raises(Unavailable):
            await port.delete("a")


async def test_a_cancelled_command_takes_its_connection_along() -> None:
    first = GREETING + LOGIN + "C: LISTSCRIPTS\nWAIT\nCLOSE\n"
    second = GREETING + LOGIN + 'C: GETSCRIPT "a"\nS: "keep;"\nS: OK\n'
    async with filters(first, second) as (port, server):
        task = asyncio.create_task(port.scripts())
        while b"LISTSCRIPTS" not in server.received:  # noqa: ASYNC110 - the script tells nobody
            await asyncio.sleep(0.005)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert await port.get("a") == b"keep;"
        server.forgive()


async def test_a_silent_server_is_unavailable() -> None:
    async with filters(GREETING + LOGIN + "C: LISTSCRIPTS\nWAIT\n", seconds=0.05) as (port, server):
        with pytest.raises(Unavailable, match="in time"):
            await port.scripts()
        server.forgive()


async def test_an_endless_line_is_cut() -> None:
    async with filters(GREETING + LOGIN + 'C: GETSCRIPT "a"\nS: ' + '"' + "x" * 40_000 + "\n") as (port, server):
        with pytest.raises(Unavailable, match="endless"):
            await port.get("a")
        server.forgive()


STARTTLS = '"SASL" "PLAIN"\nS: "STARTTLS"\nS: OK\nC: STARTTLS\n'


def secured(port: int, files: TlsFiles) -> SieveFilters:
    context = ssl.create_default_context(cafile=str(files.authority))
    return SieveFilters(Endpoint("127.0.0.1", port, "starttls", context), USER)


async def test_octets_behind_the_ok_of_starttls_end_the_connection(tls_files: TlsFiles) -> None:
    script = f'S: {STARTTLS}S! OK\\r\\n"SASL" "PLAIN"\\r\\nOK\\r\\n\n'
    async with ScriptedServer(script, hold=False) as server:
        with pytest.raises(Unavailable, match="behind"):
            await secured(server.port, tls_files).facts()


async def test_a_server_without_starttls_gets_no_password(tls_files: TlsFiles) -> None:
    async with ScriptedServer(GREETING, hold=False) as server:
        with pytest.raises(Unavailable, match="STARTTLS"):
            await secured(server.port, tls_files).facts()
        assert server.received == []


async def test_a_certificate_that_nobody_vouches_for_gets_no_password(tls_files: TlsFiles) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tls_files.certificate, tls_files.key)
    script = f"S: {STARTTLS}S: OK\nTLS\n"
    async with ScriptedServer(script, tls=context, hold=False) as server:
        with pytest.raises(Unavailable, match="TLS"):
            await SieveFilters(Endpoint("127.0.0.1", server.port), USER).facts()
        assert server.received == [b"STARTTLS"]
        server.forgive()


async def test_capabilities_in_clear_are_forgotten(tls_files: TlsFiles) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tls_files.certificate, tls_files.key)
    script = f'S: {STARTTLS}S: OK\nTLS\nS: "SASL" "X-NONE"\nS: OK\n'
    async with ScriptedServer(script, tls=context, hold=False) as server:
        with pytest.raises(Unsupported):
            await secured(server.port, tls_files).facts()
