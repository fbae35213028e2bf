"""Per-user properties of events on calendars of others, as a /set writes them (-29 §5.4)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.sync.calendars.account import CalendarAccount
from gateway.sync.calendars.index import Event, is_of_others, kept_apart
from gateway.sync.calendars.personal import Personal, personal_of, with_personal

Values = dict[str, Any]


@dataclass(slots=True)
class PerUser:
    """What one call changes for the user alone; in effect after `finish`."""

    calendars: CalendarAccount
    _changed: dict[str, tuple[str, Personal]] = field(default_factory=dict)

    def apart(self, calendar_ids: Iterable[str]) -> frozenset[str]:
        """The properties that are kept here for an event on these calendars; none on the user's own."""
        index = self.calendars.index
        return kept_apart(index) if is_of_others(index, calendar_ids) else frozenset()

    def seen(self, event: Event, stored: Values) -> Values:
        """The stored event as the user sees it."""
        names = self.apart(event.calendar_ids)
        return with_personal(stored, self.calendars.index.personal.get(event.id, {}), names) if names else stored

    def stored(self, event: Event, new: Values, stored: Values, *, essential: bool) -> Values:
        """What is to be stored so that the user sees `new`; what is his own is remembered."""
        names = self.apart(event.calendar_ids)
        if not names:
            return new
        self.remember(event, new, essential=essential)
        result = with_personal(new, personal_of(stored, names), names)
        if not essential:  # -29 §5.4: just for that user
            result = {name: value for name, value in result.items() if name != "updated"}
            result |= {"updated": stored["updated"]} if "updated" in stored else {}
        return result

    def remember(self, event: Event, new: Mapping[str, Any], *, essential: bool = False) -> None:
        """Keep what the user has for himself of an event as he is to see it."""
        personal = personal_of(new, self.apart(event.calendar_ids))
        if not essential and "updated" in new:
            personal["updated"] = new["updated"]
        self._changed[event.id] = event.entry.uid, personal

    def new(self, event_id: str, event: Values, calendar_ids: Iterable[str]) -> Values:
        """What is to be stored of an event that comes to these calendars; what is the user's own is remembered."""
        names = self.apart(calendar_ids)
        if not names:
            return event
        self._changed[event_id] = event["uid"], personal_of(event, names)
        return with_personal(event, {}, names)

    def clear(self) -> None:
        """Forget what a record that was refused would have changed."""
        self._changed.clear()

    async def finish(self) -> None:
        """Write it down. Raises Unavailable."""
        changed, self._changed = self._changed, {}
        for event_id, (uid, personal) in changed.items():
            if personal != self.calendars.index.personal.get(event_id, {}):
                await self.calendars.set_personal(event_id, uid, personal)
