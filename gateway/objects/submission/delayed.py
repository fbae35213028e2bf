"""Messages that wait at the gateway until it is time to send them (RFC 8621 §7, sendAt; RFC 4865).

What waits is the message as it was: its octets and its record are in the store before the client is answered. Whoever
finds that its time has come turns what is held into an intent; that commit decides who sends it, and from there on it
is handed over like any other message: never twice. A keeper that dies before the message itself leaves is followed by
the next who looks, so an entry of the list goes only when nothing is held and nothing is under way.
"""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from adapters.errors import AdapterError
from gateway.jmap.errors import SetError
from gateway.objects.submission.delay import without_hold
from gateway.objects.submission.envelope import from_json
from gateway.objects.submission.follow_up import expect, write_follow_up
from gateway.objects.submission.handover import Order, check, repeated, submission_of, utc_date
from gateway.objects.submission.intents import (
    Records,
    conclude,
    finish,
    in_flight,
    is_abandoned,
    is_kept,
    new_intent,
    settle,
    submit,
)
from gateway.objects.submission.replies import TEMPORARY, delivery_status, of_error, refusal
from gateway.sync.held import Entry, HeldMessages, Hold
from gateway.sync.ledger import Edit, Ledger, Record
from gateway.sync.outbox import HELD, INTENT, SUBMISSION, Outbox

log = logging.getLogger(__name__)

MOST_HELD: Final = 100
"""Messages of one account that wait at once."""

GIVE_UP_SECONDS: Final = 5 * 86_400.0
"""How long after its time a message is tried (RFC 5321 §4.5.4.1: 4 to 5 days)."""

RETRY_SECONDS: Final = (60.0, 300.0, 900.0, 1800.0, 3600.0)

BUSY_SECONDS: Final = 60.0
"""When is looked again for what another process is at, or for what is on the list and not held: is it about to be?"""

_NO_LOGIN: Final = "550 5.4.7 the gateway could not log in to send it"
_QUEUED: Final = "250 2.0.0 held by the gateway until its time"


async def keep(box: Outbox, account_id: str, hold: Hold, order: Order, due: float) -> Record:
    """Hold a message back; one that waits already is not held twice. Raises SetError, AdapterError."""
    check(box, without_hold(order.envelope), order.letter)
    now = time.time()
    submission = {
        **submission_of(order, order.key, now),
        "sendAt": utc_date(due),
        "undoStatus": "pending",
        "deliveryStatus": {one.email: _status(_QUEUED, "queued") for one in order.envelope.rcpt_to},
    }
    kept = await hold.messages.put(account_id, order.letter.octets, due - now + GIVE_UP_SECONDS + 86_400.0)
    held = {"id": submission["id"], "due": due, "first": due, "tries": 0, "kept": kept, "submission": submission}
    found = [submission]

    def edit(before: Records) -> Edit:
        earlier = repeated(before, order.key, now)
        found[:] = [earlier or submission]
        if earlier is not None:
            return Edit()
        if len(before[HELD]) >= MOST_HELD:
            raise SetError("overQuota", f"{MOST_HELD} messages wait already")
        made = Edit()
        made.write(SUBMISSION, submission)
        made.write(HELD, held)
        write_follow_up(made, {"then": order.then}, submission["id"], now)
        return made

    if order.then is not None:
        await expect(box)
    # The entry comes first: one that is there for nothing does no harm, a message without one would never be sent.
    await hold.messages.enter(Entry(account_id, submission["id"], due, hold.ticket()))
    await box.ledger.commit(edit, [SUBMISSION, HELD])
    if found[0] is not submission:
        await hold.messages.drop(account_id, kept)
    return found[0]


async def cancel(box: Outbox, account_id: str, ids: Sequence[str]) -> dict[str, dict[str, Any] | SetError]:
    """Take messages back that have not been handed over (RFC 8621 §7: undoStatus)."""
    gone: dict[str, Record] = {}

    def edit(before: Records) -> Edit:
        made = Edit()
        gone.clear()
        for key in ids:
            if key in before[HELD] and key in before[SUBMISSION]:
                gone[key] = before[HELD][key]
                made.delete(HELD, key)
                made.write(SUBMISSION, {**before[SUBMISSION][key], "undoStatus": "canceled", "deliveryStatus": None})
        return made

    await box.ledger.commit(edit, [HELD, SUBMISSION])
    for held in gone.values():
        if box.hold is not None:
            await box.hold.messages.drop(account_id, held["kept"])
    late = SetError("cannotUnsend", "the message has been sent, or is being sent")
    return {key: {"deliveryStatus": None} if key in gone else late for key in ids}


async def renew(box: Outbox, account_id: str) -> None:
    """Enter what is overdue once more with this login, as the credentials kept for it may be outdated.

    Raises AdapterError.
    """
    if box.hold is None:
        return
    for key, held in (await box.ledger.read(HELD)).items():
        if held["due"] < time.time() - BUSY_SECONDS:
            await box.hold.messages.enter(Entry(account_id, key, time.time(), box.hold.ticket()))


async def give_up(ledger: Ledger, messages: HeldMessages, entry: Entry) -> bool:
    """Tell that a message was not sent because nobody can log in for it; False while it may be tried again.

    What is known to be under way or sent, without a login, is told as well. Raises AdapterError.
    """
    over: list[Record] = []

    def edit(before: Records) -> Edit:
        made, intent, held = Edit(), before[INTENT].get(entry.id), before[HELD].get(entry.id)
        abandoned = intent is not None and is_abandoned(intent)
        if intent is not None and abandoned:
            held = intent["held"]
        over[:] = [] if held is None or time.time() < held["first"] + GIVE_UP_SECONDS else [held]
        if over and intent is not None and intent["data"]:
            finish(made, before, intent, intent["submission"])
        elif over:
            made.delete(INTENT if abandoned else HELD, entry.id)
            if (one := before[SUBMISSION].get(entry.id)) is not None:
                status = {email: _status(_NO_LOGIN, "no") for email in one["deliveryStatus"]}
                made.write(SUBMISSION, {**one, "undoStatus": "final", "deliveryStatus": status})
        return made

    await ledger.commit(edit, [HELD, INTENT, SUBMISSION])
    for held in over:
        await messages.drop(entry.account, held["kept"])
    return bool(over)


async def release(box: Outbox, messages: HeldMessages, entry: Entry) -> Entry | None:
    """Send a message whose time has come. What is to be on the list instead; None where it is over.

    Raises AdapterError.
    """
    await settle(box)
    intent = await _claim(box, entry)
    if intent is None or isinstance(intent, Entry):
        return intent
    submission = await in_flight(box, intent["id"], lambda: _submit(box, messages, entry.account, intent))
    return replace(entry, due=float(submission["due"])) if "due" in submission else None


async def _claim(box: Outbox, entry: Entry) -> Record | Entry | None:
    """The intent to send; else what is to be on the list instead, None where nothing is held any more."""
    found: list[Record | Entry | None] = []

    def edit(before: Records) -> Edit:
        found.clear()
        made = Edit()
        held, other = before[HELD].get(entry.id), before[INTENT].get(entry.id)
        later = replace(entry, due=time.time() + BUSY_SECONDS)
        if held is None and other is not None:
            if other["data"] or not is_abandoned(other):
                found.append(later)
                return made
            held = other["held"]
        if held is None:
            # Who holds a message back enters it first, so it may be held in a moment.
            found.append(None if entry.checked else replace(later, checked=True))
        elif held["due"] > time.time() + 1:
            found.append(replace(entry, due=float(held["due"])))
        else:
            found.append(_intent(made, entry.id, held))
        return made

    await box.ledger.commit(edit, [HELD, INTENT])
    return found[0]


def _intent(made: Edit, submission_id: str, held: Record) -> Record:
    submission = held["submission"]
    status = delivery_status(None, from_json(submission["envelope"]))
    final = {**submission, "undoStatus": "final", "deliveryStatus": status}
    intent = new_intent(submission_id, final, held=held)
    made.delete(HELD, submission_id)
    made.write(INTENT, intent)
    return intent


async def _submit(box: Outbox, messages: HeldMessages, account_id: str, intent: Record) -> Record:
    """The EmailSubmission, or what is held again."""
    submission, held = intent["submission"], intent["held"]
    envelope = without_hold(from_json(submission["envelope"]))
    octets = messages.octets(account_id, held["kept"])
    try:
        outcome = await submit(box, intent, envelope, octets)
    except AdapterError as error:
        return await _failed(box, messages, account_id, intent, of_error(error))
    refused = None if outcome is None else refusal(outcome, envelope, box.offered.max_size or octets.size)
    if refused is not None:
        return await _failed(box, messages, account_id, intent, refused)
    return await _over(box, messages, account_id, intent, delivery_status(outcome, envelope))


async def _failed(box: Outbox, messages: HeldMessages, account_id: str, intent: Record, error: SetError) -> Record:
    """Nothing was sent: again later if that may help."""
    held = intent["held"]
    if error.type not in TEMPORARY or time.time() > held["first"] + GIVE_UP_SECONDS:
        recipients = intent["submission"]["deliveryStatus"]
        reply = f"550 5.4.0 {error.description or error.type}"[:500]
        return await _over(box, messages, account_id, intent, {one: _status(reply, "no") for one in recipients})
    pause = RETRY_SECONDS[min(held["tries"], len(RETRY_SECONDS) - 1)]
    again = {**held, "due": time.time() + pause, "tries": held["tries"] + 1}

    def edit(before: Records) -> Edit:
        made = Edit()
        if is_kept(before, intent):
            made.delete(INTENT, intent["id"])
            made.write(HELD, again)
        return made

    await box.ledger.commit(edit, [HELD, INTENT])
    return again


async def _over(
    box: Outbox, messages: HeldMessages, account_id: str, intent: Record, status: Mapping[str, Any]
) -> Record:
    submission = {**intent["submission"], "deliveryStatus": status}
    await conclude(box, intent, submission)
    await messages.drop(account_id, intent["held"]["kept"])
    return submission


def _status(reply: str, delivered: str) -> dict[str, str]:
    return {"smtpReply": reply, "delivered": delivered, "displayed": "unknown"}
