"""Which Emails match a filter (RFC 8621 §4.4.1): whatever of it the index does not know.

Text is searched by the backend, one SEARCH per folder for all that one SEARCH can express; `hasAttachment` and what is
about S/MIME is decided by the gateway for the rows that are still in question. What comes out is evaluated by `masks`.
"""

import logging
from array import array
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from adapters.errors import Broken
from adapters.ports.mail_search import Criterion
from gateway.objects.mail.filter_tree import (
    EVERYTHING,
    NOTHING,
    SMIME_CONDITIONS,
    Branch,
    Decided,
    Found,
    Leaf,
    Node,
    criterion,
    leaves,
)
from gateway.objects.mail.masks import THREAD_CONDITIONS, matching
from gateway.sync.account import MailAccount

logger = logging.getLogger(__name__)

Decider = Callable[[Sequence[str]], Awaitable[Mapping[str, bool]]]
"""Decides a condition such as hasAttachment (RFC 8621 §4.1.4) for Email ids; ids of which it cannot be known are left
out."""

DECIDED: Final = frozenset({"hasAttachment", *SMIME_CONDITIONS})


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
        if 1 not in matching(account, known, perhaps=True):
            return Branch("AND", (*resolved, NOTHING))
        resolved += (await resolve(account, child, deciders, scope=scope, within=known),)
    return Branch("AND", resolved)


def _fetches(node: Node) -> bool:
    """Whether messages must be fetched to decide; such conditions come last, for as few rows as possible."""
    return any(leaf.name in DECIDED for leaf in leaves(node))


async def _search(account: MailAccount, asked: Criterion, scope: str | None) -> Found:
    # One of which nothing could be read yet has no UIDVALIDITY, and no Email that is known.
    boxes = [b for b in account.mailboxes.values() if b.readable and b.uid_validity and scope in (None, b.id)]
    found: dict[str, array[int]] = {}
    faults: dict[str, Broken] = {}
    for box in boxes:
        try:
            found[box.id] = await account.port.search(box.path, box.uid_validity, asked)
        except Broken as error:
            faults[box.id] = error
    if faults:
        fault = next(iter(faults.values()))
        logger.warning("account %s: %d mailboxes cannot be searched: %s", account.id, len(faults), fault)
        if not found:
            raise fault
    return Found(found, frozenset(faults))


async def _decide(account: MailAccount, wanted: bool, decider: Decider, within: Node) -> Decided:
    mask = matching(account, within, perhaps=True)
    asked = account.emails.ids([row for row in account.emails.all_rows() if mask[row]])
    decided = await decider(asked)
    matching_ids = frozenset(email_id for email_id, has_one in decided.items() if has_one is wanted)
    return Decided(matching_ids, frozenset(asked).difference(decided))
