"""From the Mailboxes that an Email is in to those that it shall be in: what to do with its copies (pure).

An Email may lie in several folders, and several times in one. While the steps are carried out in order, at least one
copy exists at any moment, so that whatever fails half-way loses no message.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from gateway.sync.copies import Copy


@dataclass(frozen=True, slots=True)
class Add:
    """Put a further copy into a Mailbox."""

    source: Copy
    target: str


@dataclass(frozen=True, slots=True)
class Move:
    """Put this copy into another Mailbox, in one action where the server can."""

    source: Copy
    target: str


@dataclass(frozen=True, slots=True)
class Remove:
    """Remove this copy; others are left."""

    source: Copy


Step = Add | Move | Remove


def plan_moves(copies: Sequence[Copy], wanted: Collection[str]) -> list[Step]:
    """The steps that bring an Email with these copies into exactly the wanted Mailboxes (ids), in order.

    First what only adds, then the moves, then what only removes. A copy that has to go is rather moved to where one
    is missing than copied and removed. Raises ValueError where there is no copy or nowhere to be (RFC 8621 §4.1.1).
    """
    if not copies or not wanted:
        raise ValueError("an Email has at least one copy and is in at least one Mailbox")
    staying = [copy for copy in copies if copy.mailbox_id in wanted]
    leaving = [copy for copy in copies if copy.mailbox_id not in wanted]
    missing = [mailbox_id for mailbox_id in wanted if mailbox_id not in {copy.mailbox_id for copy in staying}]
    moves: list[Step] = [Move(copy, target) for copy, target in zip(leaving, missing, strict=False)]
    source = staying[0] if staying else leaving[0]
    adds: list[Step] = [Add(source, target) for target in missing[len(leaving) :]]
    removes: list[Step] = [Remove(copy) for copy in leaving[len(missing) :]]
    return adds + moves + removes
