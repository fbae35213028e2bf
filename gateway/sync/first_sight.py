"""The time between the first request for an account's mail and the end of its first pass: who looks, who waits.

What is shown meanwhile makes `opening`; here it is kept apart from the passes, which begin a while after it.
"""

import asyncio
from collections.abc import Callable

from adapters.ports.mail import MailFacts, ThreadHeaders
from gateway.sync.current import Current
from gateway.sync.opening import Opening
from gateway.sync.pace import Shared


class FirstSight:
    """Looks at an account that is not indexed yet; afterwards, and where that cannot be done, it does nothing.

    index: begins the first pass; called `quiet_seconds` after the first look.
    """

    def __init__(self, current: Current, index: Callable[[], None], quiet_seconds: float) -> None:
        self._current = current
        self._index = index
        self._quiet = quiet_seconds
        self._opening: Opening | None = None
        self._looks = Shared(self._look)
        self._timer: asyncio.TimerHandle | None = None

    def learn(self, facts: MailFacts) -> None:
        """What the backend is. One with fingerprints must be read as a whole: ordinals need all of a folder."""
        if facts.id_source != "fingerprint":
            self._opening = Opening(self._current, facts)

    async def look(self) -> bool:
        """See `MailAccount.look`."""
        if self._open() is None:
            return False
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._quiet, self._due)
        await self._looks()
        return True

    async def look_into(self, mailbox_id: str) -> None:
        """See `MailAccount.look_into`."""
        if (opening := self._open()) is not None:
            await opening.newest(mailbox_id)

    def headers(self, path: str, uid_validity: int) -> ThreadHeaders | None:
        """See `Opening.headers`."""
        return None if (opening := self._open()) is None else opening.headers(path, uid_validity)

    async def close(self) -> None:
        """Stop all work."""
        if self._timer is not None:
            self._timer.cancel()
        await self._looks.close()

    def _open(self) -> Opening | None:
        if not self._current.fresh:  # its pages are not needed any more
            self._opening = None
        return self._opening

    async def _look(self) -> None:
        if (opening := self._open()) is not None:
            await opening.look()

    def _due(self) -> None:
        self._timer = None
        if self._current.fresh:
            self._index()
