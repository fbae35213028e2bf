"""Start, end, due, duration and recurrence id, written (draft-ietf-calext-jscalendar-icalendar-25 §3.2)."""

from adapters.formats import values as v
from adapters.formats.content_lines import ContentLine
from adapters.formats.jscalendar.state import Writing
from adapters.formats.jscalendar.times import DURATION_PARAMETER, add_duration
from adapters.formats.jscalendar.timezones import UTC_NAME, from_utc, to_utc
from adapters.formats.values import Json, JsonObject


def writes_dates(js: JsonObject) -> bool:
    """Whether the times of an object become DATE values (§3.2)."""
    if js.get("showWithoutTime") is not True or js.get("timeZone") is not None:
        return False
    locals_ = [js.get("start"), js.get("due"), js.get("recurrenceId")]
    locals_.append((js.get("recurrenceRule") or {}).get("until"))
    locals_ += list(js.get("recurrenceOverrides") or ())
    durations = [js.get("duration"), js.get("estimatedDuration")]
    try:
        return all(v.parse_duration(text).seconds == 0 for text in durations if text is not None) and all(
            local.endswith("T00:00:00") for local in locals_ if local is not None
        )
    except (ValueError, AttributeError):
        return False


def write_time(w: Writing, name: str, local: str, zone: str | None, path: str, *, source: str | None = None) -> None:
    """Write a time property in the form that §3.2 demands; `source` names the path that recorded the TZID."""
    recorded = w.recorded(source or path)
    tzid = recorded.pop("TZID", (None,))[0]
    if w.dates:
        w.lines.append(ContentLine(name, {"VALUE": ("DATE",), **recorded}, v.write_date(local)))
        return
    raw, parameters = time_value(w, local, zone, tzid)
    w.lines.append(ContentLine(name, parameters | (recorded if source is None else {}), raw))


def time_value(
    w: Writing, local: str, zone: str | None, tzid: str | None = None
) -> tuple[str, dict[str, tuple[str, ...]]]:
    """Raw value and TZID parameter of a date-time. An original TZID is used where it still means this zone."""
    v.to_datetime(local)
    if tzid is not None:
        known = w.zones.resolve(tzid, local)
        if known.name == zone:
            return v.write_local(local), {"TZID": (tzid,)}
        if known.name is None and known.own is not None and zone == UTC_NAME:
            return v.write_local(v.from_datetime(known.own.from_utc(v.to_datetime(local)))), {"TZID": (tzid,)}
    if zone is None:
        return v.write_local(local), {}
    if zone == UTC_NAME and w.js.get("endTimeZone") is None:
        return v.write_local(local) + "Z", {}
    return v.write_local(local), {"TZID": (zone,)}


def write_times(w: Writing, *, recurrence_dates: bool | None = None) -> None:
    """Write every time of an event or task. `recurrence_dates`: of an override, whether its series has DATE times."""
    js = w.js
    zone = js.get("timeZone")
    w.dates = writes_dates(js)
    w.pop("timeZone")
    if (start := w.pop("start")) is not None:
        write_time(w, "DTSTART", start, zone, "start")
    _write_end(w, start, zone)
    if (due := w.pop("due")) is not None:
        _write_due(w, due, zone)
    if w.pop("showWithoutTime") is True and not w.dates:
        w.add("SHOW-WITHOUT-TIME", "TRUE", {"VALUE": ("BOOLEAN",)})
    if (recurrence_id := w.pop("recurrenceId")) is not None:
        _write_recurrence_id(w, recurrence_id, dates=w.dates if recurrence_dates is None else recurrence_dates)


def _write_recurrence_id(w: Writing, recurrence_id: str, *, dates: bool) -> None:
    own_dates = w.dates
    zone = w.pop("recurrenceIdTimeZone")
    value_type = (w.converted.get("recurrenceId") or {}).get("valueType")
    w.dates = value_type == "date" if value_type else dates
    if value_type == "date-time" and dates:
        zone = (w.recorded("recurrenceId").get("TZID") or (None,))[0]
    try:
        write_time(w, "RECURRENCE-ID", recurrence_id, zone, "recurrenceId")
    finally:
        w.dates = own_dates


def _write_due(w: Writing, due: str, zone: str | None) -> None:
    entry = w.converted.get("due") or {}
    if entry.get("valueType") == "date" and due.endswith("T00:00:00"):
        w.add("DUE", v.write_date(due), {"VALUE": ("DATE",)}, "due")
        return
    recorded = w.recorded("due")
    tzid = recorded.get("TZID", (None,))[0]
    if zone is not None and entry.get("name") == "due" and w.js.get("start") is not None:
        own = w.zones.resolve(tzid, due).name if tzid else UTC_NAME
        if own is not None and own != zone:
            due = v.from_datetime(from_utc(to_utc(v.to_datetime(due), zone), own))
            zone = own
    write_time(w, "DUE", due, zone, "due", source=None if "due" in w.converted else "start")


def _write_end(w: Writing, start: Json, zone: str | None) -> None:
    """duration and endTimeZone to DURATION or DTEND (§2.3.14)."""
    duration, end_zone = w.pop("duration"), w.pop("endTimeZone")
    source = w.source("duration")
    if duration is None and end_zone is None:
        return
    if source is None:  # the client gave a duration: an end that did not convert is superseded
        w.kept = [line for line in w.kept if line.name not in {"DTEND", "DURATION"}]
    if duration == "P1D" and source == "dtstart" and w.dates:
        return
    span = v.parse_duration(duration if duration is not None else "PT0S")
    if span.days and zone is not None and "recurrenceRule" in w.js:  # a DTEND would be exact time (RFC 5545 §3.8.5.3)
        w.point("endTimeZone", end_zone)
        source = end_zone = None
    if start is None or (source != "dtend" and end_zone is None) or w.name != "VEVENT":
        if duration is not None:
            recorded = w.recorded("duration") if source == "duration" else {}
            original = recorded.pop(DURATION_PARAMETER.upper(), ("",))[0]
            same = original and v.parse_duration(original).seconds == span.days * 86400
            w.lines.append(ContentLine("DURATION", recorded, original if same else v.write_duration(duration)))
        return
    end = add_duration(v.to_datetime(start), span, zone)
    if end_zone is not None and zone is not None:
        moved = v.from_datetime(from_utc(to_utc(end, zone), end_zone))
        tzid = w.recorded("endTimeZone").pop("TZID", (None,))[0]
        if end_zone == UTC_NAME and tzid is None:
            w.add("DTEND", v.write_local(moved) + "Z", path="endTimeZone")
        else:
            raw, parameters = time_value(w, moved, end_zone, tzid)
            w.add("DTEND", raw, parameters, "endTimeZone")
        return
    local = v.from_datetime(end)
    if ((w.converted["duration"].get("valueType") == "date") and local.endswith("T00:00:00")) or w.dates:
        w.add("DTEND", v.write_date(local), {"VALUE": ("DATE",)}, "duration")
    elif w.converted["duration"].get("valueType") == "date-time":
        w.add("DTEND", v.write_local(local), path="duration")  # it came without the TZID of the start
    else:
        tzid = (w.recorded("duration").get("TZID") or w.recorded("start").get("TZID") or (None,))[0]
        raw, parameters = time_value(w, local, zone, tzid)
        w.add("DTEND", raw, parameters, "duration")
