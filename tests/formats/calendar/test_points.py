"""The points at which converters go wrong, one by one (draft-ietf-calext-jscalendar-icalendar-25)."""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from adapters.formats.content_lines import parse
from adapters.formats.jscalendar.facts import facts
from adapters.formats.jscalendar.read import Stream, read_stream
from adapters.formats.jscalendar.write import write_text
from adapters.formats.keys import free_key, value_key

_ODD_ZONE = """BEGIN:VTIMEZONE
TZID:Odd
BEGIN:STANDARD
DTSTART:19700101T000000
TZOFFSETFROM:{0}
TZOFFSETTO:{0}
END:STANDARD
END:VTIMEZONE
"""
_BERLIN_RULES = """BEGIN:VTIMEZONE
TZID:Our office
BEGIN:DAYLIGHT
DTSTART:19810329T020000
RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU
TZOFFSETFROM:+0100
TZOFFSETTO:+0200
END:DAYLIGHT
BEGIN:STANDARD
DTSTART:19961027T030000
RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU
TZOFFSETFROM:+0200
TZOFFSETTO:+0100
END:STANDARD
END:VTIMEZONE
"""


def _calendar(*lines: str, zone: str = "", kind: str = "VEVENT", more: str = "") -> str:
    body = "\n".join(["UID:u1", "DTSTAMP:20250101T000000Z", *lines])
    return f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:x\n{zone}BEGIN:{kind}\n{body}\nEND:{kind}\n{more}END:VCALENDAR\n"


def _read(text: str) -> Stream:
    """Read, and check on the way that writing gives every fact back."""
    stream = read_stream(text)
    before = facts(parse(text).components[0])
    after = facts(parse(write_text(stream.groups[0])).components[0])
    assert before - after == {}
    return stream


def _event(*lines: str, **others: str) -> dict[str, Any]:
    entry: dict[str, Any] = _read(_calendar(*lines, **others)).groups[0]["entries"][0]
    return entry


@pytest.mark.parametrize(
    ("start", "end", "duration"),
    [
        ("DTSTART;TZID=Europe/Berlin:20251025T120000", "DTEND;TZID=Europe/Berlin:20251026T120000", "PT25H"),
        ("DTSTART;TZID=Europe/Berlin:20250329T120000", "DTEND;TZID=Europe/Berlin:20250330T120000", "PT23H"),
        ("DTSTART;TZID=Europe/Berlin:20250601T120000", "DTEND;TZID=Europe/Berlin:20250603T130000", "P2DT1H"),
        ("DTSTART:20250601T120000", "DTEND:20250601T120000", "PT0S"),
        ("DTSTART;VALUE=DATE:20250329", "DTEND;VALUE=DATE:20250331", "P2D"),
    ],
)
def test_duration_is_the_time_span_in_utc(start: str, end: str, duration: str) -> None:
    assert _event(start, end)["duration"] == duration


def test_an_all_day_event_without_end_lasts_one_day() -> None:
    event = _event("DTSTART;VALUE=DATE:20250301")
    assert (event["duration"], event["showWithoutTime"]) == ("P1D", True)
    assert "timeZone" not in event


def test_an_end_before_the_start_is_kept_and_gives_no_negative_duration() -> None:
    event = _event("DTSTART:20250301T120000Z", "DTEND:20250301T110000Z")
    assert "duration" not in event
    assert event["iCalendar"]["properties"] == [["dtend", {}, "date-time", "2025-03-01T11:00:00Z"]]


def test_a_custom_zone_with_the_rules_of_an_iana_zone_becomes_that_zone() -> None:
    event = _event("DTSTART;TZID=Our office:20250701T090000", zone=_BERLIN_RULES)
    assert event["start"] == "2025-07-01T09:00:00"
    zone = ZoneInfo(event["timeZone"])  # any zone with these rules will do
    offsets = [datetime(2025, month, 15, tzinfo=zone).utcoffset() for month in (1, 7)]
    assert offsets == [timedelta(hours=1), timedelta(hours=2)]


def test_a_custom_zone_that_equals_none_becomes_utc_never_floating() -> None:
    event = _event("DTSTART;TZID=Odd:20250701T090000", zone=_ODD_ZONE.format("+0207"))
    assert (event["start"], event["timeZone"]) == ("2025-07-01T06:53:00", "Etc/UTC")


def test_windows_names_and_wrapped_names() -> None:
    assert _event("DTSTART;TZID=W. Europe Standard Time:20250701T090000")["timeZone"] == "Europe/Berlin"
    wrapped = "DTSTART;TZID=/softwarestudio.org/Tzfile/America/Chicago:20250701T090000"
    assert _event(wrapped)["timeZone"] == "America/Chicago"
    outlook = 'DTSTART;TZID="(UTC-05:00) Eastern Time (US & Canada)":20250701T090000'
    assert _event(outlook)["timeZone"] == "America/New_York"


def test_an_iana_name_wins_over_a_contradicting_vtimezone() -> None:
    zone = _ODD_ZONE.format("+0500").replace("TZID:Odd", "TZID:Europe/Berlin")
    assert _event("DTSTART;TZID=Europe/Berlin:20250701T090000", zone=zone)["timeZone"] == "Europe/Berlin"


def test_an_unknown_zone_without_definition_is_said() -> None:
    stream = _read(_calendar("DTSTART;TZID=Nowhere:20250701T090000"))
    assert "timeZone" not in stream.groups[0]["entries"][0]
    assert "time zone 'Nowhere' is unknown" in stream.notes[0]


def test_until_moves_between_utc_and_local_time() -> None:
    event = _event("DTSTART;TZID=Europe/Berlin:20250101T090000", "RRULE:FREQ=DAILY;UNTIL=20250701T070000Z")
    assert event["recurrenceRule"]["until"] == "2025-07-01T09:00:00"


def test_rscale_skip_and_every_by_part() -> None:
    rule = "FREQ=YEARLY;RSCALE=HEBREW;SKIP=FORWARD;INTERVAL=2;BYMONTH=5L,6;BYMONTHDAY=-1,3;BYDAY=-2MO,TU;"
    rule += "BYSETPOS=1;WKST=SU;COUNT=4"
    found = _event("DTSTART:20250101T090000Z", f"RRULE:{rule}")["recurrenceRule"]
    assert (found["rscale"], found["skip"], found["byMonth"]) == ("hebrew", "forward", ["5L", "6"])
    assert found["byDay"][0] == {"@type": "NDay", "day": "mo", "nthOfPeriod": -2}


def test_a_second_rule_and_exrule_are_kept() -> None:
    event = _event("DTSTART:20250101T090000Z", "RRULE:FREQ=DAILY", "RRULE:FREQ=YEARLY", "EXRULE:FREQ=WEEKLY")
    assert event["recurrenceRule"]["frequency"] == "daily"
    assert [prop[0] for prop in event["iCalendar"]["properties"]] == ["exrule", "rrule"]


def test_exdate_in_every_form() -> None:
    start = ("DTSTART;TZID=Europe/Berlin:20250701T090000", "RRULE:FREQ=DAILY")
    for exdate in (
        "EXDATE;TZID=Europe/Berlin:20250703T090000",
        "EXDATE:20250703T070000Z",
        "EXDATE;TZID=America/New_York:20250703T030000",
        "EXDATE;VALUE=DATE:20250703",
        "EXDATE:20250703T090000",
    ):
        assert _event(*start, exdate)["recurrenceOverrides"] == {"2025-07-03T09:00:00": {"excluded": True}}


def test_rdate_period_is_relative_to_the_zone_of_the_event() -> None:
    event = _event(
        "DTSTART;TZID=Europe/Berlin:20250701T090000", "RRULE:FREQ=DAILY", "RDATE;VALUE=PERIOD:20250710T150000Z/PT2H"
    )
    assert event["recurrenceOverrides"] == {"2025-07-10T17:00:00": {"duration": "PT2H"}}


def _override(*lines: str) -> str:
    return "\n".join(["BEGIN:VEVENT", "UID:u1", "DTSTAMP:20250101T000000Z", *lines, "END:VEVENT", ""])


def test_what_an_override_lacks_is_patched_to_null() -> None:
    more = _override("RECURRENCE-ID:20250703T070000Z", "DTSTART;TZID=Europe/Berlin:20250703T090000")
    event = _event("DTSTART;TZID=Europe/Berlin:20250701T090000", "RRULE:FREQ=DAILY", "SUMMARY:x", more=more)
    assert event["recurrenceOverrides"] == {"2025-07-03T09:00:00": {"title": None}}


def test_a_timed_override_of_an_all_day_series() -> None:
    more = _override("RECURRENCE-ID;VALUE=DATE:20250703", "DTSTART;TZID=Asia/Tokyo:20250703T090000", "DURATION:PT1H")
    patch = _event("DTSTART;VALUE=DATE:20250701", "RRULE:FREQ=DAILY", more=more)["recurrenceOverrides"]
    patch = patch["2025-07-03T00:00:00"]
    assert (patch["start"], patch["timeZone"], patch["duration"]) == ("2025-07-03T09:00:00", "Asia/Tokyo", "PT1H")
    assert patch["showWithoutTime"] is None


def test_stand_alone_instances_stay_apart() -> None:
    more = _override("RECURRENCE-ID:20250704T090000Z", "DTSTART:20250704T100000Z")
    group = _read(_calendar("RECURRENCE-ID:20250703T090000Z", "DTSTART:20250703T110000Z", more=more)).groups[0]
    ids = [(entry["recurrenceId"], entry["recurrenceIdTimeZone"]) for entry in group["entries"]]
    assert ids == [("2025-07-03T09:00:00", "Etc/UTC"), ("2025-07-04T09:00:00", "Etc/UTC")]


def test_range_this_and_future_is_kept() -> None:
    more = _override("RECURRENCE-ID;RANGE=THISANDFUTURE:20250703T090000Z", "DTSTART:20250703T100000Z", "SUMMARY:later")
    _event("DTSTART:20250701T090000Z", "RRULE:FREQ=DAILY", more=more)


@pytest.mark.parametrize(
    ("value", "privacy"), [("CONFIDENTIAL", "secret"), ("X-SECRETISH", "private"), ("PUBLIC", "public")]
)
def test_an_unknown_class_is_never_public(value: str, privacy: str) -> None:
    assert _event("DTSTART:20250701T090000Z", f"CLASS:{value}")["privacy"] == privacy


def test_a_client_may_replace_an_unknown_class() -> None:
    event = _event("DTSTART:20250701T090000Z", "CLASS:X-SECRETISH")
    text = write_text({**event, "privacy": "public"})
    assert "CLASS:PUBLIC" in text
    assert "X-SECRETISH" not in text


@pytest.mark.parametrize("action", ["AUDIO", "NONE", "X-BEEP"])
def test_other_actions_are_not_turned_into_display(action: str) -> None:
    alarm = ("BEGIN:VALARM", f"ACTION:{action}", "TRIGGER:-PT5M", "REPEAT:2", "DURATION:PT1M", "END:VALARM")
    (alert,) = _event("DTSTART:20250701T090000Z", *alarm)["alerts"].values()
    assert "action" not in alert
    assert {prop[0] for prop in alert["iCalendar"]["properties"]} == {"action", "repeat", "duration"}


def test_a_lone_organizer_does_not_become_an_attendee() -> None:
    event = _event("DTSTART:20250701T090000Z", "ORGANIZER;CN=Jane:MAILTO:jane@example.com")
    (participant,) = event["participants"].values()
    assert participant["roles"] == {"owner": True}
    assert "ATTENDEE" not in write_text(event)


def test_addresses_compare_without_regard_to_case() -> None:
    event = _event(
        "DTSTART:20250701T090000Z", "ORGANIZER:MAILTO:Jane@example.com", "ATTENDEE;ROLE=CHAIR:mailto:jane@example.com"
    )
    (participant,) = event["participants"].values()
    assert participant["roles"] == {"chair": True, "owner": True}


def test_delegation_and_scheduling_parameters_survive() -> None:
    event = _event(
        "DTSTART:20250701T090000Z",
        'ORGANIZER;SCHEDULE-STATUS=1.1;SENT-BY="mailto:aide@example.com":mailto:o@example.com',
        'ATTENDEE;PARTSTAT=DELEGATED;DELEGATED-TO="mailto:b@example.com";SCHEDULE-AGENT=NONE:mailto:a@example.com',
        'ATTENDEE;DELEGATED-FROM="mailto:a@example.com";CUTYPE=ROOM;X-NUM-GUESTS=0:mailto:b@example.com',
    )
    by_address = {p["calendarAddress"]: p for p in event["participants"].values()}
    assert by_address["mailto:a@example.com"]["delegatedTo"] == {"mailto:b@example.com": True}
    assert by_address["mailto:a@example.com"]["participationStatus"] == "delegated"
    assert by_address["mailto:b@example.com"]["kind"] == "location"
    assert event["sentBy"] == "aide@example.com"


def test_categories_keep_their_commas() -> None:
    event = _event("DTSTART:20250701T090000Z", "CATEGORIES:Big\\,Co,x", "CATEGORIES:y")
    assert event["keywords"] == {"Big,Co": True, "x": True, "y": True}


def test_location_and_geo_are_one_location() -> None:
    event = _event("DTSTART:20250701T090000Z", "LOCATION:Cafe", "GEO:+1.50;-2.250")
    (location,) = event["locations"].values()
    assert location == {"@type": "Location", "name": "Cafe", "coordinates": "geo:1.50,-2.250"}


def test_attachments_images_and_links() -> None:
    event = _event(
        "DTSTART:20250701T090000Z",
        "ATTACH;FMTTYPE=text/plain;ENCODING=BASE64;VALUE=BINARY:aGVsbG8=",
        "ATTACH;MANAGED-ID=7;FILENAME=a.pdf;SIZE=12:https://example.com/a.pdf",
        "URL:https://example.com/1",
        "URL:https://example.com/2",
        "LINK;LINKREL=SOURCE;VALUE=URI:https://example.com/3",
        "IMAGE;VALUE=URI;DISPLAY=BADGE:https://example.com/4",
    )
    links = {link["href"]: link for link in event["links"].values()}
    assert links["data:text/plain;base64,aGVsbG8="]["contentType"] == "text/plain"
    assert links["https://example.com/a.pdf"]["size"] == 12
    assert {link["rel"] for link in links.values()} == {"enclosure", "describedby", "SOURCE", "icon"}


def test_components_without_a_form_are_kept_in_the_group() -> None:
    text = "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:x\nBEGIN:VJOURNAL\nUID:j\nSUMMARY:a\nEND:VJOURNAL\nEND:VCALENDAR"
    group = _read(text).groups[0]
    assert group["entries"] == []
    assert group["iCalendar"]["components"][0][0] == "vjournal"


def test_a_missing_uid_is_the_same_at_every_reading() -> None:
    text = _calendar("DTSTART:20250701T090000Z").replace("UID:u1\n", "")
    assert read_stream(text).groups == read_stream(text).groups


def test_a_due_in_another_zone_moves_into_the_zone_of_the_start() -> None:
    task = _event(
        "DTSTART;TZID=Europe/Berlin:20250701T090000", "DUE;TZID=America/New_York:20250701T090000", kind="VTODO"
    )
    assert task["due"] == "2025-07-01T15:00:00"


def test_jsprop_sets_only_what_is_new() -> None:
    text = _calendar(
        "DTSTART:20250701T090000Z",
        "SUMMARY:x",
        'JSPROP;JSPTR="title":"y"',
        'JSPROP;JSPTR="example.com:a":[1\\,2]',
        'JSPROP;JSPTR="no/such/parent":1',
    )
    event = read_stream(text).groups[0]["entries"][0]
    assert (event["title"], event["example.com:a"]) == ("x", [1, 2])
    assert len(event["iCalendar"]["properties"]) == 1


def test_text_from_clients_cannot_begin_a_line() -> None:
    text = write_text(
        {"@type": "Event", "uid": "a", "start": "2025-01-01T00:00:00", "title": "x\r\nATTACH:evil\nBEGIN:VEVENT"}
    )
    assert "\r\nATTACH" not in text
    assert text.count("\r\nBEGIN:VEVENT") == 1


def test_an_override_has_the_duration_of_its_series() -> None:
    """Both last from DTSTART to DTEND, exact time in a series (RFC 5545 §3.8.5.3): nothing is overridden."""
    times = ("DTSTART;TZID=Europe/Berlin:202610{0}T120000", "DTEND;TZID=Europe/Berlin:202610{1}T140000")
    series = [line.format("01", "02") for line in times]
    own = ["UID:u1", "DTSTAMP:20250101T000000Z", "RECURRENCE-ID;TZID=Europe/Berlin:20261008T120000", "SUMMARY:Other"]
    own += [line.format("08", "09") for line in times]
    more = "\n".join(["BEGIN:VEVENT", *own, "END:VEVENT", ""])
    entry = _read(_calendar(*series, "RRULE:FREQ=WEEKLY", more=more)).groups[0]["entries"][0]
    assert entry["duration"] == "PT26H"
    assert entry["recurrenceOverrides"] == {"2026-10-08T12:00:00": {"title": "Other"}}


@pytest.mark.parametrize("end", [{}, {"endTimeZone": "America/New_York"}])
def test_days_of_a_series_stay_days(end: dict[str, str]) -> None:
    """A DTEND would make them exact time (RFC 5545 §3.8.5.3), an hour off after a clock change."""
    event: dict[str, Any] = {"@type": "Event", "uid": "u1", "start": "2026-10-01T12:00:00", **end}
    event |= {"timeZone": "Europe/Berlin", "duration": "P1DT2H", "recurrenceRule": {"frequency": "weekly"}}
    event["iCalendar"] = {"convertedProperties": {"duration": {"@type": "ICalProperty", "name": "dtend"}}}
    event["recurrenceOverrides"] = {"2026-10-22T12:00:00": {"title": "Other"}}
    again = read_stream(write_text(event)).groups[0]["entries"][0]
    assert {name: again[name] for name in ("duration", *end)} == {"duration": "P1DT2H", **end}
    assert again["recurrenceOverrides"]["2026-10-22T12:00:00"]["title"] == "Other"
    assert not again["recurrenceOverrides"]["2026-10-22T12:00:00"].keys() & {"duration", *end}


def test_features_that_a_server_quoted_are_several() -> None:
    """Cyrus 3.6.1 makes one quoted value of the list; no feature has a comma (RFC 7986 §6.3)."""
    entry = _read(_calendar("DTSTART:20250101T000000Z", 'CONFERENCE;VALUE=URI;FEATURE="VIDEO,CHAT":https://a.example/'))
    (virtual,) = entry.groups[0]["entries"][0]["virtualLocations"].values()
    assert virtual["features"] == {"video": True, "chat": True}


def test_a_free_key_among_thousands_is_found_in_a_few_looks() -> None:
    """Elements of one value would cost the square of their number else (trust model, row 50)."""

    class Taken(set[str]):
        looks = 0

        def __contains__(self, key: object) -> bool:
            self.looks += 1
            return super().__contains__(key)

    taken = Taken()
    for number in range(1, 1_001):
        before = taken.looks
        key = free_key("x", taken)
        assert key == ("x" if number == 1 else value_key(f"x\n{number}"))
        assert taken.looks - before <= 25
        taken.add(key)
