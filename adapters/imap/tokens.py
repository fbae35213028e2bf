"""The one tokenizer of IMAP responses (pure). RFC 9051 §4 and §9.

A framed response is a list of pieces: text, literal, text, literal, … text. The text before a literal has
lost its `{n}`, the last text its CRLF.
"""

import re
from collections.abc import Sequence
from typing import Final, TypeAlias

from adapters.imap.errors import ProtocolError

Value: TypeAlias = "bytes | list[Value] | None"

MAX_DEPTH: Final = 100

# Quoted strings: RFC 9051 §4.3. Each alternative is linear and possessive: no input makes the scan quadratic.
# Only spaces (and stray controls) lie between the matches; an unbalanced quote swallows the rest and is refused.
_TOKEN: Final = re.compile(
    rb"""
      [()]
    | "[^"\\]*+(?:\\.[^"\\]*+)*+"                                        # quoted
    | (?i:BODY|BINARY|BINARY\.SIZE)\[(?:[^]["]|"[^"\\]*+")*+\](?:<\d++>)? # fetch item with a section is one token
    | [^\x00-\x20()"]++
    | ".*
    """,
    re.X | re.S,
)
_ESCAPE: Final = re.compile(rb"\\(.)", re.S)
_NIL: Final = frozenset({b"NIL", b"nil", b"Nil"})
_QUOTE: Final = 0x22
_OPEN: Final = 0x28
_CLOSE: Final = 0x29


def parse_values(pieces: Sequence[bytes], *, depth: int = MAX_DEPTH) -> list[Value]:
    """Values of a framed response: NIL -> None, (…) -> list, all else bytes.

    A quoted or literal "NIL" is `b"NIL"`. `BODY[HEADER.FIELDS (FROM TO)]<0>` is one token.
    Lists nested deeper than `depth` are read over: anybody may send a message with such a BODYSTRUCTURE, and it must
    not cost the answers about other messages. Raises ProtocolError for unbalanced parentheses or quotes.
    """
    current: list[Value] = []
    outer: list[list[Value]] = []
    add = current.append  # this loop runs a hundred times per message of a list view
    for index, piece in enumerate(pieces):
        if index & 1:
            add(piece)
            continue
        tokens = _TOKEN.findall(piece)
        if tokens and tokens[-1] == b'"':
            raise ProtocolError("quoted string left open")
        for token in tokens:
            first = token[0]
            if first == _QUOTE:
                add(_unquote(token) if b"\\" in token or token[-1] != _QUOTE else token[1:-1])
            elif first == _OPEN:
                nested: list[Value] = []
                if len(outer) < depth:
                    add(nested)
                outer.append(current)
                current, add = nested, nested.append
            elif first == _CLOSE:
                if not outer:
                    raise ProtocolError("unbalanced parenthesis")
                current = outer.pop()
                add = current.append
            else:
                add(None if len(token) == 3 and token in _NIL else token)
    if outer:
        raise ProtocolError("parenthesis left open")
    return current


def _unquote(token: bytes) -> bytes:
    if token[-1] != _QUOTE:
        raise ProtocolError("quoted string left open")
    text = token[1:-1]
    if b"\\" not in text:
        return text
    if (len(text) - len(text.rstrip(b"\\"))) % 2:  # the last quote was an escaped one
        raise ProtocolError("quoted string left open")
    return _ESCAPE.sub(rb"\1", text)
