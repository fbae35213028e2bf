"""`jmap-gateway convert`: iCalendar to JSCalendar 2.0 and back, for people who test compatibility.

Exit status: 0 converted and a round trip changes nothing; 1 converted, and a round trip would change something
(see --report); 2 the input could not be read.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from adapters.formats.content_line_writer import serialize
from adapters.formats.content_lines import Document, parse
from adapters.formats.jscalendar.read import read_calendar, read_stream
from adapters.formats.jscalendar.report import Report, report_icalendar, report_jscalendar
from adapters.formats.jscalendar.rfc8984 import downgrade, old_names, upgrade
from adapters.formats.jscalendar.write import write_calendar

OK, CHANGED, UNREADABLE = 0, 1, 2


class _Unreadable(Exception):
    """The input is neither; the message says where and why."""


def run(args: argparse.Namespace) -> int:
    """Convert as the arguments say (`file`, `to`, `from_rfc8984`, `report`); the exit status."""
    report = Report()
    try:
        data = sys.stdin.buffer.read() if args.file == "-" else Path(args.file).read_bytes()
        output = _convert(data, args, report)
    except (OSError, _Unreadable, ValueError) as error:
        sys.stderr.write(f"{args.file}: {error}\n")
        return UNREADABLE
    sys.stdout.write(output)
    if args.report:
        sys.stderr.write("".join(f"{line}\n" for line in report.lines()))
    return OK if report.clean else CHANGED


def _convert(data: bytes, args: argparse.Namespace, report: Report) -> str:
    if data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in {b"{", b"["}:
        objects = _read_json(data, report, accept_old=args.from_rfc8984)
        if args.to in {"jscalendar", "rfc8984"}:
            return _json([_target(js, args.to, report) for js in objects])
        calendars = [write_calendar(js) for js in objects]
        for js, calendar in zip(objects, calendars, strict=True):
            report_jscalendar(js, calendar, report)
        return serialize(*calendars)
    groups = _read_icalendar(data, report)
    if args.to == "icalendar":
        return serialize(*(write_calendar(group) for group in groups))
    return _json([_target(group, args.to, report) for group in groups])


def _target(js: dict[str, Any], to: str | None, report: Report) -> dict[str, Any]:
    return downgrade(js, report.remarks) if to == "rfc8984" else js


def _read_icalendar(data: bytes, report: Report) -> list[dict[str, Any]]:
    document = parse(data)
    report.remarks += [f"line {problem.line}: {problem.reason}" for problem in document.problems]
    calendars = [component for component in document.components if component.name == "VCALENDAR"]
    if len(calendars) != len(document.components) or not calendars:
        stream = read_stream(data)
        report.remarks += stream.notes
        return stream.groups
    return [_read_calendar(document, index, report) for index in range(len(calendars))]


def _read_calendar(document: Document, index: int, report: Report) -> dict[str, Any]:
    calendar = document.components[index]
    group = read_calendar(calendar, report.remarks)
    report_icalendar(calendar, group, report)
    return group


def _read_json(data: bytes, report: Report, *, accept_old: bool) -> list[dict[str, Any]]:
    try:
        value = json.loads(data)
    except json.JSONDecodeError as error:
        raise _Unreadable(f"line {error.lineno}, column {error.colno}: {error.msg}") from error
    except (UnicodeDecodeError, RecursionError) as error:
        raise _Unreadable(f"no readable JSON: {error}") from error
    objects = value if isinstance(value, list) else [value]
    for number, js in enumerate(objects, 1):
        if not isinstance(js, dict):
            raise _Unreadable(f"item {number} is no JSON object")
        old = old_names(js)
        if old and not accept_old:
            raise _Unreadable(f"item {number} uses names of RFC 8984 ({', '.join(old)}); see --from-rfc8984")
    return [upgrade(js, report.remarks) for js in objects] if accept_old else objects


def _json(objects: list[dict[str, Any]]) -> str:
    value = objects[0] if len(objects) == 1 else objects
    return json.dumps(value, ensure_ascii=False, indent=2) + "\n"
