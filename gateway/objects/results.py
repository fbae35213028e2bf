"""A query result that is a plain list of ids."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ListResult:
    """Implements gateway.jmap.datatype.QueryResult over ids held in memory."""

    ids: Sequence[str]
    query_state: str
    can_calculate_changes: bool = True

    def __len__(self) -> int:
        return len(self.ids)

    def slice(self, start: int, stop: int) -> list[str]:
        """The ids with start <= index < stop."""
        return list(self.ids[start:stop])

    def position(self, id: str) -> int | None:
        """The index of an id, None if it is not in the list."""
        try:
            return self.ids.index(id)
        except ValueError:
            return None
