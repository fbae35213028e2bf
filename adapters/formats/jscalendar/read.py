"""iCalendar to JSCalendar 2.0 (draft-ietf-calext-jscalendar-icalendar-25 §2).

`read_calendar` turns one VCALENDAR into a Group; `read_stream` reads a whole file. The result is complete: what has
no equivalent is kept in the `iCalendar` members, so that `write.write_group` gives the same iCalendar data back.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from adapters.formats import values as v
from adapters.formats.content_lines import Component, ContentLine, ContentLineError, Limits, Problem, parse
from adapters.formats.jcal import component_to_jcal
from adapters.formats.jscalendar.alerts import read_alerts, read_trigger
from adapters.formats.jscalendar.links import read_conferences, read_description, read_links, read_relations
from adapters.formats.jscalendar.participants import read_participants
from adapters.formats.jscalendar.places import read_part_geo, read_places
from adapters.formats.jscalendar.series import inherited, keep_unpatchable, override_key, override_patch, read_series
from adapters.formats.jscalendar.state import Reading
from adapters.formats.jscalendar.tables import PRIVACY, read_rows
from adapters.formats.jscalendar.times import inherit_duration, read_times
from adapters.formats.jscalendar.timezones import Zones, is_iana
from adapters.formats.json_text import read_json
from adapters.formats.keys import value_key
from adapters.formats.pointer import InvalidPatch, get_pointer, set_pointer
from adapters.formats.values import Json, JsonObject

OWN_PRODID = "-//jmap-gateway//JSCalendar//EN"  # written where there is no prodId, and then not read as one
NO_DTSTAMP = "19700101T000000Z"  # the same for a missing `updated`
ENTRY_TYPES = {"VEVENT": "Event", "VTODO": "Task"}
_PARTS = frozenset({"VALARM", "VLOCATION", "PARTICIPANT"})


@dataclass(slots=True)
class Stream:
    """All Groups of a stream, what was read around in the text, and what was converted with a remark."""

    groups: list[JsonObject]
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read_stream(data: str | bytes, limits: Limits | None = None) -> Stream:
    """Read every VCALENDAR of a stream; components that stand alone are read as if in one.

    Raises `ContentLineError` where the text is no iCalendar stream.
    """
    document = parse(data, limits)
    if not document.components:
        raise ContentLineError("no component", 1)
    notes: list[str] = []
    groups = []
    loose = Component("VCALENDAR")
    for component in document.components:
        if component.name == "VCALENDAR":
            groups.append(read_calendar(component, notes))
        elif component.name in ENTRY_TYPES or component.name.startswith("V"):
            loose.components.append(component)
        else:
            raise ContentLineError(f"{component.name} is no calendar component", document.line_number(component))
    if loose.components:
        groups.append(read_calendar(loose, notes))
    return Stream(groups, document.problems, notes)


def read_calendar(calendar: Component, notes: list[str] | None = None) -> JsonObject:
    """One VCALENDAR as Group (§2.1.1); `notes` takes the remarks."""
    notes = [] if notes is None else notes
    zones = Zones(calendar)
    r = Reading(calendar, zones, notes)
    _leave_out(r, "VERSION", "2.0")
    method = r.take_first("METHOD")
    prod_id = _read_prod_id(r)
    read_rows(r)
    _read_collections(r)
    r.kept_components = [child for child in calendar.components if _is_kept(child)]
    entries = _read_entries(calendar, zones, notes)
    for entry in entries:
        if method is not None:
            entry.setdefault("method", method.value.strip().lower())  # §2.3.27
        if prod_id is not None:
            entry.setdefault("prodId", prod_id)
    if method is not None and not entries:
        r.kept.append(method)
    r.js.setdefault("uid", derived_group_uid(entries))
    _apply_jsprops(r)
    group = r.finish()
    return {"@type": "Group", "version": "2.0", **group, "entries": entries}


def derived_group_uid(entries: list[JsonObject]) -> str:
    """The uid of a Group whose VCALENDAR has none: the same for the same entries."""
    return value_key("\n".join(sorted({str(entry.get("uid")) for entry in entries})))


def derived_uid(component: Component) -> str:
    """The uid of an event or task whose component has none: the same for the same content."""
    return value_key("\n".join(sorted(f"{line.name}:{line.value}" for line in component.properties)))


def _is_kept(child: Component) -> bool:
    """Whether a component has no JSCalendar form. The VTIMEZONE of an IANA name says nothing (§2.1.4)."""
    if child.name == "VTIMEZONE":
        return not is_iana(child.value("TZID") or "")
    return child.name not in ENTRY_TYPES


def _leave_out(r: Reading, name: str, value: str) -> None:
    if r.component.value(name) == value and not r.lines[name][0].parameters:
        r.lines[name].pop(0)


def _read_prod_id(r: Reading) -> str | None:
    line = r.take_first("PRODID")
    if line is None or line.value == OWN_PRODID:
        return None
    r.js["prodId"] = v.read_text(line.value)
    r.mark("prodId", line)
    return v.read_text(line.value)


# ---------------------------------------------------------------------------------------------------- entries


def _read_entries(calendar: Component, zones: Zones, notes: list[str]) -> list[JsonObject]:
    """Events and tasks in the order of the text, overrides folded into their main component (§2.1.2)."""
    components = [child for child in calendar.components if child.name in ENTRY_TYPES]
    series = {
        (child.name, child.value("UID"))
        for child in components
        if child.first("RECURRENCE-ID") is None and (child.first("RRULE") or child.first("RDATE")) is not None
    }
    entries: list[JsonObject] = []
    mains: dict[tuple[str, str | None], tuple[JsonObject, bool]] = {}
    overrides: list[Component] = []
    for child in components:
        key = (child.name, child.value("UID"))
        if child.first("RECURRENCE-ID") is not None and key in series:
            overrides.append(child)
            continue
        entry, dates = _read_entry(child, zones, notes)
        entries.append(entry)
        if key in series:
            mains.setdefault(key, (entry, dates))
    # of two overrides of one instance the later revision counts
    for child in sorted(overrides, key=_sequence, reverse=True):
        main, dates = mains[child.name, child.value("UID")]
        _read_override(child, main, zones, notes, dates=dates)
    return entries


def _sequence(component: Component) -> int:
    value = component.value("SEQUENCE") or ""
    return int(value) if value.isdecimal() else 0


def _read_entry(component: Component, zones: Zones, notes: list[str]) -> tuple[JsonObject, bool]:
    """The entry of a component, and whether its times are DATE values."""
    r = _convert_entry(component, zones, notes)
    entry = {"@type": ENTRY_TYPES[component.name], **r.finish()}
    if "uid" not in entry:
        entry["uid"] = derived_uid(component)
        notes.append(f"{component.name} has no UID: {entry['uid']} derived from its content")
    return entry, r.dates


def _convert_entry(component: Component, zones: Zones, notes: list[str]) -> Reading:
    r = Reading(component, zones, notes, task=component.name == "VTODO")

    def part(child: Component) -> JsonObject:
        return read_part(child, zones, notes)

    if component.value("DTSTAMP") == NO_DTSTAMP:
        r.take("DTSTAMP")
    read_times(r)
    read_rows(r)
    _protect_privacy(r)
    read_series(r)
    _read_collections(r)
    if component.components:
        r.kept_components = [child for child in component.components if child.name not in _PARTS]
        read_alerts(r, part)
    if component.components or not r.lines.keys().isdisjoint(_PLACES_AND_PEOPLE):
        read_places(r, part)
        read_participants(r, part)
    _apply_jsprops(r)
    return r


def _read_collections(r: Reading) -> None:
    for names, read in _COLLECTIONS:
        if not r.lines.keys().isdisjoint(names):
            read(r)


_COLLECTIONS: tuple[tuple[frozenset[str], Callable[[Reading], None]], ...] = (
    (frozenset({"DESCRIPTION", "STYLED-DESCRIPTION"}), read_description),
    (frozenset({"ATTACH", "IMAGE", "LINK", "URL"}), read_links),
    (frozenset({"CONFERENCE"}), read_conferences),
    (frozenset({"RELATED-TO"}), read_relations),
)
_PLACES_AND_PEOPLE = frozenset({"LOCATION", "GEO", "ATTENDEE", "ORGANIZER"})


def _protect_privacy(r: Reading) -> None:
    """An unknown CLASS is kept, and treated as PRIVATE (RFC 5545 §3.8.1.3): it must not appear as public."""
    for line in r.kept:
        if line.name == "CLASS" and line.value.strip().upper() not in PRIVACY:
            r.js.setdefault("privacy", "private")


def _read_override(component: Component, main: JsonObject, zones: Zones, notes: list[str], *, dates: bool) -> None:
    r = _convert_entry(component, zones, notes)
    overrides = main.setdefault("recurrenceOverrides", {})
    if "recurrenceId" not in r.js:
        r.note(f"RECURRENCE-ID {component.value('RECURRENCE-ID')!r} is no date or time: the instance is kept apart")
        _keep_component(main, component)
        return
    key = override_key(r, main, dates=dates)
    if overrides.get(key):
        replaced = overrides[key]
        if replaced != {"excluded": True} and set(replaced) != {"duration"}:
            r.note(f"second override of {key}: kept apart")
            _keep_component(main, component)
            return
    was_rdate = key in overrides and overrides[key] != {"excluded": True}
    base = inherited(main, key)
    keep_unpatchable(r, base)
    inherit_duration(r.js, base)
    if "updated" in base:
        r.js.setdefault("updated", base["updated"])  # DTSTAMP is mandatory
    patch = override_patch(base, r.finish())
    if overrides.get(key) == {"excluded": True}:
        r.note(f"{key} is both excluded and overridden: the override counts")
    overrides[key] = patch
    if was_rdate or not patch:
        source = "rdate" if was_rdate and patch else "recurrence-id"
        _converted(main)[f"recurrenceOverrides/{key}"] = {"@type": "ICalProperty", "name": source}


def _member(main: JsonObject) -> JsonObject:
    name = "vtodo" if main["@type"] == "Task" else "vevent"
    member: JsonObject = main.setdefault("iCalendar", {"@type": "ICalComponent", "name": name})
    return member


def _converted(main: JsonObject) -> JsonObject:
    converted: JsonObject = _member(main).setdefault("convertedProperties", {})
    return converted


def _keep_component(main: JsonObject, component: Component) -> None:
    _member(main).setdefault("components", []).append(component_to_jcal(component))


# ------------------------------------------------------------------------------------------------------ parts


def read_part(component: Component, zones: Zones, notes: list[str]) -> JsonObject:
    """A VALARM, VLOCATION or PARTICIPANT by itself, without @type."""
    r = Reading(component, zones, notes)
    r.take("JSID")
    read_rows(r)
    _PART_STEPS[component.name](r)
    r.kept_components = list(component.components)
    _apply_jsprops(r)
    return r.finish(always=component.name != "VALARM")


def _read_alarm(r: Reading) -> None:
    read_trigger(r)
    read_relations(r)


def _read_location(r: Reading) -> None:
    read_part_geo(r)
    read_links(r)


def _read_participant(r: Reading) -> None:
    address = r.take_first("CALENDAR-ADDRESS")
    if address is not None:
        r.js["calendarAddress"] = address.value
    summary = r.take_first("SUMMARY")
    if summary is not None:
        r.js["name"] = v.read_text(summary.value)
        r.mark("name", summary, always=address is not None)
    read_description(r)
    read_links(r)


_PART_STEPS: dict[str, Callable[[Reading], None]] = {
    "VALARM": _read_alarm,
    "VLOCATION": _read_location,
    "PARTICIPANT": _read_participant,
}

# ----------------------------------------------------------------------------------------------------- JSPROP


def _apply_jsprops(r: Reading) -> None:
    """Set what JSPROP properties say, last of all; only new members, nothing inside arrays (§4.1.2)."""
    for line in r.take("JSPROP"):
        try:
            _apply_jsprop(r.js, line)
        except (ValueError, InvalidPatch):
            r.kept.append(line)


def _apply_jsprop(js: JsonObject, line: ContentLine) -> None:
    pointer = line.parameter("JSPTR") or ""
    value: Json = read_json(v.read_text(line.value))
    if not pointer or pointer.startswith("/") or value is None or pointer.partition("/")[0] == "iCalendar":
        raise InvalidPatch(f"JSPTR {pointer!r}")
    parent, _, last = pointer.rpartition("/")
    if (parent and not isinstance(get_pointer(js, parent), dict)) or not last:
        raise InvalidPatch(f"JSPTR {pointer!r} points nowhere")
    if get_pointer(js, pointer) is None:
        set_pointer(js, pointer, value)
