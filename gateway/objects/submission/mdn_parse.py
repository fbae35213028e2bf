"""MDN/parse (RFC 9007 §2.2)."""

from collections.abc import Collection, Mapping
from typing import Any, Final

from adapters.errors import Broken
from adapters.formats import mdn
from adapters.formats.email import BodyOptions
from adapters.formats.report import message_id
from adapters.ports.mail_search import AnyOf, HeaderField
from gateway.context import Account, Context
from gateway.jmap.arguments import Argument
from gateway.jmap.checks import array_of, id_
from gateway.jmap.errors import MethodError
from gateway.jmap.methods import Answer, Method
from gateway.objects.mail.contents import contents
from gateway.objects.mail.wanted import Wanted
from gateway.objects.submission.capability import mail_of
from gateway.objects.submission.mdn import MDN
from gateway.sync.account import MailAccount
from gateway.sync.folders import AWAY
from gateway.sync.mailboxes import Mailbox

MOST_SOUGHT: Final = 50
"""Originals that are looked for in one call; the forEmailId of further ones is null."""


async def parse(context: Context, account: Account, arguments: Mapping[str, Any]) -> Answer:
    """MDN/parse (RFC 9007 §2.2)."""
    blobs: list[str] = list(dict.fromkeys(arguments["blobIds"]))
    if len(blobs) > context.limits.max_objects_in_get:
        raise MethodError("requestTooLarge")
    parsed: dict[str, dict[str, Any]] = {}
    not_parsable: list[str] = []
    not_found: list[str] = []
    for blob_id in blobs:
        blob = await context.blobs.find(account, blob_id)
        if blob is None:
            not_found.append(blob_id)
            continue
        octets = bytearray()
        async for piece in blob.read(0, context.limits.max_size_upload):
            octets += piece
        found = mdn.read(bytes(octets))
        if found is None:
            not_parsable.append(blob_id)
        else:
            parsed[blob_id] = found
    originals = await _originals(context, account, [one["originalMessageId"] for one in parsed.values()])
    return Answer(
        {
            "accountId": arguments["accountId"],
            "parsed": {key: {"forEmailId": originals.get(_original(one)), **one} for key, one in parsed.items()}
            or None,
            "notParsable": not_parsable or None,
            "notFound": not_found or None,
        }
    )


def _original(found: Mapping[str, Any]) -> str | None:
    return message_id(found["originalMessageId"])


async def _originals(context: Context, account: Account, texts: Collection[str | None]) -> dict[str | None, str]:
    """Message-ID to the one Email that has it, sought where sent mail lies and elsewhere only if it is not there."""
    wanted = set(list(dict.fromkeys(filter(None, map(message_id, texts))))[:MOST_SOUGHT])
    if not wanted:
        return {}
    mail = await mail_of(context, account)
    boxes = [box for box in mail.mailboxes.values() if box.readable]
    found: dict[str | None, str] = {}
    for places in ([box for box in boxes if box.role == "sent"], [box for box in boxes if box.role != "sent"]):
        left = wanted - found.keys()
        for email_id, own in (await _carriers(mail, places, left)).items():
            for one in left & own:
                found[one] = "" if one in found else email_id  # §2.2: of several nobody can say which
    return {one: email_id for one, email_id in found.items() if email_id}


async def _carriers(mail: MailAccount, boxes: Collection[Mailbox], wanted: Collection[str]) -> dict[str, set[str]]:
    """Emails in these Mailboxes that may have one of the Message-IDs, and the Message-IDs that they have."""
    if not wanted:
        return {}
    asked = AnyOf(tuple(HeaderField("Message-ID", one) for one in sorted(wanted)))
    rows: set[int] = set()
    for box in boxes:
        try:
            uids = await mail.port.search(box.path, box.uid_validity, asked)
        except (*AWAY, Broken):
            continue  # it costs only itself
        rows.update(mail.emails.uids_to_rows(box.id, uids))
    email_ids = mail.emails.ids(sorted(rows))
    shown = await contents(mail, email_ids, Wanted(("messageId",), BodyOptions()))
    return {email_id: {f"<{one}>" for one in values["messageId"] or ()} for email_id, values in shown.items()}


PARSE: Final = Method("MDN/parse", MDN, (Argument("blobIds", array_of(id_)),), parse)
