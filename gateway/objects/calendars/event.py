"""CalendarEvent: the hooks of its standard methods (draft-ietf-jmap-calendars-29 §5)."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

import orjson

from gateway.context import Account, Context
from gateway.jmap.arguments import Argument
from gateway.jmap.checks import boolean, nullable
from gateway.jmap.datatype import (
    Changeable,
    Changes,
    Copy,
    Copyable,
    Fetched,
    Query,
    QueryChangeable,
    QueryResult,
    Settable,
)
from gateway.jmap.errors import MethodError, SetError
from gateway.jmap.properties import Update
from gateway.objects.calendars import event_query
from gateway.objects.calendars.addresses import Addresses
from gateway.objects.calendars.capability import (
    CALENDARS,
    calendars_of,
    calendars_open,
    calendars_seen,
    is_glanced,
    own_addresses,
)
from gateway.objects.calendars.event_properties import COMPUTED, PROPERTIES
from gateway.objects.calendars.event_set import Writer
from gateway.objects.calendars.event_view import View
from gateway.objects.calendars.instances import find, split, target_of
from gateway.objects.calendars.jscalendar_checks import time_zone, utc_date_time
from gateway.objects.calendars.participant_identity import preferred_first
from gateway.objects.changes import change_set, changes_of
from gateway.sync.calendars.index import EVENT, Index

_MOST_KEPT: Final = 65_536
"""Octets of an answer that is kept as a whole."""

GET_ARGUMENTS: Final = (
    Argument("recurrenceOverridesBefore", nullable(utc_date_time), None),
    Argument("recurrenceOverridesAfter", nullable(utc_date_time), None),
    Argument("reduceParticipants", boolean, False),
    Argument("timeZone", time_zone, "Etc/UTC"),
)


class CalendarEventType(Settable, Copyable, Changeable, QueryChangeable):
    """The hooks of the standard methods for CalendarEvent."""

    name = EVENT
    capability = CALENDARS
    methods = ("get", "changes", "set", "copy", "query", "queryChanges")
    properties = PROPERTIES
    get_arguments = GET_ARGUMENTS
    set_arguments = (Argument("sendSchedulingMessages", boolean, False),)
    replaces = True
    filter_conditions = event_query.FILTER_CONDITIONS
    sort_properties = event_query.SORTABLE
    query_arguments = event_query.ARGUMENTS

    async def state(self, context: Context, account: Account) -> str:
        """The state of all CalendarEvents, true as of this request."""
        if is_glanced(context, account):  # what is asked for may have been seen already
            return calendars_open(account).state(EVENT)
        return (await calendars_of(context, account, whole=False)).state(EVENT)

    async def get(
        self,
        context: Context,
        account: Account,
        ids: list[str] | None,
        properties: tuple[str, ...],
        arguments: Mapping[str, Any],
    ) -> Fetched:
        """CalendarEvent/get (-29 §5.7)."""
        calendars = calendars_open(account)
        seen = is_glanced(context, account) and ids is not None
        if not seen or not all(split(calendars.index, event_id) for event_id in ids or ()):
            calendars = await calendars_of(context, account, whole=False)
        if ids is None:
            ids = list(calendars.index.events)
            if len(ids) > context.limits.max_objects_in_get:
                raise MethodError("requestTooLarge")  # RFC 8620 §5.1
        view = view_of(own_addresses(account, calendars), properties, arguments)
        return _fetched(context, calendars.index, view, ids)

    async def changes(self, context: Context, account: Account, since_state: str, max_changes: int | None) -> Changes:
        """CalendarEvent/changes (-29 §5.8): ids of stored events only."""
        return changes_of(await calendars_of(context, account, whole=False), EVENT, since_state, max_changes)

    async def create(
        self, context: Context, account: Account, records: Mapping[str, Mapping[str, Any]], arguments: Mapping[str, Any]
    ) -> Mapping[str, Mapping[str, Any] | SetError]:
        """CalendarEvent/set create (-29 §5.9)."""
        return await (await _writer(context, account, arguments)).create(records, arguments["destroy"])

    async def update(
        self, context: Context, account: Account, updates: Mapping[str, Update], arguments: Mapping[str, Any]
    ) -> Mapping[str, Mapping[str, Any] | SetError | None]:
        """CalendarEvent/set update, of events and of instances (-29 §5.9)."""
        return await (await _writer(context, account, arguments)).update(updates)

    async def destroy(
        self, context: Context, account: Account, ids: Sequence[str], arguments: Mapping[str, Any]
    ) -> Mapping[str, SetError]:
        """CalendarEvent/set destroy, of events and of instances (-29 §5.9)."""
        return await (await _writer(context, account, arguments)).destroy(ids)

    async def copy(
        self, context: Context, from_account: Account, account: Account, copies: Mapping[str, Copy]
    ) -> Mapping[str, Mapping[str, Any] | SetError]:
        """CalendarEvent/copy (-29 §5.10)."""
        index = (await calendars_of(context, from_account, whole=False)).index
        records: dict[str, dict[str, Any]] = {}
        answers: dict[str, Mapping[str, Any] | SetError] = {}
        for key, one in copies.items():
            target = find(index, one.id)
            content = {} if target is None else target.content()
            if target is None:
                answers[key] = SetError("notFound")
            elif not from_account.is_personal and content.get("privacy") == "private":
                answers[key] = SetError("forbidden")
            elif "calendarIds" not in one.overrides:  # those of the one account mean nothing in the other
                answers[key] = SetError("invalidProperties", "is missing", ["calendarIds"])
            else:
                records[key] = {**content, **one.overrides}
        writer = await _writer(context, account, {"sendSchedulingMessages": False})
        return answers | dict(await writer.create(records))

    async def query(self, context: Context, account: Account, query: Query) -> QueryResult:
        """CalendarEvent/query (-29 §5.11)."""
        window = event_query.glance_window(query)
        seen = (
            calendars_of(context, account, whole=False)
            if window is None
            else calendars_seen(context, account, window, whole=False)
        )
        return event_query.run(await seen, query)

    async def touched_since(
        self, context: Context, account: Account, query: Query, since_query_state: str
    ) -> set[str] | None:
        """For CalendarEvent/queryChanges (-29 §5.12); of expanded queries the synthetic ids are not remembered."""
        if query.arguments["expandRecurrences"]:
            return None
        changed = change_set(await calendars_of(context, account, whole=False), EVENT, since_query_state)
        return {*changed.created, *changed.updated, *changed.destroyed}


async def _writer(context: Context, account: Account, arguments: Mapping[str, Any]) -> Writer:
    # what the user may do with calendars of others may have changed since they were listed
    shared = any(held.info.owner is not None for held in calendars_open(account).index.calendars.values())
    calendars = await calendars_of(context, account, whole=shared)
    own = await preferred_first(account, calendars)
    return Writer(context, account, calendars, own, schedule=arguments["sendSchedulingMessages"])


def _fetched(context: Context, index: Index, view: View, ids: list[str]) -> Fetched:
    """The events; what is asked for again, such as the month in view, is kept while nothing happens."""
    token = _token(view)
    key = (token, *ids)
    known: Fetched | None = index.derived.get(key)
    if known is None:
        shown = {event_id: _shown(context, index, view, token, event_id) for event_id in ids}
        found = [orjson.Fragment(octets) for octets in shown.values() if octets is not None]
        known = Fetched(found, [event_id for event_id, octets in shown.items() if octets is None])
        if sum(len(octets or b"") for octets in shown.values()) <= _MOST_KEPT:
            index.keep(key, known)
    return known


def _shown(context: Context, index: Index, view: View, token: object, event_id: str) -> bytes | None:
    """The event as JSON, made once for each version of it."""
    found = split(index, event_id)
    if found is None:
        return None
    key = (token, event_id, found[0].version)
    known = context.cache.get(key)
    if known is None:
        target = target_of(index, event_id, *found)
        if target is None:
            return None
        known = orjson.dumps(view.show(target))
        context.cache.put(key, known)
    return known


@lru_cache(maxsize=256)
def _token(view: View) -> object:  # noqa: ARG001 - it is the key
    """Stands for a view in keys of the cache."""
    return object()


def view_of(own: Addresses, properties: tuple[str, ...], arguments: Mapping[str, Any]) -> View:
    """What the arguments of /get ask for. Raises MethodError where they contradict each other."""
    names = None if properties is PROPERTIES.default else properties
    if names is not None and "recurrenceOverrides" in names and {*names}.intersection(COMPUTED):
        raise MethodError("invalidArguments", "recurrenceOverrides cannot be given beside utcStart or utcEnd")
    return View(
        own,
        names,
        arguments["recurrenceOverridesBefore"],
        arguments["recurrenceOverridesAfter"],
        arguments["reduceParticipants"],
        arguments["timeZone"],
    )
