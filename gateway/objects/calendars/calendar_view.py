"""A Calendar as JMAP has it, of what the server says and what is kept beside it (-29 §4)."""

from collections.abc import Collection
from typing import Any, Final

from adapters.ports.calendars import Calendar
from gateway.objects.calendars.css_colors import from_stored
from gateway.objects.collections import sort_order, titled
from gateway.sync.calendars.account import CalendarAccount
from gateway.sync.calendars.index import Held, Index, is_default
from gateway.sync.calendars.zones import zone_of

KEPT_HERE: Final[dict[str, Any]] = {
    "isSubscribed": True,
    "isVisible": True,
    "defaultAlertsWithTime": None,
    "defaultAlertsWithoutTime": None,
}
"""Properties that CalDAV has no place for, with what they are until they are set."""

RIGHTS: Final = (
    *("mayReadFreeBusy", "mayReadItems", "mayWriteAll", "mayWriteOwn", "mayUpdatePrivate", "mayRSVP"),
    *("mayShare", "mayDelete"),
)


def shown(calendars: CalendarAccount, held: Held) -> dict[str, Any]:
    """All properties of the Calendar."""
    index, info = calendars.index, held.info
    kept = index.settings.get(held.id, {})
    said = {
        "name": name_of(info),
        "description": info.properties.description,
        "color": from_stored(info.properties.color),
        "sortOrder": sort_order(info.properties.order),
        "timeZone": zone_of(info.properties.time_zone),
        "includeInAvailability": "none" if info.properties.transparent or is_shared(info) else "all",
    }
    return {
        "id": held.id,
        **KEPT_HERE,
        "isSubscribed": not info.offered,
        **said,
        **{name: value for name, value in kept.items() if name in said or name in KEPT_HERE},
        "isDefault": is_default(index, held),
        "shareWith": share_with(calendars, info),
        "myRights": my_rights(index, info),
    }


def is_shared(info: Calendar) -> bool:
    """Whether the calendar is somebody else's: then properties are stored for the user only (-29 §4.3)."""
    return info.owner is not None


def name_of(info: Calendar) -> str:
    """The name; where the server has none, the last part of the path."""
    return titled(info.properties.name, info.path, "Calendar")


def rights_of(info: Calendar) -> dict[str, bool]:
    """CalendarRights of the login, but for the right to share."""
    return rights(info.privileges, shared=is_shared(info))


def my_rights(index: Index, info: Calendar) -> dict[str, bool]:
    """CalendarRights of the login."""
    return rights(info.privileges, shared=is_shared(info), sharing=shares(index))


def share_with(calendars: CalendarAccount, info: Calendar) -> dict[str, dict[str, bool]] | None:
    """Principal id -> CalendarRights (-29 §4); null also for those who may not share it."""
    if info.grants is None or not my_rights(calendars.index, info)["mayShare"]:
        return None
    held = {path: rights(told, shared=True, sharing=True) for path, told in sorted(info.grants.items())}
    return {calendars.ids.principal(path): given for path, given in held.items() if any(given.values())} or None


def shares(index: Index) -> bool:
    """Whether the server shares calendars at all."""
    return index.facts is not None and index.facts.sharing


def rights(told: Collection[str] | None, *, shared: bool, sharing: bool = False) -> dict[str, bool]:
    """CalendarRights by privileges (RFC 3744); None: the server has none, and the calendar is the login's own.

    shared: it is somebody else's. sharing: whether the server shares calendars.
    """
    if told is None:
        return {right: right != "mayShare" for right in RIGHTS}
    may_write = {"write-content", "bind", "unbind"} <= set(told)
    return {
        "mayReadFreeBusy": not {"read", "read-free-busy"}.isdisjoint(told),
        "mayReadItems": "read" in told,
        **dict.fromkeys(("mayWriteAll", "mayWriteOwn"), may_write),
        # of events on calendars of others each user has such properties for himself (-29 §5.4)
        "mayUpdatePrivate": may_write or (shared and "read" in told),
        "mayRSVP": may_write or {"read", "write-content"} <= set(told),  # see `rsvp`
        "mayShare": sharing and not {"share", "write-acl"}.isdisjoint(told),
        "mayDelete": may_write and not shared,
    }
