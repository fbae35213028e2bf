"""A stream of vCards as components that speak the language of vCard 3.0 and 4.0, whatever version they are of.

vCard 2.1 writes values otherwise (quoted-printable, charsets, parameters without names, cards inside of cards); here
that is undone once, so that nobody else has to know it.
"""

import re
from dataclasses import dataclass

from adapters.formats.charsets import decode_charset
from adapters.formats.content_line_heads import Parameters
from adapters.formats.content_line_writer import serialize
from adapters.formats.content_lines import Component, ContentLine, ContentLineError, Document, Limits, parse
from adapters.formats.values import write_text

LIMITS = Limits(octets=64 * 1024 * 1024, lines=1_000_000, depth=4)
MAX_CARDS = 50_000
MAX_PROPERTIES = 10_000
"""Of one card."""

_NAME = re.compile(r"[A-Za-z0-9_-]+")
_HEX = re.compile(rb"=([0-9A-Fa-f]{2})|=")
_OLD_COMMA = re.compile(r"(\\.)|(,)")
_LISTS = frozenset({"CATEGORIES", "NICKNAME"})
_IDENTITY = frozenset({"7BIT", "8BIT"})


@dataclass(slots=True)
class VCard:
    """One card: its version as it is to be written ("3.0" or "4.0") and its properties, VERSION left out."""

    version: str
    lines: list[ContentLine]


def read_stream(data: str | bytes, limits: Limits = LIMITS) -> tuple[list[VCard], Document]:
    """The cards of a stream. Raises `ContentLineError` for what is no vCard stream, or too much of it."""
    document = parse(data, limits)
    if not document.components:
        raise ContentLineError("no vCard", 1)
    if len(document.components) > MAX_CARDS:
        raise ContentLineError(f"more than {MAX_CARDS} vCards")
    for component in document.components:
        if component.name != "VCARD":
            raise ContentLineError(f"{component.name[:60]} is no vCard", document.line_number(component))
        if len(component.properties) > MAX_PROPERTIES:
            raise ContentLineError(f"more than {MAX_PROPERTIES} properties", document.line_number(component))
    return [_card(component) for component in document.components], document


def _card(component: Component) -> VCard:
    version = (component.value("VERSION") or "").strip()
    agents = list(component.components)
    lines = []
    for line in component.properties:
        if line.name == "VERSION":
            continue
        if not all(map(_NAME.fullmatch, line.parameters)):  # of a line that was hardly one
            line.parameters = {name: values for name, values in line.parameters.items() if _NAME.fullmatch(name)}
        if line.name == "AGENT" and not line.value.strip() and agents:  # a card inside of the card (vCard 2.1)
            line.value = write_text(serialize(agents.pop(0)).replace("\r\n", "\n"))
        elif version not in {"3.0", "4.0"} or not line.parameters.keys().isdisjoint({"ENCODING", "CHARSET"}):
            _modernise(line, old=version == "2.1")
        lines.append(line)
    return VCard("4.0" if version == "4.0" else "3.0", lines)


def _modernise(line: ContentLine, *, old: bool) -> None:
    encoding = (line.parameter("ENCODING") or "").upper()
    charset = line.parameter("CHARSET") or "utf-8"
    parameters = dict(line.parameters)
    parameters.pop("CHARSET", None)
    if encoding == "QUOTED-PRINTABLE" or encoding in _IDENTITY:
        del parameters["ENCODING"]
    elif encoding == "BASE64":
        parameters["ENCODING"] = ("b",)
    if encoding == "QUOTED-PRINTABLE":
        line.value = _unquoted(line.value, charset)
    if old and line.name not in _LISTS:  # a comma is a character like any other in vCard 2.1
        line.value = _OLD_COMMA.sub(lambda m: m[1] or "\\,", line.value)
    line.parameters = _upper_value(parameters)


def _unquoted(value: str, charset: str) -> str:
    data = _HEX.sub(lambda m: bytes([int(m[1], 16)]) if m[1] else b"", value.encode("utf-8", "replace"))
    text, _ = decode_charset(data, charset)
    return re.sub(r"\r\n?|\n", r"\\n", re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", "", text))


def _upper_value(parameters: dict[str, tuple[str, ...]]) -> Parameters:
    if parameters.get("VALUE", ("",))[0].upper() == "URL":
        parameters["VALUE"] = ("uri",)
    return parameters
