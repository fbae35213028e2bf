"""What of an account's calendars triggers alerts, and when (draft-ietf-jmap-calendars-29 §6).

The alerts of each event are planned for a stretch of time. An event that did not change, and can have none before some
time, is not looked through again until then.
"""

import logging
import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import takewhile
from typing import Final, NamedTuple

from adapters.formats.jscalendar.alert_times import Defaults, bounds, triggers
from adapters.formats.jscalendar.timezones import UTC_NAME
from gateway.sync.calendars.entries import seconds
from gateway.sync.calendars.index import Event, Index, is_subscribed
from gateway.sync.calendars.zones import zone_of
from gateway.sync.pace import give_way

_log: Final = logging.getLogger(__name__)

MOST: Final = 100
"""Alerts of one event in a stretch; of a series that has more the first."""
ROOM: Final = 1000
"""Alerts of an account in a stretch; what comes beyond is left out."""
_AHEAD: Final = 86400.0
"""Seconds for which an event is looked through at once; what triggers after the stretch is looked for again then."""
_AT_ONCE: Final = 5
"""Events that are looked through before the event loop gets its turn."""
_PASSED_OVER: Final = 1 / 40
"""What it costs to see that one has no alerts, in such looks."""
_ALERTS: Final = b'"alerts'
_DEFAULTS: Final = b'"useDefaultAlerts"'
_NOT_VALID: Final = (ValueError, TypeError, KeyError, AttributeError, OverflowError)
"""What an event raises that somebody else made: its alerts are of no shape, or lie beyond all dates."""


class Alert(NamedTuple):
    """An alert that triggers. at: seconds since 1970. event_id: never that of an instance."""

    at: float
    account_id: str
    event_id: str
    uid: str
    recurrence_id: str | None
    alert_id: str


class _Ruling(NamedTuple):
    """What the calendars of an event say of its alerts. zone: of floating times."""

    defaults: Defaults
    zone: str

    def has_default(self, action: str | None) -> bool:
        """Whether any default alert has the action, None for whatever it has."""
        alerts = (*self.defaults.with_time.values(), *self.defaults.without_time.values())
        return any(action is None or alert.get("action", "display") == action for alert in alerts)


@dataclass(frozen=True, slots=True)
class _Planned:
    """The alerts of an event in this version, up to a time."""

    version: int
    ruling: _Ruling | None
    until: float
    alerts: tuple[Alert, ...]


class Plan:
    """The alerts of an account that are to come. alerts: in order, up to `until` (seconds since 1970).

    action: only those with this one, None for all.
    """

    def __init__(self, account_id: str, action: str | None = None) -> None:
        self.alerts: list[Alert] = []
        self.until = -math.inf
        self._account_id = account_id
        self._action = action
        self._events: dict[str, _Planned] = {}
        self._index: Index | None = None

    async def follow(self, index: Index, *, missed: float, learnt: float, until: float) -> None:
        """Bring the plan up to an index, and up to a time.

        missed: what was planned and triggers before this time is left out; learnt: so is what is new in the index and
        triggers before that.
        """
        if index is self._index and until <= self.until:
            return
        known, events, looks, room = self._events, dict[str, _Planned](), 0.0, ROOM
        rulings: dict[tuple[str, ...], _Ruling | None] = {}
        for event in index.events.values():
            calendar_ids = tuple(place.calendar_id for place in event.places)
            if calendar_ids not in rulings:
                rulings[calendar_ids] = _ruling(index, calendar_ids)
            planned = known.get(event.id)
            if planned is None or (planned.version, planned.ruling) != (event.version, rulings[calendar_ids]):
                planned = _Planned(event.version, rulings[calendar_ids], learnt, ())
            if planned.until < until:
                has_some = self._may_trigger(event, planned.ruling)
                looks += 1 if has_some else _PASSED_OVER
                if looks >= _AT_ONCE:
                    looks = 0.0
                    await give_way()
                none = replace(planned, until=math.inf)
                planned = self._extended(planned, event, missed, until, min(MOST, room)) if has_some else none
            room -= len(planned.alerts)
            events[event.id] = planned
        self._index, self._events, self.until = index, events, until
        self.alerts = sorted(alert for planned in events.values() for alert in planned.alerts)

    def take(self, now: float) -> list[Alert]:
        """What triggers up to now, taken out."""
        due = list(takewhile(lambda alert: alert.at <= now, self.alerts))
        del self.alerts[: len(due)]
        return due

    @property
    def is_over(self) -> bool:
        """Whether nothing triggers after what is planned, however long one waits."""
        return not self.alerts and all(planned.until == math.inf for planned in self._events.values())

    def _may_trigger(self, event: Event, ruling: _Ruling | None) -> bool:
        """Whether an event has alerts at all, as its text tells at a glance."""
        if ruling is None:
            return False
        text = event.entry.json
        has_default = _DEFAULTS in text and ruling.has_default(self._action)
        own = _ALERTS if self._action is None else f'action":"{self._action}"'.encode()
        return has_default or own in text

    def _extended(self, planned: _Planned, event: Event, missed: float, until: float, limit: int) -> _Planned:
        """The same event, planned up to a time at least."""
        entry, ruling = event.entry, planned.ruling
        if ruling is None:
            return replace(planned, until=math.inf)
        begin = max(missed, planned.until)
        kept = tuple(alert for alert in planned.alerts if alert.at >= missed)
        try:
            js = entry.event()
            low, high = bounds(js, entry.first, entry.last, ruling.defaults, self._action)
            if low >= until or high < begin:
                return replace(planned, until=math.inf if high < begin else low, alerts=kept)
            end = max(until, begin + _AHEAD)
            found = triggers(
                js,
                _utc(begin),
                _utc(end),
                defaults=ruling.defaults,
                floating_zone=ruling.zone,
                limit=limit,
                action=self._action,
            )
        except _NOT_VALID as error:
            _log.info("the alerts of an event cannot be told: %s", type(error).__name__)
            return replace(planned, until=math.inf, alerts=())
        alerts = [Alert(seconds(one.at), self._account_id, event.id, entry.uid, *one[1:]) for one in found]
        later = [alert.at for alert in alerts if alert.at >= until] or [end if len(alerts) < limit else until]
        return replace(planned, until=later[0], alerts=(*kept, *(alert for alert in alerts if alert.at < until)))


def _ruling(index: Index, calendar_ids: Iterable[str]) -> _Ruling | None:
    """What calendars say of the events in all of them; None where the user is subscribed to none (-29 §6)."""
    defaults = Defaults({}, {})
    subscribed, zones = False, list[str | None]()
    for calendar_id in calendar_ids:
        held = index.calendars[calendar_id]
        subscribed |= is_subscribed(index, calendar_id)
        zones += [index.setting(calendar_id, "timeZone"), zone_of(held.info.properties.time_zone)]
        with_time = index.setting(calendar_id, "defaultAlertsWithTime") or {}
        without_time = index.setting(calendar_id, "defaultAlertsWithoutTime") or {}
        defaults = Defaults({**defaults.with_time, **with_time}, {**defaults.without_time, **without_time})
    # -29 §4 has the time zone of the Principal where the calendar has none; there is none either
    return _Ruling(defaults, next(filter(None, zones), UTC_NAME)) if subscribed else None


def _utc(moment: float) -> datetime:
    """Naive UTC, as the formats have it."""
    return datetime.fromtimestamp(moment, UTC).replace(tzinfo=None)
