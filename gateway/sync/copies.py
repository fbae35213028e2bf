"""The messages of one mailbox: which UID is which Email, and the flags of each copy."""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from operator import lt

from adapters.ports.mail import Keywords
from gateway.sync.flag_sets import FlagSets

CHUNK = 4096
"""Rows per stored value."""


@dataclass(frozen=True, slots=True)
class Copy:
    """Where one copy of an Email lies."""

    mailbox_id: str
    path: str
    uid_validity: int
    uid: int


class Copies:
    """Columns sorted by UID: `uids`, `rows` (of Emails), `flags` (numbers of flag sets), all array('I')."""

    __slots__ = ("dirty_flags", "dirty_from", "flags", "owned", "rows", "uids")

    def __init__(self) -> None:
        self.uids = array("I")
        self.rows = array("I")
        self.flags = array("I")
        self.dirty_from: int | None = None
        self.dirty_flags: set[int] = set()
        self.owned = True

    def fork(self) -> "Copies":
        """A copy whose columns are shared until the first change."""
        copy = Copies.__new__(Copies)
        copy.uids, copy.rows, copy.flags = self.uids, self.rows, self.flags
        copy.dirty_from, copy.dirty_flags = self.dirty_from, set(self.dirty_flags)
        copy.owned = False
        return copy

    def __len__(self) -> int:
        return len(self.uids)

    def position(self, uid: int) -> int:
        """The index of a UID, or -1."""
        position = bisect_left(self.uids, uid)
        return position if position < len(self.uids) and self.uids[position] == uid else -1

    def row(self, uid: int) -> int | None:
        """The row of a UID, or None where it is not known."""
        position = self.position(uid)
        return None if position < 0 else self.rows[position]

    def lacks(self, uids: "array[int]") -> bool:
        """Whether UIDs are ascending, and no known one lies among them."""
        if not uids or not all(map(lt, uids, uids[1:])):
            return False
        return bisect_left(self.uids, uids[0]) == bisect_right(self.uids, uids[-1])

    def select(self, uids: Iterable[int]) -> "array[int]":
        """The rows of the known ones among the UIDs, in their order."""
        wanted = list(uids)
        if not wanted:
            return array("I")
        at = bisect_left(self.uids, wanted[0])
        if self.uids[at : at + len(wanted)] == array("I", wanted):  # they lie side by side
            return self.rows[at : at + len(wanted)]
        if len(wanted) * 8 < len(self.uids):
            found = (self.row(uid) for uid in wanted)
            return array("I", [row for row in found if row is not None])
        rows = dict(zip(self.uids, self.rows, strict=True))
        return array("I", [rows[uid] for uid in wanted if uid in rows])

    def set_flags(self, position: int, flags: int) -> None:
        """Change the flag set of one copy."""
        self._own()
        self.flags[position] = flags
        self.dirty_flags.add(position // CHUNK)

    def remove(self, positions: Iterable[int]) -> None:
        """Forget copies by their ascending positions."""
        gone = list(positions)
        if not gone:
            return
        self._own()
        for column in (self.uids, self.rows, self.flags):
            if len(gone) < 64:
                for position in reversed(gone):
                    del column[position]
            else:
                left = set(gone)
                column[gone[0] :] = array("I", [column[at] for at in range(gone[0], len(column)) if at not in left])
        self._shifted(gone[0])

    def add(self, entries: list[tuple[int, int, int]]) -> None:
        """Enter (uid, row, flags) of UIDs that are not known yet, ascending by UID."""
        if not entries:
            return
        self._own()
        at = bisect_left(self.uids, entries[0][0])
        if at == bisect_left(self.uids, entries[-1][0]):
            pass  # they lie side by side
        elif len(entries) < 16:
            for entry in entries:
                self._insert(bisect_left(self.uids, entry[0]), [entry])
            return
        else:
            entries = sorted([*zip(self.uids, self.rows, self.flags, strict=True), *entries])
            del self.uids[:], self.rows[:], self.flags[:]
            at = 0
        self._insert(at, entries)

    def insert(self, uids: "array[int]", rows: "array[int]", flags: "array[int]") -> None:
        """Enter columns of UIDs that `lacks` was true of."""
        if uids:
            self._own()
            self._put(bisect_left(self.uids, uids[0]), uids, rows, flags)

    def _insert(self, at: int, entries: list[tuple[int, int, int]]) -> None:
        uids, rows, flags = zip(*entries, strict=True)
        self._put(at, array("I", uids), array("I", rows), array("I", flags))

    def _put(self, at: int, uids: "array[int]", rows: "array[int]", flags: "array[int]") -> None:
        self.uids[at:at], self.rows[at:at], self.flags[at:at] = uids, rows, flags
        self._shifted(at)

    def _shifted(self, position: int) -> None:
        self.dirty_from = position if self.dirty_from is None else min(self.dirty_from, position)

    def _own(self) -> None:
        if not self.owned:
            self.uids, self.rows, self.flags = self.uids[:], self.rows[:], self.flags[:]
            self.owned = True


class Known:
    """A folder's content as a backend that must diff wants to see it (`KnownMessages`)."""

    def __init__(self, copies: Copies, flag_sets: FlagSets) -> None:
        self._copies = copies
        self._sets = flag_sets.sets

    @property
    def uids(self) -> "array[int]":
        """All known UIDs, ascending."""
        return self._copies.uids

    def keywords(self, uid: int) -> Keywords:
        """The keywords of a known UID as last seen."""
        return self._sets[self._copies.flags[self._copies.position(uid)]]
