"""Sets of UIDs as servers write them: `1:5,9` (pure). RFC 9051 §9 sequence-set."""

import re
from collections.abc import Iterator
from itertools import chain
from typing import Final

from adapters.imap.errors import ProtocolError

UID_MAX: Final = 0xFFFFFFFF
MAX_EXPANDED: Final = 10_000_000

_RANGE: Final = re.compile(rb"([1-9][0-9]{0,9})(?::([1-9][0-9]{0,9}))?")


def ranges(text: bytes) -> Iterator[tuple[int, int]]:
    """Inclusive (low, high) pairs in the server's order. Raises ProtocolError for anything else."""
    for item in text.split(b","):
        match = _RANGE.fullmatch(item)
        if match is None:
            raise ProtocolError("not a sequence set")
        first = int(match[1])
        last = int(match[2]) if match[2] else first
        if max(first, last) > UID_MAX:
            raise ProtocolError("number outside 1..4294967295 in a sequence set")
        yield min(first, last), max(first, last)


def expand(text: bytes) -> Iterator[int]:
    """Every number of the set. Raises ProtocolError for a set larger than any mailbox."""
    pairs = list(ranges(text))
    if sum(high - low + 1 for low, high in pairs) > MAX_EXPANDED:
        raise ProtocolError("sequence set too large")
    return chain.from_iterable(range(low, high + 1) for low, high in pairs)
