"""Calendars that others share and the home does not list until the login takes them up (Cyrus).

The server leaves a notification for each; what such a one says of an answer is not to be relied on.
"""

from dataclasses import dataclass, field

from adapters.dav.bodies import Element, element, octets, propfind
from adapters.dav.connection import DavConnection
from adapters.dav.discovery import properties
from adapters.dav.hrefs import canonical, collection
from adapters.dav.listing import is_kind
from adapters.dav.multistatus import Entry, Malformed, document
from adapters.dav.names import calendarserver, dav
from adapters.errors import Forbidden, NotFound

_KIND = calendarserver("notificationtype")
_INVITATION = calendarserver("invite-notification")
_ETAG = dav("getetag")
_SHARING = {"Content-Type": "application/davsharing+xml; charset=utf-8"}


@dataclass(slots=True)
class Invitations:
    """The notifications of one login. url: path of their collection. kind: resource type of what is to be offered.

    open: path of a calendar, as the login is to address it, -> path of the notification that it may be taken up by.
    """

    connection: DavConnection
    url: str
    kind: str
    open: dict[str, str] = field(default_factory=dict)
    _read: dict[tuple[str, str], str | None] = field(default_factory=dict)
    _paths: dict[str, str] = field(default_factory=dict)

    async def offered(self, listed: set[str], names: list[str]) -> list[Entry]:
        """What may be read of the calendars that are offered, and not in `listed`. Raises Unavailable, AuthFailed."""
        offers: dict[str, str] = {}  # not `open`: others may be looking at the same time
        found = []
        for notification, theirs in (await self._notifications()).items():
            path = self._paths.get(theirs)
            if path in listed:
                continue
            try:
                entry = await properties(self.connection, path or theirs, names)
            except (NotFound, Forbidden):  # taken back
                continue
            self._paths[theirs] = path = collection(entry.href)
            if is_kind(entry, self.kind) and path not in listed and path not in offers:
                offers[path] = notification
                found.append(entry)
        self.open = offers
        return found

    async def accept(self, path: str) -> None:
        """Have the home list a calendar (draft-pot-webdav-resource-sharing §5.2). Raises NotFound, Forbidden."""
        if path not in self.open:
            raise NotFound("nobody offers this calendar")
        reply = element(dav("invite-reply"), element(dav("invite-accepted")))
        await self.connection.request("POST", self.open[path], octets(reply), _SHARING)

    async def _notifications(self) -> dict[str, str]:
        """Path of each invitation -> the calendar's, as its owner addresses it."""
        seen: dict[tuple[str, str], str | None] = {}
        async for entry in self.connection.multistatus("PROPFIND", self.url, propfind([_KIND, _ETAG]), depth="1"):
            kind, etag = entry.found.get(_KIND), entry.text(_ETAG)
            if kind is not None and etag is not None and kind.find(_INVITATION) is not None:
                seen[canonical(entry.href), etag] = None
        for key in seen:
            seen[key] = self._read[key] if key in self._read else await self._calendar(key[0])
        self._read = seen
        return {path: theirs for (path, _), theirs in seen.items() if theirs is not None}

    async def _calendar(self, path: str) -> str | None:
        try:
            body = (await self.connection.request("GET", path)).body
            return _offer(document(body))
        except (NotFound, Forbidden, Malformed):
            return None


def _offer(notification: Element) -> str | None:
    """The path of the calendar that is offered; None where it was taken back."""
    invitation = notification.find(_INVITATION)
    if invitation is None:
        return None
    href = invitation.findtext(f"{calendarserver('hosturl')}/{dav('href')}")
    access = invitation.find(calendarserver("access"))
    gone = access is None or access.find(calendarserver("no-access")) is not None
    return None if gone or not href else collection(href)
