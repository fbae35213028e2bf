"""Content lines of iCalendar and vCard: the tokenizer (RFC 5545 §3.1, RFC 6350 §3.2, RFC 6868).

`parse` turns text or bytes into components whose property values stay raw: what a value means depends on the
property and is decided by the conversion tables. Real files are read as they come (bare LF, blank lines, Latin-1
bytes, vCalendar 1.0 soft line breaks, unbalanced quotes); what had to be guessed is listed as a `Problem`. Only a
broken structure or a limit that is hit raises `ContentLineError`; both carry the physical line number.
"""

import re
from dataclasses import dataclass, field
from functools import lru_cache

from adapters.formats.content_line_heads import IRREGULAR, Parameters, cached_head, read_head, split_line


class ContentLineError(ValueError):
    """The text is no iCalendar or vCard stream; `line` is the physical line, counted from 1 (0: unknown)."""

    def __init__(self, reason: str, line: int = 0) -> None:
        super().__init__(f"line {line}: {reason}" if line else reason)
        self.reason = reason
        self.line = line


class NotWritable(ContentLineError):
    """What no content line may hold."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something in the text that was read around, with the physical line where it starts (0: the whole file)."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class Limits:
    """Caps on what `parse` accepts: octets of the whole text, logical lines, nesting of components."""

    octets: int = 64 * 1024 * 1024
    lines: int = 2_000_000
    depth: int = 16


@dataclass(slots=True)
class ContentLine:
    """One property: `name` and parameter names in upper case, `value` raw.

    `index` counts logical lines of the document it was read from (`Document.line_number`); -1: made, not read.
    """

    name: str
    parameters: Parameters
    value: str
    index: int = -1
    group: str | None = None

    def parameter(self, name: str) -> str | None:
        """The first value of a parameter, decoded (RFC 6868), or None."""
        values = self.parameters.get(name)
        return values[0] if values else None


@dataclass(slots=True)
class Component:
    """A component (`name` in upper case) with its properties and subcomponents in the order of the text."""

    name: str
    properties: list[ContentLine] = field(default_factory=list)
    components: list["Component"] = field(default_factory=list)
    index: int = -1

    def first(self, name: str) -> ContentLine | None:
        """The first property of that name, or None."""
        for line in self.properties:
            if line.name == name:
                return line
        return None

    def value(self, name: str) -> str | None:
        """The raw value of the first property of that name, or None."""
        for line in self.properties:
            if line.name == name:
                return line.value
        return None


@dataclass(slots=True)
class Document:
    """All components of a stream, and what was read around."""

    components: list[Component]
    problems: list[Problem]
    tokenizer: "_Tokenizer"

    def line_number(self, item: ContentLine | Component) -> int:
        """The physical line where a property or component starts; 0 if it was not read from this text."""
        return self.tokenizer.number(item.index) if item.index >= 0 else 0


# ---------------------------------------------------------------------------------------------------- reading

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def parse(data: str | bytes, limits: Limits | None = None) -> Document:
    """Read a stream of components. Raises `ContentLineError` on broken structure or a limit that is hit."""
    limits = limits or Limits()
    if len(data) > limits.octets:
        raise ContentLineError(f"longer than {limits.octets} octets")
    problems: list[Problem] = []
    text = _decode(data, problems) if isinstance(data, bytes) else data
    if _CONTROL.search(text):
        problems.append(Problem(0, "control characters removed"))
        text = _CONTROL.sub("", text)
    return _Tokenizer(text.removeprefix("\ufeff"), limits, problems).document()


def _decode(data: bytes, problems: list[Problem]) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        pass
    # A fold may stand inside a UTF-8 sequence (RFC 5545 §3.1): unfold first. That moves line numbers, so only here.
    unfolded = re.sub(rb"\r?\n[ \t]", b"", data)
    try:
        return unfolded.decode("utf-8")
    except UnicodeDecodeError:
        problems.append(Problem(0, "not UTF-8: read as Latin-1"))
        return unfolded.decode("latin-1")


class _Tokenizer:
    """State of one run: the unfolded lines and the stack of open components."""

    def __init__(self, text: str, limits: Limits, problems: list[Problem]) -> None:
        if "\r" in text:
            text = text.replace("\r\n", "\n").replace("\r", "\n")
        self.text = text
        self.lines = text.replace("\n ", "").replace("\n\t", "").split("\n")
        if len(self.lines) > limits.lines:
            raise ContentLineError(f"more than {limits.lines} lines")
        self.limits = limits
        self.problems = problems
        self.roots: list[Component] = []
        self.stack: list[Component] = []
        self._zones_read = -1
        self._starts: list[int] | None = None if len(self.lines) != text.count("\n") + 1 else []

    def number(self, index: int) -> int:
        """Physical line of a logical line; computed once and only where folds make the two differ."""
        if self._starts is None:
            folded = self.text.split("\n")
            starts = [i + 1 for i, line in enumerate(folded) if i == 0 or line[:1] not in {" ", "\t"}]
            self._starts = starts
        return self._starts[index] if self._starts else index + 1

    def document(self) -> Document:
        index, count = 0, len(self.lines)
        lines, stack = self.lines, self.stack
        while index < count:
            head, colon, value = lines[index].partition(":")
            if colon and stack and len(head) < 200 and '"' not in head:  # the regular line, without a further call
                name, parameters = cached_head(head)
                if name is not None and name not in _IRREGULAR_NAMES and "ENCODING" not in parameters:
                    stack[-1].properties.append(ContentLine(name, parameters, value, index))
                    index += 1
                    continue
            index = self._line(index)
        if self.stack:
            open_one = self.stack[-1]
            raise ContentLineError(f"BEGIN:{open_one.name} has no END", self.number(open_one.index))
        return Document(self.roots, self.problems, self)

    def _line(self, index: int) -> int:
        """Take the logical line at `index`; returns the index of the next one."""
        line = self.lines[index]
        if not line or line.isspace():
            return index + 1
        head, colon, value = line.partition(":")
        name, parameters = (
            (cached_head(head) if len(head) < 200 else read_head(head)) if colon and '"' not in head else IRREGULAR
        )
        group = None
        if name is None:
            parsed = split_line(line)
            if parsed is None:
                return self._junk(index)
            group, name, parameters, value = parsed
        if name == "BEGIN":
            return self._begin(index, value.strip().upper())
        if name == "END":
            self._end(index, value.strip().upper())
            return index + 1
        if not self.stack:
            self.problems.append(Problem(self.number(index), f"{name} stands outside of any component"))
            return index + 1
        if "ENCODING" in parameters and _is_quoted_printable(parameters):
            index, value = self._soft_lines(index, value)
        self.stack[-1].properties.append(ContentLine(name, parameters, value, index, group))
        return index + 1

    def _begin(self, index: int, name: str) -> int:
        if name == "VTIMEZONE" and self.stack and index > self._zones_read and self.stack[0].name != name:
            try:
                end = self.lines.index("END:VTIMEZONE", index)
            except ValueError:
                end = len(self.lines)
            # the same few definitions come with every event: tokenize each text once
            zone = _zone("\n".join(self.lines[index : end + 1])) if end < len(self.lines) else None
            if zone is not None:
                self.stack[-1].components.append(zone)
                return end + 1
            self._zones_read = end  # no other zone before there is well formed, and to look for one costs as much again
        if len(self.stack) >= self.limits.depth:
            raise ContentLineError(f"components nested deeper than {self.limits.depth}", self.number(index))
        component = Component(name, index=index)
        (self.stack[-1].components if self.stack else self.roots).append(component)
        self.stack.append(component)
        return index + 1

    def _end(self, index: int, name: str) -> None:
        if not self.stack or self.stack[-1].name != name:
            expected = f", expected END:{self.stack[-1].name}" if self.stack else ""
            raise ContentLineError(f"unexpected END:{name}{expected}", self.number(index))
        self.stack.pop()

    def _junk(self, index: int) -> int:
        """A line that is no property. Senders that forget the fold's space are common: it continues the one before."""
        before = self.stack[-1].properties if self.stack else []
        number = self.number(index)
        if before and before[-1].name in _TEXT_LINES and not self.stack[-1].components:
            end = next((n for n in range(index + 1, len(self.lines)) if split_line(self.lines[n])), len(self.lines))
            before[-1].value = "".join([before[-1].value, *(line for line in self.lines[index:end] if line.strip())])
            self.problems.append(Problem(number, f"no property: joined to the {before[-1].name} before it"))
            return end
        if self.stack:
            self.problems.append(Problem(number, f"no property: {self.lines[index][:60]!r} left out"))
        elif not self.roots:
            raise ContentLineError("does not begin with BEGIN:", number)
        else:
            self.problems.append(Problem(number, "text after the last END left out"))
        return index + 1

    def _soft_lines(self, index: int, value: str) -> tuple[int, str]:
        """Join the soft line breaks of quoted-printable values (vCalendar 1.0, vCard 2.1)."""
        pieces = [value]
        while pieces[-1].endswith("=") and index + 1 < len(self.lines):
            index += 1
            pieces[-1] = pieces[-1][:-1]
            pieces.append(self.lines[index].lstrip())
        return index, "".join(pieces)


_IRREGULAR_NAMES = frozenset({"BEGIN", "END"})
_TEXT_LINES = frozenset({"DESCRIPTION", "SUMMARY", "LOCATION", "COMMENT", "X-ALT-DESC", "NOTE"})


def _is_quoted_printable(parameters: Parameters) -> bool:
    return parameters["ENCODING"][0].upper() == "QUOTED-PRINTABLE"


@lru_cache(maxsize=256)
def _zone(text: str) -> Component | None:
    """The VTIMEZONE of an exact text. Shared between documents, so nobody may change it; None: not well formed."""
    tokenizer = _Tokenizer(text, Limits(), [])
    try:
        roots = tokenizer.document().components
    except ContentLineError:
        return None
    return roots[0] if len(roots) == 1 and not tokenizer.problems else None
