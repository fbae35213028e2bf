"""When the alerts of an event trigger (jscalendarbis §3.5.1, draft-ietf-jmap-calendars-29 §6), bounded in work."""

import math
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from itertools import islice
from typing import NamedTuple
from zoneinfo import ZoneInfo

from adapters.formats.jscalendar.expand import length_of, occurrence_at
from adapters.formats.jscalendar.recurrence_set import ExpansionLimit, recurrence_set
from adapters.formats.jscalendar.timezones import UTC_NAME, from_utc, to_utc
from adapters.formats.pointer import apply_patch, tokens
from adapters.formats.values import JsonObject, Span, from_datetime, parse_duration, to_datetime

MOST_ALERTS = 50
"""Alerts of one event, in their order; further ones never trigger."""
_FARTHEST = timedelta(days=3660)  # an alert that is farther from its event never triggers
_MARGIN = timedelta(hours=2)  # by which a change of the offset from UTC moves an instance
_DAY = timedelta(days=1)
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - naive UTC
_WORK = 10_000  # periods and ticks of a rule that one look may take
_MOMENTS = 2_000  # instances of a rule that one look may take
_LOOKS = tuple(timedelta(hours=8**power) for power in range(6))  # up to 3.7 years: how far an instance is searched
_OF_ALERTS = frozenset({"alerts", "useDefaultAlerts", "showWithoutTime", "status"})
_OF_TIME = frozenset({"start", "timeZone", "duration"})

Alerts = Mapping[str, JsonObject]
"""Alert objects by id."""


class Trigger(NamedTuple):
    """An alert that triggers. at: naive UTC. recurrence_id: of the instance, None where the event does not recur."""

    at: datetime
    recurrence_id: str | None
    alert_id: str


class Defaults(NamedTuple):
    """The default alerts of all calendars that an event is in: for events with a time, for those without."""

    with_time: Alerts
    without_time: Alerts


NO_DEFAULTS = Defaults({}, {})


def triggers(
    js: JsonObject,
    after: datetime,
    before: datetime,
    *,
    defaults: Defaults = NO_DEFAULTS,
    floating_zone: str = UTC_NAME,
    limit: int = 100,
    action: str | None = None,
) -> list[Trigger]:
    """What triggers within [after, before) (naive UTC), in order; of a rule that makes more than `limit` the first.

    action: only of alerts with it (jscalendarbis §4.5.1), None for all.

    Nothing of drafts (-29 §5), nothing of what is cancelled, nothing that was acknowledged. Raises `ExpansionLimit` for
    a rule that takes too much work, `UnsupportedRule` for one in another calendar system, `ValueError` for an event
    that is not valid.
    """
    if js.get("isDraft") is True or "start" not in js:
        return []
    event = _Event(js, defaults, floating_zone, action)
    found = [trigger for trigger in event.triggers(after, before, limit) if after <= trigger.at < before]
    return sorted(found, key=lambda trigger: (trigger.at, trigger.recurrence_id or "", trigger.alert_id))[:limit]


def bounds(
    js: JsonObject, first: float, last: float, defaults: Defaults = NO_DEFAULTS, action: str | None = None
) -> tuple[float, float]:
    """Seconds since 1970 (UTC) between which all its alerts trigger; the first is greater where none does.

    first, last: the same of all occurrences. action: see `triggers`. Raises `ValueError` for an event that is not
    valid.
    """
    if any(not _named(patch).isdisjoint(_OF_ALERTS) for patch in (js.get("recurrenceOverrides") or {}).values()):
        return -math.inf, math.inf
    alerts = _counting(js, defaults, action)
    moments = [(when - _EPOCH).total_seconds() for _, when in _absolute(alerts)]
    offsets = [_length(span).total_seconds() for alert in alerts.values() if (span := _offset(alert)) is not None]
    if offsets:
        day = _DAY.total_seconds()  # more than a change of the offset from UTC makes
        moments += [first + min(offsets) - day, last + max(offsets) + day]
    return min(moments, default=math.inf), max(moments, default=-math.inf)


class _Event:
    """An event and the alerts that count for it."""

    def __init__(self, js: JsonObject, defaults: Defaults, floating_zone: str, action: str | None) -> None:
        self._js = js
        self._defaults = defaults
        self._floating = floating_zone
        self._action = action
        self._overrides: JsonObject = js.get("recurrenceOverrides") or {}
        self._alerts = _counting(js, defaults, action)

    def triggers(self, after: datetime, before: datetime, limit: int) -> Iterator[Trigger]:
        """What may trigger within [after, before), in no order."""
        if self._js.get("recurrenceRule") is None and not self._overrides:
            key = self._js.get("recurrenceId")
            yield from self._of_instance(key, {}, self._alerts)
            yield from (Trigger(when, key, name) for name, when in _absolute(self._alerts))
            return
        yield from islice(self._of_rule(after, before, self._alerts), limit)
        yield from self._of_moved(after, before, self._alerts)
        yield from self._of_overridden()
        for name, when in _absolute(self._alerts):
            if after <= when < before:
                yield Trigger(when, self._instance_at(name, when), name)

    def _of_rule(self, after: datetime, before: datetime, alerts: Alerts) -> Iterator[Trigger]:
        """What instances without an override trigger in the window, nearly in order."""
        rule, start = self._js.get("recurrenceRule"), to_datetime(self._js["start"])
        stretches = list(self._stretches(after, before, alerts))
        for low, high in stretches:
            moments: Iterator[datetime] = iter([start] if low <= start < high else [])
            if rule is not None:
                work = _WORK // len(stretches)
                moments = recurrence_set(rule, start, low, high, limit=_MOMENTS, work=work)
            for key in map(from_datetime, moments):
                if key not in self._overrides:
                    found = self._of_instance(key, {}, alerts)
                    yield from (trigger for trigger in found if after <= trigger.at < before)

    def _of_moved(self, after: datetime, before: datetime, alerts: Alerts) -> Iterator[Trigger]:
        """What instances trigger that have an override, but not of alerts."""
        stretches = [(from_datetime(low), from_datetime(high)) for low, high in self._stretches(after, before, alerts)]
        for key, patch in self._overrides.items():
            if patch.get("excluded") is True or not _named(patch).isdisjoint(_OF_ALERTS):
                continue
            if not _OF_TIME.isdisjoint(patch) or any(low <= key < high for low, high in stretches):
                yield from self._of_instance(key, patch, alerts)

    def _of_overridden(self) -> Iterator[Trigger]:
        """What instances trigger that have alerts of their own; at an absolute time only what the series does not."""
        base = dict(_absolute(self._alerts))
        for key, patch in self._overrides.items():
            changes = {pointer: value for pointer, value in patch.items() if tokens(pointer)[0] in _OF_ALERTS}
            if changes and patch.get("excluded") is not True:
                decisive = {name: self._js[name] for name in _OF_ALERTS & self._js.keys()}
                alerts = _counting(apply_patch(decisive, changes), self._defaults, self._action)
                yield from self._of_instance(key, patch, alerts)
                yield from (Trigger(when, key, name) for name, when in _absolute(alerts) if base.get(name) != when)

    def _of_instance(self, key: str | None, patch: JsonObject, alerts: Alerts) -> Iterator[Trigger]:
        """What triggers relative to one instance."""
        if not alerts:
            return
        occurrence = occurrence_at(self._js, key, patch, self._floating)
        zone = patch.get("timeZone", self._js.get("timeZone")) or self._floating
        for name, alert in alerts.items():
            span = _offset(alert)
            if span is not None:
                at = _shifted(occurrence.end if _from_end(alert) else occurrence.start, span, zone)
                if not _is_acknowledged(alert, at):
                    yield Trigger(at, key, name)

    def _stretches(self, after: datetime, before: datetime, alerts: Alerts) -> Iterator[tuple[datetime, datetime]]:
        """Local times between which those instances start that trigger something in the window, without overlaps."""
        zone = self._js.get("timeZone") or self._floating
        low, high = from_utc(after, zone), from_utc(before, zone)
        spans = [(_length(span), _from_end(alert)) for alert in alerts.values() if (span := _offset(alert)) is not None]
        shifts = sorted({span + (length_of(self._js) if end else timedelta()) for span, end in spans}, reverse=True)
        stretch: tuple[datetime, datetime] | None = None
        for first, *more in _runs(shifts, high - low):
            last = more[-1] if more else first
            margin = _margin(zone, {low, high, low - first, high - last, *(low - span for span, _ in spans)})
            begin, end = low - first - margin, high - last + margin
            if stretch is not None and begin <= stretch[1]:  # margins, where clocks are set back
                begin, end = min(begin, stretch[0]), max(end, stretch[1])
            elif stretch is not None:
                yield stretch
            stretch = begin, end
        if stretch is not None:
            yield stretch

    def _instance_at(self, name: str, when: datetime) -> str:
        """Which instance an alert of the series at an absolute time is for.

        Of a snoozed alert that which it had triggered for (-29 §6.3); else the next one, or the first.
        """
        found = None
        for parent in self._alerts[name].get("relatedTo") or ():
            original = self._alerts.get(parent, {})
            if found is None and _offset(original) is not None:
                plain = {parent: {"trigger": original["trigger"]}}
                dismissed = min(when, _utc(original.get("acknowledged")) or when)
                found = self._search(plain, dismissed + timedelta(seconds=1), back=True)
        found = found or self._search({"": {"trigger": {"offset": "PT0S"}}}, when, back=False)
        return found or str(self._js["start"])

    def _search(self, alerts: Alerts, moment: datetime, *, back: bool) -> str | None:
        """The instance for which one of the alerts triggers last before a moment, or first from then on."""
        for look in _LOOKS:
            low, high = (moment - look, moment) if back else (moment, moment + look)
            try:
                found = [*self._of_rule(low, high, alerts), *self._of_moved(low, high, alerts)]
            except ExpansionLimit:
                return None
            found = [trigger for trigger in found if low <= trigger.at < high]
            if found:
                return (max if back else min)(found).recurrence_id
        return None


def _counting(js: JsonObject, defaults: Defaults, action: str | None) -> Alerts:
    """The alerts that count for an event or instance: its own, or the defaults (-29 §6.1)."""
    own: Alerts = js.get("alerts") or {}
    if js.get("status") == "cancelled":
        return {}
    if js.get("useDefaultAlerts") is True:
        chosen = defaults.without_time if js.get("showWithoutTime") is True else defaults.with_time
        added = own.keys() - chosen.keys()
        snoozing = {name: own[name] for name in own if name in added and _is_related(own[name], chosen)}
        own = {name: _dismissed(alert, own.get(name)) for name, alert in chosen.items()} | snoozing
    first = islice(own.items(), MOST_ALERTS)
    return {name: alert for name, alert in first if action is None or alert.get("action", "display") == action}


def _is_related(alert: JsonObject, others: Alerts) -> bool:
    return not others.keys().isdisjoint(alert.get("relatedTo") or ())


def _dismissed(default: JsonObject, own: JsonObject | None) -> JsonObject:
    """A default alert with the time at which it was dismissed, which stands in the event (-29 §6.1)."""
    return default if own is None else {**default, "acknowledged": own.get("acknowledged")}


def _absolute(alerts: Alerts) -> Iterator[tuple[str, datetime]]:
    """The alerts that trigger at an absolute time, and when."""
    for name, alert in alerts.items():
        trigger = alert["trigger"]
        if trigger.get("@type") == "AbsoluteTrigger":
            when = _utc(trigger["when"])
            if when is not None and not _is_acknowledged(alert, when):
                yield name, when


def _offset(alert: JsonObject) -> Span | None:
    """How far an alert lies from its event; None where it does not, also for unknown triggers (jscalendarbis §3.5.1:
    SHOULD NOT trigger)."""
    trigger = alert.get("trigger") or {}
    if trigger.get("@type", "OffsetTrigger") != "OffsetTrigger":
        return None
    span = parse_duration(trigger["offset"])
    return None if abs(_length(span)) > _FARTHEST else span


def _from_end(alert: JsonObject) -> bool:
    return bool(alert["trigger"].get("relativeTo") == "end")


def _length(span: Span) -> timedelta:
    return timedelta(days=span.days, seconds=span.seconds)


def _shifted(moment: datetime, span: Span, zone: str) -> datetime:
    """Naive UTC plus a duration; to subtract one, the steps apply in reverse (jscalendarbis §1.5.6)."""
    days, exact = timedelta(days=span.days), timedelta(seconds=span.seconds)
    if not span.days:
        return moment + exact
    if span.days < 0:
        return to_utc(from_utc(moment + exact, zone) + days, zone)
    return to_utc(from_utc(moment, zone) + days, zone) + exact


def _is_acknowledged(alert: JsonObject, at: datetime) -> bool:
    """Whether an alert that triggers at this time was dismissed at or after it (-29 §6.2)."""
    acknowledged = _utc(alert.get("acknowledged"))
    return acknowledged is not None and at <= acknowledged


def _utc(text: str | None) -> datetime | None:
    """UTCDateTime to naive UTC."""
    return None if text is None else to_datetime(text.removesuffix("Z")[:19])


def _margin(zone: str, moments: Iterable[datetime]) -> timedelta:
    """How far local times may be off where exact and local time are mixed: not at all under one offset from UTC."""
    near = (moment + days for moment in moments for days in (-_DAY, _DAY))
    offsets = {moment.replace(tzinfo=ZoneInfo(zone)).utcoffset() for moment in near}
    return _MARGIN if len(offsets) > 1 else timedelta()


def _named(patch: JsonObject) -> set[str]:
    """The properties that a PatchObject changes."""
    return {tokens(pointer)[0] for pointer in patch}


def _runs(values: list[timedelta], gap: timedelta) -> Iterator[list[timedelta]]:
    """Descending values in runs of which none is farther from the one before than `gap`."""
    run: list[timedelta] = []
    for value in values:
        if run and run[-1] - value > gap:
            yield run
            run = []
        run.append(value)
    if run:
        yield run
