"""The calendar store as the gateway sees it: calendars, names with ETags, iCalendar octets.

A CalendarPort belongs to one login and one home (the calendars of one owner). It mints no JMAP ids, keeps no
journal and converts nothing; it reports what the backend holds in the backend's own terms. Free/busy, principals and
sharing are powers of their own in `ports.calendar_people`. All methods raise only `adapters.errors`.

Two kinds of keys cross this port, both canonically percent-encoded (equal resources have equal keys):
a **calendar path**, the collection below the home set with its slash at the end ("work/"; absolute, "/x/work/", where
it lies elsewhere), and a **name**, the one path segment of a resource in its calendar ("4f1c.ics").
"""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol, TypedDict

from adapters.ports.collections import Cursor, Names, Privilege, Stored

Property = Literal["name", "color", "order", "description", "time_zone", "transparent"]
"""What of a calendar may be written; see `CalendarProperties`."""


@dataclass(frozen=True, slots=True)
class CalendarFacts:
    """What the backend turned out to be, known after `CalendarPort.open`.

    server: the row of the table of quirks that fits ("cyrus", "radicale", …, "other"), for logs and probes.
    principal: path of the login's own principal, None where the server tells none.
    owner: path of the principal whose home this is. home: path of the home set.
    addresses: calendar user addresses of the owner (RFC 6638 §2.4.1), lower-case scheme, preferred first; "mailto:"
    only. Empty where the server tells none.
    auto_schedule: the server sends scheduling messages by itself (RFC 6638 §2), unless told not to.
    keeps_quiet: a write with `schedule` False makes it send none, whatever the data says. Where it does not, only
    SCHEDULE-AGENT in new data helps, and a change of attendees that it serves already tells them (RFC 6638 §3.2.1.2).
    outbox: free/busy of others can be asked (`SchedulingPort`).
    per_user: JSCalendar properties that the server keeps apart for each user of a shared calendar.
    lends: calendars of others may be in the home.
    sharing: those who may can share calendars (`SharingPort`).
    scales: calendar systems that a recurrence rule may name (RFC 7529 §10.1), in upper case; empty where any may be
    tried, None where none may be named.
    mails_alerts: the server may send the mail of alerts with the action "email" by itself.
    """

    server: str
    principal: str | None
    owner: str | None
    home: str
    display_name: str | None
    addresses: tuple[str, ...]
    auto_schedule: bool
    keeps_quiet: bool
    outbox: bool
    sharing: bool
    scales: tuple[str, ...] | None = None
    per_user: tuple[str, ...] = ()
    lends: bool = True
    mails_alerts: bool = True


@dataclass(frozen=True, slots=True)
class CalendarProperties:
    """The properties of a calendar; None where the backend has none.

    color: as stored, usually "#RRGGBBAA" (Apple's calendar-color). order: Apple's calendar-order.
    time_zone: iCalendar text with one VTIMEZONE (RFC 4791 §5.2.2). transparent: does not count as busy (RFC 6638 §9.1).
    """

    name: str | None = None
    color: str | None = None
    order: int | None = None
    description: str | None = None
    time_zone: str | None = None
    transparent: bool | None = None


@dataclass(frozen=True, slots=True)
class Calendar:
    """One calendar of the listing.

    components: what it may hold (RFC 4791 §5.2.3), upper case; empty where the server does not say, which means all.
    privileges: of the login, None where the server does not say (then the calendar is the login's own).
    owner: path of the owning principal where the server tells it and it is not the home's owner: a shared calendar.
    default: the server puts invitations here (RFC 6638 §9.2); false for all where it does not say.
    max_size: the largest resource in octets (RFC 4791 §5.2.5). cursor: where it stands as of this listing.
    offered: somebody shares it, and the login has not taken it up yet (`SharingPort.accept`).
    grants: what others may do, by path of their principal (RFC 3744 §5.5), the calendar's owner left out; None where
    the server does not share calendars, or does not tell this login with whom.
    """

    path: str
    properties: CalendarProperties
    components: frozenset[str]
    privileges: frozenset[Privilege] | None
    owner: str | None
    default: bool
    max_size: int | None
    cursor: Cursor
    offered: bool = False
    grants: Mapping[str, frozenset[Privilege]] | None = None


class CalendarChanges(TypedDict, total=False):
    """Properties to write: absent leaves alone, None removes; see `CalendarProperties`."""

    name: str | None
    color: str | None
    order: int | None
    description: str | None
    time_zone: str | None
    transparent: bool | None


@dataclass(frozen=True, slots=True)
class CalendarDelta:
    """How one calendar moved.

    cursor: where it stands after this delta. changed: new names, and known ones with another ETag. removed: known
    names that are gone; only such as the server said to be gone, or left out of a complete listing. resources: those
    of the changed ones that came along with the answer; the others must be fetched.
    """

    cursor: Cursor
    changed: Names
    removed: frozenset[str]
    resources: Mapping[str, "CalendarResource"] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CalendarResource:
    """One stored iCalendar object. schedule_tag: RFC 6638 §3.2.10, where the server has it."""

    etag: str
    data: bytes
    schedule_tag: str | None = None


@dataclass(frozen=True, slots=True)
class TimeRange:
    """[start, end) in UTC; None is open. Never both None (RFC 4791 §9.9)."""

    start: datetime | None
    end: datetime | None


class CalendarPort(Protocol):
    """The calendars of one home, for one login."""

    async def open(self) -> CalendarFacts:
        """Prove the credentials, find the home, learn the backend's powers. Raises AuthFailed, Unavailable, NotFound.

        NotFound: a server that works and has no calendars for this login.
        """
        ...

    async def calendars(self) -> list[Calendar]:
        """All calendars of the home with fresh cursors, true as of this call."""
        ...

    def heard(self) -> Sequence[Calendar]:
        """What `calendars` said last, in `open` at the latest: some may be gone by now."""
        ...

    async def cursors(self) -> Mapping[str, Cursor]:
        """Where all calendars of the home stand, by path: a listing without the properties, which costs less."""
        ...

    async def changes(self, calendar: Calendar, since: Cursor | None, known: Names) -> CalendarDelta:
        """What happened in one calendar to the names that are known. None: nothing is known, everything is changed.

        calendar: from a listing; its cursor says what the delta is at least as new as. A cursor that the server no
        longer honours costs a full listing, not an error. A listing that fails or is incomplete raises Unavailable: it
        never reads as "removed". Raises NotFound, Forbidden.
        """
        ...

    def fetch(self, path: str, names: Collection[str]) -> AsyncIterator[Mapping[str, CalendarResource]]:
        """The resources by name, in batches as they arrive; those that are gone are left out. Raises NotFound."""
        ...

    def find(self, path: str, window: TimeRange, component: str) -> AsyncIterator[Mapping[str, CalendarResource]]:
        """Resources whose component ("VEVENT", "VTODO") overlaps the window, by the server's judgement, in batches.

        A superset or a subset of the truth: servers differ. The caller decides what really overlaps.
        """
        ...

    async def create(self, path: str, name: str, data: bytes, *, schedule: bool = True) -> Stored:
        """Store a new resource. Raises Conflict (the name is taken, or the UID lies elsewhere in the calendar).

        schedule: False asks a server that can (`CalendarFacts.keeps_quiet`) to send no scheduling messages.
        Raises also InvalidData (the server refuses the content), TooLarge, OverQuota, Forbidden, NotFound.
        """
        ...

    async def replace(self, path: str, name: str, data: bytes, etag: str, *, schedule: bool = True) -> Stored:
        """Store over the resource that has this ETag. Raises Conflict when it has another; else as `create`."""
        ...

    async def delete(self, path: str, name: str, etag: str | None, *, schedule: bool = True) -> None:
        """Delete the resource that has this ETag (None: whichever). Raises Conflict, NotFound, Forbidden.

        schedule: as for `create`; where the server has no more than RFC 6638 §8.1 (Schedule-Reply: F), False concerns
        attendees only: an organizer's cancelling is held back by SCHEDULE-AGENT in the data.
        """
        ...

    async def move(self, path: str, name: str, target: str, etag: str) -> Stored:
        """Move a resource to another calendar under the same name. Raises Conflict, NotFound, Forbidden.

        Raises Unsupported where the server has no MOVE for it; the caller then creates and deletes.
        """
        ...

    async def create_calendar(
        self, name: str, changes: CalendarChanges, components: Collection[str] = ()
    ) -> tuple[str, frozenset[Property]]:
        """Make a calendar, `name` being one path segment. Answers its path and the properties that were not stored.

        Raises Conflict (the name is taken), Forbidden, Unsupported (the server lets nobody make calendars).
        """
        ...

    async def update_calendar(self, path: str, changes: CalendarChanges) -> frozenset[Property]:
        """Write properties; answers those that the server does not store. Raises NotFound, Forbidden."""
        ...

    async def delete_calendar(self, path: str) -> None:
        """Delete a calendar with everything in it. Raises NotFound, Forbidden."""
        ...

    async def set_default_calendar(self, path: str) -> None:
        """Where the server is to put invitations (RFC 6638 §9.2). Raises Unsupported, Forbidden."""
        ...

    async def close(self) -> None:
        """Drop all connections."""
        ...
