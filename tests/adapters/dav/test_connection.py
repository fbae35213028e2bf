"""HTTP faults, one at a time, against a scripted server."""

import gzip
import ssl

import pytest

from adapters.dav.connection import Credentials, DavConnection, Endpoint
from adapters.errors import (
    AdapterError,
    AuthFailed,
    Conflict,
    Forbidden,
    NotFound,
    OverQuota,
    TooLarge,
    Unavailable,
    Unsupported,
)
from gateway.demo.dovecot_config import TlsFiles
from tests.wire.dav import Reply, ScriptedDav, error, etag, multistatus, scripted_dav

LOGIN = Credentials("alice", password="secret")
BODY = multistatus(*(etag(f"/c/{number}.ics", "1") for number in range(50)))


def connection(script: ScriptedDav, **settings: float) -> DavConnection:
    return DavConnection(Endpoint(script.url, **{"read_timeout": 0.3, **settings}), LOGIN)  # type: ignore[arg-type]


async def names(to: DavConnection, path: str = "/c/") -> list[str]:
    return [entry.href async for entry in to.multistatus("PROPFIND", path, b"<x/>", depth="1")]


async def test_a_multistatus() -> None:
    async with scripted_dav({("PROPFIND", "/c/"): Reply(body=BODY)}) as script:
        to = connection(script)
        assert len(await names(to)) == 50
        assert len(await names(to)) == 50
        await to.close()
    assert script.connections == 1
    sent = script.heard[0].headers
    assert sent["authorization"] == "Basic YWxpY2U6c2VjcmV0"
    assert sent["depth"] == "1"
    assert sent["accept-encoding"] == "identity"


@pytest.mark.parametrize("cut", [0, 1, 100, len(BODY) // 2, len(BODY) - 1])
async def test_a_connection_cut_within_the_answer(cut: int) -> None:
    async with scripted_dav({("PROPFIND", "/c/"): Reply(body=BODY, cut=cut)}) as script:
        to = connection(script)
        with pytest.raises(Unavailable):
            await names(to)
        await to.close()


async def test_an_answer_without_length_that_ends_early() -> None:
    """Only the XML can tell that something is missing."""
    reply = Reply(body=BODY, headers={"Content-Length": "", "Connection": "close"}, cut=len(BODY) - 20)
    async with scripted_dav({("PROPFIND", "/c/"): reply}) as script:
        to = connection(script)
        with pytest.raises(Unavailable):
            await names(to)
        await to.close()


STATUSES = [
    (401, AuthFailed),
    (403, Forbidden),
    (404, NotFound),
    (412, Conflict),
    (413, TooLarge),
    (423, Unavailable),
    (500, Unavailable),
    (501, Unsupported),
    (503, Unavailable),
    (507, OverQuota),
    (200, Unavailable),  # no multistatus
]


@pytest.mark.parametrize(("status", "kind"), STATUSES)
async def test_statuses(status: int, kind: type[AdapterError]) -> None:
    async with scripted_dav({("PROPFIND", "/c/"): Reply(status, "no")}) as script:
        to = connection(script)
        with pytest.raises(kind):
            await names(to)
        await to.close()


async def test_a_condition_says_more_than_the_status() -> None:
    async with scripted_dav({("PUT", "/c/a.ics"): Reply(403, error("D:quota-not-exceeded"))}) as script:
        to = connection(script)
        with pytest.raises(OverQuota):
            await to.request("PUT", "/c/a.ics", b"x")
        await to.close()


@pytest.mark.parametrize("reply", [Reply(wait=5), Reply(body=BODY, drip=0.02)])
async def test_a_slow_server(reply: Reply) -> None:
    async with scripted_dav({("PROPFIND", "/c/"): reply}) as script:
        to = connection(script, total_timeout=0.5)
        with pytest.raises(Unavailable):
            await names(to)
        await to.close()


async def test_tls_is_verified(tls_files: TlsFiles) -> None:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(tls_files.certificate, tls_files.key)
    async with scripted_dav({("PROPFIND", "/c/"): Reply(body=BODY)}, server) as script:
        for trusted in (None, ssl.create_default_context()):
            to = DavConnection(Endpoint(script.url, ssl_context=trusted), LOGIN)
            with pytest.raises(Unavailable):
                await names(to)
            await to.close()
        assert not script.heard
        to = DavConnection(
            Endpoint(script.url, ssl_context=ssl.create_default_context(cafile=tls_files.authority)), LOGIN
        )
        assert len(await names(to)) == 50
        await to.close()


async def test_nobody_listens() -> None:
    async with scripted_dav({}) as script:
        pass
    to = connection(script)
    with pytest.raises(Unavailable):
        await names(to)
    await to.close()


async def test_redirects_on_this_origin_are_followed() -> None:
    """RFC 6764 §5: also for a server that does not know that a proxy speaks TLS for it."""
    table = {
        ("PROPFIND", "/old/"): Reply(301, headers={"Location": "new"}),
        ("PROPFIND", "/old/new"): Reply(307, headers={"Location": "https://127.0.0.1/c/"}),
        ("PROPFIND", "/c/"): Reply(body=BODY),
    }
    async with scripted_dav(table) as script:
        to = connection(script)
        assert len(await names(to, "/old/")) == 50
        await to.close()
    assert [request.body for request in script.heard] == [b"<x/>"] * 3


@pytest.mark.parametrize(
    "location", ["http://127.0.0.2/c/", "//evil.example/c/", "https://evil.example/", "file:///c/"]
)
async def test_redirects_elsewhere_are_not(location: str) -> None:
    async with scripted_dav({("PROPFIND", "/c/"): Reply(302, headers={"Location": location})}) as script:
        to = connection(script)
        with pytest.raises(Unavailable):
            await names(to)
        await to.close()
    assert len(script.heard) == 1


async def test_redirects_in_a_circle() -> None:
    async with scripted_dav({("PROPFIND", "/c/"): Reply(302, headers={"Location": "/c/"})}) as script:
        to = connection(script)
        with pytest.raises(Unavailable):
            await names(to)
        await to.close()
    assert len(script.heard) == 6


async def test_an_answer_that_is_too_large() -> None:
    async with scripted_dav({("PROPFIND", "/c/"): Reply(body=BODY)}) as script:
        to = connection(script, max_answer=1000)
        with pytest.raises(TooLarge):
            await names(to)
        await to.close()


async def test_a_compressed_answer_is_not_unpacked() -> None:
    reply = Reply(body=gzip.compress(b"<x>" + b" " * 1_000_000 + b"</x>"), headers={"Content-Encoding": "gzip"})
    async with scripted_dav({("PROPFIND", "/c/"): reply}) as script:
        to = connection(script)
        with pytest.raises(Unavailable):
            await names(to)
        await to.close()


async def test_a_kept_connection_that_the_server_closed() -> None:
    """Reading is tried once more; writing is not, since the server may have acted."""
    async with scripted_dav({("PROPFIND", "/c/"): [Reply(body=BODY, cut=len(BODY)), Reply(body=BODY)]}) as script:
        to = connection(script)
        assert len(await names(to)) == 50
        assert len(await names(to)) == 50
        await to.close()
    assert script.connections == 2


async def test_stopping_halfway_leaves_nothing_behind() -> None:
    async with scripted_dav({("PROPFIND", "/c/"): Reply(body=BODY)}) as script:
        to = connection(script)
        answers = to.multistatus("PROPFIND", "/c/", b"<x/>", depth="1")
        assert (await anext(answers)).href == "/c/0.ics"
        await answers.aclose()  # type: ignore[attr-defined]
        assert len(await names(to)) == 50
        await to.close()
