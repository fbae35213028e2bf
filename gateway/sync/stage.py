"""The next snapshot while it is being made: a fork of the Emails that deltas are applied to.

Nothing here is visible to readers, so the work may be cut into slices. Departures and arrivals may come in any order:
only `settle` decides what happened to an Email, hence a move is an update and a refetched folder is no change at all.
"""

from array import array
from collections.abc import Collection, Iterable

from adapters.ports.mail import Arrivals, Keywords
from gateway.sync import ids
from gateway.sync.copies import CHUNK
from gateway.sync.draft import Draft
from gateway.sync.emails import NO_BOX, Emails
from gateway.sync.flag_sets import DEAD
from gateway.sync.settling import NOWHERE, Before, Outcome, count_all, settled
from gateway.sync.thread_index import ThreadIndex

_MAX_SIZE = 0xFFFFFFFF


class Stage(Draft):
    """Applies what a backend reports.

    recording: remember what every touched row was before; switched off while an account is built from nothing.
    fingerprints: native ids may be shared by different messages, which an ordinal tells apart. Within a mailbox each
    message gets its own; in another mailbox the same fingerprint is a copy of the Email that is not there yet.
    threads: where new rows get the backend's own threads, if it has any.
    """

    def __init__(
        self,
        base: Emails,
        digester: ids.Digester,
        *,
        recording: bool,
        fingerprints: bool,
        threads: ThreadIndex | None,
    ) -> None:
        super().__init__(base)
        self.threads = threads
        self._recording = recording
        self._fingerprints = fingerprints
        self._digester = digester
        self._before: dict[int, Before] = {}
        self._unsettled: set[int] = set()

    def drop_box(self, number: int) -> None:
        """The mailbox is gone with all its copies."""
        self.clear(number)
        self.remove_box(number)

    # Messages

    def arrive(self, number: int, arrivals: Arrivals, start: int, stop: int) -> None:
        """Enter arrivals[start:stop]; a UID that is known already only gets its flags."""
        contents = self.contents(number)
        self.own("digests", "received_at", "size", "flag_set", "box", "uid")
        first, left = len(self.emails), list(range(start, stop))
        if not self._fingerprints and contents.lacks(arrivals.uids[start:stop]):
            left = self._arrive_at_once(number, arrivals, start, stop)
        self._arrive_singly(number, arrivals, left)
        new = range(first // CHUNK, -(-len(self.emails) // CHUNK)) if len(self.emails) > first else ()
        self.dirty.facts.update(new)
        self.dirty.places.update(new)
        self.dirty.flags.update(new)

    def _arrive_at_once(self, number: int, arrivals: Arrivals, start: int, stop: int) -> list[int]:
        """Enter those of arrivals[start:stop] that are new Emails, column by column; returns the others' places."""
        emails, new = self.emails, arrivals.select(range(start, stop))
        digests = self._digester.digests(new.native_ids)
        first = len(emails)
        others = emails.by_digest.add_new(ids.keys_of(b"".join(digests)), first)
        if others:
            taken = set(others)
            left = [place for place in range(len(digests)) if place not in taken]
            digests, new = [digests[place] for place in left], new.select(left)
        rows = array("I", range(first, first + len(digests)))
        numbers = {keywords: emails.flag_sets.number(keywords) for keywords in dict.fromkeys(new.keywords)}
        flags = array("I", map(numbers.__getitem__, new.keywords))
        emails.digests += b"".join(digests)
        emails.received_at.extend(new.received)
        emails.size.extend(new.sizes)
        emails.flag_set.extend(flags)
        emails.box.extend([number] * len(rows))
        emails.uid.extend(new.uids)
        emails.alive += len(rows)
        self.contents(number).insert(new.uids, rows, flags)
        if self._recording:
            self._before.update(dict.fromkeys(rows, NOWHERE))
        if self.threads is not None:
            natives = new.thread_ids or [b""] * len(rows)
            for row, digest, thread in zip(rows, digests, natives, strict=True):
                self.threads.assign_native(row, digest, thread)
        return [start + place for place in others]

    def _arrive_singly(self, number: int, arrivals: Arrivals, places: Iterable[int]) -> None:
        contents = self.contents(number)
        fresh: dict[int, tuple[int, int, int]] = {}
        for at in places:
            uid, keywords = arrivals.uids[at], arrivals.keywords[at]
            if uid in fresh or contents.position(uid) >= 0:
                self.flag(number, [(uid, keywords)])
                continue
            row = self._row(number, arrivals, at)
            flags = self.emails.flag_sets.number(keywords)
            self._attach(row, number, uid, flags)
            fresh[uid] = (uid, row, flags)
        contents.add(sorted(fresh.values()))

    def flag(self, number: int, changes: Iterable[tuple[int, Keywords]]) -> None:
        """New keywords of known UIDs; others are passed over."""
        contents = self.contents(number)
        for uid, keywords in changes:
            position = contents.position(uid)
            flags = self.emails.flag_sets.number(keywords)
            if position >= 0 and contents.flags[position] != flags:
                self._touch(contents.rows[position])
                self._unsettled.add(contents.rows[position])
                contents.set_flags(position, flags)

    def vanish(self, number: int, uids: Iterable[int]) -> None:
        """UIDs that are gone; unknown ones are passed over."""
        contents = self.contents(number)
        positions = sorted({contents.position(uid) for uid in uids} - {-1})
        for position in positions:
            self._detach(contents.rows[position], number, contents.uids[position])
        contents.remove(positions)

    def clear(self, number: int) -> None:
        """All copies of the mailbox are gone."""
        self.vanish(number, list(self.emails.contents[number].uids))

    @property
    def touched(self) -> bool:
        """Whether anything happened to a message."""
        return bool(self._before or self.dirty.places)

    def has_orphans(self) -> bool:
        """Whether an Email has lost its last copy; it may have moved to where the pass has looked already."""
        return any(self.emails.box[row] == NO_BOX and boxes for row, (boxes, _) in self._before.items())

    def shares(self, number: int, natives: Collection[bytes]) -> bool:
        """Whether at least half of a mailbox's messages are among these: then it is the same mailbox."""
        rows = set(self.emails.contents[number].rows)
        found = {self.emails.find(self._digester.digest(native)) for native in natives}
        return 2 * len(rows & found) >= len(rows)

    # Rows

    def _row(self, number: int, arrivals: Arrivals, at: int) -> int:
        """The row of an arrival, known or new."""
        native = arrivals.native_ids[at]
        digest = self._ordinal(number, native) if self._fingerprints else self._digester.digest(native)
        row = self.emails.find(digest)
        if row is None:
            row = self._new_row(digest, arrivals.received[at], arrivals.sizes[at])
            if self.threads is not None:
                thread = arrivals.thread_ids[at] if arrivals.thread_ids else b""
                self.threads.assign_native(row, digest, thread)
        return row

    def _new_row(self, digest: bytes, received: int, size: int) -> int:
        emails = self.emails
        row = len(emails.box)
        emails.digests += digest
        emails.received_at.append(received)
        emails.size.append(min(size, _MAX_SIZE))
        emails.flag_set.append(DEAD)
        emails.box.append(NO_BOX)
        emails.uid.append(0)
        emails.by_digest.add(ids.key_of(digest), row)
        return row

    def _ordinal(self, number: int, native: bytes) -> bytes:
        """The digest of a fingerprint with the ordinal of the Email that this arrival is a copy of.

        First choice is an Email that lost its last copy in this pass (it moved), then one that has no copy in this
        mailbox, then the fingerprint's first use, else a new ordinal: one that was used is never given to another
        message while an Email with the same fingerprint is left.
        """
        first = self._digester.digest(native)
        count = self.emails.ordinals.get(first, 1)
        digests = [first, *(self._digester.digest(b"%s\0%d" % (native, n)) for n in range(1, count))]
        rows = [(digest, self.emails.find(digest)) for digest in digests]
        known = [(digest, row) for digest, row in rows if row is not None]
        for digest, row in known:
            if self.emails.box[row] == NO_BOX and row in self._before:
                return digest
        living = [(digest, row) for digest, row in known if self.emails.box[row] != NO_BOX]
        for digest, row in living:
            if number not in self.emails.box_set(row):
                return digest
        if not living:
            return first
        self.own("ordinals")
        self.emails.ordinals[first] = count + 1
        return self._digester.digest(b"%s\0%d" % (native, count))

    def _attach(self, row: int, number: int, uid: int, flags: int) -> None:
        self._touch(row)
        emails = self.emails
        if emails.box[row] == NO_BOX:
            emails.box[row], emails.uid[row], emails.flag_set[row] = number, uid, flags
            emails.alive += 1
            self.dirty.flags.add(row // CHUNK)
        else:
            self.own("more")
            emails.more[row] = (*emails.more.get(row, ()), (number, uid))
            self._unsettled.add(row)
        self.dirty.places.add(row // CHUNK)

    def _detach(self, row: int, number: int, uid: int) -> None:
        self._touch(row)
        emails = self.emails
        left = [place for place in emails.places(row) if place != (number, uid)]
        self.own("box", "uid", "more")
        emails.box[row], emails.uid[row] = left[0] if left else (NO_BOX, 0)
        if len(left) > 1:
            emails.more[row] = tuple(left[1:])
        else:
            emails.more.pop(row, None)
        emails.alive -= not left
        self._unsettled.add(row)
        self.dirty.places.add(row // CHUNK)

    def _touch(self, row: int) -> None:
        if self._recording and row not in self._before:
            self._before[row] = (self.emails.box_set(row), self.emails.flag_set[row])

    # The end

    async def settle(self) -> Outcome:
        """Work out flags, counts, orders and what changed. Nothing may be applied afterwards."""
        if self._recording:
            return await settled(self, self._before)
        await count_all(self, self._unsettled)
        return Outcome()
