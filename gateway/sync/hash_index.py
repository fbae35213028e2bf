"""A compact map from 64-bit keys to 32-bit numbers: 12 bytes per entry, cheap to copy, stored bucket by bucket.

Entries lie sorted in 256 buckets by the top byte of the key. Keys are parts of digests, so buckets fill evenly and
an insertion moves a few kilobytes. Nothing is ever rebuilt as a whole: neither growing nor loading blocks the loop.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable

BUCKETS = 256

_Columns = tuple[list["array[int]"], list["array[int]"]]


class HashIndex:
    """Several numbers may be filed under one key; the owner tells them apart."""

    __slots__ = ("_keys", "_numbers", "_owned", "dirty")

    def __init__(self, shared: _Columns | None = None, dirty: set[int] | None = None) -> None:
        self._keys, self._numbers = shared or _empty()
        self._owned = set(range(BUCKETS)) if shared is None else set[int]()
        self.dirty = dirty or set()

    def fork(self) -> "HashIndex":
        """A copy that shares all buckets until they are written to. Only the newest fork may be written to."""
        return HashIndex((list(self._keys), list(self._numbers)), set(self.dirty))

    def __len__(self) -> int:
        return sum(map(len, self._keys))

    def find(self, key: int) -> list[int]:
        """All numbers under the key, in the order in which they were added."""
        keys = self._keys[key >> 56]
        start = bisect_left(keys, key)
        if start == len(keys) or keys[start] != key:
            return []
        return list(self._numbers[key >> 56][start : bisect_right(keys, key, start)])

    def get(self, key: int) -> int | None:
        """The first number under the key."""
        keys = self._keys[key >> 56]
        position = bisect_left(keys, key)
        return self._numbers[key >> 56][position] if position < len(keys) and keys[position] == key else None

    def setdefault(self, key: int, number: int) -> int:
        """The first number under the key; where there is none, this one is filed there."""
        bucket = key >> 56
        if bucket not in self._owned:
            self._own(bucket)
        keys = self._keys[bucket]
        position = bisect_left(keys, key)
        if position < len(keys) and keys[position] == key:
            return self._numbers[bucket][position]
        keys.insert(position, key)
        self._numbers[bucket].insert(position, number)
        self.dirty.add(bucket)
        return number

    def add(self, key: int, number: int) -> None:
        """File one more number under the key."""
        bucket = key >> 56
        if bucket not in self._owned:
            self._own(bucket)
        position = bisect_right(self._keys[bucket], key)
        self._keys[bucket].insert(position, key)
        self._numbers[bucket].insert(position, number)
        self.dirty.add(bucket)

    def add_new(self, keys: Iterable[int], number: int) -> list[int]:
        """File `number` and those after it under the keys that nothing is filed under yet.

        Returns the places of the other keys.
        """
        others = []
        owned, keys_of, numbers_of, dirty = self._owned, self._keys, self._numbers, self.dirty
        for place, key in enumerate(keys):
            bucket = key >> 56
            if bucket not in owned:
                self._own(bucket)
            column = keys_of[bucket]
            position = bisect_left(column, key)
            if position < len(column) and column[position] == key:
                others.append(place)
                continue
            column.insert(position, key)
            numbers_of[bucket].insert(position, number)
            dirty.add(bucket)
            number += 1
        return others

    def _own(self, bucket: int) -> None:
        self._keys[bucket] = self._keys[bucket][:]
        self._numbers[bucket] = self._numbers[bucket][:]
        self._owned.add(bucket)

    def bucket(self, number: int) -> tuple["array[int]", "array[int]"]:
        """Keys and numbers of one bucket, to be stored."""
        return self._keys[number], self._numbers[number]

    def load(self, number: int, keys: "array[int]", numbers: "array[int]") -> None:
        """Put a stored bucket in place."""
        self._keys[number], self._numbers[number] = keys, numbers


def _empty() -> _Columns:
    return [array("Q") for _ in range(BUCKETS)], [array("I") for _ in range(BUCKETS)]
