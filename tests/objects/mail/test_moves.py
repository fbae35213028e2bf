"""The planner of moves: by table, and for all small cases that no step loses the message."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.objects.mail.moves import Add, Move, Remove, Step, plan_moves
from gateway.sync.copies import Copy


def copy(mailbox_id: str, uid: int = 1) -> Copy:
    return Copy(mailbox_id, mailbox_id.upper(), 7, uid)


A, A2, B, C = copy("a"), copy("a", 2), copy("b"), copy("c")


@pytest.mark.parametrize(
    ("copies", "wanted", "steps"),
    [
        ([A], ["a"], []),
        ([A], ["b"], [Move(A, "b")]),
        ([A], ["a", "b"], [Add(A, "b")]),
        ([A], ["b", "c"], [Add(A, "c"), Move(A, "b")]),
        ([A, B], ["a"], [Remove(B)]),
        ([A, B], ["c"], [Move(A, "c"), Remove(B)]),
        ([A, B], ["b", "c"], [Move(A, "c")]),
        ([A, B], ["a", "b", "c"], [Add(A, "c")]),
        ([A, A2], ["a"], []),
        ([A, A2], ["b"], [Move(A, "b"), Remove(A2)]),
        ([A, A2, B], ["b"], [Remove(A), Remove(A2)]),
        ([A, A2], ["b", "c"], [Move(A, "b"), Move(A2, "c")]),
        ([A, B, C], ["d"], [Move(A, "d"), Remove(B), Remove(C)]),
    ],
)
def test_the_plan(copies: list[Copy], wanted: list[str], steps: list[Step]) -> None:
    assert plan_moves(copies, wanted) == steps


def test_an_email_must_be_somewhere() -> None:
    with pytest.raises(ValueError, match="at least one"):
        plan_moves([A], [])
    with pytest.raises(ValueError, match="at least one"):
        plan_moves([], ["a"])


PLACES = st.lists(st.tuples(st.sampled_from("abcd"), st.integers(1, 3)), min_size=1, max_size=6, unique=True)


@given(places=PLACES, wanted=st.lists(st.sampled_from("abcd"), min_size=1, unique=True))
def test_every_plan_ends_where_it_should_and_never_without_a_copy(
    places: list[tuple[str, int]], wanted: list[str]
) -> None:
    copies = [copy(*place) for place in places]
    held = list(copies)
    for number, step in enumerate(plan_moves(copies, wanted)):
        assert step.source in held
        if isinstance(step, Move | Remove):
            held.remove(step.source)
        if isinstance(step, Move | Add):
            held.append(copy(step.target, 100 + number))
        assert held
    assert {one.mailbox_id for one in held} == set(wanted)
