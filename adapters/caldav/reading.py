"""Fetching iCalendar objects: by name or by time, in batches as they arrive."""

import logging
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Final, TypeVar

from adapters.caldav.bodies import DATA, ETAG, SCHEDULE_TAG, multiget, query
from adapters.dav.connection import DavConnection
from adapters.dav.hrefs import check_name, member
from adapters.dav.multistatus import Entry, Malformed
from adapters.dav.quirks import Quirks
from adapters.dav.sync import strong
from adapters.errors import NotFound, TooLarge
from adapters.ports.calendars import CalendarResource, TimeRange

log = logging.getLogger(__name__)

PER_REQUEST: Final = 400
PER_BATCH: Final = 100
_AT_ONCE: Final = 10
"""What somebody waits for is handed over in small batches: it can be worked on while the server goes on."""

Batch = Mapping[str, CalendarResource]
Item = TypeVar("Item")


async def by_name(connection: DavConnection, path: str, names: Collection[str]) -> AsyncIterator[Batch]:
    """The resources by name; see CalendarPort.fetch."""
    for wanted in _portions([check_name(name) for name in names], PER_REQUEST):
        async for batch in _multiget(connection, path, wanted):
            yield batch


async def by_time(
    connection: DavConnection, path: str, window: TimeRange, component: str, quirks: Quirks
) -> AsyncIterator[Batch]:
    """The resources that overlap a window; see CalendarPort.find."""
    body = query(component, _asked(window, quirks), [ETAG, DATA, SCHEDULE_TAG])
    found: dict[str, CalendarResource] = {}
    async for entry in connection.multistatus("REPORT", path, body, depth="1"):
        name, resource = member(entry.href, path), _resource(entry)
        if name is not None and resource is not None:
            found[name] = resource
        if len(found) >= _AT_ONCE:
            yield found
            found = {}
    if found:
        yield found


def _asked(window: TimeRange, quirks: Quirks) -> TimeRange:
    """A window that begins early enough for a whole day to reach into the one that is meant."""
    if window.start is None or not quirks.days_have_no_length:
        return window
    return TimeRange(window.start - timedelta(days=1, seconds=1), window.end)


async def _multiget(connection: DavConnection, path: str, names: Sequence[str]) -> AsyncIterator[Batch]:
    """One multiget, and one more for names that the server passed over: some leave out what is gone."""
    missing = set(names)
    try:
        async for batch in _answered(connection, path, names, missing):
            yield batch
        if missing:
            async for batch in _answered(connection, path, sorted(missing), missing):
                yield batch
    except (TooLarge, Malformed) as error:
        if len(names) == 1:  # everything else must still be served
            log.warning("a calendar object cannot be read: %s", error)
            return
        rest = [name for name in names if name in missing]
        for half in _portions(rest, max(1, (len(rest) + 1) // 2)):
            async for batch in _multiget(connection, path, half):
                yield batch


async def _answered(
    connection: DavConnection, path: str, names: Sequence[str], missing: set[str]
) -> AsyncIterator[Batch]:
    """The answer to one multiget; takes out of `missing` what was handed over, and what is gone."""
    body = multiget([path + name for name in names], [ETAG, DATA, SCHEDULE_TAG])
    found: dict[str, CalendarResource] = {}
    async for entry in connection.multistatus("REPORT", path, body):
        name, resource = member(entry.href, path), _resource(entry)
        if name is None and entry.status == 404:
            raise NotFound("the calendar is gone")
        if name is not None and resource is not None:
            found[name] = resource
        elif name is not None and entry.status in {404, 410}:
            missing.discard(name)
        if len(found) >= PER_BATCH:
            missing.difference_update(found)
            yield found
            found = {}
    if found:
        missing.difference_update(found)
        yield found


def _resource(entry: Entry) -> CalendarResource | None:
    etag, data = entry.text(ETAG), entry.text(DATA)
    if etag is None or data is None:
        return None
    return CalendarResource(strong(etag), data.encode(), entry.text(SCHEDULE_TAG))


def _portions(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
