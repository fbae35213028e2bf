"""Handing a message over once.

An intent (`intents`) is stored before the server hears of the message; it becomes the EmailSubmission when the outcome
is known. The same Email with the same envelope, asked for again while it is on its way or within `SAME_SECONDS`, is the
same submission: a client that lost the answer repeats its call.
"""

import hashlib
import logging
import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import orjson

from adapters.ports.submission import SmtpEnvelope
from gateway.jmap.errors import SetError
from gateway.objects.submission.envelope import check_characters, check_parameters, to_json
from gateway.objects.submission.follow_up import expect
from gateway.objects.submission.intents import Records, attempt, conclude, finish, in_flight, is_abandoned, new_intent
from gateway.objects.submission.letter import Letter
from gateway.objects.submission.replies import delivery_status
from gateway.sync import ids
from gateway.sync.ledger import Edit, Record
from gateway.sync.outbox import INTENT, SUBMISSION, Outbox

log = logging.getLogger(__name__)

SAME_SECONDS: Final = 300.0
LOST_SECONDS: Final = 86_400.0
"""The same for one whose keeper was lost, since nobody has been told of it."""


@dataclass(frozen=True, slots=True)
class Order:
    """One submission that is wanted.

    then: what is to become of the Email, see `follow_up`. due: when the server shall send it, seconds since 1970.
    """

    identity_id: str
    email_id: str
    envelope: SmtpEnvelope
    letter: Letter
    then: Record | None = None
    due: float | None = None

    @property
    def key(self) -> str:
        """The same for what would be the same message to the same recipients."""
        told = [self.email_id, to_json(self.envelope)]
        digest = hashlib.sha256(orjson.dumps(told, option=orjson.OPT_SORT_KEYS)).digest()
        return ids.to_text("k", digest[: ids.DIGEST_SIZE])


async def hand_over(box: Outbox, order: Order) -> Record:
    """The EmailSubmission. Raises SetError, AdapterError where nothing was sent."""
    key = order.key
    return await in_flight(box, key, lambda: _hand_over(box, order, key))


async def _hand_over(box: Outbox, order: Order, key: str) -> Record:
    check(box, order.envelope, order.letter)
    if order.then is not None:
        await expect(box)
    intent, earlier = await _intend(box, order, key)
    if earlier is not None:
        return earlier
    outcome = await attempt(box, intent, order.envelope, order.letter.octets)
    submission = {**intent["submission"], "deliveryStatus": delivery_status(outcome, order.envelope)}
    await conclude(box, intent, submission)
    return submission


def check(box: Outbox, envelope: SmtpEnvelope, letter: Letter) -> None:
    """Raises SetError for what the server cannot take by its own words."""
    check_parameters(envelope, box.offered)
    check_characters(envelope, letter, box.offered)
    most = box.offered.max_size
    if most is not None and letter.octets.size > most:
        raise SetError("tooLarge", maxSize=most)  # RFC 8621 §7.5


async def _intend(box: Outbox, order: Order, key: str) -> tuple[Record, Record | None]:
    """Store the intent; or the submission that this one repeats. Raises SetError, AdapterError."""
    now = time.time()
    wanted = new_intent(key, submission_of(order, key, now), order.then)
    found: list[Record] = []

    def edit(before: Records) -> Edit:
        found.clear()
        made = Edit()
        earlier, other = repeated(before, key, now), before[INTENT].get(key)
        if earlier is not None:
            found.append(earlier)
        elif other is not None and other["data"]:
            # Of another process, which is at it or has died: either way it is not to be sent a second time.
            found.append(other["submission"])
            finish(made, before, other, other["submission"])
        elif other is not None and not is_abandoned(other):
            raise SetError("serverUnavailable", "This message is on its way already; ask again in some minutes.")
        else:
            made.write(INTENT, wanted)
        return made

    await box.ledger.commit(edit, [INTENT, SUBMISSION])
    return wanted, found[0] if found else None


def repeated(before: Records, key: str, now: float) -> Record | None:
    """The submission of the same order a short time ago, unless that was canceled."""
    for one in before[SUBMISSION].values():
        seconds = LOST_SECONDS if one.get("lost") else SAME_SECONDS
        if one["key"] == key and now - one["at"] < seconds and one["undoStatus"] != "canceled":
            return one
    return None


def submission_of(order: Order, key: str, now: float) -> Record:
    """The record, as it is if the outcome never becomes known. `key` and what follows it is not shown to clients."""
    return {
        "id": ids.to_text("s", secrets.token_bytes(ids.DIGEST_SIZE)),
        "identityId": order.identity_id,
        "emailId": order.email_id,
        "threadId": order.letter.thread_id,
        "envelope": to_json(order.envelope),
        "sendAt": utc_date(order.due or now),
        "undoStatus": "final",  # RFC 8621 §7: from here on it cannot be recalled, also where the server holds it
        "deliveryStatus": delivery_status(None, order.envelope),
        "dsnBlobIds": [],
        "mdnBlobIds": [],
        "key": key,
        "at": now,
        "messageId": order.letter.message_id,
        "wantsReceipt": order.letter.wants_receipt,
    }


def utc_date(seconds: float) -> str:
    """A UTCDate of seconds since 1970."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
