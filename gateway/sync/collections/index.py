"""What every index of collections has, whatever lies in them."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

_DERIVED: Final = 16
"""Things worked out of one index that are remembered."""
_LARGE_KEY: Final = 100_000
"""Octets of a query that is not worth remembering: clients may send any."""

Settings = Mapping[str, Mapping[str, Any]]
"""Id of a collection -> JMAP properties that the server has no place for, by name."""


@dataclass(frozen=True, slots=True)
class Known:
    """An index: immutable once readers can see it.

    derived: what readers made of it, put in by `keep`, gone with the next one.
    """

    settings: Settings = field(default_factory=dict)
    derived: dict[Hashable, Any] = field(default_factory=dict, compare=False)

    def keep(self, key: Hashable, value: Any) -> None:
        """Remember something derived; the oldest goes for it where there is much. Not under a key that is large."""
        if isinstance(key, bytes) and len(key) > _LARGE_KEY:
            return
        if len(self.derived) >= _DERIVED:
            del self.derived[next(iter(self.derived))]
        self.derived[key] = value

    def setting(self, collection_id: str, name: str) -> Any:
        """A property that is kept beside the server; None where it was never set."""
        return self.settings.get(collection_id, {}).get(name)


Index = TypeVar("Index", bound=Known)
Place = TypeVar("Place")
Resource = TypeVar("Resource")
Facts = TypeVar("Facts")
