"""Fan-out of published messages to the subscribers inside this process."""

from collections import defaultdict
from collections.abc import Callable

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

    def subscribed(self, channel: str, hear: Hear) -> "Subscription":
        """`hear` is called with what is delivered while the context is open."""
        return Subscription(self._subscribers, channel, hear)

    def count(self, channel: str) -> int:
        """How many subscribers the channel has in this process."""
        return len(self._subscribers.get(channel, ()))


class Subscription:
    """A context, with or without `async`. Thousands may be open all day: it takes a tenth of what a generator does."""

    __slots__ = ("_channel", "_hear", "_subscribers")

    def __init__(self, subscribers: dict[str, list[Hear]], channel: str, hear: Hear) -> None:
        self._subscribers = subscribers
        self._channel = channel
        self._hear = hear

    def __enter__(self) -> None:
        """Hear from now on."""
        self._subscribers[self._channel].append(self._hear)

    def __exit__(self, *_: object) -> None:
        """Hear no more."""
        self._subscribers[self._channel].remove(self._hear)
        if not self._subscribers[self._channel]:
            del self._subscribers[self._channel]

    async def __aenter__(self) -> None:
        """See `__enter__`."""
        self.__enter__()

    async def __aexit__(self, *_: object) -> None:
        """See `__exit__`."""
        self.__exit__()
