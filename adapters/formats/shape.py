"""Shapes of JSON values: types of members and forms of strings, put together of checks that say what is wrong."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from adapters.formats.pointer import escape

Fault = tuple[str, str]
"""Where (a JSON pointer), and what must be there."""
Shape = Callable[[Any, str], Iterator[Fault]]


def of(python: type | tuple[type, ...], name: str) -> Shape:
    """A value of a Python type."""

    def check(value: Any, path: str) -> Iterator[Fault]:
        if not isinstance(value, python) or (isinstance(value, bool) and python is not bool):
            yield path, f"must be {name}"

    return check


def read_by(read: Callable[[str], object], name: str) -> Shape:
    """A string that a reader takes."""

    def check(value: Any, path: str) -> Iterator[Fault]:
        try:
            fits = isinstance(value, str) and read(value) is not False
        except (ValueError, OverflowError):
            fits = False
        if not fits:
            yield path, f"must be {name}"

    return check


def converts(read: Callable[[Any], object], name: str) -> Shape:
    """Any value that a converter takes."""

    def check(value: Any, path: str) -> Iterator[Fault]:
        try:
            read(value)
        except ValueError:
            yield path, f"must be {name}"

    return check


def map_of(shape: Shape, named: Callable[[str], object] | None = None) -> Shape:
    """An object with members of one shape, whose names pass `named`."""

    def check(value: Any, path: str) -> Iterator[Fault]:
        yield from of(dict, "an object")(value, path)
        for key, item in value.items() if isinstance(value, dict) else ():
            if named is not None and not named(key):
                yield f"{path}/{escape(key)}", "must have another name"
            yield from shape(item, f"{path}/{escape(key)}")

    return check


def array_of(shape: Shape) -> Shape:
    """An array of one shape."""

    def check(value: Any, path: str) -> Iterator[Fault]:
        yield from of(list, "an array")(value, path)
        for index, item in enumerate(value if isinstance(value, list) else ()):
            yield from shape(item, f"{path}/{index}")

    return check


def object_of(members: Mapping[str, Shape], required: Sequence[str] = ()) -> Shape:
    """An object with known members, of which some must be there; others may be anything."""
    known = {"@type": STRING, **members}

    def check(value: Any, path: str) -> Iterator[Fault]:
        yield from of(dict, "an object")(value, path)
        for name, item in value.items() if isinstance(value, dict) else ():
            if name in known:
                yield from known[name](item, f"{path}/{name}")
        for name in required:
            if isinstance(value, dict) and name not in value:
                yield f"{path}/{name}", "must be set"

    return check


def anything(_value: Any, _path: str) -> Iterator[Fault]:
    """No restriction."""
    return iter(())


STRING: Final = of(str, "a string")
BOOLEAN: Final = of(bool, "true or false")
INTEGER: Final = of(int, "an integer")
