"""The calendars of one account as they are known: immutable once readers can see it.

An event may lie in several calendars, as one resource in each (docs/decisions/0009-calendars.md): the latest revision
is shown, and an instance that stands alone is not shown beside the series that it belongs to.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from adapters.ports.calendars import Calendar, CalendarFacts
from adapters.ports.collections import Cursor, Names
from gateway.sync.calendars.entries import Entry
from gateway.sync.calendars.personal import PER_USER, Personal
from gateway.sync.collections.index import Known
from gateway.sync.ids import Digester, to_text

CALENDAR: Final = "Calendar"
EVENT: Final = "CalendarEvent"
IDENTITY: Final = "ParticipantIdentity"
NOTIFICATION: Final = "CalendarEventNotification"
TYPES: Final = (CALENDAR, EVENT)


@dataclass(frozen=True, slots=True)
class Resource:
    """One stored object and the events in it, none where it holds something else."""

    etag: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where a resource lies: Calendar id and name."""

    calendar_id: str
    name: str


@dataclass(frozen=True, slots=True)
class Held:
    """One calendar with what lies in it. cursor: where the resources stand, None while they are not known."""

    id: str
    info: Calendar
    cursor: Cursor | None
    resources: Mapping[str, Resource]

    @property
    def names(self) -> Names:
        """Name -> ETag of everything that is known."""
        return {name: resource.etag for name, resource in self.resources.items()}


@dataclass(frozen=True, slots=True)
class Event:
    """A CalendarEvent. places: where it lies, in a stable order; the first is that of the copy which is shown."""

    id: str
    entry: Entry
    places: tuple[Place, ...]

    @property
    def version(self) -> int:
        """Differs where anything that is shown of the event does."""
        return hash((self.entry.json, self.calendar_ids))

    @property
    def calendar_ids(self) -> frozenset[str]:
        """The calendars that the event is in."""
        return frozenset(place.calendar_id for place in self.places)


class Ids:
    """Ids derived in one namespace (DESIGN §4): of calendars and principals from their path, of events from UID and
    recurrence id.

    principals: the namespace of the account that holds the Principals, where it is another one.
    """

    def __init__(self, namespace: str, principals: str | None = None) -> None:
        self._calendars = Digester(namespace, "calendar")
        self._events = Digester(namespace, "calendar-event")
        self._principals = Digester(principals or namespace, "principal")

    def calendar(self, path: str) -> str:
        """The id of the calendar at a path."""
        return to_text("c", self._calendars.digest(path.encode()))

    def principal(self, path: str) -> str:
        """The id of whoever has the principal resource at a path."""
        return to_text("p", self._principals.digest(path.encode()))

    def event(self, uid: str, recurrence_id: str | None) -> str:
        """The id of an event, or of an instance that stands alone."""
        fact = uid if recurrence_id is None else f"{uid}\0{recurrence_id}"
        return to_text("e", self._events.digest(fact.encode("utf-8", "surrogatepass")))


@dataclass(frozen=True, slots=True)
class Index(Known):
    """Everything that is known of an account's calendars.

    foreign: path -> what was last heard of the calendars of others in the home, without cursors.
    personal: event id -> what the user has for himself of an event on calendars of others.
    passed_over: paths of collections that are no Calendars. instances: synthetic ids that a query has found to exist,
    gone with the next index.
    """

    calendars: Mapping[str, Held] = field(default_factory=dict)
    events: Mapping[str, Event] = field(default_factory=dict)
    uids: Mapping[str, frozenset[Place]] = field(default_factory=dict)
    facts: CalendarFacts | None = None
    passed_over: frozenset[str] = frozenset()
    personal: Mapping[str, Personal] = field(default_factory=dict)
    foreign: Mapping[str, Calendar] = field(default_factory=dict)
    instances: set[str] = field(default_factory=set, compare=False)

    def resource(self, place: Place) -> Resource | None:
        """What lies at a place."""
        held = self.calendars.get(place.calendar_id)
        return None if held is None else held.resources.get(place.name)


def is_of_others(index: Index, calendar_ids: Iterable[str]) -> bool:
    """Whether all of these calendars belong to others."""
    return all(index.calendars[calendar_id].info.owner is not None for calendar_id in calendar_ids)


def kept_apart(index: Index) -> frozenset[str]:
    """The properties of events on calendars of others that are kept here for each user (-29 §5.4)."""
    return PER_USER - {*(() if index.facts is None else index.facts.per_user)}


def is_default(index: Index, held: Held) -> bool:
    """Whether this is the calendar for new events: as was set here, else as the server says, else the first."""
    return held.id == default_of(index)


def default_of(index: Index) -> str | None:
    """The id of the default calendar; None where there is no calendar that can be written to."""
    chosen = [held.id for held in index.calendars.values() if index.setting(held.id, "isDefault")]
    writable = {held.id: held.info for held in index.calendars.values() if may_write(held.info)}
    by_server = [key for key, info in writable.items() if info.default]
    first = sorted(writable, key=lambda key: (writable[key].properties.order or 0, writable[key].path))
    return next((key for key in (*chosen, *by_server, *first) if key in writable), None)


def is_subscribed(index: Index, calendar_id: str) -> bool:
    """Whether the user wants to see a calendar (-29 §4); not what others offer and he did not accept."""
    is_wanted: bool = index.setting(calendar_id, "isSubscribed") is not False
    return is_wanted and not index.calendars[calendar_id].info.offered


def may_write(info: Calendar) -> bool:
    """Whether events may be put into a calendar."""
    return info.privileges is None or {"bind", "write-content"} <= info.privileges
