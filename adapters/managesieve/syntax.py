"""The grammar of RFC 5804 §4: what a server says as records, what a client says as octets."""

import re
from dataclasses import dataclass
from typing import Final, Protocol

from adapters.errors import InvalidData, Unavailable

MAX_DEPTH: Final = 20
_MAX_QUOTED: Final = 1024  # RFC 5804 §4: octets of a quoted string
_LITERAL: Final = re.compile(rb"\{([0-9]{1,10})\+?\}")
_QUOTED: Final = re.compile(rb'"((?:[^"\\]|\\.)*)"')
_ATOM: Final = re.compile(rb'[^\s(){"\\]+')
# RFC 5804 §1.6: what a script name must not hold.
_NAME_REFUSED: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class Source(Protocol):
    """Where lines and literals come from."""

    async def line(self) -> bytes:
        """The next line without its CRLF. Raises Unavailable."""
        ...

    async def exactly(self, size: int) -> bytes:
        """The next octets. Raises Unavailable."""
        ...


@dataclass(frozen=True, slots=True)
class Atom:
    """A bare word."""

    text: str


Token = Atom | bytes | list["Token"]
"""A word, a string, or a parenthesised list."""


@dataclass(frozen=True, slots=True)
class Completion:
    """OK, NO or BYE. code: the response code in upper case, "" for none; argument: the string that came with it."""

    status: str
    code: str = ""
    argument: bytes = b""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Data:
    """A line of data: a string, and what stands behind it."""

    value: bytes
    rest: tuple[Token, ...] = ()


async def read_response(source: Source) -> Completion | Data:
    """The next line that the server says, with its literals. Raises Unavailable where it breaks the grammar."""
    tokens = await _tokens(source)
    if not tokens:
        raise Unavailable("the server sent an empty line")
    first, *rest = tokens
    if isinstance(first, bytes):
        return Data(first, tuple(rest))
    if isinstance(first, Atom) and first.text.upper() in {"OK", "NO", "BYE"}:
        return _completion(first.text.upper(), rest)
    raise Unavailable("the server sent no response of RFC 5804")


def _completion(status: str, rest: list[Token]) -> Completion:
    code, argument = "", b""
    if rest and isinstance(rest[0], list):
        inside = rest.pop(0)
        if isinstance(inside, list) and inside and isinstance(inside[0], Atom):
            code = inside[0].text.upper()
            argument = inside[1] if len(inside) > 1 and isinstance(inside[1], bytes) else b""
    text = rest[0].decode(errors="replace") if rest and isinstance(rest[0], bytes) else ""
    return Completion(status, code, argument, text)


async def _tokens(source: Source) -> list[Token]:
    stack: list[list[Token]] = [[]]
    line = await source.line()
    position = 0
    while position < len(line):
        if match := _LITERAL.fullmatch(line, position):
            stack[-1].append(await source.exactly(int(match[1])))
            line, position = await source.line(), 0
            continue
        position = _token(line, position, stack)
    if len(stack) != 1:
        raise Unavailable("the server left a parenthesis open")
    return stack[0]


def _token(line: bytes, position: int, stack: list[list[Token]]) -> int:
    """Take one token into the innermost open list; the position behind it."""
    mark = line[position : position + 1]
    if mark == b" ":
        return position + 1
    if mark == b"(":
        if len(stack) > MAX_DEPTH:
            raise Unavailable("the server nested too deep")
        inner: list[Token] = []
        stack[-1].append(inner)
        stack.append(inner)
        return position + 1
    if mark == b")":
        if len(stack) == 1:
            raise Unavailable("the server closed a parenthesis that was not open")
        stack.pop()
        return position + 1
    if match := _QUOTED.match(line, position):
        stack[-1].append(re.sub(rb"\\(.)", rb"\1", match[1], flags=re.DOTALL))
        return match.end()
    if match := _ATOM.match(line, position):
        stack[-1].append(Atom(match[0].decode(errors="replace")))
        return match.end()
    raise Unavailable("the server broke the grammar of RFC 5804")


def string(value: bytes) -> bytes:
    """A string as a client sends it: quoted where it may be, else a non-synchronising literal."""
    if len(value) <= _MAX_QUOTED and not re.search(rb"[\x00\r\n\x80-\xff]", value):
        return b'"' + value.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'
    return b"{%d+}\r\n" % len(value) + value


def is_name(name: str) -> bool:
    """Whether a script may have this name (RFC 5804 §1.6)."""
    return bool(name) and _NAME_REFUSED.search(name) is None


def script_name(name: str) -> bytes:
    """A script's name as a client sends it. Raises InvalidData for one that RFC 5804 §1.6 refuses."""
    if not is_name(name):
        raise InvalidData("no name of a Sieve script")
    try:
        return string(name.encode())
    except UnicodeEncodeError:
        raise InvalidData("no name of a Sieve script") from None


def command(name: str, *arguments: bytes) -> bytes:
    """A whole command; the arguments are made by `string` and `script_name`."""
    return b" ".join((name.encode(), *arguments)) + b"\r\n"
