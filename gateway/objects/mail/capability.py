"""The mail capability (RFC 8621 §1.3.1) and the way from an account to its mail."""

from typing import Any, Final

from adapters.ports.mail_write import MailWritePort
from gateway.context import Account, Context
from gateway.jmap.errors import MethodError
from gateway.objects.mail.order import SORTABLE
from gateway.sync.account import MailAccount

MAIL: Final = "urn:ietf:params:jmap:mail"
MAX_MAILBOXES_PER_EMAIL: Final = 100
MAX_MAILBOX_NAME: Final = 255
"""Octets of UTF-8."""


def mail_capability(*, top_level: bool = True) -> dict[str, Any]:
    """The account's object for the mail capability; every member is required (RFC 8621 §1.3.1).

    top_level: whether a Mailbox may be made beside those that there are.
    """
    return {
        "maxMailboxesPerEmail": MAX_MAILBOXES_PER_EMAIL,
        "maxMailboxDepth": None,
        "maxSizeMailboxName": MAX_MAILBOX_NAME,
        "maxSizeAttachmentsPerEmail": 50_000_000,
        "emailQuerySortOptions": list(SORTABLE),
        "mayCreateTopLevelMailbox": top_level,
    }


async def mail_of(context: Context, account: Account) -> MailAccount:
    """The account's mail, refreshed once per request. Raises MethodError, adapters.errors."""
    if account.mail is None:
        raise MethodError("accountNotSupportedByMethod")
    if account.id not in context.refreshed:
        await account.mail.refresh()
        context.refreshed.add(account.id)
    return account.mail


async def glance_of(context: Context, account: Account) -> MailAccount:
    """The same, for calls that can be answered from a partial snapshot while the account is indexed for the first time.

    Where `snapshot.partial` is not None the Mailboxes are as of this request, and some of the Emails.
    """
    mail = account.mail
    if mail is None or not mail.fresh or account.id in context.refreshed:
        return await mail_of(context, account)
    if account.id not in context.glanced and await mail.look():
        context.glanced.add(account.id)
    return await mail_of(context, account) if mail.snapshot.partial is None else mail


def writer_of(mail: MailAccount) -> MailWritePort:
    """The side of the account's mail that can be changed. Raises MethodError where the backend has none."""
    if not isinstance(mail.port, MailWritePort):
        raise MethodError("accountReadOnly")
    return mail.port
