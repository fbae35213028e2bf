"""What a submission says so that DSNs come back and can be told apart (RFC 3461). Pure."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from adapters.errors import InvalidData
from adapters.formats.smtp_path import parameter
from adapters.ports.submission import SmtpAddress, SmtpEnvelope, SubmissionFacts

_NOTIFY: Final = "FAILURE,DELAY"  # RFC 3461 §4.1; SUCCESS is only for who asks for it
_LONGEST: Final = 500  # RFC 3461 §5.4: of an ORCPT parameter


def asking_for_dsns(envelope: SmtpEnvelope, facts: SubmissionFacts) -> SmtpEnvelope:
    """The envelope with ENVID, NOTIFY and ORCPT where they can be given and the client gave none."""
    # RFC 3461 §4: nobody would get a DSN for the null sender
    if envelope.envelope_id is None or "DSN" not in facts.extensions or not envelope.mail_from.email:
        return envelope
    mail_from = _with(envelope.mail_from, {"ENVID": envelope.envelope_id})
    recipients = [_with(one, {"NOTIFY": _NOTIFY, **_original(one.email)}) for one in envelope.rcpt_to]
    return replace(envelope, mail_from=mail_from, rcpt_to=recipients)


def _with(address: SmtpAddress, more: Mapping[str, str]) -> SmtpAddress:
    given = {name.upper() for name in address.parameters}
    added = {name: value for name, value in more.items() if name not in given}
    return replace(address, parameters={**address.parameters, **added})


def _original(email: str) -> dict[str, str]:
    """RFC 3461 §4.2; an address that is not ASCII has a type of its own (RFC 6533 §3)."""
    value = f"{'rfc822' if email.isascii() else 'utf-8'};{email}"
    try:
        return {"ORCPT": value} if len(parameter("ORCPT", value)) <= _LONGEST else {}
    except InvalidData:
        return {}
