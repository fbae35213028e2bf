"""The pass: what the backend holds now, as the next snapshot. The only place that mints ids."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from adapters.errors import Broken
from adapters.ports.mail import Arrivals, Folder, FolderDelta, MailFacts, MailPort
from gateway.sync import folders, ids, roles
from gateway.sync.copies import Known
from gateway.sync.mailboxes import Box
from gateway.sync.pace import SLICE, ahead, give_way
from gateway.sync.settling import Outcome
from gateway.sync.snapshot import Snapshot
from gateway.sync.stage import Stage
from gateway.sync.thread_facts import Facts
from gateway.sync.threads import fetch_facts

logger = logging.getLogger(__name__)

ROUNDS = 3
"""How often a pass looks again when the backend moves under it."""


@dataclass(slots=True)
class Pass:
    """What a pass has found: a settled stage, and by digest what new Emails say of their Threads."""

    stage: Stage
    outcome: Outcome
    said: dict[bytes, Facts]


class Refresh:
    """One pass over an account; used once.

    base: the committed state. fresh: it is empty because nothing was stored, so nothing has to be remembered.
    renames: what this gateway has renamed since, in order.
    calm: whether the last listing alone told that nothing happened, so that the same one will tell the same again.
    resting: paths of folders that are not to be read now, see `unserved.Unserved`.
    unserved: those that the backend has an error of its own with, whose known state stays; failed: that it turned out.
    """

    def __init__(
        self,
        base: Snapshot,
        port: MailPort,
        facts: MailFacts,
        namespace: str,
        *,
        fresh: bool,
        renames: Sequence[tuple[str, str]] = (),
        resting: AbstractSet[str] = frozenset(),
    ) -> None:
        self._base = base
        self._port = port
        self._namespace = namespace
        self._digester = ids.Digester(namespace, facts.id_source)
        self._fingerprints = facts.id_source == "fingerprint"
        self.calm = False
        self.failed: set[str] = set()
        self._resting = resting
        self.unserved: set[str] = set()
        self._restless = False
        self._stage = Stage(
            base.emails,
            self._digester,
            recording=not fresh,
            fingerprints=self._fingerprints,
            threads=base.threads.fork() if facts.thread_ids else None,
        )
        for path, target in renames:
            self._rename(path, target)

    async def run(self, listing: Sequence[Folder]) -> Pass | None:
        """Look until the backend holds still; None if nothing at all happened. Raises adapters.errors.*.

        listing: the port's folders as of now.
        """
        for turn in range(ROUNDS):
            self._restless = False
            acted = await self._round(await self._port.folders() if turn else listing)
            # An Email that lost its last copy may have been moved to a folder that was looked at before, and a long
            # stream is overtaken by new mail: look again, so that a move is never a destroy and a create.
            if not acted or not (self._restless or self._stage.has_orphans()):
                break
        else:
            if self._stage.has_orphans():
                await self._seek()
        if not self._changed():
            return None
        outcome = await self._stage.settle()
        return Pass(self._stage, outcome, await self._said(outcome))

    def _changed(self) -> bool:
        stage = self._stage
        return bool(stage.dirty_boxes or stage.dropped_boxes or stage.touched)

    def _rename(self, path: str, target: str) -> None:
        """Give a folder and all below it their new names."""
        for box in list(self._stage.emails.boxes.values()):
            name, delimiter = box.folder.path, box.folder.delimiter
            if name == path or (delimiter and name.startswith(path + delimiter)):
                self._stage.put_box(replace(box, folder=replace(box.folder, path=target + name[len(path) :])))

    def _follow(self, box: Box, folder: Folder) -> None:
        """Have the box be what the folder is now, but for the numbers."""
        if (told := _without_status(folder)) != box.folder:
            self._stage.put_box(replace(box, folder=told))

    def _match(self, listing: Sequence[Folder]) -> folders.Matching:
        real = [folder for folder in listing if not folder.virtual]
        return folders.match(self._stage.emails.boxes.values(), folders.unique(real))

    async def _round(self, listing: Sequence[Folder]) -> bool:
        """All deltas since one snapshot of the folders; whether there was anything to do."""
        matching = self._match(listing)
        acted = False
        for box in matching.gone:
            self._stage.drop_box(box.number)
            acted = True
        moved = []
        for folder, box in matching.same:
            self._follow(box, folder)
            if not folder.readable and box.cursor is not None:
                self._stage.clear(box.number)
                self._stage.set_cursor(box.number, None)
            elif folder.readable and (folder.status is None or self._rests(folder)):
                self.unserved.add(folder.path)
            elif folder.status is not None and folder.readable:
                if box.cursor is None:
                    matching.created.append(folder)
                elif folders.moved(folder.status, box.cursor):
                    moved.append((folder, box))
        self.calm = not (moved or matching.gone or matching.doubtful or matching.created or self._resting)
        acted |= await self._apply_deltas(moved)
        for folder, box in matching.doubtful:
            if not self._rests(folder):
                await self._resolve(folder, box)
                acted = True
        for folder in sorted(matching.created, key=_reading_order):
            box = self._box_of(folder)
            if not self._rests(folder):
                await self._fill(box, folder)
                acted = True
        return acted

    # Known folders

    async def _apply_deltas(self, moved: Sequence[tuple[Folder, Box]]) -> bool:
        """Departures of all folders before arrivals of any, so that a fingerprint finds the Email that moved."""
        deltas: list[tuple[int, FolderDelta]] = []
        for folder, box in moved:
            known = Known(self._stage.emails.contents[box.number], self._stage.emails.flag_sets)
            try:
                deltas.append((box.number, await self._port.changes(folder.path, box.cursor, known)))
            except (*folders.AWAY, Broken) as error:
                self._not_read(folder, error)
        for number, delta in deltas:
            if delta.reset:
                self._stage.clear(number)
            else:
                self._stage.vanish(number, delta.vanished)
                self._stage.flag(number, delta.flags)
            await asyncio.sleep(0)
        for number, delta in deltas:
            await self._arrive(number, delta.arrivals)
            self._stage.set_cursor(number, delta.cursor)
        return any(delta.reset or delta.vanished or delta.flags or delta.arrivals.uids for _, delta in deltas)

    async def _arrive(self, number: int, arrivals: Arrivals) -> None:
        if self._fingerprints:
            arrivals = _ascending(arrivals)  # ordinals go by UID
        for start in range(0, len(arrivals.uids), SLICE):
            self._stage.arrive(number, arrivals, start, min(start + SLICE, len(arrivals.uids)))
            await give_way()

    def _rests(self, folder: Folder) -> bool:
        return folder.path in self.failed or folder.path in self._resting

    def _not_read(self, folder: Folder, error: Exception) -> None:
        if isinstance(error, Broken):
            self.unserved.add(folder.path)
            self.failed.add(folder.path)
        else:
            logger.info("folder changed during the pass: %s", error)
            self._restless = True

    async def _seek(self) -> None:
        """Enter only what came, so that Emails on their way are found and no other one loses its last copy.

        The cursors stay where they are: the next pass looks at all that happened.
        """
        matching = self._match(await self._port.folders())
        for folder, box in matching.same:
            if folder.status is None or box.cursor is None or not folders.moved(folder.status, box.cursor):
                continue
            known = Known(self._stage.emails.contents[box.number], self._stage.emails.flag_sets)
            with contextlib.suppress(*folders.AWAY, Broken):
                delta = await self._port.changes(folder.path, box.cursor, known)
                if not delta.reset:
                    await self._arrive(box.number, delta.arrivals)
        for folder in matching.created:
            await self._fill(self._box_of(folder), folder)

    # New and doubtful folders

    def _box_of(self, folder: Folder) -> Box:
        """The box that waits for its first look at this folder, else a new one."""
        for box in self._stage.emails.boxes.values():
            if box.folder.path == folder.path and box.cursor is None:
                return box
        return self._stage.add_box(self._mailbox_id(folder), _without_status(folder))

    def _mailbox_id(self, folder: Folder) -> str:
        return folders.new_id(self._namespace, folder, self._stage.emails.numbers, self._base.mailboxes)

    async def _fill(self, box: Box, folder: Folder) -> None:
        """Read a whole folder into an empty box; the cursor is the snapshot's, from where deltas overlap."""
        if folder.status is None or not folder.readable:
            return
        try:
            if folder.status.messages:
                async for arrivals in self._stream(folder):
                    await self._arrive(box.number, arrivals)
                self._restless = True
        except (*folders.AWAY, Broken) as error:
            self._not_read(folder, error)
            self._stage.clear(box.number)
            return
        self._stage.set_cursor(box.number, folder.status)

    async def _stream(self, folder: Folder) -> AsyncIterator[Arrivals]:
        """Batches of a folder; of a folder with fingerprints one, because ordinals go by UID over the whole of it."""
        uid_validity = folder.status.uid_validity if folder.status else 0
        if not self._fingerprints:
            async with contextlib.aclosing(ahead(self._port.facts(folder.path, uid_validity))) as batches:
                async for arrivals in batches:
                    yield arrivals
            return
        whole = Arrivals()
        async for arrivals in self._port.facts(folder.path, uid_validity):
            _extend(whole, arrivals)
        yield whole

    async def _resolve(self, folder: Folder, box: Box) -> None:
        """A new UIDVALIDITY or a guessed rename: the messages tell whether it is the same mailbox."""
        known = set(self._stage.emails.contents[box.number].rows)
        whole = Arrivals()
        try:
            async for arrivals in self._port.facts(folder.path, folder.status.uid_validity if folder.status else 0):
                _extend(whole, arrivals)
        except (*folders.AWAY, Broken) as error:
            self._not_read(folder, error)
            return
        same_path = folder.path == box.folder.path
        if self._stage.shares(box.number, whole.native_ids) if known else not (same_path or whole.uids):
            self._stage.clear(box.number)
            self._follow(box, folder)
        else:
            self._stage.drop_box(box.number)
            box = self._stage.add_box(self._mailbox_id(folder), _without_status(folder))
        await self._arrive(box.number, whole)
        self._stage.set_cursor(box.number, folder.status)
        self._restless = True

    # Threads

    async def _said(self, outcome: Outcome) -> dict[bytes, Facts]:
        """What the Emails say that have no thread yet; while the index is being built that is its own business."""
        threads = self._base.threads
        said: dict[bytes, Facts] = {}
        if not threads.complete or self._stage.threads is not None:
            return said
        emails = self._stage.emails
        wanted: dict[int, list[int]] = {}
        for row in outcome.created:
            if threads.of_row(row) is None:
                box, uid = next(emails.places(row))
                wanted.setdefault(box, []).append(uid)
        for box, uids in wanted.items():
            said.update(await fetch_facts(self._port, emails, box, sorted(uids, reverse=True)))
        return said


def _without_status(folder: Folder) -> Folder:
    return replace(folder, status=None)


def _reading_order(folder: Folder) -> tuple[bool, int, str]:
    """INBOX first, then the largest."""
    return not roles.is_inbox(folder), -(folder.status.messages if folder.status else 0), folder.path


def _ascending(arrivals: Arrivals) -> Arrivals:
    return arrivals.select(sorted(range(len(arrivals.uids)), key=arrivals.uids.__getitem__))


def _extend(whole: Arrivals, more: Arrivals) -> None:
    whole.uids.extend(more.uids)
    whole.native_ids.extend(more.native_ids)
    whole.received.extend(more.received)
    whole.sizes.extend(more.sizes)
    whole.keywords.extend(more.keywords)
    if more.thread_ids is not None:
        whole.thread_ids = [*(whole.thread_ids or ()), *more.thread_ids]
