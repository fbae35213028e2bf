"""Whether a JSON value has the shape of a Card (RFC 9553 §2): the types of its members, and which must be there.

Which values are registered is not asked, and members that are not known may be anything, as long as their names are not
those of known ones in another case (§1.7.1).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from adapters.formats.jscontact.dates import read_timestamp, write_date, write_timestamp
from adapters.formats.jscontact.jcard import from_jcard, recorded
from adapters.formats.jscontact.values import canonical_tag
from adapters.formats.keys import is_id
from adapters.formats.shape import (
    BOOLEAN,
    INTEGER,
    STRING,
    Fault,
    Shape,
    anything,
    array_of,
    converts,
    map_of,
    object_of,
    read_by,
)
from adapters.formats.values import write_verbatim

_VCARD_NAME = re.compile(r"[A-Za-z0-9-]+")


def faults(value: Any) -> list[Fault]:
    """What keeps a value from being a Card; empty where nothing does."""
    if not isinstance(value, dict):
        return [("", "must be an object")]
    if value.get("@type") != "Card":
        return [("/@type", "must be Card")]
    found = list(_CARD(value, ""))
    if "members" in value and value.get("kind") != "group":
        found.append(("/members", "must be in a Card of the kind group"))  # RFC 9553 §2.1.6
    return found


def _object(members: Mapping[str, Shape], required: Sequence[str] = (), one_of: Sequence[str] = ()) -> Shape:
    """An object that also has one of some members, and no known one in another case; each may have vCard members."""
    known = {"vCardParams": _PARAMS, "vCardName": _NAME, **members}
    shape = object_of(known, required)
    cases = {name.lower(): name for name in known}

    def check(value: Any, path: str) -> Iterator[Fault]:
        yield from shape(value, path)
        if not isinstance(value, dict):
            return
        for name in value:
            if name not in known and name.lower() in cases:
                yield f"{path}/{name}", f"must be {cases[name.lower()]}"
        if one_of and value.keys().isdisjoint(one_of):
            yield path, f"must have one of {', '.join(one_of)}"

    return check


def _position(value: Any, path: str) -> Iterator[Fault]:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        yield path, "must be an integer above 0"


def _preference(value: Any, path: str) -> Iterator[Fault]:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 100:
        yield path, "must be an integer from 1 to 100"


def _true(value: Any, path: str) -> Iterator[Fault]:
    if value is not True:
        yield path, "must be true"


def _date(value: Any, path: str) -> Iterator[Fault]:
    yield from (_TIMESTAMP if isinstance(value, dict) and value.get("@type") == "Timestamp" else _PARTIAL)(value, path)
    if isinstance(value, dict) and value.get("@type") != "Timestamp" and not value.keys().isdisjoint(("month", "day")):
        try:
            write_date({**value, "year": value.get("year") or 2000} if "month" in value else value, "4.0")
        except (ValueError, TypeError):
            yield path, "must be a date"


_PARAMS: Final = converts(lambda value: recorded(value) if isinstance(value, dict) else _fail(), "vCard parameters")
_NAME: Final = read_by(_VCARD_NAME.fullmatch, "the name of a vCard property")


def _fail() -> None:
    raise ValueError


_FLAGS: Final = map_of(_true, bool)
_LINE: Final = read_by(lambda text: bool(text) and write_verbatim(text) is not None, "a string of one line")
_TEXT: Final = read_by(bool, "a string that is not empty")
_UTC: Final = read_by(lambda text: write_timestamp(text) and read_timestamp(text), "a UTCDateTime")
_TAG: Final = read_by(canonical_tag, "a language tag")
_COMMON: Final[dict[str, Shape]] = {"contexts": _FLAGS, "pref": _preference}
_LABEL: Final[dict[str, Shape]] = {**_COMMON, "label": _TEXT}
_COMPONENTS: Final = array_of(_object({"kind": _TEXT, "value": STRING, "phonetic": STRING}, ("kind", "value")))
_ORDERED: Final[dict[str, Shape]] = {
    "components": _COMPONENTS,
    "isOrdered": BOOLEAN,
    "defaultSeparator": STRING,
    "full": STRING,
    "phoneticScript": _LINE,
    "phoneticSystem": _LINE,
}
_NAME_OBJECT: Final = _object({**_ORDERED, "sortAs": map_of(STRING)}, one_of=("components", "full"))
_ADDRESS: Final = _object(
    {**_ORDERED, **_COMMON, "countryCode": _LINE, "coordinates": _LINE, "timeZone": _LINE},
    one_of=("components", "coordinates", "countryCode", "full", "timeZone"),
)
_PARTIAL: Final = _object({"year": INTEGER, "month": INTEGER, "day": INTEGER, "calendarScale": _LINE})
_TIMESTAMP: Final = _object({"utc": _UTC}, ("utc",))
_UNIT: Final = _object({"name": STRING, "sortAs": STRING}, ("name",))


def _resource(*required: str, **members: Shape) -> Shape:
    return map_of(
        _object({"kind": _LINE, "uri": _LINE, "mediaType": _LINE, **_LABEL, **members}, ("uri", *required)), is_id
    )


_CARD: Final = _object(
    {
        **dict.fromkeys(("version", "kind", "uid", "prodId"), _TEXT),
        **dict.fromkeys(("created", "updated"), _UTC),
        "language": _TAG,
        "members": _FLAGS,
        "keywords": _FLAGS,
        "relatedTo": map_of(_object({"relation": _FLAGS}), bool),
        "name": _NAME_OBJECT,
        "nicknames": map_of(_object({"name": _TEXT, **_COMMON}, ("name",)), is_id),
        "organizations": map_of(
            _object(
                {"name": STRING, "units": array_of(_UNIT), "sortAs": STRING, "contexts": _FLAGS},
                one_of=("name", "units"),
            ),
            is_id,
        ),
        "speakToAs": _object(
            {
                "grammaticalGender": _TEXT,
                "pronouns": map_of(_object({"pronouns": _TEXT, **_COMMON}, ("pronouns",)), is_id),
            },
            one_of=("grammaticalGender", "pronouns"),
        ),
        "titles": map_of(_object({"name": _TEXT, "kind": _LINE, "organizationId": _LINE}, ("name",)), is_id),
        "emails": map_of(_object({"address": _TEXT, **_LABEL}, ("address",)), is_id),
        "onlineServices": map_of(
            _object({"service": STRING, "uri": _LINE, "user": _TEXT, **_LABEL}, one_of=("uri", "user")), is_id
        ),
        "phones": map_of(_object({"number": _TEXT, "features": _FLAGS, **_LABEL}, ("number",)), is_id),
        "preferredLanguages": map_of(_object({"language": _TAG, **_COMMON}, ("language",)), is_id),
        "calendars": _resource("kind"),
        "schedulingAddresses": map_of(_object({"uri": _LINE, **_LABEL}, ("uri",)), is_id),
        "addresses": map_of(_ADDRESS, is_id),
        "cryptoKeys": _resource(),
        "directories": _resource("kind", listAs=_position),
        "links": _resource(),
        "media": _resource("kind"),
        "localizations": map_of(map_of(anything)),
        "anniversaries": map_of(_object({"kind": _LINE, "date": _date, "place": _ADDRESS}, ("kind", "date")), is_id),
        "notes": map_of(
            _object({"note": STRING, "created": _UTC, "author": _object({"name": STRING, "uri": _LINE})}, ("note",)),
            is_id,
        ),
        "personalInfo": map_of(
            _object(
                {"kind": _LINE, "value": _TEXT, "level": _LINE, "listAs": _position, "label": _TEXT}, ("kind", "value")
            ),
            is_id,
        ),
        "vCardProps": array_of(converts(from_jcard, "a jCard property")),
    }
)
