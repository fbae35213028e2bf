"""What DSNs and MDNs mean for EmailSubmissions (RFC 8621 §7: deliveryStatus, dsnBlobIds, mdnBlobIds). Pure.

Anybody can write such a report, and what it names is known to others: the ENVID to the servers on the way, the
Message-ID to all recipients. So a report tells only of recipients of the envelope, only what was asked for (a delivery
where SUCCESS was, a display where a receipt was), it changes no status that is final, and all that it can change is
what is shown of the submission.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from adapters.formats.dsn import Dsn, Recipient
from adapters.formats.report import message_id, typed_address
from gateway.sync.ledger import Record

MOST_BLOBS: Final = 100
"""DSNs, or MDNs, that are listed for one submission."""

_DELIVERED: Final = {"failed": "no", "delivered": "yes"}
_FINAL: Final = frozenset({"yes", "no"})

Mdn = Mapping[str, Any]
"""As `adapters.formats.mdn.read` gives it."""


def after_dsn(submissions: Iterable[Record], dsn: Dsn, blob_id: str) -> Record | None:
    """The submission that a DSN is about, as it is after it; None where there is none, or nothing changes."""
    sent = [one for one in submissions if one["undoStatus"] == "final"]
    if dsn.envelope_id is not None:
        # RFC 3464 §2.2.1: it is what was given as ENVID. One that is no submission's tells of something else.
        about = [one for one in sent if _envelope_id(one) == dsn.envelope_id]
    else:
        about = _by_message_id(sent, dsn.message_id)
    for one in about:
        told = _told(one, dsn)
        if told:
            return _listed({**one, "deliveryStatus": one["deliveryStatus"] | told}, "dsnBlobIds", blob_id)
    return None


def after_mdn(submissions: Iterable[Record], mdn: Mdn, blob_id: str) -> Record | None:
    """The same for an MDN."""
    sent = [one for one in submissions if one["undoStatus"] == "final" and one.get("wantsReceipt")]
    named = [*typed_address(mdn["originalRecipient"]), *typed_address(mdn["finalRecipient"])]
    for one in _by_message_id(sent, message_id(mdn["originalMessageId"])):
        email = _recipient(one, named)
        if email is None:
            continue
        status = one["deliveryStatus"]
        if mdn["disposition"]["type"] == "displayed":  # RFC 8098 §3.2.6.2
            status = status | {email: {**status[email], "displayed": "yes"}}
        return _listed({**one, "deliveryStatus": status}, "mdnBlobIds", blob_id)
    return None


def _told(one: Record, dsn: Dsn) -> dict[str, Any]:
    """The status of those recipients of the envelope that the DSN tells of."""
    told: dict[str, Any] = {}
    for recipient in dsn.recipients:
        email = _recipient(one, recipient.addresses)
        if email is not None:
            before = told.get(email, one["deliveryStatus"][email])
            told[email] = _status(before, recipient, success=_asked_for_success(one, email))
    return told


def _status(before: Mapping[str, Any], recipient: Recipient, *, success: bool) -> dict[str, Any]:
    # RFC 8621 §7: the reply is final then; RFC 3461 §4.1: nobody tells of a success that was not asked for
    if before["delivered"] in _FINAL or (recipient.action == "delivered" and not success):
        return dict(before)
    delivered = _DELIVERED.get(recipient.action, before["delivered"])
    return {**before, "smtpReply": recipient.reply, "delivered": delivered}


def _listed(one: Record, name: str, blob_id: str) -> Record | None:
    """With the blob among those of the property, as long as there is room; None for one that is there already."""
    known = one[name]
    return None if blob_id in known else {**one, name: [*known, blob_id][:MOST_BLOBS]}


def _by_message_id(sent: Iterable[Record], wanted: str | None) -> list[Record]:
    """The newest first: of a message that was sent again."""
    found = [one for one in sent if wanted is not None and one.get("messageId") == wanted]
    return sorted(found, key=lambda one: float(one["at"]), reverse=True)


def _envelope_id(one: Record) -> str:
    """What was given as ENVID: the client's, else the id of the submission."""
    return _parameter(one["envelope"]["mailFrom"], "ENVID") or str(one["id"])


def _recipient(one: Record, addresses: Iterable[str]) -> str | None:
    """The address of the envelope that one of these is, as it is written there."""
    known = {email.casefold(): email for email in (one["deliveryStatus"] or {})}
    return next((known[address.casefold()] for address in addresses if address.casefold() in known), None)


def _asked_for_success(one: Record, email: str) -> bool:
    asked = [_parameter(item, "NOTIFY") for item in one["envelope"]["rcptTo"] if item["email"] == email]
    return any("SUCCESS" in (value or "").upper().split(",") for value in asked)


def _parameter(address: Mapping[str, Any], name: str) -> str | None:
    given: Mapping[str, str | None] = address["parameters"] or {}
    return next((value for key, value in given.items() if key.upper() == name), None)
