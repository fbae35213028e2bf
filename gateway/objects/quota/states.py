"""States of Quotas that say themselves what they are of, so that any two can be compared and none is ever forgotten.

A state lists each Quota: its id, a digest of what seldom changes, and how much is used. Nothing is stored for it.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

_STATE: Final = re.compile(r"q(?:-[a-z0-9]{27}\.[0-9a-f]{16}\.\d{1,16}){0,100}", re.ASCII)

State = Mapping[str, tuple[str, int]]
"""Quota id -> (digest of all but `used`, used)."""


@dataclass(frozen=True, slots=True)
class Difference:
    """What leads from one state to another; `state` is the one reached."""

    state: State
    has_more: bool
    created: list[str]
    updated: list[str]
    destroyed: list[str]
    only_used: bool


def state_of(quotas: Mapping[str, Mapping[str, Any]]) -> State:
    """The state of these Quotas, by id."""
    return {name: (_digest(quota), quota["used"]) for name, quota in quotas.items()}


def to_text(state: State) -> str:
    """The state string; the order of the Quotas makes no difference."""
    return "-".join(["q", *(f"{name}.{rest}.{used}" for name, (rest, used) in sorted(state.items()))])


def from_text(text: str) -> State | None:
    """The inverse of `to_text`; None for what is no state."""
    if _STATE.fullmatch(text) is None:
        return None
    items = (item.split(".") for item in text.split("-")[1:])
    return {name: (rest, int(used)) for name, rest, used in items}


def difference(old: State, new: State, most: int | None = None) -> Difference:
    """At most `most` changes from `old` towards `new`; None for all of them."""
    changed = [name for name in sorted({*old, *new}) if old.get(name) != new.get(name)]
    told = list(islice(changed, most))
    reached = {name: value for name, value in old.items() if name not in told}
    reached |= {name: new[name] for name in told if name in new}
    updated = [name for name in told if name in old and name in new]
    return Difference(
        reached,
        len(told) < len(changed),
        [name for name in told if name not in old],
        updated,
        [name for name in told if name not in new],
        bool(told) and len(updated) == len(told) and all(old[name][0] == new[name][0] for name in told),
    )


def _digest(quota: Mapping[str, Any]) -> str:
    facts = repr(sorted((name, value) for name, value in quota.items() if name != "used"))
    return hashlib.sha256(facts.encode("utf-8", "surrogatepass")).hexdigest()[:16]
