"""Changes of an instance as changes of its series (-29 §5.9)."""

from collections.abc import Sequence
from typing import Any

from adapters.errors import Conflict
from adapters.formats.jscalendar.series import inherited, override_object
from adapters.formats.pointer import get_pointer, make_patch, tokens
from gateway.objects.calendars.event_properties import MAPS
from gateway.objects.difference import REMOVED, Change, applied

Values = dict[str, Any]


def with_instance(stored: Values, recurrence_id: str, changes: Sequence[Change]) -> Values:
    """The event with an instance changed: what is new about it becomes its override."""
    overrides = dict(stored.get("recurrenceOverrides") or {})
    patch = overrides.get(recurrence_id) or {}
    if patch.get("excluded") is True:
        raise Conflict("the instance was removed")
    has_alerts = any(tokens(pointer)[0] == "alerts" for pointer in patch)
    to_base = [change for change in changes if not has_alerts and _acknowledges(change)]  # -29 §6.2, §6.3
    base = applied(stored, to_base, MAPS)
    rest = [change for change in changes if change not in to_base]
    instance = applied(override_object(base, recurrence_id, patch), rest, MAPS)
    new = make_patch(inherited(base, recurrence_id), instance)
    for name in ("recurrenceId", "recurrenceIdTimeZone"):
        new.pop(name, None)
    if new or recurrence_id in overrides:
        overrides[recurrence_id] = new
        base["recurrenceOverrides"] = overrides
    return base


def keep_whole(event: Values, stored: Values) -> None:
    """Let overrides that patch what a change of the series took away say the whole property, as it was (in place).

    Such a patch would be invalid (jscalendarbis §1.5.9), and clients do not choose how small a patch is shown.
    """
    before = stored.get("recurrenceOverrides") or {}
    for key, patch in (event.get("recurrenceOverrides") or {}).items():
        if patch != before.get(key):
            continue
        lost = {tokens(pointer)[0] for pointer in patch if not _has_place(event, pointer)}
        if lost:
            instance = override_object(stored, key, patch)
            rest = {pointer: value for pointer, value in patch.items() if tokens(pointer)[0] not in lost}
            event["recurrenceOverrides"][key] = rest | {name: instance[name] for name in lost}


def _has_place(event: Values, pointer: str) -> bool:
    parent, _, _ = pointer.rpartition("/")
    return not parent or isinstance(get_pointer(event, parent), dict)


def _acknowledges(change: Change) -> bool:
    """Whether a change dismisses or snoozes an alert."""
    if change.path[0] != "alerts" or len(change.path) < 2:
        return False
    if len(change.path) == 3:
        return change.path[2] == "acknowledged" and change.value is not REMOVED
    related = change.value.get("relatedTo") if isinstance(change.value, dict) else None
    return any("snooze" in (relation.get("relation") or {}) for relation in (related or {}).values())


def base_path(path: tuple[str, ...], recurrence_id: str | None) -> tuple[str, ...]:
    """Where a change of an instance stands in the event."""
    return path if recurrence_id is None else ("recurrenceOverrides", recurrence_id, "/".join(path))
