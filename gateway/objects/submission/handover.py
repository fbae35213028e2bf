"""Handing a message over once.

An intent is stored before the server hears of the message; it becomes the EmailSubmission when the outcome is known.
It is marked (`data`) right before the message itself leaves. One whose keeper is gone (a crash) before that may be
taken over; should the keeper live after all, it finds that out at the mark and sends nothing. Past the mark the outcome
is unknown: what may have been taken is never sent again. The same Email with the same envelope, asked for again while
it is on its way or within `SAME_SECONDS`, is the same submission: a client that lost the answer repeats its call.
"""

import asyncio
import contextlib
import hashlib
import logging
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

import orjson

from adapters.errors import AdapterError, Unavailable
from adapters.ports.mail_write import Octets
from adapters.ports.submission import Outcome, SmtpEnvelope, Uncertain
from gateway.jmap.errors import SetError
from gateway.objects.submission.envelope import check_parameters, to_json
from gateway.objects.submission.follow_up import expect, write_follow_up
from gateway.objects.submission.letter import Letter
from gateway.objects.submission.replies import delivery_status, of_error, refusal
from gateway.sync import ids
from gateway.sync.ledger import Edit, Record
from gateway.sync.outbox import INTENT, SUBMISSION, Outbox

log = logging.getLogger(__name__)

SAME_SECONDS: Final = 300.0
LOST_SECONDS: Final = 86_400.0
"""The same for one whose keeper was lost, since nobody has been told of it."""

BEAT_SECONDS: Final = 20.0
"""How often the keeper of an intent says that it lives."""

ABANDONED_SECONDS: Final = 120.0
"""After this without a word its keeper is gone. Should it live after all, nothing is sent twice, see above."""

KEPT: Final = 500
"""EmailSubmissions of one account; the oldest go (RFC 8621 §7: a server may destroy them any time)."""

Records = Mapping[str, Mapping[str, Record]]


@dataclass(frozen=True, slots=True)
class Order:
    """One submission that is wanted. then: what is to become of the Email, see `follow_up`."""

    identity_id: str
    email_id: str
    envelope: SmtpEnvelope
    letter: Letter
    then: Record | None = None

    @property
    def key(self) -> str:
        """The same for what would be the same message to the same recipients."""
        told = [self.email_id, to_json(self.envelope)]
        digest = hashlib.sha256(orjson.dumps(told, option=orjson.OPT_SORT_KEYS)).digest()
        return ids.to_text("k", digest[: ids.DIGEST_SIZE])


async def hand_over(box: Outbox, order: Order) -> Record:
    """The EmailSubmission. Raises SetError, AdapterError where nothing was sent."""
    key = order.key
    task = box.in_flight.get(key)
    if task is None:
        task = box.in_flight[key] = asyncio.create_task(_hand_over(box, order, key))
        task.add_done_callback(lambda done: landed(box, key, done))
    # A request that ends, by its time limit or because the client is gone, does not end what is on its way.
    return dict(await asyncio.shield(task))


def landed(box: Outbox, key: str, task: "asyncio.Task[Record]") -> None:
    """What was in flight is so no more."""
    box.in_flight.pop(key, None)
    if not task.cancelled():
        task.exception()  # whoever waits has it; if nobody does any more, that is no fault


async def settle(box: Outbox) -> None:
    """End what was abandoned: unknown past the mark, else as if it never began. Raises AdapterError."""
    for key, intent in (await box.ledger.read(INTENT)).items():
        if key in box.in_flight or not is_abandoned(intent):
            continue
        if intent["data"]:
            lost = {**intent, "lost": True}
            await conclude(box, lost, {**intent["submission"], "lost": True})
        elif "held" not in intent:  # what was held is taken over when it is released
            await _withdraw(box, intent)


def new_intent(key: str, submission: Record, then: Record | None = None) -> Record:
    """An intent of this process; it is its keeper."""
    holder = secrets.token_hex(8)
    return {"id": key, "at": time.time(), "holder": holder, "data": False, "submission": submission, "then": then}


def is_abandoned(intent: Record) -> bool:
    """Whether its keeper must be gone."""
    return time.time() - float(intent["at"]) > ABANDONED_SECONDS


async def submit(box: Outbox, intent: Record, envelope: SmtpEnvelope, octets: Octets) -> Outcome | None:
    """What the server said; None where nobody can tell. Raises AdapterError where nothing was sent."""

    def mark(before: Records) -> Edit:
        if not _is_kept(before, intent):
            raise Unavailable("another process has taken this message over")
        return _restated(before, intent, data=True)

    named = replace(envelope, envelope_id=intent["submission"]["id"])
    beating = asyncio.create_task(_beat(box, intent))
    try:
        return await box.port.submit(named, octets, lambda: box.ledger.commit(mark, [INTENT]))
    except Uncertain as error:
        log.warning("the outcome of submission %s is unknown: %s", intent["submission"]["id"], error)
        return None
    finally:
        beating.cancel()
        await asyncio.gather(beating, return_exceptions=True)


async def _beat(box: Outbox, intent: Record) -> None:
    """Say that the keeper lives, until cancelled."""
    while True:
        await asyncio.sleep(BEAT_SECONDS)
        with contextlib.suppress(AdapterError):  # taken for dead it may be: that is no harm
            await box.ledger.commit(partial(_restated, intent=intent), [INTENT])


def _is_kept(before: Records, intent: Record) -> bool:
    stored = before[INTENT].get(intent["id"])
    return stored is not None and bool(stored["holder"] == intent["holder"])


def _restated(before: Records, intent: Record, **more: Any) -> Edit:
    made = Edit()
    if _is_kept(before, intent):
        made.write(INTENT, {**before[INTENT][intent["id"]], "at": time.time(), **more})
    return made


async def _hand_over(box: Outbox, order: Order, key: str) -> Record:
    check(box, order.envelope, order.letter.octets.size)
    await expect(box, order.then)
    intent, earlier = await _intend(box, order, key)
    if earlier is not None:
        return earlier
    most = box.offered.max_size or order.letter.octets.size - 1
    submission: Record = intent["submission"]
    try:
        outcome = await submit(box, intent, order.envelope, order.letter.octets)
    except AdapterError as error:
        await _withdraw(box, intent)
        raise of_error(error) from error
    refused = None if outcome is None else refusal(outcome, order.envelope, most)
    if refused is not None:
        await _withdraw(box, intent)
        raise refused
    return await conclude(box, intent, {**submission, "deliveryStatus": delivery_status(outcome, order.envelope)})


def check(box: Outbox, envelope: SmtpEnvelope, size: int) -> None:
    """Raises SetError for what the server cannot take by its own words."""
    check_parameters(envelope, box.offered)
    most = box.offered.max_size
    if most is not None and size > most:
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
            _finish(made, before, other, other["submission"])
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
        "sendAt": utc_date(now),
        "undoStatus": "final",  # RFC 8621 §7: once it is not held any more
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


async def conclude(box: Outbox, intent: Record, submission: Record) -> Record:
    """The intent becomes the submission. The message has been sent: that this can't be stored is no failure of it."""

    def edit(before: Records) -> Edit:
        made = Edit()
        _finish(made, before, intent, submission)
        return made

    try:
        await box.ledger.commit(edit, [INTENT, SUBMISSION])
    except AdapterError as error:
        log.warning("submission %s was sent but cannot be recorded yet: %s", submission["id"], error)
    return submission


def _finish(made: Edit, before: Records, intent: Record, submission: Record) -> None:
    if "held" not in intent or submission["id"] in before[SUBMISSION]:  # one that was destroyed meanwhile stays so
        made.write(SUBMISSION, submission)
    if intent["id"] in before[INTENT]:  # else somebody has ended it
        made.delete(INTENT, intent["id"])
        write_follow_up(made, intent, submission["id"], 0.0 if intent.get("lost") else time.time())
    oldest = sorted((one for one in before[SUBMISSION].values() if one["undoStatus"] != "pending"), key=_age)
    for one in oldest[: max(0, len(oldest) + 1 - KEPT)]:
        if one["id"] != submission["id"]:
            made.delete(SUBMISSION, one["id"])


def _age(submission: Record) -> float:
    return float(submission["at"])


async def _withdraw(box: Outbox, intent: Record) -> None:
    """Nothing was sent, so the same may be tried again."""

    def edit(before: Records) -> Edit:
        made = Edit()
        if _is_kept(before, intent):
            made.delete(INTENT, intent["id"])
        if intent["submission"]["id"] in before[SUBMISSION]:  # it was told as unknown meanwhile
            made.delete(SUBMISSION, intent["submission"]["id"])
        return made

    try:
        await box.ledger.commit(edit, [INTENT, SUBMISSION])
    except AdapterError as error:
        log.warning("an intent that came to nothing stays: %s", error)
