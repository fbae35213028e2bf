"""What an occurrence takes over from its series."""

from adapters.formats.jscalendar.read import read_stream
from adapters.formats.jscalendar.series import inherited, override_object, without_series

SERIES = (
    "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Example//E//EN\r\nBEGIN:VEVENT\r\nUID:s\r\nDTSTAMP:20260101T000000Z\r\n"
    "DTSTART;TZID=Europe/Berlin:20260105T100000\r\nDTEND;TZID=Europe/Berlin:20260105T110000\r\n"
    "RRULE;X-A=1:FREQ=DAILY;COUNT=9\r\nEXRULE:FREQ=WEEKLY\r\nX-KEPT:1\r\nLOCATION:Here\r\nEND:VEVENT\r\n"
    "BEGIN:VEVENT\r\nUID:s\r\nDTSTAMP:20260101T000000Z\r\nRECURRENCE-ID;X-B=1;TZID=Europe/Berlin:20260106T100000\r\n"
    "DTSTART;TZID=Europe/Berlin:20260106T120000\r\nDTEND;TZID=Europe/Berlin:20260106T130000\r\n"
    "LOCATION:There\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
)
KEY = "2026-01-07T10:00:00"


def test_what_is_made_once_for_many_occurrences_gives_the_same_for_each() -> None:
    (series,) = read_stream(SERIES.encode()).groups[0]["entries"]
    member = series["iCalendar"]
    assert any(path.startswith("recurrence") for path in member["convertedProperties"])
    bare = without_series(series)
    assert bare.keys() == {name for name in series if not name.startswith("recurrence")}
    assert bare["iCalendar"] == {
        **member,
        "properties": [prop for prop in member["properties"] if prop[0] == "x-kept"],
        "convertedProperties": {"duration": member["convertedProperties"]["duration"]},
    }
    assert inherited(bare, KEY) == inherited(series, KEY) == {**bare, "start": KEY}
    for key, patch in {KEY: {}, **series["recurrenceOverrides"]}.items():
        assert override_object(bare, key, patch) == override_object(series, key, patch)


def test_an_occurrence_shares_nothing_with_its_series() -> None:
    (series,) = read_stream(SERIES.encode()).groups[0]["entries"]
    before = repr(series)
    for occurrence in (inherited(series, KEY), override_object(series, KEY, {"title": "T"})):
        for place in occurrence["locations"].values():
            place["name"] = "Elsewhere"
        occurrence["iCalendar"].clear()
    assert repr(series) == before
