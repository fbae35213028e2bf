"""Fan-out of published messages to the subscribers inside this process."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

MAX_WAITING = 256
"""Messages kept for one slow subscriber; beyond that the oldest goes, because a newer state supersedes it."""


class Channels:
    """Named channels, each with any number of bounded queues."""

    def __init__(self) -> None:
        self._queues: defaultdict[str, set[asyncio.Queue[bytes]]] = defaultdict(set)

    def deliver(self, channel: str, message: bytes) -> None:
        """Put the message into every queue of the channel."""
        for queue in self._queues.get(channel, ()):
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(message)

    @contextmanager
    def queue(self, channel: str) -> Iterator[AsyncIterator[bytes]]:
        """An iterator over what is delivered while the context is open."""
        queue: asyncio.Queue[bytes] = asyncio.Queue(MAX_WAITING)
        self._queues[channel].add(queue)
        try:
            yield _messages(queue)
        finally:
            self._queues[channel].discard(queue)
            if not self._queues[channel]:
                del self._queues[channel]

    def count(self, channel: str) -> int:
        """How many subscribers the channel has in this process."""
        return len(self._queues.get(channel, ()))


async def _messages(queue: asyncio.Queue[bytes]) -> AsyncIterator[bytes]:
    while True:
        yield await queue.get()
