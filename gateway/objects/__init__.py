"""Everything the gateway serves, in one list each: data types, single methods, capabilities of an account."""

from typing import Final

from gateway.context import Account, BlobSource
from gateway.jmap.core_methods import CORE_METHODS
from gateway.jmap.datatype import DataType
from gateway.jmap.methods import Method
from gateway.objects.calendars import availability, defaults, event_parse
from gateway.objects.calendars.calendar import CalendarType
from gateway.objects.calendars.event import CalendarEventType
from gateway.objects.calendars.event_notification import CalendarEventNotificationType
from gateway.objects.calendars.participant_identity import ParticipantIdentityType
from gateway.objects.calendars.share_notification import ShareNotificationType
from gateway.objects.contacts import address_book
from gateway.objects.contacts.address_book import AddressBookType
from gateway.objects.contacts.card import ContactCardType
from gateway.objects.contacts.media import CardBlobs
from gateway.objects.core import blob_copy, blob_get, blob_lookup, blob_upload
from gateway.objects.core.blob_lookup import Referrers
from gateway.objects.core.push_subscription import PushSubscriptionType
from gateway.objects.mail import email_import, email_parse, references, search_snippet
from gateway.objects.mail.blobs import MessageBlobs
from gateway.objects.mail.capability import MAIL
from gateway.objects.mail.email import EmailType
from gateway.objects.mail.email_push import EmailPushExtension
from gateway.objects.mail.mailbox import MailboxType
from gateway.objects.mail.thread import ThreadType
from gateway.objects.principals.principal import PrincipalType
from gateway.objects.quota.quota import QuotaType
from gateway.objects.sieve import activation
from gateway.objects.sieve.blobs import ScriptBlobs
from gateway.objects.sieve.sieve_script import SieveScriptType
from gateway.objects.sieve.vacation import VacationResponseType
from gateway.objects.submission import mdn, mdn_parse
from gateway.objects.submission.email_submission import EmailSubmissionType
from gateway.objects.submission.identity import IdentityType
from gateway.store.blobs import OpenBlob, Uploads

DATA_TYPES: Final[tuple[DataType, ...]] = (
    PushSubscriptionType([EmailPushExtension()]),
    MailboxType(),
    ThreadType(),
    EmailType(),
    QuotaType(),
    SieveScriptType(),
    VacationResponseType(),
    IdentityType(),
    EmailSubmissionType(),
    CalendarType(),
    CalendarEventType(),
    PrincipalType(),
    ShareNotificationType(),
    ParticipantIdentityType(),
    CalendarEventNotificationType(),
    AddressBookType(),
    ContactCardType(),
)
REFERRERS: Final = {
    "Mailbox": Referrers(MAIL, references.mailboxes),
    "Thread": Referrers(MAIL, references.threads),
    "Email": Referrers(MAIL, references.emails),
}
METHODS: Final[tuple[Method, ...]] = (
    *CORE_METHODS,
    blob_copy.COPY,
    blob_upload.UPLOAD,
    blob_get.GET,
    blob_lookup.method(REFERRERS),
    email_import.IMPORT,
    email_parse.PARSE,
    search_snippet.GET,
    activation.SET,
    activation.VALIDATE,
    mdn.SEND,
    mdn_parse.PARSE,
    defaults.SET_CALENDARS,
    defaults.SET_IDENTITIES,
    event_parse.PARSE,
    availability.GET,
    address_book.SET,
)


class Blobs:
    """Every blob of an account: uploads, stored messages, their parts, Sieve scripts, pictures of cards."""

    def __init__(self, uploads: Uploads) -> None:
        self._uploads = uploads
        self._stored: tuple[BlobSource, ...] = (MessageBlobs(uploads), ScriptBlobs(), CardBlobs())

    async def find(self, account: Account, blob_id: str) -> OpenBlob | None:
        """See gateway.context.BlobSource."""
        blob = await self._uploads.open(account.key, blob_id)
        for source in self._stored:
            blob = blob or await source.find(account, blob_id)
        return blob
