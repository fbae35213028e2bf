"""What stands before the value of a content line: its name and parameters (RFC 5545 §3.1, RFC 6868), out of text."""

import re
from collections.abc import Mapping
from functools import lru_cache

Parameters = Mapping[str, tuple[str, ...]]
NO_PARAMETERS: Parameters = {}

_NAME = re.compile(r"(?:([A-Za-z0-9-]+)\.)?([A-Za-z0-9_-]+)")
_PARAMETER = re.compile(r';\s*([^=;:",\s]+)=("[^"]*"|[^";:,]*)((?:,(?:"[^"]*"|[^";:,]*))*)')
_NAMELESS = {
    **dict.fromkeys(("QUOTED-PRINTABLE", "BASE64", "8BIT", "7BIT"), "ENCODING"),
    **dict.fromkeys(("URL", "CID", "CONTENT-ID", "INLINE"), "VALUE"),
}
_PARAMETER_VALUE = re.compile(r'"([^"]*)"|([^",]+)|(?<=,)(?=,|$)')
_CARET = re.compile(r"\^([n^'])")
_CARET_MEANING = {"n": "\n", "^": "^", "'": '"'}


def read_head(head: str) -> tuple[str | None, Parameters]:
    """Name and parameters of a line's part before the colon, without quotes in it; (None, …) if it is irregular."""
    if ";" not in head:
        match = _NAME.fullmatch(head)
        return (head.upper(), NO_PARAMETERS) if match and not match[1] else (None, NO_PARAMETERS)
    name, _, _ = head.partition(";")
    parameters = _parameters(head, len(name))
    if parameters is None or not _NAME.fullmatch(name) or "." in name:
        return None, NO_PARAMETERS
    return name.upper(), parameters


cached_head = lru_cache(maxsize=4096)(read_head)
IRREGULAR: tuple[str | None, Parameters] = (None, NO_PARAMETERS)


def _parameters(text: str, position: int) -> dict[str, tuple[str, ...]] | None:
    """The parameters from `position` to the end of `text`, or None where they do not fill it regularly."""
    found: dict[str, tuple[str, ...]] = {}
    repeated: dict[str, list[str]] = {}
    end = len(text)
    while position < end:
        match = _PARAMETER.match(text, position)
        if match is None:
            return None
        name = match[1].upper()
        values = _parameter_values(match[2], match[3])
        if name not in found:
            found[name] = values
        elif name in repeated:
            repeated[name] += values
        else:
            repeated[name] = [*found[name], *values]
        position = match.end()
    for name, several in repeated.items():
        found[name] = tuple(several)
    return found


def _parameter_values(first: str, rest: str) -> tuple[str, ...]:
    if not rest and not first.startswith('"'):
        return (decode_parameter(first),)
    values = [first.removeprefix('"').removesuffix('"')]
    values += [quoted or plain for quoted, plain in _PARAMETER_VALUE.findall(rest)]
    return tuple(decode_parameter(value) for value in values)


def split_line(text: str) -> tuple[str | None, str, Parameters, str] | None:
    """Group, name, parameters and value of an unfolded line, read as leniently as real files need; None if it is none.

    Quotes protect colons; where they don't balance they are plain characters. Parameters without a value
    (vCard 2.1 `TEL;HOME:`) read as values of TYPE, ENCODING or VALUE; empty ones (`DTSTART;:`) are dropped.
    """
    name_match = _NAME.match(text)
    if name_match is None or text[name_match.end() : name_match.end() + 1] not in {":", ";"}:
        return None
    colon = _value_colon(text, name_match.end())
    if colon < 0:
        return None
    parameters = _parameters(text[:colon], name_match.end())
    if parameters is None:
        parameters = _loose_parameters(text[name_match.end() + 1 : colon])
    return name_match[1], name_match[2].upper(), parameters or NO_PARAMETERS, text[colon + 1 :]


def _value_colon(text: str, position: int) -> int:
    """Index of the colon before the value: the first outside of quotes, else the first at all."""
    quoted = False
    for index in range(position, len(text)):
        character = text[index]
        if character == '"':
            quoted = not quoted
        elif character == ":" and not quoted:
            return index
    return text.find(":", position)


def _loose_parameters(text: str) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for part in _split_outside_quotes(text):
        name, equals, value = part.strip().partition("=")
        if not name:
            continue
        key, value = (name.upper(), value.strip('"')) if equals else (_NAMELESS.get(name.upper(), "TYPE"), name)
        found.setdefault(key, []).append(decode_parameter(value))
    return {name: tuple(values) for name, values in found.items()}


def _split_outside_quotes(text: str) -> list[str]:
    """Split at the semicolons behind which quotes are balanced."""
    parts: list[str] = []
    current: list[str] = []
    stretches = text.split('"')
    for index, stretch in enumerate(stretches):
        if index:
            current.append('"')
        if (len(stretches) - index) % 2:
            first, *others = stretch.split(";")
            current.append(first)
            for other in others:
                parts.append("".join(current))
                current = [other]
        else:
            current.append(stretch)
    return [*parts, "".join(current)]


def decode_parameter(value: str) -> str:
    """Undo the circumflex encoding of a parameter value (RFC 6868 §3.1)."""
    return _CARET.sub(lambda m: _CARET_MEANING[m[1]], value) if "^" in value else value
