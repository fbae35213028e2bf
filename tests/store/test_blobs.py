"""Uploaded blobs (RFC 8620 §6.1, §6.3)."""

import asyncio
import uuid

import pytest

from gateway.store.base import Store
from gateway.store.blobs import PIECE, Blob, Uploads, UploadTooLarge


async def upload(uploads: Uploads, account: str, data: bytes, content_type: str = "text/plain") -> Blob:
    async with uploads.writer(account, 10 * PIECE) as writer:
        for start in range(0, len(data), 100_000):
            await writer.write(data[start : start + 100_000])
        return await writer.finish(content_type)


async def content(uploads: Uploads, account: str, blob: Blob, start: int = 0, stop: int | None = None) -> bytes:
    return b"".join([piece async for piece in uploads.read(account, blob, start, stop)])


@pytest.mark.parametrize("size", [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE])
async def test_every_octet_comes_back(store: Store, size: int) -> None:
    uploads, account = Uploads(store, 60), uuid.uuid4().hex
    data = bytes(i * 7 % 251 for i in range(size))
    blob = await upload(uploads, account, data)
    assert (blob.size, blob.type) == (size, "text/plain")
    assert await uploads.find(account, blob.id) == blob
    assert await content(uploads, account, blob) == data
    assert await content(uploads, account, blob, size // 3, size // 2) == data[size // 3 : size // 2]


async def test_pieces_of_another_size_are_read_as_they_were_written(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    uploads, account = Uploads(store, 60), uuid.uuid4().hex
    data = bytes(i * 7 % 251 for i in range(1000))
    with monkeypatch.context() as before:
        before.setattr("gateway.store.blobs.PIECE", 300)
        blob = await upload(uploads, account, data)
    assert await uploads.find(account, blob.id) == blob
    assert await content(uploads, account, blob, 250, 950) == data[250:950]


async def test_equal_content_has_the_equal_id_and_the_newest_type(store: Store) -> None:
    uploads, account = Uploads(store, 60), uuid.uuid4().hex
    first = await upload(uploads, account, b"same", "text/plain")
    second = await upload(uploads, account, b"same", "text/html")
    assert first.id == second.id
    found = await uploads.find(account, first.id)
    assert found is not None
    assert found.type == "text/html"
    assert await content(uploads, account, found) == b"same"


async def test_a_blob_belongs_to_its_account(store: Store) -> None:
    uploads, mine, yours = Uploads(store, 60), uuid.uuid4().hex, uuid.uuid4().hex
    blob = await upload(uploads, mine, b"secret")
    assert await uploads.find(yours, blob.id) is None
    copied = await uploads.copy(mine, yours, blob)  # RFC 8620 §6.3
    assert copied.id == blob.id
    assert await content(uploads, yours, copied) == b"secret"


async def test_too_much_is_refused_and_nothing_is_kept(store: Store) -> None:
    uploads, account = Uploads(store, 60), uuid.uuid4().hex
    with pytest.raises(UploadTooLarge):
        async with uploads.writer(account, PIECE + 10) as writer:
            for _ in range(3):
                await writer.write(b"x" * PIECE)
    assert await store.scan(account, "upload-data") == []
    assert await store.scan(account, "upload") == []


async def test_an_upload_that_is_abandoned_leaves_nothing(store: Store) -> None:
    uploads, account = Uploads(store, 60), uuid.uuid4().hex
    async with uploads.writer(account, 3 * PIECE) as writer:
        await writer.write(b"x" * PIECE)
    assert await store.scan(account, "upload-data") == []


async def test_a_blob_expires(store: Store) -> None:
    uploads, account = Uploads(store, 0.05), uuid.uuid4().hex
    blob = await upload(uploads, account, b"short-lived")
    await asyncio.sleep(0.1)
    assert await uploads.find(account, blob.id) is None
