"""The names of RFC 8984 for JSCalendar 2.0 objects and back; used by the stand-alone converter on request only.

jscalendarbis §1.2 obsoletes or reserves them. What 2.0 cannot hold stays in the object under its old name (and so
reaches iCalendar as JSPROP), and is named in the notes.
"""

import copy
from collections.abc import Callable

from adapters.formats.jscalendar.series import inherited, override_object
from adapters.formats.pointer import InvalidPatch, make_patch
from adapters.formats.values import Json, JsonObject

OLD_NAMES = frozenset({"recurrenceRules", "excludedRecurrenceRules", "replyTo", "timeZones", "localizations"})
_METHODS = {"mailto": "imip", "http": "web", "https": "web"}
_Convert = Callable[[JsonObject, list[str]], None]


def old_names(js: Json) -> list[str]:
    """Names of RFC 8984 that an object uses and JSCalendar 2.0 does not have."""
    if not isinstance(js, dict):
        return []
    found = set(js.keys() & OLD_NAMES)
    people = js.get("participants")
    for participant in people.values() if isinstance(people, dict) else ():
        found |= participant.keys() & {"sendTo"} if isinstance(participant, dict) else set()
    for entry in js.get("entries") or ():
        found |= set(old_names(entry))
    return sorted(found)


def upgrade(js: JsonObject, notes: list[str]) -> JsonObject:
    """An RFC 8984 object as JSCalendar 2.0."""
    return _convert(js, notes, _upgrade_entry)


def downgrade(js: JsonObject, notes: list[str]) -> JsonObject:
    """A JSCalendar 2.0 object with the names of RFC 8984."""
    result = _convert(js, notes, _downgrade_entry)
    result.pop("version", None)
    return result


def _convert(js: JsonObject, notes: list[str], convert: _Convert) -> JsonObject:
    if js.get("@type") == "Group":
        result = copy.deepcopy({name: value for name, value in js.items() if name != "entries"})
        _links(result, to_set=convert is _upgrade_entry)
        result["entries"] = [_convert_entry(entry, notes, convert) for entry in js.get("entries", ())]
        if convert is _upgrade_entry:
            result.setdefault("version", "2.0")
        return result
    return _convert_entry(js, notes, convert)


def _convert_entry(entry: JsonObject, notes: list[str], convert: _Convert) -> JsonObject:
    """Convert a main object and each of its overrides as a whole, so that patches come out in the new names."""
    result = copy.deepcopy(entry)
    overrides = result.pop("recurrenceOverrides", None)
    convert(result, notes)
    if not isinstance(overrides, dict):
        return result
    converted: JsonObject = {}
    for key, patch in overrides.items():
        if not patch or patch.get("excluded") is True:
            converted[key] = patch
            continue
        try:
            override = override_object({**entry, "recurrenceOverrides": {}}, key, patch)
        except InvalidPatch as error:
            notes.append(f"override {key} left out: {error}")
            continue
        for name in ("recurrenceId", "recurrenceIdTimeZone"):
            override.pop(name, None)
        convert(override, [])
        converted[key] = make_patch(inherited(result, key), override)
    result["recurrenceOverrides"] = converted
    return result


# ---------------------------------------------------------------------------------------------------- upgrade


def _upgrade_entry(entry: JsonObject, notes: list[str]) -> None:
    _upgrade_rules(entry, notes)
    reply_to = entry.pop("replyTo", None)
    if isinstance(reply_to, dict) and (address := _address(reply_to)):
        entry["organizerCalendarAddress"] = address
    _upgrade_locations(entry, notes)
    _links(entry, to_set=True)
    participants = entry.get("participants") or {}
    addresses = {key: _address(p["sendTo"]) for key, p in participants.items() if isinstance(p.get("sendTo"), dict)}
    for key, participant in participants.items():
        if address := addresses.get(key):
            participant["calendarAddress"] = address
            del participant["sendTo"]
        _upgrade_roles(participant)
        _links(participant, to_set=True)
        for name in ("delegatedTo", "delegatedFrom", "memberOf"):
            if isinstance(participant.get(name), dict):
                participant[name] = {addresses.get(other) or other: True for other in participant[name]}
    notes += [f"{name} has no form in JSCalendar 2.0: kept as it is" for name in old_names(entry)]


def _upgrade_rules(entry: JsonObject, notes: list[str]) -> None:
    rules = entry.pop("recurrenceRules", None)
    if isinstance(rules, list) and rules:
        entry["recurrenceRule"] = rules[0]
        if len(rules) > 1:
            notes.append(f"{len(rules) - 1} further recurrence rules left out: JSCalendar 2.0 has one")


def _address(methods: JsonObject) -> str | None:
    return next((methods[name] for name in ("imip", "other", "web") if isinstance(methods.get(name), str)), None)


def _upgrade_roles(participant: JsonObject) -> None:
    roles = participant.get("roles")
    if not isinstance(roles, dict) or "attendee" not in roles:
        return
    roles = {name: True for name in roles if name != "attendee"}
    if not roles.keys() & {"optional", "informational", "chair", "required"}:
        roles["required"] = True
    participant["roles"] = roles


def _upgrade_locations(entry: JsonObject, notes: list[str]) -> None:
    locations = entry.get("locations") or {}
    for key, location in list(locations.items()):
        _links(location, to_set=True)
        relative, zone = location.pop("relativeTo", None), location.pop("timeZone", None)
        if relative == "end" and zone:
            entry.setdefault("endTimeZone", zone)
        elif zone and zone != entry.get("timeZone"):
            notes.append(f"time zone {zone} of location {key} left out")
        if not location.keys() - {"@type"}:
            del locations[key]
    if "locations" in entry and not locations:
        del entry["locations"]


def _links(holder: JsonObject, *, to_set: bool) -> None:
    for link in (holder.get("links") or {}).values():
        display = link.get("display")
        if to_set and isinstance(display, str):
            link["display"] = {display: True}
        elif not to_set and isinstance(display, dict):
            link["display"] = next(iter(display), "badge")


# -------------------------------------------------------------------------------------------------- downgrade


def _downgrade_entry(entry: JsonObject, notes: list[str]) -> None:
    entry.pop("version", None)
    if "recurrenceRule" in entry:
        entry["recurrenceRules"] = [entry.pop("recurrenceRule")]
    if organizer := entry.pop("organizerCalendarAddress", None):
        entry["replyTo"] = _methods(organizer)
    if end_zone := entry.pop("endTimeZone", None):
        locations = entry.setdefault("locations", {})
        locations["end"] = {"@type": "Location", "relativeTo": "end", "timeZone": end_zone, **locations.get("end", {})}
    if entry.pop("mainLocationId", None):
        notes.append("mainLocationId has no form in RFC 8984: left out")
    participants = entry.get("participants") or {}
    keys = {p["calendarAddress"]: key for key, p in participants.items() if "calendarAddress" in p}
    for participant in participants.values():
        if address := participant.pop("calendarAddress", None):
            participant["sendTo"] = _methods(address)
        roles = {name: True for name in participant.get("roles") or () if name != "required"}
        participant["roles"] = {"attendee": True, **roles} if roles != {"owner": True} else roles
        for name in ("delegatedTo", "delegatedFrom", "memberOf"):
            if isinstance(participant.get(name), dict):
                participant[name] = {keys.get(other, other): True for other in participant[name]}
    for holder in (entry, *participants.values(), *(entry.get("locations") or {}).values()):
        _links(holder, to_set=False)


def _methods(address: str) -> dict[str, str]:
    return {_METHODS.get(address.partition(":")[0].lower(), "other"): address}
