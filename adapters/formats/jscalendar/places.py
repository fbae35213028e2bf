"""LOCATION, GEO and VLOCATION to Location objects (draft-ietf-calext-jscalendar-icalendar-25 §2.2.4, §2.3.21, §2.3.25,
§3.5)."""

import re
from collections.abc import Callable

from adapters.formats.content_lines import Component, ContentLine
from adapters.formats.jscalendar.state import Reading, Writing
from adapters.formats.keys import component_key, is_id, property_key, value_key
from adapters.formats.pointer import escape
from adapters.formats.values import JsonObject, read_text, write_text

_GEO = re.compile(r"\s*\+?(-?\d+(?:\.\d+)?)\s*;\s*\+?(-?\d+(?:\.\d+)?)\s*")
_PLAIN_GEO_URI = re.compile(r"geo:(-?\d+(?:\.\d+)?),(-?\d+(?:\.\d+)?)")
_JOINER = "; "


def read_geo(raw: str) -> str:
    """GEO to a geo: URI; digits are kept, a plus sign is not (§2.3.21). Raises `ValueError`."""
    match = _GEO.fullmatch(raw)
    if match is None:
        raise ValueError(f"{raw!r} are no coordinates")
    return f"geo:{match[1]},{match[2]}"


def _is_derived(line: ContentLine) -> bool:
    return (line.parameter("DERIVED") or "").upper() == "TRUE"


def read_places(r: Reading, read_component: Callable[[Component], JsonObject]) -> None:
    """All locations of an event or task, and mainLocationId."""
    locations: JsonObject = {}
    parts = [component for component in r.component.components if component.name == "VLOCATION"]
    for component in parts:
        content = "\n".join(sorted(f"{line.name}:{line.value}" for line in component.properties))
        key = component_key(component.value("JSID"), component.value("UID"), content, locations)
        locations[key] = {"@type": "Location", **read_component(component)}
    line = r.take_first("LOCATION")
    geo = r.take_first("GEO")
    place = None
    if line is not None and not _is_derived(line):
        place = property_key(line.value, line.parameter("JSID"), locations)
        locations[place] = {"@type": "Location", "name": read_text(line.value)}
        if line.parameters:
            r.mark(f"locations/{place}/name", line, frozenset({"JSID", "VALUE"}))
    if geo is not None:
        _read_geo(r, geo, place, locations)
    if line is not None and _is_derived(line):
        _read_derived(r, line, locations, len(parts))
    elif place is not None and len(parts) > 1:
        r.js["mainLocationId"] = place
    if locations:
        r.js["locations"] = locations


def _read_geo(r: Reading, line: ContentLine, place: str | None, locations: JsonObject) -> None:
    try:
        coordinates = read_geo(line.value)
    except ValueError:
        r.kept.append(line)
        return
    if _is_derived(line):
        r.kept.append(line)
        return
    key = place or property_key(line.value, line.parameter("JSID"), locations)
    locations.setdefault(key, {"@type": "Location"})["coordinates"] = coordinates
    r.mark(f"locations/{key}/coordinates", line, frozenset({"JSID", "VALUE"}), always=True)


def _read_derived(r: Reading, line: ContentLine, locations: JsonObject, parts: int) -> None:
    """A derived LOCATION names the main VLOCATION; it is kept where writing would not bring it back."""
    name = read_text(line.value)
    main = next((key for key, place in locations.items() if place.get("name") == name), None)
    if main is not None and parts > 1:
        r.js["mainLocationId"] = main
    if len(line.parameters) > 1 or _derived_name(locations, r.js.get("mainLocationId")) != name:
        r.kept.append(line)


def _derived_name(locations: JsonObject, main: str | None) -> str | None:
    """The LOCATION value that stands for VLOCATIONs: the main one's name, else all names."""
    if main in locations:
        name = locations[main].get("name")
        return name if isinstance(name, str) else None
    names = [place["name"] for place in locations.values() if place.get("name")]
    return _JOINER.join(names) if names else None


def write_places(w: Writing, write_component: Callable[[JsonObject, Writing], Component]) -> None:
    """Location objects to LOCATION, GEO and VLOCATION (§3.5)."""
    locations = w.left.get("locations")
    if not isinstance(locations, dict) or not all(isinstance(place, dict) for place in locations.values()):
        return
    del w.left["locations"]
    main = w.pop("mainLocationId")
    simple = _location_property(w, locations, main)
    if simple is not None:
        _write_simple(w, simple, locations[simple])
    parts = {key: place for key, place in locations.items() if key != simple}
    for key, place in parts.items():
        _write_part(w, key, place, write_component)
    implied = simple if len(parts) > 1 and simple is not None and "name" in locations[simple] else None
    if simple is None and not any(line.name == "LOCATION" for line in w.kept):
        derived = _derived_name(parts, main)
        if derived:
            w.add("LOCATION", write_text(derived), {"DERIVED": ("TRUE",)})
    if simple is None and len(parts) > 1 and any(line.name == "LOCATION" for line in w.lines + w.kept):
        wanted = next(read_text(line.value) for line in w.lines + w.kept if line.name == "LOCATION")
        implied = next((key for key, place in parts.items() if place.get("name") == wanted), None)
    if main is not None and main != implied:
        w.point("mainLocationId", main)


def _location_property(w: Writing, locations: JsonObject, main: str | None) -> str | None:
    """The key of the one Location that LOCATION and GEO can hold completely, if there is one."""
    fits = [key for key, place in locations.items() if _fits(w, key, place)]
    if main is not None and len(locations) > 2:
        return main if main in fits else None
    if main is None and len(locations) > 2 and not any(f"locations/{key}/coordinates" in w.converted for key in fits):
        return None  # with several VLOCATIONs a LOCATION would be read as the main one
    return fits[0] if fits else None


def _fits(w: Writing, key: str, place: JsonObject) -> bool:
    members = place.keys() - {"@type"}
    if w.source(f"locations/{key}/coordinates") == "geo" and _PLAIN_GEO_URI.fullmatch(str(place.get("coordinates"))):
        return members <= {"name", "coordinates"}
    return members == {"name"}


def _write_simple(w: Writing, key: str, place: JsonObject) -> None:
    name, coordinates = place.get("name"), place.get("coordinates")
    if name is not None:
        raw = write_text(name)
        parameters = {"JSID": (key,)} if value_key(raw) != key or key in w.pinned else {}
        w.add("LOCATION", raw, parameters, f"locations/{key}/name")
    if coordinates is not None:
        raw = coordinates.removeprefix("geo:").replace(",", ";")
        own_key = name is None and (value_key(raw) != key or key in w.pinned)
        w.add("GEO", raw, {"JSID": (key,)} if own_key else {}, f"locations/{key}/coordinates")


def _write_part(
    w: Writing, key: str, place: JsonObject, write_component: Callable[[JsonObject, Writing], Component]
) -> None:
    component = write_component({name: value for name, value in place.items() if name != "@type"}, w)
    uid = component.value("UID")
    if uid is None and w.source(f"locations/{escape(key)}/coordinates") is None and "iCalendar" not in place:
        component.properties.insert(0, ContentLine("UID", {}, key))  # RFC 9073 §7.2: mandatory
        uid = key
    content = "\n".join(sorted(f"{line.name}:{line.value}" for line in component.properties))
    expected = component_key(None, uid, content, ())
    if expected != key or not is_id(key):
        component.properties.append(ContentLine("JSID", {}, key))
    w.components.append(component)


def read_part_geo(r: Reading) -> None:
    """GEO of a VLOCATION component to coordinates, where COORDINATES does not say them."""
    line = r.take_first("GEO")
    if line is None:
        return
    try:
        if "coordinates" in r.js:
            raise ValueError("COORDINATES says it")  # noqa: TRY301 - kept like an invalid GEO
        r.js["coordinates"] = read_geo(line.value)
        r.mark("coordinates", line, always=True)
    except ValueError:
        r.kept.append(line)


def write_part_geo(w: Writing) -> None:
    """coordinates that came from GEO back to it."""
    match = _PLAIN_GEO_URI.fullmatch(str(w.left.get("coordinates")))
    if match is not None and w.source("coordinates") == "geo":
        w.add("GEO", f"{match[1]};{match[2]}", path="coordinates")
        w.pop("coordinates")
