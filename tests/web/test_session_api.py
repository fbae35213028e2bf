"""The session resource and the API resource (RFC 8620 §2, §3)."""

import asyncio
import gzip
import json
import threading
import zlib
from collections.abc import AsyncIterator
from typing import Any

import brotli
import pytest

from gateway.jmap.capabilities import CORE
from gateway.jmap.request import Request, parse_request
from gateway.sync.pace import LARGE
from gateway.web.session import STATES_KEPT
from tests.waiting import until
from tests.web.gateway import TEST, raw, running

JSON = {"Content-Type": "application/json"}
ECHO = ["Core/echo", {"a": [1, None]}, "c1"]
REQUEST = json.dumps({"using": [CORE], "methodCalls": [ECHO]}).encode()


async def test_session_object() -> None:
    async with running() as gateway:
        for path in ("/.well-known/jmap", "/jmap/session"):
            async with gateway.http.get(gateway.url + path, headers=gateway.auth()) as response:
                assert response.status == 200
                assert response.headers["Cache-Control"] == "no-cache, no-store, must-revalidate"
                session = await response.json()
        assert session["username"] == "alice"
        assert session["primaryAccounts"] == {TEST: "Aalice"}
        assert session["accounts"]["Aalice"] == {
            "name": "alice",
            "isPersonal": True,
            "isReadOnly": False,
            "accountCapabilities": {CORE: {}, TEST: {"of": "alice"}},
        }
        assert session["capabilities"][CORE]["maxSizeUpload"] == 50_000_000
        assert session["apiUrl"] == f"{gateway.url}/jmap/api"
        for name in ("accountId", "blobId", "type", "name"):
            assert f"{{{name}}}" in session["downloadUrl"]
        assert "{accountId}" in session["uploadUrl"]
        for name in ("types", "closeafter", "ping"):
            assert f"{{{name}}}" in session["eventSourceUrl"]
        answer = await gateway.api(ECHO)
        assert answer == {"methodResponses": [ECHO], "sessionState": session["state"]}


async def test_state_follows_the_content() -> None:
    async with running() as gateway:

        async def state(user: str) -> str:
            async with gateway.http.get(f"{gateway.url}/jmap/session", headers=gateway.auth(user)) as response:
                return str((await response.json())["state"])

        assert await state("alice") == await state("alice")
        assert await state("alice") != await state("bob")


async def test_the_state_is_that_of_the_session_under_the_same_name() -> None:
    async with running() as gateway:
        told = []
        for host in [*(f"jmap{number}.example.org" for number in range(2 * STATES_KEPT)), "jmap0.example.org"]:
            headers = gateway.auth() | {"Host": host}
            async with gateway.http.get(f"{gateway.url}/jmap/session", headers=headers) as response:
                state = (await response.json())["state"]
            for _ in range(2):
                body = {"using": [CORE], "methodCalls": [ECHO]}
                async with gateway.http.post(f"{gateway.url}/jmap/api", json=body, headers=headers) as response:
                    assert (await response.json(content_type=None))["sessionState"] == state
            told.append(state)
        assert len(set(told)) == 2 * STATES_KEPT
        assert told[0] == told[-1]


@pytest.mark.parametrize(
    ("keys", "headers", "base"),
    [
        ({"server__public_url": "https://jmap.example.org/"}, {}, "https://jmap.example.org"),
        ({}, {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example"}, None),
        (
            {"server__trusted_proxies": "127.0.0.1"},
            {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "mail.example.org:8443"},
            "https://mail.example.org:8443",
        ),
        (
            {"server__trusted_proxies": "127.0.0.0/8"},
            {"X-Forwarded-Proto": "gopher", "X-Forwarded-Host": "a b"},
            "http://127.0.0.1:8080",
        ),
        (  # one proxy, which adds to what the client said
            {"server__trusted_proxies": "127.0.0.1"},
            {"X-Forwarded-Proto": "http, https", "X-Forwarded-Host": "evil.example, mail.example.org"},
            "https://mail.example.org",
        ),
        (  # two, of which the outer one knows the name, and one of them sets the scheme anew
            {"server__trusted_proxies": "127.0.0.1,10.0.0.0/8"},
            {
                "X-Forwarded-For": "192.0.2.9, 192.0.2.1, 10.0.0.7",
                "X-Forwarded-Proto": "https",
                "X-Forwarded-Host": "evil.example, mail.example.org, inner.example",
            },
            "https://mail.example.org",
        ),
        ({}, {"Host": "jmap.example.net"}, "http://jmap.example.net"),
        ({}, {"Host": 'x"><script>'}, "http://127.0.0.1:8080"),
    ],
)
async def test_urls_follow_only_whom_they_may(keys: dict[str, str], headers: dict[str, str], base: str | None) -> None:
    async with running(**keys) as gateway:
        wanted = base or gateway.url
        async with gateway.http.get(f"{gateway.url}/jmap/session", headers=gateway.auth() | headers) as response:
            assert (await response.json())["apiUrl"] == f"{wanted}/jmap/api"


@pytest.mark.parametrize("content_type", ["text/plain", "application/json-patch+json", "application/xml", None])
async def test_only_json_is_executed(content_type: str | None) -> None:
    async with running() as gateway:
        headers = gateway.auth() | ({"Content-Type": content_type} if content_type else {})
        skip = () if content_type else ("Content-Type",)
        async with gateway.http.post(
            f"{gateway.url}/jmap/api", data=REQUEST, headers=headers, skip_auto_headers=skip
        ) as response:
            assert response.status == 400
            assert response.content_type == "application/problem+json"
            assert (await response.json())["type"] == "urn:ietf:params:jmap:error:notJSON"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"{", "notJSON"),
        (b'{"a":NaN}', "notJSON"),
        (b'{"a":1,"a":2}', "notJSON"),
        (b"\xff", "notJSON"),
        (b"[]", "notRequest"),
        (b'{"using":["urn:x"],"methodCalls":[]}', "unknownCapability"),
    ],
)
async def test_request_errors(body: bytes, kind: str) -> None:
    async with (
        running() as gateway,
        gateway.http.post(f"{gateway.url}/jmap/api", data=body, headers=gateway.auth() | JSON) as response,
    ):
        assert response.status == 400
        assert (await response.json())["type"] == f"urn:ietf:params:jmap:error:{kind}"


async def test_content_type_with_charset_is_json() -> None:
    async with running() as gateway:
        headers = gateway.auth() | {"Content-Type": "Application/JSON; charset=utf-8"}
        async with gateway.http.post(f"{gateway.url}/jmap/api", data=REQUEST, headers=headers) as response:
            assert response.status == 200
            assert response.content_type == "application/json"


async def test_size_limit_before_and_while_reading() -> None:
    async with running(limits__max_size_request="2000") as gateway:
        at = REQUEST + b" " * (2000 - len(REQUEST))
        for body, status in ((at, 200), (at + b" ", 413)):
            async with gateway.http.post(
                f"{gateway.url}/jmap/api", data=body, headers=gateway.auth() | JSON
            ) as response:
                assert response.status == status
            async with gateway.http.post(  # the same without a Content-Length
                f"{gateway.url}/jmap/api", data=_chunks(body), headers=gateway.auth() | JSON
            ) as response:
                assert response.status == status
                if status == 413:
                    assert (await response.json())["limit"] == "maxSizeRequest"
        huge = (
            f"POST /jmap/api HTTP/1.1\r\nHost: x\r\nAuthorization: {gateway.auth()['Authorization']}\r\n"
            "Content-Type: application/json\r\nContent-Length: 99000000000\r\n\r\n"
        )
        assert b"413" in (await raw(gateway.port, huge.encode(), 1.0))[:20]


async def _chunks(body: bytes) -> AsyncIterator[bytes]:
    yield body[:100]
    yield body[100:]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (gzip.compress(REQUEST), 200),
        (gzip.compress(b" " * 200_000_000, 1), 413),
        (gzip.compress(REQUEST)[:-9], 400),
        (gzip.compress(REQUEST) + b"x", 400),
        (b"not gzip at all", 400),
    ],
    ids=["good", "bomb", "cut", "more", "other"],
)
async def test_gzip_requests_are_bounded(body: bytes, status: int) -> None:
    async with running(limits__max_size_request="1000000") as gateway:
        headers = gateway.auth() | JSON | {"Content-Encoding": "gzip"}
        async with gateway.http.post(f"{gateway.url}/jmap/api", data=body, headers=headers) as response:
            assert response.status == status


async def test_other_codings_of_requests_are_refused() -> None:
    async with running() as gateway:
        headers = gateway.auth() | JSON | {"Content-Encoding": "deflate"}
        async with gateway.http.post(
            f"{gateway.url}/jmap/api", data=zlib.compress(REQUEST), headers=headers
        ) as response:
            assert response.status == 415


@pytest.mark.parametrize(
    ("accept", "coding"),
    [
        ("gzip", "gzip"),
        ("gzip, br", "br"),
        ("br;q=0.5, gzip", "gzip"),
        ("*", "br"),
        ("gzip;q=0", None),
        ("br;q=x", None),
        ("identity", None),
    ],
)
async def test_answers_are_compressed_as_asked(accept: str, coding: str | None) -> None:
    async with running() as gateway:
        gateway.http._auto_decompress = False
        body = {"using": [CORE, TEST], "methodCalls": [["Test/big", {}, "c"]]}
        headers = gateway.auth() | {"Accept-Encoding": accept}
        async with gateway.http.post(f"{gateway.url}/jmap/api", json=body, headers=headers) as response:
            assert response.headers.get("Content-Encoding") == coding
            assert "Accept-Encoding" in response.headers["Vary"]
            raw_body = await response.read()
        unpack = {"gzip": gzip.decompress, "br": brotli.decompress, None: bytes}[coding]
        assert len(json.loads(unpack(raw_body))["methodResponses"][0][1]["text"]) == 1_200_000
        async with gateway.http.post(f"{gateway.url}/jmap/api", data=REQUEST, headers=headers | JSON) as response:
            assert "Content-Encoding" not in response.headers  # small answers are not worth it


async def test_concurrency_limit_at_and_over() -> None:
    async with running(limits__max_concurrent_requests="2") as gateway:
        wait = ["Test/wait", {}, "w"]
        held = [asyncio.create_task(gateway.api(wait)) for _ in range(2)]
        await gateway.until_waiting(2)
        refused = await gateway.api(ECHO)
        assert refused["type"] == "urn:ietf:params:jmap:error:limit"
        assert refused["limit"] == "maxConcurrentRequests"
        assert (await gateway.api(ECHO, user="bob"))["methodResponses"] == [ECHO]
        gateway.methods.go.set()
        assert [(await task)["methodResponses"][0][0] for task in held] == ["Test/wait", "Test/wait"]
        assert (await gateway.api(ECHO))["methodResponses"] == [ECHO]


async def test_requests_that_take_too_long_are_given_up() -> None:
    async with running(server__request_seconds="1") as gateway:
        problem = await gateway.api(["Test/wait", {}, "w"])
        assert problem["status"] == 503
        assert (await gateway.api(ECHO))["methodResponses"] == [ECHO]


async def test_created_ids_come_back_only_when_given() -> None:
    async with running() as gateway:
        body = {"using": [CORE], "methodCalls": [ECHO], "createdIds": {"k": "M1"}}
        async with gateway.http.post(f"{gateway.url}/jmap/api", json=body, headers=gateway.auth()) as response:
            assert (await response.json())["createdIds"] == {"k": "M1"}


async def test_internal_faults_show_an_id_only() -> None:
    async with running() as gateway:
        answer = await gateway.api(["Test/fail", {}, "f"], ECHO)
        assert answer["methodResponses"][0][1]["type"] == "serverFail"
        assert "subject" not in str(answer)
        assert answer["methodResponses"][1] == ECHO


async def test_metrics_count_without_names_from_clients() -> None:
    async with running() as gateway:
        await gateway.api(["Made/up", {}, "x"], ECHO)
        async with gateway.http.get(f"{gateway.url}/secret/path/of/a/user", headers=gateway.auth()) as response:
            assert response.status == 404
        text = gateway.services.meters.render().decode()
        assert 'jmapgw_method_calls_total{method="unknown"} 1.0' in text
        assert 'jmapgw_method_calls_total{method="Core/echo"} 1.0' in text
        assert 'jmapgw_method_errors_total{type="unknownMethod"} 1.0' in text
        assert 'jmapgw_http_requests_total{method="POST",route="/jmap/api",status="200"} 1.0' in text
        for private in ("alice", "secret", "Made/up"):
            assert private not in text


async def test_methods_not_allowed() -> None:
    async with running() as gateway:
        for method, path in (("GET", "/jmap/api"), ("POST", "/jmap/session"), ("DELETE", "/jmap/upload/Aalice/")):
            async with gateway.http.request(method, gateway.url + path, headers=gateway.auth()) as response:
                assert response.status == 405
                assert response.content_type == "application/problem+json"
                assert response.headers["Allow"]


async def test_a_large_request_is_parsed_beside_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """While its body is parsed others are answered: parsing goes on only after another request had its answer."""
    parsing, answered = threading.Event(), threading.Event()

    def parse_when_answered(body: bytes, *rest: Any) -> Request:
        parsing.set()
        assert answered.wait(10)
        return parse_request(body, *rest)

    async with running() as gateway:
        monkeypatch.setattr("gateway.web.api.parse_request", parse_when_answered)
        large = json.dumps({"using": [CORE], "methodCalls": [["Core/echo", {"a": "x" * LARGE}, "c1"]]})
        headers = gateway.auth() | JSON
        slow = asyncio.create_task(gateway.http.post(f"{gateway.url}/jmap/api", data=large, headers=headers))
        await until(parsing.is_set)
        async with gateway.http.get(f"{gateway.url}/jmap/session", headers=gateway.auth()) as response:
            assert response.status == 200
        answered.set()
        async with await slow as response:
            assert response.status == 200
