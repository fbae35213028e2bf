"""What a hostile client may send: every answer is an error of the standard, never an internal fault."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.jmap.capabilities import CORE
from gateway.jmap.errors import LIMIT, NOT_JSON, NOT_REQUEST, RequestProblem
from gateway.jmap.request import parse_request
from tests.jmap.bakery import LIMITS, REGISTRY, Account, Client

FAULTS = {"serverFail", "serverPartialFail", "serverUnavailable"}
REFUSALS = {"invalidArguments", "unsupportedFilter", "unsupportedSort"}

NEEDED: dict[str, dict[str, Any]] = {
    "Cookie/changes": {"sinceState": "s0"},
    "Cookie/queryChanges": {"sinceQueryState": "s0"},
    "Cookie/copy": {"fromAccountId": "B", "create": {}},
    "Cookie/crumble": {"secret": ""},
}
ODD: list[Any] = [None, True, -1, 1.5, 2**60, 1e300, "", "\x00", "x y", [], [None], [[]], {}, {"a": None}, {"": {}}]
METHODS = [method for name in REGISTRY.names() if (method := REGISTRY.find(name, None)) and name.startswith("Cookie/")]
ARGUMENTS = [(method.name, argument.name) for method in METHODS for argument in method.arguments]


def client() -> Client:
    account = Account("A")
    account.add("oat", recipe={"steps": [{"mix": 1}], "by": "me"})
    account.add("nut", friendId="c0")
    return Client(account, Account("B"))


@pytest.mark.parametrize(("name", "argument"), [*ARGUMENTS, ("Cookie/get", "accountId"), ("Cookie/get", "odd")])
async def test_each_argument_of_each_method_with_odd_values(name: str, argument: str) -> None:
    sent = client()
    calls = [(name, {"accountId": "A", **NEEDED.get(name, {}), argument: value}) for value in ODD]
    answers = await sent.responses(*calls)
    refused = [answer["type"] for kind, answer in answers if kind == "error"]
    if name != "Cookie/crumble":
        assert not FAULTS & set(refused)
    assert REFUSALS & set(refused)  # each argument has a type that some odd value is not of


json_values = st.recursive(
    st.sampled_from([None, True, False, 0, -1, 7, 0.5, "", "a", "c0", "#k", "#", "2026-02-30T00:00:00Z", "x" * 300]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "name", "operator", "conditions", "property", "c0", "#k", ""]), inner, max_size=3
        )
    ),
    max_leaves=8,
)
paths = st.lists(
    st.sampled_from(
        ["name", "recipe", "steps", "0", "-", "mix", "by", "toppings", "boxIds", "#k", "batch", "id", "~", "~1", ""]
    ),
    min_size=1,
    max_size=4,
).map("/".join)
patches = st.dictionaries(paths, json_values, max_size=4)
records = st.dictionaries(
    st.sampled_from(["id", "name", "flavour", "toppings", "recipe", "bakedAt", "friendId", "boxIds", "batch", "odd"]),
    json_values,
    max_size=5,
)


@given(
    st.dictionaries(st.sampled_from(["k", "l", "m"]), records, max_size=3),
    st.dictionaries(
        st.sampled_from(["c0", "c1", "c9", "#k"]), st.dictionaries(paths, json_values, max_size=4), max_size=3
    ),
    st.lists(st.sampled_from(["c0", "c1", "c9", "#k", "#z"]), max_size=2),
)
async def test_every_record_of_a_set_is_answered_once(
    create: dict[str, Any], update: dict[str, Any], destroy: list[str]
) -> None:
    sent = client()
    answer = await sent.call("Cookie/set", create=create, update=update, destroy=destroy)
    created, refused = answer["created"] or {}, answer["notCreated"] or {}
    assert sorted([*created, *refused]) == sorted(create)
    ids = {"#" + key: record["id"] for key, record in created.items()}
    for done, undone, keys in (("updated", "notUpdated", update), ("destroyed", "notDestroyed", destroy)):
        answered = [*(answer[done] or []), *(answer[undone] or [])]
        assert sorted(answered) == sorted({ids.get(key, key) for key in keys})
    for cookie in sent.bakery.cookies.values():  # and what was stored is what the type allows
        assert isinstance(cookie["name"], str)
        assert all(value is True for value in cookie["toppings"].values())
        assert not any("#" in box for box in cookie["boxIds"])


@given(json_values, json_values, json_values)
async def test_any_query(filter_: Any, sort: Any, anchor: Any) -> None:
    answers = await client().responses(
        ("Cookie/query", {"accountId": "A", "filter": filter_, "sort": sort, "anchor": anchor}),
        ("Cookie/queryChanges", {"accountId": "A", "filter": filter_, "sort": sort, "sinceQueryState": "s0"}),
    )
    assert not FAULTS & {answer.get("type") for _, answer in answers}


@given(json_values, json_values, st.booleans())
async def test_any_reference(reference: Any, path: Any, whole: bool) -> None:
    given_reference = reference if whole else {"resultOf": "0", "name": "Core/echo", "path": path}
    answers = await client().responses(
        ("Core/echo", {"a": [reference]}),
        ("Core/echo", {"#b": given_reference}),
        ("Cookie/get", {"#ids": given_reference}),
    )
    assert not FAULTS & {answer.get("type") for _, answer in answers if isinstance(answer, dict)}


@given(json_values)
def test_any_value_as_a_request(value: Any) -> None:
    body = orjson.dumps({"using": [CORE], "methodCalls": value})
    try:
        request = parse_request(body, LIMITS, {CORE})
    except RequestProblem as problem:
        assert problem.type in {NOT_REQUEST, NOT_JSON, LIMIT}  # noqa: PT017 - either outcome is fine
    else:
        assert len(request.method_calls) == len(value)


async def test_chains_of_creation_ids_as_long_as_a_set_may_be() -> None:
    create = {f"k{n}": {"name": "x", "friendId": f"#k{n + 1}"} for n in range(LIMITS.max_objects_in_set - 1)}
    create[f"k{LIMITS.max_objects_in_set - 1}"] = {"name": "last"}
    assert len((await client().call("Cookie/set", create=create))["created"]) == LIMITS.max_objects_in_set


async def test_a_wide_and_a_deep_filter_leave_the_account_at_work() -> None:
    sent = client()
    wide = {"operator": "OR", "conditions": [{}] * 5_000}
    assert (await sent.error("Cookie/query", filter=wide))["type"] == "unsupportedFilter"
    assert (await sent.call("Cookie/query"))["ids"] == ["c0", "c1"]
