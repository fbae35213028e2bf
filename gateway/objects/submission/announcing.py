"""Messages that tell of a write: stored before it, sent after it (decision 12).

Whether a write was done that its keeper did not come back from is for whoever catches up to find out: `Outbox.written`.
"""

import asyncio
import contextlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field

from adapters.errors import AdapterError
from gateway.objects.submission.errands import Post, deliver, message_of
from gateway.objects.submission.follow_up import expect
from gateway.objects.submission.intents import Records, beat, in_flight, is_kept, new_intent
from gateway.sync.ledger import Edit, Record
from gateway.sync.outbox import INTENT, Outbox
from gateway.sync.watch import ended


@dataclass(slots=True)
class Announcement:
    """The messages of the write that is under way."""

    box: Outbox
    _intents: list[Record] = field(default_factory=list)
    _beats: list["asyncio.Task[None]"] = field(default_factory=list)

    async def store(self, letters: Sequence[Post], about: Record) -> None:
        """Store messages, in place of those stored before. Raises AdapterError.

        about: the write, as `Outbox.written` knows it.
        """
        old = self._intents
        made = [
            new_intent(secrets.token_hex(16), None, message={**await message_of(letter), "about": about})
            for letter in letters
        ]

        def edit(before: Records) -> Edit:
            change = _without(before, old)
            for one in made:
                change.write(INTENT, one)
            return change

        await expect(self.box)
        await self.box.ledger.commit(edit, [INTENT])
        await self.leave()
        self._intents = made
        self._beats = [asyncio.create_task(beat(self.box, one)) for one in made]

    async def send(self) -> None:
        """The write was done. That its messages are under way is not undone by a client that goes."""
        made, beats = self._intents, self._beats
        self._intents, self._beats = [], []

        async def run() -> Record:
            await ended(beats)
            await asyncio.gather(*(deliver(self.box, one) for one in made))
            return {}

        if made:
            await in_flight(self.box, secrets.token_hex(16), run)

    async def withdraw(self) -> None:
        """The write was not done."""
        made = self._intents
        await self.leave()
        if made:
            with contextlib.suppress(AdapterError):  # who catches up finds out
                await self.box.ledger.commit(lambda before: _without(before, made), [INTENT])

    async def leave(self) -> None:
        """Nobody knows whether the write was done: who catches up finds out."""
        beats, self._intents, self._beats = self._beats, [], []
        await ended(beats)


def _without(before: Records, intents: Sequence[Record]) -> Edit:
    return Edit(remove={INTENT: [one["id"] for one in intents if is_kept(before, one)]})
