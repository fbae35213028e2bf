"""Mailbox (RFC 8621 §2)."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import orjson

from gateway.context import Account, Context
from gateway.jmap.arguments import Argument
from gateway.jmap.checks import Check, boolean, id_, integer, map_of, nullable, string, unsigned_int
from gateway.jmap.collations import sort_key
from gateway.jmap.datatype import Changeable, Changes, Fetched, Query, QueryChangeable, QueryResult, Settable
from gateway.jmap.errors import SetError
from gateway.jmap.filters import Comparator, evaluate
from gateway.jmap.properties import ID, Property, PropertyTable, Update, reference_ids
from gateway.objects.changes import change_set, changes_of
from gateway.objects.mail import mailbox_set
from gateway.objects.mail.capability import MAIL, glance_of, mail_of, writer_of
from gateway.objects.results import ListResult
from gateway.sync.account import MailAccount
from gateway.sync.mailboxes import Mailbox

COUNTS: Final = ("totalEmails", "unreadEmails", "totalThreads", "unreadThreads")
SETTABLE: Final = ("name", "parentId", "role", "sortOrder", "isSubscribed")
THREAD_COUNTS: Final = frozenset({"totalThreads", "unreadThreads"})

PROPERTIES: Final = PropertyTable(
    [
        ID,
        Property("name", string),
        Property("parentId", nullable(id_), default=None, references=reference_ids),
        Property("role", nullable(string), default=None),
        Property("sortOrder", integer(0, 2**31 - 1), omittable=True),
        *(Property(name, unsigned_int, server_set=True) for name in COUNTS),
        Property("myRights", map_of(string, boolean), server_set=True),
        Property("isSubscribed", boolean, omittable=True),
    ]
)


class MailboxType(Settable, Changeable, QueryChangeable):
    """The hooks of the standard methods for Mailbox."""

    name = "Mailbox"
    capability = MAIL
    methods = ("get", "changes", "set", "query", "queryChanges")
    properties = PROPERTIES
    tells_state = True
    set_arguments = (Argument("onDestroyRemoveEmails", boolean, False),)
    query_arguments = (Argument("sortAsTree", boolean, False), Argument("filterAsTree", boolean, False))
    filter_conditions: Mapping[str, Check] = {
        "parentId": nullable(id_),
        "name": string,
        "role": nullable(string),
        "hasAnyRole": boolean,
        "isSubscribed": boolean,
    }
    sort_properties: Mapping[str, tuple[Argument, ...]] = {"sortOrder": (), "name": (), "parentId": (), "role": ()}

    async def state(self, context: Context, account: Account) -> str:
        """The state of all Mailboxes, true as of this request."""
        mail = await glance_of(context, account)
        return mail.state("Mailbox")

    async def get(
        self,
        context: Context,
        account: Account,
        ids: list[str] | None,
        properties: tuple[str, ...],
        arguments: Mapping[str, Any],
    ) -> Fetched:
        """Mailbox/get (RFC 8621 §2.1)."""
        mail = await glance_of(context, account)
        if THREAD_COUNTS & set(properties):
            await mail.threads.ready()
        state, mailboxes = mail.state("Mailbox"), mail.mailboxes
        wanted = list(mailboxes) if ids is None else ids
        found = await _fragments(mail, [mailbox_id for mailbox_id in wanted if mailbox_id in mailboxes], properties)
        return Fetched(found, [mailbox_id for mailbox_id in wanted if mailbox_id not in mailboxes], state)

    async def changes(self, context: Context, account: Account, since_state: str, max_changes: int | None) -> Changes:
        """Mailbox/changes with updatedProperties (RFC 8621 §2.2)."""
        mail = await mail_of(context, account)
        return changes_of(mail, "Mailbox", since_state, max_changes, tell_properties=True)

    async def create(
        self, context: Context, account: Account, records: Mapping[str, Mapping[str, Any]], arguments: Mapping[str, Any]
    ) -> Mapping[str, Mapping[str, Any] | SetError]:
        """Mailbox/set create (RFC 8621 §2.5)."""
        mail = await mail_of(context, account)
        made = await mailbox_set.create(mail, writer_of(mail), records)
        return {
            key: box if isinstance(box, SetError) else await _unsaid(mail, box, records[key])
            for key, box in made.items()
        }

    async def update(
        self, context: Context, account: Account, updates: Mapping[str, Update], arguments: Mapping[str, Any]
    ) -> Mapping[str, Mapping[str, Any] | SetError | None]:
        """Mailbox/set update (RFC 8621 §2.5)."""
        mail = await mail_of(context, account)
        before = mail.mailboxes
        refused = await mailbox_set.update(mail, writer_of(mail), updates)
        answers: dict[str, Mapping[str, Any] | SetError | None] = dict(refused)
        for mailbox_id in (updates.keys() & mail.mailboxes.keys()) - refused.keys():
            seen = await _to_json(mail, before[mailbox_id], SETTABLE)
            asked = {**seen, **updates[mailbox_id].patched}
            answers[mailbox_id] = await _unsaid(mail, mail.mailboxes[mailbox_id], asked, SETTABLE)
        return answers

    async def destroy(
        self, context: Context, account: Account, ids: Sequence[str], arguments: Mapping[str, Any]
    ) -> Mapping[str, SetError]:
        """Mailbox/set destroy (RFC 8621 §2.5)."""
        mail = await mail_of(context, account)
        remove_emails = arguments["onDestroyRemoveEmails"]
        return await mailbox_set.destroy(mail, writer_of(mail), ids, remove_emails=remove_emails)

    async def query(self, context: Context, account: Account, query: Query) -> QueryResult:
        """Mailbox/query (RFC 8621 §2.3)."""
        mail = await glance_of(context, account)
        boxes = [box for box in mail.mailboxes.values() if evaluate(query.filter, partial(_matches, box))]
        if query.arguments["filterAsTree"]:
            boxes = _with_all_ancestors(mail, boxes)
        ordered = _sorted_as_tree if query.arguments["sortAsTree"] else _sorted
        return ListResult([box.id for box in ordered(mail, boxes, query.sort)], mail.state("Mailbox"))

    async def touched_since(self, context: Context, account: Account, query: Query, since: str) -> set[str]:
        """The Mailboxes that may have moved in or out of the result (RFC 8620 §5.6)."""
        mail = await mail_of(context, account)
        changes = change_set(mail, "Mailbox", since)
        touched = {*changes.created, *changes.destroyed}
        if changes.updated_properties is None:
            touched.update(changes.updated)
        if touched and (query.arguments["filterAsTree"] or query.arguments["sortAsTree"]):
            # One folder's change can move everything below it.
            touched.update(mail.mailboxes)
        return touched


async def _fragments(mail: MailAccount, ids: Sequence[str], properties: tuple[str, ...]) -> list[orjson.Fragment]:
    """Mailboxes as JSON, made once for as long as nothing happens in the account."""
    snapshot, key = mail.snapshot, ("Mailbox/get", properties)
    made = snapshot.derived.get(key)
    if not isinstance(made, dict):
        made = {}
        snapshot.keep(key, made)
    for mailbox_id in ids:
        if mailbox_id not in made:
            values = await _to_json(mail, snapshot.mailboxes[mailbox_id], properties)
            made[mailbox_id] = orjson.Fragment(orjson.dumps(values))
    return [made[mailbox_id] for mailbox_id in ids]


async def _unsaid(
    mail: MailAccount, box: Mailbox, said: Mapping[str, Any], names: Sequence[str] = PROPERTIES.default
) -> dict[str, Any]:
    """The properties that are otherwise than the client said, or of which it said nothing (RFC 8620 §5.3)."""
    if THREAD_COUNTS & set(names):
        await mail.threads.ready()
    values = await _to_json(mail, box, names)
    return {name: value for name, value in values.items() if name not in said or said[name] != value}


async def _to_json(mail: MailAccount, box: Mailbox, properties: Sequence[str]) -> dict[str, Any]:
    values: dict[str, Any] = {
        "id": box.id,
        "name": box.name,
        "parentId": box.parent_id,
        "role": box.role,
        "sortOrder": box.sort_order,
        "totalEmails": box.total_emails,
        "unreadEmails": box.unread_emails,
        "myRights": box.rights,
        "isSubscribed": box.is_subscribed,
    }
    if THREAD_COUNTS & set(properties):
        values["totalThreads"], values["unreadThreads"] = await mail.threads.counts(box.id)
    return {name: values[name] for name in properties}


def _matches(box: Mailbox, condition: Mapping[str, Any]) -> bool:
    return all(CONDITIONS[name](box, value) for name, value in condition.items())


CONDITIONS: Final[Mapping[str, Callable[[Mailbox, Any], bool]]] = {
    "parentId": lambda box, value: box.parent_id == value,
    "name": lambda box, value: value.casefold() in box.name.casefold(),
    "role": lambda box, value: box.role == value,
    "hasAnyRole": lambda box, value: (box.role is not None) is value,
    "isSubscribed": lambda box, value: box.is_subscribed is value,
}


def _with_all_ancestors(mail: MailAccount, boxes: Sequence[Mailbox]) -> list[Mailbox]:
    """Only those whose ancestors all match too (filterAsTree)."""
    matching = {box.id for box in boxes}

    def rooted(box: Mailbox) -> bool:
        return box.parent_id is None or (box.parent_id in matching and rooted(mail.mailboxes[box.parent_id]))

    return [box for box in boxes if rooted(box)]


def _sorted(_: MailAccount, boxes: Sequence[Mailbox], sort: Sequence[Comparator]) -> list[Mailbox]:
    result = sorted(boxes, key=lambda box: box.id)
    for comparator in reversed(sort or DEFAULT_SORT):
        result.sort(key=_key(comparator), reverse=not comparator.is_ascending)
    return result


DEFAULT_SORT: Final = (Comparator("sortOrder"), Comparator("name"))


def _key(comparator: Comparator) -> Callable[[Mailbox], Any]:
    collate = sort_key(comparator.collation)
    keys: dict[str, Callable[[Mailbox], Any]] = {
        "sortOrder": lambda box: box.sort_order,
        "name": lambda box: collate(box.name),
        "parentId": lambda box: box.parent_id or "",
        "role": lambda box: collate(box.role or ""),
    }
    return keys[comparator.property]


def _sorted_as_tree(mail: MailAccount, boxes: Sequence[Mailbox], sort: Sequence[Comparator]) -> list[Mailbox]:
    """Every ancestor before its descendants, siblings in sort order (RFC 8621 §2.3)."""
    # Ancestors that are not in the result still decide where their descendants stand.
    children: dict[str | None, list[Mailbox]] = {}
    for box in _sorted(mail, list(mail.mailboxes.values()), sort):
        children.setdefault(box.parent_id, []).append(box)
    wanted = {box.id for box in boxes}
    result: list[Mailbox] = []
    stack = list(reversed(children.get(None, [])))
    while stack:
        box = stack.pop()
        if box.id in wanted:
            result.append(box)
        stack.extend(reversed(children.get(box.id, [])))
    return result
