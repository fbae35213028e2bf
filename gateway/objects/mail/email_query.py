"""Email/query and what Email/queryChanges needs (RFC 8621 §4.4, §4.5)."""

import re
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import orjson

from adapters.formats.email import BodyOptions
from gateway.jmap.checks import Check, array_of, boolean, id_, string, unsigned_int, utc_date
from gateway.jmap.datatype import Query
from gateway.objects.changes import change_set
from gateway.objects.mail import filter_tree, masks, order, selection
from gateway.objects.mail.contents import contents
from gateway.objects.mail.filter_tree import Branch, Leaf, Node
from gateway.objects.mail.keywords import keyword
from gateway.objects.mail.wanted import Wanted
from gateway.sync.account import MailAccount
from gateway.sync.emails import Emails


def header_condition(value: Any) -> str | None:
    """The check of the header condition: a field name and perhaps a text."""
    if isinstance(value, list) and 1 <= len(value) <= 2 and all(isinstance(item, str) for item in value):
        return None
    return "must be an array of one or two Strings"


def moment(value: Any) -> str | None:
    """The check of a UTCDate that may have a fraction of zero, as JavaScript writes it: nothing gives it back."""
    return utc_date(_NO_FRACTION.sub("Z", value) if isinstance(value, str) else value)


_NO_FRACTION: Final = re.compile(r"\.0+Z\Z", re.ASCII)

FILTER_CONDITIONS: Final[Mapping[str, Check]] = {
    "inMailbox": id_,
    "inMailboxOtherThan": array_of(id_),
    "before": moment,
    "after": moment,
    "minSize": unsigned_int,
    "maxSize": unsigned_int,
    **dict.fromkeys(["allInThreadHaveKeyword", "someInThreadHaveKeyword", "noneInThreadHaveKeyword"], keyword),
    **dict.fromkeys(["hasKeyword", "notKeyword"], keyword),
    "hasAttachment": boolean,
    **dict.fromkeys(filter_tree.TEXT_FIELDS, string),
    "header": header_condition,
}


@dataclass(frozen=True)
class EmailResult:
    """A query result held as rows of the index; implements gateway.jmap.datatype.QueryResult."""

    emails: Emails
    rows: "array[int]"
    query_state: str
    can_calculate_changes: bool = True

    def __len__(self) -> int:
        return len(self.rows)

    def slice(self, start: int, stop: int) -> list[str]:
        """The ids with start <= index < stop."""
        return self.emails.ids(self.rows[start:stop])

    def position(self, id: str) -> int | None:
        """The index of an id, None if it is not in the list."""
        row = self.emails.row(id)
        place = 0 if row is None else self._places[row]
        return place - 1 if place else None

    @cached_property
    def _places(self) -> "array[int]":
        """By row: its index and one, 0 where it is not in the list; /queryChanges asks for thousands of them."""
        places = array("I", bytes(array("I").itemsize * len(self.emails)))
        for place, row in enumerate(self.rows, 1):
            places[row] = place
        return places


async def run(mail: MailAccount, query: Query, deciders: Mapping[str, selection.Decider]) -> EmailResult:
    """The complete result; kept until the account's state moves on.

    deciders: of the conditions of `selection.DECIDED` that need more than the messages themselves.
    """
    collapse = query.arguments["collapseThreads"]
    key = ("Email/query", orjson.dumps(query.filter), repr(query.sort), collapse)
    known = mail.snapshot.derived.get(key)
    if isinstance(known, EmailResult):
        return known
    if collapse:
        await mail.threads.ready()
    deciders = {"hasAttachment": _has_attachment(mail), **deciders}
    node = await selection.resolve(mail, filter_tree.tree(query.filter), deciders)
    order_of = await order.prepare(mail, _rows(mail, node), query.sort or order.NEWEST_FIRST, _header_values(mail))
    # From here on nothing waits: the result is one committed state's.
    rows = order_of.sorted(_rows(mail, node))
    if collapse:
        rows = order.collapsed(mail, rows)
    state = mail.state("Email", "Thread") if _looks_at_threads(query) else mail.state("Email")
    whole = order_of.whole and filter_tree.is_whole(node)  # else it will be otherwise without a change of state
    result = EmailResult(mail.emails, rows, state, can_calculate_changes=whole)
    if whole and not _ages(query):
        mail.snapshot.keep(key, result)
    return result


def _ages(query: Query) -> bool:
    """Whether the result changes with time alone: what is verified today may have expired tomorrow."""
    conditions = {leaf.name for leaf in filter_tree.leaves(filter_tree.tree(query.filter))}
    return bool(conditions & (filter_tree.SMIME_CONDITIONS - {"hasSmime"}))


def _rows(mail: MailAccount, node: Node) -> "array[int]":
    """The living rows that match a resolved filter, oldest first."""
    mailbox, rest = _narrowed(node)
    mask = None if rest == filter_tree.EVERYTHING else masks.matching(mail, rest)
    return order.base_rows(mail, mailbox, mask)


def _narrowed(node: Node) -> tuple[str | None, Node]:
    """One mailbox that every match is in, and what remains to be tested."""
    children = node.children if isinstance(node, Branch) and node.operator == "AND" else (node,)
    for child in children:
        if isinstance(child, Leaf) and child.name == "inMailbox":
            rest = tuple(other for other in children if other is not child)
            return child.value, Branch("AND", rest)
    return None, node


def _header_values(mail: MailAccount) -> order.HeaderValues:
    async def fetch(rows: Sequence[int], name: str) -> dict[int, Any]:
        ids = mail.emails.ids(rows)
        found = await contents(mail, ids, Wanted((name,), BodyOptions()), lenient=True)
        return {row: found[email_id][name] for row, email_id in zip(rows, ids, strict=True) if email_id in found}

    return fetch


def _has_attachment(mail: MailAccount) -> selection.Decider:
    async def fetch(email_ids: Sequence[str]) -> dict[str, bool]:
        found = await contents(mail, email_ids, Wanted(("hasAttachment",), BodyOptions()), lenient=True)
        return {email_id: values["hasAttachment"] for email_id, values in found.items()}

    return fetch


THREAD_SORTS: Final = frozenset({"allInThreadHaveKeyword", "someInThreadHaveKeyword"})


def _looks_at_threads(query: Query) -> bool:
    conditions = {leaf.name for leaf in filter_tree.leaves(filter_tree.tree(query.filter))}
    sorts = {comparator.property for comparator in query.sort}
    return bool(
        query.arguments["collapseThreads"] or conditions & masks.THREAD_CONDITIONS.keys() or sorts & THREAD_SORTS
    )


async def touched_since(mail: MailAccount, query: Query, since_query_state: str) -> set[str]:
    """Every Email that may have entered, left or moved in the result: those that changed, and where the query looks
    at Threads, the other Emails of every Thread that changed (RFC 8620 §5.6 allows extra ids)."""
    changed = change_set(mail, "Email", since_query_state)
    touched = {*changed.created, *changed.updated, *changed.destroyed}
    if _looks_at_threads(query):
        await mail.threads.ready()
        rows = [row for email_id in touched if (row := mail.emails.row(email_id)) is not None]
        threads = set(await mail.threads.thread_ids(rows))
        moved = change_set(mail, "Thread", since_query_state)
        for thread_id in threads.union(moved.created, moved.updated):
            touched.update(mail.emails.ids(await mail.threads.members(thread_id) or ()))
    return touched
