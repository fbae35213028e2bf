"""Updates of stored iCalendar in place."""

import pytest

from adapters.formats.content_lines import ContentLineError, parse
from adapters.formats.jscalendar.patch import add_entries, patch_entry, remove_entry
from adapters.formats.jscalendar.read import read_stream
from adapters.formats.jscalendar.write import write_text
from adapters.formats.pointer import InvalidPatch, apply_patch, get_pointer, make_patch

STORED = """BEGIN:VCALENDAR\r
X-WR-CALNAME:Work\r
VERSION:2.0\r
PRODID:-//Other//EN\r
BEGIN:VTIMEZONE\r
TZID:Europe/Berlin\r
X-LIC-LOCATION:Europe/Berlin\r
BEGIN:STANDARD\r
DTSTART:19701025T030000\r
TZOFFSETFROM:+0200\r
TZOFFSETTO:+0100\r
END:STANDARD\r
END:VTIMEZONE\r
BEGIN:VEVENT\r
X-FIRST:kept in its place\r
SUMMARY;X-STYLE=bold:Old title\r
UID:u1\r
DTSTAMP:20250101T000000Z\r
DTSTART;TZID=Europe/Berlin:20250701T090000\r
DTEND;TZID=Europe/Berlin:20250701T100000\r
RRULE:FREQ=DAILY;WKST=MO;INTERVAL=1\r
EXDATE;TZID=Europe/Berlin:20250703T090000,20250704T090000\r
CATEGORIES:a,b\r
CATEGORIES:c\r
ORGANIZER:MAILTO:o@example.com\r
ATTENDEE;PARTSTAT=NEEDS-ACTION;X-NUM-GUESTS=0;CN=A:mailto:a@example.com\r
ATTENDEE;PARTSTAT=ACCEPTED:mailto:b@example.com\r
COMMENT:a comment\r
BEGIN:VALARM\r
ACTION:AUDIO\r
TRIGGER:-PT5M\r
X-SOUND:bell\r
END:VALARM\r
END:VEVENT\r
END:VCALENDAR\r
"""


def _lines(text: str) -> set[str]:
    return set(text.replace("\r\n ", "").splitlines())


def _changed(patch: dict[str, object]) -> tuple[set[str], set[str]]:
    """The lines that a patch takes away and those that it brings."""
    patched = _lines(patch_entry(STORED, patch))
    return _lines(STORED) - patched, patched - _lines(STORED)


def test_no_change_gives_the_very_same_text() -> None:
    entry = read_stream(STORED).groups[0]["entries"][0]
    assert patch_entry(STORED, entry) == STORED


def test_a_new_title_keeps_its_place_and_its_parameters() -> None:
    assert _changed({"title": "New"}) == ({"SUMMARY;X-STYLE=bold:Old title"}, {"SUMMARY;X-STYLE=bold:New"})
    lines = patch_entry(STORED, {"title": "New"}).splitlines()
    assert lines[lines.index("X-FIRST:kept in its place") + 1] == "SUMMARY;X-STYLE=bold:New"


def test_a_line_that_only_has_to_be_there_gives_way() -> None:
    """An event without `updated` is stored with a DTSTAMP that says nothing (RFC 5545 §3.8.7.2: exactly one)."""
    stored = write_text({"@type": "Event", "uid": "u", "start": "2026-12-01T12:00:00", "title": "x"})
    assert "DTSTAMP:19700101T000000Z" in _lines(stored)
    changed = patch_entry(stored, {"updated": "2026-11-28T12:00:00Z"})
    assert [line for line in changed.splitlines() if line.startswith("DTSTAMP")] == ["DTSTAMP:20261128T120000Z"]


def test_a_reply_changes_one_attendee() -> None:
    entry = read_stream(STORED).groups[0]["entries"][0]
    key = next(key for key, p in entry["participants"].items() if p["calendarAddress"] == "mailto:a@example.com")
    gone, come = _changed({f"participants/{key}/participationStatus": "accepted"})
    assert gone == {"ATTENDEE;PARTSTAT=NEEDS-ACTION;X-NUM-GUESTS=0;CN=A:mailto:a@example.com"}
    (line,) = come
    assert set(line.removesuffix(":mailto:a@example.com").split(";")) == {
        "ATTENDEE",
        "PARTSTAT=ACCEPTED",
        "X-NUM-GUESTS=0",
        "CN=A",
    }


def test_members_of_lists_come_and_go_by_themselves() -> None:
    assert _changed({"keywords/b": None}) == ({"CATEGORIES:a,b"}, {"CATEGORIES:a"})
    gone, _ = _changed({"recurrenceOverrides/2025-07-03T09:00:00": None})
    assert gone == {"EXDATE;TZID=Europe/Berlin:20250703T090000,20250704T090000"}


def test_a_new_override_becomes_a_component_and_the_main_one_stays() -> None:
    patched = patch_entry(STORED, {"recurrenceOverrides/2025-07-05T09:00:00": {"title": "Once"}})
    assert _lines(STORED) <= _lines(patched)
    main, override = parse(patched).components[0].components[1:]
    assert override.value("RECURRENCE-ID") == "20250705T090000"
    assert (override.value("SUMMARY"), override.value("COMMENT")) == ("Once", "a comment")
    assert override.first("RRULE") is None
    assert main.value("SUMMARY") == "Old title"
    assert patch_entry(patched, {"recurrenceOverrides/2025-07-05T09:00:00": None}) == STORED


def test_moving_the_event_keeps_the_form_of_its_times() -> None:
    gone, come = _changed({"start": "2025-07-01T11:00:00", "recurrenceOverrides": None})
    assert "DTEND;TZID=Europe/Berlin:20250701T120000" in come
    assert "DTSTART;TZID=Europe/Berlin:20250701T110000" in come
    assert not any(line.startswith(("RRULE", "ATTENDEE", "X-")) for line in gone)


def test_instances_of_one_resource_are_named_by_their_recurrence_id() -> None:
    both = STORED.replace("RRULE:FREQ=DAILY;WKST=MO;INTERVAL=1\r\n", "RECURRENCE-ID:20250701T070000Z\r\n")
    entry = parse(both).components[0].components[1]
    assert entry.value("RECURRENCE-ID") is not None
    assert "SUMMARY;X-STYLE=bold:x" in patch_entry(both, {"title": "x"}, recurrence_id="2025-07-01T07:00:00")
    assert "BEGIN:VEVENT" not in remove_entry(both, recurrence_id="2025-07-01T07:00:00")
    with pytest.raises(ContentLineError, match="no such event"):
        patch_entry(both, {"title": "x"}, recurrence_id="2025-07-02T07:00:00")


def test_an_instance_joins_another_one_in_its_resource() -> None:
    both = STORED.replace("RRULE:FREQ=DAILY;WKST=MO;INTERVAL=1\r\n", "RECURRENCE-ID:20250701T070000Z\r\n")
    other = both.replace("20250701T070000Z", "20250702T070000Z").replace("SUMMARY", "X-SUMMARY")
    text = add_entries(both, other)
    (calendar,) = parse(text).components
    zones = [child for child in parse(both).components[0].components if child.name == "VTIMEZONE"]
    assert [child.name for child in calendar.components].count("VEVENT") == 2
    assert [child.name for child in calendar.components].count("VTIMEZONE") == len(zones)
    assert remove_entry(text, recurrence_id="2025-07-02T07:00:00") == both


def test_invalid_patches_are_refused_as_a_whole() -> None:
    invalid: list[dict[str, object]] = [{"a/b": 1}, {"alerts": {}, "alerts/x": {}}, {"title": "x", "no/such": 1}]
    for patch in invalid:
        with pytest.raises(InvalidPatch):
            patch_entry(STORED, patch)
    with pytest.raises(ContentLineError, match="2 VCALENDAR"):
        patch_entry(STORED + STORED, {"title": "x"})


def test_patches_lead_from_one_object_to_another() -> None:
    old = {"a": {"x/y": 1, "z": [1]}, "b": 1, "c~": {"d": 2}}
    new = {"a": {"x/y": 2, "z": [1, 2]}, "c~": {"d": 2, "e": {}}, "f": None}
    patch = make_patch(old, {key: value for key, value in new.items() if value is not None})
    assert patch == {"a/x~1y": 2, "a/z": [1, 2], "b": None, "c~0/e": {}}
    assert apply_patch(old, patch) == {"a": {"x/y": 2, "z": [1, 2]}, "c~": {"d": 2, "e": {}}}


def test_a_key_that_alone_is_another_changes() -> None:
    """Keys are the client's (draft-ietf-calext-jscalendar-icalendar-25 §2.1.3), also where the rest stays the same."""
    maps = {
        "alerts": {"@type": "Alert", "trigger": {"@type": "OffsetTrigger", "offset": "-P1D"}},
        "locations": {"@type": "Location", "name": "Here"},
        "links": {"@type": "Link", "href": "https://example.org/"},
        "participants": {"@type": "Participant", "calendarAddress": "mailto:a@example.org", "roles": {"owner": True}},
    }
    event = {"@type": "Event", "uid": "u", "start": "2026-01-01T00:00:00"} | {name: {"k": maps[name]} for name in maps}
    event["organizerCalendarAddress"] = "mailto:a@example.org"
    text = patch_entry(write_text(event), {name: {"other": maps[name]} for name in maps})
    changed = read_stream(text).groups[0]["entries"][0]
    assert {name: list(changed[name]) for name in maps} == {name: ["other"] for name in maps}


def test_a_link_loses_its_relation() -> None:
    """Also where it came as URL beside another one that describes the event."""
    links = {key: {"@type": "Link", "href": f"https://example.org/{key}", "rel": "describedby"} for key in ("a", "b")}
    text = write_text({"@type": "Event", "uid": "u", "start": "2026-01-01T00:00:00", "links": links})
    for key in links:
        bare = {"@type": "Link", "href": f"https://example.org/{key}", "title": "T"}
        changed = read_stream(patch_entry(text, {f"links/{key}": bare})).groups[0]["entries"][0]
        assert changed["links"] == links | {key: bare}


@pytest.mark.parametrize("token", ["²", "٣", "-", "-1", "01x", "9" * 5000])
def test_what_is_no_index_points_nowhere(token: str) -> None:
    """RFC 6901 §4: an index is ASCII digits."""
    with pytest.raises(InvalidPatch):
        apply_patch({"a": [1]}, {f"a/{token}": 2})
    assert get_pointer({"a": [1, 2, 3, 4]}, f"a/{token}") is None
