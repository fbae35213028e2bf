"""The mail capability (RFC 8621 §1.3.1) and the way from an account to its mail."""

from typing import Any, Final

from gateway.context import Account, Context
from gateway.jmap.errors import MethodError
from gateway.objects.mail.order import SORTABLE
from gateway.sync.account import MailAccount

MAIL: Final = "urn:ietf:params:jmap:mail"


def mail_capability() -> dict[str, Any]:
    """The account's object for the mail capability; every member is required (RFC 8621 §1.3.1)."""
    return {
        "maxMailboxesPerEmail": None,
        "maxMailboxDepth": None,
        "maxSizeMailboxName": 255,
        "maxSizeAttachmentsPerEmail": 50_000_000,
        "emailQuerySortOptions": list(SORTABLE),
        "mayCreateTopLevelMailbox": False,
    }


async def mail_of(context: Context, account: Account) -> MailAccount:
    """The account's mail, refreshed once per request. Raises MethodError, adapters.errors."""
    if account.mail is None:
        raise MethodError("accountNotSupportedByMethod")
    if account.id not in context.refreshed:
        await account.mail.refresh()
        context.refreshed.add(account.id)
    return account.mail
