"""What the gateway itself did, entered without a pass; and the order of Mailboxes, which only the gateway keeps."""

import pytest

from adapters.ports.mail import FolderStatus
from gateway.sync import orders
from gateway.sync.own_writes import advanced


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
