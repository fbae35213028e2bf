"""Storing, deleting and moving resources with preconditions (RFC 4918 §9, RFC 9110 §13.1)."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from weakref import WeakValueDictionary

from adapters.dav.connection import Answer, DavConnection
from adapters.dav.discovery import properties
from adapters.dav.names import dav
from adapters.dav.quirks import Quirks
from adapters.dav.sync import strong
from adapters.errors import Conflict, NotFound, Unsupported

_TURNS: Final[WeakValueDictionary[str, asyncio.Lock]] = WeakValueDictionary()


@dataclass(frozen=True, slots=True)
class Resources:
    """The writing verbs at one server. Paths are canonical; ETags are as `sync.strong` gives them.

    Whoever writes one resource through this process takes turns: not every server compares the ETag and writes in one
    step (docs/quirks.md), and then takes two PUTs at once although one of them is lost.
    """

    connection: DavConnection
    quirks: Quirks

    async def create(self, path: str, data: bytes, headers: Mapping[str, str]) -> Answer:
        """PUT of what must not be there yet. headers: with Content-Type. Raises Conflict."""
        async with self._turn(path):
            if self.quirks.overwrites and await self._etag(path) is not None:
                raise Conflict("the resource exists already")
            return await self.connection.request("PUT", path, data, {**headers, "If-None-Match": "*"})

    async def replace(self, path: str, data: bytes, etag: str, headers: Mapping[str, str]) -> Answer:
        """PUT over what has this ETag. Raises Conflict."""
        async with self._turn(path):
            return await self.connection.request("PUT", path, data, {**headers, "If-Match": etag})

    async def delete(self, path: str, etag: str | None, headers: Mapping[str, str] | None = None) -> None:
        """DELETE of what has this ETag. Raises Conflict, NotFound."""
        async with self._turn(path):
            if self.quirks.deletes_stale and etag is not None:
                await self._unchanged(path, etag)
            condition = {} if etag is None else {"If-Match": etag}
            await self.connection.request("DELETE", path, headers={**condition, **(headers or {})})

    async def move(self, path: str, target: str, etag: str) -> Answer:
        """MOVE to a place that must be free. Raises Conflict, NotFound, Unsupported."""
        if not self.quirks.moves:
            raise Unsupported("the server does not move between collections")
        # RFC 4918 §9.9: Overwrite F refuses a target that is mapped.
        headers = {"Destination": self.connection.url(target), "Overwrite": "F", "If-Match": etag}
        async with self._turn(path):
            if self.quirks.moves_stale:
                await self._unchanged(path, etag)
            return await self.connection.request("MOVE", path, headers=headers)

    def _turn(self, path: str) -> asyncio.Lock:
        return _TURNS.setdefault(self.connection.url(path), asyncio.Lock())

    async def _unchanged(self, path: str, etag: str) -> None:
        """Raises NotFound, Conflict."""
        now = await self._etag(path)
        if now is None:
            raise NotFound("the resource is gone")
        if now != etag:
            raise Conflict("the resource was changed")

    async def _etag(self, path: str) -> str | None:
        try:
            found = (await properties(self.connection, path, [dav("getetag")])).text(dav("getetag"))
        except NotFound:
            return None
        return None if found is None else strong(found)


def etag_after(answer: Answer, *, altered: bool) -> str | None:
    """The ETag of what was stored, None where it must be fetched first. altered: stored otherwise than it was given."""
    etag = answer.headers.get("etag")
    return None if etag is None or altered else strong(etag)
