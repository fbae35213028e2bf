"""From tables of values to frozen dataclasses: generic, knows no key of the gateway.

A section is a frozen dataclass; a field's type says what a value must be, its metadata (`number`) the bounds.
Every problem is collected, so that an operator sees all of them at once, each under its key.
"""

import dataclasses
import difflib
import ipaddress
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

FILE_SUFFIX: Final = "_file"

Section = TypeVar("Section")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Secret:
    """A value that is never shown: `repr` and `str` are stars, only `reveal` gives it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value itself, for the one place that sends it."""
        return self._value

    def __repr__(self) -> str:
        return "********"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)


@dataclasses.dataclass(frozen=True, slots=True)
class Address:
    """Where to listen. An empty host means every interface."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class ConfigError(Exception):
    """The configuration cannot be used. `problems`: one line each, starting with the key."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


def number(default: float, low: float, high: float) -> Any:
    """A numeric field with bounds, both inclusive."""
    return dataclasses.field(default=default, metadata={"low": low, "high": high})


class FromText(str):
    """A value from the environment: text, to be converted to whatever the field holds."""

    __slots__ = ()


class _Refused(Exception):
    """A value is not what its field holds; the text says what it must be."""


class Reader:
    """Builds sections and collects what is wrong with them in `problems`."""

    def __init__(self) -> None:
        self.problems: list[str] = []

    def section(self, kind: type[Section], table: object, key: str = "") -> Section | None:
        """The dataclass filled from a table; None when a problem was found in it (or below)."""
        if not isinstance(table, dict):
            self.problems.append(f"{key}: must be a section")
            return None
        before = len(self.problems)
        hints = typing.get_type_hints(kind)
        fields = {field.name: field for field in dataclasses.fields(kind) if field.init}  # type: ignore[arg-type]
        known = set(fields) | {name + FILE_SUFFIX for name in fields if is_secret(hints[name])}
        self._unknown(table, known, key)
        values = {}
        for name, field in fields.items():
            path = f"{key}.{name}" if key else name
            value = self._field(field, hints[name], table, path)
            if value is not dataclasses.MISSING:
                values[name] = value
        return kind(**values) if len(self.problems) == before else None

    def _unknown(self, table: dict[str, Any], known: set[str], key: str) -> None:
        for name in table:
            if name in known:
                continue
            close = difflib.get_close_matches(name, known, 1)
            hint = f"; did you mean {close[0]}?" if close else ""
            self.problems.append(f"{key}.{name}: unknown key{hint}" if key else f"{name}: unknown section{hint}")

    def _field(self, field: "dataclasses.Field[Any]", kind: Any, table: dict[str, Any], path: str) -> Any:
        """The value; MISSING where the default counts or a problem was noted."""
        inner = without_none(kind)
        given = table.get(field.name, dataclasses.MISSING)
        if inner is Secret:
            given = self._from_file(field.name, given, table, path)
        if given is dataclasses.MISSING:
            if is_section(kind):
                return self.section(kind, {}, path)
            if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
                self.problems.append(f"{path}: is required")
            return dataclasses.MISSING
        if is_section(inner):
            return self.section(inner, given, path)
        if typing.get_origin(inner) is dict:
            return self._table(typing.get_args(inner)[1], given, path)
        return self._scalar(field, inner, given, path)

    def _from_file(self, name: str, given: Any, table: dict[str, Any], path: str) -> Any:
        """The content of the file named by KEY_file, without its last line break."""
        file = table.get(name + FILE_SUFFIX)
        if file is None:
            return given
        if given is not dataclasses.MISSING:
            self.problems.append(f"{path}: given both directly and as {name + FILE_SUFFIX}")
        try:
            return Path(str(file)).read_text(encoding="utf-8").removesuffix("\n")
        except (OSError, UnicodeDecodeError) as error:
            self.problems.append(f"{path}{FILE_SUFFIX}: cannot be read: {error}")
            return dataclasses.MISSING

    def _table(self, kind: Any, given: object, path: str) -> Any:
        if not isinstance(given, dict):
            self.problems.append(f"{path}: must be a section")
            return dataclasses.MISSING
        if is_section(kind):
            return {name: self.section(kind, below, f"{path}.{name}") for name, below in given.items()}
        for name, value in given.items():
            if not isinstance(value, str):
                self.problems.append(f"{path}.{name}: must be a string")
        return {name: str(value) for name, value in given.items()}

    def _scalar(self, field: "dataclasses.Field[Any]", kind: Any, given: object, path: str) -> Any:
        try:
            return _in_bounds(_convert(kind, given), field.metadata)
        except _Refused as error:
            self.problems.append(f"{path}: {error}")
            return dataclasses.MISSING


def redacted(section: object) -> dict[str, Any]:
    """The section as plain values for printing, secrets as stars."""
    shown: dict[str, Any] = {}
    for field in dataclasses.fields(section):  # type: ignore[arg-type]
        shown[field.name] = _plain(getattr(section, field.name))
    return shown


def _plain(value: object) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, Address):
        return redacted(value)
    if isinstance(value, dict):
        return {name: _plain(below) for name, below in value.items()}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return str(value)


def without_none(kind: Any) -> Any:
    """The type of an optional field where it is given; any other type as it is."""
    if typing.get_origin(kind) in {types.UnionType, typing.Union}:
        rest = [each for each in typing.get_args(kind) if each is not type(None)]
        return rest[0] if len(rest) == 1 else kind
    return kind


def is_section(kind: Any) -> bool:
    """Whether a field of this type is a table of keys."""
    return dataclasses.is_dataclass(kind) and kind is not Address


def is_secret(kind: Any) -> bool:
    """Whether the value may come from a file, and is never shown."""
    return without_none(kind) is Secret


def _convert(kind: Any, given: object) -> Any:
    """One value of the wanted type. Raises _Refused with what it must be."""
    if typing.get_origin(kind) is Literal:
        choices = typing.get_args(kind)
        if given not in choices:
            raise _Refused("must be one of " + ", ".join(choices))
        return str(given)
    if typing.get_origin(kind) is tuple:
        item = typing.get_args(kind)[0]
        convert = _network if item == Network else _text
        return tuple(convert(each) for each in _items(given))
    return _CONVERTERS[kind](given)


def _in_bounds(value: Any, bounds: Mapping[str, Any]) -> Any:
    if "low" in bounds and not bounds["low"] <= value <= bounds["high"]:
        raise _Refused(f"must be between {bounds['low']:g} and {bounds['high']:g}")
    return value


def _items(given: object) -> list[object]:
    if isinstance(given, FromText):
        return [part.strip() for part in given.split(",") if part.strip()]
    if isinstance(given, list):
        return given
    raise _Refused("must be a list of strings")


def _text(given: object) -> str:
    if not isinstance(given, str):
        raise _Refused("must be a string")
    return str(given)


def _boolean(given: object) -> bool:
    if isinstance(given, FromText):
        lowered = given.lower()
        if lowered in {"true", "1", "yes", "on"}:
            return True
        if lowered in {"false", "0", "no", "off"}:
            return False
    elif isinstance(given, bool):
        return given
    raise _Refused("must be true or false")


def _integer(given: object) -> int:
    if isinstance(given, FromText) and given.isdecimal():
        return int(given)
    if isinstance(given, int) and not isinstance(given, bool):
        return given
    raise _Refused("must be a whole number")


def _float(given: object) -> float:
    if isinstance(given, FromText) or (isinstance(given, int | float) and not isinstance(given, bool)):
        try:
            return float(given)
        except ValueError:
            pass
    raise _Refused("must be a number")


def _network(given: object) -> Network:
    text = _text(given)
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise _Refused(f"{given!r} is not an address or a network such as 10.0.0.0/8") from None


def _address(given: object) -> Address:
    host, colon, port = _text(given).rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65_535:
        raise _Refused('must be "host:port", such as "127.0.0.1:8080" or "[::]:8080"')
    return Address(host.removeprefix("[").removesuffix("]"), int(port))


_CONVERTERS: Final[dict[type, Callable[[object], Any]]] = {
    bool: _boolean,
    int: _integer,
    float: _float,
    str: _text,
    Path: lambda given: Path(_text(given)),
    Secret: lambda given: Secret(_text(given)),
    Address: _address,
}
