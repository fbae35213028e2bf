"""Properties and components as jCal (RFC 7265) and jCard (RFC 7095): the form in which JSCalendar and JSContact keep
what has no home in them.

A value is given its jCal type where that reads back to exactly the same text; any other value stays verbatim as
"unknown" (RFC 7265 §5), so that nothing is lost by being kept.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from adapters.formats.content_line_heads import Parameters
from adapters.formats.content_lines import Component, ContentLine
from adapters.formats.values import Json, read_stamp, read_text, split_raw, write_text


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What a format says of its properties, by lower-case name: default types, which are lists, which have parts."""

    types: Mapping[str, str]
    lists: frozenset[str]
    structured: frozenset[str] = frozenset()

    def default_type(self, name: str) -> str:
        """The lower-case default value type of a property, "unknown" where the standards name none."""
        return self.types.get(name.lower(), "unknown")


def types_by_name(names_by_type: Mapping[str, str]) -> dict[str, str]:
    """The default types of a vocabulary, out of the names of each type."""
    return {name: value_type for value_type, names in names_by_type.items() for name in names.split()}


ICALENDAR = Vocabulary(
    types_by_name(
        {
            "text": "action calscale categories class comment contact description jsid jsprop location location-type "
            "method name participant-type prodid proximity related-to request-status resources status "
            "styled-description summary "
            "transp tzid tzname uid version color concept reason",
            "date-time": "acknowledged completed created dtend dtstamp dtstart due exdate last-modified rdate "
            "recurrence-id",
            "duration": "duration estimated-duration trigger",
            "uri": "attach tzurl url",
            "cal-address": "attendee calendar-address organizer",
            "integer": "percent-complete priority repeat sequence",
            "recur": "exrule rrule",
            "period": "freebusy",
        }
    ),
    lists=frozenset({"categories", "resources", "exdate", "rdate", "freebusy", "location-type"}),
)


def _identity(raw: str) -> str:
    return raw


def _read_date_time(raw: str) -> str:
    stamp = read_stamp(raw)
    return stamp.local + "Z" if stamp.is_utc else stamp.local


def _read_date(raw: str) -> str:
    return read_stamp(raw).local[:10]


def _write_stamp(value: str) -> str:
    return value.replace("-", "").replace(":", "")


def _read_boolean(raw: str) -> bool:
    return {"TRUE": True, "FALSE": False}[raw]


def _write_boolean(value: bool) -> str:
    return "TRUE" if value else "FALSE"


def _read_structured(raw: str) -> list[Json]:
    parts = [[read_text(value) for value in split_raw(part)] for part in split_raw(raw, ";")]
    return [part[0] if len(part) == 1 else part for part in parts]


def _write_structured(value: list[Json]) -> str:
    """The parts of a structured value, each of which may be a list (RFC 7095 §3.3.1.3)."""
    return ";".join(
        ",".join(write_text(str(item)) for item in (part if isinstance(part, list) else [part])) for part in value
    )


_Convert = tuple[Callable[[str], Json], Callable[..., str]]
_STRUCTURED: _Convert = (_read_structured, _write_structured)
_TYPES: dict[str, _Convert] = {
    "text": (read_text, write_text),
    "date-time": (_read_date_time, _write_stamp),
    "date": (_read_date, _write_stamp),
    "integer": (int, str),
    "boolean": (_read_boolean, _write_boolean),
    "duration": (_identity, str),
    "uri": (_identity, str),
    "cal-address": (_identity, str),
    "binary": (_identity, str),
}


def to_jcal(line: ContentLine, vocabulary: Vocabulary = ICALENDAR) -> list[Json]:
    """A property as jCal array: [name, parameters, type, value…]; its group is a parameter (RFC 7095 §7.1)."""
    name = line.name.lower()
    explicit = line.parameter("VALUE")
    value_type = explicit.lower() if explicit else vocabulary.default_type(name)
    parameters = jcal_parameters(line.parameters)
    if line.group:
        parameters["group"] = line.group
    members = split_raw(line.value) if name in vocabulary.lists else [line.value]
    if value_type in _TYPES:
        read, write = _STRUCTURED if name in vocabulary.structured else _TYPES[value_type]
        try:
            values = [read(raw) for raw in members]
            if all(_text(write, value) == raw for value, raw in zip(values, members, strict=True)):
                return [name, parameters, value_type, *values]
        except (ValueError, KeyError):
            pass
    if explicit:
        parameters["value"] = explicit
    return [name, parameters, "unknown", line.value]


def jcal_parameters(parameters: Parameters, leave_out: frozenset[str] = frozenset({"VALUE"})) -> dict[str, Json]:
    """Parameters in jCal form (RFC 7265 §3.5): lower-case names, a string or a list of strings."""
    return {
        name.lower(): values[0] if len(values) == 1 else list(values)
        for name, values in parameters.items()
        if name not in leave_out
    }


def line_parameters(parameters: Json) -> dict[str, tuple[str, ...]]:
    """The reverse; raises `ValueError` for what is not in jCal form."""
    if not isinstance(parameters, dict):
        raise ValueError("parameters are no object")  # noqa: TRY004 - one error for all malformed jCal
    found: dict[str, tuple[str, ...]] = {}
    for name, value in parameters.items():
        values = tuple(value) if isinstance(value, list) else (value,)
        if not all(isinstance(item, str) for item in values):
            raise ValueError(f"parameter {name!r}")
        found[name.upper()] = values
    return found


_NAME = re.compile(r"(?!(?:begin|end)$)[A-Za-z0-9_-]+", re.IGNORECASE)  # which would begin or end a component


def from_jcal(prop: Json, vocabulary: Vocabulary = ICALENDAR) -> ContentLine:
    """A jCal array as property; raises `ValueError` for what is none."""
    try:
        name, parameters, value_type, *values = prop
        for said in (name, *parameters):
            if not _NAME.fullmatch(said):
                raise ValueError(f"{said[:60]!r} is no name of a property or parameter")
        found = line_parameters(parameters)
        group = found.pop("GROUP", (None,))[0]
        if value_type not in {"unknown", vocabulary.default_type(name)}:
            found = {"VALUE": (value_type.upper(),), **found}
        write = _TYPES.get(value_type, (None, str))[1]
        return ContentLine(name.upper(), found, ",".join(_text(write, value) for value in values), group=group)
    except (TypeError, AttributeError) as error:
        raise ValueError("not a jCal property") from error


def _text(write: Callable[..., str], value: Json) -> str:
    """One value; what another implementation wrote in a structured form (RFC 7265 §3.4.1.3, §3.6) is put together."""
    if isinstance(value, list):
        return _write_structured(value)
    if isinstance(value, dict):
        parts = ((key.upper(), item if isinstance(item, list) else [item]) for key, item in value.items())
        return ";".join(f"{key}=" + ",".join(_rule_value(key, item) for item in items) for key, items in parts)
    if value is None:
        raise ValueError("null is no jCal value")
    return write(value)


def _rule_value(key: str, item: Json) -> str:
    return _write_stamp(str(item)) if key == "UNTIL" else str(item)


def component_to_jcal(component: Component) -> list[Json]:
    """A component as jCal array: [name, properties, components]."""
    return [
        component.name.lower(),
        [to_jcal(line) for line in component.properties],
        [component_to_jcal(child) for child in component.components],
    ]


def component_from_jcal(value: Json) -> Component:
    """The reverse; raises `ValueError`."""
    try:
        name, properties, components = value
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name[:60]!r} is no name of a component")
        return Component(
            name.upper(), [from_jcal(prop) for prop in properties], [component_from_jcal(child) for child in components]
        )
    except (TypeError, AttributeError) as error:
        raise ValueError("not a jCal component") from error
