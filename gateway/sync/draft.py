"""A fork of the Emails that is written to, and what of it will have to be stored anew."""

from dataclasses import dataclass, field, replace

from adapters.ports.mail import Folder, FolderStatus
from gateway.sync.copies import CHUNK, Copies
from gateway.sync.emails import NO_BOX, Emails
from gateway.sync.flag_sets import DEAD
from gateway.sync.mailboxes import Box


@dataclass(slots=True)
class DirtyRows:
    """Chunks of rows to be stored anew: facts (digest, date, size), places (copies), flags."""

    facts: set[int] = field(default_factory=set)
    places: set[int] = field(default_factory=set)
    flags: set[int] = field(default_factory=set)


class Draft:
    """Nothing here is visible to readers. What it shares with the base is copied before the first write to it."""

    def __init__(self, base: Emails) -> None:
        self.emails = base.fork()
        self.dirty = DirtyRows()
        self.dirty_boxes: set[int] = set()
        self.dropped_boxes: set[int] = set()
        self._owned: set[str] = set()
        self._forked: set[int] = set()

    def add_box(self, mailbox_id: str, folder: Folder) -> Box:
        """A new, empty mailbox. Numbers of this pass's dropped ones still mean those in what was remembered."""
        used = self.emails.boxes.keys() | self.dropped_boxes
        number = next(number for number in range(NO_BOX) if number not in used)
        self.emails.contents[number] = Copies()
        self._forked.add(number)
        return self.put_box(Box(number, mailbox_id, folder, None))

    def put_box(self, box: Box) -> Box:
        """New facts of a mailbox."""
        if self.emails.boxes.get(box.number) != box:
            self.emails.boxes[box.number] = box
            self.emails.numbers[box.id] = box.number
            self.dirty_boxes.add(box.number)
        return box

    def set_cursor(self, number: int, cursor: FolderStatus | None) -> None:
        """Where the index now stands in the folder."""
        self.put_box(replace(self.emails.boxes[number], cursor=cursor))

    def remove_box(self, number: int) -> None:
        """The mailbox is gone; it holds nothing any more."""
        box = self.emails.boxes.pop(number)
        del self.emails.contents[number], self.emails.numbers[box.id]
        self.emails.drop_order(number)
        self._forked.discard(number)
        self.dirty_boxes.discard(number)
        self.dropped_boxes.add(number)

    def own(self, *names: str) -> None:
        """Copy columns before the first write to them."""
        for name in names:
            if name not in self._owned:
                column = getattr(self.emails, name)
                setattr(self.emails, name, column.copy() if isinstance(column, dict) else column[:])
                self._owned.add(name)

    def contents(self, number: int) -> Copies:
        """The copies of a mailbox, to be written to."""
        if number not in self._forked:
            self.emails.contents[number] = self.emails.contents[number].fork()
            self._forked.add(number)
        return self.emails.contents[number]

    def set_flags(self, row: int) -> None:
        """Work out the flags of a row from those of its copies."""
        emails = self.emails
        numbers = [emails.contents[box].flags[emails.contents[box].position(uid)] for box, uid in emails.places(row)]
        flags = emails.flag_sets.union(numbers) if numbers else DEAD
        if emails.flag_set[row] != flags:
            self.own("flag_set")
            emails.flag_set[row] = flags
            self.dirty.flags.add(row // CHUNK)
