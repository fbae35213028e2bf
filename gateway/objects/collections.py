"""What Calendars and AddressBooks have in common: collections of a DAV server, and what is kept beside it."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Protocol
from urllib.parse import unquote

from adapters.errors import AdapterError, Conflict
from gateway.jmap.errors import SetError, set_error

MAX_NAME: Final = 255
"""Octets of UTF-8 (-29 §4, RFC 9610 §2)."""
MAX_ORDER: Final = 2**31 - 1
UNKNOWN_ETAG: Final = ""
"""What no server gives: the next pass fetches what lies there."""

Settings = dict[str, dict[str, Any]]
"""Id -> what is kept of it beside the server."""


def collection_name(value: Any) -> str | None:
    """A name that a Calendar or an AddressBook may have."""
    fits = isinstance(value, str) and value.strip() and len(value.encode("utf-8", "replace")) <= MAX_NAME
    return None if fits else f"must be a String of 1 to {MAX_NAME} octets"


def titled(name: str | None, path: str, otherwise: str) -> str:
    """What to call the collection with this name, if it has one, at this path."""
    return (name or "").strip() or unquote(path.rstrip("/").rpartition("/")[2]) or otherwise


def sort_order(order: int | None) -> int:
    """A sortOrder within JMAP's range."""
    return min(max(order or 0, 0), MAX_ORDER)


class _Keeps(Protocol):
    async def set_settings(self, edit: Callable[[Settings], None]) -> None:
        """Change what is kept; durable when this returns. Raises Unavailable."""
        ...


async def keep(account: _Keeps, kept: Mapping[str, Mapping[str, Any]], usual: Mapping[str, Any]) -> None:
    """Write settings, by id; what is None or as it is anyway (`usual`) is not kept. Raises Unavailable."""
    if not any(kept.values()):
        return

    def edit(settings: Settings) -> None:
        for key, values in kept.items():
            merged = {**settings.get(key, {}), **values}
            settings[key] = {
                name: value
                for name, value in merged.items()
                if value is not None and (name not in usual or value != usual[name])
            }

    await account.set_settings(edit)


async def forget(account: _Keeps, key: str) -> None:
    """Keep nothing any more of a collection that is gone. Raises Unavailable."""

    def edit(settings: Settings) -> None:
        settings.pop(key, None)

    await account.set_settings(edit)


def refusal(error: SetError | AdapterError) -> SetError:
    """The SetError of whatever went wrong with one record."""
    if isinstance(error, SetError):
        return error
    return set_error(error) or SetError("serverFail")


async def twice(attempt: Callable[[], Awaitable[None]]) -> None:
    """Once more after a change by somebody else in between (412)."""
    try:
        await attempt()
    except Conflict:
        await attempt()
