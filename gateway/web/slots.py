"""How much one user may have under way at a time: the advertised concurrency limits (RFC 8620 §2)."""

import contextlib
from collections.abc import Iterator

from gateway.web.problems import Refusal, retry_after


class Slots:
    """At most `limit` at a time per user. `name` is the limit's name in the core capability."""

    def __init__(self, name: str, limit: int) -> None:
        self._name = name
        self._limit = limit
        self._taken: dict[str, int] = {}

    @contextlib.contextmanager
    def take(self, user: str) -> Iterator[None]:
        """Hold one slot. Raises the `limit` problem at once where none is free (RFC 8620 §3.6.1)."""
        taken = self._taken.get(user, 0)
        if taken >= self._limit:
            detail = f"More than {self._limit} at the same time."
            raise Refusal(429, detail, retry_after(1), limit=self._name)
        self._taken[user] = taken + 1
        try:
            yield
        finally:
            left = self._taken.pop(user) - 1
            if left:
                self._taken[user] = left
