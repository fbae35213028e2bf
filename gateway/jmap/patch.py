"""PatchObjects (RFC 8620 §5.3): syntax, application to the current record, validation of the outcome."""

from collections.abc import Collection, Mapping
from itertools import pairwise
from operator import itemgetter
from typing import Any, Final

import orjson

from gateway.jmap import pointer
from gateway.jmap.arguments import REQUIRED
from gateway.jmap.errors import SetError
from gateway.jmap.properties import Lookup, Property, PropertyTable, UnknownReference, Update, refuse

Patch = list[tuple[tuple[str, ...], Any]]
"""(path, value) pairs; a path has at least one token, the first of which names a property."""

_ABSENT: Final = object()
_SORTED: Final = orjson.OPT_SORT_KEYS


def parse(patch: Mapping[str, Any]) -> Patch:
    """The patches by path, sorted. Raises SetError("invalidPatch") for a bad pointer or one that prefixes another."""
    parsed: Patch = []
    for path, value in patch.items():
        try:
            parsed.append((tuple(pointer.parse("/" + path)), value))  # the leading slash is implicit
        except pointer.BadPointer as error:
            raise SetError("invalidPatch", f"{path[:100]}: {error}") from None
    return _without_clashes(parsed)


def _without_clashes(patch: Patch) -> Patch:
    patch.sort(key=itemgetter(0))
    # In sorted order a path that is a prefix of any other is a prefix of its successor.
    for earlier, later in pairwise(path for path, _ in patch):
        if later[: len(earlier)] == earlier:
            raise SetError("invalidPatch", f"{'/'.join(later)[:100]} is inside of another patch")
    return patch


def names(patch: Patch) -> frozenset[str]:
    """The properties that the patch touches."""
    return frozenset(path[0] for path, _ in patch)


def resolve(table: PropertyTable, patch: Patch, lookup: Lookup) -> Patch:
    """The patch with its creation ids replaced, in values and in paths ("mailboxIds/#k").

    Raises SetError("invalidProperties") for a creation id that is not known.
    """
    resolved: Patch = []
    bad: list[str] = []
    for path, value in patch:
        row = table.find(path[0])
        if row is None or row.references is None:
            resolved.append((path, value))
            continue
        try:
            tail = tuple(row.references(token, lookup) for token in path[1:])
            resolved.append(((path[0], *tail), row.references(value, lookup)))
        except UnknownReference:
            bad.append("/".join(path))
    if bad:
        raise SetError("invalidProperties", "refers to a record that was not created", bad)
    return _without_clashes(resolved)


def apply(
    table: PropertyTable, current: Mapping[str, Any], patch: Patch, using: Collection[str] | None = None
) -> Update:
    """The update that the patch makes of the current record (which has at least the properties it names).

    using: as for `PropertyTable.select`.

    Raises SetError: invalidPatch when a path does not fit the record, invalidProperties when the outcome is not
    allowed.
    """
    before = {name: current[name] for name in names(patch) if name in current}
    patched = dict(before)
    for name in {path[0] for path, _ in patch if len(path) > 1} & before.keys():
        patched[name] = orjson.loads(orjson.dumps(before[name]))  # a copy to be changed in place
    for path, value in patch:
        if len(path) == 1:
            _replace(table, patched, path[0], value)
        else:
            _set_inside(patched, path, value)
    changed = frozenset(
        name for name in names(patch) if not _same(patched.get(name, _ABSENT), before.get(name, _ABSENT))
    )
    known = {name: table.find(name) if table.is_known(name, using) else None for name in sorted(names(patch))}
    _validate(known, patched, changed)
    return Update(str(current["id"]), before, patched, changed)


def _same(one: Any, other: Any) -> bool:
    """Equality of JSON values: unlike Python's it tells true from 1."""
    if one is _ABSENT or other is _ABSENT:
        return one is other
    return one == other and orjson.dumps(one, option=_SORTED) == orjson.dumps(other, option=_SORTED)


def _replace(table: PropertyTable, patched: dict[str, Any], name: str, value: Any) -> None:
    """Set a whole property. Null stands for the default, or for removal where there is none."""
    row = table.find(name)
    if value is not None:
        patched[name] = value
    elif row is not None and row.default is not REQUIRED:
        patched[name] = row.default
    else:
        patched.pop(name, None)


def _set_inside(patched: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    """Set or remove one member below a property."""
    parent: Any = patched
    for step in path[:-1]:
        parent = parent.get(step)
        if not isinstance(parent, dict):  # also an array: a patch never reaches into one
            raise SetError("invalidPatch", f"{'/'.join(path)[:100]}: there is no object at {step[:100]!r}")
    if value is None:
        parent.pop(path[-1], None)
    else:
        parent[path[-1]] = value


def _validate(known: Mapping[str, Property | None], patched: Mapping[str, Any], changed: frozenset[str]) -> None:
    wrong: dict[str, str] = {}
    for name, row in known.items():
        if row is None:
            wrong[name] = "is unknown"
        elif name not in changed:
            continue  # sent back as it is: allowed even for what only the server sets
        elif row.server_set or row.immutable:
            wrong[name] = "is set by the server" if row.server_set else "cannot be changed"
        elif name not in patched:
            if not row.omittable:
                wrong[name] = "cannot be removed"
        elif fault := row.check(patched[name]):
            wrong[name] = fault
    refuse(wrong)
