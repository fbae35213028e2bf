"""BDAY, DEATHDATE, ANNIVERSARY and their places (RFC 9555 §2.5.1, RFC 6474)."""

from collections import deque

from adapters.formats.content_lines import ContentLine
from adapters.formats.jscontact.addresses import read_geo
from adapters.formats.jscontact.dates import read_date, write_date
from adapters.formats.jscontact.jcard import vcard_params
from adapters.formats.jscontact.state import Reading, Writing
from adapters.formats.pointer import escape
from adapters.formats.values import Json, JsonObject, read_text, write_text, write_verbatim

_KINDS = {"BDAY": "birth", "DEATHDATE": "death", "ANNIVERSARY": "wedding"}
_NAMES = {kind: name for name, kind in _KINDS.items()}
_PLACES = {"BIRTHPLACE": "birth", "DEATHPLACE": "death"}
_PLACE_NAMES = {kind: name for name, kind in _PLACES.items()}
_DATE_TYPES = frozenset({"", "date", "date-time", "date-and-or-time", "timestamp"})
_USED = frozenset({"VALUE", "PROP-ID"})
_OMIT_YEAR = "X-APPLE-OMIT-YEAR"


def read_anniversaries(r: Reading) -> None:
    """Dates, and the places that belong to them: by PROP-ID, else to the first that has none yet."""
    lines = [line for name in _KINDS for line in r.take(name)]
    r.claim("anniversaries", lines)
    keys: dict[str, list[str]] = {}
    for line in lines:
        item = _anniversary(line)
        if item is None:
            r.keep(line)
        else:
            keys.setdefault(item["kind"], []).append(r.put("anniversaries", line, item))
    for name, kind in _PLACES.items():
        free = deque(keys.get(kind, ()))
        for line in r.take(name):
            _read_place(r, line, kind, free)


def _anniversary(line: ContentLine) -> JsonObject | None:
    if (line.parameter("VALUE") or "").lower() not in _DATE_TYPES:
        return None
    omitted = line.parameter(_OMIT_YEAR)
    try:
        date = read_date(line.value, omit_year=omitted)
    except ValueError:
        return None
    used = set(_USED)
    if omitted is not None and "year" not in date:
        used.add(_OMIT_YEAR)
    scale = line.parameter("CALSCALE")
    if scale and "\n" not in scale and "utc" not in date:
        date["calendarScale"] = scale.lower()  # §2.3.4
        used.add("CALSCALE")
    params = vcard_params(line, frozenset(used))
    return {"kind": _KINDS[line.name], "date": date} | ({"vCardParams": params} if params else {})


def _read_place(r: Reading, line: ContentLine, kind: str, free: deque[str]) -> None:
    anniversaries: JsonObject = r.js.get("anniversaries", {})
    while free and "place" in anniversaries[free[0]]:
        free.popleft()
    key = line.parameter("PROP-ID")
    if key not in anniversaries or anniversaries[key]["kind"] != kind or "place" in anniversaries[key]:
        key = free[0] if free else None
    place = place_of(line)
    if key is None or place is None:
        r.keep(line)
        return
    anniversaries[key]["place"] = place
    r.came(line, f"anniversaries/{key}/place")


def place_of(line: ContentLine) -> JsonObject | None:
    """The Address that a BIRTHPLACE or DEATHPLACE is."""
    value_type = (line.parameter("VALUE") or "text").lower()
    try:
        if value_type == "uri":
            place = {"coordinates": read_geo(line.value)}
        elif value_type == "text" and line.value.strip():
            place = {"full": read_text(line.value)}
        else:
            return None
    except ValueError:
        return None
    params = vcard_params(line, _USED)
    return place | ({"vCardParams": params} if params else {})


# ---------------------------------------------------------------------------------------------------- writing


def write_anniversaries(w: Writing) -> None:
    """anniversaries to dates and places."""
    for key, item in (w.pop("anniversaries") or {}).items():
        if not _write_anniversary(w, key, dict(item)):
            w.leave(f"anniversaries/{escape(key)}", item)


def _write_anniversary(w: Writing, key: str, item: JsonObject) -> bool:
    name = _NAMES.get(item.pop("kind"))
    date = dict(item.pop("date"))
    try:
        text, parameters = write_date(date, w.version)
    except ValueError:
        return False
    if name is None:
        return False
    if "calendarScale" in date:
        parameters["CALSCALE"] = (date.pop("calendarScale"),)
    path = f"anniversaries/{key}"
    kind = _KINDS[name]
    w.add(path, name, text, {"PROP-ID": (key,)} | parameters, item.pop("vCardParams", None))
    w.leave_rest(f"{path}/date", {k: v for k, v in date.items() if k not in {"year", "month", "day", "utc"}})
    place = item.pop("place", None)
    if place is not None and not (kind in _PLACE_NAMES and _write_place(w, key, _PLACE_NAMES[kind], dict(place))):
        w.leave(f"{path}/place", place)
    w.leave_rest(path, item)
    return True


def _write_place(w: Writing, key: str, name: str, place: JsonObject) -> bool:
    path = f"anniversaries/{key}/place"
    params: Json = place.pop("vCardParams", None)
    if "full" in place:
        w.add(path, name, write_text(place.pop("full")), {"PROP-ID": (key,)}, params)
    elif "coordinates" in place:
        parameters = {"PROP-ID": (key,), "VALUE": ("uri",)}
        w.add(path, name, write_verbatim(place.pop("coordinates")), parameters, params)
    else:
        return False
    w.leave_rest(path, place)
    return True
