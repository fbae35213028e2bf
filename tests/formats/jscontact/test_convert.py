"""The command `convert` with contacts: both directions, detection, the report and the exit status."""

import json
from pathlib import Path

import pytest

from gateway.__main__ import main
from gateway.convert import CHANGED, OK, UNREADABLE

CARD = (
    "BEGIN:VCARD\r\nVERSION:4.0\r\nUID:urn:uuid:1\r\nFN:Ada Lovelace\r\nN:Lovelace;Ada;;;;;\r\n"
    "item1.EMAIL;TYPE=work;X-SPEED=fast:ada@example.com\r\nitem1.X-ABLABEL:Engine\r\nX-MOOD:good\r\nEND:VCARD\r\n"
)


def _run(*arguments: str) -> int:
    return main(["convert", *arguments])


@pytest.fixture
def vcf(tmp_path: Path) -> Path:
    path = tmp_path / "card.vcf"
    path.write_text(CARD, newline="")
    return path


def test_there_and_back(vcf: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(str(vcf)) == OK
    card = capsys.readouterr().out
    assert json.loads(card)["name"]["full"] == "Ada Lovelace"
    (tmp_path / "card.json").write_text(card)
    assert _run(str(tmp_path / "card.json")) == OK
    written = capsys.readouterr().out
    assert "FN:Ada Lovelace\r\n" in written
    assert "item1.X-ABLABEL:Engine\r\n" in written


def test_the_report_names_what_was_kept(vcf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(str(vcf), "--report") == OK
    report = capsys.readouterr().err
    assert "X-MOOD in /vCardProps" in report
    assert "X-SPEED in /emails/" in report
    assert "lost by a round trip: nothing" in report


def test_what_vcard_has_no_place_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    card = {"@type": "Card", "version": "1.0", "uid": "u", "name": {"full": "A"}, "example.com:rank": 1}
    path = tmp_path / "card.json"
    path.write_text(json.dumps(card))
    assert _run(str(path), "--report") == OK
    captured = capsys.readouterr()
    assert 'JSPROP;JSPTR="example.com:rank":1' in captured.out
    assert "example.com:rank as JSPROP" in captured.err


def test_a_round_trip_that_changes_something_tells(vcf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    vcf.write_text(CARD.replace("UID:urn:uuid:1\r\n", ""), newline="")
    assert _run(str(vcf), "--report") == CHANGED
    report = capsys.readouterr().err
    assert "added by a round trip: 1\n  UID:urn:uuid:" in report


def test_several_cards_and_the_older_version(vcf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    vcf.write_text(CARD + CARD, newline="")
    assert _run(str(vcf), "--to", "vcard3") == OK
    assert capsys.readouterr().out.count("VERSION:3.0") == 2
    assert _run(str(vcf), "--to", "jscontact") == OK
    assert len(json.loads(capsys.readouterr().out)) == 2


def test_contacts_are_no_calendars(vcf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(str(vcf), "--to", "icalendar") == UNREADABLE
    assert capsys.readouterr().err == f"{vcf}: contacts have no form icalendar\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("BEGIN:VCARD\r\nFN:x\r\n", "line 1: BEGIN:VCARD has no END"),
        ("BEGIN:VCARD\r\nEND:VCARD\r\nBEGIN:VEVENT\r\nEND:VEVENT\r\n", "line 3: VEVENT is no vCard"),
        ('{"@type": "Card", "emails": {"e": {}}}', "item 1: /emails/e/address must be set"),
        ('{"@type": "Card", "Emails": {}}', "item 1: /Emails must be emails"),
    ],
)
def test_broken_input_is_refused_with_its_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, message: str
) -> None:
    path = tmp_path / "input"
    path.write_text(text, newline="")
    assert _run(str(path)) == UNREADABLE
    assert capsys.readouterr().err == f"{path}: {message}\n"
