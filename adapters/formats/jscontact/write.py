"""JSContact to vCard (RFC 9555 §3)."""

import json
from collections.abc import Mapping
from typing import Any, Literal

from adapters.formats.content_line_writer import serialize
from adapters.formats.content_lines import Component, ContentLine
from adapters.formats.jscontact.addresses import write_addresses
from adapters.formats.jscontact.anniversaries import write_anniversaries
from adapters.formats.jscontact.items import write_rows
from adapters.formats.jscontact.jcard import from_jcard
from adapters.formats.jscontact.localizations import write_localizations
from adapters.formats.jscontact.names import write_names
from adapters.formats.jscontact.organizations import write_groups, write_organizations
from adapters.formats.jscontact.read import VERSION
from adapters.formats.jscontact.shape import faults
from adapters.formats.jscontact.simple import write_gender, write_sets, write_singles
from adapters.formats.jscontact.state import Writing, kept_paths
from adapters.formats.pointer import escape, tokens
from adapters.formats.values import Json, JsonObject, write_text

Line = tuple[str, ContentLine]


def write_card(card: Mapping[str, Any], version: Literal["3.0", "4.0"] = "4.0") -> bytes:
    """A Card as vCard. Raises `ValueError` for what is no valid Card, and for what no vCard may hold."""
    lines = [line for _, line in write_lines(card, version, apple=version == "3.0")]
    return to_octets(version, lines)


def to_octets(version: str, lines: list[ContentLine]) -> bytes:
    """A vCard of its lines, VERSION first (RFC 6350 §3.3). Raises `ValueError` for what no content line may hold."""
    return serialize(Component("VCARD", [ContentLine("VERSION", {}, version), *lines])).encode("utf-8")


def write_lines(card: Mapping[str, Any], version: str, *, apple: bool) -> list[Line]:
    """The properties of a Card, each with the path that it stands for; `apple`: groups as Apple writes them.

    Raises `ValueError` for what is no valid Card.
    """
    if found := faults(card):
        raise ValueError("; ".join(f"{path} {fault}" for path, fault in found[:5]))
    w = write_main({name: value for name, value in card.items() if name != "localizations"}, version, apple=apple)
    write_localizations(w, card, write_main)
    _write_jsprops(w)
    return w.lines + list(w.kept.items())


def write_main(card: JsonObject, version: str, *, apple: bool) -> Writing:
    """The lines of a Card without localizations; what has no property is in the result's `rest`."""
    left = {name: value for name, value in card.items() if name != "@type" and value is not None}
    w = Writing(left, version, apple=apple)
    if left.get("version") == VERSION:
        w.pop("version")
    props = w.pop("vCardProps") or []
    kept = zip(kept_paths(props), map(from_jcard, props), strict=True)
    w.kept = {path: line for path, line in kept if line.name != "VERSION"}
    write_singles(w)
    write_names(w)
    write_organizations(w)
    write_rows(w)
    write_gender(w)
    write_addresses(w)
    write_anniversaries(w)
    write_sets(w)
    write_groups(w)
    for name, value in w.js.items():
        w.leave(escape(name), value)
    return w


def _write_jsprops(w: Writing) -> None:
    """What is left as JSPROP: each value where its parent is there for a reader, else with its parents (§3.1.1)."""
    merged: JsonObject = {}
    for path, value in w.rest.items():
        parts = path.split("/")
        depth = next((n for n in range(1, len(parts)) if "/".join(parts[:n]) not in w.exists), len(parts))
        top = "/".join(parts[:depth])
        if depth == len(parts):
            merged[top] = value
            continue
        target = merged.setdefault(top, {})
        *parents, last = tokens("/".join(parts[depth:]))
        for token in parents:
            target = target.setdefault(token, {})
        target[last] = value
    if merged:  # JSPROP properties that were no valid patch would make these none either (§3.2.1)
        w.kept = {path: line for path, line in w.kept.items() if line.name != "JSPROP"}
    for pointer, value in merged.items():
        w.lines.append((f"JSPROP/{pointer}", ContentLine("JSPROP", {"JSPTR": (pointer,)}, write_text(_compact(value)))))


def _compact(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
