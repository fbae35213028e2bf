"""IDLE as an iterator of hints. RFC 2177, RFC 9051 §6.3.13."""

import asyncio
from collections import deque
from typing import Final

from adapters.imap.commands import Pending
from adapters.imap.dialogue import Dialogue
from adapters.imap.encoder import DONE
from adapters.imap.errors import ConnectionLost
from adapters.imap.responses import Untagged

RENEW: Final = 25 * 60.0  # seconds; RFC 2177 §3: at least every 29 minutes
_KEPT: Final = 1024


class Hints:
    """What a server says while idling: iterate for untagged responses. Raises the connection's error at its end.

    Of more than 1,024 unread hints the oldest go: they only say that something has changed.
    """

    def __init__(self, dialogue: Dialogue, renew: float = RENEW) -> None:
        self._dialogue = dialogue
        self._renew = renew
        self._hints: deque[Untagged] = deque(maxlen=_KEPT)
        self._news = asyncio.Event()
        self._pending: Pending | None = None

    def put(self, response: Untagged) -> None:
        """Take an unsolicited response."""
        self._hints.append(response)
        self._news.set()

    def clear(self) -> None:
        """Forget what has come so far."""
        self._hints.clear()

    async def begin(self) -> None:
        """Start to idle; returns when the server does. Raises the error of a refusal."""
        pending = self._pending = self._dialogue.ask("IDLE", (), interactive=True)
        pending.future.add_done_callback(lambda _: self._news.set())
        await pending.started
        if await self._dialogue.prompt(pending) is None:
            await pending.future

    async def end(self) -> None:
        """Say DONE and wait for the completion."""
        if self._pending is not None and not self._pending.future.done():
            self._dialogue.live_wire().write(DONE)
            await self._dialogue.outcome(self._pending, None)

    def give_up(self) -> None:
        """End the connection where IDLE is still on."""
        if self._pending is not None and not self._pending.future.done():
            self._dialogue.fail(ConnectionLost("IDLE was abandoned"))

    def __aiter__(self) -> "Hints":
        """Itself."""
        return self

    async def __anext__(self) -> Untagged:
        """The next hint; IDLE is renewed before the server's inactivity limit."""
        while not self._hints:
            if self._pending is None or self._pending.future.done():
                if self._pending is not None:
                    await self._pending.future
                raise StopAsyncIteration
            self._news.clear()
            try:
                async with asyncio.timeout(self._renew):
                    await self._news.wait()
            except TimeoutError:
                await self.end()
                await self.begin()
        return self._hints.popleft()
