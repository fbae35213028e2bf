"""Real vCards, of many programs and of versions 2.1, 3.0 and 4.0: read without complaint, and nothing is lost."""

from operator import itemgetter
from pathlib import Path
from typing import Any

import pytest

from adapters.formats.jscontact.patch import patched
from adapters.formats.jscontact.read import read_cards
from adapters.formats.jscontact.shape import faults
from adapters.formats.jscontact.write import write_card
from tests.formats.jscontact.corpus import FILES, name


def without_order(card: dict[str, Any]) -> dict[str, Any]:
    """A Card with components that follow no order put into one (RFC 9553 §2.2.1.1, §2.5.1.1)."""
    addresses = {key: _sorted(item) for key, item in card.get("addresses", {}).items()}
    return {**card, "addresses": addresses, "name": _sorted(card.get("name", {}))}


def _sorted(item: dict[str, Any]) -> dict[str, Any]:
    if item.get("isOrdered") or "components" not in item:
        return item
    return {**item, "components": sorted(item["components"], key=itemgetter("kind", "value"))}


@pytest.mark.parametrize("version", ["3.0", "4.0"])
@pytest.mark.parametrize("path", FILES, ids=name)
def test_a_round_trip_loses_nothing(path: Path, version: Any) -> None:
    for card in read_cards(path.read_bytes()):
        assert faults(card) == []
        (again,) = read_cards(write_card(card, version))
        assert without_order(again) == without_order(card)


@pytest.mark.parametrize("path", FILES, ids=name)
def test_a_patch_changes_only_what_it_says(path: Path) -> None:
    data = path.read_bytes()
    before, *others = read_cards(data)
    if others:
        return
    after = {**before, "emails": {**before.get("emails", {}), "new": {"address": "new@example.com"}}}
    stored = patched(data, before, after)
    (again,) = read_cards(stored, uid=before["uid"])
    assert again == after
    assert patched(stored, again, again) == stored
