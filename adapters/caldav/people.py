"""What a CalDAV server knows of people (RFC 6638, RFC 3744); see ports.calendar_people."""

from collections.abc import Mapping, Sequence
from typing import Final

from adapters.caldav import sharing
from adapters.caldav.backend import ADDRESSES, HOME_SET, CalDavHome, mail_addresses
from adapters.dav.bodies import principal_search, propfind
from adapters.dav.connection import Credentials, DavConnection, Endpoint
from adapters.dav.discovery import properties
from adapters.dav.hrefs import canonical, collection
from adapters.dav.listing import NAME
from adapters.dav.multistatus import Entry, document
from adapters.dav.names import caldav, dav
from adapters.errors import Forbidden, NotFound, Unsupported
from adapters.ports.calendar_people import CalendarPrincipal, FreeBusyReply, PrincipalKind
from adapters.ports.collections import Privilege

_KIND: Final = caldav("calendar-user-type")
_COLLECTIONS: Final = dav("principal-collection-set")
_PRINCIPAL: Final = (NAME, ADDRESSES, HOME_SET, _KIND, dav("resourcetype"))
_KINDS: Final[dict[str, PrincipalKind]] = {
    "INDIVIDUAL": "individual",
    "GROUP": "group",
    "RESOURCE": "resource",
    "ROOM": "location",
}


class CalDav(CalDavHome):
    """One login at one CalDAV server: its own home, and what the server knows of other people."""

    def __init__(self, endpoint: Endpoint, credentials: Credentials) -> None:
        super().__init__(DavConnection(endpoint, credentials))

    async def ask_free_busy(self, request: bytes) -> Sequence[FreeBusyReply]:
        """See SchedulingPort."""
        if self.outbox is None:
            raise Unsupported("the server has no scheduling outbox")
        headers = {"Content-Type": "text/calendar; charset=utf-8"}
        answer = await self.connection.request("POST", self.outbox, request, headers)
        return [
            FreeBusyReply(
                recipient=(response.findtext(f"{caldav('recipient')}/{dav('href')}") or "").strip(),
                request_status=(response.findtext(caldav("request-status")) or "").strip(),
                data=(response.findtext(caldav("calendar-data")) or "").encode() or None,
            )
            for response in document(answer.body).iterfind(caldav("response"))
        ]

    async def principals(self) -> Sequence[CalendarPrincipal]:
        """See PrincipalsPort."""
        if self.principal is None:
            return []
        own = await properties(self.connection, self.principal, [*_PRINCIPAL, _COLLECTIONS])
        found = {self.principal: _principal(self.principal, own)}
        for href in own.hrefs_of(_COLLECTIONS):
            for principal in await self._below(collection(href)):
                found.setdefault(principal.path, principal)
        return list(found.values())

    async def share(self, path: str, access: Mapping[CalendarPrincipal, frozenset[Privilege]]) -> None:
        """See SharingPort."""
        if self.sharing == "acl":
            await sharing.by_acl(self.connection, self.path(path), access, self.quirks)
        elif self.sharing == "invitation":
            own = None if self.owner is None or not self.addresses else (self.owner, self.addresses[0])
            await sharing.by_invitation(self.connection, self.path(path), access, own)
        else:
            raise Unsupported("the server shares no calendars")

    async def accept(self, path: str) -> None:
        """See SharingPort."""
        if self.invitations is None:
            raise NotFound("the server offers no calendars")
        await self.invitations.accept(self.path(path))

    async def _below(self, path: str) -> list[CalendarPrincipal]:
        """The principals in a collection, as far as the server lists them."""
        found = []
        method, body, depth = "PROPFIND", propfind(_PRINCIPAL), "1"
        if self.quirks.hides_principals:
            method, body, depth = "REPORT", principal_search(_PRINCIPAL), "0"
        try:
            async for entry in self.connection.multistatus(method, path, body, depth=depth):
                kind = entry.found.get(dav("resourcetype"))
                if kind is not None and kind.find(dav("principal")) is not None:
                    found.append(_principal(canonical(entry.href), entry))
        except (Forbidden, NotFound, Unsupported):  # many servers list nobody
            return []
        return found


def _principal(path: str, entry: Entry) -> CalendarPrincipal:
    home = entry.href_of(HOME_SET)
    addresses = mail_addresses(entry)
    return CalendarPrincipal(
        path=path,
        name=entry.text(NAME) or (addresses[0].partition(":")[2] if addresses else path.rstrip("/").rpartition("/")[2]),
        kind=_KINDS.get((entry.text(_KIND) or "INDIVIDUAL").strip().upper(), "other"),
        addresses=addresses,
        home=None if home is None else collection(home),
    )
