"""The only writer of IMAP commands (pure). RFC 9051 §9; literals RFC 7888.

A command is a name and a sequence of `Part`s, each made by one of the constructors below. CR, LF and NUL leave the
gateway only inside counted literals (NUL only in a binary one), whatever text a client sends.
"""

import base64
import datetime as dt
import re
from collections.abc import AsyncIterable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from adapters.errors import InvalidData
from adapters.imap import utf7

_ATOM: Final = re.compile(rb"[^\x00-\x20\x7f-\xff(){%*\"\\\]]{1,1024}", re.S)  # RFC 9051 §9 ATOM-CHAR
_PLAIN: Final = re.compile(rb"[A-Za-z0-9_.:/@=+$,-]{1,255}")  # what is safe to leave bare in an astring
_QUOTABLE: Final = re.compile(rb"[\x20-\x7e]{0,1024}")
_NAME: Final = re.compile(r"[A-Z][A-Z0-9-]*( [A-Z]+)?")
_SEQUENCE: Final = re.compile(
    r"\$|(?:[1-9][0-9]{0,9}|\*)(?::(?:[1-9][0-9]{0,9}|\*))?"
    r"(?:,(?:[1-9][0-9]{0,9}|\*)(?::(?:[1-9][0-9]{0,9}|\*))?)*"
)
_HEADERS: Final = r"\([!-'*-9;-Z\\^-~]+(?: [!-'*-9;-Z\\^-~]+)*\)"
_SECTION: Final = (
    r"\[(?:(?:[0-9]+(?:\.[0-9]+)*)(?:\.(?:MIME|HEADER|TEXT|HEADER\.FIELDS(?:\.NOT)? " + _HEADERS + r"))?"
    r"|HEADER|TEXT|HEADER\.FIELDS(?:\.NOT)? " + _HEADERS + r")?\](?:<[0-9]+(?:\.[0-9]+)?>)?"
)
_FETCH_ITEM: Final = re.compile(
    r"(?:BODY(?:\.PEEK)?|BINARY(?:\.PEEK|\.SIZE)?)" + _SECTION + r"|[A-Z][A-Z0-9.-]*(?: \((?:LAZY|FUZZY)\))?"
)
DONE: Final = b"DONE\r\n"  # ends IDLE, RFC 9051 §6.3.13
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_UID_MAX: Final = 0xFFFFFFFF
_LITERAL_MINUS: Final = 4096  # RFC 7888 §5
_LITERAL_PLUS: Final = 64 * 1024  # above this one round trip is worth an early refusal (RFC 7888 §4)

Range = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Literal:
    """Octets of an exact size, in memory or as a stream of pieces. `binary` allows NUL (literal8, RFC 3516)."""

    content: bytes | AsyncIterable[bytes]
    size: int
    binary: bool = False


@dataclass(frozen=True, slots=True)
class MailboxName:
    """A mailbox name whose wire form depends on UTF8=ACCEPT."""

    path: str


Segment = bytes | Literal | MailboxName


@dataclass(frozen=True, slots=True)
class Part:
    """One argument. `ranges` and `path` tell the connection which responses it may own."""

    segments: tuple[Segment, ...]
    ranges: tuple[Range, ...] = ()
    path: str | None = None


@dataclass(frozen=True, slots=True)
class Negotiated:
    """What the wire form depends on: RFC 7888 literals ("", "-" or "+"), BINARY, UTF8=ACCEPT."""

    literals: str = ""
    binary: bool = False
    utf8: bool = False


@dataclass(frozen=True, slots=True)
class Pause:
    """A place in an encoded command where the client waits for `+`, then sends the literal."""

    literal: Literal


def atom(value: bytes | str) -> Part:
    """A keyword, search key, item name or other atom; InvalidData for anything that is none."""
    raw = _ascii(value)
    if not _ATOM.fullmatch(raw):
        raise InvalidData("not an IMAP atom")
    return Part((raw,))


def flag(value: bytes | str) -> Part:
    r"""A flag or keyword: an atom, with a leading backslash for system flags."""
    raw = _ascii(value)
    if not _ATOM.fullmatch(raw.removeprefix(b"\\")):
        raise InvalidData("not an IMAP flag")
    return Part((raw,))


def astring(value: bytes | str) -> Part:
    """A string as atom, quoted or literal, by its content. NUL is refused (RFC 9051 §4.3)."""
    return Part((_string(value.encode() if isinstance(value, str) else value, bare=True),))


def string(value: bytes | str) -> Part:
    """A string, never as an atom (where the grammar wants `string`, such as ID or header values)."""
    return Part((_string(value.encode() if isinstance(value, str) else value, bare=False),))


def mailbox(path: str) -> Part:
    """A mailbox name, or a LIST pattern with `*` and `%`."""
    if "\x00" in path:
        raise InvalidData("NUL in a mailbox name")
    return Part((MailboxName(path),), path=path)


def number(value: int) -> Part:
    """A number or 63-bit number64 (RFC 9051 §9)."""
    if not 0 <= value < 1 << 63:
        raise InvalidData("number out of range")
    return Part((b"%d" % value,))


def date(day: dt.date) -> Part:
    """A day for SEARCH: `1-Feb-1994`."""
    return Part((f"{day.day}-{_MONTHS[day.month - 1]}-{day.year:04}".encode(),))


def date_time(moment: dt.datetime) -> Part:
    """A date-time for APPEND: `" 1-Feb-1994 10:00:00 +0100"`. The moment must carry its zone."""
    offset = moment.strftime("%z")
    if not re.fullmatch(r"[+-]\d{4}", offset):
        raise InvalidData("INTERNALDATE needs a zone of whole minutes")
    text = f'"{moment.day:2}-{_MONTHS[moment.month - 1]}-{moment.year:04} {moment:%H:%M:%S} {offset}"'
    return Part((text.encode(),))


def fetch_item(name: str) -> Part:
    """A fetch item such as `UID`, `BODY.PEEK[1.MIME]<0.1024>`, `PREVIEW (LAZY)`, checked against the grammar."""
    if len(name) > 4096 or not _FETCH_ITEM.fullmatch(name):
        raise InvalidData("not a fetch item")
    return Part((name.encode("ascii"),))


def literal(content: bytes | AsyncIterable[bytes], size: int | None = None, *, binary: bool = False) -> Part:
    """A counted literal; `size` is needed for a stream."""
    if isinstance(content, bytes):
        binary = binary or b"\x00" in content
        size = len(content)
    if size is None or size < 0:
        raise InvalidData("a streamed literal needs its size")
    return Part((Literal(content, size, binary),))


def paren(*parts: Part) -> Part:
    """A parenthesised list."""
    inside = tuple(_joined(parts))
    if all(isinstance(segment, bytes) for segment in inside):
        inside = (b"".join(segment for segment in inside if isinstance(segment, bytes)),)
    return Part((b"(", *inside, b")"), path=next((p.path for p in parts if p.path is not None), None))


def seqset(numbers: Iterable[int]) -> Part:
    """A sequence set of UIDs or message numbers, sorted and compressed: `1:5,9`."""
    ranges = _runs(sorted(set(numbers)))
    if not ranges:
        raise InvalidData("empty sequence set")
    if ranges[0][0] < 1 or ranges[-1][1] > _UID_MAX:
        raise InvalidData("number outside 1..4294967295 in a sequence set")
    text = ",".join(_range_text(r) for r in ranges)
    return Part((text.encode(),), ranges=tuple(ranges))


def seqset_text(text: str) -> Part:
    """A ready sequence set such as `1:*`, `5,7:9` or `$` (RFC 5182), checked against the grammar."""
    if not _SEQUENCE.fullmatch(text):
        raise InvalidData("not a sequence set")
    if "*" in text or text == "$":  # matches what the client cannot know
        return Part((text.encode(),), ranges=((1, _UID_MAX),))
    bounds = [[int(n) for n in item.split(":")] for item in text.split(",")]
    return Part((text.encode(),), ranges=tuple((min(b), max(b)) for b in bounds))


def chunk_uids(uids: Iterable[int], limit_bytes: int = 8000) -> Iterator[list[int]]:
    """Split a long set so that each `seqset` of a piece has at most `limit_bytes` octets."""
    piece: list[int] = []
    used = 0
    for run in _runs(sorted(set(uids))):
        width = len(_range_text(run)) + 1
        if piece and used + width > limit_bytes:
            yield piece
            piece, used = [], 0
        piece.extend(range(run[0], run[1] + 1))
        used += width
    if piece:
        yield piece


def encode(tag: bytes, name: str, parts: Sequence[Part], negotiated: Negotiated) -> list[bytes | Literal | Pause]:
    """The wire form of a command: bytes and streamed literals in order, `Pause` where `+` must be awaited."""
    if not _NAME.fullmatch(name):
        raise InvalidData("not a command name")
    out: list[bytes | Literal | Pause] = [tag + b" " + name.encode()]
    text = [b" "] if parts else []
    for segment in _joined(parts):
        argument = _name(segment.path, negotiated) if isinstance(segment, MailboxName) else segment
        if isinstance(argument, bytes):
            text.append(argument)
        else:
            _append(out, _line(text))
            _emit(out, argument, negotiated)
            text = []
    _append(out, _line(text) + b"\r\n")
    return out


def initial_response(data: bytes) -> Part:
    """Initial response of AUTHENTICATE: base64, `=` where empty (RFC 4959 §3)."""
    return Part((base64.b64encode(data) or b"=",))


def answer(data: bytes) -> bytes:
    """A line of a SASL exchange: base64 and CRLF (RFC 9051 §6.2.2)."""
    return base64.b64encode(data) + b"\r\n"


def _name(path: str, negotiated: Negotiated) -> bytes | Literal:
    return _string(path.encode("utf-8", "replace") if negotiated.utf8 else utf7.encode(path), bare=True)


def _line(texts: Iterable[bytes]) -> bytes:
    line = b"".join(texts)
    if b"\r" in line or b"\n" in line or b"\x00" in line:
        raise InvalidData("control character outside a literal")
    return line


def _emit(out: list[bytes | Literal | Pause], segment: Literal, negotiated: Negotiated) -> None:
    if segment.binary and not negotiated.binary:
        raise InvalidData("the server takes no NUL (no BINARY)")  # RFC 3516 §4.4
    waits = segment.size > {"": -1, "-": _LITERAL_MINUS, "+": _LITERAL_PLUS}[negotiated.literals]
    mark = b"~" if segment.binary else b""
    _append(out, mark + b"{%d%s}\r\n" % (segment.size, b"" if waits else b"+"))
    if waits:
        out.append(Pause(segment))
    elif isinstance(segment.content, bytes):
        _append(out, segment.content)
    else:
        out.append(segment)


def _append(out: list[bytes | Literal | Pause], raw: bytes) -> None:
    last = out[-1]
    if isinstance(last, bytes):
        out[-1] = last + raw
    else:
        out.append(raw)


def _joined(parts: Sequence[Part]) -> Iterator[Segment]:
    for index, part in enumerate(parts):
        if index:
            yield b" "
        yield from part.segments


def _string(raw: bytes, *, bare: bool) -> bytes | Literal:
    if b"\x00" in raw:
        raise InvalidData("NUL in a string")
    if bare and _PLAIN.fullmatch(raw) and raw.upper() != b"NIL":
        return raw
    if _QUOTABLE.fullmatch(raw):
        return b'"' + raw.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'
    return Literal(raw, len(raw))


def _ascii(value: bytes | str) -> bytes:
    if isinstance(value, bytes):
        return value
    try:
        return value.encode("ascii")
    except UnicodeEncodeError:
        raise InvalidData("not ASCII") from None


def _runs(numbers: Sequence[int]) -> list[Range]:
    """Sorted distinct numbers as inclusive runs."""
    runs: list[Range] = []
    for value in numbers:
        if runs and runs[-1][1] == value - 1:
            runs[-1] = (runs[-1][0], value)
        else:
            runs.append((value, value))
    return runs


def _range_text(run: Range) -> str:
    return str(run[0]) if run[0] == run[1] else f"{run[0]}:{run[1]}"
