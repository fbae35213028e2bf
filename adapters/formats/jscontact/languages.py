"""LANGUAGE and ALTID: alternatives of one property in other languages (RFC 9555 §2.3.1, §2.3.11).

Of the properties that are alternatives of each other one is converted as if it were alone. What the others say
otherwise becomes a patch in localizations, one for each member that differs.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from adapters.formats.content_lines import ContentLine
from adapters.formats.jscontact.addresses import address_of
from adapters.formats.jscontact.anniversaries import place_of
from adapters.formats.jscontact.items import read_item
from adapters.formats.jscontact.names import components_of, full_of
from adapters.formats.jscontact.organizations import organization_of
from adapters.formats.jscontact.phonetics import read_phonetic
from adapters.formats.jscontact.rows import ROWS
from adapters.formats.jscontact.simple import gender_of
from adapters.formats.jscontact.state import Reading
from adapters.formats.jscontact.structured import read_name
from adapters.formats.jscontact.values import canonical_tag
from adapters.formats.pointer import get_pointer
from adapters.formats.values import JsonObject

_SINGLE = frozenset({"FN", "N", "GRAMGENDER", "BIRTHPLACE", "DEATHPLACE"})


def _name_of(line: ContentLine) -> JsonObject | None:
    structure = read_name(line)
    return components_of(line, structure) if structure else None


_CONVERTERS: dict[str, Callable[[ContentLine], JsonObject | None]] = {
    **{row.name: read_item for row in ROWS},
    "FN": full_of,
    "N": _name_of,
    "ADR": address_of,
    "ORG": organization_of,
    "GRAMGENDER": gender_of,
    "BIRTHPLACE": place_of,
    "DEATHPLACE": place_of,
}
LOCALIZABLE = frozenset(_CONVERTERS)
MAX_LANGUAGES = 100
"""Localizations that properties say: each costs as much as the parts of the card that it is about."""


@dataclass(slots=True)
class Alternatives:
    """Lines set apart, each with the line that it is an alternative of and its language; and the phonetic ones."""

    localized: list[tuple[ContentLine, ContentLine, str]] = field(default_factory=list)
    phonetic: list[tuple[ContentLine, ContentLine, str]] = field(default_factory=list)


def language_of(line: ContentLine) -> str:
    """The LANGUAGE of a property in canonical case, "" where it has none."""
    try:
        return canonical_tag(line.parameter("LANGUAGE") or "")
    except ValueError:
        return ""


def set_apart(r: Reading) -> Alternatives:
    """Take the lines out that are alternatives of others. Sets `language` where lines say it and LANGUAGE doesn't."""
    sets = [found for name in _CONVERTERS if name in r.lines for found in _sets(name, r.lines[name])]
    if "language" not in r.js and (language := _dominant(sets)):
        r.js["language"] = language
    result = Alternatives()
    gone: set[int] = set()
    for lines in sets:
        written = [line for line in lines if "PHONETIC" not in line.parameters]
        if not written:
            continue
        main = _main(written, r.js.get("language", ""))
        seen = {language_of(main) or r.js.get("language", "")}
        for line in written:
            language = language_of(line)
            if line is not main and language and language not in seen and len(seen) <= MAX_LANGUAGES:
                seen.add(language)
                result.localized.append((main, line, language))
                gone.add(id(line))
        for line in lines:
            if "PHONETIC" in line.parameters:
                result.phonetic.append((main, line, language_of(line)))
                gone.add(id(line))
    for name in {line.name for lines in sets for line in lines}:
        r.lines[name] = [line for line in r.lines[name] if id(line) not in gone]
    return result


def _sets(name: str, lines: list[ContentLine]) -> list[list[ContentLine]]:
    """Lines of one name that stand for one thing: by ALTID, else by PROP-ID; of some names there is only one thing."""
    if all("LANGUAGE" not in line.parameters and "PHONETIC" not in line.parameters for line in lines):
        return []
    found: dict[tuple[str, str], list[ContentLine]] = {}
    for n, line in enumerate(lines):
        if name in _SINGLE:
            key = ("", "")
        elif altid := line.parameter("ALTID"):
            key = ("ALTID", altid)
        else:
            key = ("PROP-ID", line.parameter("PROP-ID") or f"\n{n}")
        found.setdefault(key, []).append(line)
    return list(found.values())


def _dominant(sets: list[list[ContentLine]]) -> str | None:
    """The language that most of the things have which have no form without one, where a name or a choice says it."""
    found = [lines for lines in sets if all(map(language_of, lines))]
    if not any(len(lines) > 1 or lines[0].name in {"FN", "N"} for lines in found):
        return None
    written = (line for lines in found for line in lines if "PHONETIC" not in line.parameters)
    return next((language for language, _ in Counter(map(language_of, written)).most_common(1)), None)


def _main(lines: list[ContentLine], language: str) -> ContentLine:
    """The one without LANGUAGE, else the one in the language of the card, else the first."""
    for wanted in ("", language):
        for line in lines:
            if language_of(line) == wanted:
                return line
    return lines[0]


# ------------------------------------------------------------------------------------------------- localizations


def read_localizations(r: Reading, alternatives: Alternatives) -> None:
    """What the alternatives say otherwise, once all else is read."""
    for main, line, language in alternatives.localized:
        path = _path(r, main)
        item = _CONVERTERS[line.name](line) if path else None
        if item is None:
            r.keep(line)
            continue
        unit = _unit(path)
        changed = _difference(get_pointer(r.js, unit), item)
        if not changed:
            r.keep(line)
            continue
        patch = r.js.setdefault("localizations", {}).setdefault(language, {})
        patch |= {f"{unit}/{name}": value for name, value in changed.items()}
        r.came(line, f"localizations/{language}/{path}")
    for n, (main, line, language) in enumerate(alternatives.phonetic):
        if n >= MAX_LANGUAGES or not _read_phonetic(r, main, line, language):
            r.keep(line)


def _path(r: Reading, main: ContentLine) -> str:
    """Where the line went that another one is an alternative of; "" where it is kept, or became several things."""
    paths = r.origins.get(main.index, [])
    return paths[0] if len(paths) == 1 and not paths[0].startswith("vCardProps/") else ""


def _unit(path: str) -> str:
    """The object that a line says something of."""
    return path.rpartition("/")[0] if path.startswith("name/") or path == "speakToAs/grammaticalGender" else path


def _difference(main: JsonObject, item: JsonObject) -> JsonObject:
    changed = {name: value for name, value in item.items() if name != "vCardParams" and main.get(name) != value}
    if "components" in changed and main.get("isOrdered"):
        changed["isOrdered"] = item.get("isOrdered", False)
    ours, theirs = (_own_params(found) for found in (item, main))
    return changed | ({"vCardParams": ours} if ours != theirs else {})


def _own_params(item: JsonObject) -> JsonObject:
    params = item.get("vCardParams", {})
    return {name: value for name, value in params.items() if name not in {"altid", "language"}}


def _read_phonetic(r: Reading, main: ContentLine, line: ContentLine, language: str) -> bool:
    """The phonetic form of components: in place, or in the localization of its language (§2.3.15)."""
    path = _path(r, main)
    unit = _unit(path)
    structure = r.structures.get(unit)
    found = read_phonetic(line, structure) if structure else None
    if structure is None or found is None:
        return False
    said, members = found
    if language in {"", r.js.get("language", ""), language_of(main)}:
        if any("phonetic" in part for part in structure.components):
            return False
        for part, text in zip(structure.components, said, strict=True):
            if text:
                part["phonetic"] = text
        get_pointer(r.js, unit).update(members)
        r.came(line, f"{unit}/phonetic")
        return True
    patch = r.js.get("localizations", {}).get(language, {})
    components = patch.get(f"{unit}/components")
    said_before = not patch.keys().isdisjoint((f"{unit}/phoneticSystem", f"{unit}/phoneticScript"))
    if said_before or (components is not None and len(components) != len(said)):
        return False
    patch = r.js.setdefault("localizations", {}).setdefault(language, patch)
    for n, text in enumerate(said):
        if text and components is not None:
            components[n]["phonetic"] = text
        elif text:
            patch[f"{unit}/components/{n}/phonetic"] = text
    patch |= {f"{unit}/{name}": value for name, value in members.items()}
    r.came(line, f"localizations/{language}/{unit}/phonetic")
    return True
