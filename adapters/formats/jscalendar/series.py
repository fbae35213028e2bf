"""RRULE, RDATE and EXDATE, and recurrence overrides as patches (draft-ietf-calext-jscalendar-icalendar-25 §2.1.2,
§2.3.20, §2.3.33, §2.3.36; jscalendarbis §3.3.4)."""

import re
from datetime import datetime

from adapters.formats import values as v
from adapters.formats.content_lines import Component, ContentLine
from adapters.formats.jscalendar.recurrence import RULE_PROPERTIES, read_rule, write_rule
from adapters.formats.jscalendar.state import Reading, Writing
from adapters.formats.jscalendar.times import Time, local_in, read_time
from adapters.formats.jscalendar.timezones import UTC_NAME, from_utc, to_utc
from adapters.formats.jscalendar.write_times import time_value
from adapters.formats.pointer import InvalidPatch, copied, escape, make_patch, patched
from adapters.formats.values import Json, JsonObject

_DATE_PARAMETERS = frozenset({"VALUE", "TZID"})
_UNTIL_PARAMETER = "x-jmap-gateway-until"  # in convertedProperties: the UNTIL as it came
_SERIES_PROPERTIES = frozenset({"rrule", "exrule", "rdate", "exdate"})
# patches to these are ignored (jscalendarbis §3.3.4), so an override's own property is kept beside them
_KEPT_IN_OVERRIDES = {"CLASS": "privacy", "ORGANIZER": "organizerCalendarAddress", "RELATED-TO": "relatedTo"}
_UNPATCHABLE = ("@type", "uid", "method", "prodId", "privacy", "organizerCalendarAddress", "sentBy", "relatedTo")

# ---------------------------------------------------------------------------------------------------- reading


def read_series(r: Reading) -> None:
    """RRULE to recurrenceRule; RDATE and EXDATE to recurrenceOverrides. Further rules and EXRULE are kept."""
    anchor = r.js.get("start") or r.js.get("due")
    if anchor is None or r.lines.keys().isdisjoint({"RRULE", "RDATE", "EXDATE"}):
        return
    _read_rule(r)
    overrides: JsonObject = {}
    for name in ("RDATE", "EXDATE"):
        for line in r.take(name):
            _read_dates(r, line, overrides, anchor)
    if overrides:
        r.js["recurrenceOverrides"] = overrides


def _read_rule(r: Reading) -> None:
    line = r.take_first("RRULE")
    if line is None:
        return
    zone = r.js.get("timeZone")
    try:
        rule = read_rule(line.value, lambda utc: from_utc(utc, zone) if zone else utc)
    except ValueError as error:
        r.note(f"RRULE kept, it has no equivalent: {error}")
        r.kept.append(line)
        return
    if r.dates and "until" in rule:
        rule["until"] = rule["until"][:11] + "00:00:00"  # occurrences lie at midnight, so this bounds the same ones
    r.js["recurrenceRule"] = rule
    r.mark("recurrenceRule", line)
    if "until" in rule:
        _mark_until(r, line.value, dates=r.dates, zoned=zone is not None)


def _mark_until(r: Reading, raw: str, *, dates: bool, zoned: bool) -> None:
    """Remember an UNTIL that is not of the form that RFC 5545 §3.3.10 demands, as many senders write it."""
    until = raw[raw.upper().index("UNTIL=") + 6 :].partition(";")[0].strip()
    stamp = v.read_stamp(until)
    if (stamp.is_date, stamp.is_utc) != (dates, zoned):
        entry = {"@type": "ICalProperty", "name": "rrule", "parameters": {_UNTIL_PARAMETER: until}}
        r.converted["recurrenceRule/until"] = entry


def _read_dates(r: Reading, line: ContentLine, overrides: JsonObject, anchor: str) -> None:
    kept: list[str] = []
    for raw in v.split_raw(line.value):
        try:
            _read_date(r, line, raw, overrides, anchor)
        except ValueError:
            kept.append(raw)
    if kept:
        r.kept.append(ContentLine(line.name, line.parameters, ",".join(kept), line.index))


def _read_date(r: Reading, line: ContentLine, raw: str, overrides: JsonObject, anchor: str) -> None:
    """One date-time of RDATE or EXDATE, relative to the time zone of the event (§2.3.20, §2.3.33)."""
    begin, period, end = raw.partition("/")
    time = read_time(r, line, begin)
    key = local_in(time, r.js.get("timeZone"))
    value_type = None
    if period and time.is_date:
        raise ValueError("a period begins at a time")
    if time.is_date and not r.dates and line.name == "EXDATE":
        # a DATE that excludes from a timed series means the occurrence of that day
        key, value_type = key[:11] + anchor[11:], "date"
    elif r.dates and not time.is_date:
        if not key.endswith("T00:00:00"):
            raise ValueError("a time in an all-day series")
        value_type = "date-time"
    elif time.zone is None and not time.is_date and r.js.get("timeZone") is not None:
        value_type = "date-time"  # without the TZID of the start
    if key in overrides:
        raise ValueError("the same date twice")
    patch: JsonObject = {"excluded": True} if line.name == "EXDATE" else {}
    if period:
        patch["duration"] = _period_duration(r, line, time, end)
        value_type = "period"
    overrides[key] = patch
    used = _DATE_PARAMETERS if time.zone == r.js.get("timeZone") and not value_type else _DATE_PARAMETERS - {"TZID"}
    used = _DATE_PARAMETERS if value_type == "period" else used
    if value_type or line.parameters.keys() - _DATE_PARAMETERS:
        path = f"recurrenceOverrides/{key}"
        r.mark(path, line, used, always=True, value_type=value_type)
        if value_type == "date-time" and raw.endswith("Z"):
            r.converted[path]["parameters"] = {"tzid": UTC_NAME}


def _period_duration(r: Reading, line: ContentLine, begin: Time, end: str) -> str:
    if end.startswith(("P", "+P")):
        return v.read_duration(end)
    last = read_time(r, line, end)
    first = v.to_datetime(begin.local)
    moment = v.to_datetime(local_in(last, begin.zone))
    exact = to_utc(moment, begin.zone) - to_utc(first, begin.zone) if begin.zone else moment - first
    if exact.total_seconds() < 0:
        raise ValueError("ends before it starts")
    return v.format_duration(v.Span(0, int(exact.total_seconds())))


def without_series(main: JsonObject) -> JsonObject:
    """The object without its recurrence; what is left is shared with it.

    `inherited` and `override_object` give the same for it: whoever asks for many occurrences of a long series makes it
    once, and does not look through all of the series for each.
    """
    base = {name: value for name, value in main.items() if not name.startswith("recurrence")}
    member = base.get("iCalendar")
    if isinstance(member, dict):
        own = _kept_of_one(member)
        if own is None:
            del base["iCalendar"]
        else:
            base["iCalendar"] = own
    return base


def inherited(main: JsonObject, key: str) -> JsonObject:
    """What an occurrence has without a patch: the main object shifted to `key`, without its recurrence."""
    base: JsonObject = copied(without_series(main))
    if "start" in base:
        if "due" in base:
            shift = v.to_datetime(key) - v.to_datetime(base["start"])
            base["due"] = v.from_datetime(v.to_datetime(base["due"]) + shift)
        base["start"] = key
    elif "due" in base:
        base["due"] = key
    return base


def _kept_of_one(member: JsonObject) -> JsonObject | None:
    """What the `iCalendar` of a series keeps for each occurrence; None for nothing."""
    kept = [prop for prop in member.get("properties") or () if prop[0] not in _SERIES_PROPERTIES]
    parts = [part for part in member.get("components") or () if part[0] != member.get("name")]
    converted = {
        path: entry
        for path, entry in (member.get("convertedProperties") or {}).items()
        if not path.startswith("recurrence")
    }
    found = {"properties": kept, "convertedProperties": converted, "components": parts}
    if not any(found.values()):
        return None
    return {name: found.get(name, value) for name, value in member.items() if found.get(name, True)}


def keep_unpatchable(r: Reading, base: JsonObject) -> None:
    """Keep the properties of an override that a patch cannot express, and let the object inherit the rest."""
    for name, path in _KEPT_IN_OVERRIDES.items():
        own = r.js.get(path)
        if own is None or own == base.get(path):
            continue
        already = {id(line) for line in r.kept}
        r.kept += [line for line in r.component.properties if line.name == name and id(line) not in already]
        for pointer in [pointer for pointer in r.converted if pointer.partition("/")[0] == path]:
            del r.converted[pointer]
    for path in _UNPATCHABLE:
        if path in base:
            r.js[path] = base[path]
        else:
            r.js.pop(path, None)
    if "start" not in r.js and "due" not in r.js:
        for path in ("start", "due", "timeZone", "showWithoutTime", "duration", "endTimeZone"):
            if path in base:
                r.js[path] = base[path]


def override_patch(base: JsonObject, override: JsonObject) -> JsonObject:
    """The PatchObject of an override: never recurrenceId nor recurrenceIdTimeZone (§2.1.2)."""
    own = {name: value for name, value in override.items() if not name.startswith("recurrence")}
    member, base_member = own.get("iCalendar"), base.get("iCalendar")
    if isinstance(member, dict) and isinstance(base_member, dict):
        own["iCalendar"] = {**member, "name": base_member.get("name", member["name"])}
    return make_patch(base, own)


def override_key(r: Reading, main: JsonObject, *, dates: bool) -> str:
    """The key of an override: its recurrence id in the time zone of the main object.

    `dates`: whether the series has DATE times. A RECURRENCE-ID of the other type means the occurrence of its day.
    """
    zone = main.get("timeZone")
    line = r.component.first("RECURRENCE-ID")
    is_date = line is not None and v.read_stamp(line.value).is_date
    own_zone = r.js.get("recurrenceIdTimeZone")
    key = local_in(Time(r.js["recurrenceId"], own_zone, is_date=is_date), zone)
    anchor = str(main.get("start") or main.get("due"))
    if dates != is_date and line is not None:
        key = key[:11] + ("00:00:00" if dates else anchor[11:])
        r.mark("recurrenceId", line, frozenset({"VALUE"}), value_type="date" if is_date else "date-time")
        if own_zone == UTC_NAME:
            r.converted["recurrenceId"]["parameters"] = {"tzid": UTC_NAME}
    return key


# ---------------------------------------------------------------------------------------------------- writing


def write_series(w: Writing) -> dict[str, JsonObject]:
    """recurrenceRule to RRULE, overrides to EXDATE and RDATE; returns the overrides that need a component."""
    zone = w.js.get("timeZone")
    rule = w.left.get("recurrenceRule")
    if isinstance(rule, dict):
        _write_rule(w, rule, zone)
    overrides = w.left.get("recurrenceOverrides")
    if not isinstance(overrides, dict):
        return {}
    del w.left["recurrenceOverrides"]
    components: dict[str, JsonObject] = {}
    for key, patch in overrides.items():
        source = w.source(f"recurrenceOverrides/{escape(key)}")
        if patch == {"excluded": True}:
            _write_date(w, "EXDATE", key, zone)
        elif (not patch and source != "recurrence-id") or (source == "rdate" and patch.keys() <= {"duration"}):
            _write_date(w, "RDATE", key, zone, patch.get("duration"))
        else:
            components[key] = patch
            if source == "rdate" or "recurrenceRule" not in w.js:
                _write_date(w, "RDATE", key, zone)  # without it the override would stand alone
    return components


def _write_rule(w: Writing, rule: JsonObject, zone: str | None) -> None:
    def in_utc(local: datetime) -> datetime:
        return to_utc(local, zone) if zone else local

    known = {name: value for name, value in rule.items() if name in RULE_PROPERTIES}
    try:
        raw = write_rule(known, in_utc if zone else None, dates=w.dates)
        raw = _with_until(w, rule, raw, zone)
    except (ValueError, TypeError, KeyError, AttributeError):
        return  # no valid rule: left to JSPROP
    del w.left["recurrenceRule"]
    w.add("RRULE", raw, path="recurrenceRule")
    for name in rule.keys() - RULE_PROPERTIES:
        w.point(f"recurrenceRule/{escape(name)}", rule[name])


def _with_until(w: Writing, rule: JsonObject, raw: str, zone: str | None) -> str:
    """The rule with the UNTIL that it came with, if that still says the same."""
    until = w.recorded("recurrenceRule/until").get(_UNTIL_PARAMETER.upper(), ("",))[0]
    if not until:
        return raw
    original = read_rule(f"FREQ=DAILY;UNTIL={until}", lambda utc: from_utc(utc, zone) if zone else utc)["until"]
    same = original[:11] == rule["until"][:11] if w.dates else original == rule["until"]
    return re.sub(r"UNTIL=[^;]*", f"UNTIL={until}", raw) if same else raw


def _write_date(w: Writing, name: str, key: str, zone: str | None, duration: str | None = None) -> None:
    path = f"recurrenceOverrides/{key}"
    entry = w.converted.get(path) or {}
    value_type = entry.get("valueType")
    recorded = w.recorded(path)
    if duration is not None:
        raw, parameters = time_value(w, key, zone, _start_tzid(w))
        raw, parameters = f"{raw}/{v.write_duration(duration)}", {"VALUE": ("PERIOD",), **parameters}
    elif (w.dates and value_type != "date-time") or value_type == "date":
        raw, parameters = v.write_date(key), {"VALUE": ("DATE",)}
    else:
        tzid = recorded.pop("TZID", (None,))[0] if value_type == "date-time" else _start_tzid(w)
        raw, parameters = time_value(w, key, tzid if value_type == "date-time" else zone, tzid)
    w.lines.append(ContentLine(name, {**recorded, **parameters}, raw))


def _start_tzid(w: Writing) -> str | None:
    return (w.recorded("start").get("TZID") or (None,))[0]


def override_object(main: JsonObject, key: str, patch: Json) -> JsonObject:
    """The complete object of one occurrence, for its component. Raises `InvalidPatch`."""
    if not isinstance(patch, dict):
        raise InvalidPatch(f"the override {key} is no PatchObject")
    base = inherited(main, key)
    wanted = {
        pointer: value
        for pointer, value in patch.items()
        if pointer.partition("/")[0] not in {*_UNPATCHABLE, "recurrenceRule", "recurrenceOverrides"}
        and pointer not in {"recurrenceId", "recurrenceIdTimeZone"}
    }
    override = patched(base, wanted)
    override["recurrenceId"] = key
    if main.get("timeZone"):
        override["recurrenceIdTimeZone"] = main["timeZone"]
    return override


def suppress_inherited(component: Component, kept: list[ContentLine]) -> None:
    """In an override, what was kept of it replaces what it would inherit."""
    own = {id(line) for line in kept}
    names = {line.name for line in kept} & _KEPT_IN_OVERRIDES.keys()
    component.properties = [line for line in component.properties if line.name not in names or id(line) in own]
