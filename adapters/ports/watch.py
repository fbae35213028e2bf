"""Hearing of changes as they happen, while somebody listens.

A hint proves nothing and names nothing: it is a reason to look. All methods raise only `adapters.errors`.
"""

from collections.abc import AsyncGenerator
from typing import Literal, Protocol

Watched = Literal["everything", "inbox", "nothing"]
"""What hints are about; the rest has to be looked at from time to time."""


class WatchPort(Protocol):
    """A backend that can tell that something happened."""

    @property
    def watched(self) -> Watched:
        """What this backend gives hints about, known after the port's `open`."""
        ...

    def hints(self) -> AsyncGenerator[None, None]:
        """One item when hints begin to come, and one for each time that something happened, many taken together.

        Never ends by itself. Raises Unavailable when the connection is lost or none can be had, AuthFailed,
        Unsupported.
        """
        ...
