"""What a conversion of calendars did with the data (see `adapters.formats.conversion`)."""

import json
from collections import Counter
from collections.abc import Iterator

from adapters.formats.content_lines import Component
from adapters.formats.conversion import Report
from adapters.formats.jscalendar.facts import Fact, facts
from adapters.formats.jscalendar.read import read_calendar
from adapters.formats.jscalendar.timezones import Zones
from adapters.formats.jscalendar.write import write_calendar
from adapters.formats.pointer import escape, make_patch
from adapters.formats.values import Json, JsonObject


def report_icalendar(calendar: Component, group: JsonObject, report: Report) -> None:
    """Add what the conversion of a VCALENDAR to `group` did."""
    report.kept += _kept(group, "")
    zones = Zones(calendar)
    before, after = facts(calendar, zones), facts(write_calendar(group), zones)
    report.lost += _said(before - after)
    report.added += _said(after - before)


def _said(found: Counter[Fact]) -> list[str]:
    return [
        f"{fact.where}: {fact.name}{''.join(f';{name}={chr(44).join(v)}' for name, v in fact.parameters)}:{fact.value}"
        for fact in sorted(found)
    ]


def _kept(node: Json, path: str) -> Iterator[str]:
    """Every property and component that an `iCalendar` member keeps, with its path."""
    if isinstance(node, list):
        for index, item in enumerate(node):
            yield from _kept(item, f"{path}/{index}")
    if not isinstance(node, dict):
        return
    for name, value in node.items():
        here = f"{path}/{escape(name)}"
        if name == "iCalendar" and isinstance(value, dict):
            yield from (f"{prop[0].upper()} in {here}/properties" for prop in value.get("properties") or ())
            yield from (f"{part[0].upper()} in {here}/components" for part in value.get("components") or ())
            for pointer, entry in (value.get("convertedProperties") or {}).items():
                for parameter in entry.get("parameters") or ():
                    yield f"{entry['name'].upper()};{parameter.upper()} in {here}/convertedProperties/{escape(pointer)}"
        elif name == "iCalendar/properties":
            yield from (f"{prop[0].upper()} in {here}" for prop in value or ())
        else:
            yield from _kept(value, here)


def report_jscalendar(js: JsonObject, calendar: Component, report: Report) -> None:
    """Add what the conversion of a JSCalendar object to `calendar` did."""
    report.kept += _jsprops(calendar, calendar.name)
    again = read_calendar(calendar)
    if js.get("@type") != "Group":
        again = again["entries"][0] if again["entries"] else {}
        js = {name: value for name, value in js.items() if name != "version"}
    old_entries, new_entries = js.get("entries", []), again.get("entries", [])
    changes = {**make_patch({**js, "entries": []}, {**again, "entries": []})}
    for number, (old, new) in enumerate(zip(old_entries, new_entries, strict=False)):
        changes.update(make_patch(old, new, f"entries/{number}/"))
    if len(old_entries) != len(new_entries):
        report.lost.append(f"/entries: {len(old_entries)} entries became {len(new_entries)}")
    for pointer, value in changes.items():
        (report.lost if value is None else report.added).append(f"/{pointer}: {json.dumps(value, ensure_ascii=False)}")


def _jsprops(component: Component, where: str) -> Iterator[str]:
    for line in component.properties:
        if line.name == "JSPROP":
            yield f"{line.parameter('JSPTR')} as JSPROP in {where}"
    for child in component.components:
        yield from _jsprops(child, f"{where}/{child.name}")
