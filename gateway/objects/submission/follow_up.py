"""What is to become of an Email once it was sent (RFC 8621 §7.5, onSuccessUpdateEmail), also after a crash.

The implicit Email/set comes after the answer of the server, so it is written down before: with the intent, from the
commit that ends the intent on as a record of its own. The implicit call takes it off. Where that never came, because
the gateway died, or came to nothing, because the mail server was away, whoever looks at the account next does it: what
it asks for is compared with what is, so that a part that was done is not done again. Who takes a record up writes the
time into it, and others leave it alone for a while.
"""

import logging
import time
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, Final

from adapters.errors import AdapterError
from gateway.jmap import patch as patches
from gateway.jmap.errors import SetError
from gateway.jmap.properties import Lookup
from gateway.objects.mail import email_set
from gateway.objects.mail.capability import writer_of
from gateway.objects.mail.email import PROPERTIES
from gateway.sync.account import MailAccount
from gateway.sync.held import Entry
from gateway.sync.ledger import Edit, Record
from gateway.sync.outbox import FOLLOW_UP, SUBMISSION, Outbox

log = logging.getLogger(__name__)

FOLLOW_SECONDS: Final = 120.0
"""After this a follow-up that is still there is taken up by somebody else, or again."""

ENTRY_SECONDS: Final = 60.0
"""All that an account sends within this time is one entry of the list."""

GIVE_UP_SECONDS: Final = 5 * 86_400.0
"""How long a mail server may be away; as long as a message may wait to be sent."""

PASSING: Final = frozenset({"serverUnavailable", "serverFail", "serverPartialFail", "stateMismatch"})
"""Errors that another try may help against."""


def follow_up(email_id: str, patch: Mapping[str, Any] | None, *, destroy: bool, lookup: Lookup) -> Record | None:
    """What is to be done to an Email, to be kept; lookup: the creation ids of the request. None for nothing.

    A patch that is malformed is nothing: the implicit Email/set says so.
    """
    update: list[Any] | None = None
    if patch:
        try:
            update = [list(one) for one in patches.resolve(PROPERTIES, patches.parse(patch), lookup)]
        except SetError:
            update = None
    return None if update is None and not destroy else {"emailId": email_id, "update": update, "destroy": destroy}


async def expect(box: Outbox) -> None:
    """Have the account looked at later, by whoever looks after what waits; before there is something to be found.

    Nobody logs in for it where there is nothing to do. Raises Unavailable.
    """
    if box.hold is not None:
        due = ((time.time() + FOLLOW_SECONDS) // ENTRY_SECONDS + 1) * ENTRY_SECONDS
        await box.hold.messages.enter(Entry(box.account, box.account, due, box.hold.ticket(), follows=due))


def write_follow_up(made: Edit, intent: Record, record_id: str, at: float) -> None:
    """Enter what is to follow an intent that ends. at: since when somebody is at it; 0 for nobody."""
    if intent.get("then") is not None:
        made.write(FOLLOW_UP, {"id": record_id, "at": at, "first": time.time(), **intent["then"]})


async def done(box: Outbox, asked: Mapping[str, str], name: str, given: Mapping[str, Any]) -> None:
    """Take off what the implicit Email/set has done or refused for good. asked: id of the follow-up -> Email id.

    name, given: of its response. What is left is tried again.
    """
    passing = name == "error" and given["type"] in PASSING
    refused = {**(given.get("notUpdated") or {}), **(given.get("notDestroyed") or {})}
    left = {email_id for email_id, error in refused.items() if error["type"] in PASSING}
    over = [key for key, email_id in asked.items() if not passing and email_id not in left]
    try:
        if over:
            await box.ledger.commit(partial(_without, over), [FOLLOW_UP])
    except AdapterError as error:
        log.warning("what followed a message is done, and may be done once more: %s", error)


async def catch_up(box: Outbox, mail: MailAccount) -> None:
    """Do what was to follow and nobody is at. `mail` is fresh. Raises AdapterError."""
    if not any(map(_is_left, (await box.ledger.read(FOLLOW_UP)).values())):
        return
    taken: list[Record] = []

    def take(before: Mapping[str, Mapping[str, Record]]) -> Edit:
        taken[:] = [one for one in before[FOLLOW_UP].values() if _is_left(one)]
        made = Edit()
        for one in taken:
            made.write(FOLLOW_UP, {**one, "at": time.time()})
            if (sent := before[SUBMISSION].get(one["id"])) is not None:
                made.write(SUBMISSION, {**sent, "lost": True})  # that it was sent may be known to nobody
        return made

    await box.ledger.commit(take, [FOLLOW_UP, SUBMISSION])
    over = [one["id"] for one in taken if await _perform(mail, one)]
    if over:
        await box.ledger.commit(partial(_without, over), [FOLLOW_UP])


def _is_left(one: Record) -> bool:
    return time.time() - float(one["at"]) > FOLLOW_SECONDS


def _without(ids: Iterable[str], before: Mapping[str, Mapping[str, Record]]) -> Edit:
    return Edit(remove={FOLLOW_UP: [one for one in ids if one in before[FOLLOW_UP]]})


async def _perform(mail: MailAccount, one: Record) -> bool:
    """Whether there is nothing more to do."""
    try:
        error = await _update(mail, one["emailId"], one["update"]) if one["update"] else None
        if one["destroy"]:
            error = (await email_set.destroy(mail, writer_of(mail), [one["emailId"]])).get(one["emailId"])
    except AdapterError as failure:
        log.warning("what follows a message cannot be done now: %s", type(failure).__name__)
        error = SetError("serverUnavailable")
    passing = error is not None and error.type in PASSING
    return not passing or time.time() > one["first"] + GIVE_UP_SECONDS


async def _update(mail: MailAccount, email_id: str, update: list[Any]) -> SetError | None:
    row = mail.emails.row(email_id)
    if row is None:
        return SetError("notFound")
    known = {
        "id": email_id,
        "mailboxIds": dict.fromkeys(mail.emails.mailbox_ids(row), True),
        "keywords": dict.fromkeys(mail.emails.keywords(row), True),
    }
    try:
        wanted = patches.apply(PROPERTIES, known, [(tuple(path), value) for path, value in update])
    except SetError as error:
        return error
    answer = (await email_set.update(mail, writer_of(mail), {email_id: wanted}))[email_id] if wanted.changed else None
    return answer if isinstance(answer, SetError) else None
