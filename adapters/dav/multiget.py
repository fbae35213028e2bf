"""Fetching resources by name, in batches as they arrive: calendar-multiget and addressbook-multiget."""

import logging
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Generic, Protocol, TypeVar

from adapters.dav.bodies import Element, multiget
from adapters.dav.connection import DavConnection
from adapters.dav.hrefs import check_name, member
from adapters.dav.multistatus import Entry, Malformed
from adapters.errors import NotFound, TooLarge

log = logging.getLogger(__name__)

PER_REQUEST: Final = 400
PER_BATCH: Final = 100
BATCH_OCTETS: Final = 4 << 20
"""From here on a batch is handed over however few it has: pictures make vCards large."""


class _Stored(Protocol):
    @property
    def data(self) -> bytes: ...


Resource = TypeVar("Resource", bound=_Stored)
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Multiget(Generic[Resource]):
    """How one kind of resource is asked for, and what becomes of a response.

    report: Clark name of the REPORT. wanted: the properties. read: None where a response has no such resource.
    """

    report: str
    wanted: Iterable[str | Element]
    read: Callable[[Entry], Resource | None]

    async def by_name(
        self, connection: DavConnection, path: str, names: Collection[str]
    ) -> AsyncIterator[Mapping[str, Resource]]:
        """The resources of the collection at `path`; those that are gone are left out. Raises NotFound."""
        for portion in _portions([check_name(name) for name in names], PER_REQUEST):
            async for batch in self._portion(connection, path, portion):
                yield batch

    async def _portion(
        self, connection: DavConnection, path: str, names: Sequence[str]
    ) -> AsyncIterator[Mapping[str, Resource]]:
        """One multiget, and one more for names that the server passed over: some leave out what is gone."""
        missing = set(names)
        try:
            async for batch in self._answered(connection, path, names, missing):
                yield batch
            if missing:
                async for batch in self._answered(connection, path, sorted(missing), missing):
                    yield batch
        except (TooLarge, Malformed) as error:
            if len(names) == 1:  # everything else must still be served
                log.warning("a resource cannot be read: %s", error)
                return
            rest = [name for name in names if name in missing]
            for half in _portions(rest, max(1, (len(rest) + 1) // 2)):
                async for batch in self._portion(connection, path, half):
                    yield batch

    async def _answered(
        self, connection: DavConnection, path: str, names: Sequence[str], missing: set[str]
    ) -> AsyncIterator[Mapping[str, Resource]]:
        """The answer to one multiget; takes out of `missing` what was handed over, and what is gone."""
        body = multiget(self.report, self.wanted, [path + name for name in names])
        found: dict[str, Resource] = {}
        octets = 0
        async for entry in connection.multistatus("REPORT", path, body):
            name, resource = member(entry.href, path), self.read(entry)
            if name is None and entry.status == 404:
                raise NotFound("the collection is gone")
            if name is not None and resource is not None:
                found[name] = resource
                octets += len(resource.data)
            elif name is not None and entry.status in {404, 410}:
                missing.discard(name)
            if len(found) >= PER_BATCH or octets >= BATCH_OCTETS:
                missing.difference_update(found)
                yield found
                found, octets = {}, 0
        if found:
            missing.difference_update(found)
            yield found


def _portions(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
