"""ADR, GEO and TZ (RFC 9555 §2.6, §2.8, with the parameters CC, GEO, LABEL and TZ)."""

import re
from collections.abc import Callable

from adapters.formats.content_lines import ContentLine
from adapters.formats.jscontact.items import read_types, recorded_types, write_types
from adapters.formats.jscontact.jcard import vcard_params
from adapters.formats.jscontact.phonetics import take_components, write_phonetic
from adapters.formats.jscontact.rows import ADDRESS_TYPES, PREF
from adapters.formats.jscontact.state import Reading, Writing
from adapters.formats.jscontact.structured import read_address, write_address
from adapters.formats.jscontact.values import is_text_value, one_line
from adapters.formats.values import Json, JsonObject, read_text, write_text, write_verbatim

_OFFSET = re.compile(r"([+-])(\d\d)(?::?(\d\d))?", re.ASCII)
_PAIR = re.compile(r"([+-]?\d{1,3}(?:\.\d+)?)[;,]([+-]?\d{1,3}(?:\.\d+)?)", re.ASCII)
_GEO = re.compile(r"geo:(-?\d{1,3}(?:\.\d+)?),(-?\d{1,3}(?:\.\d+)?)", re.ASCII)
_ETC = re.compile(r"Etc/GMT([+-])(\d{1,2})")
_USED = frozenset({"VALUE", "PROP-ID", "JSCOMPS", "TYPE"})


def read_addresses(r: Reading) -> None:
    """ADR, GEO and TZ to addresses; a GEO or TZ joins the one ADR that it belongs to (§2.8.3)."""
    addresses, places = r.take("ADR"), r.take("GEO") + r.take("TZ")
    r.claim("addresses", addresses + places)
    by_group: dict[str, list[tuple[ContentLine, str, JsonObject]]] = {}
    for line in addresses:
        item = address_of(line)
        if item is None:
            r.keep(line)
            continue
        key = r.put("addresses", line, item)
        structure = read_address(line)
        if structure is not None:
            r.structures[f"addresses/{key}"] = structure
        by_group.setdefault((line.group or "").lower(), []).append((line, key, item))
    for line in places:
        _read_place(r, line, by_group)


def _read_place(r: Reading, line: ContentLine, by_group: dict[str, list[tuple[ContentLine, str, JsonObject]]]) -> None:
    try:
        said = {"coordinates": read_geo(line.value)} if line.name == "GEO" else {"timeZone": _time_zone(line)}
    except ValueError:
        r.keep(line)
        return
    group = (line.group or "").lower()
    beside = by_group.get(group, [])
    if len(beside) == 1 and line.parameters.keys() <= {"VALUE"} and not beside[0][2].keys() & said.keys():
        beside[0][2].update(said)
        r.came(line, f"addresses/{beside[0][1]}")
        return
    types = read_types(line, ADDRESS_TYPES, said)
    _read_preference(line, said)
    params = vcard_params(line, _USED | ({"PREF"} if "pref" in said else set()))
    if types:
        params["type"] = types
    key = r.put("addresses", line, said | ({"vCardParams": params} if params else {}))
    if group:
        by_group.setdefault(group, []).append((line, key, r.js["addresses"][key]))


def _read_preference(line: ContentLine, item: JsonObject) -> None:
    try:
        item["pref"] = PREF.read(line.parameter("PREF") or "")
    except ValueError:
        return


def address_of(line: ContentLine) -> JsonObject | None:
    """The Address that an ADR is; None where it says nothing, or more than an Address can."""
    item: JsonObject = {}
    types = read_types(line, ADDRESS_TYPES, item)
    structure = read_address(line)
    if structure is not None:
        item |= structure.members()
    elif line.value.strip(";, "):
        return None
    used = set(_USED)
    _read_preference(line, item)
    for name, member in _PARAMETERS.items():
        try:
            if (text := line.parameter(name)) and len(line.parameters[name]) == 1:
                item[member] = _READERS[name](text)
                used.add(name)
        except ValueError:
            continue
    if "pref" in item:
        used.add("PREF")
    params = vcard_params(line, frozenset(used))
    if types:
        params["type"] = types[0] if len(types) == 1 else types
    said = item.keys() & {"components", "coordinates", "countryCode", "full", "timeZone"}  # RFC 9553 §2.5.1.1
    return item | ({"vCardParams": params} if params else {}) if said else None


def read_geo(raw: str) -> str:
    """A "geo:" URI, or the pair of vCard 3.0 (RFC 2426 §3.4.2), to a "geo:" URI."""
    raw = read_text(raw).strip()
    if match := _PAIR.fullmatch(raw):
        return f"geo:{match[1].lstrip('+')},{match[2].lstrip('+')}"
    if not re.fullmatch(r"geo:\S+", raw, re.IGNORECASE):
        raise ValueError(f"{raw[:60]!r} is no place")
    return raw


def _time_zone(line: ContentLine) -> str:
    if (line.parameter("VALUE") or "").lower() not in {"", "text", "utc-offset"}:
        raise ValueError("no time zone name")
    return one_line(read_text(line.value)) if is_text_value(line) else _zone_name(read_text(line.value))


def _zone_name(raw: str) -> str:
    """A zone name, or an offset of whole hours as the name of one (§2.8.2)."""
    raw = raw.strip()
    match = _OFFSET.fullmatch(raw)
    if match is None and raw and re.fullmatch(r"[A-Za-z].*", raw):
        return raw
    if match is None or (match[3] or "00") != "00" or not -12 <= (hours := int(match[1] + match[2])) <= 14:
        raise ValueError(f"{raw[:60]!r} is no whole hour")
    return f"Etc/GMT{-hours:+d}" if hours else "Etc/UTC"


def _label(raw: str) -> str:
    """RFC 6350 §6.3.1 shows its line breaks as in text, RFC 6868 has decoded others already."""
    return read_text(raw)


_PARAMETERS = {"LABEL": "full", "GEO": "coordinates", "TZ": "timeZone", "CC": "countryCode"}
_READERS: dict[str, Callable[[str], str]] = {"LABEL": _label, "GEO": read_geo, "TZ": _zone_name, "CC": one_line}

# ---------------------------------------------------------------------------------------------------- writing


def write_addresses(w: Writing) -> None:
    """addresses to ADR; those that say nothing but a place or a zone to GEO or TZ."""
    for key, given in (w.pop("addresses") or {}).items():
        item = dict(given)
        params = item.pop("vCardParams", None)
        said = item.keys() & {"components", "coordinates", "countryCode", "full", "timeZone"}
        if said == {"coordinates"}:
            _write_place(w, key, "GEO", *write_geo(item.pop("coordinates"), w.version), item, params)
        elif said == {"timeZone"}:
            _write_place(w, key, "TZ", *_write_zone(item.pop("timeZone"), w.version), item, params)
        else:
            _write_address(w, key, item, params)


def _write_place(
    w: Writing, key: str, name: str, value: str, parameters: dict[str, tuple[str, ...]], item: JsonObject, params: Json
) -> None:
    path = f"addresses/{key}"
    w.add(path, name, value, {"PROP-ID": (key,)} | parameters | _common(w, path, item, params), params)
    w.leave_rest(path, item)


def _common(w: Writing, path: str, item: JsonObject, params: Json) -> dict[str, tuple[str, ...]]:
    """TYPE and PREF."""
    types = (*write_types(w, path, ADDRESS_TYPES, item), *recorded_types(params))
    found = {"TYPE": types} if types else {}
    if "pref" in item:
        found["PREF"] = (str(item.pop("pref")),)
    return found


def _write_address(w: Writing, key: str, item: JsonObject, params: Json) -> None:
    path = f"addresses/{key}"
    placed = write_address(item, short=w.version == "3.0")
    parameters = {"PROP-ID": (key,)} | _common(w, path, item, params)
    if "full" in item:
        parameters["LABEL"] = (item.pop("full").replace("\\", "\\\\").replace("\r", "").replace("\n", "\\n"),)
    for name, member in (("GEO", "coordinates"), ("TZ", "timeZone"), ("CC", "countryCode")):
        if member in item:
            parameters[name] = (write_verbatim(item.pop(member)),)
    if placed.jscomps is not None:
        parameters["JSCOMPS"] = (placed.jscomps,)
    line = w.add(path, "ADR", placed.value, parameters, params)
    if placed.components:
        write_phonetic(w, path, line, item, placed)
    take_components(w, path, item, placed)
    w.leave_rest(path, item)


def write_geo(uri: str, version: str) -> tuple[str, dict[str, tuple[str, ...]]]:
    """The value of GEO."""
    match = _GEO.fullmatch(uri)
    return (f"{match[1]};{match[2]}" if match and version == "3.0" else write_verbatim(uri)), {}


def _write_zone(name: str, version: str) -> tuple[str, dict[str, tuple[str, ...]]]:
    """The value of TZ: vCard 3.0 expects an offset (RFC 2426 §3.4.1)."""
    if version == "4.0":
        return write_text(name), {}
    match = _ETC.fullmatch(name)
    if match or name == "Etc/UTC":
        hours = -int(match[1] + match[2]) if match else 0
        return f"{hours:+03d}:00", {}
    return write_text(name), {"VALUE": ("text",)}
