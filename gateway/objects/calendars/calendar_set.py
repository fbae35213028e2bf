"""Calendar/set: properties go to the server where it has a place for them, the others into the store (-29 §4.3)."""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Final

from adapters.errors import AdapterError, NotFound
from adapters.formats.jscalendar.vtimezone import time_zone_text
from adapters.ports.calendars import CalendarChanges
from gateway.context import Account
from gateway.jmap.errors import SetError
from gateway.jmap.properties import Update
from gateway.objects.calendars.addresses import Addresses
from gateway.objects.calendars.calendar_view import KEPT_HERE, is_shared, rights_of, shown
from gateway.objects.calendars.sharing import Access, Rights, Sharing
from gateway.objects.calendars.storing import Storing
from gateway.objects.collections import forget, keep, refusal
from gateway.sync.calendars.account import CalendarAccount
from gateway.sync.calendars.index import Held, Place

Values = dict[str, Any]

_ALERTS: Final = ("defaultAlertsWithTime", "defaultAlertsWithoutTime")
_JMAP_NAMES: Final = {
    "name": "name",
    "description": "description",
    "color": "color",
    "order": "sortOrder",
    "time_zone": "timeZone",
    "transparent": "includeInAvailability",
}
"""The server's property -> the JMAP property that it holds."""


async def create(
    account: Account, calendars: CalendarAccount, records: Mapping[str, Mapping[str, Any]]
) -> Mapping[str, Mapping[str, Any] | SetError]:
    """By creation id: what was made, or why it was not."""
    answers: dict[str, Mapping[str, Any] | SetError] = {}
    sharing = Sharing(account, calendars)
    for key, record in records.items():
        try:
            calendar_id = await _create(calendars, sharing, record)
        except (SetError, AdapterError) as error:
            answers[key] = refusal(error)
            continue
        held = calendars.index.calendars.get(calendar_id)
        made = {"id": calendar_id} if held is None else shown(calendars, held)
        answers[key] = {name: value for name, value in made.items() if record.get(name, _NONE) != value}
    return answers


_NONE: Final = object()


async def _create(calendars: CalendarAccount, sharing: Sharing, record: Mapping[str, Any]) -> str:
    """Make one calendar; its id. Raises SetError, AdapterError."""
    _check(calendars, None, dict(record))
    access = await sharing.planned(None, {}, record["shareWith"] or {})
    changes, kept = _split(dict(record))
    wanted = {name: value for name, value in changes.items() if value is not None}
    path, unstored = await calendars.port.create_calendar(str(uuid.uuid4()), _typed(wanted), ("VEVENT",))
    calendar_id = calendars.ids.calendar(path)
    if access:
        await _share_or_remove(calendars, sharing, path, access, record["shareWith"])
    kept |= {_JMAP_NAMES[name]: record[_JMAP_NAMES[name]] for name in unstored}
    await keep(calendars, {calendar_id: kept}, KEPT_HERE)
    await calendars.refresh()
    return calendar_id


async def _share_or_remove(
    calendars: CalendarAccount, sharing: Sharing, path: str, access: Access, wanted: Mapping[str, Rights]
) -> None:
    """Share a new calendar, which is not to be where that fails. Raises SetError, AdapterError."""
    try:
        await sharing.give(path, access)
        await calendars.refresh()
        sharing.check(calendars.index.calendars.get(calendars.ids.calendar(path)), wanted)
    except (SetError, AdapterError):
        await calendars.port.delete_calendar(path)
        raise


async def update(
    account: Account, calendars: CalendarAccount, updates: Mapping[str, Update]
) -> Mapping[str, Mapping[str, Any] | SetError | None]:
    """By id: what came out other than asked for, or why nothing was changed."""
    answers: dict[str, Mapping[str, Any] | SetError | None] = {}
    sharing = Sharing(account, calendars)
    for calendar_id, change in updates.items():
        try:
            await _update(calendars, sharing, change)
        except (SetError, AdapterError) as error:
            answers[calendar_id] = refusal(error)
    await calendars.refresh()
    for calendar_id in updates.keys() - answers.keys():
        try:
            answers[calendar_id] = _outcome(calendars, sharing, updates[calendar_id])
        except SetError as error:
            answers[calendar_id] = error
    return answers


def _outcome(calendars: CalendarAccount, sharing: Sharing, change: Update) -> Mapping[str, Any]:
    """What came out other than asked for. Raises SetError where nothing came of it."""
    held, asked = calendars.index.calendars.get(change.id), change.patched
    if "shareWith" in change.changed:
        sharing.check(held, asked.get("shareWith") or {})
    now = {} if held is None else shown(calendars, held)
    return {name: now[name] for name in asked.keys() & now.keys() if asked[name] != now[name]}


async def _update(calendars: CalendarAccount, sharing: Sharing, change: Update) -> None:
    held = calendars.index.calendars.get(change.id)
    if held is None:
        raise SetError("notFound")
    values = {name: change.patched.get(name) for name in change.changed}
    _check(calendars, held, values)
    if "shareWith" in values:
        access = await sharing.planned(held.info, change.current["shareWith"] or {}, values["shareWith"] or {})
        await sharing.give(held.info.path, access)
    if values.get("isSubscribed"):
        await sharing.take_up(held.info)
    changes, kept = _split(values)
    if changes and not _is_own(held):  # -29 §4.3: stored for this user only
        kept |= {_JMAP_NAMES[name]: values[_JMAP_NAMES[name]] for name in changes}
        if "description" in kept:
            raise SetError("forbidden", "The description of this calendar belongs to its owner.")
    elif changes:
        unstored = await calendars.port.update_calendar(held.info.path, _typed(changes))
        kept |= {_JMAP_NAMES[name]: values[_JMAP_NAMES[name]] for name in unstored}
    await keep(calendars, {change.id: kept}, KEPT_HERE)


def _is_own(held: Held) -> bool:
    told = held.info.privileges
    return not is_shared(held.info) and (told is None or "write-properties" in told)


def _check(calendars: CalendarAccount, held: Held | None, values: Mapping[str, Any]) -> None:
    """Raises SetError for what may not be written."""
    taken = {
        alert_id
        for calendar_id in calendars.index.calendars
        for name in _ALERTS
        for alert_id in calendars.index.setting(calendar_id, name) or ()
        if held is None or calendar_id != held.id or name not in values
    }
    new = [alert_id for name in _ALERTS for alert_id in values.get(name) or ()]
    if taken.intersection(new) or len(set(new)) != len(new):  # -29 §4: unique in the account
        raise SetError("invalidProperties", "alert ids must be unique", [name for name in _ALERTS if name in values])


def _split(values: Values) -> tuple[dict[str, Any], Values]:
    """(what the server has a place for, what is kept beside it)."""
    changes: dict[str, Any] = {}
    for name, jmap_name in _JMAP_NAMES.items():
        if jmap_name in values:
            changes[name] = values[jmap_name]
    if changes.get("time_zone") is not None:
        changes["time_zone"] = time_zone_text(changes["time_zone"])
    kept = {name: values[name] for name in KEPT_HERE if name in values}
    if "transparent" in changes:
        availability = changes["transparent"]
        changes["transparent"] = availability == "none"
        kept["includeInAvailability"] = availability if availability == "attending" else None
    return changes, kept


def _typed(changes: dict[str, Any]) -> CalendarChanges:
    typed: CalendarChanges = {}
    typed.update(changes)  # type: ignore[typeddict-item]  # the names are those of _JMAP_NAMES
    return typed


async def destroy(
    calendars: CalendarAccount, own: Addresses, ids: Sequence[str], *, with_events: bool
) -> Mapping[str, SetError]:
    """By id: why a calendar was not destroyed."""
    refused: dict[str, SetError] = {}
    for calendar_id in ids:
        try:
            await _destroy(calendars, calendars.index.calendars.get(calendar_id), own, with_events=with_events)
        except (SetError, AdapterError) as error:
            refused[calendar_id] = refusal(error)
    await calendars.refresh()
    return refused


async def _destroy(calendars: CalendarAccount, held: Held | None, own: Addresses, *, with_events: bool) -> None:
    if held is None:
        raise SetError("notFound")
    if not rights_of(held.info)["mayDelete"]:
        raise SetError("forbidden")
    if held.resources and not with_events:  # also tasks and what cannot be read would be lost
        raise SetError("calendarHasEvent")
    if calendars.facts.auto_schedule:
        await _remove_silently(calendars, held, own)
    try:
        await calendars.port.delete_calendar(held.info.path)
    except NotFound as error:
        raise SetError("notFound") from error
    if held.id in calendars.index.settings:
        await forget(calendars, held.id)


async def _remove_silently(calendars: CalendarAccount, held: Held, own: Addresses) -> None:
    """Remove events one by one, telling nobody, from a server that sends messages by itself (-29 §4.3: MUST NOT)."""
    storing = Storing(calendars, own)
    for name, resource in held.resources.items():
        if any(b'"organizerCalendarAddress"' in entry.json for entry in resource.entries):
            await storing.remove_resource(Place(held.id, name))
