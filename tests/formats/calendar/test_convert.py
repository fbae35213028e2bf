"""The command `convert`: both directions, detection, the report and the exit status."""

import io
import json
from pathlib import Path

import pytest

from gateway.__main__ import main
from gateway.convert import CHANGED, OK, UNREADABLE

EVENT = (
    "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:u\r\nDTSTAMP:20250101T000000Z\r\n"
    "DTSTART;TZID=Europe/Berlin:20250701T090000\r\nSUMMARY:Lunch\r\nX-MOOD:good\r\n"
    "ORGANIZER:mailto:o@example.com\r\nRRULE:FREQ=DAILY\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
)


def _run(*arguments: str) -> int:
    return main(["convert", *arguments])


@pytest.fixture
def ics(tmp_path: Path) -> Path:
    path = tmp_path / "event.ics"
    path.write_text(EVENT, newline="")
    return path


def test_there_and_back(ics: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(str(ics)) == OK
    group = capsys.readouterr().out
    assert json.loads(group)["entries"][0]["title"] == "Lunch"
    (tmp_path / "event.json").write_text(group)
    assert _run(str(tmp_path / "event.json")) == OK
    written = capsys.readouterr().out
    assert sorted(written.split("\r\n")) == sorted(EVENT.split("\r\n"))


def test_the_report_names_what_was_kept(ics: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(str(ics), "--report") == OK
    report = capsys.readouterr().err
    assert "X-MOOD in /entries/0/iCalendar/properties" in report
    assert "lost by a round trip: nothing" in report


def test_a_round_trip_that_changes_something_tells(ics: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ics.write_text(EVENT.replace("UID:u\r\n", ""), newline="")
    assert _run(str(ics), "--report") == CHANGED
    captured = capsys.readouterr()
    assert "added by a round trip: 1" in captured.err
    assert "has no UID" in captured.err


def test_streams_of_several_calendars(ics: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ics.write_text(EVENT + EVENT, newline="")
    assert _run(str(ics)) == OK
    assert len(json.loads(capsys.readouterr().out)) == 2


def test_streams_of_several_objects(ics: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(str(ics)) == OK
    lines = tmp_path / "events.jsonl"
    lines.write_text(f"{json.dumps(json.loads(capsys.readouterr().out))}\n" * 3)
    assert _run(str(lines)) == OK
    assert capsys.readouterr().out.count("BEGIN:VCALENDAR") == 3


def test_what_was_broken_is_no_clean_conversion(ics: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ics.write_bytes(EVENT.replace("X-MOOD:", "X-MOOD ").replace("Lunch", "Caf\xe9").encode("latin-1"))
    assert _run(str(ics), "--report") == CHANGED
    report = capsys.readouterr().err
    assert "broken, read all the same: 2\n" in report
    assert "  not UTF-8: read as Latin-1\n" in report
    assert "  line 9: no property: 'X-MOOD good' left out\n" in report or "joined" in report


def test_what_jmap_shows_can_be_converted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A CalendarEvent has nulls, and one name that RFC 8984 had too (draft-ietf-jmap-calendars-29 §5, §5.7)."""
    shown = {"@type": "Event", "uid": "u", "start": "2026-01-01T09:00:00", "updated": "2026-01-01T00:00:00Z"}
    event = tmp_path / "event.json"
    event.write_text(json.dumps(shown | {"recurrenceRule": None, "useDefaultAlerts": True}))
    assert _run(str(event)) == OK
    assert 'JSPROP;JSPTR="useDefaultAlerts":true' in capsys.readouterr().out


def test_a_file_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert _run("/nowhere.ics") == UNREADABLE
    assert capsys.readouterr().err == "/nowhere.ics: No such file or directory\n"


def test_the_old_names_on_request_only(ics: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(str(ics), "--to", "rfc8984") == OK
    old = capsys.readouterr().out
    entry = json.loads(old)["entries"][0]
    assert entry["recurrenceRules"][0]["frequency"] == "daily"
    assert entry["replyTo"] == {"imip": "mailto:o@example.com"}
    path = tmp_path / "old.json"
    path.write_text(old)
    assert _run(str(path)) == UNREADABLE
    assert "recurrenceRules" in capsys.readouterr().err
    assert _run(str(path), "--from-rfc8984") in {OK, CHANGED}
    assert "RRULE:FREQ=DAILY" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("BEGIN:VCALENDAR\nBEGIN:VEVENT\nEND:VCALENDAR\n", "line 3: unexpected END:VCALENDAR"),
        ('{"@type":\n}', "line 2, column 1"),
        ("[1]", "item 1:  must be an object"),
        ('{"@type": "Recipe"}', "item 1: /@type must be Group, Event or Task"),
        ('{"@type": "Event"}\n{"@type": "Event", "start": "2026-02-30T00:00:00"}', "item 2: /start must be a Local"),
        ('{"@type": "Event", "alerts": {"a": {"trigger": "-PT5M"}}}', "item 1: /alerts/a/trigger must be an object"),
        ('{"@type": "Group", "entries": [{"@type": "Task", "due": 5}]}', "item 1: /entries/0/due must be a Local"),
        ("hello", "line 1: does not begin with BEGIN:"),
        ("", "line 1: no component"),
    ],
)
def test_broken_input_is_refused_with_its_place(
    text: str, message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    assert _run("-") == UNREADABLE
    assert message in capsys.readouterr().err
