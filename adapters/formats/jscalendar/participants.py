"""ATTENDEE, ORGANIZER and PARTICIPANT (draft-ietf-calext-jscalendar-icalendar-25 §2.2.1, §2.3.4, §2.3.29, §3.6)."""

from collections.abc import Callable

from adapters.formats.content_lines import Component, ContentLine
from adapters.formats.jscalendar.participant_parameters import BY_NAME, ORGANIZER_PARAMETERS, PARAMETERS
from adapters.formats.jscalendar.state import Reading, Writing
from adapters.formats.keys import component_key, is_id, property_key, value_key
from adapters.formats.pointer import escape
from adapters.formats.values import JsonObject, write_verbatim

ROLES = {
    "CHAIR": "chair",
    "REQ-PARTICIPANT": "required",
    "OPT-PARTICIPANT": "optional",
    "NON-PARTICIPANT": "informational",
    "OWNER": "owner",
}
STATUSES = {name.upper(): name for name in ("needs-action", "accepted", "declined", "tentative", "delegated")}
PROGRESSES = {name.upper(): name for name in ("completed", "in-process", "failed")}  # Table 13
_ROLE_NAMES = {value: name for name, value in ROLES.items()}
_ORGANIZER_PROPERTIES = frozenset({"@type", "calendarAddress", "roles", "name", "email", "sentBy"})
_COMPONENT_PROPERTIES = ("description", "descriptionContentType", "links", "percentComplete")  # Table 31, but for name


def normal_address(address: str) -> str:
    """A calendar address for comparison: a mailto URI compares without regard to case."""
    return address.lower() if address[:7].lower() == "mailto:" else address


# ---------------------------------------------------------------------------------------------------- reading


def read_participants(r: Reading, read_component: Callable[[Component], JsonObject]) -> None:
    """All participants of an event or task. `read_component` converts a PARTICIPANT component by itself."""
    participants: JsonObject = {}
    by_address: dict[str, str] = {}
    for component in list(r.component.components):
        if component.name == "PARTICIPANT":
            _read_component(component, read_component(component), participants, by_address)
    lines = r.take("ATTENDEE")
    owned = any("OWNER" in line.parameters.get("ROLE", ()) for line in lines)
    for line in lines:
        _read_attendee(r, line, participants, by_address)
    organizer = r.take_first("ORGANIZER")
    if organizer is not None:
        _read_organizer(r, organizer, participants, by_address, owned=owned)
    if participants:
        r.js["participants"] = participants


def _read_component(
    component: Component, participant: JsonObject, participants: JsonObject, by_address: dict[str, str]
) -> None:
    content = "\n".join(sorted(f"{line.name}:{line.value}" for line in component.properties))
    address = participant.get("calendarAddress")
    jsid = component.value("JSID")
    if address is not None and not jsid:
        key = property_key(address, None, participants)
    else:
        key = component_key(jsid, component.value("UID"), content, participants)
    participants[key] = {"@type": "Participant", **participant}
    if address is not None:
        by_address.setdefault(normal_address(address), key)
        participants[key]["iCalendar"].setdefault("convertedProperties", {})["calendarAddress"] = {
            "@type": "ICalProperty",
            "name": "calendar-address",
        }


def _read_attendee(r: Reading, line: ContentLine, participants: JsonObject, by_address: dict[str, str]) -> None:
    address = normal_address(line.value)
    key = by_address.get(address)
    if key is None:
        key = property_key(line.value, line.parameter("JSID"), participants)
        by_address[address] = key
        participants[key] = participant = {"@type": "Participant", "calendarAddress": line.value}
    else:
        participant = participants[key]
        from_component = participant.get("iCalendar", {}).get("convertedProperties", {})
        if "calendarAddress" not in from_component:
            r.kept.append(line)  # the same attendee twice
            return
        del from_component["calendarAddress"]
        if not from_component:
            del participant["iCalendar"]["convertedProperties"]
    leftover = _read_parameters(r, line, participant)
    if leftover:
        r.mark(f"participants/{key}/calendarAddress", line, frozenset(line.parameters) - leftover)


def _read_parameters(r: Reading, line: ContentLine, participant: JsonObject) -> set[str]:
    """Convert the parameters of an ATTENDEE; returns the names of those that don't convert."""
    leftover: set[str] = set()
    for name, values in line.parameters.items():
        if name == "JSID":
            continue
        row = BY_NAME.get(name)
        if row is not None:
            value = row.read(values)
            if value is None or participant.get(row.path, value) != value:
                leftover.add(name)
            else:
                participant[row.path] = value
        elif name == "PARTSTAT":
            if not _read_status(values[0].upper(), participant, task=r.task):
                leftover.add(name)
        elif name == "ROLE" and len(values) == 1 and (role := ROLES.get(values[0].upper())):
            participant["roles"] = {role: True}
        else:
            leftover.add(name)
    return leftover


def _read_status(status: str, participant: JsonObject, *, task: bool) -> bool:
    if status in STATUSES:
        participant["participationStatus"] = STATUSES[status]
        return True
    if task and status in PROGRESSES:  # Table 13
        participant["participationStatus"] = "accepted"
        participant["progress"] = PROGRESSES[status]
        return True
    return False


def _read_organizer(
    r: Reading, line: ContentLine, participants: JsonObject, by_address: dict[str, str], *, owned: bool
) -> None:
    """ORGANIZER to organizerCalendarAddress and, with the conditions of §2.3.29, to a Participant."""
    r.js["organizerCalendarAddress"] = line.value
    found = {row: row.read(line.parameters[row.name]) for row in ORGANIZER_PARAMETERS if row.name in line.parameters}
    converts = {row: value for row, value in found.items() if value is not None}
    used = {"JSID"} | {row.name for row in converts}
    address = normal_address(line.value)
    key = by_address.get(address)
    if converts or not owned:
        if key is None:
            key = property_key(line.value, line.parameter("JSID"), participants)
            participants[key] = {"@type": "Participant", "calendarAddress": line.value}
        elif _is_organizer_only(participants[key]):
            # written back, this would not become an ATTENDEE: remember that there was one
            path = f"participants/{key}/calendarAddress"
            r.converted.setdefault(path, {"@type": "ICalProperty", "name": "attendee"})
        participant = participants[key]
        participant.setdefault("roles", {})["owner"] = True
        for row, value in converts.items():
            if participant.setdefault(row.path, value) != value:
                used.discard(row.name)
    if "SENT-BY" in used:
        r.js["sentBy"] = converts[BY_NAME["SENT-BY"]]
    r.mark("organizerCalendarAddress", line, frozenset(used))
    attendee = participants.get(key or "", {})
    absent = [row.name.lower() for row in ORGANIZER_PARAMETERS if row.path in attendee and row not in found]
    if absent:  # what the ATTENDEE says about the same person, the ORGANIZER does not
        entry: JsonObject = {"@type": "ICalProperty", "name": "organizer", "parameters": {}}
        entry = r.converted.setdefault("organizerCalendarAddress", entry)
        entry.setdefault("parameters", {}).update((name, []) for name in absent)


def _is_organizer_only(participant: JsonObject) -> bool:
    """Whether ORGANIZER alone says everything about a participant (§3.6)."""
    roles = participant.get("roles") or {}
    return participant.keys() <= _ORGANIZER_PROPERTIES and roles.keys() <= {"owner"}


# ---------------------------------------------------------------------------------------------------- writing


def write_participants(w: Writing, write_component: Callable[[JsonObject, Writing], Component]) -> None:
    """The reverse. `write_component` converts the part of a Participant that needs a PARTICIPANT component."""
    organizer = w.pop("organizerCalendarAddress")
    participants = w.left.get("participants")
    if not isinstance(participants, dict) or not all(isinstance(p, dict) for p in participants.values()):
        participants = {}
    else:
        del w.left["participants"]
    owner = None
    for key, participant in participants.items():
        address = participant.get("calendarAddress")
        is_organizer = (
            isinstance(organizer, str)
            and isinstance(address, str)
            and owner is None
            and normal_address(address) == normal_address(organizer)
        )
        if is_organizer:
            owner = (key, participant)
        _write_participant(w, key, participant, write_component, is_organizer=is_organizer)
    if isinstance(organizer, str):
        _write_organizer(w, organizer, owner)


def _write_organizer(w: Writing, organizer: str, owner: tuple[str, JsonObject] | None) -> None:
    parameters: dict[str, tuple[str, ...]] = {}
    key, participant = owner or ("", {})
    recorded = w.recorded("organizerCalendarAddress")
    for row in ORGANIZER_PARAMETERS:
        if row.name not in recorded and (values := row.write(participant.get(row.path))):
            parameters[row.name] = values
    sent_by = w.pop("sentBy")
    if sent_by is not None and (values := BY_NAME["SENT-BY"].write(sent_by)):
        parameters["SENT-BY"] = values
    alone = owner is not None and not _writes_attendee(w, key, participant, is_organizer=True)
    if alone and "iCalendar" not in participant and (key != value_key(organizer) or key in w.pinned):
        parameters["JSID"] = (key,)
    w.add("ORGANIZER", write_verbatim(organizer), parameters, "organizerCalendarAddress")


def _writes_attendee(w: Writing, key: str, participant: JsonObject, *, is_organizer: bool) -> bool:
    if not isinstance(participant.get("calendarAddress"), str):
        return False
    if (participant.get("iCalendar") or {}).get("convertedProperties", {}).get("calendarAddress"):
        return False  # it came from CALENDAR-ADDRESS of a PARTICIPANT component (§2.3.5)
    if is_organizer and _is_organizer_only({k: v for k, v in participant.items() if k != "iCalendar"}):
        return w.source(f"participants/{key}/calendarAddress") == "attendee"
    return True


def _write_participant(
    w: Writing,
    key: str,
    participant: JsonObject,
    write_component: Callable[[JsonObject, Writing], Component],
    *,
    is_organizer: bool,
) -> None:
    rest = {name: value for name, value in participant.items() if name != "@type"}
    path = f"participants/{escape(key)}"
    address = rest.get("calendarAddress")
    attendee = _writes_attendee(w, key, participant, is_organizer=is_organizer)
    if attendee:
        parameters = _attendee_parameters(w, rest, path, is_organizer=is_organizer)
    elif is_organizer and "iCalendar" not in rest:
        for name in ("name", "email", "sentBy"):
            rest.pop(name, None)
        roles = dict(rest.pop("roles", None) or {})
        roles.pop("owner", None)
        w.point_rest(f"{path}/roles", roles)
    if "iCalendar" in rest or address is None or any(name in rest for name in _COMPONENT_PROPERTIES):
        _write_part(w, key, rest, attendee=attendee, write_component=write_component)
    else:
        rest.pop("calendarAddress", None)
        w.point_rest(path, rest)
    if attendee and isinstance(address, str):
        if value_key(address) != key or key in w.pinned:
            parameters = {"JSID": (key,), **parameters}
        w.add("ATTENDEE", write_verbatim(address), parameters, f"participants/{key}/calendarAddress")


def _attendee_parameters(w: Writing, rest: JsonObject, path: str, *, is_organizer: bool) -> dict[str, tuple[str, ...]]:
    """Take out of `rest` what ATTENDEE parameters can say."""
    parameters: dict[str, tuple[str, ...]] = {}
    for row in PARAMETERS:
        if row.path in rest and (values := row.write(rest[row.path])) is not None:
            parameters[row.name] = values
            del rest[row.path]
    status, progress = rest.get("participationStatus"), rest.get("progress")
    if status == "accepted" and w.name == "VTODO" and str(progress).upper() in PROGRESSES:
        parameters["PARTSTAT"] = (str(progress).upper(),)
        del rest["participationStatus"], rest["progress"]
    elif str(status).upper() in STATUSES:
        parameters["PARTSTAT"] = (str(status).upper(),)
        del rest["participationStatus"]
    roles = rest.pop("roles", None)
    if isinstance(roles, dict):
        _write_roles(w, roles, parameters, path, is_organizer=is_organizer)
    return parameters


def _write_roles(
    w: Writing, roles: JsonObject, parameters: dict[str, tuple[str, ...]], path: str, *, is_organizer: bool
) -> None:
    """The role that takes precedence becomes ROLE, further ones JSPROP (jscalendarbis §3.4.6)."""
    left = dict(roles)
    if is_organizer:
        left.pop("owner", None)
    for name in ("chair", "required", "optional", "informational", "owner"):
        if name in left:
            parameters["ROLE"] = (_ROLE_NAMES[name],)
            del left[name]
            break
    else:
        if left and not is_organizer:
            w.point(f"{path}/roles", left)
            return
    w.point_rest(f"{path}/roles", left)


def _write_part(
    w: Writing,
    key: str,
    rest: JsonObject,
    *,
    attendee: bool,
    write_component: Callable[[JsonObject, Writing], Component],
) -> None:
    component = write_component(rest, w)
    address = component.value("CALENDAR-ADDRESS")
    if attendee and address is None:
        raise ValueError("a PARTICIPANT beside an ATTENDEE names its address")
    uid = component.value("UID")
    expected = value_key(address) if address else (uid if uid and is_id(uid) else None)
    if uid is None:
        component.properties.insert(0, ContentLine("UID", {}, key))  # RFC 9073 §7.1: mandatory
        expected = expected or (key if is_id(key) else None)
    if expected != key:
        component.properties.append(ContentLine("JSID", {}, key))
    w.components.append(component)
