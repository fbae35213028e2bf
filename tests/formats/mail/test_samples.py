"""The decoded size of long base64 by its two ends (RFC 8621 §4.1.4: `size` is that of the decoded octets)."""

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.formats.transfer import SAMPLE, decoded_size, size_from_samples

FEW = settings(max_examples=60, deadline=None)


def by_ends(raw: bytes) -> int | None:
    return size_from_samples(len(raw), raw[:SAMPLE], raw[-SAMPLE:])


def in_lines(octets: int, line: int, end: bytes) -> bytes:
    digits = base64.b64encode(bytes(octets))
    return b"".join(digits[start : start + line] + end for start in range(0, len(digits), line))


@given(
    octets=st.integers(1_000, 5_000),
    line=st.sampled_from([4, 60, 61, 72, 76, 500, 10_000]),  # 61: encoders that count otherwise; 10,000: one line
    end=st.sampled_from([b"\n", b"\r\n"]),
    tail=st.sampled_from([b"", b"\r\n", b"\r\n\r\n"]),
)
@FEW
def test_lines_of_one_length_are_measured_exactly(octets: int, line: int, end: bytes, tail: bytes) -> None:
    raw = in_lines(octets, line, end) + tail
    assert decoded_size("base64", raw) == octets
    assert by_ends(raw) == octets


@pytest.mark.parametrize(
    "raw",
    [
        in_lines(600, 76, b"\r\n").replace(b"=", b"A") + in_lines(600, 60, b"\r\n"),  # two files after each other
        in_lines(600, 60, b"\r\n").rstrip(b"\r\n") + b"AAAA\r\n" + in_lines(600, 72, b"\r\n"),
        b"QQ==\r\n" * 400,  # padding before the end
        b"not base64 at all\r\n" * 100,
        b"!" * 2_000,
    ],
)
def test_what_is_not_regular_is_not_measured(raw: bytes) -> None:
    assert by_ends(raw) is None


@given(st.binary(max_size=4), st.binary(max_size=4), st.integers(1, 400), st.integers(1, 400))
@FEW
def test_any_octets_give_a_size_within_bounds_or_none(one: bytes, two: bytes, first: int, second: int) -> None:
    raw = (one * first + two * second).ljust(2 * SAMPLE, b"A")
    size = by_ends(raw)
    assert size is None or 0 <= size <= len(raw)
