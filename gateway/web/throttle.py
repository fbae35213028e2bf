"""How often somebody may be wrong: failures counted per key in a sliding window. Reads no clock.

The same wrong attempt again is no new guess: a device that keeps sending an old password locks nobody out.
"""

from collections import OrderedDict, deque
from typing import Final

MAX_KEYS: Final = 100_000
"""Keys remembered; beyond that the one that failed longest ago is forgotten."""


class Throttle:
    """At most `limit` failures per key within `window` seconds; keys are addresses or user names."""

    def __init__(self, limit: int, window: float) -> None:
        self._limit = limit
        self._window = window
        self._failures: OrderedDict[str, deque[tuple[float, bytes]]] = OrderedDict()

    def wait(self, key: str, now: float) -> float:
        """Seconds until the key may try again; 0 means now."""
        failures = self._current(key, now)
        if failures is None or len(failures) < self._limit:
            return 0
        return failures[-self._limit][0] + self._window - now

    def failed(self, key: str, attempt: bytes, now: float) -> None:
        """Count one failure, unless the same attempt has been counted within the window."""
        failures = self._current(key, now)
        if failures is None:
            failures = self._failures[key] = deque(maxlen=self._limit)
        if any(attempt == other for _, other in failures):
            return
        failures.append((now, attempt))
        self._failures.move_to_end(key)
        while len(self._failures) > MAX_KEYS:
            self._failures.popitem(last=False)

    def _current(self, key: str, now: float) -> deque[tuple[float, bytes]] | None:
        """The failures within the window; None (and forgotten) where there are none."""
        failures = self._failures.get(key)
        if failures is None:
            return None
        while failures and failures[0][0] + self._window <= now:
            failures.popleft()
        if not failures:
            del self._failures[key]
            return None
        return failures
