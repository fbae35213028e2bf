"""Which Emails match a filter (RFC 8621 §4.4.1).

Two steps. `resolve` asks whatever must be asked: text is searched by the backend, one SEARCH per folder for all that
one SEARCH can express; `hasAttachment` and what is about S/MIME is decided by the gateway for the rows that are still
in question. `matching` then evaluates the whole tree on the index at once, without waiting, so that the answer is one
committed state's.

A selection is a mask: one octet per row of the index, 1 where the row matches.
"""

import logging
from array import array
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from adapters.errors import Broken
from adapters.formats.smime.kinds import CONTENT_TYPES
from adapters.ports.mail_search import AllOf, AnyOf, Criterion, HeaderField, NoneOf, Text, TextField
from gateway.objects.mail.dates import instant
from gateway.objects.mail.search_text import tokens
from gateway.sync.account import MailAccount

logger = logging.getLogger(__name__)

Mask = bytes
Decider = Callable[[Sequence[str]], Awaitable[Mapping[str, bool]]]
"""Decides a condition such as hasAttachment (RFC 8621 §4.1.4) for Email ids; ids that vanished are left out."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """One property of a FilterCondition."""

    name: str
    value: Any


@dataclass(frozen=True, slots=True)
class Branch:
    """A FilterOperator (RFC 8620 §5.5), or a FilterCondition of several properties (an AND)."""

    operator: str
    children: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class Found:
    """What the backend found for a searchable subtree: mailbox id -> UIDs.

    whole: no mailbox is missing because the backend has an error of its own with it.
    """

    uids: "Mapping[str, array[int]]"
    whole: bool = True


@dataclass(frozen=True, slots=True)
class Decided:
    """A condition that was decided message by message: the Email ids that match. whole: none was left out."""

    ids: frozenset[str]
    whole: bool = True


Node = Leaf | Branch | Found | Decided

SMIME_CONDITIONS: Final = frozenset({"hasSmime", "hasVerifiedSmime", "hasVerifiedSmimeAtDelivery"})
"""RFC 9219 §4.2."""

DECIDED: Final = frozenset({"hasAttachment", *SMIME_CONDITIONS})
EVERYTHING = Branch("AND", ())
NOTHING = Branch("OR", ())


def tree(filter: Mapping[str, Any] | None) -> Node:
    """The filter as a tree of one-property leaves. The filter has been validated."""
    if filter is None:
        return EVERYTHING
    if "operator" in filter:
        return Branch(filter["operator"], tuple(tree(child) for child in filter["conditions"]))
    leaves = tuple(_of_condition(name, value) for name, value in filter.items())
    return leaves[0] if len(leaves) == 1 else Branch("AND", leaves)


def _of_condition(name: str, value: Any) -> Node:
    if name not in SMIME_CONDITIONS:
        return Leaf(name, value)
    # Only messages of a few content types can be S/MIME, and those the server finds without reading a body.
    candidates = Branch("OR", tuple(Leaf("header", ["Content-Type", text]) for text in CONTENT_TYPES))
    found = Branch("AND", (candidates, Leaf(name, value=True)))
    return found if value else Branch("NOT", (found,))


def leaves(node: Node) -> Iterable[Leaf]:
    """Every leaf of the tree."""
    if isinstance(node, Leaf):
        yield node
    elif isinstance(node, Branch):
        for child in node.children:
            yield from leaves(child)


TEXT_FIELDS: Mapping[str, TextField] = {
    "text": "text",
    "from": "from",
    "to": "to",
    "cc": "cc",
    "bcc": "bcc",
    "subject": "subject",
    "body": "body",
}
OPERATORS: Mapping[str, type[AllOf | AnyOf | NoneOf]] = {"AND": AllOf, "OR": AnyOf, "NOT": NoneOf}


def criterion(node: Node) -> Criterion | None:
    """The whole subtree as one question to the backend, or None where a part of it is not the backend's to answer."""
    if isinstance(node, Leaf):
        if node.name in TEXT_FIELDS:
            words = tuple(Text(TEXT_FIELDS[node.name], word) for word in tokens(node.value))
            return AllOf(words) if len(words) != 1 else words[0]
        if node.name == "header":
            return HeaderField(node.value[0], node.value[1] if len(node.value) > 1 else "")
        return None
    if not isinstance(node, Branch):
        return None
    operands = [criterion(child) for child in node.children]
    if not operands or any(operand is None for operand in operands):
        return None
    return OPERATORS[node.operator](tuple(operand for operand in operands if operand is not None))


async def resolve(
    account: MailAccount,
    node: Node,
    deciders: Mapping[str, Decider],
    *,
    scope: str | None = None,
    within: Node = EVERYTHING,
) -> Node:
    """The same filter with every condition answered that the index cannot answer.

    deciders: condition -> how it is decided, for those of `DECIDED`. scope: the only mailbox whose Emails are in
    question, None for all. within: what the Emails in question match already, so that no more messages are fetched
    than needed. Raises adapters.errors.
    """
    asked = criterion(node)
    if asked is not None:
        return await _search(account, asked, scope)
    if isinstance(node, Leaf):
        if node.name in THREAD_CONDITIONS:
            await account.threads.ready()
        return await _decide(account, node.value, deciders[node.name], within) if node.name in DECIDED else node
    if not isinstance(node, Branch):
        return node
    if node.operator == "AND":
        return await _resolve_all_of(account, node, deciders, scope, within)
    children = [await resolve(account, child, deciders, scope=scope, within=within) for child in node.children]
    return Branch(node.operator, tuple(children))


async def _resolve_all_of(
    account: MailAccount, node: Branch, deciders: Mapping[str, Decider], scope: str | None, within: Node
) -> Node:
    """The cheap conditions first; once nothing is left, nothing more is asked."""
    mailboxes = [child.value for child in node.children if isinstance(child, Leaf) and child.name == "inMailbox"]
    scope = mailboxes[0] if mailboxes else scope
    searches = tuple(child for child in node.children if criterion(child) is not None)
    others = [child for child in node.children if criterion(child) is None]
    ordered: list[Node] = [child for child in others if not _fetches(child)]
    if searches:
        ordered.append(Branch("AND", searches))
    ordered += [child for child in others if _fetches(child)]
    resolved: tuple[Node, ...] = ()
    for child in ordered:
        known = Branch("AND", (within, *resolved))
        if 1 not in matching(account, known):
            return Branch("AND", (*resolved, NOTHING))
        resolved += (await resolve(account, child, deciders, scope=scope, within=known),)
    return Branch("AND", resolved)


def _fetches(node: Node) -> bool:
    """Whether messages must be fetched to decide; such conditions come last, for as few rows as possible."""
    return any(leaf.name in DECIDED for leaf in leaves(node))


async def _search(account: MailAccount, asked: Criterion, scope: str | None) -> Found:
    boxes = [box for box in account.mailboxes.values() if box.readable and scope in (None, box.id)]
    found: dict[str, array[int]] = {}
    faults: list[Broken] = []
    for box in boxes:
        try:
            found[box.id] = await account.port.search(box.path, box.uid_validity, asked)
        except Broken as error:
            faults.append(error)
    if faults:
        logger.warning("account %s: %d mailboxes cannot be searched: %s", account.id, len(faults), faults[0])
        if not found:
            raise faults[0]
    return Found(found, whole=not faults)


def is_whole(node: Node) -> bool:
    """Whether a resolved filter was answered by all mailboxes that it asks."""
    match node:
        case Found(whole=whole) | Decided(whole=whole):
            return whole
        case Branch(children=children):
            return all(map(is_whole, children))
        case _:
            return True


async def _decide(account: MailAccount, wanted: bool, decider: Decider, within: Node) -> Decided:
    mask = matching(account, within)
    rows = [row for row in account.emails.all_rows() if mask[row]]
    decided = await decider(account.emails.ids(rows))
    matching_ids = frozenset(email_id for email_id, has_one in decided.items() if has_one is wanted)
    return Decided(matching_ids, whole=len(decided) == len(rows))


def matching(account: MailAccount, node: Node) -> Mask:
    """The rows that match a resolved filter. Dead rows may match as well; nobody looks at them."""
    size = len(account.emails)
    match node:
        case Found(uids=uids):
            rows = (row for box, found in uids.items() for row in account.emails.uids_to_rows(box, found))
            return _of_rows(rows, size)
        case Decided(ids=ids):
            known = (account.emails.row(email_id) for email_id in ids)
            return _of_rows((row for row in known if row is not None), size)
        case Leaf(name, value):
            return (CONDITIONS.get(name) or THREAD_CONDITIONS[name])(account, value)
        case Branch("AND", children):
            return _intersection([matching(account, child) for child in children], size)
        case Branch("OR", children):
            return _union([matching(account, child) for child in children], size)
        case Branch(_, children):
            return _inverse(_union([matching(account, child) for child in children], size))


def _in_mailbox(account: MailAccount, mailbox_id: str) -> Mask:
    return _of_rows(account.emails.in_mailbox(mailbox_id), len(account.emails))


def _in_mailbox_other_than(account: MailAccount, mailbox_ids: Sequence[str]) -> Mask:
    others = [_in_mailbox(account, box) for box in account.mailboxes.keys() - set(mailbox_ids)]
    return _union(others, len(account.emails))


def _before(account: MailAccount, date: str) -> Mask:
    return bytes(map(instant(date).__gt__, account.emails.received_at))


def _after(account: MailAccount, date: str) -> Mask:
    return bytes(map(instant(date).__le__, account.emails.received_at))


def _min_size(account: MailAccount, size: int) -> Mask:
    return bytes(map(size.__le__, account.emails.size))


def _max_size(account: MailAccount, size: int) -> Mask:
    return bytes(map(size.__gt__, account.emails.size))


def _has_keyword(account: MailAccount, keyword: str) -> Mask:
    return account.emails.keyword_rows(keyword.lower())


def _not_keyword(account: MailAccount, keyword: str) -> Mask:
    return _inverse(_has_keyword(account, keyword))


CONDITIONS: Mapping[str, Callable[[MailAccount, Any], Mask]] = {
    "inMailbox": _in_mailbox,
    "inMailboxOtherThan": _in_mailbox_other_than,
    "before": _before,
    "after": _after,
    "minSize": _min_size,
    "maxSize": _max_size,
    "hasKeyword": _has_keyword,
    "notKeyword": _not_keyword,
}


def some_in_thread(account: MailAccount, keyword: str) -> Mask:
    """At least one Email of the Thread has the keyword. Needs the whole thread index."""
    return _of_threads(account, _has_keyword(account, keyword))


def all_in_thread(account: MailAccount, keyword: str) -> Mask:
    """No Email of the Thread lacks the keyword."""
    return _inverse(_of_threads(account, _not_keyword(account, keyword)))


def none_in_thread(account: MailAccount, keyword: str) -> Mask:
    """No Email of the Thread has the keyword."""
    return _inverse(some_in_thread(account, keyword))


THREAD_CONDITIONS: Mapping[str, Callable[[MailAccount, str], Mask]] = {
    "allInThreadHaveKeyword": all_in_thread,
    "someInThreadHaveKeyword": some_in_thread,
    "noneInThreadHaveKeyword": none_in_thread,
}


def _of_threads(account: MailAccount, mask: Mask) -> Mask:
    """The rows of every Thread that has a living row in the mask."""
    column = account.threads.column()
    threads = {column[row] for row in account.emails.all_rows() if mask[row]}
    return bytes(map(threads.__contains__, column)).ljust(len(mask), b"\0")


def _of_rows(rows: Iterable[int], size: int) -> Mask:
    mask = bytearray(size)
    for row in rows:
        mask[row] = 1
    return bytes(mask)


def _full(size: int) -> Mask:
    return b"\x01" * size


def _number(mask: Mask) -> int:
    return int.from_bytes(mask, "little")


def _intersection(masks: Sequence[Mask], size: int) -> Mask:
    number = _number(_full(size))
    for mask in masks:
        number &= _number(mask)
    return number.to_bytes(size, "little")


def _union(masks: Sequence[Mask], size: int) -> Mask:
    number = 0
    for mask in masks:
        number |= _number(mask)
    return number.to_bytes(size, "little")


def _inverse(mask: Mask) -> Mask:
    return (_number(mask) ^ _number(_full(len(mask)))).to_bytes(len(mask), "little")
