"""Components as they are spoken: N and ADR with PHONETIC (RFC 9555 §2.3.15, RFC 9554 §4.6)."""

from adapters.formats.content_lines import ContentLine
from adapters.formats.jscontact.state import Writing
from adapters.formats.jscontact.structured import Placed, Structure, join_value, split_value
from adapters.formats.values import JsonObject, split_raw

_SYSTEMS = frozenset({"ipa", "jyut", "piny"})
_SAID = frozenset({"@type", "kind", "value"})


def read_phonetic(line: ContentLine, structure: Structure) -> tuple[list[str | None], JsonObject] | None:
    """The phonetic form of each component, and what system and script it is in; None where it does not fit."""
    system, script = (line.parameter("PHONETIC") or "").lower(), line.parameter("SCRIPT")
    if system not in _SYSTEMS | {"script"} or (system == "script" and not script) or "\n" in (script or ""):
        return None
    left = {(i, n): text for i, part in enumerate(split_value(line.value)) for n, text in enumerate(part) if text}
    said = [left.pop(position, None) if position else None for position in structure.positions]
    if left or not any(said):
        return None
    members = {} if system == "script" else {"phoneticSystem": system}
    return said, members | ({"phoneticScript": script} if script else {})


def write_phonetic(w: Writing, path: str, main: ContentLine, item: JsonObject, placed: Placed) -> None:
    """The phonetic form as a property beside `main`, tied to it by ALTID; what it says is taken out of `item`."""
    system, script = item.get("phoneticSystem"), item.get("phoneticScript")
    said = [part.get("phonetic") for part in placed.components]
    if not any(said) or not (system or script) or (system and system not in _SYSTEMS):
        return
    parts: list[list[str]] = [[] for _ in split_raw(main.value, ";")]
    for text, position in zip(said, placed.positions, strict=True):
        if position is not None and text:
            index, n = position
            parts[index] += [""] * (n + 1 - len(parts[index]))
            parts[index][n] = text
    altid = main.parameters.get("ALTID", ("1" if path == "name" else path.rpartition("/")[2],))
    main.parameters = {**main.parameters, "ALTID": altid}
    parameters = {"ALTID": altid, "PHONETIC": (system or "script",)} | ({"SCRIPT": (script,)} if script else {})
    w.add(f"{path}/phonetic", main.name, join_value([part or [""] for part in parts]), parameters, target=path)
    item.pop("phoneticSystem", None)
    item.pop("phoneticScript", None)
    placed.components = [
        {name: value for name, value in part.items() if name != "phonetic" or not value} for part in placed.components
    ]


def take_components(w: Writing, path: str, item: JsonObject, placed: Placed) -> None:
    """Take the components out of an object; where they say more than their property does, leave them to JSPROP."""
    components = item.pop("components", [])
    if len(components) != len(placed.components) or any(part.keys() - _SAID for part in placed.components):
        w.leave(f"{path}/components", components)
    if placed.jscomps is not None:
        item.pop("defaultSeparator", None)
        item.pop("isOrdered", None)
    elif not item.get("isOrdered"):
        item.pop("isOrdered", None)
