"""What this gateway has changed itself and the server has confirmed, entered into the index without another look."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from adapters.ports.mail import FolderStatus, Keywords
from gateway.sync.stage import Stage


@dataclass(frozen=True, slots=True)
class Marked:
    """Copies of one Mailbox that have new keywords.

    keywords: by UID. modseqs: the modification sequences that these changes were given (RFC 7162 §3.1.3).
    """

    mailbox_id: str
    uid_validity: int
    keywords: Mapping[int, Keywords]
    modseqs: frozenset[int]


def enter(stage: Stage, marked: Marked) -> None:
    """Apply to a stage; a Mailbox that is not what it was, or is known beyond these changes, is passed over."""
    number = stage.emails.numbers.get(marked.mailbox_id)
    cursor = None if number is None else stage.emails.boxes[number].cursor
    if number is None or cursor is None or cursor.uid_validity != marked.uid_validity:
        return
    if min(marked.modseqs, default=0) <= cursor.highest_modseq:  # a pass has seen them, and perhaps what came after
        return
    stage.flag(number, marked.keywords.items())
    stage.set_cursor(number, advanced(cursor, marked.modseqs))


def advanced(cursor: FolderStatus, modseqs: frozenset[int]) -> FolderStatus:
    """The cursor behind changes that follow it without a gap: then nobody else changed anything in between.

    Every change of a mailbox gets a modification sequence of its own (RFC 7162 §3.1).
    """
    first = cursor.highest_modseq + 1
    if not cursor.highest_modseq or modseqs != frozenset(range(first, first + len(modseqs))):
        return cursor
    return replace(cursor, highest_modseq=cursor.highest_modseq + len(modseqs))
