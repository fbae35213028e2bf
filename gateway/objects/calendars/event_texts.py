"""What the text conditions of CalendarEvent/query look at (draft-ietf-jmap-calendars-29 §5.11.1)."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from adapters.formats.pointer import tokens as pointer_tokens


def texts_of(event: Mapping[str, Any], condition: str) -> Iterator[str]:
    """What a condition looks at in an event, or an instance of one."""
    yield from _FIELDS[condition](event)


def _of(*names: str) -> Any:
    def texts(event: Mapping[str, Any]) -> Iterator[str]:
        yield from (value for name in names if isinstance(value := event.get(name), str))

    return texts


def _locations(event: Mapping[str, Any]) -> Iterator[str]:
    yield from _members(event, ("locations", "virtualLocations"), ("name", "description"))


def _participants(event: Mapping[str, Any]) -> Iterator[str]:
    for person in (event.get("participants") or {}).values():
        yield from _person(person)


def _owners(event: Mapping[str, Any]) -> Iterator[str]:
    for person in (event.get("participants") or {}).values():
        if "owner" in (person.get("roles") or {}):
            yield from _person(person)


def _person(person: Mapping[str, Any]) -> Iterator[str]:
    yield from (person[name] for name in ("name", "email") if isinstance(person.get(name), str))
    address = person.get("calendarAddress")
    if isinstance(address, str) and address[:7].lower() == "mailto:":
        yield address[7:]  # iCalendar gives `email` only where it differs


def _members(event: Mapping[str, Any], collections: tuple[str, ...], names: tuple[str, ...]) -> Iterator[str]:
    for collection in collections:
        for item in (event.get(collection) or {}).values():
            yield from (item[name] for name in names if isinstance(item.get(name), str))


def _everything(event: Mapping[str, Any]) -> Iterator[str]:
    yield from _of("title", "description")(event)
    yield from _locations(event)
    yield from _participants(event)
    yield from _members(event, ("links",), ("title",))
    for name in ("keywords", "categories"):
        yield from event.get(name) or ()


_FIELDS: Final = {
    "text": _everything,
    "title": _of("title"),
    "description": _of("description"),
    "location": _locations,
    "owner": _owners,
    "participant": _participants,
}
CONDITIONS: Final = tuple(_FIELDS)


def overridden(event: Mapping[str, Any]) -> list[str]:
    """The overrides that change more than times: instances that have texts of their own."""
    return [
        key
        for key, patch in (event.get("recurrenceOverrides") or {}).items()
        if any(pointer_tokens(pointer)[0] in _TEXTUAL for pointer in patch)
    ]


_TEXTUAL: Final = frozenset(
    ("title", "description", "locations", "virtualLocations", "participants", "links", "keywords", "categories")
)
