"""Blob/copy (RFC 8620 §6.3)."""

from collections.abc import Mapping
from typing import Any, Final

from adapters.errors import AdapterError
from gateway.context import Account, Context
from gateway.jmap.arguments import Argument
from gateway.jmap.capabilities import CORE
from gateway.jmap.checks import array_of, id_
from gateway.jmap.errors import MethodError, SetError, set_error
from gateway.jmap.methods import Answer, Method
from gateway.store.blobs import UploadTooLarge


async def copy(context: Context, account: Account, arguments: Mapping[str, Any]) -> Answer:
    """Copy blobs into this account; a copy is kept as long as an upload."""
    source = _source(context, arguments["fromAccountId"])
    blob_ids = list(dict.fromkeys(arguments["blobIds"]))
    if len(blob_ids) > context.limits.max_objects_in_set:
        raise MethodError("requestTooLarge")
    copied, refused = {}, {}
    for blob_id in blob_ids:
        try:
            copied[blob_id] = await _copy(context, source, account, blob_id)
        except SetError as error:
            refused[blob_id] = error.to_json()
        except AdapterError as error:
            refused[blob_id] = (set_error(error) or SetError("serverFail")).to_json()
    return Answer(
        {
            "fromAccountId": arguments["fromAccountId"],
            "accountId": arguments["accountId"],
            "copied": copied or None,
            "notCopied": refused or None,
        }
    )


def _source(context: Context, account_id: str) -> Account:
    try:
        return context.account(account_id)
    except MethodError as error:
        raise MethodError("fromAccountNotFound") from error


async def _copy(context: Context, source: Account, target: Account, blob_id: str) -> str:
    blob = await context.blobs.find(source, blob_id)
    if blob is None:
        raise SetError("notFound")
    try:
        async with context.uploads.writer(target.key, context.limits.max_size_upload) as writer:
            async for piece in blob.read(0, None):
                await writer.write(piece)
            return (await writer.finish(blob.type or "application/octet-stream")).id
    except UploadTooLarge as error:
        raise SetError("tooLarge") from error


COPY: Final = Method("Blob/copy", CORE, (Argument("fromAccountId", id_), Argument("blobIds", array_of(id_))), copy)
