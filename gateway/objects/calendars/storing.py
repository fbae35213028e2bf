"""Resources stored, changed and removed on the server: always on condition of the ETag, once more after a 412."""

import uuid
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from adapters.errors import AdapterError, Conflict, NotFound, Unsupported
from adapters.formats.content_lines import ContentLineError, NotWritable
from adapters.formats.jscalendar.patch import change_entry, remove_entry
from adapters.formats.jscalendar.vtimezone import with_time_zones
from adapters.ports.calendars import CalendarResource
from adapters.ports.collections import Stored
from gateway.jmap.errors import SetError
from gateway.objects.calendars import quiet
from gateway.objects.calendars.addresses import Addresses
from gateway.objects.collections import UNKNOWN_ETAG, twice
from gateway.sync.calendars.account import CalendarAccount
from gateway.sync.calendars.entries import read_entries
from gateway.sync.calendars.index import Event, Place, Resource
from gateway.sync.calendars.refresh import current, fetch
from gateway.sync.pace import aside

Edit = Callable[[dict[str, Any]], dict[str, Any]]
"""From the stored JSCalendar Event to the one to be stored. Raises Conflict, SetError."""


@dataclass(slots=True)
class Storing:
    """The writes of one call, entered into the index together by `finish`. All methods raise adapters.errors.

    schedule: whether the server is to tell people of them. announce: called right before each write with the ETag of
    what is replaced, None for something new; what it raises stops the write.
    """

    calendars: CalendarAccount
    own: Addresses
    schedule: bool = False
    announce: Callable[[str | None], Awaitable[None]] | None = None
    done: dict[Place, Resource | None] = field(default_factory=dict)

    async def finish(self) -> None:
        """Enter what was written into the index."""
        done, self.done = self.done, {}
        if done:
            await self.calendars.advance(done)

    async def create(self, place: Place, text: str) -> None:
        """Store a new resource. Raises Conflict where the name or the UID is taken, SetError."""
        text = await aside(len(text), lambda: self._silenced(with_time_zones(text), None))
        await self._announce(None)
        stored = await self.calendars.port.create(self._path(place), place.name, text.encode(), schedule=self.schedule)
        await self._note(place, stored, text)

    async def rewrite(self, place: Place, edit: Callable[[str], str]) -> None:
        """Store a text made of the one that lies there. Raises Conflict, SetError."""

        async def attempt() -> None:
            resource = await current(self.calendars.port, self._path(place), place.name)
            before = resource.data.decode("utf-8", "replace")
            await self._replace(place, self._silenced(with_time_zones(edit(before)), before), resource.etag)

        await twice(attempt)

    async def change(self, event: Event, place: Place, edit: Edit) -> None:
        """Change an event where it lies, everything else in the resource staying as it is. Raises SetError, Conflict.

        After a change by somebody else in between the edit is done once more to what is there now (DESIGN §7).
        """

        async def attempt() -> None:
            resource = await current(self.calendars.port, self._path(place), place.name)
            edited = partial(self._edited, resource, edit, event.entry.recurrence_id)
            text = await aside(len(resource.data), edited)
            if text is not None:
                await self._replace(place, text, resource.etag)

        await twice(attempt)

    async def remove(self, event: Event, place: Place) -> None:
        """Delete an event from where it lies; what else the resource holds stays. Raises SetError, Conflict."""

        async def attempt() -> None:
            try:
                resource = await current(self.calendars.port, self._path(place), place.name)
            except NotFound:  # somebody else did it
                self.done[place] = None
            else:
                await self._remove(event, place, resource)

        await twice(attempt)

    async def remove_resource(self, place: Place) -> None:
        """Delete whatever lies at a place. Raises SetError, Conflict."""
        resource = await current(self.calendars.port, self._path(place), place.name)
        await self._delete(place, resource)

    async def copy(self, event: Event, place: Place, calendar_id: str) -> None:
        """Store the resource of an event in another calendar as well. Raises SetError, Conflict."""
        resource = await current(self.calendars.port, self._path(place), place.name)
        name = f"{uuid.uuid4()}.ics" if self._is_taken(event, place, calendar_id) else place.name
        await self.create(Place(calendar_id, name), resource.data.decode("utf-8", "replace"))

    async def move(self, event: Event, place: Place, calendar_id: str) -> Place:
        """Move the resource of an event to another calendar; where it lies then. Raises Conflict.

        Raises Unsupported where it has to be copied and removed: the server has no MOVE, or another uid has the name.
        """
        if self._is_taken(event, place, calendar_id):
            raise Unsupported("the name is taken")
        resource = await current(self.calendars.port, self._path(place), place.name)
        target = Place(calendar_id, place.name)
        stored = await self.calendars.port.move(self._path(place), place.name, self._path(target), resource.etag)
        self.done[place] = None
        await self._note(target, stored, resource.data.decode("utf-8", "replace"))
        return target

    def _is_taken(self, event: Event, place: Place, calendar_id: str) -> bool:
        """Whether the calendar has something of another uid under the name; one uid has one resource there."""
        there = self.calendars.index.resource(Place(calendar_id, place.name))
        return there is not None and all(entry.uid != event.entry.uid for entry in there.entries)  # RFC 4791 §4.1

    async def _announce(self, etag: str | None) -> None:
        if self.announce is not None:
            await self.announce(etag)

    def _silenced(self, new: str, old: str | None) -> str:
        return new if self.schedule else quiet.silenced(new, old, self.calendars.facts, self.own)

    def _path(self, place: Place) -> str:
        held = self.calendars.index.calendars.get(place.calendar_id)
        if held is None:
            raise NotFound("no such calendar")
        return held.info.path

    def _edited(self, resource: CalendarResource, edit: Edit, recurrence_id: str | None) -> str | None:
        """The new text; None where nothing is to be done."""
        before = resource.data.decode("utf-8", "replace")
        try:
            after = change_entry(resource.data, edit, recurrence_id=recurrence_id)
        except ValueError as error:
            if isinstance(error, ContentLineError) and not isinstance(error, NotWritable):
                raise Conflict("the event is not in the resource any more") from error
            raise SetError("invalidProperties", f"The event would not be valid: {error}"[:300]) from error
        if after == before:
            return None
        return self._silenced(with_time_zones(after), before)

    async def _replace(self, place: Place, text: str, etag: str) -> None:
        path = self._path(place)
        await self._announce(etag)
        stored = await self.calendars.port.replace(path, place.name, text.encode(), etag, schedule=self.schedule)
        await self._note(place, stored, text)

    async def _remove(self, event: Event, place: Place, resource: CalendarResource) -> None:
        if len(read_entries(resource.data)) > 1 and event.entry.recurrence_id is not None:
            text = resource.data.decode("utf-8", "replace")
            rest = remove_entry(text, recurrence_id=event.entry.recurrence_id)
            return await self._replace(place, self._silenced(rest, text), resource.etag)
        return await self._delete(place, resource)

    async def _delete(self, place: Place, resource: CalendarResource) -> None:
        if not self.schedule and not quiet.may_delete(
            resource.data.decode("utf-8", "replace"), self.calendars.facts, self.own
        ):
            raise SetError("forbidden", "The server would tell the participants by itself.")
        await self._announce(resource.etag)
        await self.calendars.port.delete(self._path(place), place.name, resource.etag, schedule=self.schedule)
        self.done[place] = None

    async def _note(self, place: Place, stored: Stored, text: str) -> None:
        """Remember what lies at a place now; a server that says no ETag may have altered it."""
        if stored.etag is None:
            with suppress(AdapterError):  # it is stored, and no error may say that it is not
                found = await fetch(self.calendars.port, self._path(place), [place.name])
                self.done[place] = found.get(place.name)
                return
        data = text.encode()
        self.done[place] = Resource(stored.etag or UNKNOWN_ETAG, await aside(len(data), partial(read_entries, data)))
