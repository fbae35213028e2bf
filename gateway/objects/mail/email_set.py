"""Email/set: update and destroy (RFC 8621 §4.6).

All Emails of a call are changed together: one STORE for the same change in one folder, one MOVE for the same way.
Then the account is looked at again. What another client moved away in between is followed to where it went, so a
change that was accepted is never lost on the way.
"""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from adapters.errors import AdapterError, Conflict, NotFound
from adapters.ports.mail import Keywords
from adapters.ports.mail_write import FlagDelta, MailWritePort
from gateway.jmap.errors import SetError
from gateway.jmap.properties import Update
from gateway.jmap.standard.common import after_writing, refusals
from gateway.objects.mail.email_goals import Goal, Unasked, check, goal_of
from gateway.objects.mail.moves import Add, Move, Remove, Step, plan_moves
from gateway.sync.account import MailAccount
from gateway.sync.copies import Copy, Known
from gateway.sync.emails import Emails
from gateway.sync.mailboxes import Mailbox
from gateway.sync.own_writes import Marked

Result = TypeVar("Result")

ROUNDS: Final = 4
"""How often an Email that others move at the same time is followed."""

Place = tuple[str, int, str | None]
"""A folder (path and UIDVALIDITY) to act in, and where to, if anywhere."""


async def update(
    mail: MailAccount, port: MailWritePort, updates: Mapping[str, Update]
) -> dict[str, Mapping[str, Any] | SetError | None]:
    """By id: what came out otherwise than asked for, None for nothing, or why it was not done."""
    run = _Run(mail, port)
    alike = {id(update.patched): update for update in updates.values()}  # one patch of the same values many times
    goal = {key: goal_of(update) for key, update in alike.items()}
    goals = {email_id: goal[id(update.patched)] for email_id, update in updates.items()}
    await run.check(goals)
    async with mail.changing:
        await run.reach(goals)
        await run.undo()
    unasked = Unasked(mail)
    return {email_id: run.errors.get(email_id) or unasked.of(update) for email_id, update in updates.items()}


async def destroy(mail: MailAccount, port: MailWritePort, ids: Sequence[str]) -> dict[str, SetError]:
    """By id: why it was not destroyed. All copies go, wherever they are (RFC 8621 §4.6)."""
    run = _Run(mail, port)
    for email_id in ids:
        row = mail.emails.row(email_id)
        if row is None:
            run.errors[email_id] = SetError("notFound")
        elif not all(mail.mailboxes[box].rights["mayRemoveItems"] for box in mail.emails.mailbox_ids(row)):
            run.errors[email_id] = SetError("forbidden", "mayRemoveItems is false for a Mailbox of the Email")
    async with mail.changing:
        await run.remove([email_id for email_id in ids if email_id not in run.errors])
    return run.errors


@dataclass(slots=True)
class _Plan:
    """What is to be done about one Email in this round."""

    flags: list[tuple[Copy, Keywords, Keywords]]
    steps: list[Step]


@dataclass(slots=True)
class _Run:
    """One call under way.

    flagged: what was changed on which copies, by Email id. storable: see `email_goals.Storable`, by Mailbox id.
    news, certain: what the server has confirmed in this round, and whether that is all that happened.
    seen, rows: the rows of Emails in the snapshot that was seen last.
    """

    mail: MailAccount
    port: MailWritePort
    errors: dict[str, SetError] = field(default_factory=dict)
    flagged: dict[str, list[tuple[Copy, Keywords, Keywords]]] = field(default_factory=lambda: defaultdict(list))
    storable: dict[str, Keywords | None] = field(default_factory=dict)
    news: list[Marked] = field(default_factory=list)
    certain: bool = True
    seen: Emails | None = None
    rows: dict[str, int | None] = field(default_factory=dict)

    async def check(self, goals: Mapping[str, Goal]) -> None:
        """Refuse what cannot be done."""
        passed: set[tuple[int, Hashable]] = set()
        for email_id, goal in goals.items():
            row = self._row(email_id)
            try:
                if row is None:
                    raise SetError("notFound")  # noqa: TRY301 - one place that collects them all
                if (like := (id(goal), self.mail.emails.like(row))) not in passed:
                    await check(self.mail, row, goal, self._storable)
                    passed.add(like)
            except SetError as error:
                self.errors[email_id] = error
            except AdapterError as error:
                self.errors |= refusals(error, [email_id])

    async def _storable(self, box: Mailbox) -> Keywords | None:
        if box.id not in self.storable:
            self.storable[box.id] = await self.port.permanent_keywords(box.path)
        return self.storable[box.id]

    # update

    async def reach(self, goals: Mapping[str, Goal]) -> None:
        """Carry out, look, and carry out again what others prevented. The account is fresh afterwards."""
        left = {email_id: goal for email_id, goal in goals.items() if email_id not in self.errors}
        for _ in range(ROUNDS):
            if not left:
                return
            self.news, self.certain = [], True
            await self._round(left)
            with after_writing(True):
                await (self.mail.advance(self.news) if self.certain else self.mail.refresh())
            left = {email_id: goal for email_id, goal in left.items() if self._is_open(email_id, goal)}
        self.errors |= refusals(Conflict("others move this Email all the time"), left)

    async def _round(self, goals: Mapping[str, Goal]) -> None:
        plans: dict[str, _Plan] = {}
        for email_id, goal in goals.items():
            plan = self._plan(email_id, goal)
            if plan is not None:
                plans[email_id] = plan
        await self._flag(plans)
        await self._place(plans, Add, lambda path, validity, uids, to: self.port.copy(path, validity, uids, to or ""))
        await self._place(plans, Move, lambda path, validity, uids, to: self.port.move(path, validity, uids, to or ""))
        await self._place(plans, Remove, lambda path, validity, uids, _: self.port.expunge(path, validity, uids))

    def _plan(self, email_id: str, goal: Goal) -> _Plan | None:
        emails = self.mail.emails
        row = self._row(email_id)
        if row is None:
            self.errors[email_id] = SetError("notFound")
            return None
        copies = emails.copies(row)
        steps: list[Step] = []
        if goal.enter or goal.leave:
            if not goal.enter <= self.mail.mailboxes.keys():
                self.errors[email_id] = SetError("invalidProperties", "the Mailbox is gone", ["mailboxIds"])
                return None
            wanted = goal.mailboxes(frozenset(emails.mailbox_ids(row)))
            steps = plan_moves(copies, sorted(wanted)) if wanted else []
        passed_over = {copy for copy, _, _ in self.flagged.get(email_id, ())}
        passed_over |= {step.source for step in steps if isinstance(step, Remove)}
        flags = []
        for copy in copies:
            own = self._keywords(copy) if len(copies) > 1 else emails.keywords(row)
            add, remove = goal.add - own, goal.remove & own
            if steps and len(copies) > 1 and self.mail.mailboxes[copy.mailbox_id].rights["maySetKeywords"]:
                total = (emails.keywords(row) - goal.remove) | goal.add
                add, remove = total - own, own - total  # what only a copy that goes away had is not to be lost
            if (add or remove) and not (passed_over and copy in passed_over):
                flags.append((copy, add, remove))
        return _Plan(flags, steps)

    def _row(self, email_id: str) -> int | None:
        """The row of an Email as of now."""
        if self.seen is not self.mail.emails:
            self.seen, self.rows = self.mail.emails, {}
        if email_id not in self.rows:
            self.rows[email_id] = self.mail.emails.row(email_id)
        return self.rows[email_id]

    def _keywords(self, copy: Copy) -> Keywords:
        """The keywords of one copy."""
        emails = self.mail.emails
        return Known(emails.contents[emails.numbers[copy.mailbox_id]], emails.flag_sets).keywords(copy.uid)

    def _is_open(self, email_id: str, goal: Goal) -> bool:
        """Whether there is still something to do: an Email elsewhere, a copy that was not there before."""
        if email_id in self.errors:
            return False
        emails = self.mail.emails
        row = self._row(email_id)
        if row is None:
            self.errors[email_id] = SetError("notFound")
            return False
        if row not in emails.more and goal.marks(emails.keywords(row)):
            return not goal.places(frozenset(emails.mailbox_ids(row)))
        done = {copy for copy, _, _ in self.flagged.get(email_id, ())}
        marked = all(copy in done or goal.marks(self._keywords(copy)) for copy in emails.copies(row))
        return not (marked and goal.places(frozenset(emails.mailbox_ids(row))))

    async def _flag(self, plans: dict[str, _Plan]) -> None:
        """All flag changes, by folder."""
        folders: dict[Place, dict[str, list[tuple[Copy, Keywords, Keywords]]]] = defaultdict(lambda: defaultdict(list))
        for email_id, plan in plans.items():
            for change in plan.flags:
                folders[change[0].path, change[0].uid_validity, None][email_id].append(change)
        for (path, uid_validity, _), changes in folders.items():
            together = [change for found in changes.values() for change in found]
            since = self._known_to(together[0][0])
            told = await self._try(self.port.change_flags(path, uid_validity, _deltas(together), since), changes, plans)
            if told is not None:
                for email_id, found in changes.items():
                    self.flagged[email_id].extend(found)
                self._learn(together, told)

    def _known_to(self, copy: Copy) -> int:
        """The modification sequence up to which the Mailbox of a copy is known, 0 for none."""
        emails = self.mail.emails
        number = emails.numbers.get(copy.mailbox_id)
        cursor = None if number is None else emails.boxes[number].cursor
        return cursor.highest_modseq if cursor is not None and cursor.uid_validity == copy.uid_validity else 0

    def _learn(self, changes: Sequence[tuple[Copy, Keywords, Keywords]], told: Mapping[int, int]) -> None:
        """What the server confirms of changes in one folder need not be looked up."""
        first = changes[0][0]
        emails = self.mail.emails
        number = emails.numbers.get(first.mailbox_id)
        contents = None if number is None else emails.contents[number]
        keywords = {
            copy.uid: (self._keywords(copy) - remove) | add
            for copy, add, remove in changes
            if contents is not None and contents.position(copy.uid) >= 0
        }
        self.certain &= len(keywords) == len(changes) and keywords.keys() <= told.keys()
        self.news.append(Marked(first.mailbox_id, first.uid_validity, keywords, frozenset(told.values())))

    async def _place(
        self,
        plans: dict[str, _Plan],
        kind: type[Step],
        act: Callable[[str, int, list[int], str | None], Awaitable[object]],
    ) -> None:
        """All steps of one kind, by folder and target."""
        ways: dict[Place, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
        for email_id, plan in plans.items():
            for step in plan.steps:
                if isinstance(step, kind):
                    to = None if isinstance(step, Remove) else self.mail.mailboxes[step.target].path
                    ways[step.source.path, step.source.uid_validity, to][email_id].append(step.source.uid)
        self.certain &= not ways
        for (path, uid_validity, to), uids in ways.items():
            concerned = {email_id: found for email_id, found in uids.items() if email_id in plans}
            if concerned:
                everything = [uid for found in concerned.values() for uid in found]
                await self._try(act(path, uid_validity, everything, to), concerned, plans)

    async def _try(self, action: Awaitable[Result], concerned: Iterable[str], plans: dict[str, _Plan]) -> Result | None:
        """Act; Emails that it failed for are out of the round, and for good unless it is worth looking again."""
        try:
            return await action
        except (Conflict, NotFound):
            pass  # the folder is not what it was: the next round sees what it is
        except AdapterError as error:
            self.errors |= refusals(error, concerned)
        self.certain = False
        for email_id in concerned:
            plans.pop(email_id, None)
        return None

    async def undo(self) -> None:
        """Take back flag changes of updates that failed after them: an update is done whole or not (RFC 8620 §5.3)."""
        changes = [change for email_id in self.errors for change in self.flagged.get(email_id, ())]
        folders: dict[tuple[str, int], list[tuple[Copy, Keywords, Keywords]]] = defaultdict(list)
        for copy, add, remove in changes:
            folders[copy.path, copy.uid_validity].append((copy, remove, add))
        for (path, uid_validity), found in folders.items():
            with suppress(AdapterError):
                await self.port.change_flags(path, uid_validity, _deltas(found))
        if folders:
            with after_writing(True):
                await self.mail.refresh()

    # destroy

    async def remove(self, ids: Sequence[str]) -> None:
        """Remove all copies of some Emails, also those that others make meanwhile."""
        emails = self.mail.emails
        left = [email_id for email_id in ids if emails.row(email_id) is not None]
        for _ in range(ROUNDS):
            if not left:
                return
            plans = {email_id: _Plan([], [Remove(copy) for copy in self._copies(email_id)]) for email_id in left}
            await self._place(plans, Remove, lambda path, validity, uids, _: self.port.expunge(path, validity, uids))
            with after_writing(True):
                await self.mail.refresh()
            left = [email_id for email_id in left if email_id not in self.errors and self._copies(email_id)]
        self.errors |= refusals(Conflict("others move this Email all the time"), left)

    def _copies(self, email_id: str) -> list[Copy]:
        row = self.mail.emails.row(email_id)
        return [] if row is None else self.mail.emails.copies(row)


def _deltas(changes: Iterable[tuple[Copy, Keywords, Keywords]]) -> list[FlagDelta]:
    """Copies of one folder that are changed alike, together."""
    alike: dict[tuple[Keywords, Keywords], list[int]] = defaultdict(list)
    for copy, add, remove in changes:
        alike[add, remove].append(copy.uid)
    return [FlagDelta(tuple(uids), add, remove) for (add, remove), uids in alike.items()]
