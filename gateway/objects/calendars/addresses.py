"""The calendar addresses of the user, and what they make of an event (draft-ietf-jmap-calendars-29 §3, §4, §5)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from adapters.formats.jscalendar.participants import normal_address


@dataclass(frozen=True, slots=True)
class Addresses:
    """Calendar user addresses ("mailto:…"), the preferred one first."""

    all: tuple[str, ...]

    @classmethod
    def of(cls, told: Iterable[str], username: str) -> "Addresses":
        """Those that the server told, else the one that the login's name is."""
        found = tuple(told) or ((f"mailto:{username}",) if "@" in username else ())
        return cls(tuple(dict.fromkeys(found)))

    @property
    def preferred(self) -> str | None:
        """The address to be used for a new event."""
        return self.all[0] if self.all else None

    def has(self, address: Any) -> bool:
        """Whether an address is the user's (compared as RFC 3986 §6.2.2 has it)."""
        return isinstance(address, str) and normal_address(address) in {normal_address(own) for own in self.all}

    def is_origin(self, event: Mapping[str, Any]) -> bool:
        """isOrigin: whether scheduling of the event is decided here."""
        organizer = event.get("organizerCalendarAddress")
        return organizer is None or self.has(organizer)

    def owns(self, event: Mapping[str, Any]) -> bool:
        """Whether the user is an owner of the event (-29 §4)."""
        people = (event.get("participants") or {}).values()
        return any(_is_owner(person) and self.has(person.get("calendarAddress")) for person in people)

    def may_see(self, person: Any) -> bool:
        """Whether a participant is shown where only owners and the user are."""
        return isinstance(person, dict) and (_is_owner(person) or self.has(person.get("calendarAddress")))


def _is_owner(person: Mapping[str, Any]) -> bool:
    return "owner" in (person.get("roles") or {})
