"""States without a journal: each is told once, by whoever sees it first."""

import json

import pytest

from adapters.errors import Unavailable
from gateway.sync.observed import Observed
from tests.sync.conftest import ShakyStore


@pytest.fixture
def store() -> ShakyStore:
    return ShakyStore()


def told(store: ShakyStore) -> list[dict[str, str]]:
    return [json.loads(message) for channel, message in store.published if channel == "account/a1"]


async def test_what_is_new_is_told(store: ShakyStore) -> None:
    server = {"SieveScript": "s1", "VacationResponse": "v1"}

    async def ask() -> dict[str, str]:
        return dict(server)

    observed = Observed(store, "a1", ("SieveScript", "VacationResponse"), ask)
    assert observed.state("SieveScript") == ""
    await observed.refresh()
    await observed.refresh()
    server["VacationResponse"] = "v2"
    await observed.refresh()
    await observed.note({"SieveScript": "s2"})
    assert told(store) == [
        {"SieveScript": "s1", "VacationResponse": "v1"},
        {"VacationResponse": "v2"},
        {"SieveScript": "s2"},
    ]
    assert observed.state("SieveScript") == "s2"


async def test_a_server_that_is_away_changes_nothing(store: ShakyStore) -> None:
    async def ask() -> dict[str, str]:
        raise Unavailable("away")

    observed = Observed(store, "a1", ("Quota",), ask)
    await observed.note({"Quota": "q1"})
    with pytest.raises(Unavailable):
        await observed.refresh()
    assert observed.state("Quota") == "q1"


async def test_a_store_that_is_away_is_no_failure(store: ShakyStore) -> None:
    observed = Observed(store, "a1", ("Quota",), dict)  # type: ignore[arg-type]
    store.down = True
    await observed.note({"Quota": "q1"})
    assert observed.state("Quota") == "q1"
