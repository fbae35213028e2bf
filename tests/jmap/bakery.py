"""A toy application on the JMAP core: cookies kept in dictionaries, and a client that speaks to them in JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import orjson

from gateway.jmap import checks, dispatch
from gateway.jmap.arguments import Argument
from gateway.jmap.capabilities import CORE, CoreLimits
from gateway.jmap.core_methods import CORE_METHODS
from gateway.jmap.datatype import (
    Changeable,
    Changes,
    Copy,
    Copyable,
    Fetched,
    Query,
    QueryChangeable,
    SetResult,
    Settable,
)
from gateway.jmap.errors import MethodError, SetError
from gateway.jmap.filters import Filter, evaluate
from gateway.jmap.methods import Answer, ExtraCall, Method
from gateway.jmap.properties import ID, Property, PropertyTable, Update, reference_ids
from gateway.jmap.registry import Registry
from gateway.jmap.request import parse_request

BAKERY = "https://bakery.example/jmap"
OVEN = "https://bakery.example/oven"
DIET = "https://bakery.example/diet"
"""An extension: brings Cookie a property and a condition, and no method."""
LIMITS = CoreLimits(max_size_request=100_000, max_calls_in_request=32, max_objects_in_get=20, max_objects_in_set=20)


@dataclass
class Account:
    """A bakery: the cookies by id and every change to them, in order."""

    id: str
    is_read_only: bool = False
    capabilities: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: {CORE: {}, BAKERY: {}})
    cookies: dict[str, dict[str, Any]] = field(default_factory=dict)
    journal: list[tuple[str, str]] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    fails: dict[str, Exception] = field(default_factory=dict)
    as_fragments: bool = False
    can_calculate_changes: bool = True

    def enter(self, hook: str) -> None:
        """Note that a hook was called, and fail if the test wants that."""
        self.calls.append(hook)
        if hook in self.fails:
            raise self.fails[hook]

    def note(self, kind: str, record_id: str) -> None:
        """A change takes place."""
        self.journal.append((kind, record_id))

    def add(self, name: str, **properties: Any) -> str:
        """Bake a cookie behind the back of all clients."""
        record_id = f"c{len(self.journal)}"
        blank: dict[str, Any] = {
            "flavour": None,
            "toppings": {},
            "recipe": None,
            "bakedAt": None,
            "friendId": None,
            "boxIds": {},
        }
        self.cookies[record_id] = {"id": record_id, "name": name, **blank, **properties, "batch": len(self.journal)}
        self.note("created", record_id)
        return record_id


@dataclass
class Context:
    """One request."""

    accounts: dict[str, Account]
    using: frozenset[str] = frozenset({CORE, BAKERY})
    limits: CoreLimits = LIMITS
    created_ids: dict[str, str] = field(default_factory=dict)

    def account(self, account_id: str) -> Account:
        """The account or accountNotFound."""
        if account_id not in self.accounts:
            raise MethodError("accountNotFound")
        return self.accounts[account_id]


def _shape(name: str) -> Property | None:
    if name.startswith("shape:"):
        return Property(name, checks.string, server_set=True)
    return None


_PROPERTIES = PropertyTable(
    [
        ID,
        Property("name", checks.string),
        Property("flavour", checks.nullable(checks.string), default=None),
        Property("toppings", checks.map_of(checks.string, checks.true), default={}),
        Property("recipe", checks.nullable(checks.object_), default=None),
        Property("bakedAt", checks.nullable(checks.utc_date), default=None, immutable=True),
        Property("friendId", checks.nullable(checks.id_), default=None, references=reference_ids),
        Property("boxIds", checks.map_of(checks.id_, checks.true), default={}, references=reference_ids),
        Property("wrapping", checks.string, omittable=True),
        Property("batch", checks.unsigned_int, server_set=True),
        Property("isVegan", checks.boolean, omittable=True, server_set=True, capability=DIET),
    ],
    dynamic=_shape,
    default=["name", "flavour", "toppings", "recipe", "bakedAt", "friendId", "boxIds", "batch"],
)


_CONDITIONS: Mapping[str, checks.Check] = {
    "nameContains": checks.string,
    "flavour": checks.nullable(checks.string),
}
_SORTABLE: Mapping[str, tuple[Argument, ...]] = {
    "name": (),
    "batch": (),
    "topping": (Argument("topping", checks.string),),
}


class Cookies(Changeable, Settable, Copyable, QueryChangeable):
    """A type with everything."""

    name = "Cookie"
    capability = BAKERY
    methods = ("get", "changes", "set", "copy", "query", "queryChanges")
    properties = _PROPERTIES
    get_arguments = (Argument("maxNameLength", checks.unsigned_int, 1000),)
    set_arguments = (Argument("onSuccessEcho", checks.boolean, False),)
    query_arguments = (Argument("reversed", checks.boolean, False),)
    filter_conditions = _CONDITIONS
    extra_conditions = MappingProxyType({DIET: {"isVegan": checks.boolean}})
    sort_properties = _SORTABLE
    max_query_limit = 10

    async def state(self, context: Context, account: Account) -> str:
        account.enter("state")
        return f"s{len(account.journal)}"

    async def get(
        self,
        context: Context,
        account: Account,
        ids: list[str] | None,
        properties: tuple[str, ...],
        arguments: Mapping[str, Any],
    ) -> Fetched:
        account.enter("get")
        wanted = list(account.cookies) if ids is None else ids
        found = [
            {name: _value(account.cookies[i], name, arguments) for name in properties if _has(account.cookies[i], name)}
            for i in wanted
            if i in account.cookies
        ]
        listed = [orjson.Fragment(orjson.dumps(record)) for record in found] if account.as_fragments else found
        return Fetched(listed, [i for i in wanted if i not in account.cookies])

    async def changes(self, context: Context, account: Account, since_state: str, max_changes: int | None) -> Changes:
        account.enter("changes")
        since = _journal_index(account, since_state)
        if since is None:
            raise MethodError("cannotCalculateChanges")
        head = len(account.journal) if max_changes is None else min(since + max_changes, len(account.journal))
        kinds: dict[str, set[str]] = {"created": set(), "updated": set(), "destroyed": set()}
        for kind, record_id in account.journal[since:head]:
            kinds[kind].add(record_id)
        created, destroyed = kinds["created"], kinds["destroyed"]
        return Changes(
            since_state,
            f"s{head}",
            head < len(account.journal),
            sorted(created - destroyed),
            sorted(kinds["updated"] - created - destroyed),
            sorted(destroyed - created),
            {"freshlyBaked": True},
        )

    async def create(
        self,
        context: Context,
        account: Account,
        records: Mapping[str, Mapping[str, Any]],
        arguments: Mapping[str, Any],
    ) -> Mapping[str, Mapping[str, Any] | SetError]:
        account.enter(f"create {' '.join(records)}")
        answers: dict[str, Mapping[str, Any] | SetError] = {}
        for key, record in records.items():
            if record["name"] == "burnt":
                answers[key] = SetError("forbidden", "no burnt cookies")
                continue
            record_id = account.add(**record)
            answers[key] = {"id": record_id, "batch": account.cookies[record_id]["batch"]}
        return answers

    async def update(
        self, context: Context, account: Account, updates: Mapping[str, Update], arguments: Mapping[str, Any]
    ) -> Mapping[str, Mapping[str, Any] | SetError | None]:
        account.enter(f"update {' '.join(updates)}")
        for record_id, update in updates.items():
            for name in update.changed:
                if name in update.patched:
                    account.cookies[record_id][name] = update.patched[name]
                else:
                    del account.cookies[record_id][name]
            account.note("updated", record_id)
        return {i: {"batch": 99} for i, update in updates.items() if update.patched.get("flavour") == "magic"}

    async def destroy(
        self, context: Context, account: Account, ids: Sequence[str], arguments: Mapping[str, Any]
    ) -> Mapping[str, SetError]:
        account.enter(f"destroy {' '.join(ids)}")
        for record_id in ids:
            if account.cookies.pop(record_id, None) is not None:
                account.note("destroyed", record_id)
        gone = {record_id for kind, record_id in account.journal if kind == "destroyed"}
        return {record_id: SetError("notFound") for record_id in ids if record_id not in gone}

    async def after_set(
        self, context: Context, account: Account, result: SetResult, arguments: Mapping[str, Any]
    ) -> tuple[ExtraCall, ...]:
        account.enter("after_set")
        return (ExtraCall("Core/echo", dict(result.created)),) if arguments["onSuccessEcho"] else ()

    async def copy(
        self, context: Context, from_account: Account, account: Account, copies: Mapping[str, Copy]
    ) -> Mapping[str, Mapping[str, Any] | SetError]:
        account.enter("copy")
        answers: dict[str, Mapping[str, Any] | SetError] = {}
        for key, wanted in copies.items():
            original = from_account.cookies.get(wanted.id)
            if original is None:
                answers[key] = SetError("notFound")
                continue
            kept = {name: value for name, value in original.items() if name not in {"id", "batch"}}
            answers[key] = {"id": account.add(**(kept | dict(wanted.overrides)))}
        return answers

    async def query(self, context: Context, account: Account, query: Query) -> "Result":
        account.enter("query")
        found = [r for r in account.cookies.values() if evaluate(query.filter, lambda c, r=r: _matches(c, r))]  # type: ignore[misc]
        for step in reversed(query.sort):
            key = {"name": lambda r: r["name"], "batch": lambda r: r["batch"]}.get(
                step.property, lambda r, step=step: step.extra["topping"] in r["toppings"]
            )
            found.sort(key=key, reverse=not step.is_ascending)
        ids = [record["id"] for record in found]
        listed = ids[::-1] if query.arguments["reversed"] else ids
        return Result(listed, f"s{len(account.journal)}", account.can_calculate_changes)

    async def touched_since(
        self, context: Context, account: Account, query: Query, since_query_state: str
    ) -> set[str] | None:
        account.enter("touched_since")
        since = _journal_index(account, since_query_state)
        return None if since is None else {record_id for _, record_id in account.journal[since:]}


@dataclass
class Result:
    """A list of ids."""

    ids: list[str]
    query_state: str
    can_calculate_changes: bool = True

    def __len__(self) -> int:
        return len(self.ids)

    def slice(self, start: int, stop: int) -> list[str]:
        return self.ids[start:stop]

    def position(self, id: str) -> int | None:
        return self.ids.index(id) if id in self.ids else None


class Ovens(Settable):
    """A singleton under a capability of its own."""

    name = "Oven"
    capability = OVEN
    methods = ("get", "set")
    properties = PropertyTable([ID, Property("heat", checks.unsigned_int)])
    singleton = True

    async def state(self, context: Context, account: Account) -> str:
        return "hot"

    async def get(
        self,
        context: Context,
        account: Account,
        ids: list[str] | None,
        properties: tuple[str, ...],
        arguments: Mapping[str, Any],
    ) -> Fetched:
        return Fetched([{"id": "singleton", "heat": 200}], [i for i in ids or [] if i != "singleton"])

    async def create(self, *arguments: Any) -> Mapping[str, Mapping[str, Any] | SetError]:
        raise AssertionError("a singleton is never created")

    async def update(self, *arguments: Any) -> Mapping[str, Mapping[str, Any] | SetError | None]:
        return {}

    async def destroy(self, *arguments: Any) -> Mapping[str, SetError]:
        raise AssertionError("a singleton is never destroyed")


async def _crumble(context: Context, account: Account, arguments: Mapping[str, Any]) -> Answer:
    raise RuntimeError(f"secret recipe: {arguments['secret']}")


async def _hello(context: Context, account: None, arguments: Mapping[str, Any]) -> Answer:
    return Answer({"hello": arguments["name"], "account": account})


def registry() -> Registry:
    """All of the bakery's methods."""
    return Registry.build(
        [Cookies(), Ovens()],
        [
            *CORE_METHODS,
            Method("Cookie/crumble", BAKERY, (Argument("secret", checks.string),), _crumble),
            Method("Bakery/hello", BAKERY, (Argument("name", checks.string, "you"),), _hello, needs_account=False),
        ],
    )


REGISTRY = registry()


class Client:
    """Sends requests as JSON and gives back what a client would see."""

    def __init__(self, *accounts: Account, limits: CoreLimits = LIMITS) -> None:
        self.accounts = {account.id: account for account in accounts or (Account("A"),)}
        self.limits = limits

    @property
    def bakery(self) -> Account:
        """The first account."""
        return next(iter(self.accounts.values()))

    async def request(self, calls: list[Any], using: Sequence[str] = (CORE, BAKERY), **members: Any) -> dict[str, Any]:
        """The Response object."""
        body = orjson.dumps({"using": list(using), "methodCalls": calls, **members})
        request = parse_request(body, self.limits, {CORE, BAKERY, OVEN, DIET})
        context = Context(self.accounts, request.using, self.limits)
        response = await dispatch.run(REGISTRY, context, request, "session-1")
        decoded: dict[str, Any] = orjson.loads(orjson.dumps(response))
        return decoded

    async def responses(self, *calls: tuple[str, dict[str, Any]], using: Sequence[str] = (CORE, BAKERY)) -> list[Any]:
        """[name, arguments] of every response; the calls get the ids 0, 1, ..."""
        numbered = [[name, arguments, str(index)] for index, (name, arguments) in enumerate(calls)]
        response = await self.request(numbered, using)
        return [entry[:2] for entry in response["methodResponses"]]

    async def call(self, name: str, **arguments: Any) -> dict[str, Any]:
        """The arguments of the response of one call in account A, which must have gone well."""
        answered, result = (await self.responses((name, {"accountId": "A", **arguments})))[0]
        assert answered == name, result
        return dict(result)

    async def error(self, name: str, **arguments: Any) -> dict[str, Any]:
        """The method-level error of one call in account A."""
        answered, result = (await self.responses((name, {"accountId": "A", **arguments})))[0]
        assert answered == "error", result
        return dict(result)


def _has(record: Mapping[str, Any], name: str) -> bool:
    return name in record or name.startswith("shape:")


def _value(record: Mapping[str, Any], name: str, arguments: Mapping[str, Any]) -> Any:
    if name == "name":
        return record["name"][: arguments["maxNameLength"]]
    return record.get(name, "round")


def _matches(condition: Filter, record: Mapping[str, Any]) -> bool:
    return condition.get("nameContains", "") in record["name"] and (
        all(record.get(name) == condition[name] for name in ("flavour", "isVegan") if name in condition)
    )


def _journal_index(account: Account, state: str) -> int | None:
    known = {f"s{index}": index for index in range(len(account.journal) + 1)}
    return known.get(state)
