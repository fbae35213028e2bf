"""What a mail says of an event to people: when, where and what, as a text and as HTML. Pure."""

import re
from datetime import datetime
from html import escape
from typing import Any, Final

from adapters.formats.jscalendar.times import add_duration
from adapters.formats.jscalendar.timezones import from_utc, to_utc
from adapters.formats.preview import html_text
from adapters.formats.values import parse_duration, to_datetime

Lines = list[tuple[str, str]]
"""Label and value of each line."""

MOST_DESCRIPTION: Final = 10_000
"""Characters of a description that are shown."""
_MOST_TITLE: Final = 200
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
_CONTROL_IN_TEXT: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]+")
_LINK: Final = re.compile(r"https?://[^\s<>\"']+", re.IGNORECASE)


def line(text: str, most: int = _MOST_TITLE) -> str:
    """A text as one line, also where it holds what would end a header field."""
    return _CONTROL.sub(" ", text).strip()[:most].strip()


def title(event: dict[str, Any]) -> str:
    """The title of an event, on one line."""
    return line(event.get("title") or "") or "(no title)"


def when(event: dict[str, Any], zone: str | None = None) -> str:
    """When an event takes place. zone: where to tell it for; None for the event's own time zone."""
    start, own = to_datetime(event["start"]), event.get("timeZone")
    end = add_duration(start, parse_duration(event.get("duration") or "PT0S"), own)
    repeats = ", repeatedly" if "recurrenceRule" in event else ""
    if event.get("showWithoutTime"):
        return f"{start:%A, %d %B %Y}{repeats}"
    shown = own
    if zone is not None and own is not None and zone != own:
        start, end, shown = _moved(start, own, zone), _moved(end, own, zone), zone
    until = "" if end == start else f" to {end:%H:%M}"
    if end.date() != start.date():
        until = f" to {end:%A, %d %B %Y, %H:%M}"
    return f"{start:%A, %d %B %Y, %H:%M}{until}{f' ({shown})' if shown else ''}{repeats}"


def _moved(local: datetime, zone: str, other: str) -> datetime:
    return from_utc(to_utc(local, zone), other)


def places(event: dict[str, Any]) -> Lines:
    """Where it takes place: names of places, and addresses of virtual ones."""
    names = [place["name"] for place in (event.get("locations") or {}).values() if place.get("name")]
    links = [place["uri"] for place in (event.get("virtualLocations") or {}).values() if place.get("uri")]
    return [("Where: ", line(str(place), 1000)) for place in [*names, *links]]


def description(event: dict[str, Any]) -> Lines:
    """The description after an empty line, if there is one; of HTML what it shows."""
    told = str(event.get("description") or "")
    if str(event.get("descriptionContentType") or "").lower().startswith("text/html"):
        told = html_text(told, MOST_DESCRIPTION)
    told = _CONTROL_IN_TEXT.sub(" ", told.replace("\r\n", "\n").replace("\r", "\n")).strip()
    return [("", ""), ("", told[:MOST_DESCRIPTION])] if told else []


def text(lines: Lines) -> str:
    """As text/plain."""
    return "\r\n".join(f"{label}{value}" for label, value in lines) + "\r\n"


def html(lines: Lines) -> str:
    """As text/html. What looks like a link is one."""
    rows = "".join(
        f"<p>{f'<b>{escape(label)}</b>' if label else ''}{_linked(value)}</p>\r\n" for label, value in lines if value
    )
    return f'<!DOCTYPE html>\r\n<html><head><meta charset="utf-8"></head><body>\r\n{rows}</body></html>\r\n'


def _linked(value: str) -> str:
    pieces, end = [], 0
    for match in _LINK.finditer(value):
        address = escape(match[0])
        pieces += [escape(value[end : match.start()]), f'<a href="{address}">{address}</a>']
        end = match.end()
    return "".join([*pieces, escape(value[end:])]).replace("\n", "<br>")
