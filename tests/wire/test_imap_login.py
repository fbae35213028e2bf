"""Opening a connection against servers that do what real ones won't: greeting, STARTTLS, authentication."""

import asyncio
import base64
import hashlib
import hmac
import ssl
import subprocess
from pathlib import Path
from typing import Literal

import pytest

from adapters.errors import AdapterError, AuthFailed, Forbidden, Unavailable, Unsupported
from adapters.formats.sasl import OAuthBearer, Plain, ScramSha256, XOAuth2
from adapters.imap import encoder
from adapters.imap.connection import Connection, Credentials, Endpoint
from adapters.imap.errors import ConnectionLimit, ConnectionLost, ProtocolError
from adapters.imap.responses import fetch_items
from tests.wire.scripted import ScriptedServer, serving

USER = Credentials("u", "p w")
PLAIN = base64.b64encode(b"\0u\0p w").decode()


def endpoint(port: int, tls: Literal["implicit", "starttls", "none"] = "none", **more: object) -> Endpoint:
    return Endpoint("127.0.0.1", port, tls, connect_timeout=5, command_timeout=2, **more)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Contexts of a server and of a client that trusts it."""
    directory: Path = tmp_path_factory.mktemp("tls")
    key, cert = directory / "key.pem", directory / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert],
        check=True, capture_output=True,
    )  # fmt: skip
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(cert, key)
    return server, ssl.create_default_context(cafile=str(cert))


async def refused(script: str, kind: type[AdapterError], tls: Literal["starttls", "none"] = "none") -> None:
    """Opening fails with exactly this error, and the script was played to its end."""
    async with ScriptedServer(script, hold=False) as server:
        with pytest.raises(AdapterError) as caught:
            await Connection.open(endpoint(server.port, tls), USER)
        assert type(caught.value) is kind


async def test_plain_with_initial_response_and_capabilities_in_the_completion() -> None:
    script = f"""
    S: * OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] hi
    C: A1 AUTHENTICATE PLAIN {PLAIN}
    S: A1 OK [CAPABILITY IMAP4rev1 LOGINDISABLED LITERAL+] in
    C: A2 LOGOUT
    S: * BYE bye
    S: A2 OK bye
    """
    async with ScriptedServer(script) as server:
        connection = await Connection.open(endpoint(server.port), USER)
        assert connection.capabilities == {b"IMAP4REV1", b"LOGINDISABLED", b"LITERAL+"}
        assert connection.negotiated.literals == "+"
        await connection.logout()
        assert connection.closed


async def test_plain_without_initial_response_and_capabilities_asked_for() -> None:
    script = f"""
    S: * OK hi
    C: A1 CAPABILITY
    S: * CAPABILITY IMAP4rev1 AUTH=PLAIN
    S: A1 OK done
    C: A2 AUTHENTICATE PLAIN
    S: +
    C: {PLAIN}
    S: A2 OK in
    C: A3 CAPABILITY
    S: * CAPABILITY IMAP4rev1 ENABLE QRESYNC
    S: A3 OK done
    C: A4 ENABLE QRESYNC
    S: * ENABLED QRESYNC
    S: A4 OK done
    """
    async with ScriptedServer(script) as server:
        connection = await Connection.open(endpoint(server.port), USER)
        assert connection.enabled == {b"QRESYNC", b"CONDSTORE"}
        connection.abort()


async def test_login_command_with_a_password_that_needs_a_literal() -> None:
    script = r"""
    S: * OK [CAPABILITY IMAP4rev1] hi
    C: A1 LOGIN "b\\\\x" {4}
    S: + go
    C! 4
    C: *
    S: A1 OK [CAPABILITY IMAP4rev1] in
    """
    async with ScriptedServer(script) as server:
        connection = await Connection.open(endpoint(server.port), Credentials("b\\x", "é\r\n"))
        connection.abort()
        assert server.received[1] == "é\r\n".encode()


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ("NO [UNAVAILABLE] Temporary authentication failure.", Unavailable),
        ("NO Internal error occurred.", Unavailable),
        ("NO [AUTHENTICATIONFAILED] no", AuthFailed),
        ("NO wrong", AuthFailed),
        ("NO [LIMIT] Maximum number of connections from user+IP exceeded", ConnectionLimit),
        ("BAD what", Unavailable),
    ],
)
async def test_refused_logins(answer: str, kind: type[AdapterError]) -> None:
    await refused(f'S: * OK [CAPABILITY IMAP4rev1] hi\nC: A1 LOGIN u "p w"\nS: A1 {answer}', kind)


@pytest.mark.parametrize(
    ("greeting", "kind"),
    [
        ("* BYE [UNAVAILABLE] later", ConnectionLost),
        ("* BYE Too many connections from your address", ConnectionLimit),
        ("* PREAUTH welcome", ProtocolError),
        ("A1 OK what", ProtocolError),
        ("HTTP/1.1 400 Bad Request", ProtocolError),
    ],
)
async def test_greetings(greeting: str, kind: type[AdapterError]) -> None:
    await refused(f"S: {greeting}", kind)


async def test_preauth_with_starttls_is_refused() -> None:
    await refused("S: * PREAUTH welcome", ProtocolError, "starttls")


async def test_starttls_absent_sends_no_password() -> None:
    await refused("S: * OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] hi\nWAIT", Unavailable, "starttls")


async def test_starttls_refused_sends_no_password() -> None:
    await refused(
        "S: * OK [CAPABILITY STARTTLS AUTH=PLAIN] hi\nC: A1 STARTTLS\nS: A1 NO sorry\nWAIT", Forbidden, "starttls"
    )


@pytest.mark.parametrize("injected", ["A2 OK [CAPABILITY AUTH=PLAIN] x\\r\\n", "* CAP", "\\0"])
async def test_octets_behind_the_ok_of_starttls_end_it(injected: str) -> None:
    script = f"S: * OK [CAPABILITY STARTTLS] hi\nC: A1 STARTTLS\nS! A1 OK go\\r\\n{injected}\nWAIT"
    await refused(script, ProtocolError, "starttls")


async def test_starttls_forgets_what_was_said_in_clear(certificate: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    script = f"""
    S: * OK [CAPABILITY IMAP4rev1 STARTTLS AUTH=XOAUTH2] hi
    C: A1 STARTTLS
    S: A1 OK go
    TLS
    C: A2 CAPABILITY
    S: * CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR
    S: A2 OK done
    C: A3 AUTHENTICATE PLAIN {PLAIN}
    S: A3 OK [CAPABILITY IMAP4rev1] in
    """
    async with ScriptedServer(script, tls=certificate[0]) as server:
        connection = await Connection.open(endpoint(server.port, "starttls", ssl_context=certificate[1]), USER)
        connection.abort()


async def test_a_certificate_nobody_vouches_for_is_refused(
    certificate: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    script = "S: * OK [CAPABILITY STARTTLS] hi\nC: A1 STARTTLS\nS: A1 OK go\nTLS"
    server = ScriptedServer(script, tls=certificate[0])
    async with server:
        with pytest.raises(Unavailable, match="TLS"):
            await Connection.open(endpoint(server.port, "starttls"), USER)
        server.forgive()


async def test_implicit_tls_carries_large_literals(certificate: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    body = bytes(range(256)) * 8192

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"* OK [CAPABILITY IMAP4rev1] x\r\n")
        await reader.readline()
        writer.write(b"A1 OK [CAPABILITY IMAP4rev1] x\r\n")
        for tag in (b"A2", b"A3"):
            await reader.readline()
            writer.write(b"* 1 FETCH (UID 1 BODY[] {%d}\r\n%b)\r\n%b OK x\r\n" % (len(body), body, tag))
        await reader.read()

    async with serving(behave, certificate[0]) as port:
        connection = await Connection.open(endpoint(port, "implicit", ssl_context=certificate[1]), USER)
        item, one = encoder.fetch_item("BODY.PEEK[]"), encoder.seqset([1])
        got = bytearray()
        await connection.literal_to("UID FETCH", one, item, sink=got.extend)
        assert got == body
        (response,) = (await connection.command("UID FETCH", one, item)).of(b"FETCH")
        assert fetch_items(response)[b"BODY[]"] == body
        connection.abort()


async def test_nothing_in_common() -> None:
    script = "S: * OK [CAPABILITY IMAP4rev1 LOGINDISABLED AUTH=GSSAPI] hi\nWAIT"
    await refused(script, Unsupported)


async def test_a_silent_server_is_unavailable() -> None:
    async with serving(lambda reader, _: reader.read()) as port:
        with pytest.raises(Unavailable):
            await Connection.open(Endpoint("127.0.0.1", port, "none", connect_timeout=0.1), USER)


async def test_nobody_listens() -> None:
    with pytest.raises(Unavailable):
        await Connection.open(endpoint(1), USER)


@pytest.mark.parametrize(
    ("mechanism", "message", "answer"),
    [
        ("OAUTHBEARER", "n,a=u,\x01host=127.0.0.1\x01port={port}\x01auth=Bearer tok\x01\x01", "AQ=="),
        ("XOAUTH2", "user=u\x01auth=Bearer tok\x01\x01", ""),
    ],
)
async def test_a_bearer_error_is_heard_to_its_end(mechanism: str, message: str, answer: str) -> None:
    error = base64.b64encode(b'{"status":"invalid_token"}').decode()
    script = f"""
    S: * OK [CAPABILITY IMAP4rev1 SASL-IR AUTH={mechanism} AUTH=PLAIN] hi
    C: *
    S: + {error}
    C: {answer}
    S: A1 NO [AUTHENTICATIONFAILED] no
    """
    async with ScriptedServer(script, hold=False) as server:
        with pytest.raises(AuthFailed):
            await Connection.open(endpoint(server.port), Credentials("u", token="tok"))
        sent = base64.b64decode(server.received[0].split()[-1]).decode()
        assert sent == message.format(port=server.port)


async def _scram(honest: bool, prove: bool = True) -> Connection:
    """Log in by SCRAM at a server that does or doesn't know the password."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"* OK [CAPABILITY IMAP4rev1 AUTH=SCRAM-SHA-256 AUTH=PLAIN] hi\r\n")
        assert await reader.readline() == b"A1 AUTHENTICATE SCRAM-SHA-256\r\n"
        writer.write(b"+ \r\n")
        first = base64.b64decode(await reader.readline()).decode()
        bare = first.removeprefix("n,,")
        challenge = f"r={bare.partition('r=')[2]}xyz,s={base64.b64encode(b'salt').decode()},i=4096"
        writer.write(b"+ " + base64.b64encode(challenge.encode()) + b"\r\n")
        final = base64.b64decode(await reader.readline()).decode()
        without, _, proof = final.rpartition(",p=")
        salted = hashlib.pbkdf2_hmac("sha256", b"p w", b"salt", 4096)
        message = f"{bare},{challenge},{without}".encode()
        key = hmac.digest(salted, b"Client Key", "sha256")
        signature = hmac.digest(hashlib.sha256(key).digest(), message, "sha256")
        assert base64.b64decode(proof) == bytes(a ^ b for a, b in zip(key, signature, strict=True))
        server_key = hmac.digest(salted if honest else b"x", b"Server Key", "sha256")
        verifier = base64.b64encode(hmac.digest(server_key, message, "sha256")).decode()
        if prove:
            writer.write(b"+ " + base64.b64encode(f"v={verifier}".encode()) + b"\r\n")
            assert await reader.readline() == b"\r\n"
        writer.write(b"A1 OK [CAPABILITY IMAP4rev1] in\r\n")
        await reader.read()

    async with serving(behave) as port:
        connection = await Connection.open(endpoint(port), USER)
        connection.abort()
        return connection


def test_scram_example_of_rfc_7677() -> None:
    scram = ScramSha256("user", "pencil", nonce="rOprNGfwEbeRWgbNEkqO")
    nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    assert scram.initial() == b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
    final = scram.respond(f"r={nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096".encode())
    assert final == f"c=biws,r={nonce},p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=".encode()
    with pytest.raises(Unavailable):
        scram.finish()
    assert scram.respond(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=") == b""
    scram.finish()


@pytest.mark.parametrize(
    "challenge",
    [b"", b"r=x,s=c2FsdA==,i=4096", b"r=nn,s=c2FsdA==,i=1", b"r=nn,s=c2FsdA==,i=99999999", b"r=nn,s=!,i=4096", b"\xff"],
)
def test_scram_challenges_that_are_refused(challenge: bytes) -> None:
    with pytest.raises(Unavailable):
        ScramSha256("u", "p", nonce="n").respond(challenge)


def test_credentials_that_cannot_be_sent() -> None:
    for make in (
        lambda: Plain("u", "\0"),
        lambda: ScramSha256("u", "\x07"),
        lambda: XOAuth2("u", "to\x01ken"),
        lambda: OAuthBearer("u\x01", "t", "h", 1),
    ):
        with pytest.raises(AuthFailed):
            make()


async def test_scram() -> None:
    assert (await _scram(honest=True)).capabilities == {b"IMAP4REV1"}


async def test_scram_server_must_prove_itself() -> None:
    with pytest.raises(Unavailable, match="signature"):
        await _scram(honest=False)
    with pytest.raises(Unavailable, match="prove"):
        await _scram(honest=True, prove=False)


def test_secrets_do_not_show() -> None:
    assert "p w" not in repr(USER)
    assert "tok" not in repr(Credentials("u", token="tok"))
