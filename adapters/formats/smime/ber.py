"""Walking BER (X.690) without copying: enough to take a CMS apart before anything else looks at it.

Every element is visited once; their number and depth are bounded, so that no input costs more than its length.
"""

from typing import Final

__all__ = ["CONTEXT", "Malformed", "Reader", "Span"]

Span = tuple[int, int]
"""start <= i < end of some octets."""

Octets = bytes | bytearray | memoryview

MAX_ELEMENTS: Final = 200_000
MAX_DEPTH: Final = 32
CONTEXT: Final = 0xA0
"""Identifier of a constructed [0]; [1] is one more, and so on."""

_CONSTRUCTED: Final = 0x20
_OCTET_STRING: Final = 0x04
_NUMBER: Final = 0x1F


class Malformed(ValueError):
    """These octets aren't BER of the expected form, or more of it than is looked at."""


class Reader:
    """A cursor. `enter` goes into a constructed element, `leave` out of it at its end."""

    def __init__(self, data: Octets, *, max_elements: int = MAX_ELEMENTS) -> None:
        self._data = data
        self._position = 0
        self._ends: list[int | None] = [len(data)]  # None: indefinite, ends with two zero octets
        self._limits: list[int] = [len(data)]
        self._budget = max_elements

    def peek(self) -> int | None:
        """The identifier octet of the next element, None at the end of the one that was entered."""
        end = self._ends[-1]
        if end is None:
            first = self._octet(self._position)
            return None if first == 0 and self._octet(self._position + 1) == 0 else first
        return None if self._position >= end else self._octet(self._position)

    def enter(self, identifier: int) -> None:
        """Go into the next element, which must be of this identifier. Raises Malformed."""
        found, body, end = self._head()
        if found != identifier or not found & _CONSTRUCTED:
            raise Malformed(f"expected {identifier:#x}, found {found:#x}")
        if len(self._ends) > MAX_DEPTH:
            raise Malformed("nested too deeply")
        self._position = body
        self._ends.append(end)
        self._limits.append(self._limits[-1] if end is None else end)

    def leave(self) -> None:
        """Go out of the element that was entered, whose content must be at its end. Raises Malformed."""
        if self.peek() is not None:
            raise Malformed("more than expected")
        end = self._ends.pop()
        self._limits.pop()
        if end is None:
            self._position += 2

    def take(self) -> Span:
        """Pass over the next element: where it lies, with its identifier. Raises Malformed."""
        start = self._position
        identifier, body, end = self._head()
        self._position = body
        if end is not None:
            self._position = end
            return start, end
        self._into(identifier, None)
        while self.peek() is not None:
            self.take()
        self.leave()
        return start, self._position

    def octets(self) -> list[Span]:
        """The content of an OCTET STRING, in as many pieces as it was written in. Raises Malformed."""
        identifier, body, end = self._head()
        if identifier == _OCTET_STRING and end is not None:
            self._position = end
            return [(body, end)]
        if identifier != _OCTET_STRING | _CONSTRUCTED:
            raise Malformed("no OCTET STRING")
        self._position = body
        self._into(identifier, end)
        pieces: list[Span] = []
        while self.peek() is not None:
            pieces += self.octets()
        self.leave()
        return pieces

    def check(self) -> None:
        """Look at every element below and after this place, so that another reader can be trusted with them."""
        while (identifier := self.peek()) is not None:
            if not identifier & _CONSTRUCTED:
                self.take()
                continue
            self.enter(identifier)
            self.check()
            self.leave()

    def _into(self, identifier: int, end: int | None) -> None:
        if not identifier & _CONSTRUCTED or len(self._ends) > MAX_DEPTH:
            raise Malformed("an indefinite length that cannot be followed")
        self._ends.append(end)
        self._limits.append(self._limits[-1] if end is None else end)

    def _head(self) -> tuple[int, int, int | None]:
        """Identifier, start of the content, end of the content (None: indefinite)."""
        self._budget -= 1
        if self._budget < 0:
            raise Malformed("too many elements")
        identifier, length = self._octet(self._position), self._octet(self._position + 1)
        if identifier & _NUMBER == _NUMBER:
            raise Malformed("a tag number that CMS does not have")
        body = self._position + 2
        if length == 0x80:
            return identifier, body, None
        if length > 0x80:
            count = length & 0x7F
            if count > 8:
                raise Malformed("a length of more than eight octets")
            length = int.from_bytes(bytes(self._octet(body + i) for i in range(count)), "big")
            body += count
        end = body + length
        if end > self._limits[-1]:
            raise Malformed("an element is longer than what holds it")
        return identifier, body, end

    def _octet(self, position: int) -> int:
        if position >= self._limits[-1]:
            raise Malformed("ends too early")
        return self._data[position]
