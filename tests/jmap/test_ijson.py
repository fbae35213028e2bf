"""I-JSON (RFC 7493), with the standard library as the other opinion."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.jmap import ijson

_NONCHARACTERS = {0xFDD0 + n for n in range(32)} | {
    plane * 0x10000 + n for plane in range(17) for n in (0xFFFE, 0xFFFF)
}

texts = st.text(st.characters(exclude_categories=["Cs"]))
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda children: st.lists(children, max_size=4) | st.dictionaries(texts, children, max_size=4),
    max_leaves=20,
)


def _noncharacters(value: Any) -> bool:
    return any(ord(character) in _NONCHARACTERS for character in json.dumps(value, ensure_ascii=False))


@given(values, st.booleans(), st.sampled_from([None, 1]))
def test_what_the_standard_library_writes_is_read_back(value: Any, escaped: bool, indent: int | None) -> None:
    body = json.dumps(value, ensure_ascii=escaped, indent=indent).encode()
    if _noncharacters(value):
        with pytest.raises(ijson.NotIJSON):
            ijson.loads(body)
    else:
        assert ijson.loads(body) == value


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in pairs}) != len(pairs):
        raise ValueError("duplicate")
    return dict(pairs)


names = st.sampled_from(['"a"', '"\\u0061"', '"b"', '":"', '"\\":"', '"\\\\"', '"{"', '"\\u003a"'])
scalars = names | st.sampled_from(["1", "null", "true", "-0.5e3"])
documents = st.recursive(
    scalars,
    lambda children: (
        st.lists(children, max_size=3).map(lambda items: f"[{' , '.join(items)}]")
        | st.lists(st.tuples(names, children), max_size=3).map(
            lambda members: "{" + ",".join(f"{name} : {value}" for name, value in members) + "}"
        )
    ),
    max_leaves=12,
)


@given(documents)
def test_repeated_names_are_found_wherever_they_are_and_nothing_else(text: str) -> None:  # RFC 7493 §2.3
    try:
        expected = json.loads(text, object_pairs_hook=_pairs)
    except ValueError:
        with pytest.raises(ijson.NotIJSON):
            ijson.loads(text.encode())
    else:
        assert ijson.loads(text.encode()) == expected


@given(st.binary(max_size=60) | st.text('[]{}",:\\u0129aeE.-+ \n', max_size=40).map(str.encode))
def test_any_bytes_are_a_value_or_refused(body: bytes) -> None:
    try:
        value = ijson.loads(body)
    except ijson.NotIJSON:
        return
    assert json.loads(body, parse_int=_integer) == value


def _integer(digits: str) -> int | float:
    number = int(digits)
    return number if -(2**63) <= number < 2**64 else float(digits)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}x",
        b"\xef\xbb\xbf{}",
        b"[NaN]",
        b"[Infinity]",
        b"[-Infinity]",
        b'"\xff"',
        b'"\xed\xa0\x80"',
        b'"\\ud800"',
        b'"\\udc00\\ud800"',
        b"\xfe\xff\x00{\x00}",
        b"[01]",
        b"[1,]",
        b"{'a':1}",
        b'"\x00"',
        b"1e999999999",
        b"9" * 100_000,
        b'{"a":1,"a":1}',
        b'{"a":1,"\\u0061":2}',
        b'[{"b":{"c":1,"c":2}}]',
        b'"\\uffff"',
        b'"\\ud83f\\udfff"',
        b'"\xef\xb7\x90"',
    ],
)
def test_refused(body: bytes) -> None:
    with pytest.raises(ijson.NotIJSON):
        ijson.loads(body)


def test_integers_beyond_64_bits_are_read() -> None:
    assert ijson.loads(b"[123456789012345678901234567890]") == [1.2345678901234568e29]


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}"), ('[{"a":', "}]")])
def test_the_depth_limit_is_exact(opening: str, closing: str) -> None:
    levels = opening.count("[") + opening.count("{")
    for repeats in (10, 11):
        body = (opening * repeats + "1" + closing * repeats).encode()
        assert ijson.loads(body, max_depth=levels * repeats) is not None
        with pytest.raises(ijson.NotIJSON):
            ijson.loads(body, max_depth=levels * repeats - 1)


@pytest.mark.parametrize("unit", [b"[", b'{"a":', b'[{"a":['])
def test_deep_and_unclosed_nesting_is_refused(unit: bytes) -> None:  # also a million levels of it
    closing = unit[::-1].translate(bytes.maketrans(b"[{", b"]}"), b'"a:')
    for body in (unit * 100_000 + b"1" + closing * 100_000, unit * 1_000_000):
        with pytest.raises(ijson.NotIJSON):
            ijson.loads(body)


def test_brackets_in_strings_do_not_count() -> None:
    assert ijson.loads(b'["[[[[{{{{\\"[[[["]', max_depth=1) == ['[[[[{{{{"[[[[']


def test_an_escaped_backslash_does_not_escape_the_quote_after_it() -> None:
    with pytest.raises(ijson.NotIJSON):
        ijson.loads(b'["\\\\",[[1]]]', max_depth=2)
    assert ijson.loads(b'["\\\\\\",[[1]]", 1]', max_depth=1) == ['\\",[[1]]', 1]


def test_the_number_of_arrays_and_objects_is_bounded() -> None:
    half = ijson.MAX_CONTAINERS // 2
    items = [b"[]"] * half + [b'{"[":"]]]"}'] * half
    ijson.loads(b"[" + b",".join(items[1:]) + b"]")
    with pytest.raises(ijson.NotIJSON):
        ijson.loads(b"[" + b",".join(items) + b"]")


def test_the_number_of_strings_is_bounded() -> None:
    items = [b'""'] * (ijson.MAX_STRINGS - 1) + [rb'"\"\\"']
    ijson.loads(b"[" + b",".join(items) + b"]")
    with pytest.raises(ijson.NotIJSON):
        ijson.loads(b"[" + b",".join([*items, b'""']) + b"]")
