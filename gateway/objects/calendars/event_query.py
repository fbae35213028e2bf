"""CalendarEvent/query and what CalendarEvent/queryChanges needs (draft-ietf-jmap-calendars-29 §5.11, §5.12)."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

import orjson

from adapters.formats.jscalendar.expand import occurrences, overlaps
from adapters.formats.jscalendar.series import override_object
from adapters.formats.jscalendar.timezones import to_utc
from adapters.formats.pointer import InvalidPatch
from adapters.formats.values import JsonObject, to_datetime
from adapters.ports.calendars import TimeRange
from gateway.jmap.arguments import Argument
from gateway.jmap.checks import Check, boolean, id_, string
from gateway.jmap.datatype import Query, QueryResult
from gateway.jmap.errors import MethodError
from gateway.jmap.filters import Comparator, Filter, evaluate
from gateway.objects import text_match
from gateway.objects.calendars import event_texts
from gateway.objects.calendars.capability import MAX_EXPANDED_DAYS
from gateway.objects.calendars.instances import synthetic_id
from gateway.objects.calendars.jscalendar_checks import local_date_time, time_zone
from gateway.objects.results import ListResult
from gateway.sync.calendars.account import CalendarAccount
from gateway.sync.calendars.entries import Entry, seconds
from gateway.sync.calendars.index import EVENT, Event, Index

MAX_OCCURRENCES: Final = 20_000
"""Instances that one query may give."""
_FIRST: Final = datetime(200, 1, 1)  # noqa: DTZ001 - naive UTC; what an open end means
_LAST: Final = datetime(9800, 1, 1)  # noqa: DTZ001 - the same
_UTC_FORM: Final = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.0+)?Z?", re.ASCII)


def bound(value: Any) -> str | None:
    """LocalDateTime; web clients send a UTC date with a fraction where it is meant (docs/quirks.md)."""
    match = _UTC_FORM.fullmatch(value) if isinstance(value, str) else None
    return local_date_time(match[1] if match else value)


FILTER_CONDITIONS: Final[Mapping[str, Check]] = {
    "inCalendar": id_,
    "after": bound,
    "before": bound,
    **dict.fromkeys(event_texts.CONDITIONS, text_match.condition),
    "uid": string,
}
SORTABLE: Final[Mapping[str, tuple[Argument, ...]]] = dict.fromkeys(
    ("start", "uid", "recurrenceId", "created", "updated"), ()
)
ARGUMENTS: Final = (Argument("expandRecurrences", boolean, False), Argument("timeZone", time_zone, "Etc/UTC"))


@dataclass(frozen=True, slots=True)
class _Window:
    """[after, before) in naive UTC."""

    after: datetime
    before: datetime
    zone: str

    def touches(self, entry: Entry) -> bool:
        """Whether any occurrence may overlap: by what the index knows, never too narrow."""
        return entry.first < seconds(self.before) and entry.last >= seconds(self.after)


@dataclass(slots=True)
class _Row:
    """One id of the result, with what it is sorted by."""

    id: str
    uid: str
    start: datetime
    recurrence_id: str
    created: str
    updated: str


def run(calendars: CalendarAccount, query: Query) -> QueryResult:
    """The complete result; kept until the calendars change."""
    index = calendars.index
    key = orjson.dumps([query.filter, [repr(step) for step in query.sort], query.arguments])
    known = index.derived.get(key)
    if known is None:
        known = _run(calendars, index, query)
        index.keep(key, known)
    return known


def _run(calendars: CalendarAccount, index: Index, query: Query) -> ListResult:
    zone = query.arguments["timeZone"]
    try:
        if query.arguments["expandRecurrences"]:
            rows = list(_expanded(index, _expansion(query.filter, zone), query.filter or {}))
            if len(index.instances) < MAX_OCCURRENCES:
                index.instances.update(row.id for row in rows)
        else:
            rows = [_row(event) for event in index.events.values() if _matches(event, query.filter, zone)]
    except ValueError as error:  # ExpansionLimit, UnsupportedRule
        raise MethodError("cannotCalculateOccurrences", str(error)) from error
    for step in reversed((*query.sort, Comparator("start"), Comparator("uid"))):
        rows.sort(key=_SORT[step.property], reverse=not step.is_ascending)
    changes = not query.arguments["expandRecurrences"]
    return ListResult([row.id for row in rows], calendars.state(EVENT), can_calculate_changes=changes)


_SORT: Final[Mapping[str, Callable[[_Row], Any]]] = {
    "start": lambda row: row.start,
    "uid": lambda row: row.uid,
    "recurrenceId": lambda row: row.recurrence_id,
    "created": lambda row: row.created,
    "updated": lambda row: row.updated,
}


def glance_window(query: Query) -> TimeRange | None:
    """The stretch that all matches lie in, generous for floating times; None where the filter does not bound it."""
    checked = query.filter
    if checked is None or "operator" in checked or "after" not in checked or "before" not in checked:
        return None
    zone, day = query.arguments["timeZone"], timedelta(days=1)
    start, end = _instant(checked["after"], zone) - day, _instant(checked["before"], zone) + day
    return TimeRange(start.replace(tzinfo=UTC), end.replace(tzinfo=UTC)) if start < end else None


# ------------------------------------------------------------------------------------------------- whole events


def _row(event: Event) -> _Row:
    shown = event.entry.event()
    zone, recurrence_id = shown.get("timeZone"), event.entry.recurrence_id or ""
    start = to_datetime(shown["start"])
    start = start if zone is None else to_utc(start, zone)
    return _Row(event.id, event.entry.uid, start, recurrence_id, shown.get("created", ""), shown.get("updated", ""))


def _matches(event: Event, checked: Filter | None, zone: str) -> bool:
    """Every condition may match another instance (-29 §5.11.1)."""
    return evaluate(checked, partial(_condition, event, zone))


def _condition(event: Event, zone: str, condition: Filter) -> bool:
    if "inCalendar" in condition and condition["inCalendar"] not in event.calendar_ids:
        return False
    if "uid" in condition and condition["uid"] != event.entry.uid:
        return False
    window = _window(condition, zone)
    if window is not None and not window.touches(event.entry):
        return False
    texts = [name for name in event_texts.CONDITIONS if name in condition]
    if texts and not _has_texts(event.entry, texts, condition):
        return False
    return window is None or _overlaps(event.entry, window)  # last: it may be that nobody can tell


def _window(condition: Filter, zone: str) -> _Window | None:
    if "after" not in condition and "before" not in condition:
        return None
    after = _instant(condition["after"], zone) if "after" in condition else _FIRST
    return _Window(after, _instant(condition["before"], zone) if "before" in condition else _LAST, zone)


def _instant(text: str, zone: str) -> datetime:
    match = _UTC_FORM.fullmatch(text)
    return to_utc(to_datetime(match[1] if match else text), zone)


def _overlaps(entry: Entry, window: _Window) -> bool:
    return overlaps(entry.event(), window.after, window.before, floating_zone=window.zone)


def _has_texts(entry: Entry, names: Iterable[str], condition: Filter) -> bool:
    event = entry.event()
    variants = [event, *_instances(event, event_texts.overridden(event))]
    return all(
        any(text_match.has_all(event_texts.texts_of(variant, name), condition[name]) for variant in variants)
        for name in names
    )


def _instances(event: JsonObject, keys: Iterable[str]) -> Iterator[JsonObject]:
    for key in keys:
        try:
            yield override_object(event, key, event["recurrenceOverrides"][key])
        except InvalidPatch:  # as it came from the server
            continue


# -------------------------------------------------------------------------------------------- expanded instances


def _expansion(checked: Filter | None, zone: str) -> _Window:
    """The stretch to expand. Raises MethodError for a filter that does not bound it (-29 §5.11)."""
    if checked is None or "operator" in checked or "before" not in checked or "after" not in checked:
        raise MethodError("invalidArguments", "expandRecurrences needs one FilterCondition with before and after")
    window = _Window(_instant(checked["after"], zone), _instant(checked["before"], zone), zone)
    if window.before - window.after > timedelta(days=MAX_EXPANDED_DAYS):
        raise MethodError("expandDurationTooLarge")
    return window


def _expanded(index: Index, window: _Window, condition: Filter) -> Iterator[_Row]:
    """All conditions must match the same instance (-29 §5.11.1)."""
    texts = [name for name in event_texts.CONDITIONS if name in condition]
    rest = {name: value for name, value in condition.items() if name not in {"after", "before"}}
    left = MAX_OCCURRENCES
    for event in index.events.values():
        if not window.touches(event.entry) or not _condition(event, window.zone, rest):
            continue
        shown = event.entry.event()
        found = occurrences(shown, window.after, window.before, limit=left, floating_zone=window.zone)
        left -= len(found)
        for occurrence in found:
            key = occurrence.recurrence_id if event.entry.recurs else None
            if not texts or _instance_has_texts(shown, key, texts, condition):
                yield _Row(
                    event.id if key is None else synthetic_id(event.id, key),
                    event.entry.uid,
                    occurrence.start,
                    occurrence.recurrence_id or "",
                    shown.get("created", ""),
                    shown.get("updated", ""),
                )


def _instance_has_texts(event: JsonObject, key: str | None, names: Iterable[str], condition: Filter) -> bool:
    patched = key is not None and bool((event.get("recurrenceOverrides") or {}).get(key))
    variant = next(_instances(event, [key]), event) if patched and key is not None else event
    return all(text_match.has_all(event_texts.texts_of(variant, name), condition[name]) for name in names)
