"""`jmap-gateway convert`: iCalendar to JSCalendar 2.0, vCard to JSContact, and back; for people who test compatibility.

Exit status: 0 converted and a round trip changes nothing; 1 converted, and a round trip would change something, or a
part of the input is broken (see --report); 2 the input could not be read.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from adapters.formats.content_line_writer import serialize
from adapters.formats.content_lines import Document, parse
from adapters.formats.conversion import Report
from adapters.formats.jscalendar.read import read_calendar, read_stream
from adapters.formats.jscalendar.report import report_icalendar, report_jscalendar
from adapters.formats.jscalendar.rfc8984 import downgrade, old_names, upgrade
from adapters.formats.jscalendar.shape import faults
from adapters.formats.jscalendar.write import write_calendar
from adapters.formats.jscontact import shape as card_shape
from adapters.formats.jscontact.report import report_card, report_vcard
from adapters.formats.jscontact.stream import read_stream as read_vcards
from adapters.formats.jscontact.write import write_card

OK, CHANGED, UNREADABLE = 0, 1, 2


class _Unreadable(Exception):
    """The input is neither; the message says where and why."""


def run(args: argparse.Namespace) -> int:
    """Convert as the arguments say (`file`, `to`, `from_rfc8984`, `report`); the exit status."""
    report = Report()
    try:
        data = sys.stdin.buffer.read() if args.file == "-" else Path(args.file).read_bytes()
        output = _convert(data, args, report)
    except OSError as error:
        sys.stderr.write(f"{args.file}: {error.strerror}\n")
        return UNREADABLE
    except (_Unreadable, ValueError) as error:
        sys.stderr.write("".join(f"{args.file}: {line}\n" for line in str(error).splitlines()))
        return UNREADABLE
    sys.stdout.write(output)
    if args.report:
        sys.stderr.write("".join(f"{line}\n" for line in report.lines()))
    return OK if report.clean else CHANGED


def _convert(data: bytes, args: argparse.Namespace, report: Report) -> str:
    text = data.lstrip(b"\xef\xbb\xbf \t\r\n")
    if text[:1] in {b"{", b"["}:
        objects = _read_json(data)
        contacts = bool(objects) and isinstance(objects[0], dict) and objects[0].get("@type") == "Card"
        _check_target(args.to, contacts=contacts)
        if contacts:
            return _from_cards(objects, args.to, report)
        return _from_jscalendar(_checked_jscalendar(objects, report, accept_old=args.from_rfc8984), args.to, report)
    contacts = text[:11].upper() == b"BEGIN:VCARD"
    _check_target(args.to, contacts=contacts)
    if contacts:
        return _from_vcards(data, args.to, report)
    groups = _read_icalendar(data, report)
    if args.to == "icalendar":
        return serialize(*(write_calendar(group) for group in groups))
    return _json([_target(group, args.to, report) for group in groups])


CALENDAR_TARGETS = ("jscalendar", "icalendar", "rfc8984")
CONTACT_TARGETS = ("jscontact", "vcard", "vcard3")


def _check_target(to: str | None, *, contacts: bool) -> None:
    if to is not None and to not in (CONTACT_TARGETS if contacts else CALENDAR_TARGETS):
        raise _Unreadable(f"{'contacts' if contacts else 'calendars'} have no form {to}")


# ----------------------------------------------------------------------------------------------------- contacts


def _from_vcards(data: bytes, to: str | None, report: Report) -> str:
    vcards, document = read_vcards(data)
    report.broken += _problems(document)
    cards = [report_vcard(vcard, report) for vcard in vcards]
    return _json(cards) if to in {None, "jscontact"} else _vcards(cards, to)


def _from_cards(cards: list[Any], to: str | None, report: Report) -> str:
    if found := [
        f"item {number}: {path} {fault}" for number, js in enumerate(cards, 1) for path, fault in card_shape.faults(js)
    ]:
        raise _Unreadable("\n".join(found))
    if to == "jscontact":
        return _json(cards)
    for card in cards:
        report_card(card, "3.0" if to == "vcard3" else "4.0", report)
    return _vcards(cards, to)


def _vcards(cards: list[dict[str, Any]], to: str | None) -> str:
    return b"".join(write_card(card, "3.0" if to == "vcard3" else "4.0") for card in cards).decode("utf-8")


# ---------------------------------------------------------------------------------------------------- calendars


def _from_jscalendar(objects: list[dict[str, Any]], to: str | None, report: Report) -> str:
    if to in {"jscalendar", "rfc8984"}:
        return _json([_target(js, to, report) for js in objects])
    calendars = [write_calendar(js) for js in objects]
    for js, calendar in zip(objects, calendars, strict=True):
        report_jscalendar(js, calendar, report)
    return serialize(*calendars)


def _target(js: dict[str, Any], to: str | None, report: Report) -> dict[str, Any]:
    return downgrade(js, report.remarks) if to == "rfc8984" else js


def _read_icalendar(data: bytes, report: Report) -> list[dict[str, Any]]:
    document = parse(data)
    report.broken += _problems(document)
    calendars = [component for component in document.components if component.name == "VCALENDAR"]
    if len(calendars) != len(document.components) or not calendars:
        stream = read_stream(data)
        report.remarks += stream.notes
        return stream.groups
    return [_read_calendar(document, index, report) for index in range(len(calendars))]


def _problems(document: Document) -> list[str]:
    return [f"line {problem.line}: {problem.reason}".removeprefix("line 0: ") for problem in document.problems]


def _read_calendar(document: Document, index: int, report: Report) -> dict[str, Any]:
    calendar = document.components[index]
    group = read_calendar(calendar, report.remarks)
    report_icalendar(calendar, group, report)
    return group


def _read_json(data: bytes) -> list[Any]:
    try:
        return [_without_nulls(js) for js in _values(data.decode("utf-8-sig"))]
    except json.JSONDecodeError as error:
        raise _Unreadable(f"line {error.lineno}, column {error.colno}: {error.msg}") from error
    except (UnicodeDecodeError, RecursionError) as error:
        raise _Unreadable(f"no readable JSON: {error}") from error


def _checked_jscalendar(objects: list[Any], report: Report, *, accept_old: bool) -> list[dict[str, Any]]:
    if found := [
        f"item {number}: {path} {fault}" for number, js in enumerate(objects, 1) for path, fault in faults(js)
    ]:
        raise _Unreadable("\n".join(found))
    for number, js in enumerate(objects, 1):
        old = old_names(js)
        if old and not accept_old:
            raise _Unreadable(f"item {number} uses names of RFC 8984 ({', '.join(old)}); see --from-rfc8984")
    return [upgrade(js, report.remarks) for js in objects] if accept_old else objects


def _values(text: str) -> Iterator[Any]:
    """What stands in one array, or one after the other, as in JSON lines."""
    decoder, index, end = json.JSONDecoder(), 0, len(text.rstrip())
    while index < end:
        if text[index].isspace():
            index += 1
            continue
        value, index = decoder.raw_decode(text, index)
        yield from value if isinstance(value, list) else [value]


def _without_nulls(js: Any) -> Any:
    """A null is what JMAP shows for a property that is not there."""
    if not isinstance(js, dict):
        return js
    entries = js.get("entries")
    own = {"entries": [_without_nulls(entry) for entry in entries]} if isinstance(entries, list) else {}
    return {name: value for name, value in js.items() if value is not None} | own


def _json(objects: list[dict[str, Any]]) -> str:
    value = objects[0] if len(objects) == 1 else objects
    return json.dumps(value, ensure_ascii=False, indent=2) + "\n"
