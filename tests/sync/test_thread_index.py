"""RFC 8621 §3 on the thread index alone."""

import hashlib
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sync.thread_facts import Facts, base_subject, facts
from gateway.sync.thread_index import ThreadIndex
from tests.sync.model import columns

Headers = tuple[bytes, bytes, bytes, bytes]
"""Message-ID, In-Reply-To, References, Subject."""


def headers(own: str = "", references: str = "", subject: str = "Plan", reply: str = "") -> Headers:
    return own.encode(), reply.encode(), references.encode(), subject.encode()


def said(messages: Sequence[Headers]) -> list[Facts]:
    return facts(columns(range(len(messages)), messages))


def digest(row: int) -> bytes:
    return hashlib.md5(b"%d" % row, usedforsecurity=False).digest()


def threads_of(messages: Sequence[Headers], order: Sequence[int] | None = None) -> list[str]:
    """Thread ids by message, assigned in the given order."""
    index = ThreadIndex("test")
    order = order or range(len(messages))
    index.assign(order, said([messages[row] for row in order]), digest)
    numbers = [index.of_row(row) for row in range(len(messages))]
    return [index.id(number) for number in numbers if number is not None]


A, B, C = "<a@x>", "<b@x>", "<c@x>"
CASES = {
    "a reply by References": ([headers(A), headers(B, A, "Re: Plan")], [0, 0]),
    "a reply by In-Reply-To": ([headers(A), headers(B, reply=A)], [0, 0]),
    "siblings whose parent is not here": ([headers(B, A), headers(C, A)], [0, 0]),
    "another subject is another Thread": ([headers(A), headers(B, A, "Lunch")], [0, 1]),
    "one subject alone joins nothing": ([headers(A), headers(B)], [0, 1]),
    "subjects but for marks and white space": (
        [headers(A, subject="[list] The  plan"), headers(B, A, "AW: Re: the plan")], [0, 0]
    ),
    "no Message-ID": ([headers(), headers()], [0, 1]),
    "no Message-ID, but a reference": ([headers(A), headers("", A)], [0, 0]),
    "two copies of one mail": ([headers(A), headers(A)], [0, 0]),
    "a chain in the wrong order": ([headers(C, f"{A} {B}"), headers(B, A), headers(A)], [0, 0, 0]),
    "short references": ([headers(C, B), headers(B, A), headers(A)], [0, 0, 0]),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_which_messages_are_together(case: str) -> None:
    messages, expected = CASES[case]
    for order in (list(range(len(messages))), list(reversed(range(len(messages))))):
        ids = threads_of(messages, order)
        assert [ids.index(one) for one in ids] == expected


def test_threads_never_merge() -> None:
    first = [headers(A), headers(B)]
    joining = headers(C, f"{A} {B}")
    ids = threads_of([*first, joining])
    assert ids[:2] == threads_of(first)
    assert ids[2] == ids[0]


def test_ids_come_from_the_root_not_from_the_order() -> None:
    messages = [headers(A), headers(B, A), headers(C, f"{A} {B}")]
    assert threads_of(messages) == threads_of(messages, [2, 1, 0]) == threads_of(messages, [1, 0, 2])


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 2)), min_size=1, max_size=25))
def test_newest_first_equals_oldest_first_on_ordinary_mail(parents: list[tuple[int, int]]) -> None:
    """Every reply carries the whole chain, as RFC 5322 §3.6.4 asks."""
    chains: list[list[str]] = []
    messages = []
    for number, (parent, kind) in enumerate(parents):
        chain = [] if parent >= number or kind == 0 else [*chains[parent]]
        own = f"<{number}@x>"
        chains.append([*chain, own])
        messages.append(headers(own, " ".join(chain), "Re: Plan" if chain else "Plan"))
    assert threads_of(messages) == threads_of(messages, list(reversed(range(len(messages)))))


@given(st.binary(max_size=80) | st.text(max_size=80).map(str.encode))
def test_any_header_is_survived(text: bytes) -> None:
    assert len(threads_of([(text, text, text, text), (b"", b"", text, text)])) == 2


@given(st.text(alphabet="Rre:[]() fwd=?uq8-AW\t\n\xe4", max_size=60), st.sampled_from(["utf-8", "latin-1"]))
def test_subjects_are_compared_by_their_base(subject: str, charset: str) -> None:
    one, other = headers(A), (*headers(B, A)[:3], subject.encode(charset))
    alike = base_subject(subject) == base_subject("Plan")
    ids = threads_of([one, other, headers(C, A, base_subject(subject))])
    assert (ids[0] == ids[1]) is alike
    if subject.encode(charset).strip():
        assert ids[1] == threads_of([headers(B, A, subject)])[0]


IDS = st.sampled_from([A, B, C, "<d@x>"])


@given(st.lists(st.builds(headers, IDS, st.lists(IDS, max_size=3).map(" ".join), st.sampled_from(["Plan", "Lunch"]))))
def test_what_is_remembered_changes_nothing(messages: list[Headers]) -> None:
    index = ThreadIndex("test")
    for row, one in enumerate(messages):
        index.assign([row], said([one]), digest)
        index = index.fork()  # which forgets
    numbers = [index.of_row(row) for row in range(len(messages))]
    assert threads_of(messages) == [index.id(number) for number in numbers if number is not None]


def test_what_has_a_thread_keeps_it() -> None:
    index = ThreadIndex("test")
    index.assign([4], said([headers(A)]), digest)
    number = index.of_row(4)
    index.assign([4, 5], said([headers(B), headers(B)]), digest)
    assert number is not None
    assert (index.of_row(4), list(index.members(number))) == (number, [4])
    assert index.of_row(5) not in (None, number)


def test_digests_that_begin_alike_are_different_threads() -> None:
    index = ThreadIndex("test")
    one, other = bytes(16), bytes(15) + b"x"
    for row, native in enumerate((one, other, one)):
        index.enter(row, index._number(native))
    assert [index.of_row(row) for row in range(3)] == [0, 1, 0]
    assert (index.find(one), index.find(other)) == (0, 1)
