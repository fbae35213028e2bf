"""Changing mail. The gateway plans (which copy, which folder); the port carries out and reports what the server did.

Flags are changed by deltas only, so that what others set meanwhile survives. UIDs are guarded by UIDVALIDITY as in
`ports.mail`. Nothing is retried once the server may have acted; the caller looks at the state afterwards.
All methods raise only `adapters.errors`.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from adapters.ports.mail import Keywords


@dataclass(frozen=True, slots=True)
class FlagDelta:
    """Keywords to add to and to remove from some messages of one folder."""

    uids: tuple[int, ...]
    add: Keywords
    remove: Keywords


@dataclass(frozen=True, slots=True)
class Octets:
    """A message to be stored: its exact size, and a function that streams it from the start each time it is called."""

    size: int
    read: Callable[[], AsyncIterator[bytes]]


@dataclass(frozen=True, slots=True)
class Appended:
    """Where an appended message lies (RFC 4315 APPENDUID). `uid` is 0 where the server doesn't say."""

    uid_validity: int
    uid: int


@runtime_checkable
class MailWritePort(Protocol):
    """What a login may change. Which keywords a folder can keep is asked of `permanent_keywords`."""

    async def permanent_keywords(self, path: str) -> Keywords | None:
        """The keywords that the folder stores, None for any (RFC 9051 §7.1, PERMANENTFLAGS with \\*)."""
        ...

    async def change_flags(
        self, path: str, uid_validity: int, deltas: Sequence[FlagDelta], since: int = 0
    ) -> Mapping[int, int]:
        """Apply all deltas, one STORE for each kind of change. Raises Conflict, NotFound, Forbidden.

        since: the modification sequence up to which the caller knows the messages, 0 for none.

        UID -> MODSEQ of those that nobody else has changed since, where the server tells (RFC 7162 §3.1.3). The others
        are changed as well; UIDs that are gone are passed over.
        """
        ...

    async def append(self, path: str, message: Octets, keywords: Keywords, received_at: int | None) -> Appended:
        """Store a message, streamed. `received_at` in seconds since 1970. Raises OverQuota, TooLarge, NotFound."""
        ...

    async def copy(self, path: str, uid_validity: int, uids: Sequence[int], target: str) -> Mapping[int, int]:
        """Copy messages; old UID -> new UID where the server tells (COPYUID), else empty."""
        ...

    async def move(self, path: str, uid_validity: int, uids: Sequence[int], target: str) -> Mapping[int, int]:
        """Move messages: MOVE, else COPY, STORE \\Deleted and UID EXPUNGE. Raises Unsupported without UIDPLUS."""
        ...

    async def expunge(self, path: str, uid_validity: int, uids: Sequence[int]) -> None:
        """Remove exactly these messages (UID EXPUNGE only). Raises Unsupported where others would go as well."""
        ...

    async def create_folder(self, path: str, role: str | None) -> None:
        """Create a folder, with a special use where asked and possible. Raises Conflict, InvalidData (name)."""
        ...

    async def assign_role(self, path: str, role: str | None) -> None:
        """Change the role of a folder, None for none. Raises Unsupported where the server keeps no such; NotFound."""
        ...

    async def rename_folder(self, path: str, target: str) -> None:
        """Rename a folder and everything below it, subscriptions included."""
        ...

    async def delete_folder(self, path: str) -> None:
        """Delete a folder with the messages in it. Raises Forbidden, NotFound."""
        ...

    async def subscribe(self, path: str, subscribed: bool) -> None:
        """Subscribe to a folder or unsubscribe."""
        ...
