"""EmailSubmission (RFC 8621 §7)."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

from adapters.errors import AdapterError
from gateway.context import Account, Context
from gateway.jmap.arguments import Argument
from gateway.jmap.checks import (
    Check,
    anything,
    array_of,
    id_,
    id_or_reference,
    map_of,
    nullable,
    object_,
    one_of,
    utc_date,
)
from gateway.jmap.datatype import Changeable, Changes, Fetched, Query, QueryChangeable, QueryResult, SetResult, Settable
from gateway.jmap.errors import SetError
from gateway.jmap.filters import evaluate
from gateway.jmap.methods import ExtraCall
from gateway.jmap.properties import ID, Property, PropertyTable, Update, reference_ids
from gateway.jmap.standard.common import lookup_in, refusals
from gateway.objects.results import ListResult, fetched
from gateway.objects.submission.capability import SUBMISSION as CAPABILITY
from gateway.objects.submission.capability import changes_of, mail_of, outbox_of
from gateway.objects.submission.delay import due_of, without_hold
from gateway.objects.submission.delayed import cancel, keep
from gateway.objects.submission.envelope import check_envelope, envelope_of
from gateway.objects.submission.errands import start_over
from gateway.objects.submission.follow_up import catch_up, done, follow_up
from gateway.objects.submission.handover import Order, hand_over
from gateway.objects.submission.identity import identities
from gateway.objects.submission.intents import next_look, settle
from gateway.objects.submission.letter import letter_of
from gateway.objects.submission.reports import look, may_be_answered
from gateway.sync.account import MailAccount
from gateway.sync.ledger import Edit, Record
from gateway.sync.outbox import SUBMISSION, Outbox

log = logging.getLogger(__name__)

_STATUS: Final = one_of("pending", "final", "canceled")

PROPERTIES: Final = PropertyTable(
    [
        ID,
        Property("identityId", id_, immutable=True, references=reference_ids),
        Property("emailId", id_, immutable=True, references=reference_ids),
        Property("threadId", anything, immutable=True, server_set=True),
        Property("envelope", nullable(check_envelope), default=None, immutable=True),
        Property("sendAt", anything, immutable=True, server_set=True),
        Property("undoStatus", _STATUS, omittable=True),
        *(Property(name, anything, server_set=True) for name in ("deliveryStatus", "dsnBlobIds", "mdnBlobIds")),
    ]
)
_SORT: Final = {"emailId": "emailId", "threadId": "threadId", "sentAt": "sendAt", "sendAt": "sendAt"}
"""RFC 8621 §7.3 says "sentAt", which is no property; both names are taken."""


class EmailSubmissionType(Settable, Changeable, QueryChangeable):
    """The hooks of the standard methods for EmailSubmission."""

    name = SUBMISSION
    capability = CAPABILITY
    methods = ("get", "changes", "query", "queryChanges", "set")
    properties = PROPERTIES
    set_arguments = (
        Argument("onSuccessUpdateEmail", nullable(map_of(id_or_reference, object_)), None),
        Argument("onSuccessDestroyEmail", nullable(array_of(id_or_reference)), None),
    )
    filter_conditions: Mapping[str, Check] = {
        **dict.fromkeys(("identityIds", "emailIds", "threadIds"), array_of(id_)),
        "undoStatus": _STATUS,
        **dict.fromkeys(("before", "after"), utc_date),
    }
    sort_properties: Mapping[str, tuple[Argument, ...]] = dict.fromkeys(_SORT, ())

    async def state(self, context: Context, account: Account) -> str:
        """The state of all EmailSubmissions."""
        box = outbox_of(account)
        await settle(box)
        await _look(context, account, box)
        return await box.ledger.state(SUBMISSION)

    async def get(
        self,
        context: Context,
        account: Account,
        ids: list[str] | None,
        properties: tuple[str, ...],
        arguments: Mapping[str, Any],
    ) -> Fetched:
        """EmailSubmission/get (RFC 8621 §7.1)."""
        return fetched(await outbox_of(account).ledger.read(SUBMISSION), ids, properties)

    async def changes(self, context: Context, account: Account, since_state: str, max_changes: int | None) -> Changes:
        """EmailSubmission/changes (RFC 8621 §7.2)."""
        await _look(context, account, outbox_of(account))
        return await changes_of(outbox_of(account), SUBMISSION, since_state, max_changes)

    async def query(self, context: Context, account: Account, query: Query) -> QueryResult:
        """EmailSubmission/query (RFC 8621 §7.3); without a sort, the newest first."""
        box = outbox_of(account)
        state = await self.state(context, account)
        records = [
            one
            for one in (await box.ledger.read(SUBMISSION)).values()
            if evaluate(query.filter, partial(_matches, one))
        ]
        records.sort(key=lambda one: one["id"])
        if not query.sort:
            records.sort(key=lambda one: float(one["at"]), reverse=True)
        for comparator in reversed(query.sort):
            name = _SORT[comparator.property]
            records.sort(key=lambda one, name=name: str(one[name]), reverse=not comparator.is_ascending)  # type: ignore[misc]
        return ListResult([one["id"] for one in records], state)

    async def touched_since(self, context: Context, account: Account, query: Query, since: str) -> set[str]:
        """RFC 8620 §5.6."""
        changes = await changes_of(outbox_of(account), SUBMISSION, since, None)
        return {*changes.created, *changes.updated, *changes.destroyed}

    async def create(
        self, context: Context, account: Account, records: Mapping[str, Mapping[str, Any]], arguments: Mapping[str, Any]
    ) -> Mapping[str, Mapping[str, Any] | SetError]:
        """EmailSubmission/set create: sends (RFC 8621 §7.5)."""
        box, mail = outbox_of(account), await mail_of(context, account)
        known = await identities(box)
        answers: dict[str, Mapping[str, Any] | SetError] = {}
        for key, wanted in records.items():
            try:
                then = _then(context, f"#{key}", wanted["emailId"], arguments)
                answers[key] = _told(await _send(box, mail, known, wanted, then), wanted)
            except SetError as error:
                answers[key] = error
            except AdapterError as error:
                answers |= refusals(error, [key])
        return answers

    async def update(
        self, context: Context, account: Account, updates: Mapping[str, Update], arguments: Mapping[str, Any]
    ) -> Mapping[str, Mapping[str, Any] | SetError | None]:
        """undoStatus may become "canceled" as long as the message waits (RFC 8621 §7.5)."""
        wrong = SetError("invalidProperties", 'undoStatus can only become "canceled"', ["undoStatus"])
        refused = {key: wrong for key, update in updates.items() if update.patched.get("undoStatus") != "canceled"}
        canceled = [key for key in updates if key not in refused]
        return refused | (await cancel(outbox_of(account), account.id, canceled) if canceled else {})

    async def destroy(
        self, context: Context, account: Account, ids: Sequence[str], arguments: Mapping[str, Any]
    ) -> Mapping[str, SetError]:
        """Removes the record of what was sent, nothing else (RFC 8621 §7.5)."""
        box = outbox_of(account)
        gone: dict[str, Record] = {}

        def edit(before: Mapping[str, Mapping[str, Record]]) -> Edit:
            gone.clear()
            gone.update({key: before[SUBMISSION][key] for key in ids if key in before[SUBMISSION]})
            return Edit(remove={SUBMISSION: list(gone)})

        await box.ledger.commit(edit, [SUBMISSION])
        for key, record in gone.items():
            box.remember(key, record["emailId"])
        return {key: SetError("notFound") for key in ids if key not in gone}

    async def after_set(
        self, context: Context, account: Account, result: SetResult, arguments: Mapping[str, Any]
    ) -> tuple[ExtraCall, ...]:
        """The one implicit Email/set (RFC 8621 §7.5)."""
        box = outbox_of(account)
        known = {f"#{key}": one for key, one in result.created.items()}
        known |= {one: one for one in (*result.created.values(), *result.updated, *result.destroyed)}
        email_ids = {key: box.email_ids.get(one) for key, one in known.items()}
        update: dict[str, dict[str, Any]] = {}
        for key, patch in (arguments["onSuccessUpdateEmail"] or {}).items():
            if (email_id := email_ids.get(key)) is not None:
                update[email_id] = update.get(email_id, {}) | patch
        destroy = [email_ids.get(key) for key in arguments["onSuccessDestroyEmail"] or ()]
        wanted: dict[str, Any] = {"update": update, "destroy": list(dict.fromkeys(filter(None, destroy)))}
        named = {name: value for name, value in wanted.items() if value}
        asked = {one: email_id for one in result.created.values() if (email_id := box.email_ids.get(one)) is not None}
        call = ExtraCall("Email/set", {"accountId": account.id, **named}, partial(done, box, asked))
        return (call,) if named else ()


async def _look(context: Context, account: Account, box: Outbox) -> None:
    """Enter what has been told of submissions meanwhile, and do what was to follow some.

    A mail server that is away is no reason not to answer.
    """
    start_over(box)
    try:
        if account.mail is not None and (await may_be_answered(box) or await next_look(box.ledger) is not None):
            mail = await mail_of(context, account)
            await look(box, mail)
            await catch_up(box, mail)
    except AdapterError as error:
        log.warning("the mail cannot be looked at for what was sent: %s", type(error).__name__)


def _then(context: Context, key: str, email_id: str, arguments: Mapping[str, Any]) -> Record | None:
    """What is to follow the submission of this key."""
    patch = (arguments["onSuccessUpdateEmail"] or {}).get(key)
    destroy = key in (arguments["onSuccessDestroyEmail"] or ())
    return follow_up(email_id, patch, destroy=destroy, lookup=lookup_in(context))


async def _send(
    box: Outbox, mail: MailAccount, known: Mapping[str, Record], wanted: Mapping[str, Any], then: Record | None
) -> Record:
    """One message. Raises SetError, AdapterError."""
    if "undoStatus" in wanted:
        raise SetError("invalidProperties", "undoStatus is set by the server", ["undoStatus"])
    identity = known.get(wanted["identityId"])
    if identity is None:
        raise SetError("invalidProperties", "there is no such Identity", ["identityId"])
    letter = await letter_of(mail, wanted["emailId"])
    envelope = envelope_of(wanted["envelope"], letter, identity["email"], box.senders)
    order = Order(wanted["identityId"], wanted["emailId"], envelope, letter, then)
    due = due_of(box, envelope, time.time())
    if due is None:
        submission = await hand_over(box, replace(order, envelope=without_hold(envelope)))
    elif box.hold is None:
        submission = await hand_over(box, replace(order, due=due))
    else:
        submission = await keep(box, mail.id, box.hold, order, due)
    box.remember(submission["id"], submission["emailId"])
    return submission


def _told(submission: Record, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """What the client does not know yet (RFC 8620 §5.3)."""
    return {row.name: submission[row.name] for row in PROPERTIES if wanted.get(row.name) != submission[row.name]}


def _matches(one: Record, condition: Mapping[str, Any]) -> bool:
    return all(_CONDITIONS[name](one, value) for name, value in condition.items())


_CONDITIONS: Final[Mapping[str, Callable[[Record, Any], bool]]] = {
    "identityIds": lambda one, value: one["identityId"] in value,
    "emailIds": lambda one, value: one["emailId"] in value,
    "threadIds": lambda one, value: one["threadId"] in value,
    "undoStatus": lambda one, value: bool(one["undoStatus"] == value),
    "before": lambda one, value: _second(one["sendAt"]) < _second(value),
    "after": lambda one, value: _second(one["sendAt"]) >= _second(value),
}


def _second(moment: str) -> str:
    """A UTCDate as text that sorts by time, with a fraction or without."""
    return moment.removesuffix("Z")
