"""The envelope of a submission: given or derived, checked before anything is said to a server (RFC 8621 §7)."""

from collections.abc import Mapping
from typing import Any, Final

from adapters.errors import InvalidData
from adapters.formats.header_forms import CONVENIENCE
from adapters.formats.smtp_path import is_address, parameter
from adapters.ports.submission import SmtpAddress, SmtpEnvelope, SubmissionFacts
from gateway.jmap.checks import array_of, map_of, nullable, record, string
from gateway.jmap.errors import SetError
from gateway.objects.submission.capability import PARAMETERS
from gateway.objects.submission.letter import Letter
from gateway.sync.outbox import Senders

MOST_RECIPIENTS: Final = 1000
"""Recipients of one submission. Servers take a few hundred to a thousand (RFC 5321 §4.5.3.1.8: at least 100)."""

OWN_PARAMETERS: Final = frozenset({"SIZE", "BODY", "SMTPUTF8"})
"""What the gateway sets itself, whatever a client gave."""

_ADDRESS: Final = record(
    {"email": string, "parameters": nullable(map_of(string, nullable(string)))}, frozenset({"email"})
)
_ENVELOPE: Final = record({"mailFrom": nullable(_ADDRESS), "rcptTo": array_of(_ADDRESS)}, frozenset({"rcptTo"}))


def check_envelope(value: Any) -> str | None:
    """An Envelope. A member `mailfrom`, which some clients send, is passed over (docs/quirks.md)."""
    if isinstance(value, dict):
        value = {name: item for name, item in value.items() if name != "mailfrom"}
    return _ENVELOPE(value)


def envelope_of(given: Mapping[str, Any] | None, letter: Letter, identity: str, senders: Senders) -> SmtpEnvelope:
    """What goes to the server. identity: the Identity's address. Raises SetError."""
    if given is None:
        sender, recipients = SmtpAddress(_sender(letter, identity), {}), _recipients(letter)
    else:
        mail_from = given.get("mailFrom")  # some clients leave it out
        sender = SmtpAddress(_sender(letter, identity), {}) if mail_from is None else _address(mail_from)
        recipients = [_address(item) for item in given["rcptTo"]]
    _check_from(letter, senders)
    if sender.email and not (is_address(sender.email) and senders.allow(sender.email)):
        raise SetError("forbiddenMailFrom", "this login may not send from this address")
    return SmtpEnvelope(sender, _checked(recipients))


def check_parameters(envelope: SmtpEnvelope, facts: SubmissionFacts) -> None:
    """Raises SetError for parameters that are malformed, or that the server does not offer."""
    for address in (envelope.mail_from, *envelope.rcpt_to):
        for name, value in address.parameters.items():
            try:
                parameter(name, value)
            except InvalidData as error:
                raise SetError("invalidProperties", str(error), ["envelope"]) from error
            if name.upper() not in OWN_PARAMETERS and PARAMETERS.get(name.upper()) not in facts.extensions:
                raise SetError("invalidProperties", f"the parameter {name} is not available", ["envelope"])


def check_characters(envelope: SmtpEnvelope, letter: Letter, facts: SubmissionFacts) -> None:
    """Raises SetError for what is not ASCII where the server does not take that (RFC 6531 §3.2)."""
    if "SMTPUTF8" in facts.extensions:
        return
    recipients = [one.email for one in envelope.rcpt_to if not one.email.isascii()]
    if recipients:
        why = "the submission server does not take internationalized addresses"
        raise SetError("invalidRecipients", why, invalidRecipients=recipients)
    if not envelope.mail_from.email.isascii():
        raise SetError("forbiddenMailFrom", "the submission server does not take internationalized addresses")
    fields = [name for name, values in letter.fields.items() if name != "bcc" and not all(map(bytes.isascii, values))]
    if fields:  # RFC 6532
        why = "the submission server does not take internationalized header fields"
        raise SetError("invalidEmail", why, properties=[_PROPERTY_OF.get(name, f"header:{name}") for name in fields])


_PROPERTY_OF: Final = {field.lower(): name for name, (field, _) in CONVENIENCE.items()}


def to_json(envelope: SmtpEnvelope) -> dict[str, Any]:
    """As the property of an EmailSubmission."""

    def address(one: SmtpAddress) -> dict[str, Any]:
        return {"email": one.email, "parameters": dict(one.parameters) or None}

    return {"mailFrom": address(envelope.mail_from), "rcptTo": [address(one) for one in envelope.rcpt_to]}


def from_json(value: Mapping[str, Any]) -> SmtpEnvelope:
    """From the property of an EmailSubmission."""
    return SmtpEnvelope(_address(value["mailFrom"]), [_address(one) for one in value["rcptTo"]])


def _address(item: Mapping[str, Any]) -> SmtpAddress:
    return SmtpAddress(item["email"], dict(item.get("parameters") or {}))


def _sender(letter: Letter, identity: str) -> str:
    """RFC 8621 §7: from Sender, else From; the Identity's address where it does not allow the one found."""
    name = "sender" if letter.fields.get("sender") else "from"
    lists = letter.addresses(name)
    if len(lists) > 1 or any(len(addresses) > 1 for addresses in lists):
        raise SetError("invalidEmail", f"more than one address in {name}", properties=[name])
    found = lists[-1][0] if lists and lists[-1] else ""
    if identity.startswith("*@"):
        if found.casefold().endswith(identity[1:].casefold()):
            return found
        raise SetError("forbiddenFrom", "the Identity does not allow this address")
    return found if found.casefold() == identity.casefold() else identity


def _recipients(letter: Letter) -> list[SmtpAddress]:
    """RFC 8621 §7: the deduplicated addresses of To, Cc and Bcc."""
    found = [email for name in ("to", "cc", "bcc") for addresses in letter.addresses(name) for email in addresses]
    return [SmtpAddress(email, {}) for email in dict.fromkeys(found)]


def _checked(recipients: list[SmtpAddress]) -> list[SmtpAddress]:
    if not recipients:
        raise SetError("noRecipients")
    once = list({one.email: one for one in reversed(recipients)}.values())[::-1]
    if len(once) > MOST_RECIPIENTS:
        raise SetError("tooManyRecipients", maxRecipients=MOST_RECIPIENTS)
    invalid = [one.email for one in once if not is_address(one.email)]
    if invalid:
        raise SetError("invalidRecipients", invalidRecipients=invalid)
    return once


def _check_from(letter: Letter, senders: Senders) -> None:
    """The message must say that it is from the user; one that is sent on says so in Resent-From (RFC 5322 §3.6.6)."""
    written = [email for addresses in letter.addresses("from") for email in addresses]
    if not written:
        raise SetError("invalidEmail", "there is no address in From", properties=["from"])
    resent = [email for addresses in letter.addresses("resent-from") for email in addresses]
    if not all(senders.allow(email) for email in resent or written):
        raise SetError("forbiddenFrom", "this login may not send with this From")
