"""Answers made before, in memory, bounded by their bytes."""

from collections import OrderedDict
from collections.abc import Hashable


class ByteCache:
    """The least recently used values go first. Only for what can be made again and never changes."""

    ENTRY = 200
    """Octets that an entry costs besides its value: key, hash table, object headers."""

    def __init__(self, max_bytes: int) -> None:
        self._max = max_bytes
        self._bytes = 0
        self._values: OrderedDict[Hashable, bytes] = OrderedDict()

    def get(self, key: Hashable) -> bytes | None:
        """The value, which becomes the most recently used one."""
        value = self._values.get(key)
        if value is not None:
            self._values.move_to_end(key)
        return value

    def put(self, key: Hashable, value: bytes) -> None:
        """Keep a value, unless it alone would take an eighth of the room."""
        if len(value) * 8 > self._max:
            return
        self._bytes += len(value) + self.ENTRY
        before = self._values.pop(key, None)
        if before is not None:
            self._bytes -= len(before) + self.ENTRY
        self._values[key] = value
        while self._bytes > self._max:
            _, oldest = self._values.popitem(last=False)
            self._bytes -= len(oldest) + self.ENTRY
