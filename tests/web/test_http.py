"""HTTP itself: malformed requests, slow clients, going down."""

import asyncio
import contextlib
import socket

import aiohttp
import pytest

from gateway.jmap.capabilities import CORE
from gateway.store.base import StoreUnavailable
from gateway.web import server
from tests.waiting import until
from tests.web.gateway import ANYWHERE, TEST, raw, running

GET = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"
POST = b"POST /jmap/api HTTP/1.1\r\nHost: x\r\n"
MALFORMED = {
    "length and chunked": POST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": POST + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    "negative length": POST + b"Content-Length: -1\r\n\r\n",
    "length that is none": POST + b"Content-Length: 1_0\r\n\r\n0123456789",
    "blank before the colon": GET + b"X-A : b\r\n\r\n",
    "folded line": GET + b"X-A: b\r\n c\r\n\r\n",
    "bare CR": GET + b"X-A: b\rX-B: c\r\n\r\n",
    "NUL": GET + b"X-A: b\0\r\n\r\n",
    "long header": GET + b"X-A: " + b"a" * 20_000 + b"\r\n\r\n",
    "many headers": GET + b"X-A: b\r\n" * 5_000 + b"\r\n",
    "long path": b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100),
}


@pytest.mark.parametrize("name", MALFORMED)
async def test_malformed_requests_are_refused(name: str) -> None:
    async with running() as gateway:
        answer = await raw(gateway.port, MALFORMED[name], 1.0)
        assert answer == b"" or answer[8:10] == b" 4"
        assert b"Traceback" not in answer
        async with gateway.http.get(f"{gateway.url}/healthz") as response:
            assert response.status == 200


async def test_bad_chunks() -> None:
    async with running() as gateway:
        head = (
            f"POST /jmap/api HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n"
            f"Authorization: {gateway.auth()['Authorization']}\r\n\r\n"
        )
        for chunks in (b"zz\r\nab\r\n0\r\n\r\n", b"-1\r\n\r\n", b"2\r\nabcd\r\n0\r\n\r\n"):
            assert (await raw(gateway.port, head.encode() + chunks, 1.0))[8:10] in {b" 4", b""}


@pytest.mark.parametrize(
    "sent", [b"", b"GET", b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-A"], ids=["silent", "line", "header"]
)
async def test_clients_without_a_header_are_cut(sent: bytes) -> None:
    async with running(server__header_seconds="0.2") as gateway:
        async with asyncio.timeout(5):
            assert await raw(gateway.port, sent, 60) == b""


async def test_a_second_request_that_never_ends_is_cut_too() -> None:
    async with running(server__header_seconds="0.2") as gateway:
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        writer.write(GET + b"\r\n")
        assert b"200" in await reader.readline()
        await reader.readuntil(b"ok\n")
        writer.write(b"GET /hea")
        async with asyncio.timeout(5):
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""
        writer.close()


async def test_slow_handlers_are_not_cut() -> None:
    async with running(server__header_seconds="0.2") as gateway:
        task = asyncio.create_task(gateway.api(["Test/wait", {}, "w"]))
        await gateway.until_waiting(1)
        await asyncio.sleep(0.4)
        gateway.methods.go.set()
        assert (await task)["methodResponses"][0][0] == "Test/wait"


async def test_slow_bodies_are_cut() -> None:
    async with running(server__body_seconds="0.2") as gateway:
        head = (
            f"POST /jmap/api HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n"
            f"Authorization: {gateway.auth()['Authorization']}\r\n\r\n{{"
        )
        assert (await raw(gateway.port, head.encode(), 1.0))[8:12] == b" 408"


async def test_a_client_that_reads_nothing_is_cut() -> None:
    async with running(server__body_seconds="0.2") as gateway:
        body = b'{"using":["%s","%s"],"methodCalls":[%s]}' % (
            CORE.encode(), TEST.encode(), b",".join([b'["Test/big",{},"c"]'] * 10),
        )  # fmt: skip
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(client, ("127.0.0.1", gateway.port))
            head = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
            head += f"Authorization: {gateway.auth()['Authorization']}\r\n\r\n"
            await loop.sock_sendall(client, POST + head.encode() + body)
            await until(lambda: gateway.connections() > 0)
            await until(lambda: gateway.connections() == 0)
        assert (await gateway.api(["Core/echo", {}, "c"]))["methodResponses"]


async def test_probes_and_metrics() -> None:
    async with running(store__required="true") as gateway:
        runner = await server.start(
            server.private_application(gateway.services), gateway.services.config.server, ANYWHERE
        )
        private = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            for base in (gateway.url, private):
                assert await status(gateway.http, f"{base}/healthz") == 200
                assert await status(gateway.http, f"{base}/readyz") == 200
            async with gateway.http.get(f"{private}/metrics") as response:
                text = await response.text()
                assert response.content_type == "text/plain"
            assert 'jmapgw_store_pings_total{result="ok"} 1.0' in text  # asked twice within a second, pinged once
            assert await status(gateway.http, f"{gateway.url}/metrics") == 404
            gateway.services.drain.begin()
            for base in (gateway.url, private):
                assert await status(gateway.http, f"{base}/healthz") == 200
                assert await status(gateway.http, f"{base}/readyz") == 503
        finally:
            await runner.cleanup()


@pytest.mark.parametrize(("required", "expected"), [("true", 503), ("false", 200)])
async def test_readiness_without_a_store(required: str, expected: int, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(store__required=required) as gateway:

        async def gone() -> None:
            raise StoreUnavailable("gone")

        monkeypatch.setattr(gateway.services.store, "ping", gone)
        assert await status(gateway.http, f"{gateway.url}/readyz") == expected
        assert await status(gateway.http, f"{gateway.url}/healthz") == 200


async def test_while_draining_connections_are_not_kept() -> None:
    async with running() as gateway:
        gateway.services.drain.begin()
        async with gateway.http.get(f"{gateway.url}/healthz") as response:
            assert response.headers["Connection"] == "close"


async def status(http: aiohttp.ClientSession, url: str) -> int:
    async with http.get(url) as response:
        return response.status
