"""What one conversion of one object carries along, in each direction."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from adapters.formats.content_line_heads import Parameters
from adapters.formats.content_lines import Component, ContentLine
from adapters.formats.jcal import (
    component_from_jcal,
    component_to_jcal,
    from_jcal,
    jcal_parameters,
    line_parameters,
    to_jcal,
)
from adapters.formats.jscalendar.timezones import Zones
from adapters.formats.pointer import escape, tokens
from adapters.formats.values import Json, JsonObject

_T = TypeVar("_T")
_VALUE = frozenset({"VALUE"})


class Reading:
    """A component on its way to a JSCalendar object: what is not taken in the end is kept in `iCalendar`."""

    def __init__(self, component: Component, zones: Zones, notes: list[str], *, task: bool = False) -> None:
        self.component = component
        self.zones = zones
        self.notes = notes
        self.task = task
        self.dates = False  # whether the times of the component are DATE values
        self.js: JsonObject = {}
        self.kept: list[ContentLine] = []
        self.kept_components: list[Component] = []
        self.converted: dict[str, JsonObject] = {}
        self.lines: dict[str, list[ContentLine]] = {}
        for line in component.properties:
            self.lines.setdefault(line.name, []).append(line)

    def take(self, name: str) -> list[ContentLine]:
        """All properties of a name, which the caller now answers for."""
        return self.lines.pop(name, [])

    def take_first(self, name: str) -> ContentLine | None:
        """The first property of a name; further ones are kept as they are."""
        lines = self.lines.pop(name, None)
        if not lines:
            return None
        if len(lines) > 1:
            self.kept += lines[1:]
        return lines[0]

    def note(self, text: str) -> None:
        """Say what could not be converted as it stands."""
        self.notes.append(f"{self.component.name} {self.component.value('UID') or ''}: {text}".replace(" :", ":"))

    def mark(
        self,
        path: str,
        line: ContentLine,
        used: frozenset[str] = _VALUE,
        *,
        always: bool = False,
        value_type: str | None = None,
    ) -> None:
        """Record in convertedProperties what `path` came from: the parameters not in `used`, or the name itself."""
        if not always and value_type is None and line.parameters.keys() <= used:
            return
        parameters = jcal_parameters(line.parameters, used)
        entry: JsonObject = {"@type": "ICalProperty", "name": line.name.lower()}
        if value_type is not None:
            entry["valueType"] = value_type
        if parameters:
            entry["parameters"] = parameters
        self.converted[path] = entry

    def finish(self, *, always: bool = False) -> JsonObject:
        """The object, with its `iCalendar` member if there is something to say in it."""
        for lines in self.lines.values():
            self.kept += lines
        if self.kept or self.kept_components or self.converted or always:
            member: JsonObject = {"@type": "ICalComponent", "name": self.component.name.lower()}
            if self.converted:
                member["convertedProperties"] = self.converted
            if self.kept:
                self.kept.sort(key=lambda line: line.name)
                member["properties"] = [to_jcal(line) for line in self.kept]
            if self.kept_components:
                member["components"] = [component_to_jcal(child) for child in self.kept_components]
            self.js["iCalendar"] = member
        return self.js


@dataclass(slots=True)
class Writing:
    """A JSCalendar object on its way to a component: what is not popped in the end becomes JSPROP."""

    js: JsonObject
    name: str
    zones: Zones
    left: JsonObject = field(default_factory=dict)
    converted: dict[str, JsonObject] = field(default_factory=dict)
    lines: list[ContentLine] = field(default_factory=list)
    kept: list[ContentLine] = field(default_factory=list)
    components: list[Component] = field(default_factory=list)
    pointers: dict[str, Json] = field(default_factory=dict)
    pinned: set[str] = field(default_factory=set)
    dates: bool = False

    @classmethod
    def of(cls, js: JsonObject, name: str, zones: Zones) -> "Writing":
        """Start with what the `iCalendar` member kept; members of it that are not valid are left out."""
        writing = cls(js, name, zones, left={key: value for key, value in js.items() if key != "@type"})
        member = writing.left.pop("iCalendar", None)
        if isinstance(member, dict):
            converted = member.get("convertedProperties")
            if isinstance(converted, dict):
                writing.converted = {path: entry for path, entry in converted.items() if isinstance(entry, dict)}
            writing.kept = _valid(member.get("properties"), from_jcal)
            writing.components = _valid(member.get("components"), component_from_jcal)
        return writing

    def pop(self, key: str) -> Json:
        """Take a property of the object; None if it has none."""
        return self.left.pop(key, None)

    def source(self, path: str) -> str | None:
        """The lower-case name of the property that the value at `path` came from, if it was recorded."""
        entry = self.converted.get(path)
        return entry.get("name") if entry else None

    def recorded(self, path: str) -> dict[str, tuple[str, ...]]:
        """The recorded parameters of the property that the value at `path` came from."""
        entry = self.converted.get(path)
        try:
            return line_parameters(entry["parameters"]) if entry and "parameters" in entry else {}
        except ValueError:
            return {}

    def add(self, name: str, raw: str, parameters: Parameters | None = None, path: str = "") -> None:
        """Write a property, with the parameters recorded for `path` that it does not have already."""
        found = dict(parameters or {})
        if path in self.converted:
            for key, values in self.recorded(path).items():
                if values:  # none: recorded as absent
                    found.setdefault(key, values)
        self.lines.append(ContentLine(name, found, raw))

    def point(self, path: str, value: Json) -> None:
        """Leave a value to a JSPROP property (draft-ietf-calext-jscalendar-icalendar-25 §4.1.2)."""
        if value is None:
            return
        self.pointers[path] = value
        self.pinned.update(tokens(path)[1:2])

    def point_rest(self, path: str, rest: JsonObject) -> None:
        """Leave the members of an object that did not convert to JSPROP properties."""
        for key, value in rest.items():
            self.point(f"{path}/{escape(key)}", value)


def _valid(values: Json, convert: Callable[[Json], _T]) -> list[_T]:
    found: list[_T] = []
    for value in values if isinstance(values, list) else ():
        try:
            found.append(convert(value))
        except ValueError:
            continue
    return found
