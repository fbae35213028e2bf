"""The MIME structure of a message by byte offsets: one linear scan, no copy of the bodies.

Part numbers are those of IMAP (RFC 9051 §6.4.5), so that `BODY[part_id]` fetches the same part.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from adapters.formats.cfws import strip_comments, unfold
from adapters.formats.charsets import decode_charset, header_text
from adapters.formats.header_fields import header_fields
from adapters.formats.parameters import parse_parameterized
from adapters.formats.transfer import decode_transfer, decoded_size

__all__ = [
    "MAX_DEPTH",
    "MAX_HEADER",
    "MAX_PARTS",
    "OPAQUE",
    "Message",
    "Part",
    "content_id",
    "decode_charset",
    "decode_transfer",
    "describe",
    "has_attached_message",
    "parse_message",
    "part_body",
    "walk",
]

MAX_DEPTH = 50  # multiparts inside multiparts; a deeper one is one opaque part
MAX_PARTS = 1_000  # what follows is one opaque part
MAX_HEADER = 1 << 20  # octets of one header block that are looked at

OPAQUE = "application/octet-stream"  # the type of what is not looked into
_LONGEST_BOUNDARY = 512  # RFC 2046 §5.1.1 allows 70
_MANY_MISSES = 1_000  # then the search is for the delimiters themselves, which costs a compilation

_BLANK_LINE = re.compile(rb"\n\r?\n")
_NEWLINE = re.compile(rb"\r?\n")
_DASHES = re.compile(rb"\n--")
_LINE_END = re.compile(rb"\n")
_MEDIA_TYPE = re.compile(r"([!#-.0-9A-Z^-~]+)\s*/\s*([!#-.0-9A-Z^-~]+)", re.IGNORECASE)


@dataclass(slots=True)
class Part:
    """One MIME part. A multipart has `sub_parts` and no `part_id` (RFC 8621 §4.1.4)."""

    part_id: str | None = None  # IMAP part number: "1", "1.2"; None for multipart/*
    type: str = "text/plain"  # lower-case, defaulted per RFC 2045 §5.2 and RFC 2046 §5.1.5
    charset: str | None = None
    disposition: str | None = None  # lower-case
    name: str | None = None
    cid: str | None = None
    language: list[str] | None = None
    location: str | None = None
    encoding: str = "7bit"  # lower-case content transfer encoding
    params: dict[str, str] = field(default_factory=dict)  # decoded parameters of Content-Type
    size: int | None = None  # decoded octets; None: not known yet (the part came from a BODYSTRUCTURE)
    header: bytes | None = None  # raw header block; None: not fetched
    start: int = 0  # offsets of the encoded body in the message; 0, 0 when not from a message
    end: int = 0
    sub_parts: list["Part"] = field(default_factory=list)
    section: str = ""  # IMAP section of the part, also of a multipart ("2" in BODY[2.MIME]); "" = root multipart
    octets: int = 0  # size of the encoded body

    @property
    def is_multipart(self) -> bool:
        """Whether this is a multipart/* with parts of its own, rather than a leaf."""
        return self.part_id is None


@dataclass(slots=True)
class Message:
    """A parsed message: its structure, its header block and the octets that the offsets of the parts refer to."""

    root: Part
    header: bytes
    data: bytes | memoryview


def parse_message(data: bytes | memoryview) -> Message:
    """Find the parts of a message (CRLF or bare LF line ends). Never raises; bounded by the MAX_ constants.

    A message/rfc822 part is a leaf (RFC 8621 §4.1.4); parse its `part_body` to look inside.
    """
    root = _Scan(data).run()
    return Message(root, root.header or b"", data)


def part_body(message: Message, part: Part) -> bytes:
    """The octets of a part after content transfer decoding: what its blob holds. Never raises."""
    return decode_transfer(part.encoding, bytes(message.data[part.start : part.end]))[0]


def has_attached_message(root: Part) -> bool:
    """Whether a message is attached: Dovecot's BINARY.SIZE of the other parts cannot be trusted then."""
    return any(part.type.startswith("message/") for part in walk(root))


def walk(root: Part) -> Iterator[Part]:
    """All parts, depth first, parents before children."""
    waiting = [root]
    while waiting:
        part = waiting.pop()
        yield part
        waiting += reversed(part.sub_parts)


def describe(
    media_type: str,
    params: dict[str, str],
    *,
    disposition: tuple[str, dict[str, str]] = ("", {}),
    encoding: str = "",
    cid: str = "",
    language: str = "",
    location: str = "",
    default_type: str = "text/plain",
) -> Part:
    """Build a part from the (unfolded) values of its MIME header fields: the rules of RFC 8621 §4.1.4."""
    found = _MEDIA_TYPE.fullmatch(media_type)
    kind = f"{found[1]}/{found[2]}".lower() if found else ("text/plain" if media_type else default_type)
    charset = params.get("charset")
    if charset is None and kind.startswith("text/"):
        charset = "us-ascii"  # the implicit charset (RFC 2045 §5.2)
    return Part(
        type=kind,
        charset=charset or None,
        disposition=disposition[0].lower() or None,
        name=disposition[1].get("filename") or params.get("name") or None,
        cid=_without_brackets(cid),
        language=[tag for tag in map(str.strip, strip_comments(language).split(",")) if tag] or None,
        location="".join(location.split()) or None,  # RFC 2557 §4.4.1: folding inside of the URI is removed
        encoding=strip_comments(encoding).partition(";")[0].strip().lower() or "7bit",
        params=params,
    )


def content_id(header: bytes) -> str | None:
    """The cid of a part by its header block (RFC 8621 §4.1.4)."""
    return _part_from_header(header, "").cid


def _without_brackets(value: str) -> str | None:
    text = strip_comments(value).strip()
    return text.removeprefix("<").removesuffix(">").strip() or None


def _part_from_header(header: bytes, default_type: str) -> Part:
    mime: dict[str, bytes] = {}
    for name, value in header_fields(header):
        if name[:8].lower() == "content-":
            mime.setdefault(name.lower(), value)
    if not mime:
        return describe("", {}, default_type=default_type)

    def text(name: str) -> str:
        return unfold(header_text(mime[name])).strip() if name in mime else ""

    media_type, params = parse_parameterized(mime.get("content-type", b""))
    return describe(
        media_type,
        params,
        disposition=parse_parameterized(mime.get("content-disposition", b"")),
        encoding=text("content-transfer-encoding"),
        cid=text("content-id"),
        language=text("content-language"),
        location=text("content-location"),
        default_type=default_type,
    )


def _boundary(part: Part) -> bytes:
    boundary = part.params.get("boundary", "").encode("utf-8", "replace")
    return boundary if len(boundary) <= _LONGEST_BOUNDARY else b""


def _only_child(part: Part) -> Part:
    """The text part of a multipart in which no part begins: its body, which a reader would miss otherwise.

    A server says the same in BODYSTRUCTURE, whose grammar wants at least one part, but with a size of 0.
    """
    section = f"{part.section}.1" if part.section else "1"
    child = Part(section, charset="us-ascii", size=0, header=b"", start=part.start, end=part.end, section=section)
    part.sub_parts.append(child)
    return child


@dataclass(slots=True)
class _Open:
    """A multipart whose end has not been seen yet."""

    part: Part
    delimiter: bytes
    default_type: str


class _Scan:
    """One pass over the message: candidates for delimiter lines are found by search, matched against open parts."""

    def __init__(self, data: bytes | memoryview) -> None:
        self.data = data
        self.size = len(data)
        self.open: list[_Open] = []
        self.delimiters: tuple[bytes, ...] = ()
        self.longest = 0
        self.candidate = _DASHES
        self.misses = 0  # lines that begin with dashes and delimit nothing
        self.leaf: Part | None = None
        self.count = 0
        self.blank: re.Match[bytes] | None = None  # memo: the next blank line is searched for once only
        self.blank_searched = -1

    def run(self) -> Part:
        root, position = self._enter(0, None)
        while self.open:
            found = self._next_delimiter(position, self.size)
            if found < 0:
                break
            position = self._delimiter(found)
        self._close_down_to(0, self.size)
        for part in walk(root):
            self._measure(part)
        return root

    def _next_delimiter(self, position: int, end: int) -> int:
        """The index of the newline before the next delimiter line, -1 if there is none."""
        if not self.delimiters:
            return -1
        while found := self.candidate.search(self.data, position, end):
            line = found.start() + 1
            if bytes(self.data[line : line + self.longest]).startswith(self.delimiters):
                return found.start()
            position = line
            self.misses += 1
            if self.misses == _MANY_MISSES:
                self.candidate = re.compile(b"\n(?:" + b"|".join(map(re.escape, self.delimiters)) + b")")
        return -1

    def _delimiter(self, newline: int) -> int:
        """Act on the delimiter line after `newline`; returns the position from where to search on."""
        line = newline + 1
        text = bytes(self.data[line : line + self.longest + 2])
        # RFC 2046 §5.1.2: inner boundaries end with outer ones. The longest match wins, the innermost of equals.
        level = max(
            (i for i, open_ in enumerate(self.open) if text.startswith(open_.delimiter)),
            key=lambda i: (len(self.open[i].delimiter), i),
        )
        self._close_down_to(level + 1, self._before(newline))
        delimiter = self.open[level].delimiter
        line_end = _LINE_END.search(self.data, line)
        if text[len(delimiter) :].startswith(b"--"):
            self._close_down_to(level, self._before(line_end.start()) if line_end else self.size)
            return line_end.start() if line_end else self.size
        return self._enter(line_end.end() if line_end else self.size, self.open[level])[1]

    def _before(self, newline: int) -> int:
        """Where the line ends whose line end this newline is, or ends with."""
        return newline - 1 if newline and self.data[newline - 1] == 0x0D else newline

    def _close_down_to(self, level: int, end: int) -> None:
        if self.leaf is not None:
            self.leaf.end = max(self.leaf.start, end)
            self.leaf = None
        if len(self.open) > level:
            for open_ in self.open[level:]:
                open_.part.end = max(open_.part.start, end)
                if not open_.part.sub_parts:
                    _only_child(open_.part)
            del self.open[level:]
            self._delimiters_changed()

    def _delimiters_changed(self) -> None:
        self.delimiters = tuple(open_.delimiter for open_ in self.open)
        self.longest = max(map(len, self.delimiters), default=0)
        self.candidate, self.misses = _DASHES, 0

    def _enter(self, start: int, parent: _Open | None) -> tuple[Part, int]:
        """Begin the part whose header starts at `start`; returns it and the position from where to search on."""
        self.count += 1
        header_end, body = self._header_end(start)
        header = bytes(self.data[start : min(header_end, start + MAX_HEADER)])
        part = _part_from_header(header, parent.default_type if parent else "text/plain")
        part.header, part.start = header, body
        if parent:
            prefix = f"{parent.part.section}." if parent.part.section else ""
            part.section = f"{prefix}{len(parent.part.sub_parts) + 1}"
            parent.part.sub_parts.append(part)
        if not (part.type.startswith("multipart/") and self._may_expand()):
            self._leaf(part)
        elif boundary := _boundary(part):
            default_type = "message/rfc822" if part.type == "multipart/digest" else "text/plain"
            self.open.append(_Open(part, b"--" + boundary, default_type))
            self._delimiters_changed()
        else:
            self._leaf(_only_child(part))
        return part, max(body - 1, 0)

    def _may_expand(self) -> bool:
        return len(self.open) < MAX_DEPTH and self.count < MAX_PARTS

    def _leaf(self, part: Part) -> None:
        if part.type.startswith("multipart/"):  # too deep, or one too many
            part.type, part.charset = OPAQUE, None
        part.section = part.part_id = part.section or "1"  # RFC 9051 §6.4.5: a message without parts is part 1
        self.leaf = part
        if self.count >= MAX_PARTS:
            self._close_down_to(0, self.size)

    def _header_end(self, start: int) -> tuple[int, int]:
        """The end of the header block that begins at `start`, and the start of the body."""
        if empty := _NEWLINE.match(self.data, start):
            return start, empty.end()
        if self.blank_searched < start and (self.blank is None or self.blank.start() < start):
            self.blank = _BLANK_LINE.search(self.data, start)
            self.blank_searched = self.blank.start() if self.blank else self.size
        header_end, body = (self.blank.start() + 1, self.blank.end()) if self.blank else (self.size, self.size)
        # A delimiter line ends a header that has no blank line.
        cut = self._next_delimiter(max(start - 1, 0), header_end)
        return (header_end, body) if cut < 0 else (max(cut, start), max(cut + 1, start))

    def _measure(self, part: Part) -> None:
        if part.is_multipart:
            part.end = max(part.end, part.sub_parts[-1].end)
        part.octets = part.end - part.start
        if part.is_multipart:
            part.size = 0
        elif part.encoding in ("7bit", "8bit", "binary"):
            part.size = part.octets
        else:
            part.size = decoded_size(part.encoding, bytes(self.data[part.start : part.end]))
