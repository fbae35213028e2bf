"""Parameters of ATTENDEE and ORGANIZER that are properties of a Participant (draft-ietf-calext-jscalendar-icalendar-25
§2.3.4, §2.3.29)."""

from collections.abc import Callable
from dataclasses import dataclass

from adapters.formats.values import Json

KINDS = {"INDIVIDUAL": "individual", "GROUP": "group", "RESOURCE": "resource", "ROOM": "location"}
_KIND_NAMES = {value: name for name, value in KINDS.items()}


def _read_first(values: tuple[str, ...]) -> str | None:
    return values[0] if len(values) == 1 and values[0] else None


def _read_set(values: tuple[str, ...]) -> dict[str, bool] | None:
    return dict.fromkeys(values, True) if values and len(set(values)) == len(values) else None


def _read_flag(values: tuple[str, ...]) -> bool | None:
    return {"TRUE": True, "FALSE": False}.get(values[0].upper())


def _read_mailbox(values: tuple[str, ...]) -> str | None:
    """The addr-spec of a mailto URI (jscalendarbis §3.4.6 sentBy)."""
    uri = values[0]
    return uri[7:] if len(values) == 1 and uri[:7] == "mailto:" and "@" in uri else None


def _write_string(value: Json) -> tuple[str, ...] | None:
    return (value,) if isinstance(value, str) and value else None


def _write_set(value: Json) -> tuple[str, ...] | None:
    return tuple(value) if isinstance(value, dict) and value and all(v is True for v in value.values()) else None


def _write_flag(value: Json) -> tuple[str, ...] | None:
    return ("TRUE" if value else "FALSE",) if isinstance(value, bool) else None


def _write_mailbox(value: Json) -> tuple[str, ...] | None:
    return (f"mailto:{value}",) if isinstance(value, str) and "@" in value else None


@dataclass(frozen=True, slots=True)
class Parameter:
    """ATTENDEE parameter <-> Participant property; None from either side: this value does not convert."""

    name: str
    path: str
    read: Callable[[tuple[str, ...]], Json]
    write: Callable[[Json], tuple[str, ...] | None]


PARAMETERS = (  # Tables 12 and 30; PARTSTAT and ROLE have functions of their own
    Parameter("CN", "name", _read_first, _write_string),
    Parameter("CUTYPE", "kind", lambda values: KINDS.get(values[0].upper()), lambda v: _enum_name(_KIND_NAMES, v)),
    Parameter("DELEGATED-FROM", "delegatedFrom", _read_set, _write_set),
    Parameter("DELEGATED-TO", "delegatedTo", _read_set, _write_set),
    Parameter("EMAIL", "email", _read_first, _write_string),
    Parameter("MEMBER", "memberOf", _read_set, _write_set),
    Parameter("RSVP", "expectReply", _read_flag, _write_flag),
    Parameter("SENT-BY", "sentBy", _read_mailbox, _write_mailbox),
)
BY_NAME = {parameter.name: parameter for parameter in PARAMETERS}
ORGANIZER_PARAMETERS = tuple(BY_NAME[name] for name in ("CN", "EMAIL", "SENT-BY"))  # Table 18


def _enum_name(names: dict[str, str], value: Json) -> tuple[str, ...] | None:
    return (names[value],) if value in names else None
