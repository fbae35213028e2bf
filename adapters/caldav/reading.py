"""Fetching iCalendar objects by time, in batches as they arrive, and what a response has of one."""

from collections.abc import AsyncIterator, Callable, Mapping
from datetime import timedelta
from typing import Final

from adapters.caldav.bodies import DATA, ETAG, SCHEDULE_TAG, query
from adapters.caldav.dialect import undressed
from adapters.dav.connection import DavConnection
from adapters.dav.hrefs import member
from adapters.dav.multistatus import Entry
from adapters.dav.quirks import Quirks
from adapters.dav.sync import strong
from adapters.ports.calendars import CalendarResource, TimeRange

WANTED: Final = (ETAG, DATA, SCHEDULE_TAG)

_AT_ONCE: Final = 10
"""What somebody waits for is handed over in small batches: it can be worked on while the server goes on."""

Batch = Mapping[str, CalendarResource]


def reader(quirks: Quirks) -> Callable[[Entry], CalendarResource | None]:
    """What a response has of an iCalendar object, as it was written."""

    def read(entry: Entry) -> CalendarResource | None:
        etag, data = entry.text(ETAG), entry.text(DATA)
        if etag is None or data is None:
            return None
        return CalendarResource(strong(etag), undressed(data.encode(), quirks), entry.text(SCHEDULE_TAG))

    return read


async def by_time(
    connection: DavConnection, path: str, window: TimeRange, component: str, quirks: Quirks
) -> AsyncIterator[Batch]:
    """The resources that overlap a window; see CalendarPort.find."""
    body, read = query(component, _asked(window, quirks), WANTED), reader(quirks)
    found: dict[str, CalendarResource] = {}
    async for entry in connection.multistatus("REPORT", path, body, depth="1"):
        name, resource = member(entry.href, path), read(entry)
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
