"""Fan-out of published messages to the subscribers inside this process."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Hear = Callable[[bytes], None]
"""Takes a message: at once, without waiting and without raising."""


class Channels:
    """Named channels, each with any number of subscribers."""

    def __init__(self) -> None:
        self._subscribers: defaultdict[str, list[Hear]] = defaultdict(list)

    def deliver(self, channel: str, message: bytes) -> None:
        """Give the message to every subscriber of the channel."""
        for hear in tuple(self._subscribers.get(channel, ())):
            hear(message)

    def deliver_everywhere(self, message: bytes) -> None:
        """Give the message to every subscriber of every channel."""
        for channel in tuple(self._subscribers):
            self.deliver(channel, message)

    @contextmanager
    def subscribed(self, channel: str, hear: Hear) -> Iterator[None]:
        """`hear` is called with what is delivered while the context is open."""
        self._subscribers[channel].append(hear)
        try:
            yield
        finally:
            self._subscribers[channel].remove(hear)
            if not self._subscribers[channel]:
                del self._subscribers[channel]

    def count(self, channel: str) -> int:
        """How many subscribers the channel has in this process."""
        return len(self._subscribers.get(channel, ()))
