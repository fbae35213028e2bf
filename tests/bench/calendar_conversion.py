"""iCalendar to JSCalendar on one core: events per second, beside the parse alone of the icalendar library.

Run: python -m tests.bench.calendar_conversion [events]. Two sets: small events, and zoned ones with a VTIMEZONE,
attendees, an alarm and folded text, each event in a file of its own as CalDAV servers send them.
"""

import statistics
import sys
import time
from collections.abc import Callable

import icalendar

from adapters.formats.content_line_writer import fold
from adapters.formats.content_lines import parse
from adapters.formats.jscalendar.read import read_calendar
from adapters.formats.jscalendar.write import write_text

_ZONE = """BEGIN:VTIMEZONE
TZID:Europe/Berlin
BEGIN:STANDARD
DTSTART:19701025T030000
RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10
TZOFFSETFROM:+0200
TZOFFSETTO:+0100
TZNAME:CET
END:STANDARD
BEGIN:DAYLIGHT
DTSTART:19700329T020000
RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3
TZOFFSETFROM:+0100
TZOFFSETTO:+0200
TZNAME:CEST
END:DAYLIGHT
END:VTIMEZONE
"""


_AGENDA = "Agenda and minutes are in the usual place\\, please read them before. "


def _text(body: str, zone: str = "") -> str:
    lines = f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//bench//EN\n{zone}{body}END:VCALENDAR"
    return "".join(fold(line) for line in lines.split("\n"))


def small(number: int) -> str:
    """A plain event in UTC."""
    return _text(
        f"BEGIN:VEVENT\nUID:small-{number}@bench.example\nDTSTAMP:20250102T030405Z\n"
        f"DTSTART:202503{number % 28 + 1:02}T{number % 24:02}0000Z\nDURATION:PT1H\nSUMMARY:Meeting {number}\n"
        "LOCATION:Room 5\nEND:VEVENT\n"
    )


def zoned(number: int) -> str:
    """A weekly event with a time zone, four attendees, an alarm and a long description."""
    attendees = "".join(
        f"ATTENDEE;CN=Person {n};CUTYPE=INDIVIDUAL;PARTSTAT=NEEDS-ACTION;ROLE=REQ-PARTICIPANT;RSVP=TRUE:"
        f"mailto:person{number}.{n}@bench.example\n"
        for n in range(4)
    )
    day = f"202503{number % 28 + 1:02}"
    return _text(
        f"BEGIN:VEVENT\nUID:zoned-{number}@bench.example\nDTSTAMP:20250102T030405Z\nCREATED:20250102T030405Z\n"
        f"LAST-MODIFIED:20250102T030405Z\nSEQUENCE:1\nDTSTART;TZID=Europe/Berlin:{day}T090000\n"
        f"DTEND;TZID=Europe/Berlin:{day}T103000\nRRULE:FREQ=WEEKLY;BYDAY=MO,WE\nEXDATE;TZID=Europe/Berlin:20250310T090000\n"
        f"SUMMARY:Planning {number}\nLOCATION:Main building\\, room {number}\nSTATUS:CONFIRMED\nTRANSP:OPAQUE\n"
        f"DESCRIPTION:{_AGENDA * 4}\n"
        f"ORGANIZER;CN=Person 0:mailto:person{number}.0@bench.example\n{attendees}"
        "BEGIN:VALARM\nACTION:DISPLAY\nDESCRIPTION:Reminder\nTRIGGER:-PT15M\nEND:VALARM\nEND:VEVENT\n",
        _ZONE,
    )


def _rates(work: Callable[[str], object], texts: list[str], rounds: int) -> list[float]:
    rates = []
    for _ in range(rounds):
        begin = time.process_time()
        for text in texts:
            work(text)
        rates.append(len(texts) / (time.process_time() - begin))
    return rates


def _show(label: str, rates: list[float]) -> None:
    print(f"  {label:<34} {statistics.median(rates):>9,.0f}/s   ({min(rates):,.0f} to {max(rates):,.0f})")


def _writer(texts: list[str]) -> Callable[[str], object]:
    objects = {text: read_calendar(parse(text).components[0]) for text in texts}
    return lambda text: write_text(objects[text])


def _convert(text: str) -> object:
    return read_calendar(parse(text).components[0])


def main(count: int) -> None:
    """Print events per second (CPU time, median and spread of five rounds) and the ratio to icalendar's parse."""
    for name, make in (("small events", small), ("zoned events with attendees", zoned)):
        texts = [make(number) for number in range(count)]
        print(f"{count} {name}")
        own = _rates(_convert, texts, 5)
        _show("iCalendar to JSCalendar", own)
        _show("tokenizer alone", _rates(parse, texts, 5))
        _show("JSCalendar to iCalendar", _rates(_writer(texts), texts, 3))
        other = _rates(icalendar.Calendar.from_ical, texts[: max(count // 10, 1)], 3)
        _show("icalendar, parse alone", other)
        print(f"  ratio to icalendar's parse         {statistics.median(own) / statistics.median(other):>9.1f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
