"""Events on calendars of others: what each user has of them for himself (-29 §5.4), and what they hide (-29 §5.7).

A personal record holds "values" (property -> value), "overrides" (recurrence id -> pointer -> value) and, where the
user changed nothing else, "updated"; members that would be empty are left out.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, Final

import orjson

from adapters.formats.jscalendar.expand import instance_patch
from adapters.formats.pointer import tokens
from gateway.sync.calendars.entries import Entry

PER_USER: Final = frozenset({"keywords", "color", "freeBusyStatus", "useDefaultAlerts", "alerts"})  # -29 §5.4

Json = dict[str, Any]
Personal = Mapping[str, Any]

_OVERRIDES: Final = "recurrenceOverrides"
_IN_PRIVATE: Final = frozenset(  # jscalendarbis §3.4.3
    {
        *("@type", "created", "duration", "freeBusyStatus", "privacy", "recurrenceId", "recurrenceIdTimeZone"),
        *("recurrenceRule", _OVERRIDES, "sequence", "showWithoutTime", "start", "timeZone", "uid", "updated"),
        *("excluded", "isDraft"),
    }
)


def personal_of(event: Mapping[str, Any], names: Collection[str]) -> Json:
    """What an event has of these properties, as a personal record."""
    patches = {key: _only(patch, names) for key, patch in (event.get(_OVERRIDES) or {}).items()}
    found = {
        "values": {name: event[name] for name in sorted(names) if name in event},
        "overrides": {key: patch for key, patch in patches.items() if patch},
    }
    return {member: value for member, value in found.items() if value}


def with_personal(event: Mapping[str, Any], personal: Personal, names: Collection[str]) -> Json:
    """The event with what the record has of these properties, and nothing else of them."""
    result = {name: value for name, value in event.items() if name not in names}
    result |= {name: value for name, value in personal.get("values", {}).items() if name in names}
    overrides: dict[str, Json] = {}
    for key, patch in (result.pop(_OVERRIDES, None) or {}).items():
        rest = _without(patch, names)
        if rest or not patch or not _is_instance(result, key):  # else it was there for these properties only
            overrides[key] = rest
    for key, patch in personal.get("overrides", {}).items():
        if key in overrides:
            if overrides[key].get("excluded") is not True:
                overrides[key] |= _only(patch, names)
        elif _is_instance(result, key):
            overrides[key] = _only(patch, names)
    if overrides:
        result[_OVERRIDES] = overrides
    if "updated" in personal:  # -29 §5.4: whichever is later
        result["updated"] = max(result.get("updated", ""), personal["updated"])
    return result


def is_hidden(entry: Entry) -> bool:
    """Whether an event does not exist for those with whom its calendar is shared."""
    return b'"secret"' in entry.json and entry.event().get("privacy") == "secret"


def seen_by_others(entry: Entry, personal: Personal, names: Collection[str]) -> Entry:
    """An event as a user sees it with whom its calendar is shared."""
    event = entry.event()
    if event.get("privacy", "public") != "public":
        event = _basics(event)
    return replace(entry, json=orjson.dumps(with_personal(event, personal, names)))


def _basics(event: Json) -> Json:
    """The basic time and metadata properties."""
    shown = {name: value for name, value in event.items() if name in _IN_PRIVATE}
    if _OVERRIDES in shown:
        shown[_OVERRIDES] = {key: _only(patch, _IN_PRIVATE) for key, patch in shown[_OVERRIDES].items()}
    return shown


def _only(patch: Mapping[str, Any], names: Collection[str]) -> Json:
    return {pointer: value for pointer, value in patch.items() if tokens(pointer)[0] in names}


def _without(patch: Mapping[str, Any], names: Collection[str]) -> Json:
    return {pointer: value for pointer, value in patch.items() if tokens(pointer)[0] not in names}


def _is_instance(event: Json, key: str) -> bool:
    try:
        return instance_patch(event, key) is not None
    except ValueError:  # no date, or a rule that cannot be expanded
        return False
