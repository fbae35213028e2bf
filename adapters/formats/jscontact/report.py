"""What a conversion of contacts did with the data (see `adapters.formats.conversion`)."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from operator import itemgetter
from typing import Any, Literal

from adapters.formats.content_line_writer import format_line
from adapters.formats.content_lines import ContentLine
from adapters.formats.conversion import Report
from adapters.formats.jscontact.read import read_vcard
from adapters.formats.jscontact.simple import APPLE
from adapters.formats.jscontact.stream import VCard
from adapters.formats.jscontact.write import write_lines
from adapters.formats.pointer import escape, make_patch
from adapters.formats.values import Json, JsonObject

_TIES = frozenset({"ALTID", "PROP-ID"})
"""Parameters that a writer adds to tie properties together."""


def report_vcard(vcard: VCard, report: Report) -> JsonObject:
    """The Card of a vCard; adds to `report` what was kept, and which properties a round trip changes."""
    card = read_vcard(vcard).js
    report.kept += _kept(card, "")
    apple = any(line.name.startswith(APPLE) for line in vcard.lines)
    written = [line for _, line in write_lines(card, vcard.version, apple=apple)]
    before, after = _facts(vcard.version, vcard.lines), _facts(vcard.version, written)
    texts = before | after
    counted, again = (Counter({fact: len(lines) for fact, lines in found.items()}) for found in (before, after))
    report.lost += sorted(texts[fact][0] for fact in (counted - again).elements())
    report.added += sorted(texts[fact][0] for fact in (again - counted).elements())
    return card


def _facts(version: str, lines: list[ContentLine]) -> dict[str, list[str]]:
    """What each property says, read by itself; with the properties as text. Those that say nothing are left out."""
    found: dict[str, list[str]] = {}
    for line in lines:
        parameters = {name: values for name, values in line.parameters.items() if name not in _TIES}
        alone = ContentLine(line.name, parameters, line.value, 0, line.group)
        card = read_vcard(VCard(version, [alone]), uid="-").js
        said = {name: _unkeyed(value) for name, value in card.items() if name not in {"@type", "version"}}
        if said.get("uid") == "-":
            del said["uid"]
        if said and line.parameters.get("DERIVED", ("",))[0].lower() != "true":
            found.setdefault(json.dumps(said, sort_keys=True), []).append(format_line(line)[:200])
    return found


def _unkeyed(value: Json) -> Json:
    """A member of a Card without the keys of maps and the order of components that have none."""
    if not isinstance(value, dict):
        return value
    items = [_unkeyed(item) for item in value.values() if isinstance(item, dict)]
    if items and len(items) == len(value):
        return items
    if "components" in value and not value.get("isOrdered"):
        return {**value, "components": sorted(value["components"], key=itemgetter("kind", "value"))}
    return value


def _kept(node: Json, path: str) -> Iterator[str]:
    """Every property and parameter that a Card keeps for vCard, with its path."""
    if not isinstance(node, dict):
        return
    for name, value in node.items():
        if name == "vCardProps":
            yield from (f"{prop[0].upper()} in {path}/vCardProps" for prop in value)
        elif name == "vCardParams":
            yield from (f"{parameter.upper()} in {path}/vCardParams" for parameter in value)
        else:
            yield from _kept(value, f"{path}/{escape(name)}")


def report_card(card: Mapping[str, Any], version: Literal["3.0", "4.0"], report: Report) -> None:
    """Add what the conversion of a Card to a vCard did."""
    lines = [line for _, line in write_lines(card, version, apple=version == "3.0")]
    report.kept += [f"{line.parameter('JSPTR')} as JSPROP" for line in lines if line.name == "JSPROP"]
    numbered = [ContentLine(line.name, line.parameters, line.value, n, line.group) for n, line in enumerate(lines)]
    again = read_vcard(VCard(version, numbered), uid=card.get("uid")).js
    for pointer, value in make_patch(_ordered(card), _ordered(again)).items():
        (report.lost if value is None else report.added).append(f"/{pointer}: {json.dumps(value, ensure_ascii=False)}")


def _ordered(card: Mapping[str, Any]) -> JsonObject:
    """A Card with the components that follow no order in one."""
    found = dict(card)
    if "addresses" in card:
        found["addresses"] = {key: _unkeyed(item) for key, item in card["addresses"].items()}
    if "name" in card:
        found["name"] = _unkeyed(card["name"])
    return found
