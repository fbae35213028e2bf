"""One login's calendars at a CalDAV server, as the port says."""

import contextlib
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Final, Literal

from adapters.caldav import bodies, listing, reading
from adapters.caldav.dialect import dressed, undressed
from adapters.caldav.invitations import Invitations
from adapters.dav.bodies import element, hrefs
from adapters.dav.connection import Answer, DavConnection
from adapters.dav.discovery import properties
from adapters.dav.home import DavHome, beside_name
from adapters.dav.hrefs import below, canonical
from adapters.dav.listing import NAME, cursor_names, read_cursor
from adapters.dav.multiget import Multiget
from adapters.dav.multistatus import Entry, Malformed
from adapters.dav.names import caldav, calendarserver, dav
from adapters.dav.properties import write
from adapters.dav.quirks import Quirks
from adapters.dav.resources import etag_after
from adapters.errors import Forbidden, NotFound, Unsupported
from adapters.ports.calendars import (
    Calendar,
    CalendarChanges,
    CalendarDelta,
    CalendarFacts,
    CalendarResource,
    Property,
    TimeRange,
)
from adapters.ports.collections import Cursor, Names, Stored

HOME_SET: Final = caldav("calendar-home-set")
ADDRESSES: Final = caldav("calendar-user-address-set")
OUTBOX: Final = caldav("schedule-outbox-URL")
INBOX: Final = caldav("schedule-inbox-URL")
NOTIFICATIONS: Final = calendarserver("notification-URL")

_CONTENT: Final = {"Content-Type": "text/calendar; charset=utf-8"}


class CalDavHome(DavHome[Calendar]):
    """The calendars of one home; implements adapters.ports.calendars.CalendarPort. `CalDav` adds what it lacks."""

    kind = caldav("calendar")  # RFC 4791 §4.2
    well_known = "caldav"
    home_set = HOME_SET

    def __init__(self, connection: DavConnection) -> None:
        super().__init__(connection)
        self.outbox: str | None = None
        self.sharing: Literal["invitation", "acl"] | None = None
        self.addresses: tuple[str, ...] = ()
        self.invitations: Invitations | None = None
        self._inbox: str | None = None
        self._default: str | None = None
        self._scales: tuple[str, ...] | None = None
        self._listing: tuple[Calendar, ...] = ()

    async def open(self) -> CalendarFacts:
        """See CalendarPort.open."""
        about = await self.enter([NAME, ADDRESSES, OUTBOX, INBOX, NOTIFICATIONS])
        self.outbox, self._inbox = _path(about, OUTBOX), _path(about, INBOX)
        self.addresses, self.sharing = mail_addresses(about), _sharing(self.offered, self.quirks)
        notifications = _path(about, NOTIFICATIONS)
        if self.quirks.invites and notifications is not None:
            self.invitations = self.invitations or Invitations(self.connection, notifications, self.kind)
        if self._inbox is not None:
            # Cyrus shows it nowhere but here.
            self._default = _path(await properties(self.connection, self._inbox, [listing.DEFAULT]), listing.DEFAULT)
        self._scales = await self._known_scales()
        await self.calendars()
        return self._facts(about)

    async def _known_scales(self) -> tuple[str, ...] | None:
        try:
            return listing.read_scales(await properties(self.connection, self.home, [listing.SCALES]))
        except Malformed:  # as `read_scales` says; only servers that have the property show such things
            return ()

    async def calendars(self) -> list[Calendar]:
        """See CalendarPort.calendars."""
        found = await self.listed()
        if self.invitations is not None:
            listed = {self.path(calendar.path) for calendar in found}
            offered = await self.invitations.offered(listed, self.asked)
            found += [replace(self.taken(entry), offered=True) for entry in offered]
        self._listing = tuple(found)
        return found

    def heard(self) -> Sequence[Calendar]:
        """See CalendarPort.heard."""
        return self._listing

    async def cursors(self) -> Mapping[str, Cursor]:
        """See CalendarPort.cursors."""
        found = dict(await super().cursors())
        for path in [] if self.invitations is None else self.invitations.open:
            with contextlib.suppress(NotFound, Forbidden):  # taken back
                entry = await properties(self.connection, path, cursor_names(self.quirks))
                found[below(path, self.home)] = read_cursor(entry)
        return found

    async def changes(self, calendar: Calendar, since: Cursor | None, known: Names) -> CalendarDelta:
        """See CalendarPort.changes."""
        cursor, found = await self.moved(calendar, since, known, element(bodies.DATA))
        resources = {
            name: CalendarResource(found.changed[name], undressed(text.encode(), self.quirks))
            for name, text in found.along.items()
        }
        return CalendarDelta(cursor, found.changed, found.removed, resources)

    def fetch(self, path: str, names: Collection[str]) -> AsyncIterator[reading.Batch]:
        """See CalendarPort.fetch."""
        multiget = Multiget(bodies.MULTIGET, reading.WANTED, reading.reader(self.quirks))
        return multiget.by_name(self.connection, self.path(path), names)

    def find(self, path: str, window: TimeRange, component: str) -> AsyncIterator[reading.Batch]:
        """See CalendarPort.find."""
        return reading.by_time(self.connection, self.path(path), window, component, self.quirks)

    async def create(self, path: str, name: str, data: bytes, *, schedule: bool = True) -> Stored:
        """See CalendarPort.create."""
        headers, content = _CONTENT | self._silence(schedule), dressed(data, self.quirks)
        return self._stored(await self.resources.create(self.resource(path, name), content, headers))

    async def replace(self, path: str, name: str, data: bytes, etag: str, *, schedule: bool = True) -> Stored:
        """See CalendarPort.replace."""
        headers, content = _CONTENT | self._silence(schedule), dressed(data, self.quirks)
        return self._stored(await self.resources.replace(self.resource(path, name), content, etag, headers))

    async def delete(self, path: str, name: str, etag: str | None, *, schedule: bool = True) -> None:
        """See CalendarPort.delete."""
        await self.resources.delete(self.resource(path, name), etag, self._silence(schedule))

    async def move(self, path: str, name: str, target: str, etag: str) -> Stored:
        """See CalendarPort.move."""
        answer = await self.resources.move(self.resource(path, name), self.resource(target, name), etag)
        return self._stored(answer)

    async def create_calendar(
        self, name: str, changes: CalendarChanges, components: Collection[str] = ()
    ) -> tuple[str, frozenset[Property]]:
        """See CalendarPort.create_calendar."""
        path = await self.make("MKCALENDAR", name, bodies.mkcalendar(changes.get("name"), components))
        return path, await self.update(path, listing.ROWS, beside_name(changes))

    async def update_calendar(self, path: str, changes: CalendarChanges) -> frozenset[Property]:
        """See CalendarPort.update_calendar."""
        return await self.update(path, listing.ROWS, changes)

    async def delete_calendar(self, path: str) -> None:
        """See CalendarPort.delete_calendar."""
        await self.remove(path)

    async def set_default_calendar(self, path: str) -> None:
        """See CalendarPort.set_default_calendar."""
        if self._inbox is None:
            raise Unsupported("the server has no scheduling inbox")
        value = element(listing.DEFAULT, *hrefs([self.path(path)]))
        if await write(self.connection, self._inbox, {listing.DEFAULT: value}, self.quirks):
            raise Unsupported("the server keeps its own default calendar")
        self._default = self.path(path)
        self._heard.clear()

    def read(self, entry: Entry) -> Calendar:
        """See DavHome.read."""
        return listing.read_calendar(entry, self.home, self.owner, self._default)

    @property
    def asked(self) -> list[str]:
        """See DavHome.asked."""
        return listing.asked(self.quirks, sharing=self.sharing is not None)

    def _silence(self, schedule: bool) -> dict[str, str]:
        return {} if schedule else dict(self.quirks.silence)

    def _stored(self, answer: Answer) -> Stored:
        return Stored(etag_after(answer, altered=self.quirks.alters), answer.headers.get("schedule-tag"))

    def _facts(self, about: Entry) -> CalendarFacts:
        schedules = self.quirks.schedules and "calendar-auto-schedule" in self.offered
        return CalendarFacts(
            server=self.quirks.server,
            principal=self.principal,
            owner=self.owner,
            home=self.home,
            display_name=about.text(NAME),
            addresses=self.addresses,
            auto_schedule=schedules,
            keeps_quiet=self.quirks.keeps_quiet or not schedules,
            outbox=self.outbox is not None,
            sharing=self.sharing is not None,
            scales=self._scales,
            per_user=self.quirks.per_user,
            lends=self.quirks.lends,
            mails_alerts=self.quirks.mails_alerts,
        )


def mail_addresses(entry: Entry) -> tuple[str, ...]:
    """The mailto: addresses of calendar-user-address-set, the preferred ones first."""
    value = entry.found.get(ADDRESSES)
    found = [] if value is None else list(value.iter(dav("href")))
    found.sort(key=lambda href: href.get("preferred") != "1")  # Apple's servers and sabre/dav mark one
    texts = [(href.text or "").strip() for href in found]
    mails = ["mailto:" + text.partition(":")[2] for text in texts if text.lower().startswith("mailto:")]
    return tuple(dict.fromkeys(mails))


def _sharing(offered: Collection[str], quirks: Quirks) -> Literal["invitation", "acl"] | None:
    """How calendars are shared: draft-pot-webdav-resource-sharing, or RFC 3744 §8.1."""
    if "resource-sharing" in offered:
        return "invitation"
    return "acl" if "access-control" in offered and quirks.acls else None


def _path(entry: Entry, name: str) -> str | None:
    href = entry.href_of(name)
    return None if href is None else canonical(href)
