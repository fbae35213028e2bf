"""What a client asks first, answered while the account is indexed for the first time: see `sync.opening`.

The newest Emails of one Mailbox by receivedAt, as many as are known, collapsed to Threads or not; and Email/get of what
is known. Nothing is cut short: whatever needs more than that waits until the index is whole.
"""

import math
from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field

from gateway.context import Account, Context
from gateway.jmap.datatype import Query
from gateway.objects.mail import filter_tree
from gateway.objects.mail.capability import glance_of, mail_of
from gateway.objects.mail.email_query import EmailResult
from gateway.objects.mail.filter_tree import Leaf
from gateway.objects.mail.order import NEWEST_FIRST
from gateway.sync.account import MailAccount
from gateway.sync.emails import Emails


@dataclass(frozen=True, slots=True)
class FirstPage(EmailResult):
    """The beginning of a result. total: of the whole; it is what `len` gives.

    Emails of one second may stand in another order in the whole index: its state is none to calculate changes from.
    """

    can_calculate_changes: bool = field(default=False, init=False)
    total: int = field(kw_only=True)

    def __len__(self) -> int:
        return self.total


async def holding(context: Context, account: Account, ids: Iterable[str] | None) -> MailAccount:
    """The account's mail with these Emails in it, as far as they exist; None for all."""
    mail = await glance_of(context, account)
    known = mail.emails
    if mail.snapshot.partial is None or (ids is not None and all(known.row(email_id) is not None for email_id in ids)):
        return mail
    return await mail_of(context, account)


async def run(context: Context, account: Account, query: Query) -> FirstPage | None:
    """The asked part of the result, if it is known before the index is whole; None otherwise.

    What can only be answered from the whole is no reason to look at a part of it first.
    """
    mailbox_id, stop = _mailbox(query), _stop(query)
    if mailbox_id is None or stop is None:
        return None
    mail = await glance_of(context, account)
    if mail.snapshot.partial is None:
        return None
    await mail.look_into(mailbox_id)
    emails, state, total = mail.emails, f"{mail.state('Email')}-first", (mail.snapshot.partial or {}).get(mailbox_id)
    if total is None:
        return None
    rows = array("I", reversed(emails.in_mailbox(mailbox_id)))
    whole = len(rows) == total
    if query.arguments["collapseThreads"]:
        rows = await _collapsed(mail, emails, rows)
        total = len(rows) if whole or not _counts(query) else None
    return FirstPage(emails, rows, state, total=total) if total is not None and (whole or stop <= len(rows)) else None


def _mailbox(query: Query) -> str | None:
    """The Mailbox whose newest Emails the query asks for, None for any other query."""
    condition = filter_tree.tree(query.filter)
    sort = [(comparator.property, comparator.is_ascending) for comparator in query.sort or NEWEST_FIRST]
    if sort != [("receivedAt", False)] or not isinstance(condition, Leaf) or condition.name != "inMailbox":
        return None
    return str(condition.value)


def _stop(query: Query) -> float | None:
    """How many Emails must be known; None where that depends on the rest."""
    window = query.window
    if window is None or window.anchor is not None or window.position < 0:
        return None
    return math.inf if window.limit is None else window.position + window.limit


def _counts(query: Query) -> bool:
    return query.window is None or query.window.calculate_total


async def _collapsed(mail: MailAccount, emails: Emails, rows: "array[int]") -> "array[int]":
    """Only the first row of each Thread (RFC 8621 §4.4.3)."""
    first: dict[str, int] = {}
    for row, thread_id in zip(rows, await mail.threads.thread_ids(rows, emails), strict=True):
        first.setdefault(thread_id, row)
    return array("I", first.values())
