"""The filter of an Email/query as a tree (RFC 8621 §4.4.1), before and after its conditions have been answered.

Pure. `selection` answers what the index cannot; `masks` evaluates the tree on the index.
"""

from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from adapters.formats.smime.kinds import CONTENT_TYPES
from adapters.ports.mail_search import AllOf, AnyOf, Criterion, HeaderField, NoneOf, Text, TextField
from gateway.objects.mail.search_text import tokens


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
    """What the backend found for a searchable subtree: mailbox id -> UIDs, of each mailbox that was searched.

    unsearched: ids of mailboxes that the backend has an error of its own with. Of Emails that lie only there it is not
    known whether they match.
    """

    uids: "Mapping[str, array[int]]"
    unsearched: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Decided:
    """A condition that was decided message by message: the Email ids that match.

    undecided: those of which it is not known.
    """

    ids: frozenset[str]
    undecided: frozenset[str] = frozenset()


Node = Leaf | Branch | Found | Decided

SMIME_CONDITIONS: Final = frozenset({"hasSmime", "hasVerifiedSmime", "hasVerifiedSmimeAtDelivery"})
"""RFC 9219 §4.2."""

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


def is_whole(node: Node) -> bool:
    """Whether a resolved filter was answered for all Emails that it asks of."""
    match node:
        case Found(unsearched=unknown) | Decided(undecided=unknown):
            return not unknown
        case Branch(children=children):
            return all(map(is_whole, children))
        case _:
            return True
