"""Email/copy: an Email of another account, unchanged but for where it is and how it is marked (RFC 8621 §4.7)."""

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from gateway.context import Account, Context
from gateway.jmap.datatype import Copy
from gateway.jmap.errors import SetError
from gateway.jmap.properties import refuse
from gateway.objects.mail import blob_ids
from gateway.objects.mail.capability import mail_of, writer_of
from gateway.objects.mail.email_import import letter_of
from gateway.objects.mail.sources import hold
from gateway.objects.mail.storing import Answers, Letter, Placer, seconds, store
from gateway.sync.account import MailAccount

SETTABLE: Final = frozenset(["mailboxIds", "keywords", "receivedAt"])


async def copy(context: Context, from_account: Account, account: Account, copies: Mapping[str, Copy]) -> Answers:
    """By creation id: id, blobId, threadId and size of the copy, or why there is none."""
    source, target = await mail_of(context, from_account), await mail_of(context, account)
    port = writer_of(target)
    placer = Placer(target, port)
    letters = {key: partial(_letter, context, from_account, source, placer, wanted) for key, wanted in copies.items()}
    return await store(target, port, letters)


async def _letter(context: Context, account: Account, source: MailAccount, placer: Placer, wanted: Copy) -> Letter:
    """Raises SetError, adapters.errors."""
    overrides: Mapping[str, Any] = wanted.overrides
    wrong = {name: "cannot be set in a copy" for name in overrides if name not in SETTABLE}
    if "mailboxIds" not in overrides:
        wrong["mailboxIds"] = "must be given: the original's are of another account"
    refuse(wrong)
    emails = source.emails
    row = emails.row(wanted.id)
    held = None if row is None else await hold(context, account, blob_ids.of_email(wanted.id))
    if row is None or held is None:
        raise SetError("notFound")
    keywords = overrides["keywords"] if "keywords" in overrides else emails.keywords(row)
    date = overrides.get("receivedAt")
    return await letter_of(
        held,
        placer,
        tuple(overrides["mailboxIds"]),
        frozenset(name.lower() for name in keywords),
        emails.received_at[row] if date is None else seconds(date),
    )
