"""Uploading and downloading binary data (RFC 8620 §6), streamed both ways."""

import logging
import re
from collections.abc import AsyncIterator
from typing import Final

import orjson
from aiohttp import web

from adapters.errors import AdapterError, NotFound
from gateway.context import Account, Login
from gateway.jmap.errors import LIMIT, RequestProblem
from gateway.store.base import StoreUnavailable
from gateway.store.blobs import OpenBlob, UploadTooLarge
from gateway.web import bodies, disposition, logs, ranges
from gateway.web.keys import services
from gateway.web.problems import Refusal, problem_response

log = logging.getLogger(__name__)

# What comes out of a mail may be a page made by anybody: never rendered, never run; nor guessed at, see middleware.
SAFE: Final = {"Content-Security-Policy": "sandbox; default-src 'none'"}
_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,255}")  # RFC 8620 §1.2
CACHE: Final = "private, immutable, max-age=31536000"  # RFC 8620 §6.2


async def post_upload(request: web.Request) -> web.Response:
    """POST to the upload resource of an account. Answers 200: clients refuse 201 (RFC 8620 §6.1 names none)."""
    found = services(request)
    async with found.authenticator.login(request) as login:
        account = _account(request, login)
        limit = found.limits.max_size_upload
        if (request.content_length or 0) > limit:
            raise _too_large()
        if request.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise Refusal(415, "An upload takes no content coding.", {"Accept-Encoding": "identity"})
        content_type = disposition.media_type(request.headers.get("Content-Type"))
        with found.upload_slots.take(login.username):
            try:
                async with found.uploads.writer(account.key, limit) as writer:
                    async for piece in bodies.pieces(request, found.config.server.body_seconds):
                        await writer.write(piece)
                    blob = await writer.finish(content_type)
            except UploadTooLarge:
                raise _too_large() from None
    body = {"accountId": account.id, "blobId": blob.id, "type": blob.type, "size": blob.size}
    headers = {"Cache-Control": "no-store"}
    return web.Response(body=orjson.dumps(body), content_type="application/json", headers=headers)


async def get_download(request: web.Request) -> web.StreamResponse:
    """GET or HEAD of a blob (RFC 8620 §6.2), whole or one range of it."""
    found = services(request)
    async with found.authenticator.login(request) as login:
        account = _account(request, login)
        blob_id = request.match_info["blobId"]
        blob = await _find(request, account, blob_id)
        etag = f'"{blob_id}"'  # the data of a blobId never changes
        headers = _headers(request, blob, etag)
        if ranges.matches(request.headers.get("If-None-Match"), etag):
            kept = {name: headers[name] for name in ("ETag", "Cache-Control", "Vary")}  # RFC 9110 §15.4.5
            return web.Response(status=304, headers=kept)
        if blob.size is None:
            return await _send(request, 200, headers, blob.read(0, None), None)
        try:
            span = _range(request, blob.size, etag)
        except ranges.Unsatisfiable:
            size = {"Content-Range": f"bytes */{blob.size}"}
            return problem_response(Refusal(416, "The range lies outside of the blob.", size))
        if span is None:
            return await _send(request, 200, headers, blob.read(0, blob.size), blob.size)
        headers["Content-Range"] = f"bytes {span[0]}-{span[1] - 1}/{blob.size}"
        return await _send(request, 206, headers, blob.read(*span), span[1] - span[0])


def _account(request: web.Request, login: Login) -> Account:
    account = login.accounts.get(request.match_info["accountId"])
    if account is None:  # the same for a foreign account as for none
        raise Refusal(404, "There is no such account.")
    return account


async def _find(request: web.Request, account: Account, blob_id: str) -> OpenBlob:
    blob = await services(request).blobs.find(account, blob_id) if _ID.fullmatch(blob_id) else None
    if blob is None:
        raise _no_blob()
    return blob


def _headers(request: web.Request, blob: OpenBlob, etag: str) -> dict[str, str]:
    asked = request.query.get("type")
    return SAFE | {
        "Content-Type": disposition.media_type(blob.type if asked is None else asked),
        "Content-Disposition": disposition.attachment(request.match_info["name"]),
        "Cache-Control": CACHE,
        "ETag": etag,
        "Vary": "Authorization",
        "Accept-Ranges": "none" if blob.size is None else "bytes",
    }


def _range(request: web.Request, size: int, etag: str) -> tuple[int, int] | None:
    if request.method != "GET" or not ranges.if_range_holds(request.headers.get("If-Range"), etag):
        return None  # RFC 9110 §14.2: Range is defined for GET only
    return ranges.wanted(request.headers.get("Range"), size)


async def _send(
    request: web.Request, status: int, headers: dict[str, str], stream: AsyncIterator[bytes], length: int | None
) -> web.StreamResponse:
    """Send the stream. The first piece is read before the header goes out, so that a fault still has a status."""
    response = web.StreamResponse(status=status, headers=headers)
    if length is not None:
        response.content_length = length
    if request.method == "HEAD":
        await response.prepare(request)
        return response
    try:
        first = await anext(stream, b"")
    except NotFound:
        raise _no_blob() from None
    await response.prepare(request)
    try:
        await response.write(first)
        async for piece in stream:
            await response.write(piece)
    except (AdapterError, StoreUnavailable) as error:
        log.warning("a download broke off: %s", logs.describe(error))
        if request.transport is not None:
            request.transport.abort()  # the one way left to say that this is not the whole
        return response
    await response.write_eof()
    return response


def _no_blob() -> Refusal:
    return Refusal(404, "There is no such blob.")


def _too_large() -> RequestProblem:
    return RequestProblem(LIMIT, "The upload is too large.", status=413, limit="maxSizeUpload")
