"""Updates of stored iCalendar in place: only what the client changed is touched (DESIGN §7).

The stored object is converted, changed as JSCalendar, and both versions are written. What differs between the two
written versions is what the client changed; exactly that is then done to the stored components. Everything else, also
what no converter understands, stays as it stands.
"""

from collections import Counter
from collections.abc import Callable

from adapters.formats import values as v
from adapters.formats.content_line_writer import serialize
from adapters.formats.content_lines import Component, ContentLine, ContentLineError, Limits, parse
from adapters.formats.jscalendar.facts import FORM_ONLY, Fact, component_label, facts, line_facts
from adapters.formats.jscalendar.read import ENTRY_TYPES, read_calendar
from adapters.formats.jscalendar.timezones import Zones
from adapters.formats.jscalendar.write import write_group
from adapters.formats.pointer import apply_patch
from adapters.formats.values import JsonObject

Change = Callable[[JsonObject], JsonObject | None]
_SPLITTABLE = frozenset({"CATEGORIES", "RESOURCES", "EXDATE", "RDATE", "LOCATION-TYPE", "FREEBUSY"})


def patch_entry(stored: str | bytes, patch: JsonObject, *, recurrence_id: str | None = None) -> str:
    """Apply a PatchObject to the event or task of a stored resource.

    `recurrence_id` names a stand-alone instance where the resource holds several. Raises `InvalidPatch` for the
    patch, `ContentLineError` for the stored text, `ValueError` for a result that is not valid JSCalendar.
    """
    return change_entry(stored, lambda entry: apply_patch(entry, patch), recurrence_id=recurrence_id)


def remove_entry(stored: str | bytes, *, recurrence_id: str) -> str:
    """Take one stand-alone instance out of a resource that holds several."""
    return change_entry(stored, lambda _: None, recurrence_id=recurrence_id)


def add_entries(stored: str, added: str) -> str:
    """The stored text with the events of another beside its own. Raises `ContentLineError` where either is broken."""
    calendar, other = (next(iter(parse(text, Limits()).components)) for text in (stored, added))
    known = {child.value("TZID") for child in calendar.components if child.name == "VTIMEZONE"}
    new = [child for child in other.components if child.name != "VTIMEZONE" or child.value("TZID") not in known]
    return serialize(Component(calendar.name, calendar.properties, [*calendar.components, *new]))


def change_entry(stored: str | bytes, change: Change, *, recurrence_id: str | None = None) -> str:
    """The stored text after `change` of its entry; the very same text if nothing changes. None removes the entry.

    Raises `ContentLineError` if the text does not hold exactly one VCALENDAR with such an entry.
    """
    calendars = [component for component in parse(stored, Limits()).components if component.name == "VCALENDAR"]
    if len(calendars) != 1:
        raise ContentLineError(f"{len(calendars)} VCALENDAR components in one resource")
    calendar = calendars[0]
    old = read_calendar(calendar)
    index = _entry_index(old["entries"], recurrence_id)
    changed = change(old["entries"][index])
    entries = [*old["entries"][:index], *([] if changed is None else [changed]), *old["entries"][index + 1 :]]
    zones = Zones(calendar)
    before, after = write_group(old), write_group({**old, "entries": entries})
    if facts(before, zones, keys=True) == facts(after, zones, keys=True):
        return stored.decode("utf-8", "replace") if isinstance(stored, bytes) else stored
    return serialize(_merge(calendar, before, after, zones))


def _entry_index(entries: list[JsonObject], recurrence_id: str | None) -> int:
    for index, entry in enumerate(entries):
        if recurrence_id is None or entry.get("recurrenceId") == recurrence_id:
            return index
    raise ContentLineError("no such event or task in the resource")


# --------------------------------------------------------------------------------------------------- three-way


def _merge(stored: Component, old: Component, new: Component, zones: Zones) -> Component:
    """`stored` with the difference between `old` and `new` applied. Nothing of `stored` itself is changed."""
    lines = stored.properties
    uid = new.first("UID")
    if stored.name in ENTRY_TYPES and uid is not None and stored.first("UID") is None:
        lines = [*lines, uid]  # a uid derived from the content must not change with it
    return Component(
        stored.name,
        _merge_lines(lines, old.properties, new.properties, zones),
        _merge_children(stored.components, old.components, new.components, zones),
    )


def _atoms(lines: list[ContentLine]) -> list[ContentLine]:
    """Lines with list values as one line for each member."""
    return [
        ContentLine(line.name, line.parameters, raw, line.index, line.group)
        for line in lines
        for raw in (v.split_raw(line.value) if line.name in _SPLITTABLE else [line.value])
    ]


def _fact(line: ContentLine, zones: Zones) -> Fact | None:
    return next(line_facts("", line, zones, keys=True), None)


def _counted(lines: list[ContentLine], zones: Zones) -> Counter[Fact]:
    return Counter(fact for line in _atoms(lines) if (fact := _fact(line, zones)) is not None)


def _merge_lines(
    stored: list[ContentLine], old: list[ContentLine], new: list[ContentLine], zones: Zones
) -> list[ContentLine]:
    before, after = _counted(old, zones), _counted(new, zones)
    removed, wanted = before - after, after - before
    if not removed and not wanted:
        return stored
    added: list[ContentLine] = []
    for line in _atoms(new):
        fact = _fact(line, zones)
        if fact is not None and wanted[fact] > 0:
            wanted[fact] -= 1
            added.append(line)
    said = {line.name for line in added} & FORM_ONLY.keys()
    stored = [line for line in stored if line.name not in said or _fact(line, zones) is not None]
    places = _remove(stored, removed, zones)
    return _place(places, added)


def _remove(stored: list[ContentLine], removed: Counter[Fact], zones: Zones) -> list[ContentLine | str]:
    """The stored lines without the removed facts; where a line went, its name marks the place."""
    removed = removed.copy()
    result: list[ContentLine | str] = []
    names = Counter(line.name for line in stored)
    for line in stored:
        kept = []
        for atom in _atoms([line]):
            fact = _fact(atom, zones)
            if fact is not None and removed[fact] > 0:
                removed[fact] -= 1
            else:
                kept.append(atom.value)
        single = names[line.name] == 1 and line.name not in _SPLITTABLE
        if single and kept and any(fact.name == line.name and count > 0 for fact, count in removed.items()):
            kept = []  # said in another way than written, but there is no other line that could be meant
        if not kept:
            result.append(line.name)
        elif len(kept) == len(_atoms([line])):
            result.append(line)
        else:
            result.append(ContentLine(line.name, line.parameters, ",".join(kept), line.index, line.group))
    return result


_SAME_PLACE = {"DTEND": "DURATION", "DURATION": "DTEND", "DESCRIPTION": "STYLED-DESCRIPTION"}


def _place(places: list[ContentLine | str], added: list[ContentLine]) -> list[ContentLine]:
    """Put the added lines where a line of their name stood, else after the last of their name, else at the end."""
    waiting = list(added)
    result: list[ContentLine] = []
    for place in places:
        if isinstance(place, ContentLine):
            result.append(place)
            continue
        found = next((line for line in waiting if line.name in {place, _SAME_PLACE.get(place)}), None)
        if found is not None:
            waiting.remove(found)
            result.append(found)
    for line in waiting:
        last = max((n for n, other in enumerate(result) if other.name == line.name), default=len(result) - 1)
        result.insert(last + 1, line)
    return result


def _merge_children(
    stored: list[Component], old: list[Component], new: list[Component], zones: Zones
) -> list[Component]:
    old_by_id, new_by_id = _identified(old, zones), _identified(new, zones)
    result: list[Component] = []
    for identity, child in _identified(stored, zones).items():
        if identity in old_by_id and identity not in new_by_id:
            continue
        if identity in old_by_id:
            result.append(_merge(child, old_by_id[identity], new_by_id[identity], zones))
        else:
            result.append(child)
    known = set(old_by_id)
    for identity, child in new_by_id.items():
        if identity not in known:
            result.append(child)
    return result


def _identified(children: list[Component], zones: Zones) -> dict[tuple[str, str, int], Component]:
    """Children by what identifies them: UID and recurrence id, else their facts; equal ones are counted."""
    found: dict[tuple[str, str, int], Component] = {}
    equal: Counter[tuple[str, str]] = Counter()
    for child in children:
        label = component_label(child, zones)
        if child.name not in {"VEVENT", "VTODO", "VTIMEZONE"}:
            uid = child.value("UID")
            label = uid if uid else repr(sorted(facts(child, zones).items()))
        elif child.name == "VTIMEZONE":
            label = child.value("TZID") or ""
        found[child.name, label, equal[child.name, label]] = child
        equal[child.name, label] += 1
    return found
