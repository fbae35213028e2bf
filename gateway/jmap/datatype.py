"""What a data type brings: a declaration plus asynchronous hooks, from which the standard methods are made.

A type is an instance of a class that derives from `DataType` and from the Protocols below for what it offers, and
lists its standard methods in `methods`; `Registry.build` refuses a type whose declaration and hooks do not fit.
Hooks receive arguments that were checked against the declaration. They raise MethodError, or an AdapterError, which
becomes one through `errors.FROM_ADAPTER`. Context and account are the application's own; the core passes them on.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Protocol

from gateway.jmap.arguments import Argument
from gateway.jmap.checks import Check
from gateway.jmap.errors import SetError
from gateway.jmap.filters import Comparator, Filter
from gateway.jmap.methods import ExtraCall
from gateway.jmap.properties import PropertyTable, Update


class DataType(Protocol):
    """The declaration that every type has.

    name: as in "Foo/get". capability: the URN that brings the type. methods: the standard methods it offers, of
    get, changes, set, copy, query, queryChanges.
    accountless: its records belong to no account: get and set take no accountId and know no states, as those of
    PushSubscription (RFC 8620 §7.2); hooks get None for the account, and `state` is of no use.
    """

    name: str
    capability: str
    methods: tuple[str, ...]
    properties: PropertyTable
    accountless: bool = False

    @abstractmethod
    async def state(self, context: Any, account: Any) -> str:
        """The current state of all records of the type in the account (RFC 8620 §5.1), as fresh as the request."""
        ...


@dataclass(frozen=True, slots=True)
class Fetched:
    """Records for /get: JSON objects (or `orjson.Fragment`s of them), and the ids that do not exist.

    state: that of the type just before they were read, where it may be another than a moment ago.
    """

    list: Sequence[Any]
    not_found: Sequence[str] = ()
    state: str | None = None


class Gettable(DataType, Protocol):
    """A type with Foo/get. get_arguments: arguments of its own besides the standard's.

    tells_state: what `get` gives always has its state, so that nobody need ask for that before.
    """

    get_arguments: tuple[Argument, ...] = ()
    tells_state: bool = False

    @abstractmethod
    async def get(
        self,
        context: Any,
        account: Any,
        ids: list[str] | None,
        properties: tuple[str, ...],
        arguments: Mapping[str, Any],
    ) -> Fetched:
        """The records with exactly these properties ("id" is among them).

        ids: each once; None for all records. More of them than `context.limits.max_objects_in_get` are refused by
        the method; a type for which reading them is much work raises MethodError("requestTooLarge") before.
        arguments: the type's own, also when /set reads the current records (then all at their defaults).
        """
        ...


@dataclass(frozen=True, slots=True)
class Changes:
    """What happened between two states (RFC 8620 §5.2). extra: members of the type's own (updatedProperties)."""

    old_state: str
    new_state: str
    has_more: bool
    created: Sequence[str]
    updated: Sequence[str]
    destroyed: Sequence[str]
    extra: Mapping[str, Any] = field(default_factory=dict)


class Changeable(DataType, Protocol):
    """A type with Foo/changes."""

    @abstractmethod
    async def changes(self, context: Any, account: Any, since_state: str, max_changes: int | None) -> Changes:
        """At most `max_changes` (> 0) ids since the state; MethodError("cannotCalculateChanges") if not known.

        since_state: any string a client may think of.
        """
        ...


@dataclass(frozen=True, slots=True)
class SetResult:
    """What a /set has done, for `Settable.after_set`: creation id -> id, ids, ids."""

    created: Mapping[str, str]
    updated: Sequence[str]
    destroyed: Sequence[str]


class Settable(Gettable, Protocol):
    """A type with Foo/set. All three hooks take everything that can be done at once and answer for each record.

    The core has checked the records, filled in defaults, replaced creation ids and applied the patches. It calls
    create (again for records that refer to those just created), then update, then destroy; never with nothing.
    A record that is missing from an answer counts as done with nothing to report. An AdapterError that escapes
    becomes the SetError of every record of that call: raise it only while nothing has taken effect.

    set_arguments: arguments of its own besides the standard's. singleton: nothing is created or destroyed.
    replaces: a new record may take the place of others that the same call destroys; `create` finds the ids of those
    under "destroy" in its arguments, and `destroy` is called with them all the same.
    """

    set_arguments: tuple[Argument, ...] = ()
    singleton: bool = False
    replaces: bool = False

    @abstractmethod
    async def create(
        self, context: Any, account: Any, records: Mapping[str, Mapping[str, Any]], arguments: Mapping[str, Any]
    ) -> Mapping[str, Mapping[str, Any] | SetError]:
        """By creation id: the server-set properties of the new record (at least "id"), or why there is none."""
        ...

    @abstractmethod
    async def update(
        self, context: Any, account: Any, updates: Mapping[str, Update], arguments: Mapping[str, Any]
    ) -> Mapping[str, Mapping[str, Any] | SetError | None]:
        """By id: the properties that changed beyond what was asked for, None for none, or why it was not done."""
        ...

    @abstractmethod
    async def destroy(
        self, context: Any, account: Any, ids: Sequence[str], arguments: Mapping[str, Any]
    ) -> Mapping[str, SetError]:
        """By id: why it was not destroyed (notFound for an unknown id)."""
        ...

    async def after_set(
        self,
        context: Any,
        account: Any,
        result: SetResult,
        arguments: Mapping[str, Any],
    ) -> tuple[ExtraCall, ...]:
        """Last of all: what remains to do once, and calls to make after the response (onSuccess...)."""
        return ()


@dataclass(frozen=True, slots=True)
class Copy:
    """One record to copy: its id in the account it comes from, and the properties that are to differ."""

    id: str
    overrides: Mapping[str, Any]


class Copyable(Gettable, Protocol):
    """A type with Foo/copy."""

    @abstractmethod
    async def copy(
        self, context: Any, from_account: Any, account: Any, copies: Mapping[str, Copy]
    ) -> Mapping[str, Mapping[str, Any] | SetError]:
        """By creation id: the server-set properties of the new record (at least "id"), or why there is none."""
        ...


@dataclass(frozen=True, slots=True)
class Window:
    """What a /query wants of the result, as the client gave it; see RFC 8620 §5.5."""

    position: int = 0
    anchor: str | None = None
    anchor_offset: int = 0
    limit: int | None = None
    calculate_total: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """A checked query.

    filter, sort: None and () where the client has no wish. arguments: the type's own (collapseThreads).
    window: a hint, so that a hook may compute no more of the result than will be looked at; None for all of it.
    """

    filter: Filter | None
    sort: tuple[Comparator, ...]
    arguments: Mapping[str, Any]
    window: Window | None = None


class QueryResult(Protocol):
    """The complete, ordered list of ids that a query found; how it is held is the type's business."""

    @property
    def query_state(self) -> str:
        """Differs whenever the list does."""
        ...

    @property
    def can_calculate_changes(self) -> bool:
        """Whether /queryChanges may be asked with this filter and sort."""
        ...

    def __len__(self) -> int:
        """The total; asked for only when it is needed."""
        ...

    def slice(self, start: int, stop: int) -> list[str]:
        """The ids with start <= index < stop; fewer, or none, at the end of the list."""
        ...

    def position(self, id: str) -> int | None:
        """The index of an id, None if it is not in the list."""
        ...


class Queryable(DataType, Protocol):
    """A type with Foo/query.

    filter_conditions: member of the FilterCondition -> its type. extra_conditions: the same by the capability of the
    extension that brings them, to be in `using`. sort_properties: property -> the extra members of
    its Comparator. query_arguments: arguments of its own, of /query and /queryChanges.
    max_query_limit: most ids in one answer, None for no limit.
    """

    filter_conditions: Mapping[str, Check]
    extra_conditions: Mapping[str, Mapping[str, Check]] = MappingProxyType({})
    sort_properties: Mapping[str, tuple[Argument, ...]]
    query_arguments: tuple[Argument, ...] = ()
    max_query_limit: int | None = None

    @abstractmethod
    async def query(self, context: Any, account: Any, query: Query) -> QueryResult:
        """The result as of now. MethodError("unsupportedFilter" | "unsupportedSort") for what cannot be done."""
        ...


class QueryChangeable(Queryable, Protocol):
    """A type with Foo/queryChanges."""

    @abstractmethod
    async def touched_since(self, context: Any, account: Any, query: Query, since_query_state: str) -> set[str] | None:
        """All ids that may have entered, left or moved in the result since the state; None if that is not known.

        Called after `query`, whose result is the new state: what changed after it may be in the set as well.
        """
        ...
