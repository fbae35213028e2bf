"""One look at the server: which calendars there are, which moved, and what is new in them."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Final, Self

from adapters.errors import Forbidden, NotFound
from adapters.ports.calendars import Calendar, CalendarPort, CalendarResource, TimeRange
from adapters.ports.collections import Cursor
from gateway.sync.calendars.edit import Edit
from gateway.sync.calendars.entries import read_entries
from gateway.sync.calendars.index import Held, Ids, Index, Place, Resource
from gateway.sync.pace import aside

_log: Final = logging.getLogger(__name__)

Shows = Callable[[Calendar], bool]

_AT_ONCE: Final = 10
"""Resources that are converted before the event loop gets its turn."""


async def look(base: Index, port: CalendarPort, ids: Ids, shows: Shows, *, whole: bool) -> Edit:
    """What the server holds now, as an edit of what is known. Raises adapters.errors.

    shows: which of the home's calendars are the account's.
    whole: also what only a Calendar shows, its properties and rights; else that is looked at only where calendars came
    or went. A calendar that cannot be read costs only itself: it stays as it is known, and the next pass tries again.
    """
    edit = Edit(base, ids)
    listed = None if whole else await _as_known(base, port, ids)
    if listed is None:
        infos = await port.calendars()
        seen = [info for info in infos if is_shown(info)]
        listed = {ids.calendar(info.path): info for info in seen if shows(info)}
        edit.passed_over = frozenset(info.path for info in infos) - {info.path for info in listed.values()}
        nowhere = Cursor(None, None)
        edit.foreign = {info.path: replace(info, cursor=nowhere) for info in seen if info.owner is not None}
    for calendar_id in base.calendars.keys() - listed.keys():
        edit.drop_calendar(calendar_id)
    for calendar_id, info in listed.items():
        held = base.calendars.get(calendar_id)
        if held is not None and not info.cursor.moved_from(held.cursor):
            edit.put_calendar(info, held.cursor)
            continue
        try:
            await _follow(edit, port, info, held, calendar_id)
        except (NotFound, Forbidden) as error:
            _log.warning("a calendar cannot be read: %s", type(error).__name__)
            edit.put_calendar(info, None if held is None else held.cursor)
    return edit


async def _as_known(base: Index, port: CalendarPort, ids: Ids) -> dict[str, Calendar] | None:
    """The calendars that are known, with cursors of now; None where the home has others, or nothing is known."""
    if not base.calendars:
        return None
    cursors = await port.cursors()
    shown = {path: cursor for path, cursor in cursors.items() if path not in base.passed_over}
    if {ids.calendar(path) for path in shown} != base.calendars.keys():
        return None
    known = {calendar_id: held.info for calendar_id, held in base.calendars.items()}
    return {key: replace(info, cursor=shown[info.path]) for key, info in known.items()}


async def look_at(base: Index, port: CalendarPort, ids: Ids, shows: Shows, window: TimeRange | None) -> Edit:
    """The calendars, and what the server finds in a window, as an edit of what is known. Raises adapters.errors."""
    edit = Edit(base, ids)
    infos = [held.info for held in base.calendars.values()]
    async with _Finding(port, window) as finding:
        if not infos:
            # What lies in those that were listed before need not wait for the list, which is to be of now.
            await finding.begin(info for info in port.heard() if is_shown(info) and shows(info))
            infos = [info for info in await port.calendars() if is_shown(info) and shows(info)]
            for info in infos:
                edit.put_calendar(info, None)
        await finding.begin(infos)
        for info in infos:
            for name, resource in (await finding.found(info)).items():
                edit.put(Place(ids.calendar(info.path), name), resource)
    return edit


class _Finding:
    """What lies in a window, of several calendars at once; what nobody wants any more is not waited for."""

    def __init__(self, port: CalendarPort, window: TimeRange | None) -> None:
        self._port = port
        self._window = window
        self._tasks: dict[str, asyncio.Task[dict[str, Resource]]] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def begin(self, infos: Iterable[Calendar]) -> None:
        """Ask for what lies in calendars, where that was not done yet."""
        if self._window is None:
            return
        for info in infos:
            if info.path not in self._tasks:
                self._tasks[info.path] = asyncio.create_task(self._find(info.path, self._window))
        await asyncio.sleep(0)  # they ask first: the connection that is open already is theirs

    async def found(self, info: Calendar) -> dict[str, Resource]:
        """By name. Raises adapters.errors."""
        return {} if self._window is None else await self._tasks[info.path]

    async def _find(self, path: str, window: TimeRange) -> dict[str, Resource]:
        found: dict[str, Resource] = {}
        try:
            async for batch in self._port.find(path, window, "VEVENT"):
                await _convert(batch, found)
        except (NotFound, Forbidden) as error:
            _log.warning("a calendar cannot be read: %s", type(error).__name__)
        return found


def is_shown(info: Calendar) -> bool:
    """Whether a collection is a Calendar: it may hold events (-29 §1.1), and the login may see them (§4.1)."""
    holds_events = not info.components or "VEVENT" in info.components
    return holds_events and (info.privileges is None or "read" in info.privileges)


async def _follow(edit: Edit, port: CalendarPort, info: Calendar, held: Held | None, calendar_id: str) -> None:
    """Enter what happened in one calendar."""
    known = {} if held is None else held.names
    delta = await port.changes(info, None if held is None else held.cursor, known)
    found: dict[str, Resource] = {}
    await _convert(delta.resources, found)
    missing = delta.changed.keys() - found.keys()
    found |= await fetch(port, info.path, missing) if missing else {}
    # What went away between the listing and the fetch is left for the next pass, as the old cursor says.
    complete = found.keys() == delta.changed.keys()
    edit.put_calendar(info, delta.cursor if complete else (None if held is None else held.cursor))
    for name, resource in found.items():
        edit.put(Place(calendar_id, name), resource)
    for name in delta.removed:
        edit.drop(Place(calendar_id, name))


async def fetch(port: CalendarPort, path: str, names: Iterable[str]) -> dict[str, Resource]:
    """Resources by name, converted; those that are gone are left out. Raises adapters.errors."""
    found: dict[str, Resource] = {}
    async for batch in port.fetch(path, list(names)):
        await _convert(batch, found)
    return found


async def _convert(batch: Mapping[str, CalendarResource], found: dict[str, Resource]) -> None:
    for number, (name, resource) in enumerate(batch.items(), 1):
        found[name] = Resource(resource.etag, await aside(len(resource.data), partial(read_entries, resource.data)))
        if number % _AT_ONCE == 0:
            await asyncio.sleep(0)


async def current(port: CalendarPort, path: str, name: str) -> CalendarResource:
    """One resource as it is now. Raises NotFound, adapters.errors."""
    async for batch in port.fetch(path, [name]):
        if name in batch:
            return batch[name]
    raise NotFound("the resource is gone")
