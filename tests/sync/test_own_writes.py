"""What the gateway itself did, entered without a pass; and the order of Mailboxes, which only the gateway keeps."""

from array import array

import pytest

from adapters.ports.mail import Arrivals, Folder, FolderStatus
from gateway.sync import orders
from gateway.sync.emails import Emails
from gateway.sync.ids import Digester
from gateway.sync.own_writes import Marked, advanced, enter
from gateway.sync.stage import Stage


@pytest.mark.parametrize(
    ("modseqs", "after"),
    [
        ({11}, 11),
        ({11, 12}, 12),
        ({12}, 10),  # 11 was somebody else's
        ({11, 13}, 10),
        ({10}, 10),  # a pass has seen it already
        (set(), 10),
    ],
)
def test_the_cursor_goes_on_only_without_a_gap(modseqs: set[int], after: int) -> None:
    cursor = FolderStatus(7, 5, 4, 0, 10)
    assert advanced(cursor, frozenset(modseqs)).highest_modseq == after
    assert advanced(FolderStatus(7, 5, 4, 0, 0), frozenset({1})).highest_modseq == 0  # no CONDSTORE


@pytest.mark.parametrize(("known_to", "keywords", "after"), [(10, {"$flagged"}, 11), (11, set(), 11), (13, set(), 13)])
def test_a_change_that_a_pass_has_seen_is_not_entered_again(known_to: int, keywords: set[str], after: int) -> None:
    """What the pass found may be what somebody else did after it."""
    stage = Stage(Emails(), Digester("here", "x-guid"), recording=False, fingerprints=False, threads=None)
    box = stage.add_box("fa", Folder("INBOX", "/", None, None, True, True, False, None, None))
    stage.set_cursor(box.number, FolderStatus(7, 2, 1, 0, known_to))
    arrivals = Arrivals(array("I", [1]), [b"guid"], array("q", [0]), array("I", [100]), [frozenset()])
    stage.arrive(box.number, arrivals, 0, 1)
    enter(stage, Marked("fa", 7, {1: frozenset({"$flagged"})}, frozenset({11})))
    contents = stage.emails.contents[box.number]
    assert stage.emails.flag_sets.sets[contents.flags[0]] == keywords
    cursor = stage.emails.boxes[box.number].cursor
    assert cursor is not None
    assert cursor.highest_modseq == after


def test_orders_come_back_as_they_were_written() -> None:
    kept = {"fa": 3, "fb": 0}
    assert orders.read(orders.write("account", kept).value) == kept
    for value in (None, b"", b"nonsense", orders.write("account", kept).value[:-1]):
        assert orders.read(value) == {}
    said: orders.Orders = {"fa/role": "archive", "fb/role": "", "fa": 3}
    assert orders.read(orders.write("account", said).value) == said
    assert orders.read(orders.write("account", {"fa": "x", "fb/role": 1}).value) == {}
    assert orders.merge(said, {"fa": None, "fb/role": None}, {"fa": 0}) == {"fa/role": "archive"}
    assert orders.merge(kept, {"fa": None, "fc": 9, "fd": 1}, {"fa": 0, "fb": 0, "fc": 0}) == {"fb": 0, "fc": 9}
