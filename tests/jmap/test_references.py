"""JSON Pointer (RFC 6901) and result references (RFC 8620 §3.7)."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.jmap import pointer
from gateway.jmap.errors import MethodError
from gateway.jmap.references import Budget, Response, evaluate, resolve
from tests.jmap.bakery import Account, Client

RFC_6901_DOCUMENT = {
    "foo": ["bar", "baz"],
    "": 0,
    "a/b": 1,
    "c%d": 2,
    "e^f": 3,
    "g|h": 4,
    "i\\j": 5,
    'k"l': 6,
    " ": 7,
    "m~n": 8,
}
RFC_6901_EXAMPLES: list[tuple[str, Any]] = [
    ("", RFC_6901_DOCUMENT),
    ("/foo", ["bar", "baz"]),
    ("/foo/0", "bar"),
    ("/", 0),
    ("/a~1b", 1),
    ("/c%d", 2),
    ("/e^f", 3),
    ("/g|h", 4),
    ("/i\\j", 5),
    ('/k"l', 6),
    ("/ ", 7),
    ("/m~0n", 8),
]


@pytest.mark.parametrize(("path", "value"), RFC_6901_EXAMPLES)
def test_the_examples_of_rfc_6901(path: str, value: Any) -> None:
    assert evaluate(RFC_6901_DOCUMENT, pointer.parse(path)) == value


def test_escapes_are_decoded_in_the_right_order() -> None:  # RFC 6901 §4
    assert pointer.parse("/~01/~10") == ["~1", "/0"]


names = st.sampled_from(["a", "b", "*", "0", "~", "/", "", "~1", "-"])
values = st.recursive(
    st.integers(0, 9) | st.none(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(names, children, max_size=3),
    max_leaves=15,
)
steps = st.sampled_from(["a", "b", "*", "0", "1", "2", "00", "01", "-", "-1", "~", "/", "", "~1", "+1", " 1", "\u0660"])


def model(value: Any, tokens: list[str]) -> Any:
    """The algorithm of RFC 8620 §3.7 in its own words; LookupError where it fails."""
    if not tokens:
        return value
    first, rest = tokens[0], tokens[1:]
    if isinstance(value, dict):
        return model(value[first], rest)
    if isinstance(value, list) and first == "*":
        mapped = [model(item, rest) for item in value]
        return [inner for item in mapped for inner in (item if isinstance(item, list) else [item])]
    if isinstance(value, list) and first in {str(index) for index in range(len(value))}:
        return model(value[int(first)], rest)
    raise LookupError


@given(values, st.lists(steps, max_size=4), st.booleans())
def test_evaluation_is_that_of_the_model(value: Any, tokens: list[str], fragments: bool) -> None:
    path = "".join("/" + token.replace("~", "~0").replace("/", "~1") for token in tokens)
    given_value = orjson.Fragment(orjson.dumps(value)) if fragments else value
    try:
        expected = model(value, tokens)
    except LookupError:
        with pytest.raises(MethodError, match="invalidResultReference"):
            evaluate(given_value, pointer.parse(path))
    else:
        assert evaluate(given_value, pointer.parse(path)) == expected


EARLIER = [
    Response("Foo/changes", {"created": ["f1", "f4"], "deep": [{"x": [1, 2]}, {"x": []}, {"x": 3}]}, "t0"),
    Response("error", {"type": "unknownMethod"}, "t1"),
    Response("Bar/get", {"list": []}, "t0"),
]


def reference(of: Any = "t0", name: Any = "Foo/changes", path: Any = "/created") -> dict[str, Any]:
    return {"resultOf": of, "name": name, "path": path}


def failure(arguments: dict[str, Any]) -> str:
    with pytest.raises(MethodError) as caught:
        resolve(arguments, EARLIER, Budget(10_000))
    return caught.value.type


def test_a_reference_becomes_the_argument() -> None:
    arguments = {"accountId": "A", "#ids": reference(), "#flat": reference(path="/deep/*/x")}
    resolved = resolve(arguments, EARLIER, Budget(10_000))
    assert resolved == {"accountId": "A", "ids": ["f1", "f4"], "flat": [1, 2, 3]}


def test_an_error_can_be_referred_to_by_its_name() -> None:
    assert resolve({"#a": reference("t1", "error", "/type")}, EARLIER, Budget(100)) == {"a": "unknownMethod"}


def test_the_resolved_value_is_a_copy() -> None:
    resolved = resolve({"#a": reference()}, EARLIER, Budget(10_000))
    resolved["a"].append("f5")
    assert EARLIER[0].arguments["created"] == ["f1", "f4"]


@pytest.mark.parametrize(
    "broken",
    [
        reference(of="t9"),
        reference(of=""),
        reference("t1"),
        reference(name="Bar/get"),  # §3.7: the first response with the call id decides
        *(
            reference(path=path)
            for path in (
                "created", "/nope", "/created/2", "/created/-1", "/created/01", "/created/-", "/created/a",
                "/created/0/x", "/created/*/x", "/*", "/~2", "/created/", "/created/00",
                "/created/99999999999999999999",
            )
        ),
    ],
)  # fmt: skip
def test_what_does_not_resolve(broken: Any) -> None:
    assert failure({"#ids": broken}) == "invalidResultReference"


@pytest.mark.parametrize(
    "malformed",
    [None, "t0", [], {}, {"resultOf": "t0"}, reference(of=1), reference(path=None), {**reference(), "more": 1}],
)
def test_what_is_no_reference(malformed: Any) -> None:
    assert failure({"#ids": malformed}) == "invalidArguments"


def test_both_forms_of_an_argument() -> None:  # §3.7: MUST return invalidArguments
    assert failure({"ids": [], "#ids": reference()}) == "invalidArguments"


async def test_references_between_calls() -> None:
    client = Client()
    nut, oat = client.bakery.add("nut"), client.bakery.add("oat")
    client.bakery.add("plain", friendId=nut, boxIds={oat: True})
    client.bakery.as_fragments = True  # an object that was serialised before can still be referred into
    _, friends, found, future, itself = await client.responses(
        ("Cookie/query", {"accountId": "A", "filter": {"nameContains": "plain"}}),
        ("Cookie/get", {"accountId": "A", "#ids": reference("0", "Cookie/query", "/ids"), "properties": ["friendId"]}),
        (
            "Cookie/get",
            {"accountId": "A", "#ids": reference("1", "Cookie/get", "/list/*/friendId"), "properties": ["name"]},
        ),
        ("Cookie/get", {"accountId": "A", "#ids": reference("4", "Cookie/get", "/ids")}),
        ("Cookie/get", {"accountId": "A", "#ids": reference("4", "Cookie/get", "/ids")}),
    )
    assert friends[1]["list"] == [{"id": "c2", "friendId": nut}]
    assert found[1]["list"] == [{"id": nut, "name": "nut"}]
    assert future == ["error", {"type": "invalidResultReference", "description": future[1]["description"]}]
    assert itself[1]["type"] == "invalidResultReference"


@pytest.mark.parametrize("calls", [16, 32])
async def test_doubling_is_bounded(calls: int) -> None:
    double = [
        ("Core/echo", {"#a": reference(str(n - 1), "Core/echo", ""), "#b": reference(str(n - 1), "Core/echo", "")})
        for n in range(1, calls)
    ]
    client = Client(Account("A"))
    answers = await client.responses(("Core/echo", {"x": "y" * 100}), *double)
    assert len(orjson.dumps(answers)) < 4 * client.limits.max_size_request
    assert [name for name, _ in answers[:5]] == ["Core/echo"] * 5
    assert answers[-1][1]["type"] == "invalidResultReference"


async def test_nesting_through_references_can_be_written() -> None:
    deep: Any = "x"
    for _ in range(90):
        deep = [deep]
    nest = [("Core/echo", {"#a": reference(str(n - 1), "Core/echo", "")}) for n in range(1, 32)]
    answers = await Client().responses(("Core/echo", {"a": deep}), *nest)
    assert all(name == "Core/echo" for name, _ in answers)


def test_a_value_too_deep_to_be_written_is_no_result() -> None:
    deep: Any = 1
    for _ in range(300):
        deep = [deep]
    with pytest.raises(MethodError, match="invalidResultReference"):
        Budget(10_000).copy(deep)
