"""Messages that the server fails over, such as one whose file is damaged: they cost only themselves.

The server tells no more than that reading of several messages failed: Dovecot and Cyrus end the session. Which of
them it fails over is found by halving, and kept in mind for a while, as each attempt may cost a session.
"""

import logging
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from typing import Final, TypeVar

from adapters.imap.errors import Damaged

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

REST_SECONDS: Final = 60.0
"""How long a damaged message is not asked for again."""

MOST_FAILURES: Final = 48
"""Attempts that may fail within one call; what they found is kept, so that the next call comes further."""


class Damages:
    """What is known of them at one server for one login."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until: dict[tuple[str, int, int], float] = {}

    def among(self, path: str, uid_validity: int) -> list[int]:
        """UIDs of the messages of a folder that were damaged when they were asked for last."""
        return sorted(uid for folder, validity, uid in self._until if (folder, validity) == (path, uid_validity))

    async def passing_over(
        self, path: str, uid_validity: int, uids: Collection[int], read: Callable[[Sequence[int]], Awaitable[Result]]
    ) -> list[Result]:
        """What `read` gives of the messages, run by run in their order, without the damaged ones.

        Raises what `read` raises; Damaged where it fails for all of them, or too often.
        """
        resting = self._resting(path, uid_validity) if self._until else frozenset()
        runs: list[Sequence[int]] = [[uid for uid in uids if uid not in resting]]
        results: list[Result] = []
        damaged: list[int] = []
        failures, patience = 0, len(uids).bit_length() + 3  # enough where the first three are damaged and no others
        while runs:
            if not (run := runs.pop()):
                continue
            try:
                results.append(await read(run))
                self._forget(path, uid_validity, run)
            except Damaged:
                failures += 1
                half = len(run) // 2
                hopeless = not results and (failures > patience or not (half or runs))
                if hopeless or failures == MOST_FAILURES:
                    self._note(path, uid_validity, damaged if results else ())
                    raise
                if half:
                    runs += [run[half:], run[:half]]
                else:
                    damaged += run
        self._note(path, uid_validity, damaged)
        return results

    def _resting(self, path: str, uid_validity: int) -> frozenset[int]:
        now = self._clock()
        return frozenset(uid for uid in self.among(path, uid_validity) if self._until[path, uid_validity, uid] > now)

    def _forget(self, path: str, uid_validity: int, uids: Iterable[int]) -> None:
        if self._until:
            for uid in uids:
                self._until.pop((path, uid_validity, uid), None)

    def _note(self, path: str, uid_validity: int, uids: Collection[int]) -> None:
        """Only where others of the folder could be read: else it is not the message that the server fails over."""
        if uids:
            logger.warning("%d messages are passed over, as the server fails over them: UID %s", len(uids), uids)
        until = self._clock() + REST_SECONDS
        self._until |= dict.fromkeys(((path, uid_validity, uid) for uid in uids), until)
