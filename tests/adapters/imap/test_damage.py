"""Messages that a server fails over are found by halving, and left alone for a while."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.imap.damage import MOST_FAILURES, REST_SECONDS, Damages
from adapters.imap.errors import Damaged

FOLDER = ("INBOX", 1)


class Reader:
    """Fails for a run that holds one of the bad UIDs."""

    def __init__(self, *bad: int) -> None:
        self.bad = set(bad)
        self.runs: list[list[int]] = []

    async def __call__(self, uids: Sequence[int]) -> list[int]:
        self.runs.append(list(uids))
        if self.bad.intersection(uids):
            raise Damaged("FETCH failed")
        return list(uids)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@given(st.integers(2, 600), st.data())
async def test_all_others_are_read_in_their_order(count: int, data: st.DataObject) -> None:
    bad = data.draw(st.sets(st.integers(1, count), max_size=min(3, count - 1)))
    damages, reader = Damages(), Reader(*bad)
    runs = await damages.passing_over(*FOLDER, range(1, count + 1), reader)
    assert [uid for run in runs for uid in run] == [uid for uid in range(1, count + 1) if uid not in bad]
    assert damages.among(*FOLDER) == sorted(bad)


@pytest.mark.parametrize("count", [4, 5, 8, 600])
async def test_the_first_three_are_damaged(count: int) -> None:
    reader = Reader(1, 2, 3)
    runs = await Damages().passing_over(*FOLDER, range(1, count + 1), reader)
    assert [uid for run in runs for uid in run] == list(range(4, count + 1))


async def test_it_is_left_alone_for_a_while() -> None:
    clock, reader = Clock(), Reader(3)
    damages = Damages(clock)
    await damages.passing_over(*FOLDER, [1, 2, 3, 4], reader)
    reader.runs.clear()
    await damages.passing_over(*FOLDER, [1, 2, 3, 4], reader)
    assert reader.runs == [[1, 2, 4]]
    assert await damages.passing_over(*FOLDER, [3], reader) == []
    assert await damages.passing_over("Work", 1, [3], Reader()) == [[3]]
    reader.bad.clear()
    clock.now = REST_SECONDS
    assert await damages.passing_over(*FOLDER, [1, 2, 3, 4], reader) == [[1, 2, 3, 4]]
    assert damages.among(*FOLDER) == []


@pytest.mark.parametrize("count", [1, 2, 3, 50, 2048])
async def test_a_folder_that_is_broken_as_a_whole_is_soon_given_up(count: int) -> None:
    damages, reader = Damages(), Reader(*range(1, count + 1))
    with pytest.raises(Damaged):
        await damages.passing_over(*FOLDER, range(1, count + 1), reader)
    assert len(reader.runs) <= count.bit_length() + 4
    assert damages.among(*FOLDER) == []


async def test_what_many_failures_found_is_kept() -> None:
    """Each call comes further, and none takes for ever."""
    damages, reader = Damages(), Reader(*range(2, 200, 2))
    for _ in range(20):
        reader.runs.clear()
        try:
            runs = await damages.passing_over(*FOLDER, range(1, 200), reader)
        except Damaged:
            assert len(reader.runs) <= 2 * MOST_FAILURES
        else:
            break
    assert [uid for run in runs for uid in run] == list(range(1, 200, 2))
