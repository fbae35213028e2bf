"""Everything the gateway serves, in one list each: data types, single methods, capabilities of an account."""

from typing import Final

from gateway.context import Account, BlobSource
from gateway.jmap.core_methods import CORE_METHODS
from gateway.jmap.datatype import DataType
from gateway.jmap.methods import Method
from gateway.objects.core import blob_copy
from gateway.objects.mail import email_import, email_parse, search_snippet
from gateway.objects.mail.blobs import MessageBlobs
from gateway.objects.mail.email import EmailType
from gateway.objects.mail.mailbox import MailboxType
from gateway.objects.mail.thread import ThreadType
from gateway.store.blobs import OpenBlob, Uploads

DATA_TYPES: Final[tuple[DataType, ...]] = (MailboxType(), ThreadType(), EmailType())
METHODS: Final[tuple[Method, ...]] = (
    *CORE_METHODS,
    blob_copy.COPY,
    email_import.IMPORT,
    email_parse.PARSE,
    search_snippet.GET,
)


class Blobs:
    """Every blob of an account: uploads, stored messages, their parts."""

    def __init__(self, uploads: Uploads) -> None:
        self._uploads = uploads
        self._messages: BlobSource = MessageBlobs(uploads)

    async def find(self, account: Account, blob_id: str) -> OpenBlob | None:
        """See gateway.context.BlobSource."""
        return await self._uploads.open(account.id, blob_id) or await self._messages.find(account, blob_id)
