"""Messages that are no EmailSubmissions, handed over once as those are: disposition notifications, scheduling messages,
alerts.

The latter two are stored as they are before the server hears of them: nobody can ask for them again, as the event is
written by then, or the alert has had its time. So whoever comes after a keeper that died sends them, and what a server
cannot take now is tried again. One that was refused for good, or whose outcome is unknown, is only logged: there is no
record that would tell.
"""

import asyncio
import base64
import logging
import secrets
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from adapters.errors import AdapterError
from adapters.ports.mail_write import Octets
from adapters.ports.submission import SmtpEnvelope
from gateway.jmap.errors import SetError
from gateway.objects.submission import intents
from gateway.objects.submission.envelope import from_json, to_json
from gateway.objects.submission.follow_up import GIVE_UP_SECONDS, expect
from gateway.objects.submission.intents import Records, conclude, finish, in_flight, is_abandoned, is_kept, new_intent
from gateway.objects.submission.replies import TEMPORARY, of_error, refusal
from gateway.sync.ledger import Edit, Record
from gateway.sync.outbox import FOLLOW_UP, INTENT, Outbox

log = logging.getLogger(__name__)

RETRY_SECONDS: Final = (300.0, 900.0, 1800.0, 3600.0)

_CATCHING_UP: Final = "errands"


async def run_once(box: Outbox, key: str, envelope: SmtpEnvelope, octets: Octets, then: Record | None) -> None:
    """Send a message, unless that of the same key was sent and what follows it is not done yet.

    Raises SetError, AdapterError where nothing was sent.
    """

    async def run() -> Record:
        if then is not None:
            await expect(box)
        intent = new_intent(key, None, then)
        if await _begin(box, intent):
            await intents.attempt(box, intent, envelope, octets)
            await conclude(box, intent, None)
        return intent

    await in_flight(box, key, run)


async def _begin(box: Outbox, intent: Record) -> bool:
    """Store the intent; False where the message was, or may have been, sent. Raises SetError, AdapterError."""
    key, found = intent["id"], [True]

    def edit(before: Records) -> Edit:
        made, other = Edit(), before[INTENT].get(key)
        found[:] = [not (key in before[FOLLOW_UP] or (other is not None and other["data"]))]
        if other is not None and other["data"]:
            finish(made, before, other, None)
        elif other is not None and not is_abandoned(other):
            raise SetError("serverUnavailable", "This message is on its way already; ask again in some minutes.")
        elif found[0]:
            made.write(INTENT, intent)
        return made

    await box.ledger.commit(edit, [INTENT, FOLLOW_UP])
    return found[0]


@dataclass(frozen=True, slots=True)
class Post:
    """A message that nobody will ask for again. until: when it is given up, seconds since 1970; None: as all are."""

    envelope: SmtpEnvelope
    octets: Octets
    until: float | None = None


async def post(
    box: Outbox,
    letters: Sequence[Post],
    along: Callable[[Records], Edit | None] = lambda _: Edit(),
    types: Sequence[str] = (),
) -> None:
    """Send messages that nobody will ask for again. Raises AdapterError where they cannot be stored.

    along: what is written together with them, of the records of some types; None where they are not to be sent.
    """

    async def run() -> Record:
        posted = [new_intent(secrets.token_hex(16), None, message=await message_of(letter)) for letter in letters]
        if posted:
            await expect(box)
        is_ours = [False]

        def edit(before: Records) -> Edit:
            made = along(before)
            is_ours[:] = [made is not None]
            if made is None:
                return Edit()
            for one in posted:
                made.write(INTENT, one)
            return made

        await box.ledger.commit(edit, types)
        if is_ours[0]:
            await asyncio.gather(*(deliver(box, one) for one in posted))
        return {}

    await in_flight(box, secrets.token_hex(16), run)


def start_over(box: Outbox) -> None:
    """Have sent, beside everything else, what was left behind."""
    if _CATCHING_UP not in box.in_flight:
        task = box.in_flight[_CATCHING_UP] = asyncio.create_task(_quietly(box))
        task.add_done_callback(lambda _: box.in_flight.pop(_CATCHING_UP))


async def _quietly(box: Outbox) -> Record:
    try:
        await catch_up(box)
    except AdapterError as error:
        log.warning("messages that were left behind cannot be sent now: %s", type(error).__name__)
    return {}


async def catch_up(box: Outbox) -> None:
    """Send what was left behind, or failed some time ago. Raises AdapterError."""
    if not any(_is_left(box, one) for one in (await box.ledger.read(INTENT)).values()):
        return
    taken: list[Record] = []

    def take(before: Records) -> Edit:
        left = [one for one in before[INTENT].values() if _is_left(box, one)]
        taken[:] = [{**one, "holder": secrets.token_hex(8), "at": time.time()} for one in left]
        return Edit(put={INTENT: {one["id"]: one for one in taken}})

    await box.ledger.commit(take, [INTENT])
    await asyncio.gather(*(_take_up(box, one) for one in taken))


def _is_left(box: Outbox, intent: Record) -> bool:
    """Whether nobody is at a message, and it can be found out whether the write was done that it may tell of."""
    message = intent.get("message")
    if message is None or intent["data"] or not is_abandoned(intent):
        return False
    return box.written is not None or "about" not in message


async def _take_up(box: Outbox, intent: Record) -> None:
    about = intent["message"].get("about")
    if about is not None and box.written is not None and not _is_too_late(intent["message"]):
        try:
            is_written = await box.written(about)
        except AdapterError as error:
            log.warning("whether an event was written cannot be found out now: %s", type(error).__name__)
            return  # whoever looks next tries again
        if not is_written:
            log.info("an event was not written, and nobody is told of it")
            await intents.withdraw(box, intent)
            return
    await deliver(box, intent)


async def message_of(letter: Post) -> Record:
    """A message as it is kept in an intent."""
    whole = b"".join([piece async for piece in letter.octets.read()])
    kept = {"envelope": to_json(letter.envelope), "octets": base64.b64encode(whole).decode()}
    return {**kept, "first": time.time(), "until": letter.until, "tries": 0}


def _is_too_late(message: Record) -> bool:
    until: float | None = message.get("until")
    return time.time() > (message["first"] + GIVE_UP_SECONDS if until is None else until)


async def deliver(box: Outbox, intent: Record) -> None:
    """Send the message of an intent; what cannot be sent now is left to who looks later. Raises AdapterError."""
    message = intent["message"]
    if _is_too_late(message):
        log.warning("a message that could not be sent in time is given up")
        await conclude(box, intent, None)
        return
    envelope, whole = from_json(message["envelope"]), base64.b64decode(message["octets"])

    async def read() -> AsyncIterator[bytes]:
        yield whole

    try:
        outcome = await intents.submit(box, intent, envelope, Octets(len(whole), read))
        refused = None if outcome is None else refusal(outcome, envelope, len(whole))
        codes = [] if outcome is None else [one.code for one in outcome.recipients if one.code >= 400]
    except AdapterError as error:
        refused, codes = of_error(error), []
    if refused is not None and refused.type in TEMPORARY and not _is_too_late(message):
        await _again(box, intent)
        return
    if refused is not None or codes:
        log.warning("a message was refused: %s", codes[:5] if refused is None else refused.type)
    await conclude(box, intent, None)


async def _again(box: Outbox, intent: Record) -> None:
    """Nothing was sent: leave the intent to who looks later."""
    tries = intent["message"]["tries"]
    pause = RETRY_SECONDS[min(tries, len(RETRY_SECONDS) - 1)]
    later = time.time() + pause - intents.ABANDONED_SECONDS
    message = {name: value for name, value in intent["message"].items() if name != "about"}  # that is known by now
    again = {**intent, "data": False, "at": later, "message": {**message, "tries": tries + 1}}

    def edit(before: Records) -> Edit:
        return Edit(put={INTENT: {again["id"]: again}}) if is_kept(before, intent) else Edit()

    log.warning("a message was not sent and is tried again")
    try:
        await box.ledger.commit(edit, [INTENT])
    except AdapterError as error:
        log.warning("a message is tried again sooner: %s", error)
