"""Uploads and downloads (RFC 8620 §6)."""

import asyncio
import json
from collections.abc import AsyncIterator
from urllib.parse import quote

import pytest

from gateway.web import disposition, ranges
from tests.waiting import until
from tests.web.gateway import Running, raw, running

DATA = bytes(range(256)) * 4


async def upload(
    gateway: Running, data: bytes = DATA, user: str = "alice", content_type: str = "text/x"
) -> dict[str, object]:
    url = f"{gateway.url}/jmap/upload/A{user}/"
    async with gateway.http.post(
        url, data=data, headers=gateway.auth(user) | {"Content-Type": content_type}
    ) as response:
        assert response.status == 200, await response.text()
        found: dict[str, object] = await response.json()
        return found


def download(blob_id: object, name: str = "f", kind: str = "text/plain", account: str = "Aalice") -> str:
    return f"/jmap/download/{account}/{blob_id}/{name}?type={quote(kind, safe='')}"


async def test_upload_and_download() -> None:
    async with running() as gateway:
        answer = await upload(gateway, content_type="image/png")
        assert answer["accountId"] == "Aalice"
        assert answer["type"] == "image/png"
        assert answer["size"] == len(DATA)
        assert (await upload(gateway))["blobId"] == answer["blobId"]
        url = gateway.url + download(answer["blobId"], quote("naïve €.txt"), "text/html")
        async with gateway.http.get(url, headers=gateway.auth()) as response:
            assert response.status == 200
            assert await response.read() == DATA
            assert response.headers["Content-Type"] == "text/html"
            assert response.headers["Cache-Control"] == "private, immutable, max-age=31536000"
            assert response.headers["X-Content-Type-Options"] == "nosniff"
            assert response.headers["Content-Security-Policy"].startswith("sandbox")
            assert response.headers["Content-Disposition"] == (
                "attachment; filename=\"na_ve _.txt\"; filename*=UTF-8''na%C3%AFve%20%E2%82%AC.txt"
            )
            etag = response.headers["ETag"]
        async with gateway.http.head(url, headers=gateway.auth()) as response:
            assert (response.status, response.content_length) == (200, len(DATA))
        headers = gateway.auth() | {"If-None-Match": f'"x", W/{etag}'}
        async with gateway.http.get(url, headers=headers) as response:
            assert (response.status, await response.read()) == (304, b"")
            assert (response.headers["ETag"], response.headers["Vary"]) == (etag, "Authorization")


async def test_upload_without_a_slash_or_a_type() -> None:
    async with running() as gateway:
        url = f"{gateway.url}/jmap/upload/Aalice"
        async with gateway.http.post(
            url, data=b"x", headers=gateway.auth(), skip_auto_headers=("Content-Type",)
        ) as response:
            assert (await response.json())["type"] == "application/octet-stream"


RANGES = [
    ("bytes=0-0", 206, DATA[:1], "bytes 0-0/1024"),
    ("bytes=1000-", 206, DATA[1000:], "bytes 1000-1023/1024"),
    ("bytes=-24", 206, DATA[1000:], "bytes 1000-1023/1024"),
    ("bytes=-9999", 206, DATA, "bytes 0-1023/1024"),
    ("bytes=0-9999", 206, DATA, "bytes 0-1023/1024"),
    ("Bytes=5-9", 206, DATA[5:10], "bytes 5-9/1024"),
    ("bytes=1024-", 416, None, "bytes */1024"),
    ("bytes=-0", 416, None, "bytes */1024"),
    ("bytes=9-5", 200, DATA, None),
    ("bytes=0-1,5-6", 200, DATA, None),
    ("bytes=-", 200, DATA, None),
    ("bytes=a-b", 200, DATA, None),
    ("pages=1-2", 200, DATA, None),
    ("bytes=0-" + "9" * 40, 200, DATA, None),
]


@pytest.mark.parametrize(("value", "status", "body", "content_range"), RANGES)
async def test_ranges(value: str, status: int, body: bytes | None, content_range: str | None) -> None:
    async with running() as gateway:
        url = gateway.url + download((await upload(gateway))["blobId"])
        async with gateway.http.get(url, headers=gateway.auth() | {"Range": value}) as response:
            assert response.status == status
            assert response.headers.get("Content-Range") == content_range
            if body is not None:
                assert await response.read() == body


async def test_if_range_and_ranges_across_pieces() -> None:
    async with running() as gateway:
        data = bytes(1000) + b"mark" + bytes(700_000)
        blob_id = (await upload(gateway, data))["blobId"]
        url = gateway.url + download(blob_id)
        for tag, status in ((f'"{blob_id}"', 206), ('"other"', 200), (f'W/"{blob_id}"', 200)):
            headers = gateway.auth() | {"Range": "bytes=1000-1003", "If-Range": tag}
            async with gateway.http.get(url, headers=headers) as response:
                assert response.status == status
        async with gateway.http.get(url, headers=gateway.auth() | {"Range": "bytes=262143-262145"}) as response:
            assert await response.read() == data[262_143:262_146]


def test_ranges_of_nothing() -> None:
    assert ranges.wanted(None, 0) is None
    for value in ("bytes=0-", "bytes=-5"):
        with pytest.raises(ranges.Unsatisfiable):
            ranges.wanted(value, 0)


async def test_upload_limits_at_and_over() -> None:
    async with running(limits__max_size_upload="1000") as gateway:
        assert (await upload(gateway, bytes(1000)))["size"] == 1000
        url = f"{gateway.url}/jmap/upload/Aalice/"

        async def chunks() -> AsyncIterator[bytes]:
            yield bytes(600)
            yield bytes(401)

        for data in (bytes(1001), chunks()):
            async with gateway.http.post(url, data=data, headers=gateway.auth()) as response:
                assert response.status == 413
                assert (await response.json())["limit"] == "maxSizeUpload"
        assert (await gateway.services.store.scan("Aalice", "upload-data"))[1:] == []


async def test_concurrent_uploads_at_and_over() -> None:
    async with running(limits__max_concurrent_upload="1") as gateway:
        go = asyncio.Event()

        async def slowly() -> AsyncIterator[bytes]:
            yield b"begin"
            await go.wait()
            yield b"end"

        url = f"{gateway.url}/jmap/upload/Aalice/"
        held = asyncio.create_task(gateway.http.post(url, data=slowly(), headers=gateway.auth()).__aenter__())
        await until(lambda: bool(gateway.services.upload_slots._taken))
        async with gateway.http.post(url, data=b"x", headers=gateway.auth()) as response:
            assert response.status == 429
            assert (await response.json())["limit"] == "maxConcurrentUpload"
        assert (await upload(gateway, user="bob"))["size"] == len(DATA)
        go.set()
        assert (await held).status == 200


async def test_an_upload_that_breaks_off_leaves_nothing() -> None:
    async with running() as gateway:
        head = (
            f"POST /jmap/upload/Aalice/ HTTP/1.1\r\nHost: x\r\nContent-Length: 600000\r\n"
            f"Authorization: {gateway.auth()['Authorization']}\r\n\r\n"
        )
        await raw(gateway.port, head.encode() + bytes(500_000), 0.3)
        await until(lambda: not gateway.services.upload_slots._taken)
        assert await gateway.services.store.scan("Aalice", "upload-data") == []
        assert await gateway.services.store.scan("Aalice", "upload") == []


async def test_slow_uploads_are_cut() -> None:
    async with running(server__body_seconds="0.2") as gateway:
        head = (
            f"POST /jmap/upload/Aalice/ HTTP/1.1\r\nHost: x\r\nContent-Length: 600000\r\n"
            f"Authorization: {gateway.auth()['Authorization']}\r\n\r\nabc"
        )
        assert (await raw(gateway.port, head.encode(), 1.0)).startswith(b"HTTP/1.1 408")


async def test_content_coding_of_uploads_is_refused() -> None:
    async with running() as gateway:
        headers = gateway.auth() | {"Content-Encoding": "gzip"}
        async with gateway.http.post(f"{gateway.url}/jmap/upload/Aalice/", data=b"x", headers=headers) as response:
            assert response.status == 415


async def test_nobody_reads_what_is_not_theirs() -> None:
    async with running() as gateway:
        blob_id = (await upload(gateway, user="bob"))["blobId"]
        bodies = set()
        for account, blob in (("Abob", blob_id), ("Aalice", blob_id), ("Anone", blob_id), ("Aalice", "unone")):
            url = gateway.url + download(blob, account=account)
            async with gateway.http.get(url, headers=gateway.auth("alice")) as response:
                assert response.status == 404
                bodies.add(json.dumps(await response.json()) + account)
        assert {body.removesuffix("Abob") for body in bodies if body.endswith("Abob")} == {
            body.removesuffix("Anone") for body in bodies if body.endswith("Anone")
        }  # no oracle: a foreign account looks like none
        async with gateway.http.post(
            f"{gateway.url}/jmap/upload/Abob/", data=b"x", headers=gateway.auth("alice")
        ) as response:
            assert response.status == 404


ODD_IDS = [
    "..", "%2e%2e", "..%2f..%2fetc%2fpasswd", "%00", "a%00b", "a%0d%0ab", "%22", "a b", "*", "u" * 300, "%ff", "é",
    "a%2fb", "\\", "a;b", "a'b", "%25", "<x>", "a?b",
]  # fmt: skip


@pytest.mark.parametrize("blob_id", ODD_IDS)
async def test_odd_blob_ids(blob_id: str) -> None:
    async with running() as gateway:
        sent = (
            f"GET /jmap/download/Aalice/{blob_id}/n?type=text/plain HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
            f"Authorization: {gateway.auth()['Authorization']}\r\n\r\n"
        )
        assert (await raw(gateway.port, sent.encode()))[8:12] in {b" 404", b" 400"}


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a%0d%0aX-Evil:%201", "text/plain%0d%0aX-Evil:%201"),
        ("a%22;%20filename=%22b", "text/html;%20x=%22%0aX-Evil:1"),
        ("%E2%80%AEgnp.exe", "text/%3Cb%3E"),
        ("%00%7f", ""),
        ("..%2f..%2fa", "a/b/c"),
        ("", "text"),
    ],
)
async def test_names_and_types_inject_nothing(name: str, kind: str) -> None:
    async with running() as gateway:
        blob_id = (await upload(gateway, b"x"))["blobId"]
        sent = (
            f"GET /jmap/download/Aalice/{blob_id}/{name}?type={kind} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
            f"Authorization: {gateway.auth()['Authorization']}\r\n\r\n"
        )
        header = (await raw(gateway.port, sent.encode())).partition(b"\r\n\r\n")[0]
        assert header.startswith(b"HTTP/1.1 200")
        assert b"\nX-Evil" not in header
        assert b"Content-Type: application/octet-stream" in header
        assert header.count(b'"') in {2, 4}  # of the entity tag and at most one file name


@pytest.mark.parametrize("kind", ["text/plain", "message/rfc822", 'text/plain; charset="utf-8"', "image/svg+xml"])
def test_media_types_that_are_fine(kind: str) -> None:
    assert disposition.media_type(kind) == kind


@pytest.mark.parametrize("kind", [None, "", "text", "a/b\n", "a/b;\nc=d", "a/b; c", "é/b", "a/b" + "; c=d" * 200])
def test_media_types_that_are_not(kind: str | None) -> None:
    assert disposition.media_type(kind) == "application/octet-stream"


async def test_blobs_of_unknown_size() -> None:
    async with running() as gateway:
        url = gateway.url + "/jmap/download/Aalice/part/f"
        async with gateway.http.get(url, headers=gateway.auth() | {"Range": "bytes=0-1"}) as response:
            assert response.status == 200
            assert response.headers["Accept-Ranges"] == "none"
            assert response.headers["Content-Type"] == "text/html"
            assert await response.read() == b"<script>alert(1)</script>"


async def test_a_fault_before_the_first_octet_has_a_status() -> None:
    async with (
        running() as gateway,
        gateway.http.get(gateway.url + download("gone"), headers=gateway.auth()) as response,
    ):
        assert response.status == 503


async def test_a_fault_after_it_is_not_taken_for_the_end() -> None:
    async with (
        running() as gateway,
        gateway.http.get(gateway.url + download("breaks"), headers=gateway.auth()) as response,
    ):
        assert response.status == 200
        with pytest.raises(Exception, match=r"(?i)payload|reset|closed"):
            await response.read()


def test_a_name_is_no_path() -> None:
    """RFC 6266 §4.3."""
    assert 'filename=".._x"' in disposition.attachment("../x")
