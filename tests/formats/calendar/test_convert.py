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
        ("[1]", "item 1 is no JSON object"),
        ('{"@type": "Card"}', "@type 'Card'"),
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
