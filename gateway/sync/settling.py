"""The end of a stage: flags, counts and orders of what was touched, and what happened to each Email."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from gateway.sync.draft import Draft
from gateway.sync.flag_sets import DEAD
from gateway.sync.pace import SLICE, give_way

Before = tuple[frozenset[int], int]
"""The boxes of a row, and its flags."""

NOWHERE: Before = (frozenset(), DEAD)
"""What a new row was before."""


@dataclass(slots=True)
class Outcome:
    """What a pass did, in rows. moved: rows whose mailboxes or unread state changed, created and destroyed included."""

    created: list[int] = field(default_factory=list)
    updated: list[int] = field(default_factory=list)
    destroyed: list[int] = field(default_factory=list)
    moved: list[int] = field(default_factory=list)


async def settled(draft: Draft, before: Mapping[int, Before]) -> Outcome:
    """Work out everything of the rows that were touched, and what they were `before`."""
    outcome = Outcome()
    come: dict[int, list[int]] = {}
    gone: dict[int, set[int]] = {}
    counts: dict[int, list[int]] = {}
    emails, unread = draft.emails, draft.emails.flag_sets.unread
    for done, (row, (boxes, flags)) in enumerate(before.items()):
        if done % SLICE == SLICE - 1:
            await give_way()
        draft.set_flags(row)
        after = emails.box_set(row), emails.flag_set[row]
        _classify(draft, row, (boxes, flags), after, outcome)
        for number in after[0] - boxes:
            come.setdefault(number, []).append(row)
        for number in boxes - after[0]:
            gone.setdefault(number, set()).add(row)
        for sign, numbers, one in ((-1, boxes, flags), (1, *after)):
            for number in numbers:
                count = counts.setdefault(number, [0, 0])
                count[0] += sign
                count[1] += sign * unread[one]
    _apply_counts(draft, counts)
    for number in come.keys() | gone.keys():
        emails.reorder(number, gone.get(number, set()), come.get(number, ()))
    emails.reorder(None, set(outcome.destroyed), outcome.created)
    return outcome


async def count_all(draft: Draft, unsettled: Iterable[int]) -> None:
    """Work out the counts of an account that is built from nothing. unsettled: rows with more than one copy, or marked
    again; the others have the flags of their only copy.
    """
    for row in unsettled:
        draft.set_flags(row)
    emails = draft.emails
    unread = emails.unread_rows()
    counts = {number: [-box.total, -box.unread] for number, box in emails.boxes.items()}
    for number, contents in emails.contents.items():
        # an Email may have several copies in one mailbox
        rows = set(contents.rows) if emails.more else contents.rows
        counts[number][0] += len(rows)
        counts[number][1] += sum(map(unread.__getitem__, rows))
        await asyncio.sleep(0)
    _apply_counts(draft, counts)


def _classify(draft: Draft, row: int, before: Before, after: Before, outcome: Outcome) -> None:
    boxes, unread = before[0], draft.emails.flag_sets.unread
    if not boxes and not after[0]:
        return
    if boxes != after[0] or unread[before[1]] != unread[after[1]]:
        outcome.moved.append(row)
    if not boxes:
        outcome.created.append(row)
    elif not after[0]:
        outcome.destroyed.append(row)
    elif before != after:
        outcome.updated.append(row)


def _apply_counts(draft: Draft, counts: Mapping[int, Sequence[int]]) -> None:
    for number, (total, unread) in counts.items():
        box = draft.emails.boxes.get(number)
        if box is not None:
            draft.put_box(replace(box, total=box.total + total, unread=box.unread + unread))
