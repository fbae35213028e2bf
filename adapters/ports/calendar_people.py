"""What a calendar backend may know of people: free/busy of others, principals, sharing.

Each is a Protocol of its own: a port that lacks one lacks the power; one that has it may still meet a server that
lacks it, and raises Unsupported. All methods raise only `adapters.errors`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from adapters.ports.collections import Privilege

PrincipalKind = Literal["individual", "group", "resource", "location", "other"]
"""CALENDAR-USER-TYPE of a principal (RFC 6638 §2.4.2): ROOM is "location", UNKNOWN "other"."""


@dataclass(frozen=True, slots=True)
class CalendarPrincipal:
    """Somebody with a principal resource (RFC 3744 §4).

    path: canonically percent-encoded. addresses: "mailto:" calendar user addresses, preferred first.
    home: path of the calendar home, None where the server does not show it to this login.
    """

    path: str
    name: str
    kind: PrincipalKind
    addresses: tuple[str, ...]
    home: str | None


@dataclass(frozen=True, slots=True)
class FreeBusyReply:
    """The answer for one attendee (RFC 6638 §5): request_status like "2.0;Success", data a VFREEBUSY or None."""

    recipient: str
    request_status: str
    data: bytes | None


@runtime_checkable
class SchedulingPort(Protocol):
    """A backend with a scheduling outbox."""

    async def ask_free_busy(self, request: bytes) -> Sequence[FreeBusyReply]:
        """POST a VFREEBUSY of METHOD:REQUEST, ORGANIZER being the owner. Raises Unsupported, Forbidden."""
        ...


@runtime_checkable
class PrincipalsPort(Protocol):
    """A backend whose principals can be listed or searched."""

    async def principals(self) -> Sequence[CalendarPrincipal]:
        """Whom the server shows, the login's own first; only that one where the server has no list."""
        ...


@runtime_checkable
class SharingPort(Protocol):
    """A backend whose users share calendars."""

    async def share(self, path: str, access: Mapping[CalendarPrincipal, frozenset[Privilege]]) -> None:
        """Set what these people may do with a calendar, nothing where the set is empty, and leave the others alone.

        What the server cannot give it gives less of, never more; it says in the next listing what came out. It may
        pass over whom it does not know. Raises Forbidden, Unsupported, InvalidData (it does not know one of them, or
        has nothing that is within such a set).
        """
        ...

    async def accept(self, path: str) -> None:
        """Take up a calendar that is offered: other clients of the login see it from now on. Raises NotFound."""
        ...
