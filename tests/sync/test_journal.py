"""RFC 8620 §5.2 on the journal alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sync.journal import COUNTS, CannotCalculateChanges, Changes, Journal


def committed(journal: Journal, **types: Changes) -> str:
    journal.append(journal.record(types))
    return journal.state("Email")


def test_coalescing() -> None:
    journal = Journal()
    start = journal.state("Email")
    committed(journal, Email=Changes(created=["new", "brief", "kept"]))
    middle = committed(journal, Email=Changes(updated=["new", "old"], destroyed=["brief", "gone"]))
    committed(journal, Email=Changes(created=["gone"], destroyed=["old"]))
    changes = journal.changes("Email", start, None)
    assert sorted(changes.created) == ["kept", "new"]
    assert changes.updated == ["gone"]  # destroyed and created again: it is there before and after
    assert changes.destroyed == ["old"]
    assert not changes.has_more
    later = journal.changes("Email", middle, None)
    assert (later.created, later.updated, later.destroyed) == (["gone"], [], ["old"])


def test_nothing_new() -> None:
    journal = Journal()
    state = committed(journal, Email=Changes(created=["a"]))
    changes = journal.changes("Email", state, 5)
    assert (changes.old_state, changes.new_state, changes.has_more) == (state, state, False)
    assert not changes.created


def test_states_are_per_type() -> None:
    journal = Journal()
    before = journal.state("Mailbox")
    committed(journal, Email=Changes(updated=["a"]))
    assert journal.state("Mailbox") == before
    assert journal.state("Email") != before


def test_pages_may_cut_one_commit() -> None:
    journal = Journal()
    start = journal.state("Email")
    committed(journal, Email=Changes(created=[f"e{number}" for number in range(7)]))
    seen: list[str] = []
    state = start
    for expected in (3, 3, 1):
        page = journal.changes("Email", state, 3)
        assert len(page.created) == expected
        assert page.has_more is (expected == 3)
        seen += page.created
        state = page.new_state
        if len(seen) == 3:  # the server moves on meanwhile; the stretch that was begun does not
            committed(journal, Thread=Changes(created=["t"]))
    assert sorted(seen) == [f"e{number}" for number in range(7)]
    assert state == journal.state("Email")


def test_more_after_an_intermediate_stretch() -> None:
    journal = Journal()
    start = journal.state("Email")
    committed(journal, Email=Changes(created=["a", "b"]))
    page = journal.changes("Email", start, 1)
    committed(journal, Email=Changes(destroyed=["a"]))
    page = journal.changes("Email", page.new_state, 1)
    assert page.has_more  # RFC 8620 §5.2: "it would indicate that it still has more changes"
    assert journal.changes("Email", page.new_state, 1).destroyed == ["a"]


@pytest.mark.parametrize(
    "state",
    ["", "x", "57", "{epoch}", "{epoch}-", "{epoch}-99", "{epoch}--1", "ffffffffffff-1", "{epoch}-1-9-0", "{epoch}-٣",
     "{epoch}-1\n", "{epoch}-1-0-0", "9" * 100_000, "\0"],
)  # fmt: skip
def test_other_states_are_refused(state: str) -> None:
    journal = Journal()
    committed(journal, Email=Changes(created=["a"]))
    with pytest.raises(CannotCalculateChanges):
        journal.changes("Email", state.format(epoch=journal.epoch), None)


def test_trimming_raises_the_floor_of_what_was_trimmed_only() -> None:
    journal = Journal(keep=3)
    old_email, old_mailbox = journal.state("Email"), journal.state("Mailbox")
    kept = ""
    for number in range(5):
        state = committed(journal, Email=Changes(created=[f"e{number}"]))
        kept = state if number == 1 else kept
    assert len(journal.records) == 3
    with pytest.raises(CannotCalculateChanges):
        journal.changes("Email", old_email, None)
    assert len(journal.changes("Email", kept, None).created) == 3
    assert not journal.changes("Mailbox", old_mailbox, None).has_more


def test_updated_properties() -> None:
    """RFC 8621 §2.2."""
    journal = Journal()
    start = journal.state("Mailbox")
    committed(journal, Mailbox=Changes(counts=["a"]))
    assert journal.changes("Mailbox", start, None).updated_properties == COUNTS
    committed(journal, Mailbox=Changes(updated=["a"]))
    changes = journal.changes("Mailbox", start, None)
    assert (changes.updated, changes.updated_properties) == (["a"], None)


def test_epochs() -> None:
    journal = Journal()
    stored = committed(journal, Email=Changes(created=["a"]))
    journal.branch(journal.seq)
    committed(journal, Email=Changes(created=["b"]))
    assert journal.changes("Email", stored, None).created == ["b"]
    with pytest.raises(CannotCalculateChanges):  # never given out in that epoch
        journal.changes("Email", stored.replace("-1", "-2"), None)
    journal.renew()
    with pytest.raises(CannotCalculateChanges):
        journal.changes("Email", stored, None)
    assert not journal.changes("Email", journal.state("Email"), None).has_more


EVENT = st.tuples(st.sampled_from("abcdef"), st.booleans())


@given(st.lists(st.lists(EVENT, max_size=4), max_size=12), st.integers(1, 4), st.integers(0, 11))
def test_changes_lead_to_the_truth(commits: list[list[tuple[str, bool]]], page: int, cut: int) -> None:
    journal = Journal()
    truth: dict[str, int] = {}
    copy: dict[str, int] = {}
    state = journal.state("Email")
    for number, events in enumerate(commits):
        changes = Changes()
        for name, keep in dict(events).items():
            if name not in truth:
                changes.created.append(name)
                truth[name] = number
            elif keep:
                changes.updated.append(name)
                truth[name] = number
            else:
                changes.destroyed.append(name)
                del truth[name]
        journal.append(journal.record({"Email": changes}))
        if number == cut:
            copy, state = dict(truth), journal.state("Email")
    while True:
        found = journal.changes("Email", state, page)
        assert not set(found.created) & copy.keys()
        assert set(found.updated) | set(found.destroyed) <= copy.keys()
        for name in found.destroyed:
            del copy[name]
        copy.update({name: truth[name] for name in (*found.created, *found.updated)})
        state = found.new_state
        if not found.has_more:
            break
    assert copy == truth
