"""Where a new event is stored: in a resource of its own, or where its uid lies already (RFC 4791 §4.1, -29 §1.4.1)."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import orjson

from adapters.errors import AdapterError, Conflict, NotFound
from adapters.formats.jscalendar.patch import add_entries
from adapters.formats.jscalendar.write import write_text
from gateway.jmap.errors import SetError
from gateway.jmap.properties import Update
from gateway.objects.calendars import event_rules as rules
from gateway.objects.calendars.storing import Storing
from gateway.sync.calendars.account import CalendarAccount
from gateway.sync.calendars.index import Event, Held, Place
from gateway.sync.pace import aside


@dataclass(slots=True)
class Placing:
    """The new events of one call."""

    calendars: CalendarAccount
    storing: Storing

    def given_way(self, event: Mapping[str, Any], doomed: Collection[str]) -> list[Event]:
        """The instances that stand alone and give way to their series (-29 §5.9). doomed: what is to be destroyed."""
        if event.get("recurrenceId") is not None:
            return []
        events = self.calendars.index.events
        found = [events[event_id] for event_id in doomed if event_id in events]
        return [one for one in found if one.entry.uid == event["uid"] and one.entry.recurrence_id is not None]

    def check_uid(self, event: Mapping[str, Any], gone: Collection[str]) -> None:
        """An account holds a uid once, or as instances that stand alone (-29 §1.4.1). Raises SetError.

        gone: ids of what gives way to the event.
        """
        events = self.calendars.index.events.values()
        same = [other for other in events if other.entry.uid == event["uid"] and other.id not in gone]
        ids = {other.entry.recurrence_id for other in same}
        if same and (event.get("recurrenceId") is None or ids & {None, event["recurrenceId"]}):
            raise SetError("invalidProperties", "There is an event of this uid.", ["uid"], existingId=same[0].id)
        if any(_privacy(other.entry.event()) != _privacy(event) for other in same):
            raise _differs()

    def refused(self, updates: Mapping[str, Update]) -> dict[str, SetError]:
        """By id: the updates that would leave instances of one uid with a different `privacy` each (-29 §5.9)."""
        events = self.calendars.index.events
        asked = {key: one.patched for key, one in updates.items() if key in events and "privacy" in one.changed}
        found: dict[str, SetError] = {}
        for uid in {events[key].entry.uid for key in asked}:
            same = [event for event in events.values() if event.entry.uid == uid]
            if len({_privacy(asked.get(event.id) or event.entry.event()) for event in same}) > 1:
                found |= {event.id: _differs() for event in same if event.id in updates}
        return found

    async def store(self, event_id: str, event: dict[str, Any], calendars: Sequence[Held]) -> None:
        """Store an event in calendars, in all of them or in none. Raises SetError, adapters.errors.

        What is there of its uid are instances that stand alone: one more joins them, their series takes their place.
        """
        try:
            text = await aside(len(orjson.dumps(event)), partial(write_text, event))
        except ValueError as error:
            raise rules.invalid(f"The event cannot be written: {error}"[:300]) from error
        joins = event.get("recurrenceId") is not None
        there = sorted(self.calendars.index.uids.get(event["uid"], ()))
        for number, held in enumerate(calendars):
            place = next((place for place in there if place.calendar_id == held.id), None)
            try:
                if place is None:
                    await self.storing.create(Place(held.id, f"{event_id}.ics"), text)
                else:
                    await self.storing.rewrite(place, lambda old: add_entries(old, text) if joins else text)
                    there.remove(place)
            except (AdapterError, SetError) as error:
                await self.storing.finish()
                if number:
                    await self._take_back(event_id)
                raise _refused(error, number) from error
        for place in [] if joins else there:
            with suppress(NotFound):  # somebody else did it
                await self.storing.remove_resource(place)

    async def _take_back(self, event_id: str) -> None:
        event = self.calendars.index.events.get(event_id)
        for place in event.places if event is not None else ():
            await self.storing.remove(event, place)  # type: ignore[arg-type]  # there are places


def _refused(error: AdapterError | SetError, number: int) -> AdapterError | SetError:
    """What to tell of an error at a calendar, 0 for the first one."""
    if not isinstance(error, Conflict):
        return error
    if number:
        return rules.invalid("The server takes an event in one calendar only.", "calendarIds")
    return rules.invalid("The server has another event of this uid.", "uid")


def _privacy(event: Mapping[str, Any]) -> str:
    return event.get("privacy") or "public"


def _differs() -> SetError:
    return rules.invalid("must be that of the other instances", "privacy")
