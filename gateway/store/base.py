"""The store: small, transactional, rebuildable (docs/decisions: store).

Keys are (space, name) pairs inside one account's partition; values are bytes in a versioned encoding of their owner.
Whatever cannot be decoded is treated as absent. Nothing here is the truth about mail: losing the store loses no
message, and every state string that was given out before becomes unknown because its epoch is gone.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Final, Protocol


class StoreUnavailable(Exception):
    """The store cannot be reached or did not answer in time. Nothing of the attempted commit took effect."""


class LeaseLost(Exception):
    """Another writer took the account's lease over, or what was stored is gone; the commit was refused as a whole."""


MISSED: Final = b""
"""What a subscriber hears where messages may have been lost."""


@dataclass(frozen=True, slots=True)
class Key:
    """A value's place. `space` groups what is scanned together ("journal"), `name` sorts bytewise inside it."""

    account: str
    space: str
    name: str


@dataclass(frozen=True, slots=True)
class Put:
    """Write a value; `ttl` in seconds makes it vanish by itself, None keeps it."""

    key: Key
    value: bytes
    ttl: float | None = None


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove a value if it is there."""

    key: Key


@dataclass(frozen=True, slots=True)
class DeleteRange:
    """Remove every value of (account, space) with start <= name < end; an empty `end` means to the last."""

    account: str
    space: str
    start: str = ""
    end: str = ""


Write = Put | Delete | DeleteRange

Seen = tuple[Key, bytes]
"""A key and the value that it was found to have."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to write one account's records. A commit with an older token than the newest is refused.

    history: names what the store has been since it last may have lost commits that it had answered: another one after
    a failover, or a restart from a file that was behind. A lease holds in its own only. Empty where none gets lost.
    """

    account: str
    token: int
    history: str = ""


class Store(Protocol):
    """What the gateway asks of SQLite and Redis alike. Every method may raise StoreUnavailable.

    shared: whether other gateways may write to it as well.
    """

    shared: bool

    async def read(self, keys: Sequence[Key]) -> list[bytes | None]:
        """The values in the order of the keys; None for what is absent or expired."""
        ...

    async def scan(
        self, account: str, space: str, start: str = "", end: str = "", limit: int | None = None
    ) -> list[tuple[str, bytes]]:
        """(name, value) pairs with start <= name < end in ascending order of name; an empty `end` means to the last."""
        ...

    async def lease(self, account: str) -> Lease:
        """Take the account's lease; any lease given before it is void from now on."""
        ...

    async def commit(
        self, account: str, writes: Sequence[Write], lease: Lease | None = None, seen: Sequence[Seen] = ()
    ) -> None:
        """Apply all writes, which lie in one account, or none.

        seen: what must still be stored there. Raises LeaseLost when a newer lease was taken, or something else is.
        """
        ...

    async def publish(self, channel: str, message: bytes) -> None:
        """Hand a message to every subscriber of the channel, on all replicas that share the store."""
        ...

    def subscribe(self, channel: str, hear: Callable[[bytes], None]) -> AbstractAsyncContextManager[None]:
        """While entered, `hear` is called with what is published, which must neither wait nor raise.

        It is called with `MISSED` where messages may have been lost on the way.
        """
        ...

    async def ping(self) -> None:
        """Raises StoreUnavailable unless the store can be read and written now."""
        ...

    async def warnings(self) -> list[str]:
        """What its operator should know of how it is set up, one sentence each."""
        ...

    async def close(self) -> None:
        """Release all resources; the store cannot be used afterwards."""
        ...
