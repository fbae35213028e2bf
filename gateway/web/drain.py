"""Going down politely: what has begun may end, nothing new begins."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator


class Drain:
    """Set once, by SIGTERM; whoever waits for something else can ask to be woken."""

    def __init__(self) -> None:
        self._begun = False
        self._wake: set[Callable[[], None]] = set()
        self._running = 0
        self._quiet = asyncio.Event()
        self._quiet.set()

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
    def running(self) -> Iterator[None]:
        """Something that has begun, and may end."""
        self._running += 1
        self._quiet.clear()
        try:
            yield
        finally:
            self._running -= 1
            if not self._running:
                self._quiet.set()

    async def quiet(self, seconds: float) -> None:
        """Until nothing is running any more, at most so long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._quiet.wait()

    @contextlib.contextmanager
    def waking(self, wake: Callable[[], None]) -> Iterator[None]:
        """Call `wake` when the gateway goes down while the context is open."""
        self._wake.add(wake)
        try:
            yield
        finally:
            self._wake.discard(wake)
