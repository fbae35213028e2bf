"""What a client changed in a JSON object, in a form that can be done again to a newer version of it.

Unlike a PatchObject it tells null from absent, so it works inside of PatchObjects too (-29 §5.9.1).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from adapters.errors import Conflict
from adapters.formats.pointer import copied

REMOVED: Final = object()


class Change(NamedTuple):
    """One member that is new, different or gone; value is REMOVED for the last."""

    path: tuple[str, ...]
    value: Any


def difference(old: Mapping[str, Any], new: Mapping[str, Any], maps: frozenset[str]) -> Iterator[Change]:
    """What leads from one object to the other; arrays are replaced as a whole.

    maps: the properties that are maps, of which an absent one is an empty one.
    """
    absent: dict[str, Any] = {name: {} for name in maps & new.keys() - old.keys()}
    return _difference({**old, **absent}, new, ())


def _difference(old: Mapping[str, Any], new: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[Change]:
    for name in old.keys() - new.keys():
        yield Change((*path, name), REMOVED)
    for name, value in new.items():
        before = old.get(name, REMOVED)
        if isinstance(value, dict) and isinstance(before, dict):
            yield from _difference(before, value, (*path, name))
        elif type(value) is not type(before) or value != before:
            yield Change((*path, name), value)


def applied(target: Mapping[str, Any], changes: Sequence[Change], maps: frozenset[str]) -> dict[str, Any]:
    """A changed copy. maps: as for `difference`. Raises Conflict where the object that a change is about is gone."""
    result: dict[str, Any] = copied(dict(target))
    for path, value in changes:
        if len(path) > 1 and path[0] in maps:
            result.setdefault(path[0], {})
        parent: Any = result
        for step in path[:-1]:
            parent = parent.get(step)
            if not isinstance(parent, dict):
                raise Conflict("what was changed is not there any more")
        if value is REMOVED:
            parent.pop(path[-1], None)
        else:
            parent[path[-1]] = copied(value)
    return {name: value for name, value in result.items() if value != {} or name not in maps}
