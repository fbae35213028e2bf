"""Intents: what is about to be sent, written down before the server hears of it.

An intent is marked (`data`) right before the message itself leaves, and goes when the outcome is known. One whose
keeper is gone (a crash) before the mark may be taken over; should the keeper live after all, it finds that out at the
mark and sends nothing. Past the mark the outcome is unknown: what may have been taken is never sent again.
"""

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Final

from adapters.errors import AdapterError, Unavailable
from adapters.ports.mail_write import Octets
from adapters.ports.submission import Outcome, SmtpEnvelope, Uncertain
from gateway.objects.submission.follow_up import FOLLOW_SECONDS, write_follow_up
from gateway.objects.submission.replies import of_error, refusal
from gateway.sync.ledger import Edit, Ledger, Record
from gateway.sync.outbox import FOLLOW_UP, INTENT, SUBMISSION, Outbox
from gateway.sync.watch import ended, heed_cancellation

log = logging.getLogger(__name__)

BEAT_SECONDS: Final = 20.0
"""How often the keeper of an intent says that it lives."""

ABANDONED_SECONDS: Final = 120.0
"""After this without a word its keeper is gone. Should it live after all, nothing is sent twice, see above."""

KEPT: Final = 500
"""EmailSubmissions of one account; the oldest go (RFC 8621 §7: a server may destroy them any time)."""

Records = Mapping[str, Mapping[str, Record]]


def new_intent(key: str, submission: Record | None, then: Record | None = None, **more: Any) -> Record:
    """An intent of this process; it is its keeper.

    submission: the EmailSubmission, as it is if the outcome never becomes known. then: what is to follow, see
    `follow_up`. more: "held" is the record of what waited, "message" that of an errand that anybody may run.
    """
    holder = secrets.token_hex(8)
    named = {"id": key, "at": time.time(), "holder": holder, "data": False, "submission": submission, "then": then}
    return named | more


def is_abandoned(intent: Record) -> bool:
    """Whether its keeper must be gone."""
    return time.time() - float(intent["at"]) > ABANDONED_SECONDS


async def next_look(ledger: Ledger) -> float | None:
    """When there may be something left behind, in seconds since 1970; None where the account has nothing.

    That is what was to follow, and errands that anybody may run. Raises Unavailable.
    """
    intents = (await ledger.read(INTENT)).values()
    looks = [one["at"] + ABANDONED_SECONDS for one in intents if one["then"] is not None or "message" in one]
    looks += [one["at"] + FOLLOW_SECONDS for one in (await ledger.read(FOLLOW_UP)).values()]
    return min(looks, default=None)


async def in_flight(box: Outbox, key: str, begin: Callable[[], Coroutine[Any, Any, Record]]) -> Record:
    """What handing over gives; what this process is at already is waited for.

    A request that ends, by its time limit or because the client is gone, does not end what is on its way.
    """
    task = box.in_flight.get(key)
    if task is None:
        task = box.in_flight[key] = asyncio.create_task(begin())
        task.add_done_callback(lambda done: _landed(box, key, done))
    return dict(await asyncio.shield(task))


def _landed(box: Outbox, key: str, task: "asyncio.Task[Record]") -> None:
    box.in_flight.pop(key, None)
    if not task.cancelled():
        task.exception()  # whoever waits has it; if nobody does any more, that is no fault


async def submit(box: Outbox, intent: Record, envelope: SmtpEnvelope, octets: Octets) -> Outcome | None:
    """What the server said; None where nobody can tell. Raises AdapterError where nothing was sent."""

    def mark(before: Records) -> Edit:
        if not is_kept(before, intent):
            raise Unavailable("another process has taken this message over")
        return _restated(before, intent, data=True)

    submission = intent["submission"]
    named = envelope if submission is None else replace(envelope, envelope_id=submission["id"])
    beating = asyncio.create_task(beat(box, intent))
    try:
        return await box.port.submit(named, octets, lambda: box.ledger.commit(mark, [INTENT]))
    except Uncertain as error:
        log.warning("the outcome of sending %s is unknown: %s", (submission or intent)["id"], error)
        return None
    finally:
        await ended([beating])


async def attempt(box: Outbox, intent: Record, envelope: SmtpEnvelope, octets: Octets) -> Outcome | None:
    """`submit` for who can be told: raises SetError where nothing was sent, and the intent is gone then."""
    try:
        outcome = await submit(box, intent, envelope, octets)
    except AdapterError as error:
        await withdraw(box, intent)
        raise of_error(error) from error
    refused = None if outcome is None else refusal(outcome, envelope, box.offered.max_size or octets.size - 1)
    if refused is not None:
        await withdraw(box, intent)
        raise refused
    return outcome


async def beat(box: Outbox, intent: Record) -> None:
    """Say that the keeper lives, until cancelled."""
    while True:
        await asyncio.sleep(BEAT_SECONDS)
        with contextlib.suppress(AdapterError):  # taken for dead it may be: that is no harm
            await box.ledger.commit(partial(_restated, intent=intent), [INTENT])
        heed_cancellation()


def is_kept(before: Records, intent: Record) -> bool:
    """Whether the intent is there, and its keeper's still."""
    stored = before[INTENT].get(intent["id"])
    return stored is not None and bool(stored["holder"] == intent["holder"])


def _restated(before: Records, intent: Record, **more: Any) -> Edit:
    made = Edit()
    if is_kept(before, intent):
        made.write(INTENT, {**before[INTENT][intent["id"]], "at": time.time(), **more})
    return made


async def settle(box: Outbox) -> None:
    """End what was abandoned: unknown past the mark, else as if it never began. Raises AdapterError.

    What anybody may send is left to who does (`delayed`, `errands`).
    """
    for key, intent in (await box.ledger.read(INTENT)).items():
        if key in box.in_flight or not is_abandoned(intent):
            continue
        if intent["data"]:
            submission = intent["submission"]
            await conclude(box, {**intent, "lost": True}, submission and {**submission, "lost": True})
        elif "held" not in intent and "message" not in intent:
            await withdraw(box, intent)


async def conclude(box: Outbox, intent: Record, submission: Record | None) -> None:
    """The intent becomes the submission. The message has been sent: that this can't be stored is no failure of it."""

    def edit(before: Records) -> Edit:
        made = Edit()
        finish(made, before, intent, submission)
        return made

    try:
        await box.ledger.commit(edit, [INTENT, SUBMISSION])
    except AdapterError as error:
        log.warning("%s was sent but that cannot be recorded yet: %s", (submission or intent)["id"], error)


def finish(made: Edit, before: Records, intent: Record, submission: Record | None) -> None:
    """Write what remains of an intent that ends."""
    if intent["id"] in before[INTENT]:  # else somebody has ended it
        made.delete(INTENT, intent["id"])
        write_follow_up(made, intent, (submission or intent)["id"], 0.0 if intent.get("lost") else time.time())
    if submission is not None:
        _write_submission(made, before, intent, submission)


def _write_submission(made: Edit, before: Records, intent: Record, submission: Record) -> None:
    if "held" not in intent or submission["id"] in before[SUBMISSION]:  # one that was destroyed meanwhile stays so
        made.write(SUBMISSION, submission)
    oldest = sorted((one for one in before[SUBMISSION].values() if one["undoStatus"] != "pending"), key=_age)
    for one in oldest[: max(0, len(oldest) + 1 - KEPT)]:
        if one["id"] != submission["id"]:
            made.delete(SUBMISSION, one["id"])


def _age(submission: Record) -> float:
    return float(submission["at"])


async def withdraw(box: Outbox, intent: Record) -> None:
    """Nothing was sent, so the same may be tried again."""
    submission = intent["submission"]

    def edit(before: Records) -> Edit:
        made = Edit()
        if is_kept(before, intent):
            made.delete(INTENT, intent["id"])
        if submission is not None and submission["id"] in before[SUBMISSION]:  # it was told as unknown meanwhile
            made.delete(SUBMISSION, submission["id"])
        return made

    try:
        await box.ledger.commit(edit, [INTENT, SUBMISSION])
    except AdapterError as error:
        log.warning("an intent that came to nothing stays: %s", error)
