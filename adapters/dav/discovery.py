"""From a URL to the login's principal and homes (RFC 6764 §6, RFC 5397)."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from adapters.dav.bodies import propfind
from adapters.dav.connection import DavConnection
from adapters.dav.hrefs import canonical, collection
from adapters.dav.multistatus import Entry
from adapters.dav.names import dav
from adapters.errors import AdapterError, AuthFailed, NotFound, Unavailable

_CURRENT: Final = dav("current-user-principal")
_URL: Final = dav("principal-URL")


@dataclass(frozen=True, slots=True)
class Discovered:
    """Where a login lives. principal: its path, or None where the server tells none. homes: paths, in order.

    properties: what was asked of the principal, beside the home set.
    """

    principal: str | None
    homes: tuple[str, ...]
    properties: Entry


async def discover(connection: DavConnection, well_known: str, home_set: str, wanted: Iterable[str] = ()) -> Discovered:
    """Find the homes named by the property `home_set` ("{urn:…}calendar-home-set").

    well_known: "caldav" or "carddav"; tried where the configured URL has no path, or leads nowhere.
    Raises AuthFailed, Unavailable; NotFound where the server has no such home for the login.
    """
    names = [home_set, _CURRENT, _URL, *wanted]
    start = collection(urlsplit(connection.endpoint.url).path or "/")
    places = [f"/.well-known/{well_known}", "/"]  # RFC 6764 §5
    failure: AdapterError = NotFound(f"no {well_known} home was found")
    for place in [start, *places] if start != "/" else places:
        try:
            entry = await properties(connection, place, names)
        except (AuthFailed, Unavailable):
            raise
        except AdapterError as error:  # the next place may be the right one
            failure = error
            continue
        found = await _at_principal(connection, entry, names, home_set)
        if found is not None:
            return found
    raise failure


async def properties(connection: DavConnection, path: str, names: Iterable[str]) -> Entry:
    """PROPFIND of one resource. Raises NotFound, Forbidden, Unavailable, AuthFailed."""
    found = None
    async for entry in connection.multistatus("PROPFIND", path, propfind(names), depth="0"):
        found = found or entry
    if found is None or found.status >= 300:
        raise NotFound(f"PROPFIND: nothing about the resource ({0 if found is None else found.status})")
    return found


async def _at_principal(connection: DavConnection, entry: Entry, names: list[str], home_set: str) -> Discovered | None:
    """What the principal says that an entry points to, or is; None where it says nothing of a home."""
    pointed = entry.href_of(_CURRENT) or entry.href_of(_URL)
    principal = None if pointed is None else canonical(pointed)
    if principal is not None and principal.rstrip("/") != canonical(entry.href).rstrip("/"):
        own = await properties(connection, principal, names)
        entry = own if own.found.get(home_set) is not None else entry
    homes = tuple(collection(href) for href in entry.hrefs_of(home_set))
    return Discovered(principal, homes, entry) if homes else None
