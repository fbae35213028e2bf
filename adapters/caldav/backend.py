"""One login's calendars at a CalDAV server, as the port says."""

import contextlib
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Final, Literal, cast

from adapters.caldav import bodies, listing, reading
from adapters.caldav.dialect import dressed, undressed
from adapters.caldav.invitations import Invitations
from adapters.caldav.properties import write
from adapters.dav.bodies import element, hrefs, propfind
from adapters.dav.connection import Answer, DavConnection, clock
from adapters.dav.discovery import discover, properties
from adapters.dav.errors import refusal
from adapters.dav.hrefs import below, canonical, check_name, collection, join
from adapters.dav.multistatus import Entry, Malformed, multistatus
from adapters.dav.names import caldav, calendarserver, dav
from adapters.dav.quirks import OTHER, Quirks, recognise
from adapters.dav.resources import Resources
from adapters.dav.sync import delta
from adapters.errors import Conflict, Forbidden, NotFound, Unavailable, Unsupported
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
NAME: Final = dav("displayname")
NOTIFICATIONS: Final = calendarserver("notification-URL")

_CONTENT: Final = {"Content-Type": "text/calendar; charset=utf-8"}


class CalDavHome:
    """The calendars of one home; implements adapters.ports.calendars.CalendarPort. `CalDav` adds what it lacks."""

    def __init__(self, connection: DavConnection) -> None:
        self.connection = connection
        self.quirks: Quirks = OTHER
        self.owner: str | None = None
        self.principal: str | None = None
        self.outbox: str | None = None
        self.sharing: Literal["invitation", "acl"] | None = None
        self.addresses: tuple[str, ...] = ()
        self.invitations: Invitations | None = None
        self._homes: tuple[str, ...] = ()
        self._inbox: str | None = None
        self._default: str | None = None
        self._scales: tuple[str, ...] | None = None
        self._reports: dict[str, frozenset[str]] = {}
        self._heard: dict[str, tuple[bytes, list[Calendar]]] = {}
        self._cursors: dict[str, tuple[bytes, dict[str, Cursor]]] = {}
        self._listing: tuple[Calendar, ...] = ()

    async def open(self) -> CalendarFacts:
        """See CalendarPort.open."""
        found = await discover(self.connection, "caldav", HOME_SET, [NAME, ADDRESSES, OUTBOX, INBOX, NOTIFICATIONS])
        self.principal, about = found.principal, found.properties
        self._homes, self.owner = found.homes, found.principal or canonical(about.href)
        self.outbox, self._inbox = _path(about, OUTBOX), _path(about, INBOX)
        headers = (await self.connection.request("OPTIONS", self.home)).headers
        self.quirks = recognise(headers, self.home)
        self._heard.clear()
        offered = {word.strip().lower() for word in headers.get("dav", "").split(",")}
        self.addresses, self.sharing = mail_addresses(about), _sharing(offered, self.quirks)
        notifications = _path(about, NOTIFICATIONS)
        if self.quirks.invites and notifications is not None:
            self.invitations = self.invitations or Invitations(self.connection, notifications)
        if self._inbox is not None:
            # Cyrus shows it nowhere but here.
            self._default = _path(await properties(self.connection, self._inbox, [listing.DEFAULT]), listing.DEFAULT)
        self._scales = await self._known_scales()
        await self.calendars()
        return self._facts(about, offered)

    async def _known_scales(self) -> tuple[str, ...] | None:
        try:
            return listing.read_scales(await properties(self.connection, self.home, [listing.SCALES]))
        except Malformed:  # as `read_scales` says; only servers that have the property show such things
            return ()

    @property
    def home(self) -> str:
        """Path of the home set. Raises NotFound before `open`."""
        if not self._homes:
            raise NotFound("the calendar home is not known yet")
        return self._homes[0]

    async def calendars(self) -> list[Calendar]:
        """See CalendarPort.calendars."""
        found: list[Calendar] = []
        for home in self._homes:
            found += await self._listed(home)
        if self.invitations is not None:
            listed = {self.path(calendar.path) for calendar in found}
            for entry in await self.invitations.offered(listed, self._asked):
                if listing.is_calendar(entry):
                    found.append(replace(self._read(entry), offered=True))
        self._listing = tuple(found)
        return found

    def heard(self) -> Sequence[Calendar]:
        """See CalendarPort.heard."""
        return self._listing

    async def cursors(self) -> Mapping[str, Cursor]:
        """See CalendarPort.cursors."""
        found: dict[str, Cursor] = {}
        for home in self._homes:
            answer = await self._depth_one(home, listing.cursor_names(self.quirks))
            heard, cursors = self._cursors.get(home, (b"", {}))
            if answer.body != heard:
                entries = self._calendars_in(home, multistatus(answer.body))
                cursors = {below(collection(entry.href), self.home): listing.read_cursor(entry) for entry in entries}
                self._cursors[home] = (answer.body, cursors)
            now = clock(answer.headers.get("date"))
            found |= {path: self._settled(cursor, now) for path, cursor in cursors.items()}
        for path in [] if self.invitations is None else self.invitations.open:
            with contextlib.suppress(NotFound, Forbidden):  # taken back
                entry = await properties(self.connection, path, listing.cursor_names(self.quirks))
                found[below(path, self.home)] = listing.read_cursor(entry)
        return found

    async def changes(self, calendar: Calendar, since: Cursor | None, known: Names) -> CalendarDelta:
        """See CalendarPort.changes."""
        path = self.path(calendar.path)
        trusted = not self.quirks.settles and "sync-collection" in self._reports.get(path, ())
        token = None if since is None else since.token
        found = await delta(self.connection, path, token, known, reports=trusted, along=bodies.DATA)
        # The ctag is the listing's, which is older than the report: what came in between is found again, not lost.
        cursor = Cursor(found.token, calendar.cursor.ctag)
        resources = {
            name: CalendarResource(found.changed[name], undressed(text.encode(), self.quirks))
            for name, text in found.along.items()
        }
        return CalendarDelta(cursor, found.changed, found.removed, resources)

    def fetch(self, path: str, names: Collection[str]) -> AsyncIterator[reading.Batch]:
        """See CalendarPort.fetch."""
        return self._undressed(reading.by_name(self.connection, self.path(path), names))

    def find(self, path: str, window: TimeRange, component: str) -> AsyncIterator[reading.Batch]:
        """See CalendarPort.find."""
        return self._undressed(reading.by_time(self.connection, self.path(path), window, component, self.quirks))

    async def create(self, path: str, name: str, data: bytes, *, schedule: bool = True) -> Stored:
        """See CalendarPort.create."""
        headers = _CONTENT | self._silence(schedule)
        return self._stored(
            await self._resources.create(self._resource(path, name), dressed(data, self.quirks), headers)
        )

    async def replace(self, path: str, name: str, data: bytes, etag: str, *, schedule: bool = True) -> Stored:
        """See CalendarPort.replace."""
        headers, content = _CONTENT | self._silence(schedule), dressed(data, self.quirks)
        return self._stored(await self._resources.replace(self._resource(path, name), content, etag, headers))

    async def delete(self, path: str, name: str, etag: str | None, *, schedule: bool = True) -> None:
        """See CalendarPort.delete."""
        await self._resources.delete(self._resource(path, name), etag, self._silence(schedule))

    async def move(self, path: str, name: str, target: str, etag: str) -> Stored:
        """See CalendarPort.move."""
        answer = await self._resources.move(self._resource(path, name), self._resource(target, name), etag)
        return self._stored(answer)

    async def create_calendar(
        self, name: str, changes: CalendarChanges, components: Collection[str] = ()
    ) -> tuple[str, frozenset[Property]]:
        """See CalendarPort.create_calendar."""
        path = self.home + check_name(name) + "/"
        body = bodies.mkcalendar(changes.get("name"), components)
        try:
            await self.connection.request("MKCALENDAR", path, body)
        except Unsupported as error:
            # RFC 4918 §9.3.1: 405 is also the answer where something is there already.
            if refusal(error).status == 405 and await self._exists(path):
                raise Conflict("the calendar exists already") from error
            raise
        rest = cast("CalendarChanges", {key: value for key, value in changes.items() if value is not None})
        rest.pop("name", None)
        return name + "/", await self.update_calendar(name + "/", rest)

    async def update_calendar(self, path: str, changes: CalendarChanges) -> frozenset[Property]:
        """See CalendarPort.update_calendar."""
        values = {listing.ROWS[key].name: value for key, value in listing.elements(changes).items()}
        refused = await write(self.connection, self.path(path), values, self.quirks)
        return frozenset(key for key, row in listing.ROWS.items() if row.name in refused)

    async def delete_calendar(self, path: str) -> None:
        """See CalendarPort.delete_calendar."""
        await self.connection.request("DELETE", self.path(path))

    async def set_default_calendar(self, path: str) -> None:
        """See CalendarPort.set_default_calendar."""
        if self._inbox is None:
            raise Unsupported("the server has no scheduling inbox")
        value = element(listing.DEFAULT, *hrefs([self.path(path)]))
        if await write(self.connection, self._inbox, {listing.DEFAULT: value}, self.quirks):
            raise Unsupported("the server keeps its own default calendar")
        self._default = self.path(path)
        self._heard.clear()

    async def close(self) -> None:
        """See CalendarPort.close."""
        await self.connection.close()

    def path(self, calendar: str) -> str:
        """The path of a calendar that the caller knows relative to the home. Raises InvalidData."""
        return join(self.home, calendar)

    @property
    def _resources(self) -> Resources:
        return Resources(self.connection, self.quirks)

    def _resource(self, calendar: str, name: str) -> str:
        return self.path(calendar) + check_name(name)

    def _silence(self, schedule: bool) -> dict[str, str]:
        return {} if schedule else dict(self.quirks.silence)

    async def _undressed(self, batches: AsyncIterator[reading.Batch]) -> AsyncIterator[reading.Batch]:
        """As the server gave them, with what was dressed for it undressed."""
        async for batch in batches:
            if self.quirks.drops:
                yield {name: self._as_written(found) for name, found in batch.items()}
            else:
                yield batch

    def _as_written(self, found: CalendarResource) -> CalendarResource:
        data = undressed(found.data, self.quirks)
        return found if data is found.data else replace(found, data=data)

    def _stored(self, answer: Answer) -> Stored:
        return Stored(self._resources.etag_after(answer), answer.headers.get("schedule-tag"))

    def _facts(self, about: Entry, offered: set[str]) -> CalendarFacts:
        schedules = self.quirks.schedules and "calendar-auto-schedule" in offered
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

    async def _listed(self, home: str) -> list[Calendar]:
        """The calendars of one home. Raises Unavailable for an answer that is no listing."""
        answer = await self._depth_one(home, self._asked)
        heard, found = self._heard.get(home, (b"", []))
        if answer.body != heard or not found:  # nearly always it says what it said before
            found = self._read_listing(home, multistatus(answer.body))
            self._heard[home] = (answer.body, found)
        now = clock(answer.headers.get("date"))
        return [replace(calendar, cursor=self._settled(calendar.cursor, now)) for calendar in found]

    async def _depth_one(self, home: str, names: list[str]) -> Answer:
        answer = await self.connection.request("PROPFIND", home, propfind(names), {"Depth": "1"})
        if answer.status != 207:
            raise Unavailable(f"PROPFIND: status {answer.status} instead of a multistatus")
        return answer

    def _calendars_in(self, home: str, answer: list[Entry]) -> list[Entry]:
        entries = [entry for entry in answer if listing.is_calendar(entry)]
        if not entries and all(canonical(entry.href).rstrip("/") != home.rstrip("/") for entry in answer):
            raise Unavailable("a listing that does not show the home")
        return entries

    def _read_listing(self, home: str, answer: list[Entry]) -> list[Calendar]:
        entries = self._calendars_in(home, answer)
        return [self._read(entry) for entry in entries]

    @property
    def _asked(self) -> list[str]:
        return listing.asked(self.quirks, sharing=self.sharing is not None)

    def _read(self, entry: Entry) -> Calendar:
        calendar = listing.read_calendar(entry, self.home, self.owner, self._default)
        self._reports[self.path(calendar.path)] = listing.reports(entry)
        return calendar

    def _settled(self, cursor: Cursor, now: float | None) -> Cursor:
        """A ctag that counts seconds says nothing of changes that may follow within its own second."""
        if not self.quirks.settles or cursor.ctag is None or not cursor.ctag.isdigit():
            return cursor
        young = now is None or now - int(cursor.ctag) < self.quirks.settles
        return Cursor(None, None) if young else cursor

    async def _exists(self, path: str) -> bool:
        try:
            await properties(self.connection, path, [listing.TYPE])
        except NotFound:
            return False
        return True


def mail_addresses(entry: Entry) -> tuple[str, ...]:
    """The mailto: addresses of calendar-user-address-set, the preferred ones first."""
    value = entry.found.get(ADDRESSES)
    found = [] if value is None else list(value.iter(dav("href")))
    found.sort(key=lambda href: href.get("preferred") != "1")  # Apple's servers and sabre/dav mark one
    texts = [(href.text or "").strip() for href in found]
    mails = ["mailto:" + text.partition(":")[2] for text in texts if text.lower().startswith("mailto:")]
    return tuple(dict.fromkeys(mails))


def _sharing(offered: set[str], quirks: Quirks) -> Literal["invitation", "acl"] | None:
    """How calendars are shared: draft-pot-webdav-resource-sharing, or RFC 3744 §8.1."""
    if "resource-sharing" in offered:
        return "invitation"
    return "acl" if "access-control" in offered and quirks.acls else None


def _path(entry: Entry, name: str) -> str | None:
    href = entry.href_of(name)
    return None if href is None else canonical(href)
