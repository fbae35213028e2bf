"""The rows of RFC 9555 §2 that convert one property to one object of a map, and back."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from adapters.formats.jscontact.dates import read_timestamp, write_timestamp
from adapters.formats.jscontact.values import one_line
from adapters.formats.values import Json

TypeTable = dict[str, tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Parameter:
    """Parameter `name` <-> `member` of the object ("author/uri": of an object in it)."""

    name: str
    member: str
    read: Callable[[str], Json] = str
    write: Callable[[Json], str] = str


@dataclass(frozen=True, slots=True)
class Row:
    """Property `name` <-> an object of the map at `path`, whose `member` has the value.

    `kind`: the member kind that stands for the name. `types`: values of TYPE and the member of a set that each is.
    `named`: whether vCardName tells the object from others of its map (RFC 9555 §2.15.3).
    """

    name: str
    path: str
    member: str
    value: str = "text"  # text, uri, number (either), media (a URI, or data in vCard 3.0), language
    kind: str | None = None
    parameters: tuple[Parameter, ...] = ()
    types: TypeTable | None = None
    label: bool = True
    named: bool = False


def _preference(raw: str) -> int:
    """1 to 100 (RFC 6350 §5.3)."""
    if not re.fullmatch(r"[0-9]{1,3}", raw) or not 1 <= int(raw) <= 100:
        raise ValueError(f"{raw[:60]!r} is no preference")
    return int(raw)


def _position(raw: str) -> int:
    """A positive integer (RFC 6715 §3.1)."""
    if not re.fullmatch(r"[0-9]{1,9}", raw) or not int(raw):
        raise ValueError(f"{raw[:60]!r} is no position")
    return int(raw)


def _lower(raw: str) -> str:
    return one_line(raw).lower()


_EXPERTISE = {"beginner": "low", "average": "medium", "expert": "high"}  # RFC 9555 §2.3.13
_LEVELS = {level: name for name, level in _EXPERTISE.items()}


def _one_of(table: dict[str, str]) -> Callable[[str], str]:
    def convert(raw: str) -> str:
        if (value := table.get(raw.lower())) is None:
            raise ValueError(f"{raw[:60]!r} has no equivalent")
        return value

    return convert


CONTEXTS: TypeTable = {"home": ("contexts", "private"), "work": ("contexts", "work")}  # RFC 9555 §2.3.22
ADDRESS_TYPES: TypeTable = CONTEXTS | {name: ("contexts", name) for name in ("billing", "delivery")}  # RFC 9554 §5
_FEATURES: TypeTable = {"cell": ("features", "mobile")} | {
    name: ("features", name) for name in ("fax", "main-number", "pager", "text", "textphone", "video", "voice")
}  # RFC 9555 Table 3
PREF = Parameter("PREF", "pref", _preference)
_MEDIATYPE = Parameter("MEDIATYPE", "mediaType", one_line)
_INDEX = Parameter("INDEX", "listAs", _position)
_LEVEL = Parameter("LEVEL", "level", _lower)
_EXPERTISE_LEVEL = Parameter("LEVEL", "level", _one_of(_EXPERTISE), _one_of(_LEVELS))
_RESOURCE = (PREF, _MEDIATYPE)
_SERVICE = (PREF, Parameter("SERVICE-TYPE", "service"), Parameter("USERNAME", "user"))
_NOTE = (
    Parameter("CREATED", "created", read_timestamp, write_timestamp),
    Parameter("AUTHOR", "author/uri", one_line),
    Parameter("AUTHOR-NAME", "author/name"),
)

ROWS: tuple[Row, ...] = (
    Row("NICKNAME", "nicknames", "name", parameters=(PREF,), types=CONTEXTS, label=False),  # §2.5.6
    Row("TITLE", "titles", "name", kind="title", label=False),  # §2.9.6
    Row("ROLE", "titles", "name", kind="role", label=False),
    Row("EMAIL", "emails", "address", parameters=(PREF,), types=CONTEXTS),  # §2.7.1
    Row("TEL", "phones", "number", "number", parameters=(PREF,), types=CONTEXTS | _FEATURES),  # §2.7.6
    Row("SOCIALPROFILE", "onlineServices", "uri", "uri", parameters=_SERVICE, types=CONTEXTS),  # §2.7.5
    Row("IMPP", "onlineServices", "uri", "uri", parameters=_SERVICE, types=CONTEXTS, named=True),  # §2.7.2
    Row("X-SOCIALPROFILE", "onlineServices", "uri", "uri", parameters=_SERVICE, types=CONTEXTS, named=True),
    Row(
        "LANG", "preferredLanguages", "language", "language", parameters=(PREF,), types=CONTEXTS, label=False
    ),  # §2.7.3
    Row("CALURI", "calendars", "uri", "uri", "calendar", _RESOURCE, CONTEXTS),  # §2.13.2
    Row("FBURL", "calendars", "uri", "uri", "freeBusy", _RESOURCE, CONTEXTS),  # §2.13.3
    Row("CALADRURI", "schedulingAddresses", "uri", "uri", parameters=(PREF,), types=CONTEXTS),  # §2.13.1
    Row("KEY", "cryptoKeys", "uri", "media", parameters=_RESOURCE, types=CONTEXTS),  # §2.12.1
    Row("SOURCE", "directories", "uri", "uri", "entry", (*_RESOURCE, _INDEX), CONTEXTS),  # §2.4.3
    Row("ORG-DIRECTORY", "directories", "uri", "uri", "directory", (*_RESOURCE, _INDEX), CONTEXTS),  # §2.10.4
    Row("URL", "links", "uri", "uri", parameters=_RESOURCE, types=CONTEXTS),  # §2.11.9
    Row("CONTACT-URI", "links", "uri", "uri", "contact", _RESOURCE, CONTEXTS),  # §2.9.1
    Row("PHOTO", "media", "uri", "media", "photo", _RESOURCE, CONTEXTS),  # §2.5.7
    Row("LOGO", "media", "uri", "media", "logo", _RESOURCE, CONTEXTS),  # §2.9.2
    Row("SOUND", "media", "uri", "media", "sound", _RESOURCE, CONTEXTS),  # §2.11.7
    Row("NOTE", "notes", "note", parameters=_NOTE, label=False),  # §2.11.4
    Row("PRONOUNS", "speakToAs/pronouns", "pronouns", parameters=(PREF,), types=CONTEXTS, label=False),  # §2.5.4
    Row("EXPERTISE", "personalInfo", "value", "text", "expertise", (_EXPERTISE_LEVEL, _INDEX)),  # §2.10
    Row("HOBBY", "personalInfo", "value", "text", "hobby", (_LEVEL, _INDEX)),
    Row("INTEREST", "personalInfo", "value", "text", "interest", (_LEVEL, _INDEX)),
)
BY_NAME = {row.name: row for row in ROWS}
BY_PATH: dict[str, list[Row]] = {}
for _row in ROWS:
    BY_PATH.setdefault(_row.path, []).append(_row)
