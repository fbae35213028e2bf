"""Answers of types whose records are all in memory."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.jmap.datatype import Fetched


def fetched(records: Mapping[str, Mapping[str, Any]], ids: Sequence[str] | None, properties: Sequence[str]) -> Fetched:
    """What /get answers (RFC 8620 §5.1). records: all, by id. A record may lack a property; it is shown as null."""
    wanted = list(records) if ids is None else ids
    found = [{name: records[key].get(name) for name in properties} for key in wanted if key in records]
    return Fetched(found, [key for key in wanted if key not in records])


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
