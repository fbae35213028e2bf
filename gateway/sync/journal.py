"""What changed when: the answer to every /changes call (RFC 8620 §5.2).

A state string is `<epoch>-<seq>`: the epoch is random per life of the account's record, `seq` the number of the last
commit that changed the type. An intermediate state is `<epoch>-<since>-<upto>-<offset>`: the client has received the
first `offset` of the changes between two states. Changes between two states are always coalesced over the whole
stretch, newest first, so no page contradicts another one.
"""

import re
import secrets
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice

TYPES = ("Mailbox", "Thread", "Email")
"""The types of mail."""
DELIVERY = "EmailDelivery"
"""Has a state and nothing else: it changes when an Email is added (RFC 8621 §1.5)."""
PUSHED = (*TYPES, DELIVERY)
"""What has states to be pushed."""
COUNTS = ["totalEmails", "unreadEmails", "totalThreads", "unreadThreads"]
"""The properties that `updated_properties` names when nothing else of a Mailbox changed (RFC 8621 §2.2)."""

_STATE = re.compile(r"([0-9a-z]{1,40})-(\d{1,15})(?:-(\d{1,15})-(\d{1,15}))?", re.ASCII)


class CannotCalculateChanges(Exception):
    """The state is of another epoch, above the head, too old, or no state at all (RFC 8620 §5.2)."""


@dataclass(slots=True)
class ChangeSet:
    """A /changes answer (RFC 8620 §5.2); `updated_properties` is for Mailbox (RFC 8621 §2.2)."""

    old_state: str
    new_state: str
    has_more: bool
    created: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    destroyed: list[str] = field(default_factory=list)
    updated_properties: list[str] | None = None


@dataclass(slots=True)
class Changes:
    """What one commit did to one type; an id occurs once. counts: updated, but only in `COUNTS`."""

    created: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    counts: list[str] = field(default_factory=list)
    destroyed: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.created) + len(self.updated) + len(self.counts) + len(self.destroyed)


@dataclass(frozen=True, slots=True)
class Record:
    """One commit. Types without a change are left out."""

    seq: int
    types: Mapping[str, Changes]

    def __len__(self) -> int:
        return sum(map(len, self.types.values()))


@dataclass(slots=True)
class _Net:
    """What became of one id between two states."""

    existed: bool
    exists: bool
    only_counts: bool


class Journal:
    """The newest records of an account. `keep` bounds the ids held over all records; types: those that it tells of.

    past: earlier epochs, each with the last `seq` that was the same in it. history: of the store (`store.base.Lease`)
    that the journal was last stored in, None before that.
    """

    def __init__(self, keep: int = 10_000, types: tuple[str, ...] = TYPES) -> None:
        self._keep = keep
        self._types = types
        self._states = (*types, DELIVERY) if "Email" in types else types
        self._held = 0
        self.records: list[Record] = []
        self.epoch = ""
        self.seq = 0
        self.heads = dict.fromkeys(self._states, 0)
        self.floors = dict.fromkeys(types, 0)
        self.past: dict[str, int] = {}
        self.history: str | None = None
        self.renew()

    def renew(self) -> None:
        """A new epoch: every state that was given out before is unknown from now on."""
        self.epoch = secrets.token_hex(6)
        self.history = None
        self.past = {}
        self.records = []
        self._held = 0
        self.heads = dict.fromkeys(self._states, self.seq)
        self.floors = dict.fromkeys(self._types, self.seq)

    def branch(self, last: int) -> None:
        """A new epoch that goes on after `last`: older states stay good, those after it may be of somebody else.

        It is for commits that cannot be stored while others may store theirs, and for those that follow lost ones.
        """
        floor = min(self.floors.values())
        self.past = {epoch: end for epoch, end in self.past.items() if end >= floor} | {self.epoch: last}
        self.epoch = secrets.token_hex(6)

    def enter(self, history: str, last: int) -> None:
        """Be stored in a history: in another one than before, commits after `last` were perhaps told and are lost."""
        if self.history not in (None, history):
            self.branch(last)
        self.history = history

    def state(self, *type_names: str) -> str:
        """The current state string of a type, or of several together: that of the one that changed last."""
        return f"{self.epoch}-{max(self.heads[name] for name in type_names)}"

    def record(self, types: Mapping[str, Changes]) -> Record:
        """The next record, not yet appended; empty if nothing changed."""
        return Record(self.seq + 1, {name: changes for name, changes in types.items() if len(changes)})

    def fork(self) -> "Journal":
        """A copy to go on with."""
        fork = Journal.__new__(Journal)
        fork.__dict__.update(self.__dict__)
        fork.records, fork.past = list(self.records), dict(self.past)
        fork.heads, fork.floors = dict(self.heads), dict(self.floors)
        return fork

    def restore(self, records: list[Record]) -> None:
        """Put stored records in place."""
        self.records = records
        self._held = sum(map(len, records))

    def append(self, record: Record) -> None:
        """Make a record part of the journal, and trim."""
        self.seq = record.seq
        self.records.append(record)
        for name in record.types:
            self.heads[name] = record.seq
        if "Email" in record.types and record.types["Email"].created:
            self.heads[DELIVERY] = record.seq
        self._held += len(record)
        trimmed = 0
        while self._held > self._keep:
            oldest = self.records[trimmed]
            trimmed += 1
            self._held -= len(oldest)
            for name in oldest.types:
                self.floors[name] = oldest.seq
        del self.records[:trimmed]

    def forget(self, type_name: str) -> None:
        """Refuse all states of a type that were given out so far; the type gets a new state."""
        self.seq += 1
        self.heads[type_name] = self.floors[type_name] = self.seq

    def changes(self, type_name: str, since: str, max_changes: int | None) -> ChangeSet:
        """What happened to a type since a state. Raises CannotCalculateChanges.

        max_changes: at most this many ids in the answer, at least 1; None for all.
        """
        start, upto, offset = self._parse(type_name, since)
        net = self._net(type_name, start, upto)
        stop = len(net) if max_changes is None else offset + max_changes
        page = dict(islice(net.items(), offset, stop))
        complete = stop >= len(net)
        head = self.heads[type_name]
        changes = ChangeSet(
            old_state=since,
            new_state=f"{self.epoch}-{upto}" if complete else f"{self.epoch}-{start}-{upto}-{stop}",
            has_more=not complete or upto < head,
            created=[name for name, fate in page.items() if not fate.existed],
            updated=[name for name, fate in page.items() if fate.existed and fate.exists],
            destroyed=[name for name, fate in page.items() if not fate.exists],
        )
        if type_name == "Mailbox" and page and all(fate.only_counts for fate in net.values()):
            changes.updated_properties = list(COUNTS)
        return changes

    def _parse(self, type_name: str, state: str) -> tuple[int, int, int]:
        """(since, upto, offset) of a state that can be gone on from."""
        match = _STATE.fullmatch(state)
        if match is None:
            raise CannotCalculateChanges
        epoch, start = match[1], int(match[2])
        # A state that was given out for another type is good as well: it may lie above this type's last change.
        head = max(self.heads[type_name], min(start, self.seq))
        upto = head if match[3] is None else int(match[3])
        offset = 0 if match[4] is None else int(match[4])
        if epoch != self.epoch:
            last = self.past.get(epoch)
            if last is None or max(start, 0 if match[3] is None else upto) > last:
                raise CannotCalculateChanges
        if not self.floors[type_name] <= start <= upto <= head:
            raise CannotCalculateChanges
        return start, upto, offset

    def _net(self, type_name: str, start: int, upto: int) -> dict[str, _Net]:
        """The net effect per id in (start, upto], most recently changed first; what came and went is left out."""
        fates: dict[str, _Net] = {}
        first = bisect_right(self.records, start, key=lambda record: record.seq)
        for record in self.records[first:]:
            if record.seq <= upto and type_name in record.types:
                for name, existed, exists, counts in _events(record.types[type_name]):
                    fate = fates.pop(name, None) or _Net(existed, exists, only_counts=True)
                    fate.exists = exists
                    fate.only_counts &= counts
                    fates[name] = fate
        return {name: fate for name, fate in reversed(fates.items()) if fate.existed or fate.exists}


def _events(changes: Changes) -> Iterable[tuple[str, bool, bool, bool]]:
    """(id, existed before, exists after, only counts changed)."""
    yield from ((name, False, True, False) for name in changes.created)
    yield from ((name, True, True, False) for name in changes.updated)
    yield from ((name, True, True, True) for name in changes.counts)
    yield from ((name, True, False, False) for name in changes.destroyed)
