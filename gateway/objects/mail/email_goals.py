"""What an update of an Email asks for, whether it may be had, and what came of it (RFC 8621 §4.1.1, §4.6)."""

from collections.abc import Awaitable, Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from adapters.ports.mail import Keywords
from gateway.jmap.errors import SetError
from gateway.jmap.properties import Update
from gateway.objects.mail.capability import MAX_MAILBOXES_PER_EMAIL
from gateway.sync.account import MailAccount
from gateway.sync.mailboxes import Mailbox

MAX_KEYWORDS: Final = 100
"""Keywords of one Email; servers differ, and none of them is made for more."""

Storable = Callable[[Mailbox], Awaitable[Keywords | None]]
"""The keywords that a Mailbox can store, None for any."""


@dataclass(frozen=True, slots=True)
class Goal:
    """An update as differences, so that what others change meanwhile survives: keywords, and ids of Mailboxes."""

    add: Keywords
    remove: Keywords
    enter: frozenset[str]
    leave: frozenset[str]

    def mailboxes(self, now: frozenset[str]) -> frozenset[str]:
        """Where an Email shall be that is there now."""
        return (now - self.leave) | self.enter

    def places(self, now: frozenset[str]) -> bool:
        """Whether an Email that is there now is where it shall be."""
        return self.enter <= now and not self.leave & now

    def marks(self, now: Keywords) -> bool:
        """Whether a copy with these keywords has those that it shall have."""
        return self.add <= now and not self.remove & now


def goal_of(update: Update) -> Goal:
    """The differences between what the client saw and what it wants. Keywords have no case (RFC 8621 §4.1.1)."""
    had, wanted = _names(update.current, "keywords", lower=True), _names(update.patched, "keywords", lower=True)
    was, shall = _names(update.current, "mailboxIds"), _names(update.patched, "mailboxIds")
    return Goal(wanted - had, had - wanted, shall - was, was - shall)


def _names(values: Mapping[str, Mapping[str, bool]], name: str, *, lower: bool = False) -> frozenset[str]:
    return frozenset(key.lower() if lower else key for key in values.get(name, ()))


async def check(mail: MailAccount, row: int, goal: Goal, storable: Storable) -> None:
    """Refuse what cannot or may not be done, before anything is. Raises SetError, adapters.errors."""
    now = frozenset(mail.emails.mailbox_ids(row))
    shall = goal.mailboxes(now)
    unknown = [mailbox_id for mailbox_id in goal.enter if mailbox_id not in mail.mailboxes]
    if unknown:
        raise SetError("invalidProperties", f"there is no Mailbox {unknown[0][:100]}", ["mailboxIds"])
    if not shall:  # RFC 8621 §4.1.1
        raise SetError("invalidProperties", "an Email must belong to at least one Mailbox", ["mailboxIds"])
    if goal.enter and len(shall) > MAX_MAILBOXES_PER_EMAIL:
        raise SetError("tooManyMailboxes", f"at most {MAX_MAILBOXES_PER_EMAIL}")
    if goal.add and len((mail.emails.keywords(row) - goal.remove) | goal.add) > MAX_KEYWORDS:
        raise SetError("tooManyKeywords", f"at most {MAX_KEYWORDS}")
    _check_rights(mail, now, goal)
    await _check_storable([mail.mailboxes[mailbox_id] for mailbox_id in shall], goal.add, storable)


def _check_rights(mail: MailAccount, now: frozenset[str], goal: Goal) -> None:
    """RFC 8621 §2: $seen and keywords need their right in all Mailboxes of the Email, mailboxIds that to read."""
    changed = goal.add | goal.remove
    needed = [
        ("maySetSeen", now if "$seen" in changed else frozenset()),
        ("maySetKeywords", now if changed - {"$seen"} else frozenset()),
        ("mayReadItems", goal.enter),
        ("mayAddItems", goal.enter),
        ("mayRemoveItems", goal.leave & now),
    ]
    for right, mailbox_ids in needed:
        for mailbox_id in mailbox_ids:
            if not mail.mailboxes[mailbox_id].rights[right]:
                raise SetError("forbidden", f"{right} is false for the Mailbox {mailbox_id}")


async def _check_storable(boxes: list[Mailbox], keywords: Keywords, storable: Storable) -> None:
    for box in boxes if keywords else ():
        allowed = await storable(box)
        refused = sorted(keywords - allowed) if allowed is not None else []
        if refused:
            description = f"the server cannot store {', '.join(refused)} in the Mailbox {box.id}"
            raise SetError("invalidProperties", description, ["keywords"])


class Unasked:
    """What is otherwise than the client asked for: others acted at the same time, or the server kept it not."""

    def __init__(self, mail: MailAccount) -> None:
        self._emails = mail.emails
        self._known: dict[tuple[int, Hashable], dict[str, Any] | None] = {}

    def of(self, update: Update) -> dict[str, Any] | None:
        """The properties that came out otherwise, None for none."""
        row = self._emails.row(update.id)
        if row is None:
            return None  # it was there and changed, and somebody removed it since: the next /changes tells
        like = id(update.patched), self._emails.like(row)
        if like not in self._known:
            self._known[like] = self._compared(update, row)
        return self._known[like]

    def _compared(self, update: Update, row: int) -> dict[str, Any] | None:
        now: dict[str, frozenset[str]] = {
            "keywords": self._emails.keywords(row),
            "mailboxIds": frozenset(self._emails.mailbox_ids(row)),
        }
        different = [name for name in update.changed if now[name] != frozenset(update.patched.get(name, ()))]
        return {name: dict.fromkeys(sorted(now[name]), True) for name in different} or None
