"""The time zone of a calendar: what its events mean that have none (draft-ietf-jmap-calendars-29 §4)."""

from adapters.formats.content_lines import ContentLineError, parse
from adapters.formats.jscalendar.timezones import Zones


def zone_of(text: str | None) -> str | None:
    """The IANA name of a calendar's VTIMEZONE (RFC 4791 §5.2.2); None where it says none that is known."""
    try:
        calendars = parse(text).components if text else []
    except ContentLineError:
        return None
    for calendar in calendars:
        for child in calendar.components:
            tzid = child.value("TZID") if child.name == "VTIMEZONE" else None
            if tzid is not None:
                return Zones(calendar).resolve(tzid, "2026-01-01T00:00:00").name
    return None
