"""Folders that the backend has an error of its own with: each costs only itself, and the operator hears of it."""

import logging
import time
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from typing import Final

logger = logging.getLogger(__name__)

REST_SECONDS: Final = 5.0
"""How long a folder whose reading failed is left alone; a session is lost with each attempt."""


class Unserved:
    """What an account remembers of them between passes. Everything that is known of such a folder stays as it was."""

    def __init__(self, account_id: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._account_id = account_id
        self._clock = clock
        self._paths: AbstractSet[str] = frozenset()
        self._until: dict[str, float] = {}

    def resting(self) -> set[str]:
        """Paths that are not to be read now."""
        now = self._clock()
        self._until = {path: until for path, until in self._until.items() if until > now}
        return set(self._until)

    def note(self, paths: AbstractSet[str], failed: AbstractSet[str]) -> None:
        """After a pass: the folders that are not served, and those of them whose reading failed in it."""
        self._until |= dict.fromkeys(failed, self._clock() + REST_SECONDS)
        if paths - self._paths:
            logger.warning(
                "account %s: %d mailboxes cannot be opened because of an error of the mail server, see its log; "
                "what was known of them is shown",
                self._account_id,
                len(paths),
            )
        elif self._paths and not paths:
            logger.info("account %s: all mailboxes can be opened again", self._account_id)
        self._paths = frozenset(paths)
