"""Data that makes a server which schedules by itself send nothing (RFC 6638 §7.1), where the request cannot say so.

New attendees, and the organizer of an invitation that is stored anew, get SCHEDULE-AGENT=CLIENT. Attendees whom the
server serves already cannot be silenced: changing their agent makes it send a CANCEL (§3.2.1.2), and so does any
other change send them a REQUEST. Then the change is refused rather than told to people.
"""

from collections.abc import Iterator
from typing import Final

from adapters.formats.content_line_writer import serialize
from adapters.formats.content_lines import Component, ContentLine, parse
from adapters.formats.jscalendar.participants import normal_address
from adapters.ports.calendars import CalendarFacts
from gateway.jmap.errors import SetError
from gateway.objects.calendars.addresses import Addresses

_AGENT: Final = "SCHEDULE-AGENT"
_OWN_AFFAIRS: Final = "The server would tell the participants of this change by itself."


def silenced(new: str, old: str | None, facts: CalendarFacts, own: Addresses) -> str:
    """The text to be stored so that nobody hears of it; `old` is what is stored now, None for nothing.

    Raises SetError("forbidden") where that cannot be done.
    """
    if not facts.auto_schedule or facts.keeps_quiet or "ATTENDEE" not in new + (old or ""):
        return new
    if old is not None and _served(old, own):
        raise SetError("forbidden", _OWN_AFFAIRS)
    known = {normal_address(line.value): line for line in _people(old)} if old is not None else {}
    (calendar,) = parse(new).components
    for component in _entries(calendar):
        component.properties = [_silent(line, known) for line in component.properties]
    return serialize(calendar)


def may_delete(old: str, facts: CalendarFacts, own: Addresses) -> bool:
    """Whether a resource can be deleted so that nobody hears of it; as an attendee always (RFC 6638 §8.1)."""
    return not facts.auto_schedule or facts.keeps_quiet or not _served(old, own)


def _served(text: str, own: Addresses) -> bool:
    """Whether the server sends messages for the user as organizer to any attendee."""
    lines = list(_people(text))
    is_organizer = any(line.name == "ORGANIZER" and own.has(line.value) for line in lines)
    others = [line for line in lines if line.name == "ATTENDEE" and not own.has(line.value)]
    return is_organizer and any((line.parameter(_AGENT) or "SERVER").upper() == "SERVER" for line in others)


def _people(text: str) -> Iterator[ContentLine]:
    for calendar in parse(text).components:
        for component in _entries(calendar):
            yield from (line for line in component.properties if line.name in {"ATTENDEE", "ORGANIZER"})


def _entries(calendar: Component) -> list[Component]:
    return [child for child in calendar.components if child.name == "VEVENT"]


def _silent(line: ContentLine, known: dict[str, ContentLine]) -> ContentLine:
    if line.name not in {"ATTENDEE", "ORGANIZER"} or line.parameter(_AGENT) is not None:
        return line
    if line.name == "ATTENDEE" and normal_address(line.value) in known:
        return line
    return ContentLine(line.name, {**line.parameters, _AGENT: ("CLIENT",)}, line.value, line.index, line.group)
