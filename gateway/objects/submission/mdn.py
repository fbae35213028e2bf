"""MDN/send (RFC 9007 §2.1)."""

import secrets
import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from adapters.errors import AdapterError
from adapters.formats import mdn
from adapters.formats.compose import BlobFacts, Generated, InvalidEmail, compose, read_email
from adapters.formats.compose_stream import examine, stream
from adapters.formats.header_forms import as_text
from adapters.formats.smtp_path import is_address
from adapters.ports.mail_write import Octets
from adapters.ports.submission import SmtpAddress, SmtpEnvelope
from gateway.context import Account, Context
from gateway.jmap.arguments import Argument
from gateway.jmap.checks import Check, boolean, id_, map_of, nullable, object_, one_of, record, string
from gateway.jmap.errors import MethodError, SetError
from gateway.jmap.methods import Answer, ExtraCall, Method
from gateway.jmap.properties import Lookup, refuse
from gateway.jmap.standard.common import lookup_in
from gateway.objects.submission.capability import mail_of, outbox_of
from gateway.objects.submission.errands import run_once
from gateway.objects.submission.follow_up import done, follow_up
from gateway.objects.submission.identity import identities
from gateway.objects.submission.letter import Letter, letter_of
from gateway.objects.submission.replies import of_error
from gateway.sync.account import MailAccount
from gateway.sync.outbox import Outbox

MDN: Final = "urn:ietf:params:jmap:mdn"
SENT: Final = "$mdnsent"

_DISPOSITION: Final[Mapping[str, Check]] = {
    "actionMode": one_of(*mdn.ACTION_MODES),
    "sendingMode": one_of(*mdn.SENDING_MODES),
    "type": one_of(*mdn.TYPES),
}
_GIVEN: Final[Mapping[str, Check]] = {
    "forEmailId": id_,
    "subject": nullable(string),
    "textBody": nullable(string),
    "includeOriginalMessage": boolean,
    "reportingUA": nullable(string),
    "disposition": record(_DISPOSITION, frozenset(_DISPOSITION)),
    "finalRecipient": nullable(string),
    "extensionFields": nullable(map_of(string, string)),
}
_REQUIRED: Final = ("forEmailId", "disposition")
_SERVER_SET: Final = ("mdnGateway", "originalRecipient", "originalMessageId", "error")
_TEXT: Final = (
    "This receipt says that the message was {type} at the recipient's side. That is no guarantee that it has been read "
    "or understood.\r\n"
)


async def send(context: Context, account: Account, arguments: Mapping[str, Any]) -> Answer:
    """MDN/send (RFC 9007 §2.1)."""
    wanted: Mapping[str, Mapping[str, Any]] = arguments["send"]
    if len(wanted) > context.limits.max_objects_in_set:
        raise MethodError("requestTooLarge")
    box = outbox_of(account)
    identity = (await identities(box)).get(arguments["identityId"])
    if identity is None:
        raise MethodError("invalidArguments", "there is no such Identity")
    patches = arguments["onSuccessUpdateEmail"] or {}
    if not all(_marks(patches.get(f"#{key}", {})) for key in wanted):  # §2.1: MUST reject what does not set it
        raise MethodError("invalidArguments", f"onSuccessUpdateEmail must set {SENT} for each MDN")
    mail = await mail_of(context, account)
    sender = _Sender(box, mail, identity["email"], identity["name"])
    sent: dict[str, dict[str, Any]] = {}
    refused: dict[str, Any] = {}
    update: dict[str, Any] = {}
    asked: dict[str, str] = {}
    for key, given in wanted.items():
        try:
            patch = patches[f"#{key}"]
            sent[key] = await sender.send(given, patch, lookup_in(context))
            asked[_key(given["forEmailId"])] = given["forEmailId"]
            update.setdefault(given["forEmailId"], {}).update(patch)
        except SetError as error:
            refused[key] = error.to_json()
        except AdapterError as error:
            refused[key] = of_error(error).to_json()
    answer = {"accountId": arguments["accountId"], "sent": sent or None, "notSent": refused or None}
    call = ExtraCall("Email/set", {"accountId": account.id, "update": update}, partial(done, box, asked))
    return Answer(answer, (call,) if update else ())


def _key(email_id: str) -> str:
    """RFC 9007 §2.1: there is one MDN of an Email."""
    return f"mdn-{email_id}"


def _marks(patch: Mapping[str, Any]) -> bool:
    keywords = patch.get("keywords")
    return patch.get(f"keywords/{SENT}") is True or (isinstance(keywords, dict) and keywords.get(SENT) is True)


@dataclass(frozen=True, slots=True)
class _Sender:
    """Sends the notifications of one call. email, name: of the Identity."""

    box: Outbox
    mail: MailAccount
    email: str
    name: str

    async def send(self, given: Mapping[str, Any], patch: Mapping[str, Any], lookup: Lookup) -> dict[str, Any]:
        """What the client did not set of the MDN. patch: what is to follow. Raises SetError, adapters.errors."""
        _check(given)
        row = self.mail.emails.row(given["forEmailId"])
        if row is None:
            raise SetError("notFound")
        if SENT in self.mail.emails.keywords(row):
            raise SetError("mdnAlreadySent", f"the Email has the keyword {SENT}")
        letter = await letter_of(self.mail, given["forEmailId"])
        recipients = [one for field in letter.addresses("disposition-notification-to") for one in field]
        if not recipients or not all(map(is_address, recipients)):
            raise SetError("notFound", "the Email has no valid Disposition-Notification-To")
        made = self._completed(given, letter)
        octets = await self._octets(made, recipients, letter)
        await self._submit(given["forEmailId"], recipients, octets, patch, lookup)
        return {name: value for name, value in made.items() if name not in given and value is not None}

    def _completed(self, given: Mapping[str, Any], letter: Letter) -> dict[str, Any]:
        final = given.get("finalRecipient")
        if final is not None and not self.box.senders.allow(final.rpartition(";")[2].strip()):
            raise SetError("forbiddenFrom", "this login may not speak for the final recipient")
        subject = _field(letter, "subject") or ""
        completed = {
            "subject": f"Read receipt: {subject}",
            "textBody": _TEXT.format(type=given["disposition"]["type"]),
            "includeOriginalMessage": False,
            # RFC 8098 §3.2.3: only what the message itself says
            "originalRecipient": _field(letter, "original-recipient"),
            "originalMessageId": _field(letter, "message-id"),
            "finalRecipient": f"rfc822; {self.email}",
        }
        return completed | {name: value for name, value in given.items() if value is not None}

    async def _octets(self, made: Mapping[str, Any], recipients: list[str], letter: Letter) -> Octets:
        """The multipart/report (RFC 8098 §3)."""
        try:
            report = mdn.write(made)
            draft = read_email(_email(made, recipients, {"name": self.name or None, "email": self.email}))
        except mdn.InvalidMdn as error:
            raise SetError("invalidProperties", str(error), error.properties) from error
        except InvalidEmail as error:
            raise SetError("invalidProperties", str(error)[:300], ["subject", "textBody"]) from error
        sources = {"report": Octets(len(report), lambda: _whole(report)), "original": letter.octets}
        facts: dict[str, BlobFacts] = {}
        for blob_id in draft.attached():
            facts[blob_id] = (await examine(sources[blob_id].read())).facts(None)
        date = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        generated = Generated(f"{uuid.uuid4()}@{self.email.rpartition('@')[2]}", date, secrets.token_hex(12))
        composition = compose(draft, facts, generated)
        return Octets(composition.size, lambda: stream(composition, lambda blob_id: sources[blob_id].read()))

    async def _submit(
        self, email_id: str, recipients: list[str], octets: Octets, patch: Mapping[str, Any], lookup: Lookup
    ) -> None:
        """RFC 8098 §2.1: the envelope sender MUST be null, so that nothing ever answers."""
        most = self.box.offered.max_size
        if most is not None and octets.size > most:
            raise SetError("tooLarge", maxSize=most)
        envelope = SmtpEnvelope(SmtpAddress("", {}), [SmtpAddress(one, {}) for one in dict.fromkeys(recipients)])
        then = follow_up(email_id, patch, destroy=False, lookup=lookup)
        await run_once(self.box, _key(email_id), envelope, octets, then)


def _check(given: Mapping[str, Any]) -> None:
    """Raises SetError for a malformed MDN."""
    wrong = {name: "is missing" for name in _REQUIRED if given.get(name) is None}
    for name, value in given.items():
        if name in _SERVER_SET:
            fault: str | None = "is set by the server"
        else:
            fault = _GIVEN[name](value) if name in _GIVEN else "is unknown"
        if fault:
            wrong[name] = fault
    refuse(wrong)


def _email(made: Mapping[str, Any], recipients: list[str], sender: Mapping[str, Any]) -> dict[str, Any]:
    parts: list[dict[str, Any]] = [
        {"partId": "text", "type": "text/plain"},
        {"blobId": "report", "type": mdn.REPORT_TYPE},
    ]
    if made["includeOriginalMessage"]:
        parts.append({"blobId": "original", "type": "message/rfc822"})
    original = made.get("originalMessageId")
    return {
        "from": [sender],
        "to": [{"email": one} for one in recipients],
        "subject": made["subject"],
        "inReplyTo": [original.strip("<> ")] if original else None,
        "bodyStructure": {
            "header:Content-Type:asRaw": " multipart/report; report-type=disposition-notification",
            "subParts": parts,
        },
        "bodyValues": {"text": {"value": made["textBody"]}},
    }


def _field(letter: Letter, name: str) -> str | None:
    values = letter.fields.get(name)
    return as_text(values[-1]).strip() or None if values else None


async def _whole(octets: bytes) -> AsyncIterator[bytes]:
    yield octets


SEND: Final = Method(
    "MDN/send",
    MDN,
    (
        Argument("identityId", id_),
        Argument("send", map_of(id_, object_)),
        Argument("onSuccessUpdateEmail", nullable(map_of(string, object_)), None),
    ),
    send,
    writes=True,
)
