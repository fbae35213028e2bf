"""VALARM to Alert objects (draft-ietf-calext-jscalendar-icalendar-25 §2.2.2, §2.3.35, §2.3.44, §3.1)."""

from collections.abc import Callable

from adapters.formats.content_lines import Component, ContentLine
from adapters.formats.jscalendar.state import Reading, Writing
from adapters.formats.keys import component_key
from adapters.formats.pointer import escape
from adapters.formats.values import (
    JsonObject,
    parse_duration,
    read_signed_duration,
    read_text,
    read_utc,
    write_duration,
    write_text,
    write_utc,
)


def _content(component: Component) -> str:
    return "\n".join(sorted(f"{line.name}:{line.value}" for line in component.properties if line.name != "JSID"))


def read_alerts(r: Reading, read_component: Callable[[Component], JsonObject]) -> None:
    """All alarms of an event or task; relations between them go from UID to key."""
    alerts: JsonObject = {}
    keys: dict[str, str] = {}
    for component in r.component.components:
        if component.name != "VALARM":
            continue
        uid = component.value("UID")
        key = component_key(component.value("JSID"), uid, _content(component), alerts)
        alerts[key] = {"@type": "Alert", **read_component(component)}
        if uid:
            keys.setdefault(read_text(uid), key)
    for alert in alerts.values():
        if "relatedTo" in alert:
            alert["relatedTo"] = {keys.get(uid, uid): relation for uid, relation in alert["relatedTo"].items()}
    if alerts:
        r.js["alerts"] = alerts


def read_trigger(r: Reading) -> None:
    """TRIGGER to an OffsetTrigger or AbsoluteTrigger."""
    line = r.take_first("TRIGGER")
    if line is None:
        return
    try:
        trigger, used = _trigger(line)
    except ValueError:
        r.kept.append(line)
        return
    r.js["trigger"] = trigger
    if line.parameters:
        r.mark("trigger", line, used)


def _trigger(line: ContentLine) -> tuple[JsonObject, frozenset[str]]:
    if line.value.endswith("Z"):
        return {"@type": "AbsoluteTrigger", "when": read_utc(line.value)}, frozenset({"VALUE"})
    trigger: JsonObject = {"@type": "OffsetTrigger", "offset": read_signed_duration(line.value)}
    related = (line.parameter("RELATED") or "").lower()
    if related in {"start", "end"}:
        trigger["relativeTo"] = related
        return trigger, frozenset({"VALUE", "RELATED"})
    return trigger, frozenset({"VALUE"})


def write_alerts(w: Writing, write_component: Callable[[JsonObject, Writing], Component]) -> None:
    """Alert objects to VALARM components."""
    alerts = w.left.get("alerts")
    if not isinstance(alerts, dict) or not all(isinstance(alert, dict) for alert in alerts.values()):
        return
    del w.left["alerts"]
    related = {key for alert in alerts.values() for key in alert.get("relatedTo") or ()}
    uids = {key: _uid(key, alert, needed=key in related) for key, alert in alerts.items()}
    taken: set[str] = set()
    for key, alert in alerts.items():
        members = {name: value for name, value in alert.items() if name != "@type"}
        if "relatedTo" in members:
            members["relatedTo"] = {uids.get(other) or other: rel for other, rel in members["relatedTo"].items()}
        component = write_component(members, w)
        uid = uids[key]
        if uid and component.first("UID") is None:
            component.properties.insert(0, ContentLine("UID", {}, write_text(uid)))
        if component_key(None, component.value("UID"), _content(component), taken) != key:
            component.properties.append(ContentLine("JSID", {}, key))
        taken.add(key)
        w.components.append(component)


def _uid(key: str, alert: JsonObject, *, needed: bool) -> str | None:
    """The UID that an alert's VALARM has, or needs because another alert relates to it (§3.1)."""
    for prop in (alert.get("iCalendar") or {}).get("properties") or ():
        if prop[0] == "uid":
            return str(prop[3])
    return key if needed else None


def write_trigger(w: Writing) -> None:
    """The reverse; an unknown kind of trigger is left to JSPROP."""
    trigger = w.left.get("trigger")
    if not isinstance(trigger, dict):
        return
    rest = {name: value for name, value in trigger.items() if name != "@type"}
    kind = trigger.get("@type", "OffsetTrigger")
    if kind == "AbsoluteTrigger" and isinstance(rest.get("when"), str):
        w.add("TRIGGER", write_utc(rest.pop("when")), {"VALUE": ("DATE-TIME",)}, "trigger")
    elif kind == "OffsetTrigger" and isinstance(rest.get("offset"), str):
        offset = rest.pop("offset")
        parse_duration(offset)
        related = rest.pop("relativeTo", None)
        parameters = {"RELATED": (related.upper(),)} if related in {"start", "end"} else {}
        w.add("TRIGGER", write_duration(offset), parameters, "trigger")
    else:
        return
    del w.left["trigger"]
    for name, value in rest.items():
        w.point(f"trigger/{escape(name)}", value)


def write_action(w: Writing) -> None:
    """ACTION is mandatory (RFC 5545 §3.6.6): an alert without an action, or a kept one, is displayed (§3.5.1)."""
    if "action" not in w.left and not any(line.name == "ACTION" for line in w.kept):
        w.add("ACTION", "DISPLAY")
