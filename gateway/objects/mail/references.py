"""Which Emails, Threads and Mailboxes refer to a blob (RFC 9404 §4.3).

The blob of a message or of one of its parts is found at one Email: its id is made from the Email's. Nothing refers to
an upload: what was made of it has a blob id of its own.
"""

from gateway.context import Account, Context
from gateway.objects.mail import blob_ids
from gateway.objects.mail.capability import mail_of


async def emails(context: Context, account: Account, blob_id: str) -> list[str]:
    """The Email that the blob is found at."""
    mail = await mail_of(context, account)
    email_id = _email_id(blob_id)
    return [] if email_id is None or mail.emails.row(email_id) is None else [email_id]


async def threads(context: Context, account: Account, blob_id: str) -> list[str]:
    """The Thread of that Email."""
    mail = await mail_of(context, account)
    email_id = _email_id(blob_id)
    row = None if email_id is None else mail.emails.row(email_id)
    if row is None:
        return []
    await mail.threads.ready()
    number = mail.threads.thread_of(row)
    return [] if number is None else [mail.threads.id(number)]


async def mailboxes(context: Context, account: Account, blob_id: str) -> list[str]:
    """The Mailboxes that hold that Email."""
    mail = await mail_of(context, account)
    email_id = _email_id(blob_id)
    row = None if email_id is None else mail.emails.row(email_id)
    return [] if row is None else mail.emails.mailbox_ids(row)


def _email_id(blob_id: str) -> str | None:
    path = blob_ids.split(blob_id)
    return None if path is None else blob_ids.email_of(path[0])
