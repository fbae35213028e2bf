"""What a submission server said, as SetErrors and as deliveryStatus (RFC 8621 §7, §7.5). By reply code only."""

from typing import Any, Final

from adapters.errors import AdapterError, AuthFailed, InvalidData, Unsupported
from adapters.ports.submission import EightBit, Outcome, SmtpEnvelope, SmtpReply
from gateway.jmap.errors import SetError
from gateway.jmap.standard.common import refusals

_PARAMETERS: Final = frozenset({501, 504, 555})
"""RFC 5321 §4.1.1.11: what a server says to parameters that it does not take."""
_TOO_LARGE: Final = ("5.3.4", "5.2.3")
TEMPORARY: Final = frozenset({"serverUnavailable", "serverFail"})
"""SetErrors of what may be taken another time."""

UNKNOWN: Final = "451 4.4.2 The connection was lost: nobody can tell whether the message was taken"


def refusal(outcome: Outcome, envelope: SmtpEnvelope, most: int) -> SetError | None:
    """Why the message was not taken, None when it was. most: octets that the server takes, as far as is known."""
    if outcome.mail_from.code >= 400:
        return _of_sender(outcome.mail_from, most)
    if outcome.final is None:
        return _of_recipients(outcome, envelope)
    return _of_message(outcome.final, most) if outcome.final.code >= 400 else None


def of_error(error: AdapterError) -> SetError:
    """Why nothing was sent, where the server was not asked to or could not be."""
    if isinstance(error, AuthFailed):
        return SetError("forbiddenToSend", "The submission server refuses the login.")
    if isinstance(error, EightBit):
        return SetError("invalidEmail", str(error), properties=["bodyStructure"])
    if isinstance(error, InvalidData):
        return SetError("invalidEmail", str(error), properties=["headers"])
    if isinstance(error, Unsupported):
        return SetError("forbiddenToSend", "The submission server knows no way to log in that the gateway knows.")
    return refusals(error, ["it"])["it"]


def delivery_status(outcome: Outcome | None, envelope: SmtpEnvelope) -> dict[str, Any]:
    """The property of that name; outcome is None where nobody knows it."""
    if outcome is None:
        return {one.email: _status(UNKNOWN, "unknown") for one in envelope.rcpt_to}
    return {
        one.email: _status(reply.line, "unknown" if reply.code < 400 else "no")
        for one, reply in zip(envelope.rcpt_to, outcome.recipients, strict=True)
    }


def _status(reply: str, delivered: str) -> dict[str, str]:
    return {"smtpReply": reply, "delivered": delivered, "displayed": "unknown"}


def _temporary(reply: SmtpReply) -> SetError:
    return SetError("serverUnavailable", f"The submission server says: {reply.line}")


def _enhanced(reply: SmtpReply) -> str:
    """RFC 3463; empty where the server gives none."""
    word = reply.text.split(" ", 1)[0]
    return word if word[:2] in {"2.", "4.", "5."} else ""


def _of_sender(reply: SmtpReply, most: int) -> SetError:
    if reply.code == 552 or _enhanced(reply) in _TOO_LARGE:  # RFC 1870 §6.1
        return SetError("tooLarge", reply.line, maxSize=most)
    if reply.code < 500:
        return _temporary(reply)
    if reply.code in _PARAMETERS and not _enhanced(reply).startswith("5.1."):  # RFC 3463 §3.2: not of the address
        return SetError("invalidProperties", reply.line, ["envelope"])
    kind = "forbiddenToSend" if reply.code in {530, 535} else "forbiddenMailFrom"
    return SetError(kind, reply.line)


def _of_recipients(outcome: Outcome, envelope: SmtpEnvelope) -> SetError:
    """Nobody was accepted."""
    replies = list(outcome.recipients)
    temporary = next((reply for reply in replies if reply.code < 500), None)
    if temporary is not None:
        return _temporary(temporary)
    if all(reply.code == 553 and _enhanced(reply).startswith("5.7.") for reply in replies):
        # RFC 3463 §3.8: a matter of policy; servers that check who owns the sender say so only here.
        return SetError("forbiddenMailFrom", replies[0].line)
    if all(_enhanced(reply).startswith("5.7.") for reply in replies):
        return SetError("forbiddenToSend", replies[0].line)
    return SetError("invalidRecipients", replies[0].line, invalidRecipients=[one.email for one in envelope.rcpt_to])


def _of_message(reply: SmtpReply, most: int) -> SetError:
    if reply.code == 552 or _enhanced(reply) in _TOO_LARGE:
        return SetError("tooLarge", reply.line, maxSize=most)
    if reply.code < 500:
        return _temporary(reply)
    if _enhanced(reply).startswith("5.6."):  # RFC 3463 §3.7: the content
        return SetError("invalidEmail", reply.line, properties=["bodyStructure"])
    return SetError("forbiddenToSend", reply.line)
