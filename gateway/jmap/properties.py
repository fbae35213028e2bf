"""Property tables: one declaration per type that selects in /get and validates in /set (RFC 8620 §5.1, §5.3)."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from gateway.jmap.arguments import REQUIRED
from gateway.jmap.checks import Check, id_
from gateway.jmap.errors import MethodError, SetError

Lookup = Callable[[str], str]
"""Creation id (without "#") -> id. Raises UnknownReference."""

Resolver = Callable[[Any, Lookup], Any]
"""(value, lookup) -> the value with its creation ids replaced; does not change the value it was given."""


class UnknownReference(Exception):
    """No record of this request has the creation id."""


def reference_ids(value: Any, lookup: Lookup) -> Any:
    """The Resolver of a property of type Id, Id[] or Id[...]: "#" marks a creation id (RFC 8620 §5.3)."""
    if isinstance(value, str):
        return lookup(value[1:]) if value.startswith("#") else value
    if isinstance(value, list):
        return [reference_ids(item, lookup) if isinstance(item, str) else item for item in value]
    if isinstance(value, dict):
        return {reference_ids(key, lookup): item for key, item in value.items()}
    return value


@dataclass(frozen=True, slots=True)
class Property:
    """One property of a type.

    default: what an omitted property is on create, and what null means in a patch; REQUIRED where there is none.
    omittable: may be left out although it has no default (it is then computed, or simply absent).
    server_set, immutable: in an update allowed only with the current value; server_set never in a create.
    references: how to find creation ids in the value; None where it holds none.
    capability: the extension that brings the property to the type, to be in `using`; None: the type's own.
    write_only: never shown (RFC 8620 §7.2.1).
    """

    name: str
    check: Check
    default: Any = REQUIRED
    omittable: bool = False
    server_set: bool = False
    immutable: bool = False
    references: Resolver | None = None
    capability: str | None = None
    write_only: bool = False


ID: Final = Property("id", id_, server_set=True, immutable=True)


class PropertyTable:
    """The properties of a type, by name.

    dynamic: finds a Property for a name that is not in the table (such as header:X:asText); None if there is none.
    default: the names that /get returns when the client asks for none in particular; all of the table if not given.
    """

    def __init__(
        self,
        properties: Iterable[Property],
        *,
        dynamic: Callable[[str], Property | None] | None = None,
        default: Iterable[str] | None = None,
    ) -> None:
        rows = list(properties)
        self._rows: Final = {row.name: row for row in rows}
        self._dynamic: Final = dynamic
        self._hidden: Final = frozenset(row.name for row in rows if row.write_only)
        if len(self._rows) != len(rows):
            raise ValueError("a property is declared twice")
        if "id" not in self._rows:
            raise ValueError("a type needs the property id")
        self.default: Final = _id_first(self._rows if default is None else default)
        unknown = [name for name in self.default if self.find(name) is None]
        if unknown:
            raise ValueError(f"default properties that do not exist: {unknown}")
        brought = (row.capability for name in self.default if (row := self.find(name)) is not None)
        self._extensions: Final = frozenset(urn for urn in brought if urn is not None)

    def find(self, name: str) -> Property | None:
        """The property of this name, declared or dynamic."""
        row = self._rows.get(name)
        if row is None and self._dynamic is not None:
            return self._dynamic(name)
        return row

    def __iter__(self) -> Iterator[Property]:
        return iter(self._rows.values())

    def select(self, names: list[str] | None, using: Collection[str] | None = None) -> tuple[str, ...]:
        """The names that a /get returns, each once, id first: it is always returned (RFC 8620 §5.1).

        using: the capabilities of the request, without which what extensions bring is not there (RFC 8620 §1.8);
        None for all. Raises MethodError("invalidArguments") for a name that the type does not have.
        Where the client asked for none in particular the answer `is` the table's `default`, unless some are left out.
        """
        if names is None:
            if using is None or self._extensions.issubset(using):
                return self.default
            return tuple(name for name in self.default if self.is_known(name, using))
        unknown = [name for name in names if not self.is_known(name, using)]
        if unknown:
            raise MethodError("invalidArguments", f"properties: there is no {unknown[0][:100]!r}")
        return _id_first(names)

    def refuse_hidden(self, names: Iterable[str]) -> None:
        """Raises MethodError("forbidden") where one of the properties is never shown (RFC 8620 §7.2.1)."""
        hidden = [name for name in names if name in self._hidden]
        if hidden:
            raise MethodError("forbidden", f"{hidden[0]} is never returned")

    def is_known(self, name: str, using: Collection[str] | None) -> bool:
        """Whether the type has the property, for a request that is using these capabilities (RFC 8620 §1.8)."""
        row = self.find(name)
        return row is not None and (row.capability is None or using is None or row.capability in using)

    def resolve(self, record: Mapping[str, Any], lookup: Lookup) -> dict[str, Any]:
        """The record with the creation ids in it replaced. Raises SetError for one that is not known."""
        resolved: dict[str, Any] = {}
        bad: list[str] = []
        for name, value in record.items():
            row = self.find(name)
            try:
                resolved[name] = value if row is None or row.references is None else row.references(value, lookup)
            except UnknownReference:
                bad.append(name)
        if bad:  # RFC 8620 §5.3: a reference to a record that does not exist
            raise SetError("invalidProperties", "refers to a record that was not created", bad)
        return resolved

    def check(self, record: Mapping[str, Any], using: Collection[str] | None = None) -> None:
        """Check the values that a client gave for a new record. using: as for `select`.

        Raises SetError("invalidProperties") naming every property that is wrong, unknown or the server's.
        """
        refuse(self._faults(record, using))

    def complete(
        self, record: Mapping[str, Any], using: Collection[str] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Check a record to be created: (the record with all defaults, the defaults that were filled in and are shown).

        using: as for `select`.
        Raises SetError("invalidProperties") as `check`, also for what is missing.
        """
        wrong = self._faults(record, using)
        defaults: dict[str, Any] = {}
        for row in self._rows.values():
            if row.name in record or row.server_set:
                continue
            if row.default is not REQUIRED:
                defaults[row.name] = row.default
            elif not row.omittable:
                wrong[row.name] = "is missing"
        refuse(wrong)
        return {**record, **defaults}, {name: value for name, value in defaults.items() if self.is_known(name, using)}

    def _faults(self, record: Mapping[str, Any], using: Collection[str] | None) -> dict[str, str]:
        wrong: dict[str, str] = {}
        for name, value in record.items():
            row = self.find(name) if self.is_known(name, using) else None
            fault = "is unknown" if row is None else "is set by the server" if row.server_set else row.check(value)
            if fault:
                wrong[name] = fault
        return wrong


def refuse(wrong: Mapping[str, str]) -> None:
    """Raise SetError("invalidProperties") for the properties (name -> what is wrong), if there are any."""
    if wrong:
        description = "; ".join(f"{name[:100]} {fault}" for name, fault in list(wrong.items())[:10])
        raise SetError("invalidProperties", description, list(wrong))


def _id_first(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(("id", *names)))


@dataclass(frozen=True, slots=True)
class Update:
    """One record to be updated, checked and ready to be written.

    current, patched: the values before and after, of the properties that the client named; a property that the
    record does not have is missing. changed: the names of those whose value differs.
    """

    id: str
    current: Mapping[str, Any]
    patched: Mapping[str, Any]
    changed: frozenset[str] = field(default_factory=frozenset)
