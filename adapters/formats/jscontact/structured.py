"""Structured values of N and ADR, and the order that JSCOMPS gives to components (RFC 9555 §2.5.5, §2.6.1, §3.3.1)."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from adapters.formats.content_lines import ContentLine
from adapters.formats.values import Json, JsonObject, read_text, split_raw, write_text

Parts = list[list[str]]
Position = tuple[int, int]

NAME_KINDS = ("surname", "given", "given2", "title", "credential", "surname2", "generation")  # Table 1
ADDRESS_KINDS = (
    *("postOfficeBox", "apartment", "name", "locality", "region", "postcode", "country"),
    # RFC 9554 §2.1; Table 2
    *("room", "apartment", "floor", "number", "name", "building", "block", "subdistrict", "district"),
    *("landmark", "direction"),
)
_OLD_ADDRESS = 7
_NEW_ADDRESS_KINDS = (ADDRESS_KINDS[0], "", "", *ADDRESS_KINDS[3:])  # each kind where RFC 9554 has it
_EXTENDED, _STREET = 1, 2
_IN_EXTENDED = frozenset({"room", "floor", "apartment", "building"})
_IN_STREET = frozenset({"number", "name", "block", "direction", "landmark", "subdistrict", "district"})


@dataclass(slots=True)
class Structure:
    """Components as JSContact has them, where each stood in the value, and whether and how they are ordered."""

    components: list[JsonObject]
    positions: list[Position | None]  # None: a separator
    ordered: bool = False
    separator: str | None = None

    def members(self) -> JsonObject:
        """The members of a Name or Address."""
        found: JsonObject = {"components": self.components}
        if self.ordered:
            found["isOrdered"] = True
        if self.separator is not None:
            found["defaultSeparator"] = self.separator
        return found


def split_value(raw: str) -> Parts:
    """The values of each component of a structured value, empty ones included."""
    return [[read_text(value) for value in split_raw(part)] for part in split_raw(raw, ";")]


def join_value(parts: Parts) -> str:
    """The reverse."""
    return ";".join(",".join(map(write_text, part)) for part in parts)


def read_name(line: ContentLine) -> Structure | None:
    """N; None where it has no components, or more than it can have."""
    parts = split_value(line.value)
    if len(parts) > len(NAME_KINDS) and any(value for part in parts[len(NAME_KINDS) :] for value in part):
        return None
    ignored = _repeated(parts, 0, 5, last=True) | _repeated(parts, 4, 6, last=False)
    return _structure(parts[: len(NAME_KINDS)], NAME_KINDS, ignored, line.parameter("JSCOMPS"))


def read_address(line: ContentLine) -> Structure | None:
    """ADR; street and extended address are ignored where the components of RFC 9554 say it better (§2.1)."""
    parts = split_value(line.value)
    if len(parts) > len(ADDRESS_KINDS) and any(value for part in parts[len(ADDRESS_KINDS) :] for value in part):
        return None
    ignored: set[Position] = set()
    if any(value for part in parts[_OLD_ADDRESS:] for value in part):
        ignored = {(index, n) for index in (_EXTENDED, _STREET) for n in range(len(parts[index]))}
    return _structure(parts[: len(ADDRESS_KINDS)], ADDRESS_KINDS, ignored, line.parameter("JSCOMPS"))


def _repeated(parts: Parts, old: int, new: int, *, last: bool) -> set[Position]:
    """The values of an old component that the new one has too, each as often as there: they count once (§3.3.1)."""
    if len(parts) <= new:
        return set()
    left = Counter(value for value in parts[new] if value)
    found = set()
    for n in reversed(range(len(parts[old]))) if last else range(len(parts[old])):
        if left[parts[old][n]] > 0:
            left[parts[old][n]] -= 1
            found.add((old, n))
    return found


def _structure(parts: Parts, kinds: Sequence[str], ignored: set[Position], jscomps: str | None) -> Structure | None:
    positions: list[Position | None] = [
        (index, n)
        for index, part in enumerate(parts)
        for n, value in enumerate(part)
        if value and (index, n) not in ignored
    ]
    if not positions:
        return None
    if jscomps is not None and (ordered := _ordered(parts, kinds, {*positions}, jscomps)) is not None:
        return ordered
    return Structure([_component(parts, kinds, position) for position in positions if position], positions)


def _component(parts: Parts, kinds: Sequence[str], position: Position) -> JsonObject:
    index, n = position
    return {"kind": kinds[index], "value": parts[index][n]}


def _ordered(parts: Parts, kinds: Sequence[str], there: set[Position | None], jscomps: str) -> Structure | None:
    """The components in the order of a JSCOMPS value; None where it is not valid for them."""
    first, *entries = split_raw(jscomps, ";")
    found = Structure([], [], ordered=True, separator=_separator(first) if first else None)
    if first and found.separator is None:
        return None
    for entry in entries:
        if (text := _separator(entry)) is not None:
            found.components.append({"kind": "separator", "value": text})
            found.positions.append(None)
            continue
        position = _position(entry)
        if position not in there:
            return None
        there.discard(position)
        found.components.append(_component(parts, kinds, position))
        found.positions.append(position)
    return None if there else found


def _separator(entry: str) -> str | None:
    return read_text(entry[2:]) if entry.startswith("s,") else None


def _position(entry: str) -> Position:
    index, _, n = entry.partition(",")
    numbers = [int(text) if text.isascii() and text.isdecimal() and len(text) < 6 else -1 for text in (index, n or "0")]
    return numbers[0], numbers[1]


# ---------------------------------------------------------------------------------------------------- writing


@dataclass(slots=True)
class Placed:
    """A structured value: which components it has, where each of them stands in it, and its JSCOMPS."""

    value: str
    components: list[JsonObject]
    positions: list[Position | None]
    jscomps: str | None


def write_name(item: JsonObject) -> Placed | None:
    """N; None where none of the components has a place there."""
    components = _known(item["components"], NAME_KINDS)
    if not components:
        return None
    parts: Parts = [[] for _ in NAME_KINDS]
    parts[4] = [part["value"] for part in components if part["kind"] == "generation"]  # as one says it: "Jr., M.D."
    positions = [_append(parts, NAME_KINDS, part) for part in components]
    parts[0] += [part["value"] for part in components if part["kind"] == "surname2"]
    return _placed(item, parts, components, positions)


def write_address(item: JsonObject, *, short: bool) -> Placed:
    """ADR. `short`: in the seven components of RFC 6350 where they say all of it, as vCard 3.0 has them."""
    components = _known(item.get("components", ()), ADDRESS_KINDS)
    kinds = {part["kind"] for part in components} - {"separator"}
    if short and kinds <= set(ADDRESS_KINDS[:_OLD_ADDRESS]):
        parts: Parts = [[] for _ in range(_OLD_ADDRESS)]
        positions = [_append(parts, ADDRESS_KINDS[:_OLD_ADDRESS], part) for part in components]
        return _placed(item, parts, components, positions)
    parts = [[] for _ in ADDRESS_KINDS]
    positions = [_append(parts, _NEW_ADDRESS_KINDS, part) for part in components]
    for index, combined in ((_EXTENDED, _IN_EXTENDED), (_STREET, _IN_STREET)):
        text = _combined(components, combined, item)
        parts[index] = [text] if text else []
    return _placed(item, parts, components, positions)


def _known(components: Sequence[JsonObject], kinds: Sequence[str]) -> list[JsonObject]:
    known = [part for part in components if part["kind"] in kinds or part["kind"] == "separator"]
    return known if any(part["kind"] != "separator" for part in known) else []


def _placed(item: JsonObject, parts: Parts, components: list[JsonObject], positions: list[Position | None]) -> Placed:
    value = join_value([part or [""] for part in parts])
    return Placed(value, components, positions, _jscomps(item, components, positions) if components else None)


def _append(parts: Parts, kinds: Sequence[str], component: JsonObject) -> Position | None:
    if component["kind"] == "separator":
        return None
    index = kinds.index(component["kind"])
    parts[index].append(component["value"])
    return index, len(parts[index]) - 1


def _combined(components: Sequence[JsonObject], kinds: frozenset[str], item: JsonObject) -> str:
    """The values of some kinds as one text, for those who read no more than the old components (RFC 9554 §2.1).

    A separator counts where it stands between two of them.
    """
    chosen: list[JsonObject] = []
    between = False
    for part in components:
        if part["kind"] in kinds or (part["kind"] == "separator" and between):
            chosen.append(part)
        between = part["kind"] in kinds
    return joined(chosen, item)


def joined(components: Sequence[JsonObject], item: JsonObject) -> str:
    """Components as one text, with their separators (RFC 9553 §2.2.1.1)."""
    text, pending = "", ""
    for part in components:
        if part["kind"] == "separator":
            pending = part["value"]
            continue
        text += (pending if text else "") + part["value"]
        pending = item.get("defaultSeparator", " ")
    return text


def _jscomps(item: JsonObject, components: Sequence[JsonObject], positions: Sequence[Position | None]) -> str | None:
    """The value of JSCOMPS; None where the components are not ordered."""
    if not item.get("isOrdered"):
        return None
    separator = item.get("defaultSeparator")
    entries = ["" if separator is None else f"s,{write_text(separator)}"]
    for part, position in zip(components, positions, strict=True):
        if position is None:
            entries.append(f"s,{write_text(part['value'])}")
        else:
            entries.append(f"{position[0]},{position[1]}" if position[1] else str(position[0]))
    return ";".join(entries)


def split_sort_as(line: ContentLine) -> list[str]:
    """The values of SORT-AS: a list in one value, or several values (RFC 6350 §5.9)."""
    values = line.parameters.get("SORT-AS", ())
    return values[0].split(",") if len(values) == 1 else list(values)


def write_sort_as(values: Sequence[Json]) -> tuple[str, ...]:
    """The reverse: one value where none of them has a comma."""
    if any("," in value for value in values):
        return tuple(values) if len(values) > 1 else (*values, "")
    return (",".join(values),)
