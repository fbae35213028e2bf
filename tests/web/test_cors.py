"""CORS, request ids, header fields of every answer."""

import pytest

from tests.web.gateway import running

PATHS = [
    "/.well-known/jmap", "/jmap/session", "/jmap/api", "/jmap/upload/A/", "/jmap/download/A/b/n",
    "/jmap/eventsource",
]  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("origins", "origin", "allowed"),
    [
        ("*", "https://any.example", "*"),
        ("https://mail.example.org", "https://mail.example.org", "https://mail.example.org"),
        ("https://mail.example.org", "https://mail.example.org.evil.example", None),
        ("https://mail.example.org", "null", None),
        ("", "https://any.example", None),
    ],
)
async def test_preflight_needs_no_credentials(path: str, origins: str, origin: str, allowed: str | None) -> None:
    async with running(cors__origins=origins) as gateway:
        headers = {
            "Origin": origin,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,content-type",
        }
        async with gateway.http.options(gateway.url + path, headers=headers) as response:
            assert response.status == 204
            assert response.headers.get("Access-Control-Allow-Origin") == allowed
            assert "Access-Control-Allow-Credentials" not in response.headers
            assert ("Authorization" in response.headers.get("Access-Control-Allow-Headers", "")) == bool(allowed)
        assert gateway.backend.asked == []


@pytest.mark.parametrize("origins", ["*", "https://mail.example.org"])
async def test_answers_and_refusals_can_be_read_by_allowed_pages(origins: str) -> None:
    async with running(cors__origins=origins) as gateway:
        origin = {"Origin": "https://mail.example.org"}
        for headers, status in ((gateway.auth() | origin, 200), (origin, 401)):
            async with gateway.http.get(f"{gateway.url}/jmap/session", headers=headers) as response:
                assert response.status == status
                assert response.headers["Access-Control-Allow-Origin"] == origins
                assert ("Origin" in response.headers.get("Vary", "")) == (origins != "*")
        async with gateway.http.get(f"{gateway.url}/jmap/session", headers={"Origin": "https://x.example"}) as other:
            assert other.headers.get("Access-Control-Allow-Origin") == ("*" if origins == "*" else None)


async def test_options_without_an_origin_is_no_preflight() -> None:
    async with running() as gateway, gateway.http.options(f"{gateway.url}/jmap/api") as response:
        assert response.status == 405


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"X-Request-Id": "abc-1.2_3"}, "abc-1.2_3"),
        (
            {"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"},
            "4bf92f3577b34da6a3ce929d0e0e4736",
        ),
        ({"X-Request-Id": "a b"}, None),
        ({"X-Request-Id": "x" * 65}, None),
        ({"traceparent": "00-xyz-1-1"}, None),
        ({}, None),
    ],
)
async def test_request_ids(headers: dict[str, str], expected: str | None) -> None:
    async with running() as gateway, gateway.http.get(f"{gateway.url}/healthz", headers=headers) as response:
        given = response.headers["X-Request-Id"]
        assert given == expected if expected else len(given) == 16
        assert "Server" not in response.headers
        assert response.headers["X-Content-Type-Options"] == "nosniff"
