"""The data types of RFC 8620 §1."""

from typing import Any

import pytest

from gateway.jmap import checks

_ARRAY = checks.array_of(checks.id_)
_MAP = checks.map_of(checks.id_, checks.true)
_RECORD = checks.record({"a": checks.int_, "b": checks.nullable(checks.string)}, frozenset({"a"}))

GOOD: list[tuple[checks.Check, list[Any]]] = [
    (checks.anything, [None, 1]),
    (checks.id_, ["a", "A-z_0" * 51]),
    (checks.id_or_reference, ["#k1", "k1"]),
    (checks.int_, [-(2**53) + 1, 0]),
    (checks.unsigned_int, [0, 2**53 - 1]),
    (checks.positive_int, [1]),
    (checks.number, [0.5, -1]),
    (checks.date_, ["2014-10-30T14:12:00+08:00", "2014-10-30T14:12:00.5Z", "2016-12-31T23:59:60Z"]),
    (checks.date_, ["2024-02-29T00:00:00-23:59"]),
    (checks.utc_date, ["2014-10-30T06:12:00Z"]),
    (checks.nullable(checks.int_), [None, 1]),
    (checks.one_of("a", "b"), ["a", "b"]),
    (_ARRAY, [[], ["a", "b"]]),
    (_MAP, [{}, {"a": True}]),
    (_RECORD, [{"a": 1}, {"a": 1, "b": None}]),
]
BAD: list[tuple[checks.Check, list[Any]]] = [
    (checks.id_, ["", "a" * 256, "a b", "a=", "#a", "\u00e9", "a\n", 1, None, ["a"]]),
    (checks.id_or_reference, ["#", "##a", "", None]),
    (checks.int_, [2**53, -(2**53), 1.0, True, "1", None, 1e300]),
    (checks.unsigned_int, [-1, False]),
    (checks.positive_int, [0]),
    (checks.number, [True, "1"]),
    (checks.date_, ["2014-10-30t14:12:00Z", "2014-10-30T14:12:00z", "2014-10-30 14:12:00Z"]),
    (checks.date_, ["2014-10-30T14:12:00.0Z", "2014-10-30T14:12:00.000Z", "2014-10-30T14:12:00.Z"]),
    (checks.date_, ["2026-02-30T00:00:00Z", "2014-13-01T00:00:00Z", "2014-10-30T24:00:00Z", "0000-01-01T00:00:00Z"]),
    (checks.date_, ["2014-10-30T14:12:00", "2014-10-30", "\u0662014-10-30T14:12:00Z", 5, ""]),
    (checks.utc_date, ["2014-10-30T14:12:00+00:00", None]),
    (checks.nullable(checks.int_), ["x"]),
    (checks.one_of("a", "b"), ["c", ["a"], None]),
    (_ARRAY, [None, {}, "ab", ["a", ""], [["a"]]]),
    (_MAP, [None, [], {"a": False}, {"a": 1}, {"a": None}, {"": True}]),
    (_RECORD, [None, [], {}, {"b": None}, {"a": 1, "c": 1}, {"a": "x"}]),
    (checks.boolean, [1, None]),
    (checks.string, [1, None]),
    (checks.true, [1, False]),
    (checks.object_, [[]]),
]


@pytest.mark.parametrize(("check", "values"), GOOD)
def test_good_values(check: checks.Check, values: list[Any]) -> None:
    assert [check(value) for value in values] == [None] * len(values)


@pytest.mark.parametrize(("check", "values"), BAD)
def test_bad_values(check: checks.Check, values: list[Any]) -> None:
    assert [value for value in values if check(value) is None] == []
