"""What every index in the making has, whatever lies in its collections."""

from abc import ABC, abstractmethod
from typing import Generic

from gateway.store.base import Write
from gateway.sync.collections.index import Facts, Index, Place, Resource, Settings
from gateway.sync.journal import Changes


class Draft(ABC, Generic[Index, Place, Resource, Facts]):
    """An index in the making; `settle` gives it away."""

    def __init__(self, base: Index) -> None:
        self._base = base
        self._settings = base.settings
        self.touched: set[Place] = set()
        """Where there is something new."""
        self.moved: set[str] = set()
        """Ids of collections whose head differs: properties, cursor, or that came or went."""
        self.beside: list[Write] = []
        """What is stored with the index or, because no server has it, not at all."""

    @abstractmethod
    def put(self, place: Place, resource: Resource) -> None:
        """Enter a resource in place of what was there; not in a collection that went meanwhile."""

    @abstractmethod
    def drop(self, place: Place) -> None:
        """Forget a resource."""

    def set_settings(self, settings: Settings) -> None:
        """Replace what is kept beside the server."""
        self._settings = settings

    @abstractmethod
    def settle(self, facts: Facts | None) -> tuple[Index, dict[str, Changes]]:
        """The finished index, and what changed for clients by type."""


def note(changes: Changes, key: str, old: object, new: object) -> None:
    """Note what became of something, told by what its clients see of it before and after; None: it is not there."""
    if old is None and new is not None:
        changes.created.append(key)
    elif new is None and old is not None:
        changes.destroyed.append(key)
    elif old != new:
        changes.updated.append(key)
