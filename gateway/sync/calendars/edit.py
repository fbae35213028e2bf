"""The next index of an account's calendars in the making, and what it tells clients of (see `index`)."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from adapters.ports.calendars import Calendar, CalendarFacts
from adapters.ports.collections import Cursor
from gateway.sync.calendars.entries import Entry
from gateway.sync.calendars.index import (
    CALENDAR,
    EVENT,
    Event,
    Held,
    Ids,
    Index,
    Place,
    Resource,
    is_default,
    is_of_others,
    kept_apart,
)
from gateway.sync.calendars.personal import Personal, is_hidden, seen_by_others
from gateway.sync.collections.draft import Draft, note
from gateway.sync.journal import Changes


class Edit(Draft[Index, Place, Resource, CalendarFacts]):
    """An index in the making; `settle` gives it away."""

    def __init__(self, base: Index, ids: Ids) -> None:
        super().__init__(base)
        self._ids = ids
        self._calendars = dict(base.calendars)
        self._resources: dict[str, dict[str, Resource]] = {}
        self._uids: dict[str, set[Place]] = {}
        self._personal = base.personal
        self.passed_over = base.passed_over
        self.foreign = base.foreign

    def put_calendar(self, info: Calendar, cursor: Cursor | None) -> None:
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
        """Enter a resource in place of what was there; not in a calendar that went meanwhile."""
        if place.calendar_id not in self._calendars:
            return
        self.drop(place)
        self._open(place.calendar_id)[place.name] = resource
        for entry in resource.entries:
            self._places(entry.uid).add(place)

    def drop(self, place: Place) -> None:
        """Forget a resource."""
        if place.calendar_id not in self._calendars:
            return
        self.touched.add(place)
        old = self._open(place.calendar_id).pop(place.name, None)
        for entry in old.entries if old is not None else ():
            self._places(entry.uid).discard(place)

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
            calendars=self._calendars,
            events=events,
            uids=uids,
            settings=self._settings,
            facts=facts,
            passed_over=self.passed_over,
            personal=self._personal,
            foreign=self.foreign,
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


def _ids_of(index: Index, uid: str, ids: Ids) -> set[str]:
    return {ids.event(uid, entry.recurrence_id) for entry, _ in _entries(index, uid, index.uids.get(uid, ()))}


def _event_changes(base: Index, index: Index, uids: Iterable[str], ids: Ids) -> Changes:
    changes = Changes()
    for uid in uids:
        for event_id in sorted(_ids_of(base, uid, ids) | _ids_of(index, uid, ids)):
            note(changes, event_id, _shown(base.events.get(event_id)), _shown(index.events.get(event_id)))
    return changes


def _shown(event: Event | None) -> Any:
    """What of an event its clients see."""
    return None if event is None else (event.entry.json, event.calendar_ids)


def _calendar_changes(base: Index, index: Index) -> Changes:
    changes = Changes()
    for calendar_id in sorted(base.calendars.keys() | index.calendars.keys()):
        note(changes, calendar_id, _facts(base, calendar_id), _facts(index, calendar_id))
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
