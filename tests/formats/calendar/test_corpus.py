"""Real files: every one is read or refused with a reason, none loses a fact, and occurrences are the same."""

import warnings
from collections import Counter
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import icalendar
import pytest
import recurring_ical_events

from adapters.formats.content_line_writer import serialize
from adapters.formats.content_lines import ContentLineError, parse
from adapters.formats.jscalendar.complete_rule import UnsupportedRule
from adapters.formats.jscalendar.expand import occurrences
from adapters.formats.jscalendar.facts import facts
from adapters.formats.jscalendar.patch import patch_entry
from adapters.formats.jscalendar.read import read_calendar
from adapters.formats.jscalendar.write import write_group
from tests.formats.calendar.corpus import FILES, missing, name

REFUSED = {
    "calcard/ical_050.ics": "line 1: does not begin with BEGIN:",
    "icalendar/calendars_fuzz_testcase_0_char_in_component_name.ics": "line 1: BEGIN: has no END",
}
_GAINS = {"UID", "ACTION"}  # mandatory properties that some files lack

READABLE = [path for path in FILES if name(path) not in REFUSED]


@pytest.mark.parametrize("path", [path for path in FILES if name(path) in REFUSED], ids=name)
def test_refused_with_a_reason(path: Path) -> None:
    with pytest.raises(ContentLineError) as error:
        parse(path.read_bytes())
    assert str(error.value) == REFUSED[name(path)]


@pytest.mark.parametrize("path", READABLE, ids=name)
def test_no_fact_is_lost_on_the_way_there_and_back(path: Path) -> None:
    for calendar in parse(path.read_bytes()).components:
        if calendar.name != "VCALENDAR":
            continue
        group = read_calendar(calendar)
        written = parse(serialize(write_group(group))).components[0]
        before, after = facts(calendar), facts(written)
        assert before - after == Counter()
        assert {fact.name for fact in after - before} <= _GAINS
        assert missing(group, read_calendar(written)) == []


@pytest.mark.parametrize("path", READABLE, ids=name)
def test_an_update_touches_only_what_changed(path: Path) -> None:
    data = path.read_bytes()
    calendars = [component for component in parse(data).components if component.name == "VCALENDAR"]
    if len(calendars) != 1 or not (entries := read_calendar(calendars[0])["entries"]):
        return
    assert patch_entry(data, entries[0]) == data.decode("utf-8", "replace")
    patched = parse(patch_entry(data, {"color": "red", "priority": 7})).components[0]
    before, after = facts(calendars[0]), facts(patched)
    assert {fact.name for fact in before - after} <= {"COLOR", "PRIORITY"}
    assert {fact.name for fact in after - before} <= {"COLOR", "PRIORITY", "UID"}
    assert read_calendar(patched)["entries"][0]["priority"] == 7


# ------------------------------------------------------------------------------------------------ occurrences

# where this converter and recurring-ical-events read a file differently, and why this reading stands
_ICAL4J = "ical4j/samples_valid_"
_JAMES = "james/mailet_icalendar_src_test_resources_ics_"
_NODE = "node-ical/test_fixtures_"
DIFFERENT = {
    "cyrus/icalendar_floatingtzid.ics": "floating start, zoned end: kept apart, not mixed",
    "cyrus/icalendar_utctime-with-tzid.ics": "Z beside TZID: the time is UTC (RFC 5545 §3.3.5)",
    "ical.net/Recurrence_Bug1741093.ics": "US-Eastern with the rules of 1987: the IANA zone of that name is taken",
    "ical.net/Recurrence_HourlyInterval1.ics": "DTEND gives an exact duration across a clock change (§3.8.5.3)",
    "ical.net/Recurrence_HourlyUntil1.ics": "UNTIL in local time is local time, not UTC",
    "ical.net/Serialization_DateTime2.ics": "DATE start with a timed end: one day, the end kept",
    f"{_ICAL4J}google_aus_holidays.ics": "X-WR-TIMEZONE does not move all-day events",
    f"{_ICAL4J}japan_west.ics": "X-WR-TIMEZONE does not move all-day events",
    f"{_ICAL4J}korganizer_sample.ics": "a start outside of its rule counts towards COUNT (RFC 5545 §3.8.5.3)",
    "icalendar/calendars_issue_1633_rdate_with_dates.ics": "a PERIOD of dates is no PERIOD: kept",
    f"{_JAMES}ics_with_error.ics": "a display name of Outlook is a zone, not floating",
    f"{_NODE}Office-2012-owa.ics": "custom zones found by their rules, not floating",
    f"{_NODE}biweekly-exdate-until.ics": "X-WR-TIMEZONE does not move UTC times",
    f"{_NODE}mixed-timezone-handling.ics": "X-WR-TIMEZONE is not applied to floating times",
    f"{_NODE}non-utc-until-ny.ics": "UNTIL in local time is local time, not UTC",
    f"{_NODE}test_with_int_tzid.ics": "a zone named 1 is found by its rules, not floating",
}
# rules that recurring-ical-events does not end within a test's time, or cannot read
_ORACLE_FAILS = (ValueError, TypeError, AttributeError, KeyError, OverflowError)


def _instant(value: date) -> datetime:
    if not isinstance(value, datetime):
        return datetime(value.year, value.month, value.day)  # noqa: DTZ001 - naive UTC
    return value.replace(tzinfo=None) - (value.utcoffset() or timedelta(0))


def _own(entries: list[dict[str, Any]], after: datetime, before: datetime) -> set[tuple[datetime, datetime]]:
    return {
        (occurrence.start, occurrence.end)
        for entry in entries
        if entry["@type"] == "Event" and "start" in entry
        for occurrence in occurrences(entry, after, before, limit=20_000)
    }


@pytest.mark.parametrize("path", [path for path in READABLE if name(path) not in DIFFERENT], ids=name)
def test_the_same_occurrences_over_three_years(path: Path) -> None:
    data = path.read_bytes()
    calendars = [component for component in parse(data).components if component.name == "VCALENDAR"]
    entries = read_calendar(calendars[0])["entries"] if len(calendars) == 1 else []
    years = [int(entry["start"][:4]) for entry in entries if entry["@type"] == "Event" and "start" in entry]
    if not years:
        return
    after, before = datetime(min(years), 1, 1), datetime(min(years) + 3, 1, 1)  # noqa: DTZ001 - naive UTC
    try:
        own = _own(entries, after, before)
    except UnsupportedRule:
        return  # a calendar system other than the Gregorian: said, not guessed
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            calendar = icalendar.Calendar.from_ical(data)
            found = recurring_ical_events.of(calendar).between(after, before)
            others = {(_instant(event.start), _instant(event.end)) for event in found}
        except _ORACLE_FAILS:
            return
    assert own == others


def test_the_exceptions_are_files_of_the_corpus() -> None:
    assert {*DIFFERENT, *REFUSED} <= {name(path) for path in FILES}
