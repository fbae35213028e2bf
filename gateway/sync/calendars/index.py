"""The calendars of one account as they are known: immutable once readers can see it.

An event may lie in several calendars, as one resource in each (docs/decisions/0009-calendars.md): the latest revision
is shown, and an instance that stands alone is not shown beside the series that it belongs to.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from adapters.ports.calendars import Calendar, CalendarCursor, CalendarFacts, Names
from gateway.sync.calendars.entries import Entry
from gateway.sync.calendars.personal import PER_USER, Personal, is_hidden, seen_by_others
from gateway.sync.ids import Digester, to_text
from gateway.sync.journal import Changes

CALENDAR: Final = "Calendar"
EVENT: Final = "CalendarEvent"
IDENTITY: Final = "ParticipantIdentity"
NOTIFICATION: Final = "CalendarEventNotification"
TYPES: Final = (CALENDAR, EVENT)

Settings = Mapping[str, Mapping[str, Any]]
"""Calendar id -> JMAP properties that the server has no place for, by name."""


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
    cursor: CalendarCursor | None
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
class Index:
    """Everything that is known of an account's calendars.

    foreign: path -> what was last heard of the calendars of others in the home, without cursors.
    personal: event id -> what the user has for himself of an event on calendars of others.
    passed_over: paths of collections that are no Calendars. derived: what readers made of it, gone with the next one;
    instances: synthetic ids that a query has found to exist.
    """

    calendars: Mapping[str, Held] = field(default_factory=dict)
    events: Mapping[str, Event] = field(default_factory=dict)
    uids: Mapping[str, frozenset[Place]] = field(default_factory=dict)
    settings: Settings = field(default_factory=dict)
    facts: CalendarFacts | None = None
    passed_over: frozenset[str] = frozenset()
    personal: Mapping[str, Personal] = field(default_factory=dict)
    foreign: Mapping[str, Calendar] = field(default_factory=dict)
    derived: dict[bytes, Any] = field(default_factory=dict, compare=False)
    instances: set[str] = field(default_factory=set, compare=False)

    def resource(self, place: Place) -> Resource | None:
        """What lies at a place."""
        held = self.calendars.get(place.calendar_id)
        return None if held is None else held.resources.get(place.name)

    def setting(self, calendar_id: str, name: str) -> Any:
        """A property that is kept beside the server; None where it was never set."""
        return self.settings.get(calendar_id, {}).get(name)


class Edit:
    """An index in the making; `settle` gives it away."""

    def __init__(self, base: Index, ids: Ids) -> None:
        self._base = base
        self._ids = ids
        self._calendars = dict(base.calendars)
        self._resources: dict[str, dict[str, Resource]] = {}
        self._uids: dict[str, set[Place]] = {}
        self._settings = base.settings
        self._personal = base.personal
        self.passed_over = base.passed_over
        self.foreign = base.foreign
        self.touched: set[Place] = set()
        self.moved: set[str] = set()
        """Ids of calendars whose head differs: properties, cursor, or that came or went."""

    def put_calendar(self, info: Calendar, cursor: CalendarCursor | None) -> None:
        """Enter a calendar, or what is new about one."""
        calendar_id = self._ids.calendar(info.path)
        held = self._calendars.get(calendar_id)
        if held is not None and (held.info.owner is None) != (info.owner is None):  # its events are seen otherwise
            for resource in held.resources.values():
                for entry in resource.entries:
                    self._places(entry.uid)
        if held is None or held.info != info or held.cursor != cursor:
            self._calendars[calendar_id] = Held(calendar_id, info, cursor, {} if held is None else held.resources)
            self.moved.add(calendar_id)

    def drop_calendar(self, calendar_id: str) -> None:
        """Forget a calendar with everything in it."""
        for name in list(self._open(calendar_id)):
            self.drop(Place(calendar_id, name))
        del self._calendars[calendar_id], self._resources[calendar_id]
        self.moved.add(calendar_id)

    def put(self, place: Place, resource: Resource) -> None:
        """Enter a resource in place of what was there."""
        self.drop(place)
        self._open(place.calendar_id)[place.name] = resource
        for entry in resource.entries:
            self._places(entry.uid).add(place)

    def drop(self, place: Place) -> None:
        """Forget a resource."""
        self.touched.add(place)
        old = self._open(place.calendar_id).pop(place.name, None)
        for entry in old.entries if old is not None else ():
            self._places(entry.uid).discard(place)

    def set_settings(self, settings: Settings) -> None:
        """Replace what is kept beside the server."""
        self._settings = settings

    def put_personal(self, event_id: str, uid: str, personal: Personal) -> None:
        """Replace what the user has of an event for himself; empty for nothing."""
        rest = {key: value for key, value in self._personal.items() if key != event_id}
        self._personal = {**rest, event_id: personal} if personal else rest
        self._places(uid)

    def settle(self, facts: CalendarFacts | None) -> tuple[Index, dict[str, Changes]]:
        """The finished index, and what changed for clients by type."""
        for calendar_id, resources in self._resources.items():
            self._calendars[calendar_id] = replace(self._calendars[calendar_id], resources=resources)
        base = self._base
        if not self._uids:
            index = self._index(base.events, base.uids, facts)
            return index, {CALENDAR: _calendar_changes(base, index)}
        uids = dict(base.uids)
        events = dict(base.events)
        draft = self._index(events, uids, facts)
        for uid, places in self._uids.items():
            uids[uid] = frozenset(places)
            if not places:
                del uids[uid]
            for event_id in _ids_of(base, uid, self._ids):
                events.pop(event_id, None)
            events.update(_events(draft, uid, places, self._ids))
        changes = _event_changes(base, draft, self._uids, self._ids)
        return draft, {CALENDAR: _calendar_changes(base, draft), EVENT: changes}

    def _index(
        self, events: Mapping[str, Event], uids: Mapping[str, frozenset[Place]], facts: CalendarFacts | None
    ) -> Index:
        return Index(
            self._calendars, events, uids, self._settings, facts, self.passed_over, self._personal, self.foreign
        )

    def _open(self, calendar_id: str) -> dict[str, Resource]:
        if calendar_id not in self._resources:
            self._resources[calendar_id] = dict(self._calendars[calendar_id].resources)
        return self._resources[calendar_id]

    def _places(self, uid: str) -> set[Place]:
        if uid not in self._uids:
            self._uids[uid] = set(self._base.uids.get(uid, ()))
        return self._uids[uid]


def _entries(index: Index, uid: str, places: Iterable[Place]) -> list[tuple[Entry, Place]]:
    found = []
    for place in sorted(places):
        resource = index.resource(place)
        found += [(entry, place) for entry in (resource.entries if resource else ()) if entry.uid == uid]
    return found


def _events(index: Index, uid: str, places: Iterable[Place], ids: Ids) -> dict[str, Event]:
    """The events of one UID: the series alone where there is one, else each instance that stands alone."""
    found = [(entry, place) for entry, place in _entries(index, uid, places) if _is_seen(index, entry, place)]
    if any(entry.recurrence_id is None for entry, _ in found):
        found = [(entry, place) for entry, place in found if entry.recurrence_id is None]  # -29 §1.4.1
    copies: dict[str, list[tuple[Entry, Place]]] = {}
    for entry, place in found:
        copies.setdefault(ids.event(uid, entry.recurrence_id), []).append((entry, place))
    return {event_id: _event(index, event_id, same) for event_id, same in copies.items()}


def _event(index: Index, event_id: str, copies: list[tuple[Entry, Place]]) -> Event:
    shown, first = max(copies, key=lambda copy: copy[0].rank)  # the first of equals, and the places are in order
    others = [place for _, place in copies if place != first]
    if is_of_others(index, (place.calendar_id for _, place in copies)):
        shown = seen_by_others(shown, index.personal.get(event_id, {}), kept_apart(index))
    return Event(event_id, shown, (first, *others))


def _is_seen(index: Index, entry: Entry, place: Place) -> bool:
    return index.calendars[place.calendar_id].info.owner is None or not is_hidden(entry)


def is_of_others(index: Index, calendar_ids: Iterable[str]) -> bool:
    """Whether all of these calendars belong to others."""
    return all(index.calendars[calendar_id].info.owner is not None for calendar_id in calendar_ids)


def kept_apart(index: Index) -> frozenset[str]:
    """The properties of events on calendars of others that are kept here for each user (-29 §5.4)."""
    return PER_USER - {*(() if index.facts is None else index.facts.per_user)}


def _ids_of(index: Index, uid: str, ids: Ids) -> set[str]:
    return {ids.event(uid, entry.recurrence_id) for entry, _ in _entries(index, uid, index.uids.get(uid, ()))}


def _event_changes(base: Index, index: Index, uids: Iterable[str], ids: Ids) -> Changes:
    changes = Changes()
    for uid in uids:
        for event_id in sorted(_ids_of(base, uid, ids) | _ids_of(index, uid, ids)):
            _note(changes, event_id, base.events.get(event_id), index.events.get(event_id), _same_event)
    return changes


def _same_event(one: Event, other: Event) -> bool:
    return one.entry.json == other.entry.json and one.calendar_ids == other.calendar_ids


def _calendar_changes(base: Index, index: Index) -> Changes:
    changes = Changes()
    for calendar_id in sorted(base.calendars.keys() | index.calendars.keys()):
        old, new = base.calendars.get(calendar_id), index.calendars.get(calendar_id)
        same = _facts(base, calendar_id) == _facts(index, calendar_id)
        _note(changes, calendar_id, old, new, lambda _one, _other, same=same: same)
    return changes


def _facts(index: Index, calendar_id: str) -> Any:
    """What of a calendar its clients see."""
    held = index.calendars.get(calendar_id)
    if held is None:
        return None
    info = held.info
    return (
        info.properties,
        info.privileges,
        info.grants,
        info.offered,
        info.owner,
        index.settings.get(calendar_id),
        is_default(index, held),
    )


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


def _note(changes: Changes, key: str, old: Any, new: Any, same: Any) -> None:
    if old is None and new is not None:
        changes.created.append(key)
    elif new is None and old is not None:
        changes.destroyed.append(key)
    elif old is not None and not same(old, new):
        changes.updated.append(key)
