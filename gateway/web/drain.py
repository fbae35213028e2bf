"""Going down politely: what has begun may end, nothing new begins."""

import contextlib
from collections.abc import Callable, Iterator


class Drain:
    """Set once, by SIGTERM; whoever waits for something else can ask to be woken."""

    def __init__(self) -> None:
        self._begun = False
        self._wake: set[Callable[[], None]] = set()

    @property
    def begun(self) -> bool:
        """Whether the gateway is going down."""
        return self._begun

    def begin(self) -> None:
        """Go down: calls everybody who asked to be woken."""
        self._begun = True
        for wake in list(self._wake):
            wake()

    @contextlib.contextmanager
    def waking(self, wake: Callable[[], None]) -> Iterator[None]:
        """Call `wake` when the gateway goes down while the context is open."""
        self._wake.add(wake)
        try:
            yield
        finally:
            self._wake.discard(wake)
