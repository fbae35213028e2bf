"""The rows of draft-ietf-calext-jscalendar-icalendar-25 that convert one property to one JSCalendar property.

Both directions use the same rows. A reader raises `ValueError` for a value that does not convert; the property is
then kept in `iCalendar`. What needs more than a row stands in a named function of its own module.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from adapters.formats import values as v
from adapters.formats.content_lines import ContentLine
from adapters.formats.jscalendar.state import Reading, Writing
from adapters.formats.values import Json


@dataclass(frozen=True, slots=True)
class Row:
    """Property `name` <-> JSCalendar `path`; `parameters` maps parameters to further paths of the same object."""

    name: str
    path: str
    read: Callable[[str], Json]
    write: Callable[[Json], str]
    parameters: dict[str, str] = field(default_factory=dict)
    value_type: str | None = None  # VALUE that is always written because the property has no default type


@dataclass(frozen=True, slots=True)
class SetRow:
    """A list-valued property that may repeat <-> a map of true values."""

    name: str
    path: str
    read: Callable[[str], str]
    write: Callable[[str], str]
    is_list: bool = True


def _enum(table: dict[str, str]) -> tuple[Callable[[str], str], Callable[[Json], str]]:
    """Reader and writer of an enumerated value."""
    back = {value: name for name, value in table.items()}

    def read(raw: str) -> str:
        if (value := table.get(raw.strip().upper())) is None:
            raise ValueError(f"{raw!r} has no equivalent")
        return value

    def write(value: Json) -> str:
        if (raw := back.get(value)) is None:
            raise ValueError(f"{value!r} has no equivalent")
        return raw

    return read, write


def _lower_enum(names: str) -> tuple[Callable[[str], str], Callable[[Json], str]]:
    return _enum({name: name.lower() for name in names.split()})


_UTC = (v.read_utc, v.write_utc)
_TEXT = (v.read_text, v.write_text)
_AS_IS = (v.read_verbatim, v.write_verbatim)
_INTEGER = (v.read_integer, v.write_integer)
_DURATION = (v.read_duration, v.write_duration)

PRIVACY = {"PUBLIC": "public", "PRIVATE": "private", "CONFIDENTIAL": "secret"}  # Table 14

_COMMON = (
    Row("UID", "uid", *_TEXT),
    Row("CREATED", "created", *_UTC),
    Row("COLOR", "color", *_TEXT),
    SetRow("CATEGORIES", "keywords", *_TEXT),
    SetRow("CONCEPT", "categories", *_AS_IS, is_list=False),
)
_ENTRY = (
    *_COMMON,
    Row("SUMMARY", "title", *_TEXT, {"LANGUAGE": "locale"}),
    Row("SEQUENCE", "sequence", *_INTEGER),
    Row("PRIORITY", "priority", *_INTEGER),
    Row("CLASS", "privacy", *_enum(PRIVACY)),
    Row("TRANSP", "freeBusyStatus", *_enum({"OPAQUE": "busy", "TRANSPARENT": "free"})),  # Table 21
    Row("DTSTAMP", "updated", *_UTC),
)
ROWS: dict[str, tuple[Row | SetRow, ...]] = {
    "VCALENDAR": (
        *_COMMON,
        Row("NAME", "title", *_TEXT, {"LANGUAGE": "locale"}),
        Row("LAST-MODIFIED", "updated", *_UTC),
        Row("SOURCE", "source", *_AS_IS, value_type="URI"),
    ),
    "VEVENT": (*_ENTRY, Row("STATUS", "status", *_lower_enum("CONFIRMED CANCELLED TENTATIVE"))),
    "VTODO": (
        *_ENTRY,
        Row("STATUS", "progress", *_lower_enum("NEEDS-ACTION IN-PROCESS COMPLETED FAILED CANCELLED")),
        Row("PERCENT-COMPLETE", "percentComplete", *_INTEGER),
        Row("ESTIMATED-DURATION", "estimatedDuration", *_DURATION),
    ),
    "VALARM": (
        Row("ACKNOWLEDGED", "acknowledged", *_UTC),
        Row("ACTION", "action", *_lower_enum("DISPLAY EMAIL")),  # Table 10: any other value is kept
    ),
    "VLOCATION": (
        Row("NAME", "name", *_TEXT),
        Row("COORDINATES", "coordinates", *_AS_IS, value_type="URI"),
        SetRow("LOCATION-TYPE", "locationTypes", *_TEXT),
    ),
    "PARTICIPANT": (Row("PERCENT-COMPLETE", "percentComplete", *_INTEGER),),
}
_BY_NAME = {kind: {row.name: row for row in rows} for kind, rows in ROWS.items()}
_VALUE_ONLY = frozenset({"VALUE"})


def read_rows(r: Reading) -> None:
    """Convert every property of the component that has a row."""
    rows = _BY_NAME[r.component.name]
    for name in list(r.lines):
        row = rows.get(name)
        if row is None:
            continue
        if isinstance(row, SetRow):
            _read_set(r, row, r.take(name))
        elif (line := r.take_first(name)) is not None:
            _read_row(r, row, line)


def _read_row(r: Reading, row: Row, line: ContentLine) -> None:
    try:
        r.js[row.path] = row.read(line.value)
    except ValueError:
        r.kept.append(line)
        return
    if not line.parameters:
        return
    used = _VALUE_ONLY
    for parameter, path in row.parameters.items():
        value = line.parameter(parameter)
        if value is not None and path not in r.js:
            r.js[path] = value
            used |= {parameter}
    r.mark(row.path, line, used)


def _read_set(r: Reading, row: SetRow, lines: list[ContentLine]) -> None:
    found = r.js.setdefault(row.path, {})
    for line in lines:
        members = v.split_raw(line.value) if row.is_list else [line.value]
        values = [row.read(raw) for raw in members]
        if any(value in found or not value for value in values) or line.parameters.keys() - _VALUE_ONLY:
            r.kept.append(line)  # a repeated, empty or qualified value has no place in a set
            values = [value for value in values if value]
        found.update(dict.fromkeys(values, True))
    if not found:
        del r.js[row.path]


def write_rows(w: Writing) -> None:
    """Write every property of the object that has a row; values that don't fit it are left over."""
    for row in ROWS[w.name]:
        value = w.left.get(row.path)
        if value is None:
            continue
        if isinstance(row, SetRow):
            _write_set(w, row, value)
        else:
            _write_row(w, row, value)


def _write_row(w: Writing, row: Row, value: Json) -> None:
    try:
        raw = row.write(value)
    except (ValueError, TypeError):
        return
    parameters = {"VALUE": (row.value_type,)} if row.value_type else {}
    for parameter, path in row.parameters.items():
        extra = w.left.get(path)
        if isinstance(extra, str):
            parameters[parameter] = (extra,)
            del w.left[path]
    w.add(row.name, raw, parameters, row.path)
    del w.left[row.path]


def _write_set(w: Writing, row: SetRow, value: Json) -> None:
    if not isinstance(value, dict) or not all(flag is True for flag in value.values()):
        return
    already = {item for line in w.kept if line.name == row.name for item in _set_members(row, line)}
    raws = [row.write(item) for item in value if item not in already]
    del w.left[row.path]
    if row.is_list:
        raws = [",".join(raws)] if raws else []
    for raw in raws:
        w.add(row.name, raw)


def _set_members(row: SetRow, line: ContentLine) -> list[str]:
    return [row.read(raw) for raw in (v.split_raw(line.value) if row.is_list else [line.value])]
