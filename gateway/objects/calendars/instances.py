"""Synthetic ids: instances of a recurring event that /query expanded (draft-ietf-jmap-calendars-29 §5.11)."""

import re
from typing import Any, Final, NamedTuple

from adapters.formats.jscalendar.expand import instance_patch
from adapters.formats.jscalendar.series import override_object, without_series
from gateway.sync.calendars.index import Event, Index

_SYNTHETIC: Final = re.compile(r"(e[0-9a-v]{26})-(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)", re.ASCII)


def synthetic_id(event_id: str, recurrence_id: str) -> str:
    """The id of an instance; recurrence_id is a LocalDateTime."""
    return f"{event_id}-{recurrence_id.replace('-', '').replace(':', '')}"


class Target(NamedTuple):
    """What an id names: an event, or an instance of one by its recurrence id and override."""

    event: Event
    recurrence_id: str | None = None
    patch: dict[str, Any] | None = None

    def content(self) -> dict[str, Any]:
        """The JSCalendar Event; of an instance with the override applied (-29 §5.7)."""
        event = self.event.entry.event()
        if self.recurrence_id is None:
            return event
        if not self.patch:  # nearly all instances: nothing to be merged
            return _plain_instance(event, self.recurrence_id)
        return override_object(event, self.recurrence_id, self.patch)


def _plain_instance(event: dict[str, Any], recurrence_id: str) -> dict[str, Any]:
    """What `override_object` makes of an event without an override; nothing is copied, `event` is used up."""
    instance = without_series(event) | {"start": recurrence_id, "recurrenceId": recurrence_id}
    if event.get("timeZone"):
        instance["recurrenceIdTimeZone"] = event["timeZone"]
    return instance


def split(index: Index, event_id: str) -> tuple[Event, str | None] | None:
    """The event of an id, and the recurrence id of an instance that it may have; None for nothing."""
    event = index.events.get(event_id)
    if event is not None:
        return event, None
    match = _SYNTHETIC.fullmatch(event_id)
    base = None if match is None else index.events.get(match[1])
    if match is None or base is None or not base.entry.recurs:
        return None
    return base, "{}-{}-{}T{}:{}:{}".format(*match.groups()[1:])


def find(index: Index, event_id: str) -> Target | None:
    """What an id names; None for nothing, also for an instance that its event does not have."""
    found = split(index, event_id)
    return None if found is None else target_of(index, event_id, *found)


def target_of(index: Index, event_id: str, base: Event, recurrence_id: str | None) -> Target | None:
    """The same of an id that was split."""
    if recurrence_id is None:
        return Target(base)
    if event_id in index.instances and not base.entry.overridden:
        return Target(base, recurrence_id, {})
    event = base.entry.event()
    if event_id in index.instances:
        return Target(base, recurrence_id, (event.get("recurrenceOverrides") or {}).get(recurrence_id, {}))
    try:
        patch = instance_patch(event, recurrence_id)
    except ValueError:  # no date, or a rule that cannot be expanded
        return None
    return None if patch is None else Target(base, recurrence_id, patch)
