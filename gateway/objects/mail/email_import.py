"""Email/import: a blob becomes an Email (RFC 8621 §4.8), whatever type it was uploaded with."""

import re
from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from adapters.formats.compose_stream import with_line_ends
from adapters.formats.header_forms import as_date, header_fields, values_by_name
from adapters.ports.mail import Keywords
from adapters.ports.mail_write import Octets
from gateway.context import Account, Context
from gateway.jmap.arguments import Argument
from gateway.jmap.checks import id_, map_of, nullable, object_, string, true, utc_date
from gateway.jmap.errors import MethodError, SetError
from gateway.jmap.methods import Answer, Method
from gateway.jmap.properties import UnknownReference, reference_ids, refuse
from gateway.jmap.standard.common import lookup_in, require_state
from gateway.objects.mail.capability import MAIL, mail_of, writer_of
from gateway.objects.mail.dates import instant
from gateway.objects.mail.keywords import keyword
from gateway.objects.mail.sources import Held, hold
from gateway.objects.mail.storing import Letter, Placer, is_kept, message_id_of, seconds, store

_CHECKS: Final = {
    "blobId": id_,
    "mailboxIds": map_of(id_, true),
    "keywords": nullable(map_of(keyword, true)),
    "receivedAt": nullable(utc_date),
}
_LAST_SEMICOLON = re.compile(rb".*;", re.DOTALL)


async def import_(context: Context, account: Account, arguments: Mapping[str, Any]) -> Answer:
    """Import each Email by itself."""
    emails: Mapping[str, Mapping[str, Any]] = arguments["emails"]
    if len(emails) > context.limits.max_objects_in_set:
        raise MethodError("requestTooLarge", f"more than {context.limits.max_objects_in_set} records")
    mail = await mail_of(context, account)
    old_state = mail.state("Email")
    require_state(arguments["ifInState"], old_state)
    port = writer_of(mail)
    placer = Placer(mail, port)
    letters = {key: partial(_letter, context, account, placer, record) for key, record in emails.items()}
    answers = await store(mail, port, letters)
    created = {key: answer for key, answer in answers.items() if not isinstance(answer, SetError)}
    context.created_ids.update((key, str(email["id"])) for key, email in created.items())
    refused = {key: answer.to_json() for key, answer in answers.items() if isinstance(answer, SetError)}
    return Answer(
        {
            "accountId": arguments["accountId"],
            "oldState": old_state,
            "newState": mail.state("Email"),
            "created": created or None,
            "notCreated": refused or None,
        }
    )


async def _letter(context: Context, account: Account, placer: Placer, record: Mapping[str, Any]) -> Letter:
    """An EmailImport, ready to be stored. Raises SetError, adapters.errors."""
    wanted = _checked(context, record)
    held = await hold(context, account, wanted["blobId"])
    if held is None:
        raise SetError("invalidProperties", "there is no such blob", ["blobId"])
    keywords = frozenset(name.lower() for name in wanted.get("keywords") or ())
    date = wanted.get("receivedAt")
    return await letter_of(held, placer, tuple(wanted["mailboxIds"]), keywords, None if date is None else seconds(date))


async def letter_of(
    held: Held, placer: Placer, mailbox_ids: tuple[str, ...], keywords: Keywords, received_at: int | None
) -> Letter:
    """A message as it is, but for bare LF and NUL, which no IMAP server takes. Raises SetError, adapters.errors."""
    head = bytes(held.seen.head)
    fields = header_fields(head)
    if not fields:
        raise SetError("invalidEmail", "there is no header field at its beginning")
    if received_at is None:
        received_at = _received(values_by_name(fields).get("received", []))
    placement = await placer.place(mailbox_ids, keywords, received_at)
    message = Octets(held.seen.lines_size, lambda: with_line_ends(held.read()))
    return Letter(message, message_id_of(head), placement)


def _checked(context: Context, record: Mapping[str, Any]) -> dict[str, Any]:
    """The properties, with creation ids replaced. Raises SetError("invalidProperties")."""
    wrong = {name: "is unknown" for name in record if name not in _CHECKS}
    wrong |= {name: "is missing" for name in ("blobId", "mailboxIds") if name not in record}
    found = {name: value for name, value in record.items() if name in _CHECKS}
    if isinstance(found.get("mailboxIds"), dict):
        try:
            found["mailboxIds"] = reference_ids(found["mailboxIds"], lookup_in(context))
        except UnknownReference:
            wrong["mailboxIds"] = "refers to a record that was not created"
    wrong |= {name: fault for name, value in found.items() if name not in wrong and (fault := _CHECKS[name](value))}
    refuse(wrong)
    return found


def _received(values: list[bytes]) -> int | None:
    """The time of the most recent Received field that has one: the topmost (RFC 5321 §4.4)."""
    for value in values:
        date = as_date(_LAST_SEMICOLON.sub(b"", value))
        if date is not None and is_kept(found := int(instant(date))):
            return found
    return None


IMPORT: Final = Method(
    "Email/import",
    MAIL,
    (Argument("ifInState", nullable(string), None), Argument("emails", map_of(id_, object_))),
    import_,
    writes=True,
)
