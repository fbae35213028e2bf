"""Stored values: a version, a checksum, then plain columns or JSON. Whatever is not exactly that counts as absent."""

import sys
import zlib
from array import array
from collections.abc import Iterable
from typing import Any

import orjson

_MARK = b"jm1" + sys.byteorder[:1].encode()
LOW_BYTE = 0 if sys.byteorder == "little" else array("I").itemsize - 1
"""Where the lowest octet of a number of a column lies."""


class Damaged(Exception):
    """A stored value is missing, of another version or not what was written."""


def seal(*parts: bytes) -> bytes:
    """One value of the parts."""
    payload = b"".join(parts)
    return _MARK + zlib.crc32(payload).to_bytes(4, "big") + payload


def unseal(value: bytes | None) -> memoryview:
    """The payload. Raises Damaged."""
    if value is None or value[:4] != _MARK:
        raise Damaged("no value of this version")
    payload = memoryview(value)[8:]
    if zlib.crc32(payload) != int.from_bytes(value[4:8], "big"):
        raise Damaged("checksum")
    return payload


def seal_json(document: object) -> bytes:
    """One JSON value; sets become arrays."""
    return seal(orjson.dumps(document, default=_in_order))


def _in_order(names: object) -> list[str]:
    if isinstance(names, frozenset):
        return sorted(names)
    raise TypeError


def unseal_json(value: bytes | None) -> Any:
    """The JSON document. Raises Damaged."""
    try:
        return orjson.loads(unseal(value))
    except orjson.JSONDecodeError as error:
        raise Damaged("JSON") from error


def narrow(numbers: Iterable[int]) -> bytes:
    """Small numbers, in one byte each if all are below 256."""
    wide = array("I", numbers)
    octets, size, zeros = wide.tobytes(), wide.itemsize, bytes(len(wide))
    if all(octets[at::size] == zeros for at in range(size) if at != LOW_BYTE):
        return b"N" + octets[LOW_BYTE::size]
    return b"I" + octets


def widen(payload: memoryview) -> "array[int]":
    """The inverse of `narrow`. Raises Damaged."""
    kind = bytes(payload[:1])
    if kind == b"N":
        return array("I", payload[1:].tolist())
    if kind == b"I":
        return column("I", payload[1:])
    raise Damaged("number width")


def column(typecode: str, payload: memoryview) -> "array[int]":
    """A column from its bytes. Raises Damaged."""
    numbers = array(typecode)
    try:
        numbers.frombytes(payload)
    except ValueError as error:
        raise Damaged("column length") from error
    return numbers


def split(payload: memoryview, *sizes: int) -> tuple[list[memoryview], int]:
    """Cut a payload of equally long columns with entries of these sizes; also gives the number of entries."""
    entries, rest = divmod(len(payload), sum(sizes))
    if rest:
        raise Damaged("columns differ in length")
    pieces, start = [], 0
    for size in sizes:
        pieces.append(payload[start : start + entries * size])
        start += entries * size
    return pieces, entries
