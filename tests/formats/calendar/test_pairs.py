"""The published pairs: every example of the draft, and calcard's where the current drafts still bless them."""

import json
import re
from itertools import pairwise
from typing import Any

import pytest

from adapters.formats.content_lines import Component, parse
from adapters.formats.jscalendar.facts import Fact, facts
from adapters.formats.jscalendar.read import read_calendar, read_stream
from adapters.formats.jscalendar.rfc8984 import downgrade, upgrade
from adapters.formats.jscalendar.write import write_calendar, write_text
from tests.formats.calendar.corpus import missing, pairs

DRAFT = {case["id"]: case for case in pairs("draft-jscalendar-icalendar-25.jsonl")}
CALCARD = {case["id"]: case for case in pairs("calcard-jscalendar.jsonl")}
RFC8984 = {case["id"]: case for case in pairs("rfc8984-examples.jsonl")}
# members that the pairs fill in with some value because they are mandatory (draft §1.3)
_FILLED = {"UID", "DTSTAMP", "DTSTART", "PRODID", "VERSION"}


def _unfilled(expected: dict[str, Any], source: str) -> dict[str, Any]:
    """The expected Group without the uids that the pair made up."""
    copy = {key: value for key, value in expected.items() if key != "uid" or f"UID:{value}" in source}
    entries = [
        {key: value for key, value in entry.items() if key != "uid" or f"UID:{value}" in source}
        for entry in copy["entries"]
    ]
    return {**copy, "entries": sorted(entries, key=lambda entry: str(entry.get("uid")))}


@pytest.mark.parametrize("case", DRAFT)
def test_the_drafts_example_converts_to_jscalendar(case: str) -> None:
    source, expected = DRAFT[case]["ical"], DRAFT[case]["jscal"]
    group = read_calendar(parse(source).components[0])
    if len(group["entries"]) > 1:
        group["entries"].sort(key=lambda entry: entry["uid"])
    assert missing(_unfilled(expected, source), group) == []


# the figures leave out the rel "enclosure" that §2.3.3 sets; a Link without rel becomes LINK (§3.4, criterion 4)
_WITHOUT_REL = {"test-ical-prop-attach-binary", "test-ical-prop-attach-uri"}


@pytest.mark.parametrize("case", DRAFT)
def test_the_drafts_example_converts_to_icalendar(case: str) -> None:
    wanted = parse(DRAFT[case]["ical"]).components[0]
    js = DRAFT[case]["jscal"]
    if case in _WITHOUT_REL:
        for link in js["entries"][0]["links"].values():
            link.setdefault("rel", "enclosure")
    written = write_calendar(js)
    assert _said(wanted) - _said(written) == set()


def _said(calendar: Component) -> set[tuple[str, str, Any]]:
    """Facts without what the pair filled in, and without where entries with made-up uids stand."""

    def place(fact: Fact) -> str:
        return re.sub(r"(VEVENT|VTODO) \S+", r"\1", fact.where)

    return {(place(f), f.name, (f.value, f.parameters)) for f in facts(calendar) if f.name not in _FILLED}


@pytest.mark.parametrize("case", DRAFT)
def test_the_drafts_example_comes_back_unchanged(case: str) -> None:
    group = read_calendar(parse(DRAFT[case]["ical"]).components[0])
    again = read_stream(write_text(group)).groups[0]
    assert missing(group, again) + missing(again, group) == []


# ---------------------------------------------------------------------------------------------------- calcard

_MINUS_21 = "rule of -21, which -25 replaced: "
CALCARD_NOT_MET = {
    "003_alert#004 VALARM - TRIGGER (absolute)": _MINUS_21 + "VALUE is recorded; -25 §2.3.44 derives it from the kind",
    "004_link#000 ATTACH": _MINUS_21 + "the name is always recorded; -25 §3.4 derives it from rel",
    "004_link#001 ATTACH with FMTTYPE": "-25 §2.3.3: the media type MUST stand in the data URL",
    "004_link#002 IMAGE": "-25 Table 16: the title is FILENAME; LABEL is no parameter of IMAGE",
    "005_participant#001 ATTENDEE property and PARTICIPANT component": "-25 §2.3.5: only without an ATTENDEE",
    "006_location#006 LOCATION and multiple VLOCATION": "keys of VLOCATIONs without UID are implementation-specific",
    "006_location#009 VLOCATION conversion": "-25 Figure 12: the key is the UID",
    "007_date#000 DTEND property with different timezones": "-25 §2.3.14: endTimeZone implies DTEND",
    "010_complete#010 JSCalendar - Recurring Event with Overrides": "bis has no Location.description: JSPROP, §3.5",
    "010_complete#012 RRULE and non-IANA timezone": "a floating time with its TZID; here Europe/Berlin",
}


def _complete(text: str) -> Component:
    """An example of calcard's: components that are not spelled out are implied (draft §1.3.1)."""
    lines = [line for line in re.sub(r"\n ", "", text.replace("\r", "")).split("\n") if line]
    stack = []
    for line in lines:
        if line.startswith("BEGIN:"):
            stack.append(line[6:])
        elif line.startswith("END:") and stack:
            stack.pop()
    lines += [f"END:{component}" for component in reversed(stack)]
    if not lines[0].startswith("BEGIN:"):
        lines = ["BEGIN:VEVENT", *lines, "END:VEVENT"]
    if lines[0] != "BEGIN:VCALENDAR":
        if lines[-1] == "END:VCALENDAR":
            lines.pop()
        lines = ["BEGIN:VCALENDAR", *lines, "END:VCALENDAR"]
    return parse("\n".join(lines)).components[0]


def _object(text: str) -> dict[str, Any]:
    text = text.strip().rstrip(",")
    value: dict[str, Any] = json.loads(text if text.startswith("{") else "{" + text + "}")
    return value


def _expected(text: str) -> dict[str, Any]:
    value = _old_dialect(_object(text))
    assert isinstance(value, dict)
    return value if value.get("@type") == "Group" else {"entries": [{"@type": "Event", **value}]}


def _old_dialect(value: Any) -> Any:
    """calcard writes the rules of -21: untyped kept values, and VALUE among the parameters of converted ones."""
    if isinstance(value, list):
        if len(value) == 4 and isinstance(value[0], str) and isinstance(value[1], dict):
            return [value[0], value[1], ..., value[3]]
        return [_old_dialect(item) for item in value]
    if isinstance(value, dict):
        result = {key: _old_dialect(item) for key, item in value.items() if key != "value"}
        return {key: item for key, item in result.items() if item not in ({}, [])}
    return value


@pytest.mark.parametrize("case", [case for case in CALCARD if case not in CALCARD_NOT_MET])
def test_calcards_example(case: str) -> None:
    steps = CALCARD[case]["steps"]
    for source, target in pairwise(steps):
        if source["text"].lstrip().startswith(("{", '"')):
            js = _object(source["text"])
            js.setdefault("@type", "Event")
            js.setdefault("uid", "filled-in")
            assert _said(_complete(target["text"])) - _said(write_calendar(js)) == set()
        else:
            group = read_calendar(_complete(source["text"]))
            assert missing(_expected(target["text"]), group) == []


def test_every_exception_is_a_case() -> None:
    assert set(CALCARD_NOT_MET) <= set(CALCARD)


# ---------------------------------------------------------------------------------------------------- RFC 8984


@pytest.mark.parametrize("case", RFC8984)
def test_the_old_names_convert_both_ways(case: str) -> None:
    old = RFC8984[case]["jscal"]
    new = upgrade(old, [])
    assert read_stream(write_text(new)).groups[0]["entries"][0]["title"] == old["title"]
    assert not {"recurrenceRules", "replyTo"} & new.keys()
    again = downgrade(new, [])
    assert upgrade(again, []) == new
