"""The Request object and request-level errors (RFC 8620 §3.3, §3.6.1)."""

from typing import Any

import orjson
import pytest

from gateway.jmap.capabilities import CORE, CoreLimits
from gateway.jmap.errors import LIMIT, NOT_JSON, NOT_REQUEST, UNKNOWN_CAPABILITY, RequestProblem
from gateway.jmap.request import Call, parse_request

LIMITS = CoreLimits(max_size_request=1000, max_calls_in_request=3)


def problem(body: bytes) -> dict[str, Any]:
    with pytest.raises(RequestProblem) as caught:
        parse_request(body, LIMITS, {CORE})
    return caught.value.to_json()


def request(**members: Any) -> bytes:
    return orjson.dumps({"using": [CORE], "methodCalls": [], **members})


def test_a_request() -> None:
    body = request(methodCalls=[["Core/echo", {"a": 1}, "c1"]], createdIds={"k": "id1"}, somethingNew=[1])
    parsed = parse_request(body, LIMITS, {CORE})  # §3.3: unknown properties MUST be ignored
    assert parsed.using == {CORE}
    assert parsed.method_calls == [Call("Core/echo", {"a": 1}, "c1")]
    assert parsed.created_ids == {"k": "id1"}
    assert parse_request(request(), LIMITS, {CORE}).created_ids is None


@pytest.mark.parametrize("body", [b"", b"{", b'{"using":[],"using":[]}', b"\xff", b"[" * 5000])
def test_what_is_not_i_json(body: bytes) -> None:
    with pytest.raises(RequestProblem) as caught:
        parse_request(body, CoreLimits(), {CORE})
    assert (caught.value.type, caught.value.status) == (NOT_JSON, 400)


NO_CALLS: list[Any] = [
    None,
    "abc",
    {},
    [],
    ["a", {}],
    ["a", {}, "b", 1],
    [1, {}, "c"],
    ["a", [], "c"],
    ["a", None, "c"],
    ["a", {}, 1],
]
NO_CREATED_IDS: list[Any] = [None, [], {"k": 1}, {"": "a"}, {"k": "#"}]
NO_REQUESTS: list[Any] = [
    [],
    None,
    "x",
    {},
    {"using": [CORE]},
    {"methodCalls": []},
    {"using": CORE, "methodCalls": []},
    {"using": [1], "methodCalls": []},
    {"using": None, "methodCalls": []},
    {"using": [CORE], "methodCalls": {}},
    {"using": [CORE], "methodCalls": None},
    *({"using": [CORE], "methodCalls": [["Core/echo", {}, "0"], call]} for call in NO_CALLS),
    *({"using": [CORE], "methodCalls": [], "createdIds": ids} for ids in NO_CREATED_IDS),
]


@pytest.mark.parametrize("value", NO_REQUESTS)
def test_what_is_no_request(value: Any) -> None:
    assert problem(orjson.dumps(value))["type"] == NOT_REQUEST


def test_an_unknown_capability_is_named() -> None:
    answer = problem(request(using=[CORE, "urn:example:unheard-of"]))
    assert answer["type"] == UNKNOWN_CAPABILITY
    assert answer["status"] == 400
    assert "urn:example:unheard-of" in answer["detail"]


def test_limits_are_served_at_and_refused_over() -> None:
    calls = [["Core/echo", {}, str(index)] for index in range(4)]
    assert len(parse_request(request(methodCalls=calls[:3]), LIMITS, {CORE}).method_calls) == 3
    assert problem(request(methodCalls=calls))["limit"] == "maxCallsInRequest"
    body = request(padding="x" * (1000 - len(request(padding=""))))
    assert len(body) == 1000
    parse_request(body, LIMITS, {CORE})
    over = problem(body + b" ")
    assert (over["type"], over["limit"]) == (LIMIT, "maxSizeRequest")
