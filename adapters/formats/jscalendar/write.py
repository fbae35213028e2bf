"""JSCalendar 2.0 to iCalendar (draft-ietf-calext-jscalendar-icalendar-25 §3).

Objects are expected to be valid; a member that no property can hold, and every unknown one, becomes JSPROP. Raises
`ValueError` (of which `ContentLineError` and `InvalidPatch` are kinds) for objects that are not valid JSCalendar.
"""

import json
from collections.abc import Callable
from itertools import chain

from adapters.formats import values as v
from adapters.formats.content_line_writer import serialize
from adapters.formats.content_lines import Component, ContentLine
from adapters.formats.jscalendar.alerts import write_action, write_alerts, write_trigger
from adapters.formats.jscalendar.links import write_conferences, write_description, write_links, write_relations
from adapters.formats.jscalendar.participants import write_participants
from adapters.formats.jscalendar.places import write_part_geo, write_places
from adapters.formats.jscalendar.read import ENTRY_TYPES, NO_DTSTAMP, OWN_PRODID, derived_group_uid
from adapters.formats.jscalendar.series import override_object, suppress_inherited, without_series, write_series
from adapters.formats.jscalendar.state import Writing
from adapters.formats.jscalendar.tables import PRIVACY, write_rows
from adapters.formats.jscalendar.timezones import Zones
from adapters.formats.jscalendar.write_times import write_times, writes_dates
from adapters.formats.values import Json, JsonObject

_COMPONENTS = {js_type: name for name, js_type in ENTRY_TYPES.items()}


def write_text(js: JsonObject) -> str:
    """A Group, Event or Task as iCalendar text."""
    return serialize(write_calendar(js))


def write_calendar(js: JsonObject) -> Component:
    """A Group, Event or Task as VCALENDAR. Raises `ValueError` for any other object."""
    is_group = js.get("@type") == "Group"
    if not is_group and js.get("@type") not in _COMPONENTS:
        raise ValueError(f"@type {js.get('@type')!r} is no Group, Event or Task")
    try:
        return write_group(js if is_group else {"@type": "Group", "entries": [js]}, group_uid=is_group)
    except OverflowError as error:
        raise ValueError("a time beyond the years 1 to 9999") from error


def write_group(group: JsonObject, *, group_uid: bool = True) -> Component:
    """A Group as VCALENDAR (§3.3); entries of unknown type are ignored (jscalendarbis §4.3.1)."""
    entries = [entry for entry in group.get("entries", ()) if entry.get("@type") in _COMPONENTS]
    kept = Writing.of(group, "VCALENDAR", Zones())
    zones = Zones(Component("VCALENDAR", [], kept.components))
    w = Writing.of(group, "VCALENDAR", zones)
    for name in ("entries", "version"):
        w.pop(name)
    prod_id = w.pop("prodId") or next((entry["prodId"] for entry in entries if "prodId" in entry), None)
    method = next((entry["method"] for entry in entries if "method" in entry), None)
    w.add("VERSION", "2.0")
    w.add("PRODID", OWN_PRODID if prod_id is None else v.write_text(prod_id), path="prodId")
    if method is not None:
        w.add("METHOD", v.write_verbatim(method).upper())
    if not group_uid or w.left.get("uid") == derived_group_uid(entries):
        w.pop("uid")
    write_rows(w)
    write_description(w)
    write_links(w)
    calendar = _finish(w)
    calendar.components += chain.from_iterable(write_entry(entry, zones, method, prod_id) for entry in entries)
    return calendar


def write_entry(
    entry: JsonObject, zones: Zones, method: str | None = None, prod_id: str | None = None
) -> list[Component]:
    """The component of an Event or Task and those of its overrides."""
    shared = {"method": method, "prodId": prod_id}
    entry = {name: value for name, value in entry.items() if name not in shared or value != shared[name]}
    main, overrides = _write_component(entry, zones)
    dates = writes_dates(entry)
    components = [main]
    bare = without_series(entry)
    for key, patch in overrides.items():
        override = override_object(bare, key, patch)
        for name in shared:
            override.pop(name, None)
        component, _ = _write_component(override, zones, override_of=dates)
        components.append(component)
    kept = [child for child in main.components if child.name == main.name]  # overrides kept apart when reading
    main.components = [child for child in main.components if child.name != main.name]
    return components + kept


def _write_component(
    entry: JsonObject, zones: Zones, override_of: bool | None = None
) -> tuple[Component, dict[str, JsonObject]]:
    w = Writing.of(entry, _COMPONENTS[entry["@type"]], zones)
    w.pop("version")
    _drop_superseded_class(w)
    if "updated" not in w.left:
        w.add("DTSTAMP", NO_DTSTAMP)
    _find_pointers(w)
    write_times(w, recurrence_dates=override_of)
    write_rows(w)
    overrides = write_series(w)
    write_description(w)
    write_alerts(w, _write_part_as("VALARM"))
    write_conferences(w)
    write_links(w)
    write_relations(w)
    write_places(w, _write_part_as("VLOCATION"))
    write_participants(w, _write_part_as("PARTICIPANT"))
    component = _finish(w)
    if override_of is not None:
        suppress_inherited(component, w.kept)
    return component, overrides


def _drop_superseded_class(w: Writing) -> None:
    """A kept CLASS stands for the privacy that was read from it, until the client says another."""
    for line in list(w.kept):
        if line.name == "CLASS" and line.value.strip().upper() not in PRIVACY:
            if w.left.get("privacy") == "private":
                w.pop("privacy")
            else:
                w.kept.remove(line)


# ------------------------------------------------------------------------------------------------------ parts


def _write_part_as(name: str) -> Callable[[JsonObject, Writing], Component]:
    def write(js: JsonObject, parent: Writing) -> Component:
        w = Writing.of(js, name, parent.zones)
        _PART_STEPS[name](w)
        write_rows(w)
        return _finish(w)

    return write


def _write_alarm(w: Writing) -> None:
    write_trigger(w)
    write_relations(w)
    write_action(w)


def _write_location(w: Writing) -> None:
    write_part_geo(w)
    write_links(w)


def _write_participant(w: Writing) -> None:
    address, name = w.pop("calendarAddress"), w.pop("name")
    if isinstance(address, str):
        w.add("CALENDAR-ADDRESS", v.write_verbatim(address))
    if isinstance(name, str):
        w.add("SUMMARY", v.write_text(name), path="name")
    write_description(w)
    write_links(w)


_PART_STEPS: dict[str, Callable[[Writing], None]] = {
    "VALARM": _write_alarm,
    "VLOCATION": _write_location,
    "PARTICIPANT": _write_participant,
}

# ----------------------------------------------------------------------------------------------------- JSPROP


def _find_pointers(w: Writing) -> None:
    """Which keys JSPROP will point through has to be known before their JSID may be omitted (§2.3.3): write the
    collections once to see."""
    if not any(name in w.left for name in ("links", "virtualLocations", "participants", "locations")):
        return
    trial = Writing.of(w.js, w.name, w.zones)
    write_links(trial)
    write_conferences(trial)
    write_places(trial, _write_part_as("VLOCATION"))
    write_participants(trial, _write_part_as("PARTICIPANT"))
    w.pinned = trial.pinned


def _finish(w: Writing) -> Component:
    """Add what is left over as JSPROP, and what was kept."""
    for name, value in w.left.items():
        w.point(name.replace("~", "~0").replace("/", "~1"), value)
    for path, value in w.pointers.items():
        w.lines.append(ContentLine("JSPROP", {"JSPTR": (path,)}, v.write_text(_compact(value))))
    return Component(w.name, w.lines + w.kept, w.components)


def _compact(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
