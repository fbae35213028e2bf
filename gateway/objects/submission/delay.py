"""When a message is to be sent: HOLDFOR and HOLDUNTIL of an envelope (RFC 4865, RFC 8621 §7), checked.

The gateway holds it where it can, since that can be undone, else the server does (docs/decisions/0012-sending.md).
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from adapters.ports.submission import SmtpEnvelope
from gateway.jmap.checks import date_
from gateway.jmap.errors import SetError
from gateway.sync.outbox import Outbox

_LONGEST: Final = 999_999_999  # RFC 4865 §3


def due_of(box: Outbox, envelope: SmtpEnvelope, now: float) -> float | None:
    """When the message shall be sent, in seconds since 1970; None for now. Raises SetError."""
    given = {name.upper(): value for name, value in envelope.mail_from.parameters.items()}
    wanted = {name: given[name] for name in ("HOLDFOR", "HOLDUNTIL") if name in given}
    if not wanted:
        return None
    most = box.offered.longest_hold(now) if box.hold is None else box.hold.most
    if not most:
        raise _invalid("messages cannot be held here (maxDelayedSend is 0)")
    if len(wanted) > 1:  # RFC 4865 §4.1
        raise _invalid("HOLDFOR and HOLDUNTIL exclude each other")
    if not envelope.mail_from.email:  # RFC 4865 §5.1.1, §5.3.1
        raise _invalid("what goes out from the null address is not held")
    ((name, value),) = wanted.items()
    due = now + _interval(value) if name == "HOLDFOR" else _moment(value)
    if due > now + most:
        raise _invalid(f"a message may be held for at most {most} seconds")
    _check_deliver_by(given, due - now)
    return due if due > now else None


def without_hold(envelope: SmtpEnvelope) -> SmtpEnvelope:
    """The envelope as it goes to a server when its time has come, or to one that is not to hold it."""
    kept = {
        name: value
        for name, value in envelope.mail_from.parameters.items()
        if name.upper() not in {"HOLDFOR", "HOLDUNTIL"}
    }
    return replace(envelope, mail_from=replace(envelope.mail_from, parameters=kept))


def _invalid(why: str) -> SetError:
    return SetError("invalidProperties", why, ["envelope"])


def _interval(value: str | None) -> int:
    if value is None or not (value.isascii() and value.isdigit()) or not 1 <= int(value[:12]) <= _LONGEST:
        raise _invalid("HOLDFOR must be a number of seconds from 1 to 999999999")
    return int(value[:12])


def _moment(value: str | None) -> float:
    """RFC 4865 §3 with erratum 2040: an RFC 3339 date-time, normalized to UTC."""
    if value is None or date_(value) is not None or not value.endswith("Z"):
        raise _invalid('HOLDUNTIL must be a date and time such as "2014-10-30T06:12:00Z"')
    try:
        return datetime.fromisoformat(value).astimezone(UTC).timestamp()
    except (ValueError, OverflowError):
        raise _invalid("HOLDUNTIL is no moment") from None


def _check_deliver_by(given: Mapping[str, str | None], delay: float) -> None:
    """RFC 4865 §5.2.1: BY counts from now, so it has to be later than the release."""
    seconds = (given.get("BY") or "").partition(";")[0]
    if seconds.lstrip("-").isdigit() and int(seconds[:12]) <= delay:
        raise _invalid("BY is not after the time of sending")
