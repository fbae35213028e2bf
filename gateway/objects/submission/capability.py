"""The submission capability (RFC 8621 §1.3.2) and the way from an account to its outbox and mail."""

from typing import Any, Final

from adapters.ports.submission import SubmissionFacts
from gateway.context import Account, Context
from gateway.jmap.datatype import Changes
from gateway.jmap.errors import MethodError
from gateway.objects.changes import ledger_changes
from gateway.sync.account import MailAccount
from gateway.sync.held import Hold
from gateway.sync.outbox import Outbox

SUBMISSION: Final = "urn:ietf:params:jmap:submission"

# Of what EHLO offers: what a client can make use of through an envelope, and what it may want to know.
_USEFUL: Final = (
    "DSN",
    "SIZE",
    "8BITMIME",
    "SMTPUTF8",
    "ENHANCEDSTATUSCODES",
    "DELIVERBY",
    "MT-PRIORITY",
    "REQUIRETLS",
    "FUTURERELEASE",
)
PARAMETERS: Final = {
    "RET": "DSN",
    "ENVID": "DSN",
    "NOTIFY": "DSN",
    "ORCPT": "DSN",
    "BY": "DELIVERBY",
    "MT-PRIORITY": "MT-PRIORITY",
    "REQUIRETLS": "REQUIRETLS",
    "HOLDFOR": "FUTURERELEASE",
    "HOLDUNTIL": "FUTURERELEASE",
}
"""Envelope parameters that are passed on -> the extension that must be offered."""


def submission_capability(facts: SubmissionFacts, hold: Hold | None, now: float) -> dict[str, Any]:
    """The account's object. hold: how messages may wait at the gateway, if they may. now: seconds since 1970."""
    offered = {name: list(facts.extensions[name]) for name in _USEFUL if name in facts.extensions}
    longest = facts.longest_hold(now) if hold is None else hold.most
    if hold is not None:
        offered["FUTURERELEASE"] = []  # RFC 4865: by the gateway itself, whatever the server can
    elif not longest:
        offered.pop("FUTURERELEASE", None)
    return {"maxDelayedSend": longest, "submissionExtensions": offered}


def outbox_of(account: Account) -> Outbox:
    """Raises MethodError for an account that cannot send."""
    if account.outbox is None:
        raise MethodError("accountNotSupportedByMethod")
    return account.outbox


async def mail_of(context: Context, account: Account) -> MailAccount:
    """The account's mail, refreshed once per request. Raises MethodError, adapters.errors."""
    if account.mail is None:
        raise MethodError("accountNotSupportedByMethod")
    if account.id not in context.refreshed:
        await account.mail.refresh()
        context.refreshed.add(account.id)
    return account.mail


async def changes_of(box: Outbox, type_name: str, since_state: str, max_changes: int | None) -> Changes:
    """The answer of a /changes method (RFC 8620 §5.2)."""
    return await ledger_changes(box.ledger, type_name, since_state, max_changes)
