"""Which changes that a pass found were made by somebody else, as CalendarEventNotifications (-29 §7).

CalDAV doesn't say who changed what. Taken as somebody else's: any change in a calendar that belongs to another; an
invitation that came, changed or went (its organizer's doing); an answer of another participant. What is left is the
user's own, from whatever client.
"""

import secrets
from collections.abc import Iterator, Mapping
from typing import Any, Final

from adapters.formats.jscalendar.participants import normal_address
from adapters.formats.pointer import escape, make_patch, tokens
from gateway.sync.calendars.entries import now_text
from gateway.sync.calendars.index import Event, Index, is_subscribed
from gateway.sync.calendars.personal import PER_USER
from gateway.sync.ids import DIGEST_SIZE, to_text
from gateway.sync.journal import Changes

MOST: Final = 200
"""Notifications that are kept; the oldest go first."""

Json = dict[str, Any]

_NOT_SHOWN: Final = frozenset({"iCalendar", "isDraft"})
_OWN_AFFAIRS: Final = PER_USER | {"updated"}
"""Per-user properties (-29 §5.4), and what changes with them."""


def notes(base: Index, index: Index, changes: Changes, own: frozenset[str]) -> Iterator[Json]:
    """A record for each change by somebody else. own: the user's calendar addresses in normal form."""
    kinds = [("created", changes.created), ("updated", changes.updated), ("destroyed", changes.destroyed)]
    for kind, ids in kinds:
        for event_id in ids:
            before, after = base.events.get(event_id), index.events.get(event_id)
            note = _note(base if after is None else index, kind, before, after, own)
            if note is not None:
                yield note | {"calendarEventId": event_id}


def _note(index: Index, kind: str, before: Event | None, after: Event | None, own: frozenset[str]) -> Json | None:
    old = None if before is None else before.entry.event()
    new = None if after is None else after.entry.event()
    place = after or before
    if place is None or not _subscribed(index, place):
        return None
    who = _who(index, place, old, new, own)
    if who is None:
        return None
    shown = old if old is not None else new or {}
    note: Json = {
        "id": to_text("n", secrets.token_bytes(DIGEST_SIZE)),
        "created": now_text(),
        "changedBy": who,
        "comment": None,
        "type": kind,
        "event": {name: value for name, value in shown.items() if name not in _NOT_SHOWN},
    }
    if kind != "destroyed":
        note["isDraft"] = bool((new or {}).get("isDraft"))
    if old is not None and new is not None:
        note["eventPatch"] = event_patch(old, new)
    return note


def _subscribed(index: Index, event: Event) -> bool:
    return any(is_subscribed(index, key) for key in event.calendar_ids if key in index.calendars)


def _who(index: Index, event: Event, old: Json | None, new: Json | None, own: frozenset[str]) -> Json | None:
    """Who made a change, None for the user."""
    held = [index.calendars[key] for key in event.calendar_ids if key in index.calendars]
    if held and all(one.info.owner is not None for one in held):
        hidden = any((one or {}).get("privacy", "public") != "public" for one in (old, new))
        return None if hidden else _person({})  # -29 §7: not of what others may not see
    shown = new if new is not None else old or {}
    organizer = shown.get("organizerCalendarAddress")
    if not own or not isinstance(organizer, str):
        return None
    people = [*(shown.get("participants") or {}).values()]
    if normal_address(organizer) in own:
        answered = [person for person in people if _answered(person, old, own)] if new is not None else []
        return _person(answered[0]) if answered else None
    if old is not None and new is not None and not _differs(old, new, own):
        return None
    return _person(next((one for one in people if _address(one) == normal_address(organizer)), {}), organizer)


def _differs(old: Json, new: Json, own: frozenset[str]) -> bool:
    """Whether more changed than the user's own affairs: per-user properties, and his own answer."""
    return any(
        old.get(name) != new.get(name)
        for name in (old.keys() | new.keys()) - _OWN_AFFAIRS - _NOT_SHOWN - {"participants", "sequence"}
    ) or _others(old, own) != _others(new, own)


def _others(event: Json, own: frozenset[str]) -> list[Any]:
    return [person for person in (event.get("participants") or {}).values() if _address(person) not in own]


def _answered(person: Json, old: Json | None, own: frozenset[str]) -> bool:
    """Whether another participant's status is new."""
    address = _address(person)
    if address is None or address in own or old is None:
        return False
    known = [one for one in (old.get("participants") or {}).values() if _address(one) == address]
    return bool(known) and known[0].get("participationStatus") != person.get("participationStatus")


def _address(person: Mapping[str, Any]) -> str | None:
    address = person.get("calendarAddress")
    return normal_address(address) if isinstance(address, str) else None


def _person(participant: Mapping[str, Any], address: str | None = None) -> Json:
    """A Person (-29 §7)."""
    address = participant.get("calendarAddress", address)
    mail = address[7:] if isinstance(address, str) and address[:7].lower() == "mailto:" else None
    return {
        "name": participant.get("name", ""),
        "email": participant.get("email", mail),
        "principalId": None,
        "calendarAddress": address,
    }


def event_patch(old: Json, new: Json) -> Json:
    """The PatchObject from one version to the next; overrides are given whole, for null means something in them."""
    overrides = "recurrenceOverrides"
    rest = {*_NOT_SHOWN, overrides}
    patch = make_patch(
        {name: value for name, value in old.items() if name not in rest},
        {name: value for name, value in new.items() if name not in rest},
    )
    patch = {pointer: value for pointer, value in patch.items() if "iCalendar" not in tokens(pointer)}
    before, after = old.get(overrides), new.get(overrides)
    if before is None or after is None:
        return patch if before is after else patch | {overrides: after}
    for key in before.keys() | after.keys():
        if before.get(key) != after.get(key):
            patch[f"{overrides}/{escape(key)}"] = after.get(key)
    return patch
