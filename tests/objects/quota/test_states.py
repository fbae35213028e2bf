"""States of Quotas: what one says of the way to another."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.objects.quota.states import State, difference, from_text, state_of, to_text

ID = "q" + "0" * 26
names = st.integers(0, 9).map(lambda number: f"q{number:026d}")
values = st.tuples(st.sampled_from(["0" * 16, "f" * 16]), st.integers(0, 3) | st.integers(0, 2**53 - 1))
some_states = st.dictionaries(names, values, max_size=6)


@given(some_states)
def test_a_state_is_read_back(state: State) -> None:
    assert from_text(to_text(state)) == state


@given(st.text(max_size=80) | st.from_regex(r"q(-[a-z0-9.]*){0,3}", fullmatch=True))
def test_what_is_no_state_is_refused_or_read(text: str) -> None:
    state = from_text(text)
    assert state is None or set(to_text(state).split("-")) <= set(text.split("-"))


def test_strings_of_others_are_no_state() -> None:
    for text in ("", "0", "q-", f"q-{ID}", f"q-{ID}.{'0' * 16}.-1", f"q-{ID}.{'0' * 16}.1\n", "e-17"):
        assert from_text(text) is None
    assert from_text("q") == {}


@given(some_states, some_states, st.integers(1, 4))
def test_a_client_that_pages_arrives_where_one_is_that_does_not(old: State, new: State, most: int) -> None:
    state, seen = old, set(old)
    for _ in range(20):
        step = difference(state, new, most)
        assert len(step.created) + len(step.updated) + len(step.destroyed) <= most
        assert not seen & set(step.created)
        assert seen >= set(step.updated) | set(step.destroyed)
        seen = seen - set(step.destroyed) | set(step.created)
        state = from_text(to_text(step.state)) or {}
        if not step.has_more:
            break
    assert (state, seen) == (new, set(new))


@given(some_states, some_states)
def test_only_used_is_said_only_where_it_is_true(old: State, new: State) -> None:
    found = difference(old, new)
    limits = {name: rest for name, (rest, _) in old.items()} == {name: rest for name, (rest, _) in new.items()}
    assert found.only_used is (old != new and limits)


def test_a_new_limit_is_not_only_use() -> None:
    quota: dict[str, Any] = {"id": ID, "name": "root", "used": 1, "hardLimit": 5}
    before = state_of({ID: quota})
    assert difference(before, state_of({ID: quota | {"used": 2}})).only_used
    assert not difference(before, state_of({ID: quota | {"hardLimit": 6}})).only_used
    assert not difference(before, state_of({ID: quota})).updated
