"""What mayRSVP allows beside per-user properties: to answer, and to come along (draft-ietf-jmap-calendars-29 §4).

No privilege of WebDAV or CalDAV is for that alone. Those of RFC 6638 §6.2 stand on the outbox and let messages leave;
Cyrus has a right of its own for it, "7", which it does not show over DAV, and with which it refuses a PUT. But who may
change what lies in a calendar without adding to it (RFC 3744 §3.6, DAV:write-content without DAV:bind) may answer too,
and has none of the larger rights of JMAP.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from adapters.formats.jscalendar.series import override_object
from adapters.formats.pointer import tokens
from gateway.objects.calendars.addresses import Addresses
from gateway.objects.difference import Change
from gateway.sync.calendars.personal import PER_USER

_ANSWERS: Final = frozenset({"participationStatus", "expectReply", "scheduleSequence", "scheduleUpdated"})
_FREE: Final = PER_USER | {"updated"}


def is_rsvp(event: Mapping[str, Any], changes: Iterable[Change], own: Addresses) -> bool:
    """Whether the changes of an event or instance are no more than mayRSVP allows."""
    return all(_is_allowed(dict(event), path, value, own) for path, value in changes)


def _is_allowed(event: dict[str, Any], path: tuple[str, ...], value: Any, own: Addresses) -> bool:
    if path[0] != "recurrenceOverrides":
        return path[0] in _FREE or _is_about_user(event, path, value, own)
    if len(path) < 2:
        return False
    patch = (event.get("recurrenceOverrides") or {}).get(path[1], {})
    if patch.get("excluded") is True:
        return False
    changed = {path[2]: (path[3:], value)} if len(path) > 2 else _members(value)
    instance = override_object(event, path[1], patch)
    steps = [((*tokens(pointer), *deeper), one) for pointer, (deeper, one) in changed.items()]
    return bool(steps) and all(step[0] in _FREE or _is_about_user(instance, step, one, own) for step, one in steps)


def _members(patch: Any) -> dict[str, tuple[tuple[str, ...], Any]]:
    """The pointers of a whole override that is new."""
    return {pointer: ((), value) for pointer, value in patch.items()} if isinstance(patch, dict) else {}


def _is_about_user(event: Mapping[str, Any], path: tuple[str, ...], value: Any, own: Addresses) -> bool:
    people: Mapping[str, Any] = event.get("participants") or {}
    if path[0] != "participants" or len(path) not in {2, 3}:
        return False
    if len(path) == 3:
        return path[2] in _ANSWERS and own.has(people.get(path[1], {}).get("calendarAddress"))
    if path[1] in people or not isinstance(value, dict) or value.get("roles"):
        return False
    comes_along = event.get("mayInviteSelf") is True and own.has(value.get("calendarAddress"))
    is_there = any(own.has(one.get("calendarAddress")) for one in people.values())
    return comes_along or (event.get("mayInviteOthers") is True and is_there)
