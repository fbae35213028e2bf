"""Text on its way into header fields: encoded words (RFC 2047), phrases, parameters (RFC 2231), folding (RFC 5322).

Nothing that comes from a client reaches a header field but through `checked`: it refuses line breaks, NUL and all
other control characters.
"""

import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator
from typing import Final
from urllib.parse import quote

__all__ = ["LONGEST_WORD", "Token", "Unfit", "checked", "encoded_words", "fold", "parameter", "phrase", "unstructured"]

Token = tuple[str, str]
"""White space, and the word after it that is not to be broken."""

LONGEST_WORD: Final = 900
"""Octets of what can't be folded: with a field name, quotes and brackets it stays below 998 (RFC 5322 §2.1.1)."""

_LINE: Final = 78  # RFC 5322 §2.1.1
_LINE_WITH_ENCODED_WORD: Final = 76  # RFC 2047 §2
_PAYLOAD: Final = 48  # characters inside of an encoded word: such a word fits after most field names
_LONGEST_SPACE: Final = 60
_LONGEST_QUOTED: Final = 70

_FORBIDDEN = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029]")
_PLAIN_WORD = re.compile(r"[!-~]+")
_ATOM = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]{1,60}")  # RFC 5322 §3.2.3
_QUOTABLE = re.compile(r"[ -~]*")
_NEEDS_ESCAPE = re.compile(r'(["\\])')
_WORD = re.compile(r"([ ]*)([^ ]+)")
_Q_SAFE: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/")  # RFC 2047 §5 (3)
_TOKEN = re.compile(r"[A-Za-z0-9!#$&+.^_`{|}~-]{1,60}")  # RFC 2045 §5.1, without what RFC 2231 uses
_PLAIN_PARAMETER = re.compile(r"[ !#-\[\]-~]{0,60}")


class Unfit(ValueError):
    """A value that can't be written. `path` leads to it below the property ("/0/email"), "" for the value itself."""

    def __init__(self, what: str, path: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.path = path


def checked(value: object) -> str:
    """A String that may stand in a header field, a tab made a space. Raises Unfit."""
    if not isinstance(value, str):
        raise Unfit("must be a String")
    if found := _FORBIDDEN.search(value):
        raise Unfit(f"must not contain the character U+{ord(found.group()):04X}")
    return value.replace("\t", " ")


def encoded_words(text: str) -> list[str]:
    """RFC 2047: words of whole characters, quoted-printable or base64, whichever is shorter."""
    octets = text.encode()
    quoted = sum(1 if octet in _Q_SAFE or octet == 0x20 else 3 for octet in octets)
    if quoted <= len(octets) * 4 // 3:
        return [f"=?utf-8?Q?{''.join(map(_q, piece))}?=" for piece in _pieces(text, _q_cost, _PAYLOAD)]
    return [
        f"=?utf-8?B?{b64encode(piece.encode()).decode('ascii')}?="
        for piece in _pieces(text, _b_cost, _PAYLOAD * 3 // 4)
    ]


def _q(character: str) -> str:
    if character == " ":
        return "_"
    return "".join(chr(octet) if octet in _Q_SAFE else f"={octet:02X}" for octet in character.encode())


def _q_cost(character: str) -> int:
    return len(_q(character))


def _b_cost(character: str) -> int:
    return len(character.encode())


def _pieces(text: str, cost: Callable[[str], int], budget: int) -> Iterator[str]:
    """Cut between characters (RFC 2047 §5: a multi-octet character must not be split)."""
    start = spent = 0
    for index, character in enumerate(text):
        price = cost(character)
        if spent + price > budget:
            yield text[start:index]
            start, spent = index, 0
        spent += price
    if start < len(text):
        yield text[start:]


def unstructured(text: str) -> list[Token]:
    """Unstructured text: encoded from the first to the last word that needs it, readable before and after."""
    words = [(found[1], found[2]) for found in _WORD.finditer(text)]
    if not words:
        return [(" ", word) for word in encoded_words(text)]
    awkward = [index for index, (_, word) in enumerate(words) if _is_awkward(word)]
    for index, (space, _) in enumerate(words[1:], start=1):
        if len(space) > _LONGEST_SPACE:  # goes between two words that are encoded
            awkward += index - 1, index
    begins, ends = text.startswith(" "), text.endswith(" ")  # white space at the ends survives in encoded words only
    if begins or ends or awkward:
        first = 0 if begins else min(awkward, default=len(words) - 1)
        last = len(words) - 1 if ends else max(awkward, default=0)
        words = [*words[:first], *_encoded_run(text, words, first, last), *words[last + 1 :]]
    return [(" ", words[0][1]), *words[1:]]


def _encoded_run(text: str, words: list[Token], first: int, last: int) -> list[Token]:
    start = 0 if first == 0 else sum(len(space) + len(word) for space, word in words[:first]) + len(words[first][0])
    end = len(text) if last == len(words) - 1 else sum(len(space) + len(word) for space, word in words[: last + 1])
    head, *tail = encoded_words(text[start:end])
    return [(words[first][0], head), *((" ", word) for word in tail)]


def _is_awkward(word: str) -> bool:
    return (
        len(word) > LONGEST_WORD
        or "=?" in word  # would be taken for an encoded word
        or _PLAIN_WORD.fullmatch(word) is None
    )


def phrase(text: str) -> list[str]:
    """A display name (RFC 5322 §3.2.5): atoms, else a quoted string, else encoded words."""
    text = text.strip(" ")
    atoms = text.split(" ")
    if all(_ATOM.fullmatch(atom) and "=?" not in atom for atom in atoms):
        return atoms
    if len(text) <= _LONGEST_QUOTED and _QUOTABLE.fullmatch(text) and "=?" not in text:
        return [quoted(text)]
    return encoded_words(text)


def quoted(text: str) -> str:
    """A quoted string (RFC 5322 §3.2.4) of printable ASCII."""
    return '"' + _NEEDS_ESCAPE.sub(r"\\\1", text) + '"'


def parameter(name: str, value: str) -> list[str]:
    """A MIME parameter: plain where every reader takes it as it is, else RFC 2231, in sections if it is long."""
    if _TOKEN.fullmatch(value):
        return [f"{name}={value}"]
    if _PLAIN_PARAMETER.fullmatch(value) and "=?" not in value:
        return [f'{name}="{value}"']
    sections = list(_pieces(value, _percent_cost, _PAYLOAD)) or [""]
    if len(sections) == 1:
        return [f"{name}*=utf-8''{_percent(sections[0])}"]
    head, *tail = sections
    return [f"{name}*0*=utf-8''{_percent(head)}", *(f"{name}*{n}*={_percent(s)}" for n, s in enumerate(tail, start=1))]


def _percent(text: str) -> str:
    return quote(text, safe="")


def _percent_cost(character: str) -> int:
    return len(_percent(character))


def fold(name: str, tokens: Iterable[Token]) -> bytes:
    """The whole field with its CRLF, broken before white space so that lines stay below 78 octets where that can be."""
    lines: list[str] = []
    line = f"{name}:"
    width = len(line)
    for space, word in tokens:
        more = len(space) + (len(word) if word.isascii() else len(word.encode()))
        limit = _LINE_WITH_ENCODED_WORD if "=?" in word or "=?" in line else _LINE
        # Before the first word only if that helps; a line of white space alone never comes to be.
        if width + more > limit and space and (lines or width > len(name) + 1 or more <= limit):
            lines.append(line)
            line, width = "", 0
        line += space + word
        width += more
    return "\r\n".join([*lines, line, ""]).encode()
